"""HTML of problems, networks and results says what their texts say, whatever is in them."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy
import pytest
from documents import ROOT
from PIL import Image
from typing_extensions import override

import cnndsl
from cnndsl.diagnostics.render import render_text
from cnndsl.display.diagnostics import ansi_as_html, diagnostics_html
from cnndsl.display.html import Column, bar, escaped, table
from cnndsl.pipeline import check_text
from cnndsl.runtime.prediction import Prediction
from cnndsl.typecheck.answers import Answers

EVIL = '<script>alert("x")</script>&amp;\x1b[31m'


class Page(HTMLParser):
    """The text of a page, its elements, and whether each is closed."""

    def __init__(self, body: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(body)
        self.close()
        assert self.open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


CASES = sorted((ROOT / "tests" / "ui").glob("*.cnn"))


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: case.stem)
def test_problems_read_as_in_a_terminal(case: Path) -> None:
    found = check_text(case.read_bytes().decode("utf-8", "replace"), str(case)).diagnostics
    page = Page(diagnostics_html(found))
    assert page.text == render_text(found)
    assert page.tags <= {"pre", "span"}


def test_the_place_is_underlined_in_red() -> None:
    found = check_text("input 3x224x224\nconv 96@11 stride 4\n").diagnostics
    body = diagnostics_html(found)
    assert re.search(r'<span style="color:#e5484d[^"]*">\^\^ its input is 3x224x224</span>', body)


def test_what_is_in_a_spec_is_no_html() -> None:
    found = check_text(f'input 1x8x8\nclasses "{EVIL}", "<b>"\nrelu <i>\n').diagnostics
    page = Page(diagnostics_html(found))
    assert page.tags <= {"pre", "span"}
    assert "<i>" in page.text


def test_escapes_of_others_are_none() -> None:
    assert ansi_as_html("a\x1b[9mb\x1b[0m<") == "ab&lt;"
    assert escaped(EVIL).count("<") == 0
    assert "\x1b" not in escaped(EVIL)


def test_cells_of_a_table_are_text() -> None:
    page = Page(table([Column(EVIL, [EVIL, "b"], words=True), Column("n", ["1", "2"])], marked=[1]))
    assert page.tags == {"div", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.text.startswith("<script>alert")
    rows = [attributes for tag, attributes in page.elements if tag == "tr"]
    assert "#e5484d" in str(rows[2]["style"])
    assert "#e5484d" not in str(rows[1]["style"])


@pytest.mark.parametrize(
    ("share", "width"), [(0.5, "50.0%"), (2.0, "100.0%"), (-1.0, "0.0%"), (float("nan"), "0.0%")]
)
def test_a_bar_stays_within_its_frame(share: float, width: str) -> None:
    assert f"width:{width}" in bar(share)


def test_a_network_shows_its_table_and_its_picture() -> None:
    network = cnndsl.load("lenet5")
    page = Page(network._repr_html_())
    assert "lenet5 1x32x32 → 10 · 61,706 parameters" in page.text
    for name in network.layers:
        assert name in page.text
    [picture] = [attributes for tag, attributes in page.elements if tag == "img"]
    assert str(picture["src"]).startswith("data:image/svg+xml;base64,")
    assert repr(network) == "<Network lenet5: 1x32x32 -> 10>"


def test_a_network_of_many_boxes_is_not_drawn_unasked() -> None:
    layers = "".join(f"conv {at % 7 + 1}@1 -> relu\n" for at in range(600))
    page = Page(cnndsl.parse(f"input 1x8x8\n{layers}", "long.cnn")._repr_html_())
    assert "img" not in page.tags
    told = r'its picture would have [\d,]+ boxes: `draw\("long.svg"\)` makes it'
    assert re.search(told, page.text)
    assert "201 more layers; `summary()` has them all" in page.text
    assert page.text.count("relu") < 1001


def test_a_network_whose_blocks_are_drawn_once_is_drawn() -> None:
    page = Page(cnndsl.load("resnet152")._repr_html_())  # 562 layers, and 14 boxes
    assert "img" in page.tags
    assert "more layers" not in page.text


def test_warnings_stand_above_the_network() -> None:
    page = Page(cnndsl.parse("input 1x8x8\nlet n = 3\nconv 4@3\n")._repr_html_())
    assert page.text.startswith("warning[CNN122]")


def prediction(source: Path, scores: list[float], **more: object) -> Prediction:
    outputs = {"output": numpy.array(scores, numpy.float32)}
    answers = {"output": Answers("probability", ranked=True, places=())}
    return Prediction(EVIL, source, outputs, {}, ("cat", EVIL), answers)


def test_an_answer_stands_beside_its_picture(tmp_path: Path) -> None:
    Image.new("RGB", (400, 200), "red").save(tmp_path / "a.png")
    page = Page(prediction(tmp_path / "a.png", [0.25, 0.75])._repr_html_())
    [picture] = [attributes for tag, attributes in page.elements if tag == "img"]
    assert "width:128px" in str(picture["style"])
    assert page.text.index("0.75") < page.text.index("cat") < page.text.index("0.25")
    assert "script" not in page.tags


def test_an_answer_for_what_is_no_picture_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG broken")
    os.mkfifo(tmp_path / "pipe.png")  # nobody waits for it
    for name in ("a.png", "none.npy", "pipe.png"):
        page = Page(prediction(tmp_path / name, [0.25, 0.75])._repr_html_())
        assert "img" not in page.tags
        assert "0.75" in page.text


def test_scores_of_many_classes_are_the_worst_ten() -> None:
    confusion = numpy.diag(numpy.arange(1, 41))
    confusion[:5, 5] = 3
    names = tuple(f"c{at}" for at in range(40))
    evaluation = cnndsl.Evaluation(0.5, 0.9, 0.99, 820, names, confusion)
    page = Page(evaluation._repr_html_())
    assert "the worst 10 of 40 classes" in page.text
    assert "c0" in page.text
    assert "c39" not in page.text
    assert "top1 90.0%" in page.text
    assert "img" in page.tags


def test_an_evaluation_without_classes_has_numbers_only() -> None:
    page = Page(cnndsl.Evaluation(0.5, None, None, 8, mae=0.25, rmse=0.5)._repr_html_())
    assert "loss 0.5 · MAE 0.25 · RMSE 0.5" in page.text
    assert "img" not in page.tags
