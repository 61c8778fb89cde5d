"""What expressions are worth, and what is said of those that are worth nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.evaluate import claimed_sizes, evaluate, truth
from cnndsl.elaborate.values import (
    KNOWN_WORDS,
    Constants,
    EvaluationError,
    OpenHole,
    Value,
    brief,
    holes_in,
    show,
)
from cnndsl.layers.base import Init
from cnndsl.pipeline import check_text
from cnndsl.syntax.ast import ChainStatement, Expr, Let
from cnndsl.syntax.parser import parse

HERE = Span(Source("here.cnn", ""), 0, 0)


def expression(text: str) -> Expr:
    report = Report()
    (statement,) = parse(Source("here.cnn", f"let v = {text}"), report).statements
    assert isinstance(statement, Let)
    assert not report.failed
    return statement.value


def value(text: str, **names: Value) -> Value:
    constants = Constants()
    for name, known in names.items():
        constants.define(name, known, HERE)
    return evaluate(expression(text), constants, words=KNOWN_WORDS)


def code(text: str, **names: Value) -> str:
    with pytest.raises(EvaluationError) as caught:
        value(text, **names)
    return caught.value.diagnostic.code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("7 - 2 - 1", 4),
        ("2 - -1", 3),
        ("-3", -3),
        ("4/2", 2),
        ("7/2", 3.5),
        ("7//2", 3),
        ("-7//2", -4),
        ("7 % 3", 1),
        ("-7 % 3", 2),
        ("64*0.75//1", 48),
        ("1e-3", 0.001),
        ("0.5 + 0.5", 1.0),
        ("min(3, 1, 2)", 1),
        ("max(3)", 3),
        ("1..4", range(1, 5)),
        ("4..1", range(4, 2)),
        ("[1, 2]", (1, 2)),
        ("[]", ()),
        ("(64, 3)", (64, 3)),
        ("[(64, 3), (128, 4)]", ((64, 3), (128, 4))),
        ("3x5", (3, 5)),
        ("yes", True),
        ("not yes", False),
        ("1 < 2", True),
        ("2 <= 1", False),
        ("1 == 1.0", True),
        ("1 != 2", True),
        ("yes == 1", False),
        ("same == same", True),
        ("same == valid", False),
        ("yes and no", False),
        ("yes or no", True),
        ("1 if 2 > 1 else 3", 1),
        ("1 if no else 3", 3),
        ("1 if no else 2 if no else 3", 3),
        ("same", "same"),
        ("he", "he"),
        ("normal(0.01)", Init("normal", 0.01)),
        ("constant(-1)", Init("constant", -1.0)),
    ],
)
def test_an_expression_has_its_value(text: str, expected: Value) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected) or isinstance(expected, tuple)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/0", "CNN210"),
        ("1//0", "CNN210"),
        ("1 % 0", "CNN210"),
        ("1 % 0.0", "CNN210"),
        ("9000000000000000000*2", "CNN210"),
        ("1e300*1e300", "CNN210"),
        ("nothing", "CNN102"),
        ("nothing + 1", "CNN102"),
        ("same + 1", "CNN102"),
        ("yes + 1", "CNN204"),
        ("[1] + 1", "CNN204"),
        ("-yes", "CNN204"),
        ("not 1", "CNN211"),
        ("1 if 1 else 2", "CNN211"),
        ("1 and yes", "CNN211"),
        ("1.5..3", "CNN204"),
        ("min()", "CNN202"),
        ("min(a = 1)", "CNN209"),
        ("min(relu -> relu)", "CNN209"),
        ("range(3)", "CNN102"),
        ("normal(1, 2)", "CNN203"),
        ("relu", "CNN209"),
        ('"same"', "CNN204"),
        ("6@5", "CNN204"),
        ("? + 1", "CNN406"),
        ("1 if ? else 2", "CNN406"),
        ("? == 1", "CNN406"),
        ("[[1]] == 1", "CNN204"),
        ("(1..2) == (1..2)", "CNN204"),
        ("[[[[[1]]]]]", "CNN204"),
    ],
)
def test_an_expression_without_a_value_says_why(text: str, expected: str) -> None:
    assert code(text) == expected


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    assert value("1 if yes else 1/0") == 1
    assert value("no and 1/0 == 1") is False
    assert value("yes or 1/0 == 1") is True


def test_a_name_means_the_nearest_constant() -> None:
    outer = Constants()
    outer.define("k", 1, HERE)
    outer.define("other", 5, HERE)
    inner = Constants(outer)
    inner.define("k", 2, HERE)
    assert evaluate(expression("k + other"), inner) == 7
    assert (outer.own["k"].used, outer.own["other"].used, inner.own["k"].used) == (
        False,
        True,
        True,
    )


def test_a_constant_goes_before_a_word() -> None:
    assert value("same", same=3) == 3


def test_words_are_unknown_where_none_may_stand() -> None:
    with pytest.raises(EvaluationError):
        evaluate(expression("same"), Constants())


def test_a_stream_in_arithmetic_is_called_one() -> None:
    constants = Constants(streams={"skip"})
    with pytest.raises(EvaluationError, match="`skip` is a stream") as caught:
        evaluate(expression("1 + skip"), Constants(constants))
    assert caught.value.diagnostic.code == "CNN209"


def test_holes_know_their_places() -> None:
    alone, together = value("?"), value("3x?x?")
    assert isinstance(alone, OpenHole)
    assert alone.group == alone.span
    first, second = holes_in(together)
    assert first.group == second.group
    assert first.span != second.span
    assert [*holes_in(value("[1, 2]"))] == []


def test_a_misspelled_name_is_recognised() -> None:
    with pytest.raises(EvaluationError) as caught:
        value("widht", width=3)
    assert caught.value.diagnostic.help == "did you mean `width`?"


@pytest.mark.parametrize("length", [1000, 1001])
def test_a_list_has_its_limit(length: int) -> None:
    text = f"[{', '.join(['1'] * length)}]"
    if length <= 1000:
        assert len(value(text)) == length  # type: ignore[arg-type]
    else:
        assert code(text) == "CNN205"


def test_lists_of_lists_count_all_their_values() -> None:
    many = f"[{', '.join(['1'] * 600)}]"
    assert code(f"[{many}, {many}]") == "CNN205"


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_whole_numbers_stay_exact(left: int, right: int) -> None:
    def shown(number: int) -> str:
        return f"({number})"

    assert value(f"{shown(left)} + {shown(right)}") == left + right
    assert value(f"{shown(left)} * {shown(right)}") == left * right
    if right:
        assert value(f"{shown(left)} // {shown(right)}") == left // right
        assert value(f"{shown(left)} % {shown(right)}") == left % right
        assert value(f"{shown(left)} / {shown(right)}") == left / right


@pytest.mark.parametrize(
    "text",
    ["1", "-1", "0.5", "yes", "[1, 2]", "[[1, 2], [3]]", "same", "normal(0.01)", "he", "1..3"],
)
def test_a_value_is_shown_as_a_spec_writes_it(text: str) -> None:
    assert show(value(text)) == text
    assert brief(value(text)) == text
    assert value(show(value(text))) == value(text)


def test_a_message_shows_the_beginning_of_a_long_list() -> None:
    long = tuple(range(100))
    assert brief(long) == "[0, 1, 2, 3, 4, 5, 6, 7, …]"
    assert len(brief((long, long))) < 80 or len(show((long, long))) > 80


def test_a_condition_is_yes_or_no() -> None:
    assert truth(expression("1 < 2"), Constants()) is True
    with pytest.raises(EvaluationError):
        truth(expression("1"), Constants())


# --- claims ---------------------------------------------------------------------------------------


def claimed(text: str) -> tuple[Value, ...]:
    (statement,) = parse(Source("here.cnn", f"relu => {text}"), Report()).statements
    assert isinstance(statement, ChainStatement)
    (claim,) = statement.chain.links[0].claims
    constants = Constants()
    constants.define("classes", 10, HERE)
    constants.define("sizes", (3, 8), HERE)
    return claimed_sizes(claim, constants)


def test_a_claim_states_sizes() -> None:
    assert claimed("6x28x28") == (6, 28, 28)
    assert claimed("10") == (10,)
    assert claimed("[classes]") == (10,)
    assert claimed("classes") == (10,)
    assert claimed("[classes, 2*classes]") == (10, 20)
    assert claimed("sizes") == (3, 8)
    assert isinstance(claimed("?x28")[0], OpenHole)


@pytest.mark.parametrize("text", ["0.5", "yes", "1..3", "normal(3)", "[[[1]]]"])
def test_a_claim_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        claimed(text)
    assert caught.value.diagnostic.code == "CNN204"


@pytest.mark.parametrize("word", ["sum", "cat dog", "conv", "x"])
def test_a_text_that_names_nothing_gets_no_fix(word: str) -> None:
    (item,) = check_text(f'param k = "{word}"\ninput 3x8x8\nrelu\n').diagnostics
    assert item.code == "CNN204"
    assert not item.fixes
