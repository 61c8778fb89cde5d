"""Printing is the inverse of reading: ``parse(print(tree)) == tree``, spans apart."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import read_right, without_spans

from cnndsl import resources
from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.ast import (
    Argument,
    At,
    Binary,
    Bind,
    Block,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Classes,
    ClassesFile,
    Conditional,
    Element,
    Expect,
    Expr,
    For,
    Hole,
    Identifier,
    Import,
    Input,
    Let,
    Link,
    List,
    Module,
    Name,
    NetworkName,
    Number,
    Output,
    Param,
    Parameter,
    Phrase,
    Repeat,
    Return,
    RoundingRule,
    Setting,
    Size,
    Statement,
    Text,
    Train,
    Unary,
)
from cnndsl.syntax.expressions import quoted
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.printer import WIDTH, print_module

T = TypeVar("T")

SOURCE = Source("<made>", "")
SPAN = Span(SOURCE, 0, 0)

# --- random trees -------------------------------------------------------------------------------

words = st.sampled_from(["a", "k", "conv", "stride", "x1", "F_6"])
dotted = words | st.sampled_from(["stem.conv1", "layer1.2.bn"])
used = dotted | st.sampled_from(["input", "output", "train", "block", "from", "stream", "let"])
identifiers = st.builds(Identifier, words, st.just(SPAN))
names = st.builds(Name, used, st.just(SPAN))
whole = st.integers(0, 10**20).map(lambda n: Number(n, SPAN))
numbers = whole | st.floats(0, 1e300, allow_nan=False).map(lambda x: Number(x, SPAN))
texts = st.text(
    st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=8
).map(lambda text: Text(text, SPAN))
holes = st.just(Hole(SPAN))
sizes = st.lists(whole | holes, min_size=2, max_size=4).map(lambda dims: Size(tuple(dims), SPAN))
atoms = numbers | names | texts | holes | sizes
OPERATORS = ["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", ".."]


def compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    argument = st.builds(Argument, st.none() | identifiers, inner, st.just(SPAN))
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Binary, st.sampled_from(OPERATORS), inner, inner, st.just(SPAN)),
        st.builds(Unary, st.sampled_from(["-", "not"]), inner, st.just(SPAN)),
        st.builds(At, inner, inner, st.just(SPAN)),
        st.builds(Conditional, inner, inner, inner, st.just(SPAN)),
        st.builds(List, several, st.just(SPAN)),
        st.builds(Call, identifiers, st.lists(argument, max_size=3).map(tuple), st.just(SPAN)),
    )


def named(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """A strategy that Hypothesis describes in a word, whatever was drawn from it before.

    Written out, strategies that contain each other take tens of thousands of characters.
    """

    @st.composite
    def tree(draw: st.DrawFn) -> T:
        return draw(strategy)

    return tree()


expressions: st.SearchStrategy[Expr] = named(st.recursive(atoms, compound, max_leaves=8))
values = st.lists(expressions, min_size=1, max_size=3).map(tuple)


def claims_of(dims: tuple[Expr, ...]) -> Claim:
    """A claim as the parser makes it: never of one size or list, which it takes apart."""
    if len(dims) == 1 and isinstance(dims[0], Size | List):
        dims = (*dims, Hole(SPAN))
    return Claim(dims, SPAN)


claims = st.lists(values.map(claims_of), max_size=2).map(tuple)
phrases = st.builds(
    lambda name, arguments: Phrase(Identifier(name, SPAN), arguments, SPAN),
    dotted,
    st.lists(expressions, max_size=3).map(tuple),
)
settings_of = st.lists(
    st.builds(Setting, identifiers, st.lists(expressions, max_size=2).map(tuple), st.just(SPAN)),
    max_size=3,
).map(tuple)


def is_chain(chain: Chain) -> bool:
    """Whether an argument reads as a chain: not a lone name or call, which is an expression."""
    link = chain.links[0]
    bare = len(chain.links) == 1 and not link.label and not link.claims
    lone = isinstance(link.element, Call) or (
        isinstance(link.element, Phrase) and not link.element.arguments
    )
    return not (bare and lone)


def chains_of(bodies: st.SearchStrategy[Body]) -> st.SearchStrategy[Chain]:
    def chain(elements: st.SearchStrategy[Element]) -> st.SearchStrategy[Chain]:
        links = st.builds(Link, st.none() | identifiers, elements, claims, st.just(SPAN))
        return st.lists(links, min_size=1, max_size=4).map(lambda found: Chain(tuple(found), SPAN))

    def larger(inner: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
        argument = st.builds(
            Argument,
            st.none() | identifiers,
            expressions | chain(inner).filter(is_chain),
            st.just(SPAN),
        )
        arguments = st.lists(argument, max_size=3).map(tuple)
        branches = st.builds(Branch, expressions, bodies, st.none() | bodies, st.just(SPAN))
        targets = st.lists(identifiers, min_size=1, max_size=2).map(tuple)
        return st.one_of(
            st.builds(Call, identifiers, arguments, st.just(SPAN)),
            branches,
            st.builds(Branch, expressions, bodies, branches, st.just(SPAN)),
            st.builds(Repeat, expressions, bodies, st.just(SPAN)),
            st.builds(For, targets, expressions, bodies, st.just(SPAN)),
        )

    return named(chain(st.recursive(phrases, larger, max_leaves=3)))


def statements_of(bodies: st.SearchStrategy[Body]) -> st.SearchStrategy[Statement]:
    chains = chains_of(bodies)
    several = st.lists(identifiers, min_size=1, max_size=3).map(tuple)
    parameter = st.builds(
        Parameter, identifiers, st.none() | expressions, st.just(False), st.just(SPAN)
    ) | st.builds(Parameter, identifiers, st.none(), st.just(True), st.just(SPAN))
    inputs = st.builds(
        Input,
        identifiers,
        values,
        settings_of.map(lambda found: tuple(s for s in found if len(s.values) == 1)),
        st.just(SPAN),
    )
    span = st.just(SPAN)
    statements = st.one_of(
        st.builds(NetworkName, identifiers, span),
        inputs,
        st.builds(Classes, st.lists(texts, min_size=1, max_size=20).map(tuple), span),
        st.builds(ClassesFile, texts, span),
        st.builds(Output, st.lists(names, min_size=1, max_size=3).map(tuple), span),
        st.builds(Param, identifiers, expressions, span),
        st.builds(Let, identifiers, expressions, span),
        st.builds(Import, texts, span),
        st.builds(RoundingRule, identifiers, span),
        st.builds(Expect, identifiers, values, span),
        st.builds(Block, identifiers, st.lists(parameter, max_size=3).map(tuple), bodies, span),
        st.builds(Return, st.lists(chains, min_size=1, max_size=2).map(tuple), span),
        st.builds(Train, settings_of, span),
        st.builds(Bind, several, chains, span),
        st.builds(ChainStatement, chains, span),
    )
    return named(statements)


empty = st.just(Body((), SPAN))
bodies: st.SearchStrategy[Body] = st.recursive(
    empty,
    lambda inner: st.builds(
        Body, st.lists(statements_of(inner), min_size=1, max_size=3).map(tuple), st.just(SPAN)
    ),
    max_leaves=3,
)
modules = st.lists(statements_of(named(bodies)), max_size=4).map(
    lambda found: Module(SOURCE, tuple(found))
)


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
