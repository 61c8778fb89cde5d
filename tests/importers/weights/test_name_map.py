"""Maps: rules that name a layer or a tensor, both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from foreign_situations import lenet_arrays
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cnndsl.cli import main
from cnndsl.importers.weights.name_map import MapError, Rule, parse_rules


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 3), st.integers(0, 5))
def test_a_rule_undone_is_the_name_again(a: int, b: int, factor: int, more: int) -> None:
    rule = Rule(r"layer(\d+).(\d+).conv", rf"stage{{\1+{more}}}.{{{factor}*\2-{more}}}.c")
    there = f"layer{a}.{b}.conv"
    here = rule.target(there)
    assert here == f"stage{a + more}.{factor * b - more}.c"
    if factor * b >= more:
        assert rule.source(here) == there


def test_everything_but_parentheses_is_itself() -> None:
    rule = Rule(r"a.b[0]+(x|y)*", r"c.\1")
    assert rule.target("a.b[0]+x*") == "c.x"
    assert rule.target("aXb[0]+x*") is None
    assert rule.target("a.b[0]+z*") is None
    assert Rule(r"a\.b", "c").target("a.b") == "c"


def test_numbers_that_no_name_gives_are_no_source() -> None:
    rule = Rule(r"n(\d+)", r"batchnorm{2*\1-1}")
    assert rule.source("batchnorm7") == "n4"
    assert rule.source("batchnorm8") is None
    assert Rule(r"n(\d+)", r"a\1.b\1").source("a1.b2") is None
    assert Rule(r"n(\d+)", "all").source("all") is None
    assert Rule("n", "-").source("-") is None


def test_lines_and_json_are_the_same_rules() -> None:
    lines = "# a comment\n\na.(\\d+)  b\\1  hwio # another\nc -\n"
    rules = parse_rules(lines)
    assert [(one.left, one.right, one.axes) for one in rules] == [
        (r"a.(\d+)", r"b\1", "HWIO"),
        ("c", "-", ""),
    ]
    listed = parse_rules(json.dumps([[r"a.(\d+)", r"b\1", "HWIO"], ["c", "-"]]))
    assert [(one.left, one.right, one.axes) for one in listed] == [
        (one.left, one.right, one.axes) for one in rules
    ]
    assert parse_rules('{"c": "-"}')[0].leaves_out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "line 1: a rule is"),
        ("x y\na b c d", "line 2: a rule is"),
        ("a b XYZ", "is no order of axes"),
        ("a b HH", "is no order of axes"),
        (r"a \1", r"names parentheses 1, and `a` has 0"),
        (r"(a) {\2+1}", "names parentheses 2"),
        ("(a b", "have no partner"),
        ("((a)) b", "or nest"),
        ("([) b", "holds no expression"),
        ("(a) {b}", "is no name with"),
        ("[1, 2]", "two or three texts"),
        ('["a"]', "two or three texts"),
        ("{", "it is no JSON"),
        ('{"a": 1}', "two or three texts"),
        ("[" * 100_000, "it is no JSON"),
        (f"{'a' * 2000} b", "longer than 1,000 characters"),
    ],
)
def test_what_is_no_map_is_refused(text: str, message: str) -> None:
    with pytest.raises(MapError) as caught:
        parse_rules(text)
    assert message in str(caught.value)


# --- on the command line ----------------------------------------------------------------------


def outcome(folder: Path, rules: str, *, spec: str = "lenet5") -> str:
    save_file(lenet_arrays(), folder / "t.safetensors")
    (folder / "names.txt").write_text(rules, "utf-8")
    words = ["weights", spec, str(folder / "t.safetensors"), "--dry-run", "--map"]
    result = CliRunner().invoke(main, [*words, str(folder / "names.txt")])
    return result.stderr if result.exit_code else result.stdout


WHOLE = "features.0 C1\nfeatures.3 C3\nclassifier.0 C5\nclassifier.2 F6\nclassifier.4 OUTPUT\n"


def test_a_map_of_all_layers_needs_nothing_else(tmp_path: Path) -> None:
    assert "paired by: the map\n" in outcome(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (WHOLE + "features.9 C1\n", "line 6 of the map fits nothing"),
        ("features.0 C3\n", "CNN655]: `features.0` cannot become `C3`: `features.0.weight` is"),
        ("features.0.weight C3.weight\n", "CNN655]: `features.0.weight` cannot become `C3.weight`"),
        ("features.0.weight C1.weight\n", "names a part of the weights of `C1`: not `C1.bias`"),
        ("features.0 C1\nfeatures.3 C1\n", "`features.3` `C1`, which another tensor becomes"),
        ("features.0 C2\n", "did you mean `C1`?"),
        ("feature.0 C1\n", "did you mean `features.0`?"),
        ("features.0 -\n", "have not the same layers: 0 kernels of conv, 6x1x5x5 in the file"),
        ("features.0.weight C1.weight IOHW\n", "CNN655]: `features.0.weight`"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(rules: str, message: str, tmp_path: Path) -> None:
    assert message in outcome(tmp_path, rules)


def test_a_map_that_is_no_file_is_refused(tmp_path: Path) -> None:
    save_file(lenet_arrays(), tmp_path / "t.safetensors")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "t.safetensors"):
        words = ["weights", "lenet5", str(tmp_path / "t.safetensors"), "--map", str(path)]
        result = CliRunner().invoke(main, words)
        assert "error[CNN654]" in result.stderr
