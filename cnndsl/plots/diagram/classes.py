"""Finds calls of blocks that look alike, so that a block can be drawn once for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from cnndsl.analysis.outline import Outline, Part, Repeat, Scope, Step, steps_of
from cnndsl.elaborate.network import LayerNode, Network
from cnndsl.elaborate.values import Value
from cnndsl.frozen import mutable
from cnndsl.plots.diagram.words import shown

__all__ = ["BlockClass", "classes_of", "scopes_in"]


@mutable
class BlockClass:
    """Calls of one block that have the same layers, wired alike; only numbers differ."""

    block: str
    calls: tuple[Scope, ...]
    network: Network

    @cached_property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """The positions of each call's layers; layers that correspond have the same place."""
        return tuple(tuple(steps_of(call.parts)) for call in self.calls)

    @cached_property
    def values(self) -> tuple[Mapping[str, Value], ...]:
        """The values of the block's parameters, call by call."""
        return tuple(self.network.calls[call.name].values for call in self.calls)

    @property
    def differing(self) -> tuple[str, ...]:
        """The parameters whose values differ."""
        first, *others = self.values
        return tuple(name for name in first if any(one[name] != first[name] for one in others))

    def told(self, node: LayerNode, name: str) -> str:
        """What to write for a setting of a layer of the first call.

        Its value where it is the same in all calls, else the parameter that it is everywhere, or
        the expression that stands there, or the range of the values.
        """
        values = self._values(node, name)
        if all(value == values[0] for value in values):
            return shown(values[0])
        parameter = self._parameter(values)
        if parameter:
            return parameter
        text = node.places[name].text if name in node.places else ""
        names = {*self.values[0]}
        if 0 < len(text) <= _ROOM and {*_words(text)} <= names:
            return text.replace("*", "·")
        return _span(values)

    def _values(self, node: LayerNode, name: str) -> list[object]:
        nodes = self.network.nodes
        place = next(at for at in self.steps[0] if nodes[at] is node)
        index = self.steps[0].index(place)
        return [getattr(getattr(nodes[call[index]], "layer", None), name) for call in self.steps]

    def _parameter(self, values: Sequence[object]) -> str:
        """The parameter of the block that has these values, call by call."""
        for name in self.differing:
            if all(
                value in (one[name], (one[name],))
                for value, one in zip(values, self.values, strict=True)
            ):
                return name
        return ""

    def argument(self, scope: Scope, name: str) -> str | None:
        """What to write for an argument of a call in the first call, where that is not one value.

        The parameter that it is everywhere, or the range of the values.
        """
        index = [one.name for one in scopes_in(self.calls[0].parts)].index(scope.name)
        inner = [[*scopes_in(call.parts)][index].name for call in self.calls]
        values = [self.network.calls[one].values[name] for one in inner]
        if all(value == values[0] for value in values):
            return None
        return self._parameter(values) or _span(values)

    def times(self, repeat: Repeat) -> str:
        """How often something in the first call is repeated: a number, or a parameter's name."""
        found = [[one.times for one in _repeats(call.parts)] for call in self.calls]
        index = next(at for at, one in enumerate(_repeats(self.calls[0].parts)) if one is repeat)
        values = [call[index] for call in found]
        if len({*values}) == 1:
            return str(values[0])
        return self._parameter(values) or _span(values)


_ROOM = 14
"""An expression is not longer, in letters."""


def _words(text: str) -> Iterator[str]:
    word = ""
    for letter in f"{text} ":
        if letter.isalnum() or letter == "_":
            word += letter
        else:
            if word and not word.isdecimal():
                yield word
            word = ""


def _span(values: Sequence[object]) -> str:
    """``16–64``: the least and the largest of numbers; an ellipsis for anything else."""
    numbers = []
    for value in values:
        one = value[0] if isinstance(value, tuple) and len({*value}) == 1 else value
        if isinstance(one, bool) or not isinstance(one, int | float):
            return "…"
        numbers.append(one)
    return f"{shown(min(numbers))}–{shown(max(numbers))}"


def _repeats(parts: Sequence[Part]) -> Iterator[Repeat]:
    for part in parts:
        if isinstance(part, Repeat):
            yield part
        if not isinstance(part, Step):
            yield from _repeats(part.parts)


def scopes_in(parts: Sequence[Part]) -> Iterator[Scope]:
    """The calls and rounds in some parts, and those in them, the outer ones first."""
    for part in parts:
        if isinstance(part, Scope):
            yield part
        if not isinstance(part, Step):
            yield from scopes_in(part.parts)


def classes_of(network: Network, outline: Outline) -> list[BlockClass]:
    """All classes of calls, in the order of their first calls."""
    found: dict[object, list[Scope]] = defaultdict(list)
    for scope in scopes_in(outline.parts):
        if scope.block:
            found[scope.block, _signature(network, outline, scope)].append(scope)
    return [BlockClass(calls[0].block, tuple(calls), network) for calls in found.values()]


def _signature(network: Network, outline: Outline, scope: Scope) -> object:
    """What is alike in calls that look alike: kinds of layers and how they are wired."""
    inside = {position: at for at, position in enumerate(steps_of(scope.parts))}
    outside: dict[int, int] = {}

    def source(read: int) -> tuple[str, int]:
        read = outline.shown(read)
        if read in inside:
            return "in", inside[read]
        return "out", outside.setdefault(read, len(outside))

    def of(part: Part) -> object:
        match part:
            case Step(position=position):
                node = network.nodes[position]
                assert isinstance(node, LayerNode)
                return (node.layer.keyword, *map(source, node.inputs))
            case Scope(block=block, parts=parts):
                return ("call", block, *map(of, parts))
            case Repeat(parts=parts):
                return ("repeat", *map(of, parts))

    return tuple(map(of, scope.parts))
