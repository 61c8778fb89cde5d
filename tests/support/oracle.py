"""Runs the whole product for comparison with others: a spec and weights in, a model out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray
from safetensors.numpy import save_file

from cnndsl.api import Network
from cnndsl.runtime.model import Model

__all__ = ["TOLERANCE", "Array", "compiled", "draw", "relative_error"]

Array: TypeAlias = NDArray[Any]

TOLERANCE = 1e-4
"""The largest relative error at which two implementations in float32 agree."""


def relative_error(found: Array, expected: Array) -> float:
    """The largest difference, as a part of the largest number that was expected.

    >>> relative_error(numpy.array([1.0, 3.0]), numpy.array([1.0, 4.0]))
    0.25
    """
    assert found.shape == expected.shape, f"{found.shape} is not {expected.shape}"
    found, expected = (numpy.asarray(one, numpy.float64) for one in (found, expected))
    assert numpy.isfinite(expected).all()
    difference, scale = numpy.abs(found - expected).max(), numpy.abs(expected).max()
    if difference == 0:
        return 0.0
    return math.inf if scale == 0 else float(difference / scale)


def draw(
    shapes: Mapping[str, tuple[int, ...]], *, scales: tuple[float, float] = (0.5, 1.5)
) -> dict[str, Array]:
    """Random weights, by the names of a network's weights, that keep activations in bounds.

    Running means and variances are random too, so that nothing cancels. ``scales`` are the bounds
    of normalisations' factors: small ones keep rounding errors from growing in deep networks.
    """
    generator = numpy.random.default_rng(0)
    weights: dict[str, Array] = {}
    for name, shape in shapes.items():
        kind = name.rpartition(".")[2]
        if kind in ("scale", "var"):
            bounds = scales if kind == "scale" else (0.5, 1.5)
            array = generator.uniform(*bounds, shape).astype(numpy.float32)
        else:
            array = generator.standard_normal(shape, numpy.float32)
            array *= math.sqrt(2 / math.prod(shape[1:])) if kind == "weight" else 0.1
        weights[name] = array
    return weights


def compiled(network: Network, weights: Mapping[str, Array], folder: Path) -> Model:
    """The network with these weights, which go through a file as a person's would."""
    path = folder / "weights.safetensors"
    # Of an array that is not contiguous, safetensors silently writes another one.
    save_file({name: numpy.ascontiguousarray(one) for name, one in weights.items()}, path)
    try:
        return network.compile(weights=path, device="cpu")
    finally:
        path.unlink()
