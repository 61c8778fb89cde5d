"""Answers ``channels(NAME)``, ``height(NAME)`` and their like: sizes of a stream as numbers.

They are read while the network is still growing, before inference: from the layers' own size
rules, each node once, and no further than is asked.
"""

from __future__ import annotations

from typing import NoReturn

from pydantic import ValidationError

from cnndsl.diagnostics.model import Diagnostic, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import listed, shorten
from cnndsl.elaborate.bound import Bound
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.draft import Draft, whole
from cnndsl.elaborate.network import InputNode, LayerNode
from cnndsl.elaborate.node_types import UNKNOWN, Fact, infer_node
from cnndsl.elaborate.scope import Frame
from cnndsl.elaborate.values import EvaluationError, Value, evaluation_error, follows, holes_in
from cnndsl.frozen import replace
from cnndsl.layers.base import Layer
from cnndsl.syntax.ast import Call, Identifier, Name
from cnndsl.types import TensorType

__all__ = ["StreamSizes"]

CURRENT = "identity"
"""The name of the stream that flows here."""

TRIED = (1, 2, 1000)
"""The numbers that are put into a hole to see which sizes hang on it."""


class StreamSizes:
    """The sizes of the streams of a draft, as far as they have been asked for."""

    def __init__(self, context: ElaborationContext) -> None:
        self._context = context
        self._draft: Draft = context.draft
        self._facts: list[Fact] = []
        self._holes: list[Span | None] = []
        """For every node, a hole that its type hangs on."""
        self._claims = 0
        """How many of the draft's claims are taken note of."""

    def read(self, frame: Frame, call: Call) -> Value:
        """The value of ``channels(NAME)`` and its like.

        Raises:
            EvaluationError: CNN103 and CNN209 where the name is none of a stream, CNN132 where
                the stream has no such size, CNN406 where the size hangs on a hole.
        """
        axis, name = call.callee.name, _argument(call)
        position = self._position(name, frame)
        fact = self._fact(position)
        if fact.type is None:
            self._refuse(call, name, position)
        kind = fact.type
        asked = range(1, len(kind.dims)) if axis == "size" else [*_places(kind, axis)]
        if not asked:
            raise _lacking(call, name, fact, kind)
        if not fact.assumed.isdisjoint(asked):
            self._refuse(call, name, position)
        sizes = tuple(kind.dims[at] for at in asked)
        return sizes if axis == "size" else sizes[0]

    def _position(self, name: Name, frame: Frame) -> int:
        if name.name == CURRENT:
            position = frame.current if frame.here is None else frame.here
            if position is None:
                message = "there is no stream here: no `input` comes before it"
                help = "write `input 3x224x224` above it, with the sizes of yours"
                raise evaluation_error("CNN105", message, name.span, help)
            return position
        found = self._context.lookup(name.name, frame)
        if found is None:
            self._context.unknown_stream(Identifier(name.name, name.span), frame)
            raise follows(name.span, _unknown(name))
        return found

    def _refuse(self, call: Call, name: Name, position: int) -> NoReturn:
        """The size is not known: because of a hole, or of a mistake that is reported elsewhere."""
        hole = self._holes[position]
        if hole is None:
            raise follows(call.span, _unknown(name))
        diagnostic = Diagnostic(
            "CNN406",
            f"`{shorten(call.span.text)}` hangs on a `?`, and is needed before that is found",
            call.span,
            labels=(Label(hole, "this `?`"),),
            help="write the number in place of the `?`",
        )
        raise EvaluationError(diagnostic)

    # --- types ---

    def _fact(self, position: int) -> Fact:
        """What is known of a node's output; all nodes up to it are worked out, each once."""
        for at in range(len(self._facts), position + 1):
            bound = self._draft.pending.get(at)
            node = self._draft.nodes[at]
            if bound is not None and isinstance(node, LayerNode):
                fact = self._open(node, bound)
            else:
                fact = infer_node(node, self._facts)[0]
            self._facts.append(fact)
            self._holes.append(None if fact.certain else self._hole(at))
        self._believe()
        return self._facts[position]

    def _open(self, node: LayerNode, bound: Bound[Layer]) -> Fact:
        """What is known of a layer with holes: the sizes that are the same whatever they are."""
        found: list[Fact] = []
        for number in TRIED:
            try:
                layer = bound.closed(number).validate()
            except ValidationError:
                continue
            found.append(infer_node(replace(node, layer=layer), self._facts)[0])
        types = [fact.type for fact in found if fact.type is not None]
        if len(types) < 2 or len({len(kind.dims) for kind in types}) > 1:
            return UNKNOWN
        columns = enumerate(zip(*(kind.dims for kind in types), strict=True))
        differing = frozenset(at for at, column in columns if len({*column}) > 1)
        return Fact(types[0], differing.union(*(fact.assumed for fact in found)))

    def _hole(self, at: int) -> Span | None:
        """A hole that the type of a node hangs on."""
        node, bound = self._draft.nodes[at], self._draft.pending.get(at)
        values = self._draft.open_inputs.get(at, ())
        own = values if bound is None else (*bound.values.values(),)
        spans = [hole.span for value in own for hole in holes_in(value)]
        inputs = () if isinstance(node, InputNode) else node.inputs
        spans += [span for one in inputs if (span := self._holes[one]) is not None]
        return spans[0] if spans else None

    def _believe(self) -> None:
        """Take what is claimed of a node for true where its type is not certain."""
        for claim in self._draft.claims[self._claims :]:
            dims = whole(claim.dims)
            if claim.node >= len(self._facts):
                break
            self._claims += 1
            if dims and min(dims) > 0 and not self._facts[claim.node].certain:
                self._facts[claim.node] = Fact(TensorType(dims))


def _argument(call: Call) -> Name:
    """The name in the parentheses.

    Raises:
        EvaluationError: where something else stands there.
    """
    function = call.callee.name
    help = f"write `{function}(identity)`, or the label of a layer in place of `identity`"
    if len(call.arguments) != 1:
        code = "CNN203" if call.arguments else "CNN202"
        message = f"`{function}` takes the name of one stream, not {len(call.arguments)}"
        raise evaluation_error(code, message, call.span, help)
    (argument,) = call.arguments
    value = argument.value
    if argument.name is not None or not isinstance(value, Name):
        message = f"`{function}` takes the name of a stream, not `{shorten(argument.span.text)}`"
        raise evaluation_error("CNN209", message, argument.span, help)
    return value


def _places(kind: TensorType, axis: str) -> tuple[int, ...]:
    return (kind.axes.index(axis),) if axis in kind.axes else ()


def _lacking(call: Call, name: Name, fact: Fact, kind: TensorType) -> EvaluationError:
    """CNN132: a vector has no height, pictures have no depth."""
    has = "spatial sizes" if call.callee.name == "size" else call.callee.name
    if kind.spatial:
        message = f"`{name.name}` is {fact} and has no {has}"
        help = f"it has {listed(kind.axes)}: write `{kind.axes[-1]}({name.name})`"
    else:
        message = f"`{name.name}` is a vector of {fact} and has no {has}"
        help = f"write `channels({name.name})` for its length"
    return evaluation_error("CNN132", message, call.span, help)


def _unknown(name: Name) -> str:
    return f"the sizes of `{shorten(name.name)}` are not known"
