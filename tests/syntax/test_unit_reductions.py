"""A table without unit reductions reads every text as Lark's own table does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lark import Lark
from trees import read

from cnndsl import resources
from cnndsl.syntax import grammar, parser_data, recovery

UI = Path(__file__).resolve().parents[1] / "ui"
TEXTS = sorted([*UI.glob("*.cnn"), *resources.specs().rglob("*.cnn")])


@pytest.fixture(scope="module")
def unshortened() -> Lark:
    """The grammar's parser with all the reductions that Lark makes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser_data, "without_unit_reductions", lambda table: table)
        return grammar.revive(parser_data.build(resources.grammar().read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_right_and_wrong_texts_are_read_alike(
    path: Path, unshortened: Lark, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    module, diagnostics = read(text)
    monkeypatch.setattr(recovery, "load", lambda: unshortened)
    other_module, other_diagnostics = read(text)
    assert repr(module) == repr(other_module)
    assert repr(diagnostics) == repr(other_diagnostics)


def passing(lark: Lark) -> int:
    """How many reductions a parser has of rules like `?sum: product`."""
    actions = (action for row in states(lark).values() for action in row.values())
    return sum(
        len(rule.expansion) == 1 and rule.options.expand1 and not rule.alias
        for _, rule in actions
        if not isinstance(rule, int)
    )


def states(lark: Lark) -> dict[int, dict[str, tuple[object, Any]]]:
    table: dict[int, dict[str, tuple[object, Any]]] = lark.parser.parser._parse_table.states
    return table


def test_no_reduction_is_left_that_only_passes_on(unshortened: Lark) -> None:
    assert passing(unshortened) > 0
    assert passing(grammar.load()) == 0
