"""Turns what ONNX Runtime recorded of a session into its kernels, and says what each computes.

ONNX Runtime runs another graph than it was given: several nodes become one kernel, and kernels that
only put numbers into another order come in between. A kernel computes those nodes of the given
graph that lie between its result and the results of other kernels.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnx

__all__ = ["Kernel", "kernels", "runs_of"]

_SUFFIX = "_kernel_time"
_BLOCKED = ("_bn_nchwc", "_mul_nchwc", "_nchwc")
"""What a kernel on blocks of channels has behind the name of the value that it makes."""
_REORDERS = ("ReorderInput", "ReorderOutput")

Makers: TypeAlias = Mapping[str, onnx.NodeProto]
"""The node that makes a value, by the value's name."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel, as it ran in the median.

    ``nodes`` are the names of the given graph's nodes that it computes, that of its result first;
    there are none where ONNX Runtime does not say. ``read`` and ``made`` are the bytes that it
    takes (weights included) and gives, ``in_use`` those that the session held meanwhile, where this
    version of ONNX Runtime tells.
    """

    name: str
    operator: str
    nodes: tuple[str, ...]
    seconds: float
    read: int
    made: int
    in_use: int | None


def kernels(recording: Path, optimized: Path, graph: onnx.GraphProto, skipped: int) -> list[Kernel]:
    """The kernels of a session, in the order in which they ran.

    Args:
        recording: what the session recorded.
        optimized: the model that it ran.
        graph: the graph that it was given; no two of its nodes have one name.
        skipped: so many runs of each kernel, the first ones, do not count.
    """
    ran = onnx.load(str(optimized), load_external_data=False).graph
    computed = _Computed(graph, ran)
    return [
        _kernel(name, events[skipped:] or events, computed)
        for name, events in runs_of(recording).items()
    ]


def runs_of(recording: Path) -> dict[str, list[dict[str, Any]]]:
    """What was recorded of each kernel's runs, by its name."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in json.loads(recording.read_bytes()):
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            found[event["name"].removesuffix(_SUFFIX)].append(event)
    return found


def _kernel(name: str, events: Sequence[dict[str, Any]], computed: _Computed) -> Kernel:
    facts = events[-1]["args"]
    in_use = [int(one["args"].get("mem_bytes_in_use", -1)) for one in events]
    return Kernel(
        name,
        facts["op_name"],
        computed.by(name),
        statistics.median(event["dur"] for event in events) / 1e6,
        int(facts.get("activation_size", 0)) + int(facts.get("parameter_size", 0)),
        int(facts.get("output_size", 0)),
        max(in_use) if min(in_use) >= 0 else None,
    )


# --- whose a kernel is --------------------------------------------------------------------------


class _Computed:
    """Which nodes of the given graph the kernels of another graph compute."""

    def __init__(self, given: onnx.GraphProto, ran: onnx.GraphProto) -> None:
        self._nodes = {node.name: node for node in given.node}
        self._makers: Makers = {name: node for node in given.node for name in node.output}
        self._kernels = {node.name: node for node in ran.node}
        self._by: dict[str, list[str]] = {node.name: [] for node in ran.node}
        computing = [node for node in ran.node if not self._only_reorders(node)]
        results = {node.name: self._result(node) for node in computing}
        ends = {node.name for node in results.values() if node is not None}
        for kernel in computing:
            if (result := results[kernel.name]) is not None:
                self._by[kernel.name] += self._behind(result, kernel.op_type, ends)
        self._place_rest(given)

    def by(self, kernel: str) -> tuple[str, ...]:
        """The names of what a kernel computes, that of its result first."""
        node = self._kernels.get(kernel)
        if node is None:
            return (kernel,) if kernel in self._nodes else ()
        if self._only_reorders(node):
            values = (*node.output, *node.input)
            return next(((made.name,) for made in self._made(values)), self._beside(node))
        return tuple(self._by[kernel])

    def _only_reorders(self, kernel: onnx.NodeProto) -> bool:
        """Whether ONNX Runtime put it in between."""
        return kernel.op_type in _REORDERS and kernel.name not in self._nodes

    def _beside(self, reorder: onnx.NodeProto) -> tuple[str, ...]:
        """The result of the kernel whose numbers it puts into another order, or of their reader."""
        kernels = self._kernels.values()
        before = (one for one in kernels if set(one.output) & set(reorder.input))
        after = (one for one in kernels if set(one.input) & set(reorder.output))
        return next((tuple(self._by[one.name][:1]) for one in (*before, *after)), ())

    def _result(self, kernel: onnx.NodeProto) -> onnx.NodeProto | None:
        """The node of the given graph whose result a kernel makes, as far as its name tells."""
        named = (kernel.name.removesuffix(one) for one in _BLOCKED if kernel.name.endswith(one))
        return next(self._made([*kernel.output, *named]), self._named(kernel.name))

    def _named(self, kernel: str) -> onnx.NodeProto | None:
        """The node that a kernel is called after, whatever stands behind a slash."""
        while kernel and kernel not in self._nodes:
            kernel = kernel.rpartition("/")[0]
        return self._nodes.get(kernel)

    def _made(self, values: Iterable[str]) -> Iterator[onnx.NodeProto]:
        return (node for value in values if (node := self._makers.get(value)) is not None)

    def _behind(self, result: onnx.NodeProto, operator: str, ends: Container[str]) -> Iterator[str]:
        """A kernel's result, and what leads to it from others' or from its own operator's input."""
        seen, left = {result.name}, [result]
        while left:
            node = left.pop(0)
            yield node.name
            if node.op_type in operator:  # a Gemm in a FusedGemm
                continue
            for before in self._made(node.input):
                is_new = before.name not in seen and before.name not in ends
                if is_new and before.op_type != "Constant":
                    seen.add(before.name)
                    left.append(before)

    def _place_rest(self, given: onnx.GraphProto) -> None:
        """What is left is done by the last kernel that it reads of: sums join convolutions."""
        order = {name: at for at, name in enumerate(self._by)}
        whose = {name: kernel for kernel, names in self._by.items() for name in names}
        for node in given.node:
            if node.name in whose or node.op_type == "Constant":
                continue
            read = [whose[one.name] for one in self._made(node.input) if one.name in whose]
            if read:
                whose[node.name] = last = max(read, key=order.__getitem__)
                self._by[last].append(node.name)
