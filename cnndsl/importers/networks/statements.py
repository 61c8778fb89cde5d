"""Turns sequences of items into statements: what belongs together on one line, as notes write it.

A line begins with a convolution, a dense layer, a pool, a join or a call, and takes along what is
behind it: normalisation, activation, dropout. Loops have a line for each statement in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.unparse import expression
from cnndsl.elaborate.values import Value
from cnndsl.frozen import replace
from cnndsl.importers.networks.items import (
    BindItem,
    CallItem,
    Definition,
    FromItem,
    Item,
    JoinItem,
    LayerItem,
    Leaf,
    Linear,
    Ref,
    RepeatItem,
    Sequence,
    Stream,
)
from cnndsl.importers.networks.parameters import WIDTHS
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.syntax.ast import (
    Argument,
    At,
    Binary,
    Bind,
    Block,
    Body,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Element,
    Expr,
    Identifier,
    Link,
    Name,
    Number,
    Parameter,
    Phrase,
    Repeat,
    Size,
    Statement,
)

__all__ = ["NOWHERE", "Writer", "begins_line", "identifier"]

NOWHERE = Span(Source("<imported>", ""), 0, 0)
"""The place of what stands in no text yet."""

_BESIDE = frozenset(
    ("batchnorm", "bias", "scale", "dropout", "spatialdropout", "alphadropout", "droppath", "lrn")
)
"""Layers that stand behind another on its line, beside the activations."""

_PATH = frozenset(("flatten", "reshape", "transpose"))
"""Layers that stand before another on its line."""

_SIZES = frozenset(("kernel", "stride", "padding", "dilation", "output_padding", "shape", "size"))


def identifier(name: str) -> Identifier:
    """A name as a node of the tree."""
    return Identifier(name, NOWHERE)


def begins_line(item: Item, before: Item | None) -> bool:
    """Whether a line begins with this item.

    Normalisation that has no layer with weights before it begins one: there it is the first part
    of a unit ("pre-activation").
    """
    if before is None or isinstance(item, FromItem | BindItem) or isinstance(before, BindItem):
        return True
    if isinstance(before, FromItem):
        return False
    if isinstance(before, LayerItem) and before.keyword in _PATH:
        return False
    if not isinstance(item, LayerItem):
        return True
    if item.keyword == "batchnorm":
        return not isinstance(before, LayerItem) or not _has_weights(before)
    layer = find(item.keyword)
    return not (item.keyword in _BESIDE or (layer is not None and layer.activation))


def _has_weights(item: LayerItem) -> bool:
    layer = find(item.keyword)
    return layer is not None and layer.weights is not Layer.weights


class Writer:
    """Writes items as syntax; ``labels`` are the names of values, ``calls`` of calls and loops."""

    def __init__(
        self,
        labels: Mapping[str, str],
        call_labels: Mapping[int, str],
        definitions: Mapping[int, Definition],
    ) -> None:
        self.labels = labels
        self.call_labels = call_labels
        self.definitions = definitions

    def block(self, definition: Definition) -> Block:
        """A block's definition."""
        parameters = tuple(
            Parameter(
                identifier(one.name),
                None if one.default is None else self.expression(one.default),
                one.is_stream,
                NOWHERE,
            )
            for one in definition.parameters
        )
        return Block(identifier(definition.name), parameters, self.body(definition.body), NOWHERE)

    def body(self, seq: Sequence) -> Body:
        """A sequence between braces."""
        return Body(tuple(self.statements(seq)), NOWHERE)

    def statements(
        self, seq: Sequence, claims: Mapping[int, Claim] = MappingProxyType({})
    ) -> Iterator[Statement]:
        """A sequence, line by line; ``claims`` stand behind lines that end with these items."""
        links: list[Link] = [self._start(seq.start)] if seq.start is not None else []
        before: Item | None = None
        for at, item in enumerate(seq.items):
            if links and before is not None and begins_line(item, before):
                yield _line(links, claims.get(at - 1))
                links = []
            if isinstance(item, BindItem):
                names = tuple(identifier(self.labels[value]) for value in item.outputs)
                yield Bind(names, self._bound(item.chain), NOWHERE)
            elif isinstance(item, FromItem):
                links = [self._start(item.source)]
            else:
                links.append(self._link(item))
            before = item
        if links:
            yield _line(links, claims.get(len(seq.items) - 1))

    def _bound(self, seq: Sequence) -> Chain:
        """What stands behind `=`: its result has its name from before that."""
        chain = self.chain(seq)
        last = replace(chain.links[-1], label=None)
        return Chain((*chain.links[:-1], last), NOWHERE)

    def chain(self, seq: Sequence) -> Chain:
        """A sequence as one chain; an empty one is the stream itself."""
        links = [self._start(seq.start)] if seq.start is not None else []
        links += [self._link(item) for item in seq.items]
        if not links:
            links = [Link(None, Phrase(identifier("identity"), (), NOWHERE), (), NOWHERE)]
        return Chain(tuple(links), NOWHERE)

    def _start(self, start: Leaf) -> Link:
        return Link(None, Phrase(identifier(self._stream(start)), (), NOWHERE), (), NOWHERE)

    def _stream(self, leaf: Leaf) -> str:
        match leaf:
            case Ref(value=value):
                return self.labels[value]
            case Stream(name=name):
                return name
        raise TypeError(f"{leaf!r} is no stream")

    def _link(self, item: Item) -> Link:
        label = self._label(item)
        return Link(identifier(label) if label else None, self._element(item), (), NOWHERE)

    def _label(self, item: Item) -> str:
        named = self.call_labels.get(id(item), "")
        if named or len(item.outputs) != 1:
            return named
        return self.labels.get(item.outputs[0], "")

    def _element(self, item: Item) -> Element:
        match item:
            case LayerItem():
                arguments = tuple(self._arguments(item.keyword, dict(item.settings)))
                return Phrase(identifier(item.keyword), arguments, NOWHERE)
            case JoinItem():
                chains = [Argument(None, self.chain(arm), NOWHERE) for arm in item.arms]
                named = [
                    Argument(identifier(name), self.expression(value, name), NOWHERE)
                    for name, value in item.settings
                ]
                return Call(identifier(item.keyword), (*chains, *named), NOWHERE)
            case RepeatItem():
                return Repeat(self.expression(item.count), self.body(item.body), NOWHERE)
            case CallItem():
                return self._call(item)
        raise TypeError(f"{item!r} is no element of a chain")

    def _call(self, item: CallItem) -> Call:
        """A call: streams and widths by position, the others by name."""
        definition = self.definitions[item.block]
        arguments: list[Argument] = []
        for parameter, value in zip(definition.parameters, item.arguments, strict=True):
            if parameter.default is not None and value == parameter.default:
                continue
            by_position = parameter.is_stream or parameter.role in WIDTHS
            name = None if by_position else identifier(parameter.name)
            if isinstance(value, Ref | Stream) or value is None:
                shown: Expr | Chain = self.chain(Sequence(value, ()))
            else:
                shown = self.expression(value, parameter.name)
            arguments.append(Argument(name, shown, NOWHERE))
        share = None if item.share is None else identifier(self._stream(item.share))
        return Call(identifier(definition.name), tuple(arguments), NOWHERE, share)

    def _arguments(self, keyword: str, settings: Mapping[str, Leaf]) -> Iterator[Expr]:
        """What stands behind a layer's word."""
        layer = find(keyword)
        assert layer is not None
        given = [settings[name] for name in layer.positional if name in settings]
        names = layer.positional[: len(given)]
        shown = [self.expression(one, name) for one, name in zip(given, names, strict=True)]
        if len(shown) == 2 and not layer.spaced:
            yield At(shown[0], shown[1], NOWHERE)
        else:
            yield from shown
        for name, value in settings.items():
            if name not in layer.positional:
                yield Name(name, NOWHERE)
                yield self.expression(value, name)

    def expression(self, leaf: Leaf, name: str = "") -> Expr:
        """A leaf as an expression; sizes as ``5x3``, other lists as lists."""
        match leaf:
            case Linear():
                found: Expr = Name(leaf.name, NOWHERE)
                if leaf.factor != 1:
                    found = Binary("*", Number(leaf.factor, NOWHERE), found, NOWHERE)
                if leaf.divisor != 1:
                    found = Binary("//", found, Number(leaf.divisor, NOWHERE), NOWHERE)
                return found
            case Ref() | Stream():
                return Name(self._stream(leaf), NOWHERE)
            case tuple() if name in _SIZES and 2 <= len(leaf) <= 3 and all(map(_is_size, leaf)):
                numbers = tuple(Number(one, NOWHERE) for one in leaf if isinstance(one, int))
                return Size(numbers, NOWHERE)
            case None:
                raise TypeError("a setting without a value is left out")
        return expression(leaf, NOWHERE)


def _line(links: list[Link], claim: Claim | None) -> ChainStatement:
    if claim is not None:
        links = [*links[:-1], replace(links[-1], claims=(claim,))]
    return ChainStatement(Chain(tuple(links), NOWHERE), NOWHERE)


def _is_size(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
