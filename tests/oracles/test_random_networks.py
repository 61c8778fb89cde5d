"""Random specs against an interpreter of what they mean: NumPy in float64, window by window.

A spec is written and computed at the same time, layer by layer; every statement claims the shape
that came out. Seeds rather than Hypothesis choose: in so few examples, it repeats itself too much.
"""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from oracle import TOLERANCE, compiled, relative_error
from random_networks import Writer

import cnndsl


@pytest.mark.parametrize("seed", range(100))
def test_a_random_network_computes_what_its_spec_means(seed: int, tmp_path: Path) -> None:
    writer = Writer(seed)
    # The first seeds write the shortest specs, to make failures readable.
    text, x, expected = writer.write(layers=1 + seed // 15)
    network = cnndsl.parse(text)
    assert [*network.weights.values()] == [array.shape for array in writer.weights], text
    weights = dict(zip(network.weights, writer.weights, strict=True))
    found = compiled(network, weights, tmp_path).run(x.astype(numpy.float32))
    assert relative_error(found, expected) < TOLERANCE, text
