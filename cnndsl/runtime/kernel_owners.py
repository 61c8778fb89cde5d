"""Turns kernels into what each layer and each line of a spec takes.

A kernel's time goes to the layer that its node was emitted for, by the node's name: that of the
layer (``C1/Conv``, ``C1/Conv/gradient/…``) or of one of its weights (``C1.weight/update/…``). Where
a kernel computes several layers, it is the one's that multiplies most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cnndsl.analysis.summary import phrase
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.runtime.kernel_times import Kernel
from cnndsl.runtime.profile import LayerTime, LineTime, Part, Times, summed
from cnndsl.training.signature import LOSS

__all__ = ["Attribution", "lines_of"]

_OPTIMIZER, _RUNTIME = "optimizer", "ONNX Runtime"
_GRADIENT = "gradient"


class Attribution:
    """Whose a kernel is: by the names of the nodes that it computes.

    ``macs`` are the multiply-accumulates of a run for one sample, by the nodes' positions.
    """

    def __init__(self, network: TypedNetwork, macs: Sequence[int], batch: int) -> None:
        self._network = network
        self._macs = macs
        self._batch = batch
        nodes = network.network.nodes
        self._layers = {node.name: at for at, node in enumerate(nodes)}
        self._weights = {
            name: network.network.owners[at]
            for at in range(len(nodes))
            for name in network.weights_of(at)
        }

    def of(self, recorded: Iterable[Kernel]) -> tuple[tuple[LayerTime, ...], dict[str, Times]]:
        """What each layer takes, and what is none's."""
        sums: defaultdict[int | str, Times] = defaultdict(Times)
        within: dict[int, int] = {}
        for kernel in recorded:
            whose, part = self._owner(kernel)
            sums[whose] += _times_of(kernel, part)
            if isinstance(whose, int):
                for other in self._positions(kernel.nodes):
                    within.setdefault(other, whose)
        layers = tuple(self._layer(at, sums, within.get(at, at)) for at in range(len(self._layers)))
        others = {name: times for name, times in sums.items() if isinstance(name, str)}
        return layers, others

    def _layer(self, at: int, sums: Mapping[int | str, Times], within: int) -> LayerTime:
        node = self._network.network.nodes[at]
        layer = phrase(node) if isinstance(node, LayerNode) else "input"
        place = node.span
        times = sums.get(at, Times())
        ran = times.kernels > 0
        flops = 2 * self._macs[at] * self._batch if ran or within != at else 0
        return LayerTime(
            node.name,
            layer,
            place.source.name,
            place.first.line,
            replace(times, flops=flops),
            "" if ran or within == at else self._network.network.nodes[within].name,
        )

    def _owner(self, kernel: Kernel) -> tuple[int | str, Part]:
        """The layer that a kernel belongs to, or what else; and the part of the run it is in."""
        if not kernel.nodes:
            return _RUNTIME, "forward"
        scope, _, rest = kernel.nodes[0].partition("/")
        backward = _GRADIENT in rest.split("/")
        if scope in self._layers or scope.partition(".")[0] == LOSS:
            positions = self._positions(kernel.nodes)
            heaviest = max(positions, key=lambda at: self._macs[at], default=None)
            return LOSS if heaviest is None else heaviest, "backward" if backward else "forward"
        if scope in self._weights:
            return self._weights[scope], "backward" if backward else "update"
        return _OPTIMIZER, "update"

    def _positions(self, names: Iterable[str]) -> list[int]:
        """The layers that some nodes were emitted for, each once."""
        scopes = dict.fromkeys(name.partition("/")[0] for name in names)
        return [self._layers[scope] for scope in scopes if scope in self._layers]


def _times_of(kernel: Kernel, part: Part) -> Times:
    return Times(
        forward=kernel.seconds if part == "forward" else 0.0,
        backward=kernel.seconds if part == "backward" else 0.0,
        update=kernel.seconds if part == "update" else 0.0,
        kernels=1,
        read=kernel.read,
        made=kernel.made,
        in_use=kernel.in_use,
    )


def lines_of(network: TypedNetwork, layers: Sequence[LayerTime]) -> tuple[LineTime, ...]:
    """The lines of the spec and of the files it imports, in the order of their first layers."""
    places: dict[tuple[str, int], list[Times]] = {(one.file, one.line): [] for one in layers}
    texts: dict[tuple[str, int], str] = {}
    for node, layer in zip(network.network.nodes, layers, strict=True):
        key = layer.file, layer.line
        places[key].append(layer.times)
        written = node.span.source.line(layer.line).partition("#")[0]
        texts[key] = " ".join(written.split())
    return tuple(
        LineTime(file, line, texts[file, line], len(times), summed(times))
        for (file, line), times in places.items()
    )
