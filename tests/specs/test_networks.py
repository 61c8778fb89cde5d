"""The shipped networks: they are right, they have the papers' numbers, and they read like tables.

The numbers are in ``tests/support/network_counts.py``, a row for each network.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from network_counts import COUNTS

from cnndsl import resources
from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.pipeline import check, check_text, typed


def text_of(name: str) -> str:
    return (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")


@cache
def network_of(name: str) -> TypedNetwork:
    """A shipped network; checked once for all tests here."""
    return typed(check(name))


def test_every_shipped_network_is_counted() -> None:
    assert set(shipped_specs()) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_is_clean(name: str) -> None:
    assert check(name).diagnostics == ()


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_has_the_papers_numbers(name: str) -> None:
    counted, expected = summarize(network_of(name)), COUNTS[name]
    assert counted.params == expected.params
    assert counted.macs == expected.macs
    assert counted.buffers == expected.buffers
    assert counted.depth == expected.depth
    inference = expected.inference if any(expected.inference) else (expected.params, expected.macs)
    assert (counted.inference_params, counted.inference_macs) == inference
    assert next(iter(counted.inputs.values())) == expected.input
    assert next(iter(counted.outputs.values())) == expected.output


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_claims_its_numbers_and_stages(name: str) -> None:
    text = text_of(name)
    expected = COUNTS[name]
    claims = {"params": expected.params, "macs": expected.macs, "buffers": expected.buffers}
    claims["depth"] = expected.depth
    claims["inference_params"], claims["inference_macs"] = expected.inference
    for quantity, value in claims.items():
        assert not value or re.search(rf"(?m)^expect {quantity} {value}\b", text), quantity
    assert text.count("=>") >= expected.stages
    assert "train {" in text


def test_resnet152_reads_like_the_papers_table() -> None:
    assert len(text_of("resnet152").splitlines()) <= 45


@pytest.mark.parametrize("name", [name for name in COUNTS if COUNTS[name].output == (1000,)])
def test_a_network_for_pictures_takes_any_number_of_classes(name: str) -> None:
    network = typed(check(name, {"classes": 7}))
    assert summarize(network).outputs == {"output": (7,)}


@pytest.mark.parametrize("path", sorted(resources.specs().glob("*/*.cnn")), ids=lambda p: p.stem)
def test_a_shipped_library_is_clean(path: object) -> None:
    assert check(str(path)).diagnostics == ()


# --- the canonical text -----------------------------------------------------------------------


def shape_of(network: TypedNetwork) -> tuple[object, ...]:
    """What two equal networks agree on: names, layers, wiring, types, weights, recipe, inputs."""
    nodes = [
        (node.name, getattr(node, "layer", None), getattr(node, "inputs", ()))
        for node in network.network.nodes
    ]
    inputs = [(node.name, node.preparation, node.type) for node in network.network.inputs]
    whole = network.network
    return (
        nodes,
        inputs,
        network.types,
        network.weights,
        dict(whole.outputs),
        dict(whole.scopes),
        whole.classes,
        whole.recipe,
        dict(whole.parameters),
    )


@pytest.mark.parametrize("name", COUNTS)
def test_the_canonical_text_is_the_same_network(name: str) -> None:
    original = network_of(name)
    text = canonical_text(original.network)
    again = check_text(text, f"{name}.cnn")
    assert again.diagnostics == ()
    assert shape_of(typed(again)) == shape_of(original)
    assert canonical_text(typed(again).network) == text


def test_the_canonical_text_stands_on_its_own() -> None:
    text = canonical_text(typed(check("resnet50", {"classes": 7})).network)
    assert "import" not in text
    assert "param classes = 7\n" in text


# --- what numbers of weights cannot tell --------------------------------------------------------

BEGIN_AT_ONE = {
    "alexnet": "conv2 conv4 conv5 fc6 fc7",  # section 5
    "alexnet-ungrouped": "conv2 conv4 conv5 fc6 fc7",
    "c3d": "conv2a conv3a conv3b conv4a conv4b conv5a conv5b fc6 fc7",  # as in its Caffe files
    "c3d-small": "conv2a conv3a conv4a conv5a fc6 fc7",
}
"""Layers whose biases begin at 1; all others begin at 0."""

SLOW_STATISTICS = {"xception", "mobilenetv3", "mobilenetv3-small", "efficientnetb0"}
"""Networks whose running statistics keep 0.99 of what they were; elsewhere it is 0.9."""


def layers_of(name: str) -> dict[str, Any]:
    nodes = network_of(name).network.nodes
    return {node.name: node.layer for node in nodes if isinstance(node, LayerNode)}


@pytest.mark.parametrize("name", COUNTS)
def test_biases_begin_where_the_paper_says(name: str) -> None:
    found = {
        node: layer.bias_init
        for node, layer in layers_of(name).items()
        if getattr(layer, "bias_init", None) is not None
    }
    assert [*found] == BEGIN_AT_ONE.get(name, "").split()
    assert {one.value for one in found.values()} <= {1}


@pytest.mark.parametrize("name", COUNTS)
def test_running_statistics_move_as_fast_as_the_paper_says(name: str) -> None:
    norms = [layer for layer in layers_of(name).values() if layer.keyword == "batchnorm"]
    assert {one.momentum for one in norms} <= {0.01 if name in SLOW_STATISTICS else 0.1}


@pytest.mark.parametrize("path", sorted(resources.specs().glob("std/*.cnn")), ids=lambda p: p.stem)
def test_a_shipped_library_is_named_in_the_reference(path: Path) -> None:
    text = (resources.docs() / "language.md").read_text(encoding="utf-8")
    assert f"`std/{path.stem}`" in text
