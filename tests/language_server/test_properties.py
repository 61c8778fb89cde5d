"""What holds for any spec: names can be changed and changed back, proposals can be written."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from cnndsl import pipeline, resources
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Report, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.language_server.completion import completions
from cnndsl.language_server.completion_context import context
from cnndsl.language_server.documents import Document
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import Kind, Space, Symbol
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.rename import renamed
from cnndsl.language_server.view import View
from cnndsl.syntax.parser import parse

LIBRARY = resources.specs().resolve()
SPECS = sorted(LIBRARY.glob("*.cnn"))


def viewed(path: Path, text: str) -> View:
    texts = {path: text}
    return View(path, texts, pipeline.analyse(path, texts))


# --- names ----------------------------------------------------------------------------------------


def symbols(view: View) -> Iterator[Symbol]:
    """What a spec itself defines under a name that can be changed."""
    names = Resolution(view.analysis.modules).names(view.path)
    for symbol, kind in names.kinds.items():
        if not (kind is Kind.INPUT and symbol.name == "input"):
            yield symbol


@pytest.mark.parametrize("path", SPECS[::4], ids=lambda path: path.stem)
def test_every_name_of_a_spec_can_be_changed_and_changed_back(path: Path) -> None:
    text = path.read_text("utf-8")
    view = viewed(path, text)
    draw = random.Random(path.stem)
    found = list(symbols(view))
    for symbol in draw.sample(found, min(3, len(found))):
        edits = renamed([path], {path: text}, symbol, "fresh_name")
        changed = apply_edits(text, edits[path])
        assert changed.count("fresh_name") == len(edits[path]) >= 1
        before, after = (
            pipeline.check_text(text, str(path)),
            pipeline.check_text(changed, str(path)),
        )
        assert not after.diagnostics
        assert before.network is not None
        assert after.network is not None
        assert before.network.types == after.network.types
        back = Symbol(path, symbol.scope, symbol.space, "fresh_name")
        moved = [one for one in symbols(viewed(path, changed)) if one.name == "fresh_name"]
        assert len(moved) == 1
        again = renamed([path], {path: changed}, moved[0], symbol.name)
        assert apply_edits(changed, again[path]) == text
        assert back.space is moved[0].space


def test_each_stream_and_constant_that_the_checker_used_is_resolved() -> None:
    for path in SPECS:
        view = viewed(path, path.read_text("utf-8"))
        names = Resolution(view.analysis.modules).names(path)
        assert view.analysis.checked.diagnostics == ()
        uses = {one.symbol for one in names.occurrences if not one.defines}
        defined = {
            symbol
            for symbol, kind in names.kinds.items()
            if symbol.space is Space.CONSTANT and kind is not Kind.LOOP
        }
        assert defined <= uses, path.stem  # what nothing reads would be a warning


# --- proposals ------------------------------------------------------------------------------------


def syntax_errors(text: str) -> set[str]:
    """The codes of mistakes in reading a text."""
    report = Report()
    parse(Source("", text), report)
    return {one.code for one in report}


def places(text: str) -> Iterator[int]:
    """Where one might ask for proposals: behind words and signs, outside comments and strings."""
    for match in re.finditer(r"(?m)^[^#\"\n]*", text):
        for one in re.finditer(r"(?<=[ @(,])|$", match[0]):
            yield match.start() + one.start()


@pytest.mark.parametrize("path", SPECS[1::6], ids=lambda path: path.stem)
def test_no_proposal_makes_a_line_that_cannot_be_read(path: Path) -> None:
    text = path.read_text("utf-8")
    view = viewed(path, text)
    draw = random.Random(path.stem)
    found = list(places(text))
    for offset in draw.sample(found, min(12, len(found))):
        end = text.find("\n", offset)
        cut = text[:offset] + text[end:]  # what stands behind is what one replaces
        where = context(cut, offset)
        document = Document(path.as_uri(), path, cut, 1, "utf-16")
        sight = Sight(view, path, offset, (), where)
        items = completions(where, sight, document.lines, offset, snippets=False).items
        known = syntax_errors(cut)
        for item in draw.sample(items, min(8, len(items))):
            assert isinstance(item.text_edit, types.TextEdit)
            lines = Lines(cut)
            start = lines.offset(item.text_edit.range.start)
            stop = lines.offset(item.text_edit.range.end)
            written = cut[:start] + item.text_edit.new_text + cut[stop:]
            assert syntax_errors(written) <= known, (item.label, cut[:offset][-60:])


def test_a_rename_that_would_capture_a_name_is_refused() -> None:
    path = Path("/a.cnn")
    text = "let k = 3\nlet n = 3\ninput 1x8x8\nconv n@k\nblock dead(k) { conv n@k }\n"
    view = viewed(path, text)
    symbol = next(one for one in symbols(view) if one.name == "n")
    with pytest.raises(UserError, match=r"means something else|given twice|defined twice"):
        renamed([path], {path: text}, symbol, "k")
