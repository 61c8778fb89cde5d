"""Recognises layers that have no operator of their own by lowering them again, against the graph.

A layer is lowered through a ``Builder`` that emits nothing: for each operator it looks in the graph
for a node of that operator that reads what it is given. What comes out is the value that the
layer gives. So everything that cnndsl compiles is read back, and what other exporters write alike
(GELU by ``Erf``, GroupNorm by ``InstanceNormalization``), without a pattern for each.

Numbers that a layer's settings decide (epsilon, alpha) are not known before. They are taken as
they stand first, then settings are tried that would give them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
from typing_extensions import override

from cnndsl.elaborate.bound import validate
from cnndsl.importers.networks.from_onnx.candidates import CANDIDATES, Candidate, facts_of
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode, in_order
from cnndsl.importers.networks.from_onnx.quotients import with_quotients
from cnndsl.importers.networks.from_onnx.usual_forms import in_usual_forms
from cnndsl.layers import find
from cnndsl.layers.lowering import Attribute, Builder, LoweringContext
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensor = NDArray[Any]

__all__ = ["LAYER", "with_layers"]

LAYER = "Layer"
"""The operator of a node that stands for one of our layers as a whole."""

_NEAR = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""How far apart, of their size, neighbours in a type may be; for float32 it may be 1e-5."""

_MOST_TRIALS = 2000
_MOST_TWINS = 8


class _Differs(Exception):  # noqa: N818 (it is a finding, which its catcher handles)
    """The graph has no node that the lowering emits."""


@dataclass(frozen=True, eq=False)
class _Symbol:
    """A value in the matching: of the graph, a constant, or a weight that is still to be found."""

    name: str = ""
    constant: Tensor | None = None
    role: str = ""
    computed: tuple[str, tuple[_Symbol | None, ...], Mapping[str, Attribute], int] | None = None
    """The operator that makes it of constants, what it reads, and which of its outputs it is."""


@dataclass(eq=False)
class _Matcher(Builder[_Symbol]):
    """A builder that looks for nodes instead of emitting them."""

    index: _Index
    exact: bool
    shapes: Mapping[str, tuple[int, ...]]
    weights: dict[str, str] = field(default_factory=dict)
    numbers: list[tuple[float, float]] = field(default_factory=list)
    used: list[OnnxNode] = field(default_factory=list)
    met: set[int] = field(default_factory=set)
    passed_over: frozenset[int] = frozenset()
    """Nodes that led nowhere."""
    doubtful: int | None = None
    """The first node that was taken where there were others."""

    @override
    def op(self, op_type: str, *inputs: _Symbol | None, **attributes: Attribute) -> _Symbol:
        return self.several(op_type, 1, *inputs, **attributes)[0]

    @override
    def several(
        self, op_type: str, count: int, *inputs: _Symbol | None, **attributes: Attribute
    ) -> Sequence[_Symbol]:
        if not any(one is not None and one.name for one in inputs):
            return [_Symbol(computed=(op_type, inputs, attributes, at)) for at in range(count)]
        # Of twins, the one that has not been met: a lowering emits them in the graph's order.
        nodes = self.index.nodes(op_type, inputs)
        wrong = self.index.taken | self.passed_over if self.passed_over else self.index.taken
        left = [one for one in nodes if id(one) not in wrong]
        for node in sorted(left, key=lambda one: id(one) in self.met):
            before = dict(self.weights), list(self.numbers)
            if self._fits(node, inputs, attributes):
                self.used.append(node)
                self.met.add(id(node))
                if len(left) > 1 and self.doubtful is None:
                    self.doubtful = id(node)
                return [_Symbol(name) for name in node.outputs[:count]]
            self.weights, self.numbers = before
        raise _Differs

    @override
    def constant(self, value: float | Sequence[int] | Sequence[float]) -> _Symbol:
        array = numpy.asarray(value)
        kind = numpy.int64 if array.dtype.kind == "i" else numpy.float32
        return _Symbol(constant=array.astype(kind))

    def _fits(
        self,
        node: OnnxNode,
        inputs: Sequence[_Symbol | None],
        attributes: Mapping[str, Attribute],
    ) -> bool:
        given = list(node.inputs)
        while given and not given[-1]:
            given.pop()
        if len(given) != len(inputs) or not self._same_attributes(node, attributes):
            return False
        return all(map(self._is, inputs, given))

    def _is(self, symbol: _Symbol | None, name: str) -> bool:
        if symbol is None:
            return not name
        if symbol.name:
            return symbol.name == name
        if symbol.role:
            return self._bind(symbol.role, name)
        if symbol.computed is not None:
            op, inputs, attributes, at = symbol.computed
            node = self.index.makers.get(name)
            found = node is not None and node.op == op and node.outputs[at] == name
            return found and node is not None and self._fits(node, inputs, attributes)
        known = self.index.constants.get(name)
        return (
            known is not None
            and symbol.constant is not None
            and self._equal(symbol.constant, known)
        )

    def _bind(self, role: str, name: str) -> bool:
        array = self.index.constants.get(name)
        bound = self.weights.setdefault(role, name)
        return array is not None and bound == name and array.shape == self.shapes[role]

    def _equal(self, ours: Tensor, theirs: Tensor) -> bool:
        if ours.dtype.kind != theirs.dtype.kind or ours.size != theirs.size:
            return False
        if ours.dtype.kind != "f" or self.exact:
            near = _NEAR.get(theirs.dtype.name, 1e-5)
            same = numpy.allclose(ours.reshape(-1), theirs.reshape(-1), rtol=near, atol=0)
            return bool(same)
        self.numbers += zip(ours.reshape(-1).tolist(), theirs.reshape(-1).tolist(), strict=True)
        return True

    def _same_attributes(self, node: OnnxNode, ours: Mapping[str, Attribute]) -> bool:
        names = {**node.attributes, **ours}
        for name in names:
            theirs = node.attributes.get(name, _DEFAULTS.get((node.op, name)))
            mine: object = ours.get(name, _DEFAULTS.get((node.op, name)))
            if isinstance(theirs, bytes):
                theirs = theirs.decode(errors="replace")
            if isinstance(mine, float) and isinstance(theirs, int | float) and not self.exact:
                self.numbers.append((mine, float(theirs)))
            elif isinstance(mine, float) and isinstance(theirs, int | float):
                if not math.isclose(mine, theirs, rel_tol=1e-5):
                    return False
            elif _plain(mine) != _plain(theirs):
                return False
        return True


