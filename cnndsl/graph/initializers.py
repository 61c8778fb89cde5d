"""Turns a seed into the numbers that a network's weights begin with.

Each weight is drawn from a generator of its own, keyed by the seed and the weight's full name:
adding, removing or reordering layers changes no other layer's weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Literal, assert_never

import numpy

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.lower import network_weights
from cnndsl.graph.weights import Array
from cnndsl.layers.base import Init, Weight
from cnndsl.limits import processors

__all__ = ["draw", "fans_of", "initialise"]

_ON_ALL_THREADS = 1_000_000
"""From so many numbers on, threads are worth starting: on one these take 15 ms."""


def initialise(
    typed: TypedNetwork, seed: int, default: Init, heads: Iterable[int] = ()
) -> dict[str, Array]:
    """The weights of a network before training, by their full names, float32.

    ``default`` is for weights whose layer says nothing of how they begin, ``heads`` as in
    :func:`~cnndsl.graph.lower.network_weights`.
    """
    weights = network_weights(typed, heads)

    def begin(name: str) -> Array:
        weight = weights[name]
        init = weight.init or default
        values = draw(name, weight.shape, seed, init, weight.fans)
        _scale_rows(values, init, weight)
        values[list(weight.zero_rows)] = 0
        return values

    if sum(weight.elements for weight in weights.values()) < _ON_ALL_THREADS:
        return {name: begin(name) for name in weights}
    from concurrent.futures import ThreadPoolExecutor  # small networks do without

    # Each has a generator of its own, and NumPy lets go of the interpreter while it draws.
    with ThreadPoolExecutor(processors()) as pool:
        return dict(zip(weights, pool.map(begin, weights), strict=True))


def draw(
    name: str,
    shape: tuple[int, ...],
    seed: int,
    init: Init,
    fans: tuple[float, float] | None = None,
) -> Array:
    """One weight's first values; the same name, shape and seed give the same ones.

    ``fans`` are those of the layer that has the weight; by default they follow from the shape.

    >>> draw("C1.bias", (3,), seed=0, init=Init("constant", 0.5))
    array([0.5, 0.5, 0.5], dtype=float32)
    """
    generator = _generator(name, seed)
    fan_in, fan_out = fans or fans_of(shape)
    match init.name:
        case "he" | "lecun":
            return _normal(generator, shape, _scale(init.name, (fan_in, fan_out)))
        case "glorot":
            return _uniform(generator, shape, _scale(init.name, (fan_in, fan_out)))
        case "uniform":
            return _uniform(generator, shape, _number(init))
        case "normal":
            return _normal(generator, shape, _number(init))
        case "constant":
            return numpy.full(shape, _number(init), numpy.float32)
        case _:
            assert_never(init.name)


def _scale(name: Literal["he", "glorot", "lecun"], fans: tuple[float, float]) -> float:
    """How wide the numbers of an initialiser lie that follows the layer's size."""
    match name:
        case "he":
            return math.sqrt(2 / fans[0])
        case "glorot":
            return math.sqrt(6 / sum(fans))
        case "lecun":
            return math.sqrt(1 / fans[0])


def _scale_rows(values: Array, init: Init, weight: Weight) -> None:
    """Widen or narrow each row where its fans are not those of the weight as a whole."""
    name = init.name
    if weight.row_fans and weight.fans and (name == "he" or name == "glorot" or name == "lecun"):
        whole = _scale(name, weight.fans)
        factors = [_scale(name, fans) / whole for fans in weight.row_fans]
        shape = (len(factors), *[1] * (values.ndim - 1))
        values *= numpy.array(factors, numpy.float32).reshape(shape)


def fans_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs one output of a weight sums over, and how many outputs one input reaches.

    Convolution weights are (out, in, kernel…), dense ones (out, in). What is split into groups
    has a shape that does not say so: its layer gives the fans.

    >>> fans_of((6, 3, 5, 5)), fans_of((10, 84)), fans_of((7,))
    ((75, 150), (84, 10), (7, 7))
    """
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _generator(name: str, seed: int) -> numpy.random.Generator:
    key = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return numpy.random.Generator(numpy.random.PCG64DXSM(int.from_bytes(key, "big")))


def _normal(generator: numpy.random.Generator, shape: tuple[int, ...], deviation: float) -> Array:
    values = generator.standard_normal(shape, numpy.float32)
    # In place: a network's largest weight is held once.
    values *= numpy.float32(deviation)
    return values


def _uniform(generator: numpy.random.Generator, shape: tuple[int, ...], limit: float) -> Array:
    values = generator.random(shape, numpy.float32)
    values *= numpy.float32(2 * limit)
    values -= numpy.float32(limit)
    return values


def _number(init: Init) -> float:
    if init.value is None:
        raise ValueError(f"the initialiser `{init.name}` needs a number")
    return init.value
