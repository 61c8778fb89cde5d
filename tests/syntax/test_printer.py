"""Printing is the inverse of reading: ``parse(print(tree)) == tree``, spans apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_modules import SOURCE, SPAN, bodies, expressions, modules
from trees import read_right, without_spans

from cnndsl import resources
from cnndsl.syntax.ast import (
    Chain,
    ChainStatement,
    Expr,
    Identifier,
    Import,
    Let,
    Link,
    Module,
    Phrase,
)
from cnndsl.syntax.expressions import quoted
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.printer import WIDTH, print_module


@pytest.mark.parametrize(
    "strategy", [expressions, bodies, modules], ids=["expressions", "bodies", "modules"]
)
def test_what_is_drawn_from_is_described_briefly(strategy: st.SearchStrategy[object]) -> None:
    strategy.validate()
    assert len(repr(strategy)) < 1_000


@settings(max_examples=400, deadline=None)
@given(expressions)
def test_an_expression_comes_back(expr: Expr) -> None:
    tree = Module(SOURCE, (Let(Identifier("k", SPAN), expr, SPAN),))
    again = read_right(print_module(tree))
    assert without_spans(again.statements) == without_spans(tree.statements)


@settings(max_examples=300, deadline=None)
@given(st.lists(expressions, min_size=1, max_size=4))
def test_expressions_side_by_side_stay_apart(arguments: list[Expr]) -> None:
    phrase = Phrase(Identifier("conv", SPAN), tuple(arguments), SPAN)
    chain = Chain((Link(None, phrase, (), SPAN),), SPAN)
    tree = Module(SOURCE, (ChainStatement(chain, SPAN),))
    again = read_right(print_module(tree))
    assert without_spans(again.statements) == without_spans(tree.statements)


@settings(max_examples=100, deadline=None)
@given(modules)
def test_a_module_comes_back_and_prints_the_same_again(module: Module) -> None:
    text = print_module(module)
    again = read_right(text)
    assert without_spans(again.statements) == without_spans(module.statements)
    assert print_module(again) == text


@pytest.mark.parametrize(
    "path", sorted(resources.specs().rglob("*.cnn")), ids=lambda path: path.stem
)
def test_a_shipped_spec_comes_back(path: object) -> None:
    assert hasattr(path, "read_text")
    module = read_right(path.read_text(encoding="utf-8"))
    text = print_module(module)
    assert without_spans(read_right(text).statements) == without_spans(module.statements)
    assert max(len(line) for line in text.splitlines()) <= WIDTH


@given(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"])))
def test_a_quoted_text_comes_back(text: str) -> None:
    (statement,) = read_right(f"import {quoted(text)}").statements
    assert isinstance(statement, Import)
    assert statement.path.value == text


# --- the layout ---------------------------------------------------------------------------------

CANONICAL = """\
network example
input 3x32x32 {
  scale 1/255
  layout rgb
}

let k = 2*n + 1

block inner(stream a, width, stride = 1, project = no) {
  add(
    conv width@1 bias no -> batchnorm -> relu
      -> conv width@3 stride stride padding (k-1)//2 bias no -> batchnorm -> relu,
    if project { conv 4*width@1 stride stride bias no -> batchnorm } else { identity }
  ) -> relu
}

C1: conv 6@5x5 -> tanh => 6x28x28
for (width, depth) in [(64, 3), (128, 4)] { stage(width, depth) }

for i in 1..n+1 {
  x = inner(a, 64, stride = 2 if i == 1 else 1)
  dense (10 if last else 20) -> softmax
}

train {
  augment crop padding 4 -> flip
  nesterov
}
"""


def test_the_canonical_layout() -> None:
    expected = CANONICAL.replace("network example\ninput", "network example\n\ninput")
    assert print_module(read_right(CANONICAL)) == expected


@pytest.mark.parametrize("word", sorted(map(str.lower, STATEMENT_WORDS)))
@pytest.mark.parametrize("around", ["{}\n", "block b() {{\n  {}\n}}\n", "if 1 == 1 {{ {} }}\n"])
def test_a_name_that_begins_statements_stays_in_its_parentheses(word: str, around: str) -> None:
    module = read_right(around.format(f"({word})"))
    again = read_right(print_module(module))
    assert without_spans(again.statements) == without_spans(module.statements)


def test_long_lists_go_over_lines() -> None:
    row = ", ".join(["1", "-1"] * 8)
    text = f"let rows = [[{row}], [{row}], (3, 4)]\ninput 1x20\n"
    text += f"filter [{', '.join(['10'] * 30)}] stride 2\n"
    assert print_module(read_right(text)) == (
        "let rows = [\n"
        f"  [{row}],\n"
        f"  [{row}], (3, 4)\n"
        "]\n"
        "\n"
        "input 1x20\n"
        "\n"
        "filter [\n"
        f"  {', '.join(['10'] * 21)},\n"
        f"  {', '.join(['10'] * 9)}\n"
        "] stride 2\n"
    )
