"""Right texts give the tree that they mean."""

from __future__ import annotations

import pytest
from trees import read_right, without_spans

from cnndsl.syntax.ast import (
    Argument,
    At,
    Bind,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Expr,
    For,
    Hole,
    Identifier,
    Input,
    Let,
    List,
    Name,
    Number,
    Param,
    Phrase,
    Repeat,
    Return,
    Size,
    Statement,
    Text,
    Train,
)
from cnndsl.syntax.printer import print_expression, print_module, print_statement


def statement(text: str) -> Statement:
    (only,) = read_right(text).statements
    return only


def chain(text: str) -> Chain:
    found = statement(text)
    assert isinstance(found, ChainStatement)
    return found.chain


def phrase(text: str) -> Phrase:
    element = chain(text).links[0].element
    assert isinstance(element, Phrase)
    return element


def arguments(text: str) -> list[str]:
    """The arguments of a layer, each as it prints."""
    return [print_expression(argument) for argument in phrase(text).arguments]


def value(text: str) -> Expr:
    found = statement(f"let k = {text}")
    assert isinstance(found, Let)
    return found.value


def kinds(text: str) -> list[str]:
    return [type(item).__name__ for item in read_right(text).statements]


# --- expressions --------------------------------------------------------------------------------


def grouped(expr: Expr) -> str:
    """An expression with all its parentheses, operators first."""
    match expr:
        case Number() | Name() | Size() | Hole() | Text():
            return print_expression(expr)
        case At():
            return f"({grouped(expr.count)} @ {grouped(expr.size)})"
        case List():
            return f"[{', '.join(grouped(item) for item in expr.items)}]"
        case Call():
            return print_expression(expr)
    parts = [getattr(expr, name) for name in type(expr).__match_args__ if name != "span"]
    return f"({' '.join(part if isinstance(part, str) else grouped(part) for part in parts)})"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("4*width@1", "((* 4 width) @ 1)"),
        ("6@5x5", "(6 @ 5x5)"),
        ("a + b * c - d", "(- (+ a (* b c)) d)"),
        ("a - b - c", "(- (- a b) c)"),
        ("a // b % c / d", "(/ (% (// a b) c) d)"),
        ("-a * b", "(* (- a) b)"),
        ("a * -b", "(* a (- b))"),
        ("- - a", "(- (- a))"),
        ("not a == b and c or d", "(or (and (not (== a b)) c) d)"),
        ("1..n + 1", "(.. 1 (+ n 1))"),
        ("1 if a else 2 if b else 3", "(1 a (2 b 3))"),
        ("64 if wide else 32@3", "((64 wide 32) @ 3)"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("k -1", "(- k 1)"),
        ("k-1", "(- k 1)"),
        ("k - 1", "(- k 1)"),
        ("[(64, 3), (128, 4)]", "[[64, 3], [128, 4]]"),
        ("[k, 1,]", "[k, 1]"),
        ("[]", "[]"),
        ("3x?x?", "3x?x?"),
    ],
)
def test_operators_bind_as_documented(text: str, meaning: str) -> None:
    assert grouped(value(text)) == meaning


@pytest.mark.parametrize(
    ("text", "number"),
    [("4", 4), ("007", 7), ("0.75", 0.75), ("1e3", 1000.0), ("1e-3", 0.001), ("2.5E+1", 25.0)],
)
def test_a_number_is_whole_where_it_was_written_so(text: str, number: float) -> None:
    found = value(text)
    assert isinstance(found, Number)
    assert (found.value, type(found.value)) == (number, type(number))


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r'"a b"', "a b"),
        (r'"a \"b\""', 'a "b"'),
        (r'"c:\\d"', r"c:\d"),
        (r'"c:\d"', r"c:\d"),
        ('""', ""),
    ],
)
def test_a_text_loses_its_quotes_and_escapes(text: str, content: str) -> None:
    found = value(text)
    assert isinstance(found, Text)
    assert found.value == content


def test_a_dotted_name_is_one_name() -> None:
    assert arguments("freeze stem.conv1 layer1.2.conv3") == ["stem.conv1", "layer1.2.conv3"]


