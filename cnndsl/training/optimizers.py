"""Turns gradients into new weights: the update that an optimizer makes in a step.

All are those of PyTorch's ``torch.optim``, to rounding, in forms that take fewer passes over the
weights: what a pass would only scale is scaled once, as a scalar, and the moving means are kept as
sums. Where PyTorch has ``m = beta*m + (1-beta)*g``, the state here is m/(1-beta).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.adamw import AdamW
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.optimizers.rmsprop import RmsProp
from cnndsl.recipe.optimizers.sgd import Sgd

__all__ = ["Parameter", "Updates", "emit_updates"]


@dataclass(frozen=True, eq=False)
class Parameter:
    """A weight that learns: its value before the step and its gradient.

    ``decay`` is its weight decay, ``rate`` what its learning rate is multiplied by.
    """

    name: str
    value: onnx_ir.Value
    gradient: onnx_ir.Value
    decay: float = 0.0
    rate: float = 1.0


@dataclass(frozen=True, eq=False)
class Updates:
    """What a step makes: each parameter's new value, and each state's old one with its new one.

    A state is an input of the graph that begins at zero; it has the shape of its parameter.
    """

    weights: Mapping[str, onnx_ir.Value]
    state: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]


def emit_updates(
    emit: GraphBuilder,
    optimizer: Optimizer,
    clip: float | None,
    parameters: Sequence[Parameter],
    lr: onnx_ir.Value,
    step: onnx_ir.Value,
) -> Updates:
    """Emit one step of an optimizer for all parameters.

    ``lr`` is the learning rate, a float32 scalar, and ``step`` the number of steps before this
    one, an int64 scalar. Gradients whose norm, all together, exceeds ``clip`` are scaled down
    to it, before weight decay is added.
    """
    update = _Update(emit, lr, step)
    if clip is not None and parameters:
        emit.enter("clip")
        update.scale = _clip_factor(emit, clip, parameters)
    for parameter in parameters:
        emit.enter(f"{parameter.name}/update")
        match optimizer:
            case Sgd():
                _sgd(update, optimizer, parameter)
            case Adam():
                _adam(update, optimizer, parameter)
            case RmsProp():
                _rmsprop(update, optimizer, parameter)
            case _:
                raise NotImplementedError(f"no lowering for the optimizer `{optimizer.keyword}`")
    return Updates(update.weights, update.state)


# --- what all optimizers share ----------------------------------------------------------------


class _Update:
    """The update while it is emitted: what was made so far, and scalars that are shared.

    ``scale`` is the factor of all gradients, where they are clipped.
    """

    def __init__(self, emit: GraphBuilder, lr: onnx_ir.Value, step: onnx_ir.Value) -> None:
        self.emit = emit
        self.lr = lr
        self.step = step
        self.scale: onnx_ir.Value | None = None
        self.weights: dict[str, onnx_ir.Value] = {}
        self.state: dict[str, tuple[onnx_ir.Value, onnx_ir.Value]] = {}
        self._shared: dict[object, onnx_ir.Value] = {}

    def op(self, op_type: str, *inputs: onnx_ir.Value) -> onnx_ir.Value:
        return self.emit.op(op_type, *inputs)

    def number(self, number: float) -> onnx_ir.Value:
        return self.shared(number, lambda: self.emit.scalar(number, self.lr))

    def shared(self, key: object, make: Callable[[], onnx_ir.Value]) -> onnx_ir.Value:
        """What is emitted once, the first time that it is asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def rate(self, factor: float) -> onnx_ir.Value:
        """The learning rate times a number."""
        if factor == 1:
            return self.lr
        return self.shared(("rate", factor), lambda: self.times(self.lr, factor))

    def times(self, value: onnx_ir.Value, factor: float) -> onnx_ir.Value:
        return self.op("Mul", value, self.number(factor))

    def plus(self, value: onnx_ir.Value, other: onnx_ir.Value, factor: float) -> onnx_ir.Value:
        """Give value + factor * other, where the factor may be 0."""
        return self.op("Add", value, self.times(other, factor)) if factor else value

    def shrunk(self, parameter: Parameter) -> onnx_ir.Value:
        """The weight times 1 - lr*decay: weight decay apart from the gradient."""
        decay = parameter.rate * parameter.decay
        if not decay:
            return parameter.value
        keep = self.shared(
            ("keep", decay), lambda: self.op("Sub", self.number(1), self.rate(decay))
        )
        return self.op("Mul", parameter.value, keep)

    def clipped(self, parameter: Parameter) -> Parameter:
        """The parameter with its gradient scaled, where all are clipped."""
        if self.scale is None:
            return parameter
        return replace(parameter, gradient=self.op("Mul", parameter.gradient, self.scale))

    def old(self, parameter: Parameter, kind: str) -> onnx_ir.Value:
        """A state of the parameter before the step."""
        name = f"{parameter.name}.{kind}"
        value = self.emit.placeholder(name, dims_of(parameter.value), onnx_ir.DataType.FLOAT)
        self.state[name] = (value, value)
        return value

    def keep(self, old: onnx_ir.Value, new: onnx_ir.Value) -> None:
        """Let a state have this value after the step."""
        self.state[str(old.name)] = (old, new)


