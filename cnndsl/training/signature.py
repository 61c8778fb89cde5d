"""Says how a training graph is called: its inputs and outputs, and what each of them is.

Whoever feeds such a graph or reads its results asks its :class:`Signature`; the names stand here
and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.training.metrics import ABSOLUTE_ERROR, CORRECT, Metric

__all__ = [
    "FIRST_SAMPLE",
    "LABELS",
    "LOSS",
    "RATE",
    "RESERVED",
    "SCALE",
    "SEED",
    "SKIPPED",
    "STEP",
    "Array",
    "Role",
    "Signature",
    "TensorSpec",
    "gradient_name",
    "next_name",
    "share_name",
]

Array: TypeAlias = NDArray[Any]

LABELS = "labels"
RATE = "lr"
STEP = "step"
SEED = "seed"
FIRST_SAMPLE = "shard.first"
"""The place in the batch of a shard's first sample."""
LOSS = "loss"
SCALE = "loss_scale"
SKIPPED = f"{SCALE}.skipped"
"""The state that counts the steps which changed nothing."""

RESERVED = frozenset({LABELS, RATE, STEP, SEED, LOSS, SCALE, CORRECT, ABSOLUTE_ERROR})
"""Names that an input of the network cannot have, since inputs and outputs of the graph have."""

_NEXT = ".next"
"""What the name of a value after the step ends with."""

Role: TypeAlias = Literal[
    "sample",
    "labels",
    "weight",
    "state",
    "gradient",
    "rate",
    "step",
    "seed",
    "loss",
    "metric",
    "skipped",
    "next",
    "probe",
    "first",
    "share",
]
"""What an input or output of a training graph is."""

_NO_ARRAYS: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output: its name, what it is, its element type, and its sizes.

    ``of`` is what it belongs to: the network's output that labels, losses and metrics are about
    (none for the loss that is minimised), the weight whose gradient, or the weight or state whose
    next value or share this is. ``start`` is what all of a state's numbers begin with.
    """

    name: str
    role: Role
    dtype: numpy.dtype[Any]
    dims: tuple[int, ...]
    of: str = ""
    start: float = 0.0

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.dims)


_SHARE = ".share"

_GRADIENT = ".gradient"
"""What the name of a weight's gradient ends with, where it is an input or output."""


def gradient_name(weight: str) -> str:
    """What the gradient of a weight is called."""
    return weight + _GRADIENT


def share_name(name: str) -> str:
    """What a shard's share of a value is called."""
    return name + _SHARE


