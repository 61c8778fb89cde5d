"""Layers that are told together have the same numbers, and none is lost."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cnndsl.elaborate.network import LayerNode
from cnndsl.pipeline import check, load
from cnndsl.typecheck.alike_layers import alike_together
from cnndsl.typecheck.explained import LayerArithmetic, explained


def numbers(layer: LayerArithmetic) -> dict[str, list[int | Fraction]]:
    """What each topic comes to, but the receptive field."""
    return {
        topic.title: [one.term.value for one in topic.equations]
        for topic in layer.topics
        if not topic.title.startswith("receptive field")
    }


@pytest.mark.parametrize("name", ["resnet20", "mobilenetv2", "densenet121"])
def test_layers_that_are_told_together_have_the_same_numbers(name: str) -> None:
    checked, nodes = check(name), load(name).network.nodes
    layers = {
        node.name: explained(checked, node.name)[0] for node in nodes if isinstance(node, LayerNode)
    }
    told = alike_together([*layers.values()])
    assert len(told) < len(layers)
    names = [(one.name, *(other.name for other in one.heading.others)) for one in told]
    assert sorted(layers) == sorted(name for group in names for name in group)
    for first, *others in names:
        for other in others:
            assert numbers(layers[first]) == numbers(layers[other]), other
