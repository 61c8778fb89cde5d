"""Turns what a training step's probes measure into findings about layers, by lines of the spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import numpy.typing

from cnndsl.data.loader import Batch
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.runtime.device import target_of
from cnndsl.runtime.session import Session
from cnndsl.training.probe import Probe, ProbeKind
from cnndsl.training.signature import Signature
from cnndsl.training.step import build_step

__all__ = [
    "DEAD",
    "EXPLODING",
    "VANISHING",
    "DivergedError",
    "Examiner",
    "Measured",
    "diverged",
    "overflowed",
    "unhealthy",
]

DEAD = 0.5
"""From this share of a ReLU's units on that answer nothing in a batch, it is reported."""

EXPLODING = 0.5
"""An update of this share of its weight's norm or more forgets what was learnt."""

VANISHING = 1e-7
"""An update of less than this share changes next to nothing in float32 (whose step is 6e-8)."""

Arrays = Mapping[str, "numpy.typing.NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the probes saw in one step."""

    numbers: Mapping[Probe, float]

    def of(self, kind: ProbeKind) -> dict[Probe, float]:
        """All measurements of one kind, in the order of the network."""
        return {probe: number for probe, number in self.numbers.items() if probe.kind == kind}


class Examiner:
    """Does single steps with probes in them.

    The model is built when it is first wanted, and kept: it holds no weights. Its session would
    hold as much memory as the one that trains, so each step has its own.
    """

    def __init__(
        self, typed: TypedNetwork, recipe: Recipe, batch: int, device: str, threads: int | None
    ) -> None:
        self._typed = typed
        self._recipe = recipe
        self._batch = batch
        self._device = device
        self._threads = threads
        self._model = b""
        self._probes: tuple[Probe, ...] = ()
        self._signature: Signature | None = None

    def examine(self, values: Arrays, batch: Batch, lr: float, number: int) -> Measured:
        """What the probes see in a step with a batch; ``values`` are weights and state before it.

        ``number`` counts the steps done before.
        """
        if not self._model:
            target = target_of(self._device)
            step = build_step(
                self._typed, self._recipe, batch=self._batch, target=target, probed=True
            )
            self._probes, self._signature = step.probes, step.signature
            self._model = step.to_proto().SerializeToString()
        assert self._signature is not None
        seed = self._recipe.seed
        given = self._signature.feeds(batch.inputs, batch.labels, lr=lr, step=number, seed=seed)
        feeds = {**{name: values[name] for name in self._signature.lasting}, **given}
        session = Session(self._model, self._device, threads=self._threads)
        results = session.run(feeds, [probe.output for probe in self._probes])
        return Measured({probe: float(results[probe.output]) for probe in self._probes})


class DivergedError(UserError):
    """CNN805: the loss or a weight is no number any more."""


def overflowed(epoch: int, step: int, steps: int) -> DivergedError:
    """The error of a run that skips one step after the other, however small the loss scale."""
    return DivergedError(
        "CNN805",
        f"training diverged in epoch {epoch}, step {step}: the gradients of {steps} steps in a row"
        " overflowed float16",
        notes=[f"the loss scale, halved by each, is {2.0**-steps:.0e} of what it was before them"],
        help="train with `--precision float32`",
    )


def diverged(
    measured: Measured, loss: float, epoch: int, step: int, low: PrecisionWord = "float32"
) -> DivergedError:
    """The error of a step whose loss is no number: where that began, by the line of the spec."""
    where = _origin(measured)
    said = "not a number" if math.isnan(loss) else "infinite"
    message = f"training diverged in epoch {epoch}, step {step}: the loss is {said}"
    help = "use a smaller `lr`, a `warmup`, or `clip 1`"
    if where is None:
        what = "all layers' outputs and gradients are finite: the loss itself is beyond float32"
        return DivergedError("CNN805", message, notes=[what], help=help)
    what = {
        "weight": f"the weight `{where.of}` has numbers that are not finite",
        "activation": f"the first layer whose output is not finite is `{where.of}`",
        "gradient": f"the gradient of `{where.of}` is not finite",
    }[where.kind]
    notes = [what, f"it stands at {where.place}"]
    if low == "float16" and where.kind == "activation":
        notes.append(
            "float16 holds no number beyond 65504, and no loss scale helps before the loss"
        )
        help = f"train with `--precision float32`, or {help}"
    return DivergedError("CNN805", message, notes=notes, help=help)


def _origin(measured: Measured) -> Probe | None:
    """Where it began: weights are there before feature maps, and these before gradients."""
    for kind in ("weight", "activation", "gradient"):
        for probe, number in measured.of(kind).items():
            if not math.isfinite(number):
                return probe
    return None


def unhealthy(measured: Measured) -> tuple[str, ...]:
    """What does not diverge but does not learn well either, a line for each."""
    found = [
        f"{share:.0%} of the units of `{probe.of}` are zero for the whole batch: {probe.place}"
        for probe, share in measured.of("dead").items()
        if share >= DEAD
    ]
    weights = {probe.of: norm for probe, norm in measured.of("weight").items()}
    for probe, norm in measured.of("update").items():
        before = weights[probe.of]
        ratio = norm / before if before > 0 else 0.0
        if before > 0 and ratio >= EXPLODING and not probe.from_zero:
            found.append(f"the update of `{probe.of}` is {ratio:.2g} times its size: {probe.place}")
        elif before > 0 and ratio < VANISHING:
            said = f"only {ratio:.1g} times its size" if ratio else "zero: it does not learn"
            found.append(f"the update of `{probe.of}` is {said}: {probe.place}")
    return tuple(found)
