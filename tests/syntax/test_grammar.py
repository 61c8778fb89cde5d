"""The grammar is LALR(1) without conflicts, and what is shipped was made of it as it stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark.exceptions import GrammarError, LarkError

from cnndsl import resources
from cnndsl.syntax import grammar, parser_data
from cnndsl.syntax.ast_builder import AstBuilder

GRAMMAR = resources.grammar().read_text(encoding="utf-8")


def test_the_grammar_has_no_conflicts_and_no_colliding_terminals() -> None:
    assert parser_data.build(GRAMMAR, strict=True)["data"]["rules"]


def test_a_conflict_would_be_found() -> None:
    ambiguous = GRAMMAR.replace("chain_statement: chain\n", "chain_statement: chain | NAME\n")
    assert ambiguous != GRAMMAR
    with pytest.raises(GrammarError, match="collision"):
        parser_data.build(ambiguous, strict=True)


def test_a_collision_of_terminals_would_be_found() -> None:
    colliding = GRAMMAR.replace("NUMBER: /[0-9]+", "NUMBER: /[0-9a-z]+")
    assert colliding != GRAMMAR
    with pytest.raises(LarkError, match="Collision"):
        parser_data.build(colliding, strict=True)


def test_the_shipped_parser_is_that_of_the_grammar() -> None:
    shipped = json.loads(resources.parser_data().read_text(encoding="utf-8"))
    assert shipped == parser_data.build(GRAMMAR), "run `python -m cnndsl.syntax.parser_data`"


def test_building_the_parser_anew_writes_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resources.parser_data().read_bytes()
    monkeypatch.setattr(resources, "parser_data", lambda: tmp_path / "cnn.json")
    parser_data.main()
    assert (tmp_path / "cnn.json").read_bytes() == before


FRESH = json.loads(resources.parser_data().read_text(encoding="utf-8"))["grammar"]


@pytest.mark.parametrize(
    "stale", ['{"grammar": "0"}', f'{{"grammar": "{FRESH}", "data": {{}}}}', "no json", "[]", None]
)
def test_a_parser_that_is_stale_broken_or_missing_is_built_from_the_grammar(
    stale: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = grammar.load()
    path = tmp_path / "cnn.json"
    if stale is not None:
        path.write_text(stale, encoding="utf-8")
    monkeypatch.setattr(resources, "parser_data", lambda: path)
    built = grammar.load.__wrapped__()
    assert built.rules == right.rules
    assert states(built) == states(right)


def states(lark: Any) -> Any:
    return lark.parser.parser._parse_table.states


def test_every_rule_has_its_builder() -> None:
    names = {
        rule.alias or rule.origin.name
        for rule in grammar.load().rules
        if not rule.origin.name.startswith("_") and (rule.alias or not rule.options.expand1)
    }
    names |= {"at", "conditional"}  # they pass on what stands alone, and build nodes of the rest
    assert not {name for name in names if not callable(getattr(AstBuilder, name, None))}
    public = {name for name in vars(AstBuilder) if not name.startswith("_")}
    assert not public - names


def test_reading_a_spec_takes_the_shipped_parser_and_no_library_but_lark() -> None:
    program = (
        "import sys\n"
        "from cnndsl.diagnostics.model import Report\n"
        "from cnndsl.diagnostics.source import Source\n"
        "from cnndsl.syntax.parser import parse\n"
        "report = Report()\n"
        "parse(Source('<test>', 'C1: conv 6@5x5 -> tanh => 6x28x28'), report)\n"
        "assert not len(report)\n"
        "others = {'cnndsl.syntax.parser_data', 'pydantic', 'numpy', 'onnx'}\n"
        "assert not others & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)


def test_a_right_spec_loads_nothing_that_only_mistakes_need() -> None:
    program = (
        "import sys\n"
        "from cnndsl.pipeline import check\n"
        "assert not check('lenet5').diagnostics\n"
        "kinds = ('phrase', 'value', 'syntax', 'lexical')\n"
        "words = ('foreign', 'absent', 'punctuation', *(f'{kind}_errors' for kind in kinds))\n"
        "loaded = [name for name in sys.modules if name.startswith('cnndsl.')]\n"
        "assert not [name for name in loaded if any(word in name for word in words)]\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
