"""Diagrams of random networks: nothing lies on anything else, whatever parts and meets."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from diagram_problems import problems

import cnndsl
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.page import page
from cnndsl.plots.diagram.scene import scene
from cnndsl.plots.diagram.stages import stages_of

LAYERS = (
    "conv 4@3 padding 1 -> relu", "relu", "conv 4@1", "batchnorm -> relu",
    "repeat 3 { conv 4@3 padding 1 }",
)  # fmt: skip


def random_graph(seed: int) -> str:
    """A spec whose streams part and meet at random; any may be an output."""
    chance = random.Random(seed)
    names = ["input"]
    lines = ["input 4x8x8"]
    for number in range(chance.randint(2, 14)):
        count = chance.choice([1, 1, 1, 2, 2, 3])
        sources = [chance.choice(names[-chance.randint(1, len(names)) :]) for _ in range(count)]
        chain = f"{sources[0]} -> {chance.choice(LAYERS)}"
        if count > 1:
            chain = f"{chance.choice(('add', 'multiply'))}({', '.join(sources)})"
            chain += chance.choice(("", " -> relu"))
        names.append(f"n{number}")
        lines.append(f"{names[-1]} = {chain}")
    lines.append(f"{names[-1]} -> globalavgpool -> dense 3")
    outputs = chance.sample(names[1:], k=min(chance.choice([0, 0, 1, 2]), len(names) - 1))
    if outputs:
        lines.append(f"output {', '.join(outputs)}")
    return "\n".join((*lines, ""))


@pytest.mark.parametrize("seed", [26, 37, 84, 211, *range(300, 330)])
def test_nothing_lies_on_anything_else(seed: int) -> None:
    pytest.importorskip("igraph")
    typed = cnndsl.parse(random_graph(seed)).typed
    for expand in (False, True):
        assert problems(page(diagram(typed, expand=expand))) == []
    try:
        course = stages_of(typed)
    except cnndsl.UserError:  # no chain, as other tests see
        return
    placed = scene(course)
    rects = [one.rect for one in placed.captions] + [one.rect for one in placed.solids]
    for one, other in combinations(rects, 2):
        up, down = other.moved(0, -0.01), other.moved(0, 0.01)
        assert not (one.meets(up) and one.meets(down))