def _clip_factor(emit: GraphBuilder, clip: float, parameters: Sequence[Parameter]) -> onnx_ir.Value:
    """The factor clip / (norm + 1e-6), at most 1, as ``torch.nn.utils.clip_grad_norm_``."""
    # Sorted, as a sum of float32 depends on its order, and the step must not depend on theirs.
    gradients = [one.gradient for one in sorted(parameters, key=lambda one: one.name)]
    squares = [emit.op("ReduceSumSquare", gradient, keepdims=0) for gradient in gradients]
    norm = emit.op("Sqrt", emit.op("Sum", *squares) if len(squares) > 1 else squares[0])
    above = emit.op("Add", norm, emit.scalar(1e-6, norm))
    factor = emit.op("Div", emit.scalar(clip, norm), above)
    return emit.op("Min", factor, emit.scalar(1, norm))


# --- stochastic gradient descent --------------------------------------------------------------


def _sgd(update: _Update, optimizer: Sgd, parameter: Parameter) -> None:
    """With v' = mu*v + g + decay*w, w' = w - lr*v'."""
    if not optimizer.momentum:
        update.weights[parameter.name] = _descended(update, parameter)
        return
    old = update.old(parameter, "velocity")
    new = _velocity(update, optimizer.momentum, parameter, old)
    update.keep(old, new)
    if not optimizer.nesterov:
        step = update.op("Mul", new, update.rate(parameter.rate))
        update.weights[parameter.name] = update.op("Sub", parameter.value, step)
        return
    # lr * (g + mu*v') without g: that is v' - mu*v.
    ahead = update.op("Mul", new, update.rate(parameter.rate * (1 + optimizer.momentum)))
    back = update.op("Mul", old, update.rate(parameter.rate * optimizer.momentum))
    value = update.op("Sub", parameter.value, ahead)
    update.weights[parameter.name] = update.op("Add", value, back)


def _velocity(
    update: _Update, momentum: float, parameter: Parameter, old: onnx_ir.Value
) -> onnx_ir.Value:
    """The new velocity: mu * (v + decay/mu * w) + g."""
    rest = update.plus(old, parameter.value, parameter.decay / momentum)
    return update.op("Add", update.times(rest, momentum), update.clipped(parameter).gradient)


def _descended(update: _Update, parameter: Parameter) -> onnx_ir.Value:
    """Without momentum, w' = w - lr * (g + decay*w)."""
    rate, kept = update.rate(parameter.rate), update.shrunk(parameter)
    if update.scale is not None:
        scale = update.scale
        rate = update.shared(("scaled", parameter.rate), lambda: update.op("Mul", rate, scale))
    return update.op("Sub", kept, update.op("Mul", parameter.gradient, rate))


# --- with moving means ------------------------------------------------------------------------


