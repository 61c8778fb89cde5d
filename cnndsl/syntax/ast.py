"""The syntax tree: what was written, and where. Every node carries the span it was read from.

Three kinds of nodes: **expressions** (numbers, sizes, names, arithmetic), **chains** (links
joined by ``->``, each link an element with an optional label and claims), and **statements**.

A layer is a :class:`Phrase`: a name and the expressions behind it, in order. Which expression is
the positional argument, which an attribute's name and which its value is the layer's own schema's
business (:mod:`cnndsl.elaborate.bind`), as is whether a bare name handed to a block is a number
or a stream.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal, TypeAlias

from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import frozen
from cnndsl.syntax.leaves import (
    Broken,
    Classes,
    ClassesFile,
    Hole,
    Identifier,
    Import,
    Name,
    NetworkName,
    Number,
    Output,
    Passage,
    RoundingRule,
    Size,
    Text,
)

__all__ = [
    "Argument",
    "At",
    "Binary",
    "BinaryOperator",
    "Bind",
    "Block",
    "Body",
    "Branch",
    "Broken",
    "Call",
    "Chain",
    "ChainStatement",
    "Claim",
    "Classes",
    "ClassesFile",
    "Comparison",
    "Conditional",
    "Element",
    "Expect",
    "Expr",
    "For",
    "Hole",
    "Identifier",
    "Import",
    "Input",
    "Let",
    "Link",
    "List",
    "Module",
    "Name",
    "NetworkName",
    "Number",
    "Output",
    "Param",
    "Parameter",
    "Passage",
    "Phrase",
    "Repeat",
    "Return",
    "RoundingRule",
    "Setting",
    "Size",
    "Statement",
    "Text",
    "Train",
    "Unary",
]


# --- expressions ------------------------------------------------------------------------------


@frozen
class List:
    """``[k, 1]``, and the pairs of a ``for``: ``(64, 3)``."""

    items: tuple[Expr, ...]
    span: Span
    is_pair: bool = False


@frozen
class At:
    """``6@5x5``: how many, of which size. Binds loosest."""

    count: Expr
    size: Expr
    span: Span


@frozen
class Unary:
    """``-x`` or ``not x``."""

    operator: Literal["-", "not"]
    operand: Expr
    span: Span


Comparison: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]

BinaryOperator: TypeAlias = Literal[
    "+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", ".."
]


@frozen
class Binary:
    """Arithmetic, a comparison, ``and``/``or``, or a range ``1..N`` (both ends included)."""

    operator: BinaryOperator
    left: Expr
    right: Expr
    span: Span


@frozen
class Conditional:
    """``1 if first else 2``."""

    then: Expr
    condition: Expr
    otherwise: Expr
    span: Span


# --- chains -----------------------------------------------------------------------------------


@frozen
class Argument:
    """An argument of a call: ``64`` or ``stride = 2`` or a whole chain.

    ``value`` is an expression where what was written is one (a lone name too: the callee's
    signature says whether it is a number or a stream), a :class:`Chain` otherwise.
    """

    name: Identifier | None
    value: Expr | Chain
    span: Span


@frozen
class Call:
    """``NAME(arguments)``: a block call, a join of chains, or ``min``/``max`` in an expression.

    ``share`` is the label behind a call that uses another one's weights: ``tower() share left``.
    """

    callee: Identifier
    arguments: tuple[Argument, ...]
    span: Span
    share: Identifier | None = None


@frozen
class Phrase:
    """``conv 6@5x5 stride 2``: a layer and its arguments; with none, a layer or a stream's name."""

    head: Identifier
    arguments: tuple[Expr, ...]
    span: Span


@frozen
class Body:
    """``{ statements }``."""

    statements: tuple[Statement, ...]
    span: Span


@frozen
class Branch:
    """``if condition { } else { }`` on compile-time values."""

    condition: Expr
    then: Body
    otherwise: Body | Branch | None
    span: Span


