"""A name leads to where it is defined and to its uses, and can be changed: across files, proved."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import Editor, editing
from lsprotocol import types
from pygls.exceptions import JsonRpcException

pytestmark = pytest.mark.asyncio(loop_scope="session")

PARTS = """let growth = 2
block halve(width, stream x, step = 2) {
  let wide = growth*width
  x -> c: conv wide@3 stride step padding 1 rounding floor -> relu
}
"""
NET = """network tiny
import "parts"
param classes = 10
input 3x32x32
stem: conv 8@3 padding 1 -> relu
for width in [8, 16] { conv width@1 }
a = halve(8, stem)
a -> h: halve(width = 8, x = a, step = 2)
stage: repeat 2 { d: conv 4@1 }
a = d -> conv 4@1
concat(
  add(a, stage.1.d) -> globalavgpool,
  h.c -> conv 4@1 -> globalavgpool,
  halve(1, h.c) -> halve(2, identity, step = 1) -> globalavgpool
)
dense classes -> softmax
output stem
train {
  freeze stem h halve1
  lr_factor h.c 0.1
}
"""


async def defined(editor: Editor, uri: str, mark: str) -> list[str]:
    """Where a name is defined, as `file:line text`."""
    params = types.DefinitionParams(**editor.at(uri, mark))
    found = await editor.client.text_document_definition_async(params)
    assert isinstance(found, list)
    places = []
    for one in found:
        assert isinstance(one, types.Location)
        places.append(
            f"{Path(one.uri).name}:{one.range.start.line + 1}:{one.range.start.character}"
        )
    return places


async def used(editor: Editor, uri: str, mark: str, *, declaration: bool = True) -> list[str]:
    params = types.ReferenceParams(types.ReferenceContext(declaration), **editor.at(uri, mark))
    found = await editor.client.text_document_references_async(params)
    return [f"{Path(one.uri).name}:{one.range.start.line + 1}" for one in found or ()]


@pytest.mark.parametrize(
    ("mark", "places"),
    [
        ("dense cla|sses", ["net.cnn:3:6"]),
        ("halve(8, st|em)", ["net.cnn:5:0"]),
        ("conv wid|th@1", ["net.cnn:6:4"]),
        ("a = hal|ve(8", ["parts.cnn:2:6"]),
        ("halve(wid|th = 8", ["parts.cnn:2:12"]),
        ("|x = a, step", ["parts.cnn:2:26"]),
        ("x = |a, step", ["net.cnn:7:0"]),
        ("add(|a, stage", ["net.cnn:10:0"]),
        ("st|age.1.d", ["net.cnn:9:0"]),
        ("stage.1.|d", ["net.cnn:9:18"]),
        ("\n  h.|c", ["parts.cnn:4:7"]),
        ("output st|em", ["net.cnn:5:0"]),
        ("freeze st|em", ["net.cnn:5:0"]),
        ("h hal|ve1", ["parts.cnn:2:6"]),
        ("lr_factor h.|c", ["parts.cnn:4:7"]),
        ('import "par|ts"', ["parts.cnn:1:0"]),
    ],
)
async def test_a_name_leads_to_its_definition(tmp_path: Path, mark: str, places: list[str]) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        assert await defined(editor, editor.open(NET), mark) == places


async def test_uses_of_a_block_are_found_in_files_that_are_not_open(tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_text(NET)
    (tmp_path / "other.cnn").write_text('import "parts"\ninput 1x8x8\nhalve(4, identity)\n')
    (tmp_path / "alone.cnn").write_text("block halve(a) { conv a@1 }\n")
    async with editing(tmp_path) as editor:
        uri = editor.open(PARTS, "parts.cnn")
        assert await used(editor, uri, "block ha|lve") == [
            *["net.cnn:7", "net.cnn:8", "net.cnn:14", "net.cnn:14", "net.cnn:19"],
            *["other.cnn:3", "parts.cnn:2"],
        ]
        assert await used(editor, uri, "growth*|width", declaration=False) == [
            *["net.cnn:8", "parts.cnn:3"],
        ]


@pytest.mark.parametrize(
    ("mark", "name", "changes"),
    [
        ("st|em:", "root", {"net.cnn": 4}),
        ("dense cla|sses", "units", {"net.cnn": 2}),
        ("for wid|th", "k", {"net.cnn": 2}),
        ("stage.1.|d", "last", {"net.cnn": 3}),
        ("|a = halve", "first", {"net.cnn": 5}),
        ("h.|c -> conv", "kernel", {"net.cnn": 3, "parts.cnn": 1}),
        ("a = hal|ve(", "shrink", {"net.cnn": 5, "parts.cnn": 1}),
        ("halve(wid|th", "channels_out", {"net.cnn": 1, "parts.cnn": 2}),
        ("identity, st|ep", "pace", {"net.cnn": 2, "parts.cnn": 2}),
    ],
)
async def test_a_name_is_changed_wherever_it_stands(
    tmp_path: Path, mark: str, name: str, changes: dict[str, int]
) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        before = await editor.diagnostics(uri)
        found = await editor.rename(uri, mark, name)
        counted = {
            file: text.count(name) - {"net.cnn": NET, "parts.cnn": PARTS}[file].count(name)
            for file, text in found.items()
        }
        assert counted == changes
        if "parts.cnn" in found:
            parts = editor.open(PARTS, "parts.cnn")
            editor.replace(parts, found["parts.cnn"])
        editor.replace(uri, found["net.cnn"])
        after = await editor.diagnostics(uri)
        assert [one.code for one in after] == [one.code for one in before]
        assert {one.severity for one in after} == {types.DiagnosticSeverity.Warning}


@pytest.mark.parametrize(
    ("mark", "name", "why"),
    [
        ("st|em:", "2nd", "`2nd` is no name"),
        ("st|em:", "relu", "`relu` already names a layer or block"),
        ("st|em:", "h", "the label `h` is given twice"),
        ("st|em:", "halve", "already names a layer or block"),
        ("dense cla|sses", "repeat", "CNN"),
        ("for wid|th", "padding", ""),
        ("|a = halve", "d", "means something else"),
        ("a = hal|ve(", "conv", "`conv` is a layer and cannot name a block"),
        ("let gro|wth", "width", "means something else"),
        ("|network", "x", "nothing here has a name"),
        ("par|am classes", "x", "nothing here has a name"),
        ("input 3x|32x32", "x", "nothing here has a name"),
    ],
)
async def test_a_name_that_would_change_the_network_is_refused(
    tmp_path: Path, mark: str, name: str, why: str
) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(PARTS, "parts.cnn") if "gro" in mark else editor.open(NET)
        if not why:
            await editor.rename(uri, mark, name)
            return
        with pytest.raises(JsonRpcException, match=why):
            await editor.rename(uri, mark, name)


async def test_names_of_the_package_are_not_ours_to_change(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open('import "std/residual"\ninput 16x8x8\nbasic(16)\ninput -> relu\n')
        for mark, why in (("ba|sic", "comes with cnndsl"), ("inp|ut ->", "no name of its own")):
            with pytest.raises(JsonRpcException, match=why):
                await editor.client.text_document_prepare_rename_async(
                    types.PrepareRenameParams(**editor.at(uri, mark))
                )


async def test_what_is_renamed_is_shown_first(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nstem: conv 4@3\nstem -> relu\n")
        found = await editor.client.text_document_prepare_rename_async(
            types.PrepareRenameParams(**editor.at(uri, "st|em ->"))
        )
        assert isinstance(found, types.PrepareRenamePlaceholder)
        assert found.placeholder == "stem"
        assert editor.under(uri, found.range) == "stem"


async def test_a_line_that_cannot_be_read_keeps_a_name_as_it_is(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nstem: conv 4@3\nadd(stem, = relu)\n")
        with pytest.raises(JsonRpcException, match=r"line 3 of `net\.cnn` cannot be read"):
            await editor.rename(uri, "st|em:", "root")


async def test_places_of_a_name_are_marked(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nstem: conv 4@3\nadd(stem, stem)\n")
        params = types.DocumentHighlightParams(**editor.at(uri, "st|em:"))
        found = await editor.client.text_document_document_highlight_async(params)
        kinds = types.DocumentHighlightKind
        assert [one.kind for one in found or ()] == [kinds.Write, kinds.Read, kinds.Read]


async def test_files_that_are_named_are_links(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open('import "parts"\nimport "std/fire"\nimport "lost"\ninput 1x8x8\nrelu\n')
        params = types.DocumentLinkParams(editor.named(uri))
        found = await editor.client.text_document_document_link_async(params)
        assert [editor.under(uri, one.range) for one in found or ()] == ['"parts"', '"std/fire"']
