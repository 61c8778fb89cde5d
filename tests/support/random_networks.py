"""Writes random specs, and computes what they mean: NumPy in float64, window by window."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import semantics
from oracle import Array
from random_choices import Choices
from semantics import Sliding

__all__ = ["Writer"]

LARGEST = 6000
"""No feature map of a sample has more numbers."""

PRELUDE = """\
block unit(width, kernel) {
  conv width@kernel padding same bias no -> batchnorm -> relu
}
"""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: numpy.maximum(x, 0),
    "tanh": numpy.tanh,
    "sigmoid": lambda x: 1 / (1 + numpy.exp(-x)),
    "leakyrelu 0.2": lambda x: numpy.where(x > 0, x, 0.2 * x),
    "leakyrelu": lambda x: numpy.where(x > 0, x, 0.01 * x),
    "scaledtanh": lambda x: 1.7159 * numpy.tanh(2 / 3 * x),
    "dropout 0.5": lambda x: x,
    "identity": lambda x: x,
}

Step = tuple[str, Array]
"""The text of a chain, and what comes out of it."""


class Writer(Choices):
    """Writes a spec by random choices, and computes it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.numbers = numpy.random.default_rng(seed)
        self.weights: list[Array] = []
        self.streams: dict[str, Array] = {}

    def weight(self, *shape: int, positive: bool = False) -> Array:
        array = self.numbers.normal(size=shape) / math.sqrt(math.prod(shape[1:]))
        if positive:
            array = self.numbers.uniform(0.5, 1.5, shape)
        self.weights.append(array.astype(numpy.float32))
        return self.weights[-1].astype(numpy.float64)

    # --- layers -------------------------------------------------------------------------------

    def conv(self, x: Array, window: tuple[str, str, Sliding], filters: int = 0) -> Step:
        kernel, words, how = window
        channels = x.shape[1]
        fitting = [n for n in range(1, channels + 1) if channels % n == 0]
        groups = self.pick(*fitting) if not filters else 1
        filters = filters or groups * self.count(1, 3)
        has_bias = self.flip()
        weight = self.weight(filters, channels // groups, *how.kernel)
        bias = self.weight(filters) if has_bias else None
        words += "" if has_bias else " bias no"
        text = f"conv {filters}@{kernel} {words} groups {groups}"
        if groups == channels and self.flip():
            text = f"depthwise {kernel} multiplier {filters // channels} {words}"
        return self.labelled(text, semantics.conv(x, how, weight, bias, groups))

    def upconv(self, x: Array) -> Step:
        """A transposed convolution that leaves something of its output."""
        sizes, channels = x.shape[2:], x.shape[1]
        kernel = tuple(self.count(1, 4) for _ in sizes)
        stride = tuple(self.count(1, 3) for _ in sizes)
        dilation = tuple(self.count(1, 2) for _ in sizes)
        extents = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        groups = self.pick(*(n for n in range(1, channels + 1) if channels % n == 0))
        words = f"stride {self.sizes(stride)} dilation {self.sizes(dilation)} groups {groups}"
        if self.flip():
            added = tuple(self.count(0, step - 1) for step in stride)
            pairs = [*zip(sizes, stride, extents, added, strict=True)]
            whole = [(size - 1) * step + extent + extra for size, step, extent, extra in pairs]
            begins = tuple(self.count(0, (cells - 1) // 2) for cells in whole)
            ends = tuple(self.count(0, (cells - 1) // 2) for cells in whole)
            borders = [*zip(begins, ends, strict=True)]
            words += f" padding {[*begins, *ends]} output_padding {self.sizes(added)}"
        else:
            over = [extent - step for extent, step in zip(extents, stride, strict=True)]
            borders = [(max(0, cells) // 2, math.ceil(max(0, cells) / 2)) for cells in over]
            added = tuple(max(0, -cells) for cells in over)
            words += " padding same"
        how = Sliding(kernel, stride, dilation, borders, "exact")
        filters = groups * self.count(1, 2)
        weight = self.weight(channels, filters // groups, *kernel)
        bias = self.weight(filters) if self.flip() else None
        words += "" if bias is not None else " bias no"
        y = semantics.upconv(x, how, weight, bias, groups, added)
        return self.labelled(f"upconv {filters}@{self.sizes(kernel)} {words}", y)

    def labelled(self, text: str, y: Array) -> Step:
        if self.flip():
            return text, y
        label = f"L{len(self.streams)}"
        self.streams[label] = y
        return f"{label}: {text}", y

    def pool(self, x: Array, window: tuple[str, str, Sliding] | None = None) -> Step:
        kind = self.pick("maxpool", "avgpool", "sumpool", "counting")
        kernel, words, how = window or self.sliding(
            x.shape[2:], dilates=kind == "maxpool", pool=True
        )
        if kind == "maxpool":
            return f"maxpool {kernel} {words}", semantics.maxpool(x, how)
        if kind == "sumpool":
            return f"sumpool {kernel} {words}", semantics.sumpool(x, how)
        counts = kind == "counting"
        text = f"avgpool {kernel} {words}" + " count_padding yes" * counts
        return text, semantics.avgpool(x, how, count_padding=counts)

    def activation(self, x: Array) -> Step:
        name = self.pick(*ACTIVATIONS)
        return name, ACTIVATIONS[name](x)

    def norm(self, x: Array) -> Step:
        if x.ndim > 2 and self.flip():
            size, alpha, k = self.pick(1, 3, 5), self.pick(0.5, 1e-2), self.pick(1.0, 2.0)
            beta = self.pick(0.75, 0.5)
            text = f"lrn {size} alpha {alpha} beta {beta} k {k}"
            return text, semantics.lrn(x, size, alpha, beta, k)
        eps = self.pick(1e-5, 1e-3)
        return f"batchnorm eps {eps}", self.batchnorm(x, eps)

    def batchnorm(self, x: Array, eps: float = 1e-5) -> Array:
        channels = x.shape[1]
        weights = [self.weight(channels, positive=kind in "sv") for kind in "sbmv"]
        return semantics.batchnorm(x, weights, eps)

    def softmax(self, x: Array) -> Step:
        return ("softmax", semantics.softmax(x)) if x.shape[1] > 1 else self.activation(x)

    def dense(self, x: Array, units: int = 0) -> Step:
        units = units or self.count(1, 6)
        weight, bias = self.weight(units, x.shape[1]), self.weight(units)
        return self.labelled(f"dense {units}", x @ weight.T + bias)

    def globally(self, x: Array) -> Step:
        spatial = tuple(range(2, x.ndim))
        if self.flip():
            return "globalavgpool", x.mean(spatial)
        return "globalmaxpool", x.max(spatial)

    # --- joins and blocks ---------------------------------------------------------------------

    def branch(self, x: Array) -> Step:
        """A chain that keeps the shape, or that begins at an earlier stream of the same shape."""
        earlier = [pair for pair in self.streams.items() if pair[1].shape == x.shape]
        text, y = self.pick(
            lambda: self.conv(x, self.same(x.shape[2:]), x.shape[1]),
            lambda: self.pool(x, self.same(x.shape[2:])),
            lambda: self.norm(x),
            lambda: ("identity", x),
            *[lambda: self.pick(*earlier)] * (2 if earlier else 0),
        )()
        after, z = self.activation(y)
        return f"{text} -> {after}", z

    def join(self, x: Array) -> Step:
        steps = [self.branch(x) for _ in range(self.count(2, 3))]
        chains = ", ".join(text for text, _ in steps)
        values = [value for _, value in steps]
        kind = self.pick("add", "multiply", "maximum")
        functions: dict[str, Any] = {
            "add": sum,
            "multiply": math.prod,
            "maximum": numpy.maximum.reduce,
        }
        return f"{kind}({chains})", numpy.asarray(functions[kind](values))

    def concat(self, x: Array) -> Step:
        stride = self.count(1, 2)
        steps = []
        for _ in range(self.count(2, 3)):
            window = self.same(x.shape[2:], stride)
            steps.append(self.conv(x, window) if self.flip() else self.pool(x, window))
        chains = ", ".join(text for text, _ in steps)
        return f"concat({chains})", numpy.concatenate([value for _, value in steps], 1)

    def gate(self, x: Array) -> Step:
        """Squeeze and excitation."""
        squeeze, y = self.globally(x)
        excite, y = self.dense(y, x.shape[1])
        gate = ACTIVATIONS["sigmoid"](y).reshape(*y.shape, *(1,) * (x.ndim - 2))
        return f"multiply(identity, {squeeze} -> {excite} -> sigmoid)", x * gate

    def unit(self, x: Array) -> Step:
        """A call of the block in the prelude."""
        kernel, _, how = self.same(x.shape[2:])
        width = self.count(1, 4)
        weight = self.weight(width, x.shape[1], *how.kernel)
        y = self.batchnorm(semantics.conv(x, how, weight, None, 1))
        return f"unit({width}, {kernel})", ACTIVATIONS["relu"](y)

    def repeat(self, x: Array) -> Step:
        """One text for several layers, each with weights of its own."""
        times, width = self.count(1, 3), x.shape[1]
        kernel, words, how = self.same(x.shape[2:])
        for _ in range(times):
            weight, bias = self.weight(width, width, *how.kernel), self.weight(width)
            x = numpy.tanh(semantics.conv(x, how, weight, bias, 1))
        return f"repeat {times} {{ conv {width}@{kernel} {words} -> tanh }}", x

    # --- the whole ----------------------------------------------------------------------------

    def step(self, x: Array) -> Step:
        kinds: list[Callable[[Array], Step]] = [self.activation, self.norm, self.softmax]
        if x.ndim == 2:
            kinds += [self.dense]
        else:
            kinds += [self.join, self.concat, self.gate, self.unit, self.repeat, self.globally]
            kinds += 2 * [self.pool, self.strided] + [self.upconv]
        return self.choices.choice(kinds)(x)

    def strided(self, x: Array) -> Step:
        return self.conv(x, self.sliding(x.shape[2:], dilates=True, pool=False))

    def write(self, layers: int) -> tuple[str, Array, Array]:
        """A spec of so many statements, an input of two samples, and what comes out."""
        rank = self.count(1, 3)
        bound = (0, 24, 9, 5)[rank]
        dims = (self.count(1, 4), *(self.count(2, bound) for _ in range(rank)))
        first = x = self.numbers.normal(size=(2, *dims)).astype(numpy.float32).astype(float)
        lines = [PRELUDE, f"input {'x'.join(map(str, dims))}"]
        for _ in range(layers):
            text, y = self.step(x)
            if y[0].size > LARGEST:
                text, y = f"{text} -> globalavgpool", y.mean(tuple(range(2, y.ndim)))
            if self.count(0, 4) == 4:
                # A named stream: the current one stays.
                name = f"s{len(self.streams)}"
                self.streams[name] = y
                text = f"{name} = {text}"
            else:
                x = y
            lines.append(f"{text}  => {'x'.join(map(str, y.shape[1:]))}")
        lines.append("identity")
        return "\n".join(lines) + "\n", first, x