@frozen
class Repeat:
    """``repeat N { }``."""

    count: Expr
    body: Body
    span: Span


@frozen
class For:
    """``for i in 1..N { }``, ``for (width, depth) in [(64, 3), (128, 4)] { }``."""

    names: tuple[Identifier, ...]
    values: Expr
    body: Body
    span: Span


@frozen
class Claim:
    """``=> 6x28x28``: the sizes that the value here must have. ``span`` starts at the arrow."""

    dims: tuple[Expr, ...]
    span: Span


@frozen
class Link:
    """One station of a chain: ``C1: conv 6@5x5 => 6x28x28``."""

    label: Identifier | None
    element: Element
    claims: tuple[Claim, ...]
    span: Span


@frozen
class Chain:
    """Links joined by ``->``."""

    links: tuple[Link, ...]
    span: Span


# --- statements -------------------------------------------------------------------------------


@frozen
class Setting:
    """A line of a ``train { }`` or an input's ``{ }``: ``optimizer sgd lr 0.01 momentum 0.9``.

    ``values`` are the expressions behind the name, in order. ``augment crop 28 -> flip`` has one
    setting per link, all under the first one's name.
    """

    name: Identifier
    values: tuple[Expr, ...]
    span: Span


@frozen
class Input:
    """``input left 3x64x64 { scale 1/255 }``, ``input tokens 56 vocabulary 20000``.

    ``arguments`` are the expressions behind ``input`` and its optional name, in order.
    """

    name: Identifier | None
    arguments: tuple[Expr, ...]
    settings: tuple[Setting, ...]
    span: Span


@frozen
class Param:
    """``param classes = 1000``: a compile-time parameter that a caller can set."""

    name: Identifier
    default: Expr
    span: Span


@frozen
class Let:
    """``let k = 32``."""

    name: Identifier
    value: Expr
    span: Span


@frozen
class Expect:
    """``expect params 61706``, ``expect receptive_field 32x32``; a budget: ``expect macs <= 1e9``.

    ``comparison`` is the sign of a budget, and None where the quantity is stated.
    """

    quantity: Identifier
    values: tuple[Expr, ...]
    span: Span
    comparison: Comparison | None = None


@frozen
class Parameter:
    """A parameter of a block: ``width``, ``stride = 1``, ``stream high``."""

    name: Identifier
    default: Expr | None
    is_stream: bool
    span: Span


@frozen
class Block:
    """``block NAME(parameters) { }``."""

    name: Identifier
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span


@frozen
class Return:
    """``return high, low``: what a block gives back, where it is not its current stream."""

    chains: tuple[Chain, ...]
    span: Span


@frozen
class Train:
    """``train { }``: the recipe."""

    settings: tuple[Setting, ...]
    span: Span


@frozen
class Bind:
    """``name = chain``, ``high, low = octconv(high, low)``: names streams, moves none."""

    names: tuple[Identifier, ...]
    chain: Chain
    span: Span


@frozen
class ChainStatement:
    """A chain that moves the current stream."""

    chain: Chain
    span: Span


Expr: TypeAlias = (
    "Number | Text | Hole | Name | Size | List | At | Unary | Binary | Conditional | Call"
)
Element: TypeAlias = "Phrase | Call | Branch | Repeat | For"
Statement: TypeAlias = (
    "NetworkName | Input | Classes | ClassesFile | Output | Param | Let | Import | RoundingRule"
    " | Expect | Block | Return | Train | Bind | ChainStatement"
)


@frozen
class Module:
    """One file. ``broken`` are its statements that are missing from ``statements`` and bodies.

    Those of other languages are among them, and more is known of them in ``passages``.
    """

    source: Source
    statements: tuple[Statement, ...]
    comments: tuple[Span, ...] = field(default=())
    broken: tuple[Broken, ...] = field(default=())
    passages: tuple[Passage, ...] = field(default=())
