"""Reading goes on behind a mistake: all of a file are reported, each once, and the rest is read."""

from __future__ import annotations

import pytest
from trees import read

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Block, Body, Call, Chain, ChainStatement, Phrase, Statement, Train
from cnndsl.syntax.parser import parse


def lines_at_fault(text: str) -> list[int]:
    return [diagnostic.span.first.line for diagnostic in read(text)[1]]


def heads(statements: tuple[Statement, ...]) -> list[str]:
    """The first word of each chain."""
    found = []
    for statement in statements:
        if isinstance(statement, ChainStatement):
            element = statement.chain.links[0].element
            found.append(
                element.head.name if isinstance(element, Phrase) else type(element).__name__
            )
        else:
            found.append(type(statement).__name__)
    return found


MANY = """\
network lenet5
input 1x32x32
C1: conv 6@5x5 stride=1 -> tanh
S2: avgpool 2x2 stride 2
C3: conv 16@ -> tanh
flatten
C5: dense 120 ->
expect params 61,706
train {
  loss: crossentropy
  optimizer sgd lr 0.01
  batch 64 @
  epochs 10
}
let k 3
relu
"""


def test_every_mistake_of_a_file_is_reported_once() -> None:
    module, diagnostics = read(MANY)
    assert [d.span.first.line for d in diagnostics] == [3, 5, 7, 8, 10, 12, 15]
    assert heads(module.statements) == [
        "NetworkName",
        "Input",
        "avgpool",
        "flatten",
        "Train",
        "relu",
    ]
    train = module.statements[4]
    assert isinstance(train, Train)
    assert [setting.name.name for setting in train.settings] == ["optimizer", "epochs"]


def test_what_could_not_be_read_is_named() -> None:
    module, _ = read(MANY)
    assert [broken.names for broken in module.broken] == [
        *(("C1", "stride"), ("C3",), ("C5",), ()),
        *(("loss",), (), ("k",)),
    ]
    assert module.broken[0].span.text == "C1: conv 6@5x5 stride=1 -> tanh"


def test_a_mistake_in_a_body_spoils_its_statement_only() -> None:
    text = "block f(a) {\n  relu\n  conv 3 stride=2\n  tanh\n}\nflatten"
    module, diagnostics = read(text)
    assert [d.span.first.line for d in diagnostics] == [3]
    block = module.statements[0]
    assert isinstance(block, Block)
    assert heads(block.body.statements) == ["relu", "tanh"]
    assert heads(module.statements) == ["Block", "flatten"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("block f(a b) {\n  conv stride=2\n  relu\n}\ntanh 3 stride=2", [1, 2, 5]),
        ("repeat 3 4 {\n  conv stride=2\n  relu\n}\ntanh 3 stride=2", [1, 2, 5]),
        ("if a = 3 {\n  conv stride=2\n} else {\n  conv stride=3\n}\nlet k 1", [1, 2, 4, 6]),
        ("add(\n  if a {\n    conv stride=2\n  } else {\n    relu\n  },\n  b\n) -> relu", [3]),
        ("add(\n  conv 3 stride=2,\n  if a {\n    let k 3\n  }\n) -> relu\nlet k 3", [2, 7]),
        ("conv {\n  kernel: 5\n  filters: 6\n}\nlet k 1", [1, 5]),
        ("train x {\n  loss mse\n  batch 3\n}\nlet k 1", [1, 5]),
    ],
)
def test_a_mistake_in_a_head_does_not_cascade_into_its_body(text: str, lines: list[int]) -> None:
    assert lines_at_fault(text) == lines


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("add(relu, conv 3\ntanh\nflatten", ["Call", "tanh", "flatten"]),
        ("block f() {\n  relu\ntanh\nflatten", ["Block", "tanh", "flatten"]),
        ("block f() {\n  add(a, b\n}\nflatten", ["Block", "flatten"]),
        ("relu }\n}\nflatten", ["relu", "flatten"]),
        ("train {\n  loss mse\nflatten", ["Train", "flatten"]),
        ("input 3x2x2 {\n  scale 1\nrelu\nflatten", ["Input", "relu", "flatten"]),
    ],
)
def test_statements_behind_an_open_bracket_are_read(text: str, kept: list[str]) -> None:
    module, diagnostics = read(text)
    assert {d.code for d in diagnostics} == {"CNN003"}
    assert heads(module.statements) == kept


