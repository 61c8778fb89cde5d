"""Written one layer after the other, a network keeps the names that it has in the source."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnndsl
from cnndsl.importers.networks.labels import Namer

NET = """
name: "n"
input: "data"
input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 8 kernel_size: 3 bias_term: false } }
layer { name: "conv1/bn" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "conv1/scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "fire2/squeeze1x1" type: "Convolution" bottom: "conv1" top: "s" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "fire2/expand1x1" type: "Convolution" bottom: "s" top: "a" convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "fire2/expand3x3" type: "Convolution" bottom: "s" top: "b" convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "fire2/concat" type: "Concat" bottom: "a" bottom: "b" top: "c" }
"""  # noqa: E501


def test_names_with_slashes_become_names_with_dots(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(NET, encoding="utf-8")
    found = cnndsl.import_network(tmp_path / "n.prototxt", blocks=False)
    assert found.names == {
        "conv1": "conv1",
        "conv1/bn": "conv1.bn",
        "fire2/squeeze1x1": "fire2.squeeze1x1",
        "fire2/expand1x1": "fire2.expand1x1",
        "fire2/expand3x3": "fire2.expand3x3",
    }
    assert "fire2.concat: concat(" in found.text


def test_in_blocks_names_have_no_dots(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(NET, encoding="utf-8")
    assert "fire2_squeeze1x1: conv" in cnndsl.import_network(tmp_path / "n.prototxt").text


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("layer1.0.conv1", "layer1.0.conv1"),
        ("a/b c", "a.b_c"),
        ("1.conv", "_1_conv"),
        ("repeat.conv", "repeat_conv"),
        ("a..b", "a.b"),
        ("…/b", "b"),
        ("plain", "plain"),
        (f"{'x' * 70}.y", "x" * 38 + "_y"),
        (f"stem/{'word_' * 10}end", f"stem.{'word_' * 10}end"),
        (f"stem/{'word_' * 20}end", f"{'word_' * 7}end"),
    ],
)
def test_a_name_with_dots_is_one_of_a_spec(label: str, name: str) -> None:
    assert Namer().take_path(label) == name


def test_a_name_is_given_once() -> None:
    names = Namer()
    assert [names.take_path("a.b") for _ in range(3)] == ["a.b", "a_b", "a_b2"]
