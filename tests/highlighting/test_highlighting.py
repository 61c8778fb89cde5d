"""What colours specs from outside splits them into words as our own lexer does."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from documents import ROOT
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String

from cnndsl import resources
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.highlighting.__main__ import files
from cnndsl.highlighting.pygments_lexer import CnnLexer
from cnndsl.highlighting.words import words
from cnndsl.language_server.keywords import KEYWORDS
from cnndsl.layers import keywords
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.lexer import spellings, tokenize
from cnndsl.syntax.tokens import NEWLINE

SPECS = sorted(resources.specs().rglob("*.cnn"))

KINDS = {"NUMBER": Number, "SIZE": Number, "HOLE": Number, "STRING": String, "NAME": None}


def ours(text: str) -> list[tuple[int, str, str]]:
    """The tokens of our lexer: where each begins, its text and its terminal."""
    read = tokenize(Collector(Source("", text), Report(), 100), Limits())
    found = [
        (start, text[start:end], kind)
        for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True)
        if kind != NEWLINE
    ]
    found += [(start, text[start:end], "COMMENT") for start, end in read.comments]
    return sorted(found)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_pygments_sees_the_words_that_our_lexer_sees(path: Path) -> None:
    text = path.read_text("utf-8")
    found = [
        (at, value, kind)
        for at, kind, value in CnnLexer().get_tokens_unprocessed(text)
        if value.strip()
    ]
    assert [(at, value) for at, value, _ in found] == [(at, value) for at, value, _ in ours(text)]
    reserved = set(spellings()[0].values())
    for (_, value, kind), (_, _, terminal) in zip(found, ours(text), strict=True):
        assert kind is not Error
        if terminal == "COMMENT":
            assert kind in Comment
        elif terminal in reserved:
            assert kind in Keyword or kind in Operator.Word or kind in Name, value
        elif KINDS.get(terminal) is not None:
            assert kind in KINDS[terminal]


def test_a_layer_is_told_from_an_attribute_of_the_same_name() -> None:
    text = "scale -> conv 8@3 bias no rounding floor\nbias\n"
    kinds = {at: kind for at, kind, _ in CnnLexer().get_tokens_unprocessed(text)}
    assert kinds[text.index("scale")] is Name.Builtin
    assert kinds[text.index("bias no")] is Name.Attribute
    assert kinds[text.index("no ")] is Keyword.Constant
    assert kinds[text.index("floor")] is Keyword.Constant
    assert kinds[text.index("\nbias") + 1] is Name.Builtin


def test_the_words_are_those_of_the_language() -> None:
    known = words()
    assert known.layers == set(keywords())
    assert known.keywords | known.operators == set(spellings()[0])
    assert set(KEYWORDS) == set(spellings()[0])
    assert {"padding", "lr", "share"} <= known.attributes
    assert {"same", "yes", "he", "float16"} <= known.values


def test_the_files_of_the_extension_are_fresh() -> None:
    for name, text in files().items():
        written = (ROOT / "editors" / name).read_text("utf-8")
        assert written == text, "run `python -m cnndsl.highlighting`"


def test_pygments_finds_the_lexer_where_the_package_is_installed() -> None:
    for point in entry_points(group="pygments.lexers"):
        if point.name == "cnn":
            assert point.load() is CnnLexer
            return
    pytest.skip("installed before there was a lexer: the entry point is not known yet")