def _adam(update: _Update, optimizer: Adam, parameter: Parameter) -> None:
    """With m' = beta1*m + g and s' = beta2*s + g*g, w' = w - size * m' / (root(s') + eps').

    The bias corrections of both sums are in the scalars; see :func:`_adam_scalars`.
    """
    decoupled = isinstance(optimizer, AdamW)
    gradient = update.clipped(parameter).gradient
    value = update.shrunk(parameter) if decoupled else parameter.value
    if not decoupled:
        gradient = update.plus(gradient, parameter.value, parameter.decay)
    old = update.old(parameter, "moment1")
    mean = update.op("Add", update.times(old, optimizer.beta1), gradient)
    update.keep(old, mean)
    root = _root_of_squares(update, parameter, gradient, "moment2", optimizer.beta2)
    size, eps = _adam_scalars(update, optimizer, parameter.rate)
    step = update.op("Div", mean, update.op("Add", root, eps))
    update.weights[parameter.name] = update.op("Sub", value, update.op("Mul", step, size))


def _adam_scalars(
    update: _Update, optimizer: Adam, rate: float
) -> tuple[onnx_ir.Value, onnx_ir.Value]:
    """What Kingma & Ba (section 2, efficient form) have, for sums instead of means.

    With r = root((1 - beta2^t) / (1 - beta2)), size = lr * r * (1 - beta1) / (1 - beta1^t) and
    eps' = eps * r; in float64, as 1 - beta2^t loses its digits in float32.
    """
    emit = update.emit

    def double(number: float) -> onnx_ir.Value:
        return emit.tensor(numpy.array(number, numpy.float64))

    def gap(beta: float) -> onnx_ir.Value:
        time = update.shared(
            "time",
            lambda: emit.op(
                "Add", emit.op("Cast", update.step, to=onnx_ir.DataType.DOUBLE.value), double(1)
            ),
        )
        return emit.op("Sub", double(1), emit.op("Pow", double(beta), time))

    def single(value: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op("Cast", value, to=onnx_ir.DataType.FLOAT.value)

    def make_root() -> onnx_ir.Value:
        ratio = emit.op("Mul", gap(optimizer.beta2), double(1 / (1 - optimizer.beta2)))
        return emit.op("Sqrt", ratio)

    def make_factor() -> onnx_ir.Value:
        whole = emit.op("Mul", update.shared("root", make_root), double(1 - optimizer.beta1))
        return single(emit.op("Div", whole, gap(optimizer.beta1)))

    def make_size() -> onnx_ir.Value:
        return emit.op("Mul", update.rate(rate), update.shared("factor", make_factor))

    def make_eps() -> onnx_ir.Value:
        return single(emit.op("Mul", update.shared("root", make_root), double(optimizer.eps)))

    return update.shared(("size", rate), make_size), update.shared("eps", make_eps)


def _rmsprop(update: _Update, optimizer: RmsProp, parameter: Parameter) -> None:
    """With s' = alpha*s + g*g and v' = mu*v + g / (root(s') + eps), w' = w - lr * v'.

    As s is a sum, eps is scaled, and the learning rate makes up for it.
    """
    spread = math.sqrt(1 - optimizer.alpha)
    gradient = update.clipped(parameter).gradient
    gradient = update.plus(gradient, parameter.value, parameter.decay)
    root = _root_of_squares(update, parameter, gradient, "square", optimizer.alpha)
    step = update.op("Div", gradient, update.op("Add", root, update.number(optimizer.eps / spread)))
    if optimizer.momentum:
        old = update.old(parameter, "velocity")
        step = update.op("Add", update.times(old, optimizer.momentum), step)
        update.keep(old, step)
    step = update.op("Mul", step, update.rate(parameter.rate / spread))
    update.weights[parameter.name] = update.op("Sub", parameter.value, step)


def _root_of_squares(
    update: _Update, parameter: Parameter, gradient: onnx_ir.Value, kind: str, beta: float
) -> onnx_ir.Value:
    """The root of the sum of the gradient's squares, each step's share fading by beta."""
    old = update.old(parameter, kind)
    square = update.op("Mul", gradient, gradient)
    new = update.op("Add", update.times(old, beta), square)
    update.keep(old, new)
    return update.op("Sqrt", new)
