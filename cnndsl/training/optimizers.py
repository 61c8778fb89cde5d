"""INTERIM (lead): replaced by the owner's version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.emitter import GraphEmitter
from cnndsl.semantics.optimizers import Sgd
from cnndsl.semantics.settings import Optimizer

__all__ = ["Parameter", "Updates", "emit_updates"]


@dataclass(frozen=True, eq=False)
class Parameter:
    name: str
    value: onnx_ir.Value
    gradient: onnx_ir.Value
    decay: float
    rate: float


@dataclass(frozen=True, eq=False)
class Updates:
    weights: Mapping[str, onnx_ir.Value]
    state: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]


def emit_updates(emit: GraphEmitter, optimizer: Optimizer, clip: float | None, parameters: Sequence[Parameter], lr: onnx_ir.Value, step: onnx_ir.Value) -> Updates:
    assert isinstance(optimizer, Sgd) and clip is None
    weights, state = {}, {}
    for p in parameters:
        emit.enter(f"{p.name}/update")
        g = p.gradient
        if p.decay:
            g = emit.op("Add", g, emit.op("Mul", p.value, emit.constant(p.decay)))
        if optimizer.momentum:
            old = emit.placeholder(f"{p.name}.velocity", dims_of(p.value), onnx_ir.DataType.FLOAT)
            v = emit.op("Add", emit.op("Mul", old, emit.constant(optimizer.momentum)), g)
            state[f"{p.name}.velocity"] = (old, v)
            g = emit.op("Add", g, emit.op("Mul", v, emit.constant(optimizer.momentum))) if optimizer.nesterov else v
        rate = emit.op("Mul", lr, emit.constant(p.rate)) if p.rate != 1 else lr
        weights[p.name] = emit.op("Sub", p.value, emit.op("Mul", g, rate))
    return Updates(weights, state)
