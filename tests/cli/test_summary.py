"""`cnndsl summary`: the table, the JSON and the Markdown of real specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnndsl.cli.columns import WIDTH
from cnndsl.cli.summary import summary
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.quantities import Quantity
from cnndsl.resources import docs

SPEC = """\
network small
input 3x32x32
param classes = 10
stem: conv 8@3x3 padding 1 bias no -> batchnorm -> relu
block pair(width) {
  conv width@3 padding 1 -> relu -> conv width@3 stride 1 padding 1
}
body: pair(16)
flatten
head: dense classes

train {
  optimizer adam
  batch 16
  freeze stem
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "small.cnn"
    path.write_text(SPEC, encoding="utf-8")
    return str(path)


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(summary, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def totals(text: str) -> dict[str, int]:
    """The totals of the text, by their names."""
    lines = text.rpartition("\n\n")[2].splitlines()
    cells = [line.strip().split("  ", 1) for line in lines]
    return {name: int(rest.split()[0].replace(",", "")) for name, rest in cells}


def test_the_table_of_lenet5() -> None:
    lines = printed("lenet5").splitlines()
    assert lines[0] == "lenet5: 1x32x32 -> 10"
    row = next(line.split() for line in lines if line.startswith("C3 "))
    assert row == ["C3", "conv", "16@5x5", "16x10x10", "2,416", "240,000", "6,400", "14x14"]


def test_the_totals_say_how_they_are_counted() -> None:
    text = printed("lenet5")
    assert totals(text)["parameters"] == 61_706
    assert totals(text)["MACs"] == 416_520
    assert totals(text)["FLOPs"] == 833_040
    assert "twice the MACs" in text


@pytest.mark.parametrize("name", shipped_specs())
def test_no_line_is_wider_than_a_terminal_and_none_ends_in_spaces(name: str) -> None:
    for line in printed(name).splitlines():
        assert len(line) <= WIDTH
        assert line == line.rstrip()


def test_no_layer_s_text_is_cut_and_values_stay_with_their_names() -> None:
    lines = printed("resnet152").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("conv1 "))
    assert lines[start].split()[:2] == ["conv1", "conv"]
    assert [line.strip() for line in lines[start + 1 : start + 3]] == [
        "stride 2",
        "padding 3 bias no",
    ]
    assert "…" not in "\n".join(lines)


def test_large_numbers_are_shortened_only_where_there_is_no_room() -> None:
    assert "118.0M" in printed("resnet152")
    lines = printed("lenet5").splitlines()
    assert any("117,600" in line for line in lines)


def test_long_names_have_lines_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "long.cnn"
    name = "a" * 60
    path.write_text(f"input 3x32x32\n{name}: conv 8@3 padding 1\nflatten -> dense 2\n")
    lines = printed(str(path)).splitlines()
    at = lines.index(name)
    assert lines[at + 1].split()[:2] == ["conv", "8@3"]
    assert max(map(len, lines)) <= WIDTH


def test_layers_of_a_block_stand_below_its_name_with_their_numbers_filled_in(spec: str) -> None:
    lines = printed(spec).splitlines()
    start = lines.index("body")
    assert lines[start + 1].startswith("  conv1")
    assert "conv 16@3 padding 1  " in lines[start + 1]
    assert [line[0] == " " for line in lines[start + 1 : start + 5]] == [True] * 3 + [False]


def test_frozen_parameters_are_told_apart(spec: str) -> None:
    found = totals(printed(spec))
    assert found["learning"] + found["frozen"] == found["parameters"]
    assert found["frozen"] == 8 * 27
    assert found["adam state"] == 2 * found["gradients"] == 2 * 4 * found["learning"]


def test_the_batch_of_the_recipe_counts_unless_another_is_given(spec: str) -> None:
    own, given = printed(spec), printed(spec, "--batch", "32")
    assert "batch 16 with adam" in own
    assert "inference, batch 1" in own
    assert "batch 32 with adam" in given
    assert totals(given)["activations"] == 2 * totals(own)["activations"]
    assert totals(given)["peak activations"] == 32 * totals(own)["peak activations"]


def test_the_json_of_lenet5() -> None:
    data = json.loads(printed("lenet5", "--format", "json"))
    assert list(data) == [
        "name",
        "input",
        "output",
        "layers",
        "params",
        "buffers",
        "trainable_params",
        "inference_params",
        "macs",
        "inference_macs",
        "depth",
        "weight_bytes",
        "peak_activation_bytes",
        "training_bytes",
    ]
    assert (data["name"], data["input"], data["output"]) == ("lenet5", "1x32x32", "10")
    assert (data["params"], data["macs"], data["weight_bytes"]) == (61_706, 416_520, 246_824)
    assert data["layers"][0] == {
        "name": "C1",
        "layer": "conv",
        "output": "6x28x28",
        "params": 156,
        "macs": 117_600,
        "activation_bytes": 18_816,
        "receptive_field": "5x5",
    }


def test_json_and_text_agree(spec: str) -> None:
    data, text = json.loads(printed(spec, "--format", "json")), totals(printed(spec))
    assert data["params"] == text["parameters"]
    assert data["trainable_params"] == text["learning"]
    assert data["buffers"] == text["buffers"]
    assert data["peak_activation_bytes"] == text["peak activations"]
    assert data["training_bytes"] == text["training step"]


def test_the_markdown_is_a_table_with_full_names(spec: str) -> None:
    lines = printed(spec, "--format", "markdown").splitlines()
    assert lines[0] == "## small: 3x32x32 -> 10"
    assert any(line.startswith("| body.conv1 | conv 16@3 padding 1 | 16x32x32 |") for line in lines)
    assert len({line.count("|") for line in lines if line.startswith("| body")}) == 1


def test_a_parameter_can_be_set(spec: str) -> None:
    data = json.loads(printed(spec, "-D", "classes=7", "--format", "json"))
    assert data["output"] == "7"


@pytest.mark.parametrize("batch", ["0", "-1", "many", "99999999999"])
def test_a_batch_that_is_none_is_a_usage_error(batch: str) -> None:
    assert CliRunner().invoke(summary, ["lenet5", "--batch", batch]).exit_code == 2


# --- the page ---------------------------------------------------------------------------------


def test_the_page_shows_what_is_printed() -> None:
    page = (docs() / "summary.md").read_text(encoding="utf-8")
    shown = page.split("```console\n$ cnndsl summary lenet5\n")[1].split("...\n```")[0]
    assert printed("lenet5").startswith(shown)


def test_the_page_explains_every_number() -> None:
    page = (docs() / "summary.md").read_text(encoding="utf-8")
    data = json.loads(printed("lenet5", "--format", "json"))
    names = {*data, *data["layers"][0], *Quantity} - {"layers"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    for name in totals(printed("lenet5")):
        assert name.split()[-1] in page