def next_name(name: str) -> str:
    """What the value of a weight or state after the step is called."""
    return name + _NEXT


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a training graph for batches of a fixed size, in their order.

    ``metrics`` are by the network's outputs that they judge.
    """

    batch: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    # --- what there is ------------------------------------------------------------------------

    @property
    def samples(self) -> dict[str, tuple[int, ...]]:
        """The network's inputs, with the batch first."""
        return {spec.name: spec.dims for spec in self.inputs_of("sample")}

    @cached_property
    def labels(self) -> dict[str, TensorSpec]:
        """The inputs that hold the right answers, by the network's outputs."""
        return {spec.of: spec for spec in self.inputs_of("labels")}

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """All weights that the graph takes, running statistics included."""
        return {spec.name: spec.dims for spec in self.inputs_of("weight")}

    @property
    def state(self) -> dict[str, tuple[int, ...]]:
        """The optimizer's state, and the loss scale."""
        return {spec.name: spec.dims for spec in self.inputs_of("state")}

    @property
    def lasting(self) -> tuple[str, ...]:
        """The weights and the state that the graph takes: what is kept between steps."""
        return (*self.weights, *self.state)

    @property
    def updated(self) -> tuple[str, ...]:
        """The weights that the graph changes."""
        return tuple(name for name in self.next_names if name not in self.state)

    @property
    def next_names(self) -> dict[str, str]:
        """The outputs with new values, by the weights and states that these are of."""
        return {spec.of: spec.name for spec in self.outputs_of("next")}

    @property
    def gradients(self) -> tuple[TensorSpec, ...]:
        """The gradients that the graph gives or takes, in the order in which they are made."""
        return tuple(spec for spec in (*self.inputs, *self.outputs) if spec.role == "gradient")

    @cached_property
    def loss(self) -> str:
        """The output that is minimised."""
        return next(spec.name for spec in self.outputs_of("loss") if not spec.of)

    @cached_property
    def overflow(self) -> str:
        """The output that is 1 where the step changes nothing; empty where there is none."""
        return next((spec.name for spec in self.outputs_of("skipped")), "")

    @property
    def losses(self) -> dict[str, str]:
        """The outputs with the losses that it is made of, by the network's outputs."""
        return {spec.of: spec.name for spec in self.outputs_of("loss") if spec.of}

    def inputs_of(self, *roles: Role) -> tuple[TensorSpec, ...]:
        """The inputs with one of these roles."""
        return tuple(spec for spec in self.inputs if spec.role in roles)

    def outputs_of(self, *roles: Role) -> tuple[TensorSpec, ...]:
        """The outputs with one of these roles."""
        return tuple(spec for spec in self.outputs if spec.role in roles)

    # --- calling it ---------------------------------------------------------------------------

    def feeds(
        self,
        samples: Mapping[str, Array] = _NO_ARRAYS,
        labels: Array | Mapping[str, Array] = _NO_ARRAYS,
        *,
        lr: float = 0.0,
        step: int = 0,
        seed: int = 0,
    ) -> dict[str, Array]:
        """All that a batch changes: what the graph takes beside weights and state.

        The labels are by the network's outputs, or one array where only one output has any;
        ``step`` counts the steps done before.
        """
        answers = self.by_output(labels)
        scalars = {"rate": lr, "step": step, "seed": seed}
        found: dict[str, Array] = {}
        for spec in self.inputs:
            if spec.role == "sample":
                found[spec.name] = samples[spec.name]
            elif spec.role == "labels":
                found[spec.name] = answers[spec.of]
            elif spec.role in scalars:
                found[spec.name] = numpy.asarray(scalars[spec.role], spec.dtype)
        return found

    def by_output(self, labels: Array | Mapping[str, Array]) -> Mapping[str, Array]:
        """Labels by the network's outputs, where one array may stand for those of the only one."""
        if isinstance(labels, Mapping):
            return labels
        (output,) = self.labels
        return {output: labels}

    def initial_state(self) -> dict[str, Array]:
        """The state to begin with; no array has memory of its own."""
        return {
            spec.name: numpy.broadcast_to(numpy.array(spec.start, spec.dtype), spec.dims)
            for spec in self.inputs_of("state")
        }

    def next_values(self, results: Mapping[str, Array]) -> dict[str, Array]:
        """New weights and state in what a run gave, by their names."""
        return {name: results[output] for name, output in self.next_names.items()}

    # --- in the model -------------------------------------------------------------------------

    def description(self) -> dict[str, object]:
        """What the model's property says, to be written as JSON: what there is, by its role.

        ``labels`` and ``metric`` are those of the first output that has a loss; where more have,
        ``losses`` has them all. Gradients are listed in their order, each with its size.
        """
        described: dict[str, object] = {}
        labels = {output: _listed(spec) for output, spec in self.labels.items()}
        metrics = {
            output: [metric.output, metric.measure, metric.count]
            for output, metric in self.metrics.items()
        }
        if self.samples:
            described["batch"] = self.batch
            described["inputs"] = _dims(self.inputs_of("sample"))
        if labels:
            described["labels"] = next(iter(labels.values()))
        described["weights"] = _dims(self.inputs_of("weight"))
        described["updated"] = list(self.updated)
        if not self.outputs_of("gradient"):
            described["state"] = _dims(self.inputs_of("state"))
        if starts := {spec.name: spec.start for spec in self.inputs_of("state") if spec.start}:
            described["starts"] = starts
        if metrics:
            described["metric"] = next(iter(metrics.values()))
        if len(labels) > 1:
            described["losses"] = {
                output: {"labels": listed, "loss": self.losses[output], "metric": metrics[output]}
                for output, listed in labels.items()
            }
        if self.gradients:
            described["gradients"] = [
                {
                    "name": spec.name,
                    "weight": spec.of,
                    "dims": list(spec.dims),
                    "elements": spec.elements,
                    "bytes": spec.elements * spec.dtype.itemsize,
                }
                for spec in self.gradients
            ]
        return described


def _dims(specs: tuple[TensorSpec, ...]) -> dict[str, list[int]]:
    return {spec.name: list(spec.dims) for spec in specs}


def _listed(spec: TensorSpec) -> list[object]:
    return [spec.name, spec.dtype.name, list(spec.dims)]
