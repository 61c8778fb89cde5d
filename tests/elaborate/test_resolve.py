"""The statements of a file: what each declares, what stands once, what is never used."""

from __future__ import annotations

import pytest
from checked_specs import codes, network, outputs

from cnndsl.diagnostics.model import Severity, UserError
from cnndsl.pipeline import check_text

HEAD = "input 3x8x8\n"


# --- names and parameters -------------------------------------------------------------------------


def test_a_network_is_called_as_it_says_or_like_its_file() -> None:
    assert network(f"network tiny\n{HEAD}relu\n", "big.cnn").name == "tiny"
    assert network(f"{HEAD}relu\n", "big.cnn").name == "big"


def test_a_parameter_can_be_set_and_has_a_default() -> None:
    text = f"param k = 4\nlet double = 2*k\n{HEAD}conv double@1\n"
    assert str(network(text).types[-1]) == "8x8x8"
    assert str(network(text, k=3).types[-1]) == "6x8x8"
    assert str(network(text, k="1 + 1").types[-1]) == "4x8x8"
    assert network(text, k=3).network.parameters == {"k": 3}


def test_parameters_may_be_words_lists_and_truths() -> None:
    text = f"param border = valid\nparam deep = no\nparam sizes = [1]\n{HEAD}" + (
        "conv 4@3 padding border\nif deep { relu }\nfor k in sizes { conv 4@k }\n"
    )
    assert len(network(text).types) == 3
    assert len(network(text, border="same", deep="yes", sizes=[1, 3]).types) == 5


@pytest.mark.parametrize(
    ("name", "value"), [("kk", "3"), ("k", "3 +"), ("k", "nothing("), ("k", "1/0"), ("k", None)]
)
def test_a_parameter_that_cannot_be_set_is_refused(name: str, value: object) -> None:
    with pytest.raises(UserError) as caught:
        check_text(f"param k = 4\n{HEAD}conv k@1\n", parameters={name: value})
    assert caught.value.code == "CNN114"


def test_a_parameter_whose_statement_cannot_be_read_is_not_unknown() -> None:
    found = check_text(f"param k = (\n{HEAD}conv k@1\n", parameters={"k": 3}).diagnostics
    assert [item.code for item in found] == ["CNN003"] or len(found) == 1


def test_expectations_are_not_checked_for_other_parameters() -> None:
    text = f"param k = 4\n{HEAD}conv k@1\nexpect params 16\n"
    assert codes(text) == []
    assert check_text(text, parameters={"k": 4}).diagnostics == ()
    assert check_text(text, parameters={"k": 5}).diagnostics == ()
    assert codes(text.replace("16", "17")) == [(4, "CNN402")]


# --- what stands once -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"network a\nnetwork b\n{HEAD}relu\n", (2, "CNN106")),
        (f"{HEAD}relu\ntrain {{ batch 1 }}\ntrain {{ batch 2 }}\n", (4, "CNN106")),
        (f"{HEAD}{HEAD}relu\n", (2, "CNN104")),
        (f"let k = 1\nlet k = 2\n{HEAD}conv k@1\n", (2, "CNN104")),
        (f"let k = 1\nparam k = 2\n{HEAD}conv k@1\n", (2, "CNN104")),
        (f"{HEAD}block b() {{ relu }}\nblock b() {{ relu }}\nb()\n", (3, "CNN104")),
        (f"{HEAD}block b(k, k) {{ conv k@1 }}\nb(1)\n", (2, "CNN104")),
        (f"{HEAD}a: relu\na: relu\n", (3, "CNN104")),
    ],
)
def test_what_stands_twice_is_an_error_that_shows_both(
    text: str, expected: tuple[int, str]
) -> None:
    assert codes(text) == [expected]
    (diagnostic,) = check_text(text).diagnostics
    assert diagnostic.labels