_DEFAULTS: dict[tuple[str, str], object] = {
    ("InstanceNormalization", "epsilon"): 1e-5,
    ("ReduceMean", "keepdims"): 1,
    ("ReduceMax", "keepdims"): 1,
    ("ReduceSum", "keepdims"): 1,
    ("ReduceL2", "keepdims"): 1,
    ("ReduceSumSquare", "keepdims"): 1,
    ("Gather", "axis"): 0,
    ("Flatten", "axis"): 1,
}
"""Attributes that may be left out: what they are then."""


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


_Typed: TypeAlias = tuple[str, TensorType]
"""A stream of the graph with its type."""


class _Index:
    """A graph's nodes by what they do and read, and its constants, those in nodes too."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.constants: dict[str, Tensor] = dict(graph.constants)
        self.makers = graph.producers()
        self.taken: set[int] = set()
        """The nodes that belong to layers which were found."""
        self._by_stream: dict[tuple[str, str], list[OnnxNode]] = {}
        self._by_op: dict[str, list[OnnxNode]] = {}
        for node in graph.nodes:
            self._by_op.setdefault(node.op, []).append(node)
            for name in dict.fromkeys(node.inputs):
                self._by_stream.setdefault((node.op, name), []).append(node)
        self._reading: dict[str, frozenset[str]] = {}
        for op, name in self._by_stream:
            self._reading[name] = self._reading.get(name, frozenset()) | {op}

    @property
    def operators(self) -> frozenset[str]:
        """All operators of the graph."""
        return frozenset(self._by_op)

    def reading(self, value: str) -> frozenset[str]:
        """The operators that read a value."""
        return self._reading.get(value, frozenset())

    def nodes(self, op: str, inputs: Sequence[_Symbol | None]) -> list[OnnxNode]:
        """The nodes that could be this one."""
        for one in inputs:
            if one is not None and one.name:
                return self._by_stream.get((op, one.name), [])
        return self._by_op.get(op, [])


# --- the search ---------------------------------------------------------------------------------


def with_layers(graph: OnnxGraph, raw: OnnxGraph) -> None:
    """Put nodes that stand for whole layers in the place of those that these are lowered to.

    ``raw`` is the graph before anything of it was computed, whose nodes are in their usual forms
    then too; ``graph`` is the same afterwards.
    """
    in_usual_forms(graph)
    with_quotients(graph)
    graph.nodes += _recognised(raw, graph, _streams(graph))
    graph.nodes = in_order(graph)


def _streams(graph: OnnxGraph) -> dict[str, TensorType]:
    """The values that layers could read, with their types."""
    return {
        value: TensorType(shape[1:])
        for value, shape in graph.shapes.items()
        if value not in graph.constants
        and len(shape) > 1
        and shape[0] == graph.batch
        and 0 not in shape
    }


def _recognised(
    raw: OnnxGraph, graph: OnnxGraph, types: Mapping[str, TensorType]
) -> list[OnnxNode]:
    """Nodes that stand for whole layers: each reads streams and weights, and gives their value."""
    index, facts = _Index(raw), facts_of(graph)
    found: list[OnnxNode] = []
    for keyword, search in CANDIDATES.items():
        if not search.needs <= index.operators:
            continue
        for value, type in types.items():
            if search.first.isdisjoint(index.reading(value)):
                continue
            beside = [(one, types[one]) for one in raw.inputs] if search.beside else [None]
            for candidate, other in itertools.product(search.settings(type, facts), beside):
                inputs = [(value, type), *([other] if other is not None else [])]
                while True:  # several layers may read one stream, alike or not
                    node, used = _tried(keyword, candidate, inputs, index)
                    if node is None:
                        break
                    made = types.get(node.outputs[0])
                    if made is not None and made.dims != graph.shapes[node.outputs[0]][1:]:
                        break
                    index.taken.update(map(id, used))
                    found.append(node)
    return found


def _tried(
    keyword: str, candidate: Candidate, streams: Sequence[_Typed], index: _Index
) -> tuple[OnnxNode | None, list[OnnxNode]]:
    """The node of a layer that reads a value, if the graph has what it is lowered to."""
    exact = _matched(keyword, candidate, streams, index, exact=True)
    if exact is None:
        loose = _matched(keyword, candidate, streams, index, exact=False)
        numbers = loose[0].numbers if loose is not None else []
        for settings in itertools.islice(_settings(keyword, candidate, numbers), _MOST_TRIALS):
            exact = _matched(keyword, settings, streams, index, exact=True)
            if exact is not None:
                candidate = settings
                break
    if exact is None:
        return None, []
    matcher, symbol = exact
    attributes = {"keyword": keyword, "settings": candidate, "roles": [*matcher.weights]}
    inputs = [*(name for name, _ in streams), *matcher.weights.values()]
    last = matcher.used[-1]
    node = OnnxNode(LAYER, inputs, [symbol.name], attributes, last.name, last.place)
    return node, matcher.used


def _settings(
    keyword: str, candidate: Candidate, numbers: Sequence[tuple[float, float]]
) -> Iterator[Candidate]:
    """The candidate with other numbers that the graph's could come from."""
    if not numbers:
        return
    schema = find(keyword)
    assert schema is not None
    free = [
        name
        for name, one in schema.model_fields.items()
        if isinstance(one.default, float) and name not in ("start",)
    ]
    pool: dict[float, None] = {}
    for ours, theirs in numbers:
        if not math.isclose(ours, theirs, rel_tol=1e-5):
            for other in (1.0, -1.0, *(float(v) for v in candidate.values() if isinstance(v, int))):
                pool.setdefault(theirs * other)
    for name in free:
        pool.setdefault(float(schema.model_fields[name].default))
    options = [
        # What a candidate says may be in no number of the graph.
        [*dict.fromkeys((*([candidate[name]] if name in candidate else []), *[*pool][:12]))]
        for name in free
    ]
    for values in itertools.product(*options):
        yield {**candidate, **dict(zip(free, values, strict=True))}


