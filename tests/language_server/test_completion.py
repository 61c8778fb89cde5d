"""What may stand at the cursor is proposed, also where the text is unfinished."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import Editor, editing
from lsprotocol import types

from cnndsl.elaborate.quantities import Quantity
from cnndsl.layers import keywords
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAD = """network tiny
import "parts"
param classes = 10
input picture 1x28x28
stem: conv 8@3 padding 1 -> relu
"""
PARTS = """# Makes it smaller.
block halve(width, stream x, step = 2) { x -> conv width@3 stride step padding 1 rounding floor }
"""


async def proposed(
    tmp_path: Path, line: str, behind: str = "\nflatten -> dense classes\n"
) -> dict[str, types.CompletionItem]:
    """What is proposed at the `|` of a line below `HEAD`."""
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        before, _, after = line.partition("|")
        uri = editor.open(f"{HEAD}{before}{after}{behind}")
        mark = f"relu\n{line}{behind}" if "|" in line else f"relu\n{line}|{behind}"
        return await editor.completion(uri, mark)


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("|", ["conv", "halve", "stem", "train", "expect", "repeat", "picture"], ["return", "lr"]),
        ("co|", ["conv"], []),
        ("stem -> |", ["conv", "halve", "add"], ["stem", "train", "padding"]),
        ("x = |", ["stem", "conv", "halve"], ["train"]),
        ("conv 8@3 |", ["padding", "stride", "bias", "share"], ["filters", "conv"]),
        ("conv 8@3 padding 1 |", ["stride"], ["padding"]),
        ("conv 8@3 padding |", ["same", "valid", "full", "classes"], ["stride"]),
        ("conv 8@3 init |", ["he", "normal"], []),
        ("conv |", ["classes"], ["padding"]),
        ("conv 8@|", ["classes"], ["padding"]),
        ("conv 8@3 stride cla|", ["classes"], []),
        ("u: halve(8, stem)\nadd(u.|", ["u.conv1"], ["stem", "conv"]),
        ("u: halve(8, stem)\noutput u.c|", ["u.conv1"], ["stem", "relu1"]),
        ("conv 8@3 share |", ["stem"], []),
        ("unpool |", ["stem"], []),
        ("maxpool 2 rounding |", ["exact", "floor", "ceil"], []),
        ("add(|", ["stem", "conv"], ["width"]),
        ("add(stem, |", ["stem", "conv"], []),
        ("roipool(stem, picture, |", ["size", "scale", "stem"], []),
        ("roipool(stem, picture, size = |", ["classes"], ["stem"]),
        ("halve(|", ["width", "x", "step", "classes"], ["conv"]),
        ("halve(8, |", ["x", "stem", "conv"], ["width"]),
        ("halve(8, stem, step = |", ["classes"], ["stem"]),
        ("halve(8, x = |", ["stem"], ["classes"]),
        ("let k = |", ["classes", "channels", "min"], ["conv"]),
        ("let k = channels(|", ["stem", "picture"], ["classes"]),
        ("repeat |", ["classes"], ["conv"]),
        ("for k in [|", ["classes"], ["conv"]),
        ("repeat 2 { |", ["conv", "stem", "let"], ["train", "expect"]),
        ("expect |", list(Quantity), ["conv"]),
        ("rounding |", ["exact", "floor", "ceil"], []),
        ("output |", ["stem", "relu1"], []),
        ("import |", ['"std/residual"', '"parts"'], []),
        ('import "|"', ["std/residual", "parts"], []),
        ("train { |", [*VARIANTS, *SCALARS, *LABELLED, *NAMES], ["conv"]),
        ("train {\n  loss |", ["crossentropy", "mse", "stem"], []),
        ("train {\n  loss stem |", ["crossentropy", "mse"], []),
        ("train {\n  loss crossentropy |", ["smoothing"], []),
        ("train {\n  optimizer |", ["sgd", "adam"], ["crossentropy"]),
        ("train {\n  optimizer sgd |", ["lr", "momentum"], ["loss"]),
        ("train {\n  optimizer sgd lr 0.1 |", ["momentum"], ["lr"]),
        ("train {\n  schedule |", ["cosine", "step"], []),
        ("train {\n  augment crop padding 4 -> |", ["flip", "cutout"], []),
        ("train {\n  freeze |", ["stem", "relu1"], []),
        ("train {\n  precision |", ["float16", "bfloat16"], []),
        ("train {\n  batch 64\n  |", ["epochs"], []),
        ("block b(width) {\n  |", ["conv", "return", "let"], ["train", "stem"]),
        ("block b(|", ["stream"], ["conv"]),
        ("block b(width = |", ["classes", "yes"], ["stream"]),
        ("block b(n) {\n  for k in [1, 2] { c: conv n@|", ["n", "k", "classes"], ["c"]),
        ("for (a, b) in [[1, 2]] { conv |", ["a", "b"], []),
        ("for (a, b) in [[1, 2]] { relu }\nconv |", ["classes"], ["a", "b"]),
        ("block b(n) { relu }\nconv |", ["classes"], ["n"]),
        ("for i |", ["in"], []),
        ("if classes > 3 { relu } |", ["else"], ["if", "in"]),
        ("if classes > 3 { relu }\n|", ["else", "conv"], ["in"]),
        ("if classes > 3 { relu } else { relu } |", [], ["else"]),
        ("repeat 2 { relu } |", [], ["else"]),
        ("let k = 1 |", ["if", "and", "or"], ["else"]),
        ("let k = 1 if classes > 3 |", ["else", "and"], ["if"]),
        ("halve(8, stem) |", ["share"], []),
        ("classes |", ["from"], []),
        ("input other |", ["tokens"], []),
        ("input other tokens 5 |", ["vocabulary"], ["tokens"]),
        ("train {\n  loss stem crossentropy |", ["smoothing", "weight"], []),
        ("train {\n  loss stem crossentropy weight 0.3 |", ["smoothing"], ["weight"]),
        ("train {\n  loss stem crossentropy weight |", ["classes"], ["smoothing"]),
        ("block b(width, stream y) {\n  conv |", ["width", "classes"], []),
        ("block b(width, stream y) {\n  add(|", ["y"], ["stem"]),
        ("block b(width, stream y) {\n  |", ["y"], ["stem"]),
        ("block b(width, stream y) {\n  let k = |", ["width", "classes"], ["y", "stem"]),
        ("# co|", [], ["conv"]),
        ('classes "co|"', [], ["conv"]),
        ("param |", [], ["conv"]),
        ("block |", [], ["conv"]),
    ],
)
async def test_what_may_stand_there_is_proposed(
    tmp_path: Path, line: str, some: list[str], none: list[str]
) -> None:
    found = await proposed(tmp_path, line)
    assert [word for word in some if word not in found] == []
    assert [word for word in none if word in found] == []


async def test_every_layer_is_proposed_with_what_it_needs(tmp_path: Path) -> None:
    found = await proposed(tmp_path, "stem -> |")
    assert [word for word in keywords() if word not in found] == []
    edit = found["conv"].text_edit
    assert isinstance(edit, types.TextEdit)
    assert edit.new_text == "conv ${1:16}@${2:3}"


async def test_a_claim_is_proposed_that_holds(tmp_path: Path) -> None:
    assert [*await proposed(tmp_path, "C1: conv 6@5 -> tanh => |")] == ["6x24x24"]
    assert [*await proposed(tmp_path, "add(stem, conv 8@1) => |")] == ["8x28x28"]


async def test_settings_of_an_input_are_proposed(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 3x8x8 { }\nconv 4@3\n")
        assert {"scale", "mean", "layout"} <= (await editor.completion(uri, "8x8 {| }")).keys()
        editor.replace(uri, "input 3x8x8 { layout }\nconv 4@3\n")
        assert {"rgb", "bgr"} <= (await editor.completion(uri, "layout |}")).keys()


async def test_documentation_comes_when_it_is_looked_at(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 3x8x8\n\n")
        item = (await editor.completion(uri, "8x8\n|\n"))["conv"]
        assert item.documentation is None
        item = await editor.client.completion_item_resolve_async(item)
        assert isinstance(item.documentation, types.MarkupContent)
        assert "`stride`: " in item.documentation.value


async def signature(editor: Editor, uri: str, mark: str) -> tuple[str, str | None]:
    """The signature at a place, and the parameter that is being written."""
    params = types.SignatureHelpParams(**editor.at(uri, mark))
    found = await editor.client.text_document_signature_help_async(params)
    if found is None:
        return "", None
    [one] = found.signatures
    at = one.active_parameter
    label = None if at is None or not one.parameters else one.parameters[at].label
    assert label is None or isinstance(label, str)
    return one.label, label


async def test_a_call_shows_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(f"{HEAD}halve(8, stem, step = 1)\nconv 8@3 stride 2\nadd(stem, relu)\n")
        call = "halve(width, stream x, step = 2)"
        assert await signature(editor, uri, "halve(|8") == (call, "width")
        assert await signature(editor, uri, "(8, |stem") == (call, "stream x")
        assert await signature(editor, uri, "step = |1") == (call, "step = 2")
        layer, parameter = await signature(editor, uri, "conv |8@3 stride")
        assert layer.startswith("conv filters@kernel [stride 1] [padding 0]")
        assert parameter == "filters"
        assert (await signature(editor, uri, "8@|3 stride"))[1] == "kernel"
        assert (await signature(editor, uri, "stride |2"))[1] == "stride"
        assert (await signature(editor, uri, "add(|stem"))[0] == "add(stream, stream)"
        assert await signature(editor, uri, "|network") == ("", None)