@pytest.mark.parametrize(
    "statement",
    [
        "input 3x8x8",
        "network n",
        "expect params 3",
        "param k = 3",
        "block b() { relu }",
        "train { batch 3 }",
        'import "std/residual"',
        'classes "a"',
        "output a",
    ],
)
def test_what_belongs_to_the_file_cannot_stand_in_braces(statement: str) -> None:
    assert (3, "CNN112") in codes(f"{HEAD}repeat 2 {{\n{statement}\nrelu }}\n")


def test_a_return_stands_in_a_block_only() -> None:
    assert codes(f"{HEAD}return relu\n") == [(2, "CNN112")]
    assert codes(f"{HEAD}if yes {{ return relu }}\n") == [(2, "CNN112")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "CNN105"),
        ("# nothing\n", "CNN105"),
        ("network n\n", "CNN105"),
        ("relu\n", "CNN105"),
        ("relu\ninput 4\ntanh\n", "CNN105"),
        ("input 4\n", "CNN113"),
        ("let k = 3\ninput 4\n", "CNN113"),
    ],
)
def test_a_network_has_an_input_and_a_layer(text: str, expected: str) -> None:
    found = check_text(text).diagnostics
    assert [item.code for item in found if item.severity is Severity.ERROR] == [expected]


def test_a_file_of_blocks_is_no_network_and_no_mistake() -> None:
    checked = check_text("let k = 3\nblock b() { conv k@1 }\n")
    assert checked.diagnostics == ()


# --- outputs --------------------------------------------------------------------------------------


def test_outputs_are_labels_streams_and_layers() -> None:
    text = f"{HEAD}a: conv 4@1\ns = conv 5@1\nconv 6@1\noutput a, s\noutput conv1\n"
    assert outputs(text) == {"output": "6x8x8", "a": "4x8x8", "s": "5x8x8", "conv1": "5x8x8"}


def test_an_output_that_is_no_layer_is_an_error() -> None:
    assert codes(f"{HEAD}aux: relu\noutput aus\n") == [(3, "CNN103")]


# --- what is never used ---------------------------------------------------------------------------


def test_what_is_never_used_is_a_warning() -> None:
    text = (
        "param p = 1\nlet k = 2\n" + HEAD + "block b() { relu }\ns = relu\n"
        "stem: tanh\nstem -> sigmoid\nstem -> softmax\n"
    )
    found = check_text(text).diagnostics
    assert all(item.severity is Severity.WARNING for item in found)
    assert [(item.span.first.line, item.code) for item in found] == [
        (1, "CNN122"),
        (2, "CNN122"),
        (4, "CNN121"),
        (5, "CNN120"),
        (7, "CNN123"),
    ]


def test_nothing_is_called_unused_where_there_are_errors() -> None:
    assert codes(f"let k = 2\n{HEAD}s = relu\ncnov 3@3\n") == [(4, "CNN101")]


def test_what_an_imported_file_does_not_use_is_its_own_business() -> None:
    assert codes(f'import "std/residual"\n{HEAD}conv 64@1 -> basic(64)\n') == []


# --- quantities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expectation", "expected"),
    [
        ("params 112", []),
        ("output 4x6x6", []),
        ("output [4, 6, 6]", []),
        ("output 4 6 6", []),
        ("params 113", ["CNN402"]),
        ("params -1", ["CNN402"]),
        ("params 1x2", ["CNN402"]),
        ("params 1.5", ["CNN204"]),
        ("params yes", ["CNN204"]),
        ("params 1..3", ["CNN204"]),
        ("params normal(3)", ["CNN204"]),
        ("params [[1, 2], 3]", ["CNN204"]),
        ("params nothing", ["CNN102"]),
        ("parms 112", ["CNN115"]),
        ("params ?", ["CNN403"]),
    ],
)
def test_an_expectation_is_held_against_the_network(expectation: str, expected: list[str]) -> None:
    assert [code for _, code in codes(f"{HEAD}conv 4@3\nexpect {expectation}\n")] == expected
