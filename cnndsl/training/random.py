"""Turns a seed, a step's number and a shape into random numbers, by plain integer operators.

A counter-based generator keeps nothing between steps: the same seed and step give the same
numbers on every device, in a resumed run, and in any order. This is Squares (Widynski 2020,
"Squares: a fast counter-based RNG", the 32-bit form with four rounds) in uint64, whose rotation
by half a word is a division and a product. Its key is a hash of seed and step, the same for all
draws of a step; its counter is the element's index from where the draw's own range begins. Of a
shard, these are the indices that its samples have in the whole batch: how it is divided changes
none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.graph.builder import GraphBuilder

__all__ = ["Draws"]

_SEED_FACTOR = 0xD1342543DE82EF95
"""Sets seeds apart, so that seed s at step t + 1 is not seed s + 1 at step t (Steele & Vigna)."""

_HASH_KEY = 0xC58EFD154CE32F6D
"""The key of the generator that makes keys: odd, and its hexadecimal digits irregular."""

_STRIDE = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: its multiples lie far apart on the circle of 2^64 numbers."""

_WORD = 1 << 32

_BITS = 24
"""As many as a float32 holds: each number is a multiple of 2^-24."""


class Draws:
    """The random numbers of a step; each draw is a stream of its own, in the order of the calls.

    ``seed`` and ``step`` are int64 scalars of the graph, of any value. Of a shard, ``first`` is the
    place of its first sample in the batch, whose samples are ``batch``.
    """

    def __init__(
        self,
        emit: GraphBuilder,
        seed: onnx_ir.Value,
        step: onnx_ir.Value,
        *,
        first: onnx_ir.Value | None = None,
        batch: int = 0,
    ) -> None:
        self._emit = emit
        self._seed = seed
        self._step = step
        self._first = first
        self._batch = batch
        self._streams = 0
        self._constants: dict[int, onnx_ir.Value] = {}
        self._derived: onnx_ir.Value | None = None

    def uniform(self, dims: Sequence[int], *, by_sample: bool = True) -> onnx_ir.Value:
        """Numbers drawn evenly from [0, 1): float32 of this shape.

        The first axis is that of the samples, unless it is not ``by_sample``: then all shards of
        a batch have the same numbers.
        """
        begin = self._begin()
        return self._numbers(self._counter_times_key(dims, begin, by_sample=by_sample))

    def normal(self, dims: Sequence[int]) -> onnx_ir.Value:
        """Numbers drawn from the standard normal distribution: float32 of this shape.

        Box & Muller 1958: an even angle, and a radius whose square is exponential, make two. The
        first half of a batch's numbers has the cosines, the second the sines.
        """
        if self._first is not None:
            return self._normal_of_shard(dims)
        size = math.prod(dims)
        half = -(-size // 2)
        pair = self.uniform((2, half))
        one, other = (self._op("Gather", pair, self._emit.constant(row)) for row in (0, 1))
        radius, angle = self._polar(one, other)
        parts = [self._op("Mul", radius, self._op(wave, angle)) for wave in ("Cos", "Sin")]
        numbers = self._op("Concat", *parts, axis=0)
        if size % 2:
            start, end = self._emit.constant([0]), self._emit.constant([size])
            numbers = self._op("Slice", numbers, start, end)
        return self._reshaped(numbers, dims)

    def _normal_of_shard(self, dims: Sequence[int]) -> onnx_ir.Value:
        """Those of the batch's numbers that are of the shard's samples: each drawn by itself."""
        each = math.prod(dims[1:])
        half, begin = -(-self._batch * each // 2), self._begin()
        assert self._first is not None
        places = self._op("Range", *(self._emit.constant(end) for end in (0, dims[0] * each, 1)))
        before = self._op("Mul", self._first, self._emit.constant(each))
        places = self._op("Add", places, before)
        is_late = self._op("GreaterOrEqual", places, self._emit.constant(half))
        moved = self._op("Sub", places, self._emit.constant(half))
        pair = self._word(self._op("Where", is_late, moved, places))
        draws = [
            self._numbers(self._op("Mul", self._op("Add", pair, self._number(at)), self._key()))
            for at in (begin, begin + half)
        ]
        radius, angle = self._polar(*draws)
        waves = self._op("Where", is_late, self._op("Sin", angle), self._op("Cos", angle))
        return self._reshaped(self._op("Mul", radius, waves), dims)

    def _polar(self, one: onnx_ir.Value, other: onnx_ir.Value) -> tuple[onnx_ir.Value, ...]:
        """Radius and angle of two even numbers."""
        # 1 - u is never 0, and the difference is exact.
        logarithm = self._op("Log", self._op("Sub", self._emit.constant(1.0), one))
        radius = self._op("Sqrt", self._op("Mul", logarithm, self._emit.constant(-2.0)))
        return radius, self._op("Mul", other, self._emit.constant(2 * math.pi))

    def _numbers(self, first: onnx_ir.Value) -> onnx_ir.Value:
        """Numbers from [0, 1) of counters that are multiplied by the key."""
        hashed = self._squares(first, self._op("Add", first, self._key()))
        top = self._op("Div", hashed, self._number(1 << (64 - _BITS)))
        numbers = self._op("Cast", top, to=onnx_ir.DataType.FLOAT.value)
        return self._op("Mul", numbers, self._emit.constant(2.0**-_BITS))

    # --- the generator ------------------------------------------------------------------------

    def _key(self) -> onnx_ir.Value:
        """The key of this step: odd, and well mixed. It is emitted once, for all draws."""
        if self._derived is None:
            spread = self._op("Mul", self._word(self._seed), self._number(_SEED_FACTOR))
            counter = self._op("Add", spread, self._word(self._step))
            key = self._number(_HASH_KEY)
            first = self._op("Mul", counter, key)
            second = self._op("Add", first, key)
            # One round more than for 32 bits: all 64 are used.
            mixed = self._swapped(self._squares(first, second))
            mixed = self._op("Add", self._op("Mul", mixed, mixed), first)
            even = self._op("Mul", mixed, self._number(2))
            self._derived = self._op("Add", even, self._number(1))
        return self._derived

    def _begin(self) -> int:
        """Where the range of counters of another draw begins."""
        self._streams += 1
        # Below 2^62, so that the end of the range is an int64 too.
        return self._streams * _STRIDE % (1 << 64) >> 2

    def _counter_times_key(
        self, dims: Sequence[int], begin: int, *, by_sample: bool
    ) -> onnx_ir.Value:
        """The counter of each element times the key.

        It is the sum of a column, for the leading axes, and a row, for the others: what has to
        be known beforehand is small.
        """
        key = self._key()
        size = math.prod(dims)
        split = min(range(len(dims) + 1), key=lambda axis: abs(math.prod(dims[:axis]) ** 2 - size))
        columns = math.prod(dims[split:])
        row = self._range(columns, 1, dims[split:])
        column = self._range(size, columns, (*dims[:split], *(1 for _ in dims[split:])))
        # ONNX Runtime's Range counts in float64: beyond 2^53 it would find nothing to count.
        column = self._op("Add", column, self._number(begin))
        if by_sample and self._first is not None:
            before = self._op("Mul", self._word(self._first), self._number(math.prod(dims[1:])))
            column = self._op("Add", column, before)
        return self._op("Add", self._op("Mul", column, key), self._op("Mul", row, key))

    def _range(self, limit: int, step: int, dims: Sequence[int]) -> onnx_ir.Value:
        numbers = self._op("Range", *(self._emit.constant(end) for end in (0, limit, step)))
        return self._word(numbers if len(dims) == 1 else self._reshaped(numbers, dims))

    def _squares(self, first: onnx_ir.Value, second: onnx_ir.Value) -> onnx_ir.Value:
        """Four rounds of squaring; the upper half of each result is the random one."""
        mixed = first
        for added in (first, second, first):
            mixed = self._swapped(self._op("Add", self._op("Mul", mixed, mixed), added))
        return self._op("Add", self._op("Mul", mixed, mixed), second)

    def _swapped(self, value: onnx_ir.Value) -> onnx_ir.Value:
        """The halves of a word in each other's place; what leaves a word at its top is lost."""
        word = self._number(_WORD)
        return self._op("Add", self._op("Div", value, word), self._op("Mul", value, word))

    # --- the graph ----------------------------------------------------------------------------

    def _op(self, op_type: str, *inputs: onnx_ir.Value, **attributes: int) -> onnx_ir.Value:
        return self._emit.op(op_type, *inputs, **attributes)

    def _reshaped(self, value: onnx_ir.Value, dims: Sequence[int]) -> onnx_ir.Value:
        return self._op("Reshape", value, self._emit.tensor(numpy.array(dims, numpy.int64)))

    def _word(self, value: onnx_ir.Value) -> onnx_ir.Value:
        """The same 64 bits, without a sign."""
        return self._op("Cast", value, to=onnx_ir.DataType.UINT64.value)

    def _number(self, number: int) -> onnx_ir.Value:
        if number not in self._constants:
            self._constants[number] = self._emit.tensor(numpy.array(number, numpy.uint64))
        return self._constants[number]