# --- phrases ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv 6@5x5 stride 2", ["6@5x5", "stride", "2"]),
        ("conv k padding -1", ["k", "padding", "-1"]),
        ("conv k padding k-1", ["k", "padding", "k - 1"]),
        ("conv k padding k - 1", ["k", "padding", "k - 1"]),
        ("conv k padding (k-1)//2", ["k", "padding", "(k-1)//2"]),
        ("dense (k-1)*2", ["(k-1)*2"]),
        (
            "conv 3 stride 1 if first else 2 bias no",
            ["3", "stride", "1 if first else 2", "bias", "no"],
        ),
        ("conv 3 padding [1, k] bias not b", ["3", "padding", "[1, k]", "bias", "not b"]),
        ("conv 96@11 padding ?", ["96@11", "padding", "?"]),
        ("dense 10 init normal(0.01)", ["10", "init", "normal(0.01)"]),
        ("pool 2 stride (2, 1)", ["2", "stride", "[2, 1]"]),
        ("layer input 3 output 4 train 5", ["input", "3", "output", "4", "train", "5"]),
    ],
)
def test_a_layer_is_a_name_and_the_expressions_behind_it(text: str, expected: list[str]) -> None:
    assert arguments(text) == expected


@pytest.mark.parametrize(
    "text", ["add(a, b)", "add (a, b)", "add(\n  a,\n\n  b # two\n)", "add(a, b,)"]
)
def test_a_name_and_a_list_in_parentheses_are_a_call(text: str) -> None:
    (link,) = chain(text).links
    assert isinstance(link.element, Call)
    assert [type(argument.value) for argument in link.element.arguments] == [Name, Name]


def test_an_argument_is_an_expression_where_it_can_be_one() -> None:
    text = "f(x, 4, k+1, g(2), stride = 2, relu -> tanh, conv 3, S: relu, relu => 3, if a { b })"
    (link,) = chain(text).links
    assert isinstance(link.element, Call)
    values = [argument.value for argument in link.element.arguments]
    assert [type(item).__name__ for item in values] == [
        *("Name", "Number", "Binary", "Call", "Number"),
        *("Chain", "Chain", "Chain", "Chain", "Chain"),
    ]


# --- chains -------------------------------------------------------------------------------------


def test_links_carry_labels_and_claims() -> None:
    first, second = chain("C1: conv 6@5x5 -> tanh => 6x28x28 => [c, 28, 28]").links
    assert isinstance(first.label, Identifier)
    assert (first.label.name, second.label) == ("C1", None)
    assert [len(claim.dims) for claim in second.claims] == [3, 3]


@pytest.mark.parametrize(
    ("claim", "dims"), [("1000", 1), ("6x28x28", 3), ("[c, 28, 28]", 3), ("c", 1), ("3x?", 2)]
)
def test_a_claim_gives_sizes(claim: str, dims: int) -> None:
    (link,) = chain(f"relu => {claim}").links
    (found,) = link.claims
    assert isinstance(found, Claim)
    assert len(found.dims) == dims
    assert found.span.text == f"=> {claim}"


@pytest.mark.parametrize(
    "text",
    [
        "a -> b -> c",
        "a -> # comment\n\n  b ->\nc",
        "a\n  -> b\n  # comment\n\n  -> c",
        "a -> b\r\n  -> c\r\n",
        "\ufeffa -> b -> c",
        "\ta\t->\tb\t->\tc\t",
    ],
)
def test_a_chain_may_be_broken_at_its_arrows(text: str) -> None:
    assert [link.span.text for link in chain(text).links] == ["a", "b", "c"]


def test_a_claim_may_stand_on_the_next_line() -> None:
    (link,) = chain("conv 3\n  => 3x3x3").links
    assert len(link.claims) == 1


def test_bodies_are_links_of_a_chain() -> None:
    links = chain(
        "stem -> layer1: repeat 3 { f(64) } => 1 -> for i in 1..3 { g } -> if a { b }"
    ).links
    assert [type(link.element) for link in links] == [Phrase, Repeat, For, Branch]
    assert [link.label.name if link.label else "" for link in links] == ["", "layer1", "", ""]


def test_an_else_may_stand_on_the_next_line() -> None:
    (link,) = chain("if a {\n  b\n}\nelse if c { d } else {\n  e\n}").links
    assert isinstance(link.element, Branch)
    assert isinstance(link.element.otherwise, Branch)


def test_line_ends_count_in_a_body_within_parentheses() -> None:
    (link,) = chain("add(\n  if a {\n    x = b\n    c\n  } else { d },\n  e\n)").links
    assert isinstance(link.element, Call)
    assert len(link.element.arguments) == 2


