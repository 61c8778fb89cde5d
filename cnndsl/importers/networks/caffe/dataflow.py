"""Gives every value of a net a name of its own: a blob that is written in place holds several.

`relu1` with `bottom: "conv1"` and `top: "conv1"` reads one value and gives another one; whoever
reads `conv1` further down gets the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cnndsl.frozen import frozen
from cnndsl.importers.networks.caffe.fields import fault, meant
from cnndsl.importers.networks.caffe.phases import Picked
from cnndsl.importers.networks.caffe.versions import CaffeLayer

__all__ = ["Dataflow", "Use", "trace"]


@frozen
class Use:
    """A layer with the values that it reads and gives in place of its blobs."""

    layer: CaffeLayer
    phases: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@frozen
class Dataflow:
    """All layers of a net, and who reads what."""

    uses: tuple[Use, ...]
    readers: Mapping[str, tuple[Use, ...]]

    def ends(self) -> list[str]:
        """The values that no layer reads, in the order of the layers."""
        return [out for use in self.uses for out in use.outputs if not self.readers.get(out)]


def trace(layers: Sequence[Picked], inputs: Iterable[str]) -> Dataflow:
    """Follow the blobs from layer to layer; ``inputs`` are those that the net is given.

    Raises:
        CompileError: CNN681, where a layer reads a blob that no layer above it gives.
    """
    current = {name: name for name in inputs}
    count: dict[str, int] = dict.fromkeys(current, 1)
    uses: list[Use] = []
    readers: dict[str, list[Use]] = {}
    for picked in layers:
        layer = picked.layer
        read = tuple(_current(current, layer, blob) for blob in layer.bottoms)
        given = []
        for blob in layer.tops:
            if not layer.bottoms and blob in current:  # The data of the other phase.
                given.append(current[blob])
                continue
            count[blob] = count.get(blob, 0) + 1
            current[blob] = blob if count[blob] == 1 else f"{blob}#{count[blob]}"
            given.append(current[blob])
        use = Use(layer, picked.phases, read, tuple(given))
        uses.append(use)
        for value in dict.fromkeys(read):
            readers.setdefault(value, []).append(use)
    return Dataflow(tuple(uses), {name: tuple(found) for name, found in readers.items()})


def _current(current: Mapping[str, str], layer: CaffeLayer, blob: str) -> str:
    if blob in current:
        return current[blob]
    field = next(one for one in layer.fields.fields("bottom") if one.value == blob)
    help = meant(blob, current) or "give it as `top` of a layer above, or as `input`"
    message = f"layer `{layer.name}` reads the blob `{blob}`, which no layer above it gives"
    raise fault(field.span, message, help)
