"""Networks as feature maps: what is a stage, and where solids and texts come to lie."""

from __future__ import annotations

from itertools import combinations

import pytest
from drawings import SPECS

import cnndsl
from cnndsl.elaborate.network import LayerNode
from cnndsl.plots.diagram.scene import scene
from cnndsl.plots.diagram.stages import Course, Fold, Level, stages_of

NO_CHAINS = {"octresnet26", "octresnet50"}


@pytest.mark.parametrize("name", [name for name in SPECS if name not in NO_CHAINS])
def test_texts_of_feature_maps_lie_on_nothing(name: str) -> None:
    assert misplaced(stages_of(cnndsl.load(name).typed)) == []


def misplaced(course: Course) -> list[str]:
    """What lies on something else, or beyond the page."""
    placed = scene(course)
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
    return found


@pytest.mark.parametrize("name", sorted(NO_CHAINS))
def test_streams_that_part_and_meet_have_no_feature_map_figure(name: str) -> None:
    with pytest.raises(cnndsl.UserError) as caught:
        stages_of(cnndsl.load(name).typed)
    assert caught.value.code == "CNN622"


def test_the_stages_of_lenet_are_those_of_its_paper() -> None:
    course = stages_of(cnndsl.load("lenet5").typed)
    chain = [*course.stages()]
    assert [(one.name, str(one.type)) for one in chain] == [
        ("input", "1x32x32"), ("C1", "6x28x28"), ("S2", "6x14x14"), ("C3", "16x10x10"),
        ("S4", "16x5x5"), ("C5", "120"), ("F6", "84"), ("OUTPUT", "10"),
    ]  # fmt: skip


def test_what_is_not_drawn_of_the_ends_is_said() -> None:
    assert stages_of(cnndsl.load("googlenet").typed).beside == ("aux1", "aux2")


# --- a U --------------------------------------------------------------------------------------

DOUBLE = "block double(w) { conv w@3 padding 1 -> relu -> conv w@3 padding 1 -> relu }\n"
US = {
    "of blocks": f"input 1x32x32\n{DOUBLE}a: double(4)\nmaxpool 2 -> b: double(8)\n"
    "maxpool 2 -> double(16)\nupconv 8@2 stride 2\nconcat(b, identity) -> double(8)\n"
    "upconv 4@2 stride 2\nconcat(a, identity) -> double(4) -> conv 1@1\n",
    "whose first skip is of its input": "input x 1x32x32\na: conv 4@2 stride 2\nconv 8@2 stride 2\n"
    "conv 8@3 padding 1\nupconv 4@2 stride 2\nadd(a, identity) -> upconv 1@2 stride 2\n"
    "concat(x, identity) -> conv 2@1\n",
    "with layers on its skips": "input 1x32x32\na: conv 4@3 padding 1\nmaxpool 2 -> b: conv 8@1\n"
    "maxpool 2 -> conv 16@1 -> upsample 2 -> u: conv 8@1\nb -> conv 8@1 -> add(identity, u)\n"
    "upsample 2 -> v: conv 4@1\na -> conv 6@3 padding 1 -> relu -> conv 4@1 -> add(identity, v)\n",
    "of sequences": "input 4x64\na: conv 8@3 padding 1\nmaxpool 2 -> b: conv 16@3 padding 1\n"
    "maxpool 2 -> conv 32@3 padding 1\nupconv 16@2 stride 2\nconcat(b, identity) -> conv 16@1\n"
    "upconv 8@2 stride 2\nconcat(a, identity) -> conv 8@1\n",
}


def us(text: str) -> list[Level]:
    course = stages_of(cnndsl.parse(text).typed)
    [fold] = [bundle for bundle in course.bundles if isinstance(bundle, Fold)]
    return [*fold.levels]


@pytest.mark.parametrize("text", US.values(), ids=US)
def test_texts_of_a_u_lie_on_nothing(text: str) -> None:
    assert misplaced(stages_of(cnndsl.parse(text).typed)) == []


@pytest.mark.parametrize("text", US.values(), ids=US)
def test_a_u_has_every_layer_once(text: str) -> None:
    typed = cnndsl.parse(text).typed
    said = " ".join(
        word for stage in stages_of(typed).stages() for word in (stage.title, *stage.remarks)
    )
    for keyword in ("conv", "maxpool", "upconv", "upsample", "add", "concat"):
        layers = [one for one in typed.network.nodes if isinstance(one, LayerNode)]
        count = sum(one.layer.keyword == keyword for one in layers)
        assert said.split().count(keyword) == count, keyword


@pytest.mark.parametrize("text", US.values(), ids=US)
def test_each_level_of_a_u_has_its_size(text: str) -> None:
    """What joins is as large as what the skip brings, and arrows lead to it from both."""
    typed = cnndsl.parse(text).typed
    *upper, lowest = us(text)
    for level in upper:
        brought = [*level.left, *level.across]
        if brought:
            assert brought[-1].type.spatial == level.right[0].type.spatial
    assert not lowest.right
    placed = scene(stages_of(typed))
    rising = [one for one in placed.passages if one.rise]
    assert len(rising) == 2 * len(upper)
    levels = {round(one.y, 3) for one in placed.solids}
    assert len(levels) == len(upper) + 1


def test_a_u_may_follow_another() -> None:
    half = (
        "maxpool 2 -> {0}b: double(4)\nmaxpool 2 -> double(8) -> upsample 2\nconcat({0}b, identity)"
    )
    half = "{0}a: double(4)\n" + half + " -> double(4) -> upsample 2\nconcat({0}a, identity)\n"
    text = f"input 1x32x32\n{DOUBLE}{half.format('p')}{half.format('q')}conv 1@1\n"
    course = stages_of(cnndsl.parse(text).typed)
    assert [isinstance(one, Fold) for one in course.bundles] == [False, True, False, True, False]
    assert misplaced(course) == []


def test_what_is_cropped_on_its_way_across_is_said() -> None:
    course = stages_of(cnndsl.load("fcn8s").typed)
    [fold] = [bundle for bundle in course.bundles if isinstance(bundle, Fold)]
    assert [[stage.title for stage in level.across] for level in fold.levels] == [
        ["conv 21 @ 1×1", "crop 70×70"], ["conv 21 @ 1×1", "crop 34×34"], [],
    ]  # fmt: skip
    assert [[stage.name for stage in level.up] for level in fold.levels] == [
        ["finer"], ["coarse"], [],
    ]  # fmt: skip