def test_brackets_that_are_never_closed_are_blamed_by_their_indentation() -> None:
    text = "block a() {\n  repeat 3 {\n    add(\n      b,\n      c\n  }\n}\nrelu"
    module, (diagnostic,) = read(text)
    assert (diagnostic.code, diagnostic.span.first.line) == ("CNN003", 3)
    assert heads(module.statements) == ["Block", "relu"]


def test_a_misspelled_token_is_read_as_what_it_meant() -> None:
    text = "relu → tanh => 6 x 28 x 28\nclasses 'cat'; conv 3 bias false"
    module, diagnostics = read(text)
    assert len(diagnostics) == 5
    assert heads(module.statements) == ["relu", "Classes", "conv"]
    assert not module.broken


def test_the_argument_that_is_right_stays() -> None:
    module, _ = read("f(a, g [1, 2)\nrelu")
    assert heads(module.statements) == ["Call", "relu"]
    statement = module.statements[0]
    assert isinstance(statement, ChainStatement)
    element = statement.chain.links[0].element
    assert isinstance(element, Call)
    assert len(element.arguments) == 2


def test_no_more_mistakes_are_reported_than_the_limit() -> None:
    for text in ("let k 3\n" * 50, "$ \n" * 50, ")\n" * 50):
        module, diagnostics = read(f"relu\n{text}", Limits(diagnostics=7))
        assert len(diagnostics) == 7
        assert all(isinstance(statement, ChainStatement) for statement in module.statements)


def test_what_was_read_before_the_limit_stays() -> None:
    module, _ = read("relu\ntanh\n" + "let k 3\n" * 50, Limits(diagnostics=3))
    assert heads(module.statements) == ["relu", "tanh"]


def test_each_file_has_its_own_mistakes() -> None:
    report = Report()
    for name in ("a.cnn", "b.cnn"):
        parse(Source(name, "let k 3"), report)
    assert [d.span.source.name for d in report.sorted()] == ["a.cnn", "b.cnn"]


def test_bodies_and_chains_hold_nothing_broken() -> None:
    module, _ = read("repeat 3 {\n  let k 3\n}\nif a { ) } else { let k 2 }\nx = repeat 2 { 3 }")

    def walk(node: object) -> None:
        if isinstance(node, Body):
            assert all(item is not None for item in node.statements)
        if isinstance(node, Chain):
            assert node.links
        for name in getattr(type(node), "__match_args__", ()):
            value = getattr(node, name)
            for item in value if isinstance(value, tuple) else (value,):
                if type(item).__module__ == "cnndsl.syntax.ast":
                    walk(item)

    for statement in module.statements:
        walk(statement)


@pytest.mark.parametrize(
    "text", ["self.b: conv 3", "conv true", "C: conv 1e999 -> relu", "self.b, c = f"]
)
def test_a_text_that_is_given_up_in_its_first_statement_has_none(text: str) -> None:
    module, diagnostics = read(text, Limits(diagnostics=1))
    assert len(diagnostics) == 1
    assert not module.statements


@pytest.mark.parametrize("text", ["(3 + 4) input 3x8x8", "5 -> 6 network tiny"])
def test_a_statement_that_is_refused_before_another_one_on_its_line_is_left_out(text: str) -> None:
    module, [diagnostic] = read(f"relu\n{text}\ntanh")
    assert diagnostic.message.endswith("stands where a layer should")
    assert [broken.span.text for broken in module.broken] == [text]
    assert heads(module.statements) == ["relu", "tanh"]
