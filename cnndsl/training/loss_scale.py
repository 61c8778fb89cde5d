"""Keeps gradients within float16: the loss is scaled up, and steps that overflow are skipped.

Gradients below 6e-8 are 0 in float16, and those above 65504 infinite. So the loss is multiplied by
a scale that its gradients carry through the backward pass and lose in float32. Where one of them is
no number then, the step changes nothing and the scale is halved; after some steps in a row without
that, it is doubled (Micikevicius et al. 2018, section 3.2; the numbers are those of PyTorch's
``GradScaler``). The scale, those steps and the skipped ones are state of the step: a run that goes
on from a checkpoint has the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir

from cnndsl.graph.builder import GraphBuilder
from cnndsl.training.signature import SCALE, SKIPPED

__all__ = ["BACKOFF", "FIRST", "GROWTH", "INTERVAL", "Gate", "LossScale"]

FIRST = 65536.0
GROWTH = 2.0
BACKOFF = 0.5
INTERVAL = 2000
"""How many steps in a row must be taken before the scale grows."""

_LARGEST = 2.0**127
"""The largest power of two in float32: doubled, it would be infinite."""


class LossScale:
    """The scale of one step, emitted into its graph.

    ``state`` has the old and the new value of what it keeps, by its name, and ``overflow`` is 1
    where the step is skipped, else 0; they are there once :meth:`judge` was called.
    """

    def __init__(self, emit: GraphBuilder) -> None:
        self._emit = emit
        self.scale = self._kept(SCALE)
        self._taken = self._kept(f"{SCALE}.steps")
        self._skipped = self._kept(SKIPPED)
        self.state: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]] = {}
        self.overflow: onnx_ir.Value | None = None

    def _kept(self, name: str) -> onnx_ir.Value:
        return self._emit.placeholder(name, (), onnx_ir.DataType.FLOAT)

    def scaled(self, loss: onnx_ir.Value) -> onnx_ir.Value:
        """What is differentiated instead of the loss."""
        self._emit.enter(SCALE)
        return self._emit.op("Mul", loss, self.scale)

    def finite(self, gradients: Mapping[str, onnx_ir.Value]) -> onnx_ir.Value:
        """Whether all gradients are numbers: a sum of sizes is not below infinity where one is not.

        That is one pass over each of them. No comparison holds for what is not a number.
        """
        emit = self._emit
        emit.enter(f"{SCALE}/overflow")
        sizes = [emit.op("ReduceL1", gradients[name], keepdims=0) for name in sorted(gradients)]
        total = emit.op("Sum", *sizes) if len(sizes) > 1 else sizes[0]
        return emit.op("Less", total, emit.constant(float("inf")))

    def unscaled(self, gradients: Mapping[str, onnx_ir.Value]) -> dict[str, onnx_ir.Value]:
        """The gradients of the loss itself."""
        emit = self._emit
        emit.enter(f"{SCALE}/unscale")
        factor = emit.op("Div", emit.constant(1.0), self.scale)
        return {name: emit.op("Mul", one, factor) for name, one in gradients.items()}

    def count(self, step: onnx_ir.Value) -> onnx_ir.Value:
        """How many of the steps before were taken: what an optimizer counts."""
        self._emit.enter(f"{SCALE}/count")
        skipped = self._emit.op("Cast", self._skipped, to=onnx_ir.DataType.INT64.value)
        return self._emit.op("Sub", step, skipped)

    def judge(self, finite: onnx_ir.Value) -> None:
        """Let the scale follow: halved where the step is skipped, doubled after enough taken."""
        emit = self._emit
        emit.enter(f"{SCALE}/update")
        zero, one = emit.constant(0.0), emit.constant(1.0)
        taken = emit.op("Add", self._taken, one)
        is_due = emit.op("GreaterOrEqual", taken, emit.constant(float(INTERVAL)))
        larger = emit.op("Mul", self.scale, emit.constant(GROWTH))
        larger = emit.op("Min", larger, emit.constant(_LARGEST))
        smaller = emit.op("Mul", self.scale, emit.constant(BACKOFF))
        grown = emit.op("Where", is_due, larger, self.scale)
        counted = emit.op("Where", is_due, zero, taken)
        self.overflow = lost = emit.op("Where", finite, zero, one)
        emit.rename(lost, f"{SCALE}.overflow")
        self.state = {
            str(old.name): (old, new)
            for old, new in (
                (self.scale, emit.op("Where", finite, grown, smaller)),
                (self._taken, emit.op("Where", finite, counted, zero)),
                (self._skipped, emit.op("Add", self._skipped, lost)),
            )
        }


class Gate:
    """What stands between the gradients of a step and the values after it.

    ``gradients`` are those of the loss itself, ``count`` is how many steps were taken before.
    Without a ``scale`` every step is taken, and nothing is emitted.
    """

    def __init__(
        self,
        emit: GraphBuilder,
        scale: LossScale | None,
        gradients: Mapping[str, onnx_ir.Value],
        step: onnx_ir.Value,
    ) -> None:
        self._emit = emit
        self._scale = scale
        self._finite: onnx_ir.Value | None = None
        self.gradients, self.count = gradients, step
        if scale is not None:
            self._finite = scale.finite(gradients)
            self.gradients, self.count = scale.unscaled(gradients), scale.count(step)

    def values(
        self, new: Mapping[str, onnx_ir.Value], old: Mapping[str, onnx_ir.Value]
    ) -> dict[str, onnx_ir.Value]:
        """New values, or the old ones where the step is skipped."""
        if self._finite is None:
            return dict(new)
        found = {}
        for name, value in new.items():
            self._emit.enter(f"{name}/gate")
            found[name] = self._emit.op("Where", self._finite, value, old[name])
        return found

    def states(
        self, states: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]
    ) -> dict[str, tuple[onnx_ir.Value, onnx_ir.Value]]:
        """The same of a state's old and new values; the scale's own come last."""
        old = {name: before for name, (before, _) in states.items()}
        new = self.values({name: after for name, (_, after) in states.items()}, old)
        found = {name: (before, new[name]) for name, before in old.items()}
        if self._scale is None or self._finite is None:
            return found
        self._scale.judge(self._finite)
        return {**found, **self._scale.state}

    @property
    def overflow(self) -> Sequence[onnx_ir.Value]:
        """The output that says whether the step was skipped, where one can be."""
        return () if self._scale is None or self._scale.overflow is None else [self._scale.overflow]
