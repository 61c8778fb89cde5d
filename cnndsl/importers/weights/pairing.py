"""What bringing weights comes to: which tensor of a file becomes which weight, and how.

Nothing is read before it is wanted: a pairing may be looked at alone (``--dry-run``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy
from typing_extensions import TypedDict

from cnndsl.graph.weights import Array, Numbers, as_float32, quoted, refuse_not_finite
from cnndsl.importers.weights.layout import Conversion
from cnndsl.importers.weights.source import LeftOut, SourceTensor
from cnndsl.importers.weights.targets import TargetTensor

__all__ = ["Change", "LeftOutJson", "Pair", "PairJson", "Pairing", "PairingJson"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What other tensors make of a weight's numbers: in words, which they are, and a function.

    The function is given the weight in its own order, then the others as they stand in the file,
    all in float64.
    """

    how: str
    others: tuple[SourceTensor, ...]
    apply: Callable[..., Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A weight, and the tensor that it becomes; None where it is a constant, ``fill``.

    ``change`` is what other tensors of the file make of it.
    """

    target: TargetTensor
    source: SourceTensor | None
    conversion: Conversion
    fill: float = 0.0
    change: Change | None = None


class PairJson(TypedDict):
    """A pair; ``source`` and its shape are null where the weight is a constant.

    ``changed_by`` are other tensors that the weight's numbers are changed by.
    """

    source: str | None
    source_shape: list[int] | None
    transposition: str
    changed_by: list[str]
    target: str
    target_shape: list[int]


class LeftOutJson(TypedDict):
    """A tensor of the file that is no weight, and what it is."""

    source: str
    what: str


class PairingJson(TypedDict):
    """What ``cnndsl weights --format json`` prints."""

    spec: str
    file: str
    format: str
    by: str
    pairs: list[PairJson]
    left_out: list[LeftOutJson]
    absent: list[str]
    notes: list[str]
    parameters: int
    difference: float | None
    written: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """All weights of a network with what they become of.

    Attributes:
        network: its name.
        path: the file.
        format: what the file is, in words.
        by: how the pairs were found, in words.
        pairs: in the order of the spec.
        left_out: what of the file becomes nothing, and why.
        absent: the weights of heads of training that the file has not.
        notes: what whoever brings the weights should know.
        classes: the classes that the file was trained for.
    """

    network: str
    path: str
    format: str
    by: str
    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...] = ()
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers the weights have, running statistics among them."""
        return sum(int(numpy.prod(one.target.shape)) for one in self.pairs)

    def read(self) -> dict[str, Array]:
        """The weights by their names in the spec.

        Raises:
            UserError: CNN601 where a number is not finite or too large for float32, and as the
                file's reader does.
        """
        arrays = {one.target.name: self._numbers(one) for one in self.pairs}
        refuse_not_finite(arrays, self.path)
        return arrays

    def _numbers(self, pair: Pair) -> Array:
        if pair.source is None:
            converted: Array = numpy.full(pair.target.shape, pair.fill, numpy.float32)
        else:
            # A copy: what was read may be a module's own memory.
            converted = numpy.array(pair.conversion.convert(self._read(pair.source)), order="C")
        assert converted.shape == pair.target.shape
        if pair.change is None:
            return converted
        others = [self._read(one).astype(numpy.float64) for one in pair.change.others]
        with numpy.errstate(invalid="ignore", divide="ignore"):
            changed = pair.change.apply(converted.astype(numpy.float64), *others)
        return as_float32(changed, quoted(pair.target.name), self.path)

    def _read(self, tensor: SourceTensor) -> Array:
        return as_float32(tensor.read(), quoted(tensor.name), self.path)

    def metadata(self, spec_sha256: str, classes: Iterable[str]) -> dict[str, str]:
        """What stands in the file beside the weights, as in those of a run of ours."""
        names = list(classes) or list(self.classes)
        return {
            "classes": json.dumps(names),
            "network": self.network,
            "spec_sha256": spec_sha256,
        }

    def to_json(
        self, spec: str, *, difference: float | None = None, written: str | None = None
    ) -> PairingJson:
        """The pairs as data; ``difference`` and ``written`` as they came out."""
        return {
            "spec": spec,
            "file": self.path,
            "format": self.format,
            "by": self.by,
            "pairs": [_pair(one) for one in self.pairs],
            "left_out": [{"source": one.name, "what": one.what} for one in self.left_out],
            "absent": list(self.absent),
            "notes": list(self.notes),
            "parameters": self.parameters,
            "difference": difference,
            "written": written,
        }

    def by_source(self) -> Mapping[str, str]:
        """The names of weights by those of their tensors."""
        return {one.source.name: one.target.name for one in self.pairs if one.source is not None}


def _pair(pair: Pair) -> PairJson:
    source = pair.source
    return {
        "source": None if source is None else source.name,
        "source_shape": None if source is None else list(source.shape),
        "transposition": pair.conversion.how,
        "changed_by": [] if pair.change is None else [one.name for one in pair.change.others],
        "target": pair.target.name,
        "target_shape": list(pair.target.shape),
    }
