"""Pointing at something shows what it is: shapes and costs of layers, values of names, rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import editing

pytestmark = pytest.mark.asyncio(loop_scope="session")

NET = """network tiny
import "parts"
param classes = 10
let width = 2*classes - 4
input picture 1x28x28
C1: conv width@5x5 stride 1 -> relu
for k in [3, 5] { conv 8@k padding k//2 }
pooled = C1 -> maxpool 2
unit(32, pooled) -> u: unit(64, pooled)
flatten -> dense classes -> softmax
expect params 1
train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 64
}
"""
PARTS = """# A convolution of a stream
# and a rectifier.
block unit(filters, stream x) { x -> c: conv filters@3 -> relu }
"""


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("C1: co|nv", ["`1x28x28 -> 16x24x24`", "416 parameters", "230,400 MACs", "field 5x5"]),
        ("C1: co|nv", ["conv filters@kernel [stride 1]", "docs/layers/conv.md"]),
        ("str|ide 1", ["`stride`:", "at least 1", "`1` by default"]),
        ("stride |1", ["`stride`:"]),
        ("{ co|nv 8@k", ["2 layers", "`conv1`: `16x24x24 -> 8x24x24`", "`conv2`: `8x24x24"]),
        ("param cl|asses", ["param classes = 10", "parameter of the file", "`10`"]),
        ("dense cla|sses", ["param classes = 10", "`10`"]),
        ("wi|dth@5x5", ["let width = 2*classes - 4", "constant", "`16`"]),
        ("8@|k ", ["`k`: loop variable", "`3`, `5`"]),
        ("C1| -> maxpool", ["`C1`: label", "`16x24x24`"]),
        ("unit(64, poo|led)", ["`pooled`: stream", "`16x12x12`"]),
        ("input pic|ture", ["`picture`: input", "`1x28x28`"]),
        ("u: un|it(64", ["block unit(filters, stream x)", "A convolution of a stream\nand"]),
        ("u: un|it(64", ["this call gives `64x10x10` · 2 layers · 9,280 parameters · "]),
        ('import "par|ts"', ["parts.cnn`", "block unit(filters, stream x)"]),
        ("expect par|ams", ["`params` is "]),
        ("expect params |1", ["[CNN402]", "expectation"]),
        ("optimizer s|gd", ["optimizer sgd", "`momentum`"]),
        ("mome|ntum 0.9", ["`momentum`"]),
        ("bat|ch 64", ["How many samples one step sees"]),
        ("inp|ut picture", ["channels x height x width"]),
        ("tr|ain {", ["the recipe"]),
    ],
)
async def test_a_place_says_what_it_is(tmp_path: Path, mark: str, words: list[str]) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        said = await editor.hover(editor.open(NET), mark)
    assert [word for word in words if word not in said] == [], said


async def test_a_comment_says_nothing(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("# conv 8@3 repeat\ninput 1x8x8\nconv 4@3\n")
        assert await editor.hover(uri, "# co|nv") == ""
        assert await editor.hover(uri, "rep|eat") == ""


async def test_a_block_in_its_own_file_shows_the_shapes_of_its_calls(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        await editor.diagnostics(editor.open(NET))
        parts = editor.open(PARTS, "parts.cnn")
        said = await editor.hover(parts, "c: co|nv")
        assert "`unit1.c`: `16x12x12 -> 32x10x10`" in said
        assert "`u.c`: `16x12x12 -> 64x10x10`" in said
        assert "`32`, `64`" in await editor.hover(parts, "conv filt|ers")


async def test_behind_a_mistake_shapes_are_shown_as_far_as_they_are_known(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 3x224x224\nconv 96@11 stride 4\nmaxpool 3 stride 2\n")
        assert "`3x224x224 -> 96x?x?`" in await editor.hover(uri, "co|nv")
        assert "`96x?x? -> 96x?x?`" in await editor.hover(uri, "max|pool")