def _matched(
    keyword: str,
    settings: Candidate,
    streams: Sequence[_Typed],
    index: _Index,
    *,
    exact: bool,
) -> tuple[_Matcher, _Symbol] | None:
    """Lower a layer of a value against the graph."""
    schema = find(keyword)
    assert schema is not None
    try:
        layer = validate(schema, settings)
    except ValueError:
        return None
    types = tuple(type for _, type in streams)
    if len(types) != (layer.streams or 1) or any(True for _ in layer.faults(*types)):
        return None
    own = {one.name: one.shape for one in layer.weights(*types)}
    context = LoweringContext(
        tuple(_Symbol(name) for name, _ in streams),
        types,
        layer.output(*types),
        {name: _Symbol(role=name) for name in own},
    )
    passed_over: frozenset[int] = frozenset()
    while len(passed_over) <= _MOST_TWINS:
        matcher = _Matcher(index, exact, own, passed_over=passed_over)
        try:
            symbol = layer.lower(matcher, context)
        except _Differs:
            # Of twins that begin alike the first need not be the one that is meant.
            if matcher.doubtful is None:
                return None
            passed_over |= {matcher.doubtful}
            continue
        if not symbol.name or symbol.name == streams[0][0] or not matcher.used:
            return None
        return matcher, symbol
    return None
