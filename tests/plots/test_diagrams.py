"""Networks as diagrams: what is one box, what is drawn once, and where it all comes to lie."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from itertools import combinations

import pytest
from diagram_problems import problems
from drawings import HOSTILE, SPECS

import cnndsl
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.dot import dot
from cnndsl.plots.diagram.draw import drawn
from cnndsl.plots.diagram.graph import Box, Diagram, Frame, Graph
from cnndsl.plots.diagram.labels import SMALL
from cnndsl.plots.diagram.mermaid import mermaid
from cnndsl.plots.diagram.page import page
from cnndsl.plots.diagram.picture import picture
from cnndsl.plots.diagram.placed import SLIDE
from cnndsl.plots.diagram.theme import THEMES, Theme
from cnndsl.plots.figure import encoded


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


def test_a_label_of_a_dropout_does_not_name_the_layer_before_it() -> None:
    text = "input 3x8x8\nconv 4@3 -> relu\nglobalavgpool\nhead: dropout 0.3 -> dense 5\n"
    assert titles(of(text).graph)[2:4] == ["globalavgpool", "dropout 0.3 dense 5"]
    labelled = "input 3x8x8\nC1: conv 4@3 -> relu\nD1: dropout 0.3\nflatten -> dense 2\n"
    assert titles(of(labelled).graph)[1] == "conv 4 @ 3×3 relu dropout 0.3"


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


def test_a_block_of_many_forms_is_drawn_once_for_each_where_that_saves_much() -> None:
    built = diagram(cnndsl.load("mobilenetv3").typed)
    assert [one.title for one in built.details] == [
        "narrow (a)", "narrow (b)", "squeezed", "narrow (c)", "narrow (d)",
    ]  # fmt: skip
    calls = [box.title for box in built.graph.boxes() if box.kind == "block"]
    assert {*calls} == {"narrow (a)", "narrow (b)", "narrow (c)", "narrow (d)"}


def test_a_call_in_a_panel_says_what_holds_in_all_calls_of_the_block() -> None:
    built = diagram(cnndsl.load("efficientnetb0").typed)
    [panel] = [one.graph for one in built.details if one.title == "mbconvs"]
    said = {box.after for box in panel.boxes() if box.kind == "block"}
    assert said == {
        ("width", "kernel", "stride", "expansion 6"), ("width", "kernel", "stride 1", "expansion 6")
    }  # fmt: skip


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


EXPANDED = ["densenet201", "fcn8s", "inceptionv3", "octresnet26", "resnet152", "unet", "xception"]


@pytest.mark.parametrize(
    ("name", "expand"), [*((name, False) for name in SPECS), *((name, True) for name in EXPANDED)]
)
def test_nothing_lies_on_anything_else(name: str, expand: bool) -> None:
    pytest.importorskip("igraph")
    assert problems(page(diagram(cnndsl.load(name).typed, expand=expand))) == []


LARGE = {"inceptionv3": 4.9, "mobilenetv3": 6.6, "octresnet26": 4.1, "octresnet50": 4.2}
"""How large the smallest words of some networks are on a slide, in points."""


@pytest.mark.parametrize("name", SPECS)
def test_a_network_is_legible_on_a_slide(name: str) -> None:
    """No text is below 7 points where the picture fills a slide: but for the largest few."""
    pytest.importorskip("igraph")
    placed = page(diagram(cnndsl.load(name).typed))
    scale = min(SLIDE[0] / placed.width, SLIDE[1] / placed.height)
    assert scale * SMALL >= LARGE.get(name, 7.0)


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


# --- hostile names and colours ----------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_a_network_stays_a_name(name: str) -> None:
    built = Diagram(name, Graph((Box("layer", "other", name, name, (name,), (name,)),), ()))
    for text in (dot(built, THEMES["light"]), mermaid(built, THEMES["light"])):
        assert not any(ord(letter) < 32 and letter != "\n" for letter in text)
        assert text.count("\n") < 15
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        assert "".join(re.split(r'"(?:[^"\\]|\\.)*"', text)).count('"') == 0, strings
    figure = picture(page(built), name, THEMES["light"])
    content = encoded(figure, "svg")
    assert ElementTree.fromstring(content).tag.endswith("svg")
    assert figure.get_size_inches()[0] * 72 < 400


SEEN_BY = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900)),
}  # fmt: skip
"""What is seen of linear red, green and blue without one kind of cones: Machado et al. (2009)."""


def lab(color: str, seen: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """A colour as it is seen, in CIELAB."""
    given = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in given]
    r, g, b = (max(0.0, sum(a * c for a, c in zip(row, linear, strict=True))) for row in seen)
    x, y, z = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("kind", SEEN_BY)
@pytest.mark.parametrize("theme", THEMES)
def test_families_of_layers_are_told_apart_by_the_colour_blind(theme: str, kind: str) -> None:
    families = THEMES[theme].families
    borders = {families[one][1] for one in ("convolution", "pooling", "dense", "shape")}
    for one, other in combinations(sorted(borders), 2):
        assert math.dist(lab(one, SEEN_BY[kind]), lab(other, SEEN_BY[kind])) > 15, (one, other)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2.2 defines it."""
    lights = sorted(
        sum(
            weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
            for weight, c in zip(
                (0.2126, 0.7152, 0.0722),
                [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)],
                strict=True,
            )
        )
        for color in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_words_stand_out_from_what_is_behind_them(theme: Theme) -> None:
    """WCAG 2.2 asks for 4.5 at level AA, for 7 at level AAA, and of lines with a meaning for 3."""
    fills = [fill for fill, _ in theme.families.values()]
    for behind in (theme.paper, theme.panel, *fills):
        assert contrast(theme.ink, behind) >= 7.0, behind
        assert contrast(theme.gray, behind) >= 4.5, behind
    for family, (fill, _) in theme.families.items():
        for behind in (fill, theme.paper, theme.panel):
            assert contrast(theme.names[family], behind) >= 4.5, (family, behind)
    for behind in (theme.paper, theme.panel):
        assert contrast(theme.line, behind) >= 3.0, behind


