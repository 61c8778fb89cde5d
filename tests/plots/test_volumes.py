"""Networks as feature maps: what is a stage, and where solids and texts come to lie."""

from __future__ import annotations

from itertools import combinations

import pytest
from drawings import SPECS

import cnndsl
from cnndsl.plots.diagram.scene import scene
from cnndsl.plots.diagram.stages import stages_of

NO_CHAINS = {"fcn8s", "octresnet26", "octresnet50", "unet"}


@pytest.mark.parametrize("name", [name for name in SPECS if name not in NO_CHAINS])
def test_texts_of_feature_maps_lie_on_nothing(name: str) -> None:
    placed = scene(stages_of(cnndsl.load(name).typed))
    texts = [(one.text, one.rect) for one in placed.captions]
    solids = [(str(number), one.rect) for number, one in enumerate(placed.solids)]
    found = [
        f"{one} on {other}"
        for (one, first), (other, second) in combinations((*texts, *solids), 2)
        if first.meets(second.moved(0, 0.01)) and first.meets(second.moved(0, -0.01))
    ]
    for text, rect in (*texts, *solids):
        if rect.x < -0.1 or rect.y < -0.1 or rect.right > placed.width + 0.1:
            found.append(f"{text} leaves the page")
        if rect.bottom > placed.height + 0.1:
            found.append(f"{text} leaves the page below")
    assert found == []


@pytest.mark.parametrize("name", sorted(NO_CHAINS))
def test_streams_that_part_and_meet_have_no_feature_map_figure(name: str) -> None:
    with pytest.raises(cnndsl.UserError) as caught:
        stages_of(cnndsl.load(name).typed)
    assert caught.value.code == "CNN622"


def test_the_stages_of_lenet_are_those_of_its_paper() -> None:
    course = stages_of(cnndsl.load("lenet5").typed)
    [chain] = course.bundles[0].lanes
    assert [(one.name, str(one.type)) for one in chain] == [
        ("input", "1x32x32"), ("C1", "6x28x28"), ("S2", "6x14x14"), ("C3", "16x10x10"),
        ("S4", "16x5x5"), ("C5", "120"), ("F6", "84"), ("OUTPUT", "10"),
    ]  # fmt: skip


def test_what_is_not_drawn_of_the_ends_is_said() -> None:
    assert stages_of(cnndsl.load("googlenet").typed).beside == ("aux1", "aux2")
