"""Random networks of all that the language has, against PyTorch in float64.

Sizes, values, gradients of all weights, parameters and MACs; texts that are printed and read again;
ONNX's own inference of shapes. ``CNNDSL_NETWORKS=2000`` draws as many, ``CNNDSL_FIRST_NETWORK``
says from which seed on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_networks import KINDS, ROUND, DrawnNetwork
from draws import Drawing
from network_findings import findings

from cnndsl.layers import keywords

FIRST = int(os.environ.get("CNNDSL_FIRST_NETWORK", "0"))
COUNT = int(os.environ.get("CNNDSL_NETWORKS", ROUND))
"""As many have each kind once."""


def test_every_layer_is_drawn() -> None:
    assert set(keywords()) <= {*KINDS, "flatten"}


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_a_random_network_is_that_of_pytorch(seed: int, tmp_path: Path) -> None:
    assert findings(DrawnNetwork(seed), tmp_path) == []


def _another_output(drawn: DrawnNetwork) -> None:
    drawn.steps.append(lambda x: x * 1.001)


def _another_gradient(drawn: DrawnNetwork) -> None:
    """The values are the same, what comes back is not."""
    drawn.steps.append(lambda x: 1.001 * x - 0.001 * x.detach())


def _another_count(drawn: DrawnNetwork) -> None:
    def counted(x: object) -> object:
        drawn.macs += 1
        return x

    drawn.steps.append(counted)


def _another_size(drawn: DrawnNetwork) -> None:
    drawn.lines[0] += "1"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_another_output, "output `output` is off by 0.001"),
        (_another_gradient, ".gradient` is off by 0.001"),
        (_another_count, "parameters, buffers and MACs are"),
        (_another_size, "CNN401: the output here is"),
    ],
)
def test_what_differs_is_found(
    change: Callable[[Drawing], None], complaint: str, tmp_path: Path
) -> None:
    drawn = DrawnNetwork(15)
    change(drawn)
    assert complaint in "\n".join(findings(drawn, tmp_path))
