"""Random syntax trees: expressions, bodies, statements, whole modules; none of them has a text."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

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

__all__ = ["SOURCE", "SPAN", "bodies", "expressions", "modules", "named"]

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
        st.builds(Expect, identifiers, values, span, st.sampled_from([None, "<=", "<", "=="])),
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
