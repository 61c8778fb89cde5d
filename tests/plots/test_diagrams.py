"""Networks as diagrams: what is one box, what is drawn once, and where it all comes to lie."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from documents import ROOT

import cnndsl
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.draw import drawn
from cnndsl.plots.diagram.graph import Diagram, Frame, Graph
from cnndsl.plots.diagram.page import page
from cnndsl.plots.diagram.placed import Placed
from cnndsl.plots.diagram.scene import scene
from cnndsl.plots.diagram.stages import stages_of

SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.cnn"))


def of(text: str, *, expand: bool = False) -> Diagram:
    return diagram(cnndsl.parse(text).typed, expand=expand)


def titles(graph: Graph) -> list[str]:
    return [" ".join((*box.before, box.title, *box.after)) for box in graph.boxes()]


# --- structure --------------------------------------------------------------------------------


def test_a_convolution_its_norm_and_its_activation_are_one_box() -> None:
    built = of(
        "input 3x8x8\nconv 4@3 -> batchnorm -> relu\nmaxpool 2\nflatten -> dense 2 -> softmax\n"
    )
    assert titles(built.graph) == [
        "input", "conv 4 @ 3×3 batchnorm relu", "maxpool 2×2", "flatten dense 2 softmax", "output",
    ]  # fmt: skip


def test_a_norm_in_front_belongs_to_the_convolution_behind_it() -> None:
    built = of(
        "input 3x8x8\nconv 4@1\nadd(identity, batchnorm -> relu -> conv 4@1 -> batchnorm -> relu"
        " -> conv 4@3 padding 1)\n"
    )
    assert titles(built.graph)[2:4] == [
        "batchnorm relu conv 4 @ 1×1",
        "batchnorm relu conv 4 @ 3×3",
    ]


def test_rounds_that_are_alike_are_a_pile() -> None:
    text = "input 4x8x8\nrepeat 3 { conv 4@3 padding 1 -> relu }\nmaxpool 2\n"
    [_, conv, _, _] = of(text).graph.boxes()
    assert (conv.title, conv.times) == ("conv 4 @ 3×3", "3")
    assert len([*of(text, expand=True).graph.boxes()]) == 6


@pytest.mark.parametrize(
    "text",
    [
        "repeat 3 { conv 4@3 padding 1 -> relu }\noutput conv2\n",
        "for k in [1, 3, 5] { conv 4@k padding k//2 }\n",
        "conv 4@1\nconv 4@1\nconv 4@1\n",
        "concat(for k in 1..3 { conv 4@1 })\n",
    ],
)
def test_what_is_not_alike_or_seen_between_is_drawn_each(text: str) -> None:
    boxes = [*of(f"input 4x8x8\n{text}").graph.boxes()]
    assert sum(box.family == "convolution" for box in boxes) == 3
    assert not any(box.times for box in boxes)


def test_a_block_of_many_calls_is_drawn_once_with_its_parameters() -> None:
    built = diagram(cnndsl.load("googlenet").typed)
    inception, auxiliary = built.details
    assert (inception.title, auxiliary.title) == ("inception", "auxiliary")
    assert titles(inception.graph)[0] == "conv c1 @ 1×1 relu"
    calls = [box for box in built.graph.boxes() if box.kind == "block"]
    assert [box.title for box in calls].count("inception") == 9
    assert calls[0].after == ("c1 64", "c3r 96", "c3 128", "c5r 16", "c5 32", "proj 32")


def test_two_forms_of_a_block_are_told_apart() -> None:
    built = diagram(cnndsl.load("resnet50").typed)
    assert [one.title for one in built.details] == ["bottleneck (project)", "bottleneck"]
    [layer1, *_] = [node for node in built.graph.nodes if isinstance(node, Frame)]
    assert [(box.times, box.after) for box in layer1.graph.boxes()] == [
        ("", ("width 64", "project")), ("2", ("width 64",)),
    ]  # fmt: skip


def test_a_number_of_rounds_that_differs_is_the_parameters_name() -> None:
    text = "input 8x8x8\nblock deep(n) { repeat n { add(identity, conv 8@3 padding 1 -> relu) }\n"
    text += "conv 8@1 -> relu -> conv 8@1 -> relu }\n" + "".join(
        f"deep({at % 3 + 2})\n" for at in range(8)
    )
    [detail] = of(text).details
    [frame] = [node for node in detail.graph.nodes if isinstance(node, Frame)]
    assert frame.times == "n"


def test_shared_weights_are_said_once_for_a_whole_call() -> None:
    built = diagram(cnndsl.load("siamese").typed)
    towers = [node for node in built.graph.nodes if isinstance(node, Frame)]
    assert [tower.shares for tower in towers] == ["", "a"]
    assert not any(box.shares for box in built.graph.boxes())


def test_results_of_one_layer_are_one_box() -> None:
    built = of("input 4x8x8\na, b = split 2\nadd(a -> relu, b -> tanh)\n")
    splits = [box for box in built.graph.boxes() if box.title.startswith("split")]
    assert len(splits) == 1


def test_a_head_of_training_alone_is_an_end_with_its_loss() -> None:
    ends = [
        box for box in diagram(cnndsl.load("googlenet").typed).graph.boxes() if box.kind == "loss"
    ]
    assert [box.after for box in ends] == [("loss crossentropy × 0.3",)] * 2


@pytest.mark.parametrize("name", SPECS)
def test_every_layer_is_in_some_box_when_expanded(name: str) -> None:
    typed = cnndsl.load(name).typed
    built = diagram(typed, expand=True)
    shown = [layer for box in built.graph.boxes() for layer in box.layers]
    assert len(shown) == len({*shown})
    hidden = {node.name for node in typed.network.nodes} - {*shown}
    kinds = {node.name: node for node in typed.network.nodes}
    assert {kinds[one].layer.keyword for one in hidden} <= {"identity"}  # type: ignore[union-attr]


# --- layout -----------------------------------------------------------------------------------


def problems(placed: Placed) -> list[str]:
    """What lies on something else, or beyond the page."""
    found = []
    boxes = [(one.box.title, one.rect) for one in placed.boxes]
    notes = [(one.text, one.rect) for one in placed.notes]
    for (name, rect), (other, second) in combinations((*boxes, *notes), 2):
        if rect.meets(second):
            found.append(f"{name} lies on {other}")
    for name, rect in (*boxes, *notes, *((str(one.title), one.rect) for one in placed.frames)):
        if rect.x < -0.1 or rect.y < -0.1 or rect.right > placed.width + 0.1:
            found.append(f"{name} leaves the page")
        if rect.bottom > placed.height + 0.1:
            found.append(f"{name} leaves the page below")
    for frame in placed.frames:
        for name, rect in boxes:
            if frame.rect.meets(rect) and not frame.rect.holds(rect):
                found.append(f"{name} lies across {frame.title}")
    for first, second in combinations([frame.rect for frame in placed.frames], 2):
        if first.meets(second) and not (first.holds(second) or second.holds(first)):
            found.append("frames overlap")
    found += [
        f"{one.box.title} is wider than its box"
        for one in placed.boxes
        if any(line.width > one.rect.width for line in one.label.lines)
    ]
    for wire in placed.wires:
        for (x0, y0), (x1, y1) in pairwise(wire.points):
            if abs(x0 - x1) > 0.01:
                continue
            for name, rect in boxes:
                if (
                    rect.x + 0.1 < x0 < rect.right - 0.1
                    and min(y0, y1) < rect.bottom - 0.1
                    and (rect.y + 0.1 < max(y0, y1))
                ):
                    found.append(f"a line crosses {name}")
    return found


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_nothing_lies_on_anything_else(name: str, expand: bool) -> None:
    pytest.importorskip("igraph")
    assert problems(page(diagram(cnndsl.load(name).typed, expand=expand))) == []


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["svg", "png", "pdf", "dot", "mermaid"])
def test_equal_networks_give_equal_bytes_in_every_process(format: str) -> None:
    pytest.importorskip("igraph")
    program = (
        "import cnndsl, hashlib; from cnndsl.plots.diagram.draw import drawn;"
        f"print(hashlib.sha256(drawn(cnndsl.load('resnet18').typed, {format!r})).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_without_igraph_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(cnndsl.UserError) as caught:
        drawn(cnndsl.load("googlenet").typed, "svg")
    assert caught.value.code == "CNN620"
    for format in ("dot", "mermaid"):
        assert drawn(cnndsl.load("googlenet").typed, format)
    assert drawn(cnndsl.load("lenet5").typed, "svg")


# --- feature maps -----------------------------------------------------------------------------

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
