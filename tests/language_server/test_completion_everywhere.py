"""At every word of real specs, what stands there is among what is proposed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnndsl import pipeline, resources
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.language_server.completion import completions
from cnndsl.language_server.completion_context import context
from cnndsl.language_server.documents import Document
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.view import View
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.lexer import spellings, tokenize

LIBRARY = resources.specs().resolve()
SPECS = sorted(LIBRARY.rglob("*.cnn"))
SMALL = ("lenet5", "siamese", "maxout-mnist", "residual", "textcnn", "mbconv", "unet", "octave")


def viewed(path: Path, text: str) -> View:
    texts = {path: text}
    return View(path, texts, pipeline.analyse(path, texts))


def words(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """The words that one can know: not those that are given their meaning where they stand."""
    view = viewed(path, text)
    names = Resolution(view.analysis.modules).names(path)
    defined = {one.span.start for one in names.occurrences if one.defines}
    read = tokenize(Collector(Source("", text), Report(), 100), Limits())
    known = {*spellings()[0].values(), "NAME"}
    before = ""
    for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True):
        is_new = (start in defined and kind != "INPUT") or before == "NETWORK"
        if kind in known and not is_new:
            yield start, text[start:end]
        before = kind


def proposed(view: View, text: str, offset: int) -> set[str]:
    """What is proposed at an offset."""
    document = Document(view.path.as_uri(), view.path, text, 1, "utf-16")
    where = context(text, offset)
    sight = Sight(view, view.path, offset, (), where)
    found = completions(where, sight, document.lines, offset, snippets=False)
    return {item.label for item in found.items}


def without_rest(text: str, start: int, offset: int) -> str:
    """The text as it is while one writes a word: the line ends at the cursor."""
    end = text.find("\n", start)
    return text[:offset] + (text[end:] if end >= 0 else "")


@pytest.mark.parametrize("path", SPECS[::3], ids=lambda path: path.stem)
def test_each_word_is_proposed_where_it_stands(path: Path) -> None:
    text = path.read_text("utf-8")
    view = viewed(path, text)
    for start, word in words(path, text):
        cut = without_rest(text, start, start)
        assert word in proposed(view, cut, start), text[:start].rpartition("\n")[2] + word


@pytest.mark.parametrize("stem", SMALL)
def test_each_word_is_proposed_while_it_is_written(stem: str) -> None:
    """Here the check, too, knows only the text whose line is not finished."""
    [path] = [one for one in SPECS if one.stem == stem]
    text = path.read_text("utf-8")
    for number, (start, word) in enumerate(words(path, text)):
        if number % 2:
            continue
        head = word.rpartition(".")[0]
        offset = start + (len(head) + 1 if head else min(1, len(word) - 1))
        cut = without_rest(text, start, offset)
        line = cut[:offset].rpartition("\n")[2]
        assert word in proposed(viewed(path, cut), cut, offset), line


UNITS = """\
input 3x8x8
block unit(n) { c: conv n@3 padding 1 -> relu }
block two(n) {
  u: unit(n)
  unit(n)
  stage: repeat 2 { conv n@3 padding 1 }
  add(identity, |)
}
"""
CALLS = "two(3)\nx: two(3)\n"


@pytest.mark.parametrize(
    ("written", "some", "none"),
    [
        ("u.", {"u.c", "u.relu1"}, {"x.u.c", "unit1.c"}),
        ("unit1.", {"unit1.c", "unit1.relu1"}, {"u.c"}),
        ("stage.", {"stage.1", "stage.2", "stage.2.conv1"}, {"u.c"}),
        ("stage.1.", {"stage.1.conv1"}, {"stage.2.conv1"}),
        ("x.", set(), {"x.u.c"}),  # what is outside is not in sight in a block
    ],
)
def test_paths_in_a_block_are_as_they_are_called_there(
    tmp_path: Path, written: str, some: set[str], none: set[str]
) -> None:
    for calls, wanted in ((CALLS, some), ("", some & {"u.c"})):
        text = (UNITS + calls).replace("|", written)
        found = proposed(
            viewed(tmp_path / "net.cnn", text), text, text.index(written + ")") + len(written)
        )
        assert wanted <= found
        assert not none & found


def test_labels_to_share_in_a_block_are_its_own(tmp_path: Path) -> None:
    text = (UNITS + CALLS).replace("add(identity, |)", "conv n@3 share ")
    offset = text.index("share ") + len("share ")
    found = proposed(viewed(tmp_path / "net.cnn", text), text, offset)
    assert {"u", "u.c", "stage"} <= found
    assert not {"x", "x.u.c", "two1", "unknown1"} & found
