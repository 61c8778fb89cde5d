"""What it takes to make a step grows with a network's depth, not with its square."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from cnndsl.pipeline import check_text, typed
from cnndsl.training.step import build_step


def calls(layers: int) -> int:
    """How many Python functions are called for the step of so many layers."""
    text = "input 2x4x4\n" + "conv 2@3 padding 1 -> batchnorm -> relu\n" * layers
    text += "flatten -> dense 2 -> softmax\ntrain { batch 2 }\n"
    network = typed(check_text(text))
    count = 0

    def counted(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        build_step(network, batch=2).to_proto()
    finally:
        sys.setprofile(None)
    return count


def test_each_further_layer_costs_as_much_as_the_one_before() -> None:
    calls(1)  # what is set up once
    few, more, most = (calls(layers) for layers in (10, 20, 40))
    assert (most - more) / 2 < 1.02 * (more - few)