# --- statements ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "network lenet5",
        "input 1x32x32",
        "input left 3x64x64",
        "input tokens 56 vocabulary 20000",
        "input [c, 28, 28]",
        'classes "cat", "dog"',
        'classes from "labels.txt"',
        "output aux1, stem.conv1",
        "param classes = 1000",
        "let k = 2*n + 1",
        'import "std/residual"',
        "rounding ceil",
        "expect params 61706",
        "expect receptive_field 32x32",
        "block f() { relu }",
        "block oct(stream high, stream low, width, alpha = 0.5) { relu }",
        "return high, low -> conv 3",
        "train { }",
        "x = conv 3 -> relu",
        "high, low = oct(high, low, 64)",
        "for (width, depth) in [(64, 3), (128, 4)] { f(width) }",
        "for i in [64, 128] { f(i) }",
    ],
)
def test_each_statement_reads_and_prints_as_it_is(text: str) -> None:
    printed = print_statement(statement(text))
    assert " ".join(printed.split()) == text


def test_an_input_takes_a_name_where_sizes_follow() -> None:
    named, unnamed = statement("input left 3x64x64"), statement("input n")
    assert isinstance(named, Input)
    assert isinstance(unnamed, Input)
    assert named.name is not None
    assert (named.name.name, len(named.arguments)) == ("left", 1)
    assert (unnamed.name, len(unnamed.arguments)) == (None, 1)


@pytest.mark.parametrize("gap", ["  ", "\n"])
def test_settings_of_an_input_stand_on_one_line_or_on_several(gap: str) -> None:
    settings = ["scale 1/255", "mean [0.4, 0.5]", "layout rgb"]
    found = statement(f"input 3x2x2 {{ {gap.join(settings)} }}")
    assert isinstance(found, Input)
    assert [setting.span.text for setting in found.settings] == settings
    assert [setting.name.name for setting in found.settings] == ["scale", "mean", "layout"]


def test_an_augmentation_gives_one_setting_for_each_link() -> None:
    found = statement("train {\n  augment crop padding 4 -> flip\n  batch 64\n}")
    assert isinstance(found, Train)
    assert [(s.name.name, len(s.values)) for s in found.settings] == [
        *(("augment", 3), ("augment", 1)),
        ("batch", 1),
    ]


def test_class_names_may_go_on_behind_a_comma() -> None:
    assert kinds('classes "cat",\n  "dog"\nrelu') == ["Classes", "ChainStatement"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("output: dense 10 -> softmax", ChainStatement),
        ("input -> conv 3", ChainStatement),
        ("input: conv 3", ChainStatement),
        ("classes: dense 10", ChainStatement),
        ("block f(stream, input, let = 3) { relu }", None),
        ("let input = 3", Let),
        ("param train = 3", Param),
        ("conv stride -> repeat_count", ChainStatement),
        ("a = input -> relu", Bind),
        ("return input", Return),
    ],
)
def test_words_of_statements_are_names_elsewhere(text: str, kind: type | None) -> None:
    found = statement(text)
    assert kind is None or isinstance(found, kind)


def test_comments_are_kept_by_their_places() -> None:
    module = read_right("# one\nrelu # two\n")
    assert [comment.text for comment in module.comments] == ["# one", "# two"]


def test_spans_cover_what_was_written() -> None:
    text = "C1: conv 6@5x5 stride k-1 => 6x28x28 -> tanh # end\n"
    links = chain(text).links
    assert [link.span.text for link in links] == ["C1: conv 6@5x5 stride k-1 => 6x28x28", "tanh"]
    element = links[0].element
    assert isinstance(element, Phrase)
    assert element.span.text == "conv 6@5x5 stride k-1"
    assert [argument.span.text for argument in element.arguments] == ["6@5x5", "stride", "k-1"]


def test_an_empty_text_is_an_empty_module() -> None:
    for text in ("", "\n\n", "# only a comment", "  \t\r\n", "\ufeff"):
        assert read_right(text).statements == ()


def test_layout_does_not_change_the_tree() -> None:
    tight = "block f(a,b=2){add(a->conv b@3,if a{relu}else{tanh})->relu=>3x3}"
    loose = (
        "block f ( a , b = 2 ) {\n\n  # body\n  add (\n    a -> conv b @ 3,\n"
        "    if a { relu }\n    else {\n      tanh\n    },\n  )\n  -> relu\n  => 3x3\n}\n"
    )
    assert without_spans(read_right(tight).statements) == without_spans(
        read_right(loose).statements
    )
    assert print_module(read_right(tight)) == print_module(read_right(loose))


def test_a_call_has_named_and_positional_arguments() -> None:
    (link,) = chain("f(64, stride = 2)").links
    assert isinstance(link.element, Call)
    positional, named = link.element.arguments
    assert isinstance(positional, Argument)
    assert positional.name is None
    assert named.name is not None
    assert named.name.name == "stride"