# --- odd networks -----------------------------------------------------------------------------

ODD = {
    "vectors": "input 5\ndense 2\n",
    "nothing": "input 1x4x4\nidentity\n",
    "twice": "input 1x4x4\nadd(identity, identity)\n",
    "an input as output": "input x 1x8x8\nconv 2@3\noutput x\n",
    "a late input": "input a 1x8x8\ninput b 2\nflatten -> f: dense 2\nadd(f, b -> dense 2)\n",
    "many branches": "input 4x8x8\nconcat(for k in 1..30 { conv 2@1 -> relu })\n",
    "skips of skips": "input 4x8x8\na: conv 4@1\nb: conv 4@1\nc: conv 4@1\nconcat(a, b, c)\n",
    "crossings": "input 4x8x8\na: conv 4@1\nx = a -> conv 4@3 padding 1\ny = a -> conv 4@1\n"
    "add(add(x, y) -> relu, multiply(x, y), a)\n",
    "parts": "input 8x8x8\na, b, c = split [4, 2, 2]\nconcat(c, b -> relu, a -> conv 2@1)\n",
    "a small U": "input 1x32x32\na: conv 4@3 padding 1\nmaxpool 2 -> b: conv 8@3 padding 1\n"
    "maxpool 2 -> conv 16@3 padding 1\nupconv 8@2 stride 2\nconcat(b, identity) -> conv 8@1\n"
    "upconv 4@2 stride 2\nconcat(a, identity) -> conv 4@1 -> conv 1@1 -> sigmoid\n",
    "a long name": f"input 4x8x8\n{'a' * 300}: conv 4@3\n",
}


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_networks_are_drawn_too(text: str, expand: bool) -> None:
    pytest.importorskip("igraph")
    typed = cnndsl.parse(text).typed
    assert problems(page(diagram(typed, expand=expand))) == []
    for format in ("dot", "mermaid"):
        assert drawn(typed, format, expand=expand)


def test_many_branches_stand_in_several_rows() -> None:
    pytest.importorskip("igraph")
    typed = cnndsl.parse("input 4x8x8\nconcat(for k in 1..30 { conv 2@1 -> relu })\n").typed
    placed = page(diagram(typed))
    rows = {one.rect.y for one in placed.boxes if one.box.family == "convolution"}
    assert len(rows) > 3
    assert placed.width < 2200


def test_feature_maps_of_too_many_chains_are_refused() -> None:
    typed = cnndsl.parse("input 4x8x8\nconcat(for k in 1..17 { conv 2@1 })\n").typed
    with pytest.raises(cnndsl.UserError) as caught:
        drawn(typed, "svg", style="volumes")
    assert caught.value.code == "CNN624"


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    pytest.importorskip("igraph")
    wide = cnndsl.parse("input 4x8x8\nconcat(for k in 1..400 { conv 2@1 })\n").typed
    with pytest.raises(cnndsl.UserError) as caught:
        drawn(wide, "png")
    assert caught.value.code == "CNN624"
