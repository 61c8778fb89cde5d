"""Reads from a configuration of Keras's what its layers are, and what each of them depends on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnndsl.importers.weights.source import SourceLayer

__all__ = [
    "DEPTHWISE",
    "POINTWISE",
    "KerasLayer",
    "connected",
    "in_configuration",
    "layers_of",
]

_DEEPEST = 32
"""So deep models may stand in each other."""

_MOST = 4_000
"""Of more layers it is not worked out what depends on what."""

DEPTHWISE = "depthwise"
"""What the first part of a separable convolution is called."""
POINTWISE = "pointwise"
"""What the second is called."""


@dataclass(eq=False)
class KerasLayer:
    """A layer as its configuration has it."""

    name: str
    kind: str
    config: Mapping[str, Any]


def layers_of(config: Mapping[str, Any], depth: int = 0) -> Iterator[KerasLayer]:
    """The layers of a configuration, those of models within it in their place."""
    inside = config.get("config", {})
    layers = inside.get("layers") if isinstance(inside, dict) else inside
    if not isinstance(layers, list) or depth > _DEEPEST:
        return
    for one in layers:
        if not isinstance(one, dict) or not isinstance(one.get("config"), dict):
            continue
        settings = one["config"]
        kind = _snake(str(one.get("class_name", "")))
        name = str(settings.get("name") or one.get("name") or "")
        yield KerasLayer(name, kind, settings)
        yield from layers_of(one, depth + 1)


def _snake(name: str) -> str:
    """A class's name as Keras writes it in names: ``Conv2D`` is ``conv2d``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def in_configuration(layer: SourceLayer) -> str:
    """What the configuration calls a layer, of which another may be a part."""
    return re.sub(rf"\.({DEPTHWISE}|{POINTWISE})$", "", layer.name.rpartition("/")[2])


def connected(
    layers: Sequence[SourceLayer], known: Sequence[KerasLayer], config: Mapping[str, Any]
) -> Iterator[SourceLayer]:
    """The layers with what they depend on, and whose normalisations they are.

    Args:
        layers: those with weights.
        known: those of the configuration.
        config: the configuration, which may not say for sure how they are connected.
    """
    graph = _graph_of(config)
    if graph is None:
        yield from layers
        return
    linear = {one.name for one in known if one.config.get("activation") in (None, "linear")}
    parts: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    for at, one in enumerate(layers):
        name = in_configuration(one)
        parts.setdefault(name, []).append(one.name)
        places[name] = places.get(name, 0) | 1 << at
    for at, layer in enumerate(layers):
        name = in_configuration(layer)
        before = places[name] & ((1 << at) - 1)
        for other in graph.after.get(name, ()):
            before |= places.get(other, 0)
        read = graph.reads.get(name, "")
        is_part = layer.kind == "batch_normalization" and graph.readers[read] == 1
        is_part = is_part and read in linear and read in parts
        norm_of = parts[read][-1] if is_part else ""
        yield replace(layer, norm_of=norm_of, place=at, before=before)


# --- the connections --------------------------------------------------------------------------


@dataclass(eq=False)
class _Graph:
    """What layers depend on, by their names, and which one each reads where that is one alone."""

    after: dict[str, frozenset[str]] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    readers: Counter[str] = field(default_factory=Counter)


class _UnknownError(Exception):
    """The connections are not said, or are those of layers that are called more than once."""


def _graph_of(config: Mapping[str, Any]) -> _Graph | None:
    """The connections in a model's configuration; None where it does not say them for sure."""
    graph = _Graph()
    try:
        _model(config, frozenset(), graph, 0)
    except _UnknownError:
        return None
    return graph


def _model(
    entry: Mapping[str, Any], given: frozenset[str], graph: _Graph, depth: int
) -> frozenset[str]:
    """Say what the layers of a model depend on that is given what depends on these; its result."""
    inside = entry.get("config")
    layers = inside.get("layers") if isinstance(inside, dict) else inside
    if not isinstance(layers, list) or depth > _DEEPEST:
        raise _UnknownError
    if not all(isinstance(one, dict) and isinstance(one.get("config"), dict) for one in layers):
        raise _UnknownError
    if entry.get("class_name") == "Sequential":
        last = ""
        for one in layers:
            given = _layer(one, given, graph, depth, [last] if last else [])
            last = _name(one)
        return given
    if not isinstance(inside, dict):
        raise _UnknownError
    results: dict[str, frozenset[str]] = {}
    waiting = list(layers)
    while waiting:
        left = []
        for one in waiting:
            inputs = list(_inputs(one))
            if any(name not in results for name in inputs):
                left.append(one)
                continue
            before = frozenset().union(*(results[name] for name in inputs)) if inputs else given
            results[_name(one)] = _layer(one, before, graph, depth, inputs)
        if len(left) == len(waiting):
            raise _UnknownError
        waiting = left
    ends = list(_references(inside.get("output_layers", [])))
    graph.readers.update(ends)
    if not ends or any(name not in results for name in ends):
        raise _UnknownError
    return frozenset().union(*(results[name] for name in ends))


def _layer(
    entry: Mapping[str, Any],
    before: frozenset[str],
    graph: _Graph,
    depth: int,
    inputs: Sequence[str],
) -> frozenset[str]:
    name = _name(entry)
    if name in graph.after or len(graph.after) > _MOST:
        raise _UnknownError
    graph.readers.update(inputs)
    if isinstance(entry["config"].get("layers"), list):
        return _model(entry, before, graph, depth + 1)
    graph.after[name] = before
    if len(inputs) == 1:
        graph.reads[name] = inputs[0]
    return before | {name}


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["config"].get("name") or entry.get("name") or "")


def _inputs(entry: Mapping[str, Any]) -> Iterator[str]:
    """The layers that a layer's only call reads."""
    calls = entry.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) > 1:
        raise _UnknownError
    return _references(calls)


def _references(found: Any) -> Iterator[str]:
    """The layers that are named in a call: in tensors' histories, by Keras 2 in lists."""
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            history = one.get("keras_history")
            waiting += reversed([history] if isinstance(history, list) else list(one.values()))
        elif isinstance(one, list) and len(one) >= 3 and isinstance(one[0], str):
            if not isinstance(one[1], int) or one[1] != 0:
                raise _UnknownError
            yield one[0]
            waiting += reversed(one[3:])
        elif isinstance(one, list):
            waiting += reversed(one)
