"""The shipped networks: they are right, they have the papers' numbers, and they read like tables.

The numbers are in ``tests/support/network_counts.py``, a row for each network.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
from network_counts import COUNTS

from cnndsl import resources
from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.network import TypedNetwork
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
    if any(expected.inference):
        assert (counted.inference_params, counted.inference_macs) == expected.inference
    assert next(iter(counted.inputs.values())) == expected.input
    assert next(iter(counted.outputs.values())) == expected.output


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_claims_its_numbers_and_stages(name: str) -> None:
    text = text_of(name)
    expected = COUNTS[name]
    claims = {"params": expected.params, "macs": expected.macs, "buffers": expected.buffers}
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
