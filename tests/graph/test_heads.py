"""The head is what knows the classes: the last layer that makes its channels of many others."""

from __future__ import annotations

import pytest

from cnndsl import pipeline
from cnndsl.graph.heads import head_of

CASES = {
    "flatten -> F: dense 4 -> softmax": (["F"], True),
    "flatten -> dense 9 -> relu -> F: dense 4": (["F"], True),
    "F: conv 4@1 -> globalavgpool -> softmax": (["F"], True),
    "F: conv 4@3 -> relu -> globalmaxpool -> flatten": (["F"], True),
    "F: conv 4@1 -> B: batchnorm -> relu -> globalavgpool": (["F", "B"], True),
    "F: conv 4@1 -> D: depthwise 3 -> globalavgpool": (["F", "D"], True),
    "conv 8@3 -> F: conv 4@1 -> softmax": (["F"], True),
    # Here other rows are other answers.
    "conv 8@3 -> F: conv 4@1 groups 4 -> globalavgpool": (["F"], False),
    "F: conv 4@1 -> lrn -> globalavgpool": (["F"], False),
    "F: conv 1@7 -> flatten": (["F"], False),
    "F: conv 2@1 -> D: depthwise 3 multiplier 2 -> globalavgpool": (["F", "D"], False),
}


@pytest.mark.parametrize("text", CASES)
def test_the_head_is_found(text: str) -> None:
    layers, by_rows = CASES[text]
    body = "\n".join(text.split(" -> "))
    spec = f'input 2x8x8\nclasses "a", "b", "c", "d"\n{body}\n'
    found = head_of(pipeline.typed(pipeline.check_text(spec)))
    assert (list(found.layers), found.by_rows) == (layers, by_rows)


def test_both_ways_of_a_sum_belong_to_it() -> None:
    spec = """
input 2x8x8
classes "a", "b"
features = conv 6@3 -> relu
features -> flatten
add(L: dense 2, R: dense 2)
softmax
"""
    found = head_of(pipeline.typed(pipeline.check_text(spec)))
    assert (found.layers, found.by_rows) == (("L", "R"), False)


def test_every_output_of_classes_has_one() -> None:
    spec = """
input 2x8x8
classes "a", "b", "c"
flatten
hidden = dense 5 -> relu
hidden -> A: dense 3
output A
hidden -> F: dense 3 -> softmax
"""
    checked = pipeline.check_text(spec)
    found = head_of(pipeline.typed(checked))
    assert set(found.layers) == {"A", "F"}
