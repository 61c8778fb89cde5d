"""The grammar is LALR(1) without conflicts, and what is shipped was made of it as it stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lark.exceptions import GrammarError, LarkError

from cnndsl import resources
from cnndsl.syntax import tables
from cnndsl.syntax.ast_builder import AstBuilder

GRAMMAR = resources.grammar().read_text(encoding="utf-8")


def test_the_grammar_has_no_conflicts_and_no_colliding_terminals() -> None:
    assert tables.build(GRAMMAR, strict=True)["rules"]


def test_a_conflict_would_be_found() -> None:
    ambiguous = GRAMMAR.replace("chain_statement: chain\n", "chain_statement: chain | NAME\n")
    assert ambiguous != GRAMMAR
    with pytest.raises(GrammarError, match="collision"):
        tables.build(ambiguous, strict=True)


def test_a_collision_of_terminals_would_be_found() -> None:
    colliding = GRAMMAR.replace("NUMBER: /[0-9]+", "NUMBER: /[0-9a-z]+")
    assert colliding != GRAMMAR
    with pytest.raises(LarkError, match="Collision"):
        tables.build(colliding, strict=True)


def test_the_shipped_tables_are_those_of_the_grammar() -> None:
    shipped = json.loads(tables.shipped().read_text(encoding="utf-8"))
    assert shipped == tables.build(GRAMMAR), "run `python -m cnndsl.syntax.tables`"


def test_building_the_tables_anew_writes_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables.shipped().read_bytes()
    monkeypatch.setattr(tables, "shipped", lambda: tmp_path / "cnn.json")
    tables.main()
    assert (tmp_path / "cnn.json").read_bytes() == before


@pytest.mark.parametrize("stale", ['{"grammar": "0"}', "no json", None])
def test_tables_that_are_stale_broken_or_missing_are_built_from_the_grammar(
    stale: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = tables.load()
    path = tmp_path / "cnn.json"
    if stale is not None:
        path.write_text(stale, encoding="utf-8")
    monkeypatch.setattr(tables, "shipped", lambda: path)
    assert tables.load.__wrapped__() == right


def test_every_rule_has_its_builder() -> None:
    names = {rule.build for rule in tables.load().rules if rule.build}
    assert not {name for name in names if not callable(getattr(AstBuilder, name, None))}
    public = {name for name in vars(AstBuilder) if not name.startswith("_")}
    assert not public - names


def test_reading_a_spec_does_not_load_lark() -> None:
    program = (
        "import sys\n"
        "from cnndsl.diagnostics.model import Report\n"
        "from cnndsl.diagnostics.source import Source\n"
        "from cnndsl.syntax.parser import parse\n"
        "report = Report()\n"
        "parse(Source('<test>', 'C1: conv 6@5x5 -> tanh => 6x28x28'), report)\n"
        "assert not len(report)\n"
        "assert not {'lark', 'numpy', 'onnx'} & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)


def test_a_right_spec_loads_nothing_that_only_mistakes_need() -> None:
    program = (
        "import sys\n"
        "from cnndsl.pipeline import check\n"
        "assert not check('lenet5').diagnostics\n"
        "words = ('foreign', 'absent', 'mistakes', 'complaints', 'punctuation', 'spelling')\n"
        "loaded = [name for name in sys.modules if name.startswith('cnndsl.')]\n"
        "assert not [name for name in loaded if any(word in name for word in words)]\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
