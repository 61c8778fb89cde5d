"""Every feature answers on texts that are cut and damaged anywhere: none raises."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from cnndsl import pipeline, resources
from cnndsl.diagnostics.model import UserError
from cnndsl.language_server.code_lens import lenses
from cnndsl.language_server.completion import completions
from cnndsl.language_server.completion_context import context
from cnndsl.language_server.formatting import formatting
from cnndsl.language_server.hover import hover
from cnndsl.language_server.inlay_hints import hints
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.navigation import definitions, highlights, links, references
from cnndsl.language_server.outline import folds, symbols
from cnndsl.language_server.problems import problems
from cnndsl.language_server.project import Project
from cnndsl.language_server.rename import renamed, target
from cnndsl.language_server.semantic_tokens import tokens
from cnndsl.language_server.signature_help import signature_help
from cnndsl.language_server.view import View

SPECS = sorted(resources.specs().rglob("*.cnn"))
PIECES = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "->",
    "=>",
    "=",
    ":",
    "@",
    ",",
    ".",
    '"',
    "#",
    "\n",
    "?",
    " ",
]
PIECES += ["\ufeff", "\0", "\u2028", "\U0001f600", "repeat", "block", "train {", "share", "x.y.1"]


def damaged(text: str, draw: random.Random) -> str:
    """A text with pieces taken out, put in and doubled."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        until = min(len(text), at + draw.choice((0, 1, 5, 40)))
        text = text[:at] + draw.choice([*PIECES, "", text[at:until] * 2]) + text[until:]
    return text[: draw.choice((len(text), draw.randrange(len(text) + 1)))]


def everything(path: Path, text: str, offset: int) -> None:
    """Ask everything of a place that an editor may ask."""
    project = Project()
    document = project.open(path.as_uri(), text, 1)
    texts = {path: document.checked_text}
    view = View(path, texts, pipeline.analyse(path, texts))
    lines = document.lines
    problems(view, project)
    hover([view], path, lines, offset)
    where = context(document.checked_text, offset)
    sight = Sight(view, path, offset, (), where)
    completions(where, sight, lines, offset, snippets=True)
    signature_help(where, sight)
    tokens(view, path, lines)
    hints([view], path, lines, 0, 10**6)
    lenses(view, lines)
    folds(view.module, lines)
    for symbol in symbols(view.module, lines):
        assert symbol.name
    definitions(view, path, offset, project)
    references([view], path, offset, project, declaration=True)
    highlights(view, path, offset, project)
    links(view, path, project)
    formatting(document)
    with suppress(UserError):  # a refusal is an answer
        renamed([path], texts, target(view.analysis, path, offset).symbol, "fresh_name")


@pytest.mark.parametrize("seed", [*range(60), 1738])
def test_no_damage_makes_a_feature_raise(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    text = damaged(draw.choice(SPECS).read_text("utf-8"), draw)
    if draw.random() < 0.3:
        text = text.replace("\n", draw.choice(("\r\n", "\r")))
    everything(tmp_path / "net.cnn", text, draw.randrange(len(text) + 1))


def test_an_empty_text_has_answers() -> None:
    everything(Path("/net.cnn"), "", 0)
    assert context("", 0).start == 0
