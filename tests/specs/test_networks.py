"""The shipped networks: they are right, they have the papers' numbers, and they read like tables.

The numbers are those that torchvision, Keras, the ONNX light models and the papers agree on; they
stand here a second time so that a spec and its own claims cannot drift together.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from cnndsl import resources
from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check, check_text, typed


class Counts(NamedTuple):
    params: int
    buffers: int
    macs: int
    depth: int
    input: tuple[int, ...] = (3, 224, 224)
    output: tuple[int, ...] = (1000,)


COUNTS = {
    "lenet5": Counts(61_706, 0, 416_520, 5, (1, 32, 32), (10,)),
    "alexnet": Counts(60_965_224, 0, 724_406_816, 8, (3, 227, 227)),
    "alexnet-ungrouped": Counts(62_378_344, 0, 1_135_256_096, 8, (3, 227, 227)),
    "vgg16": Counts(138_357_544, 0, 15_470_264_320, 16),
    "vgg19": Counts(143_667_240, 0, 19_632_062_464, 19),
    "googlenet": Counts(6_998_552, 0, 1_582_671_872, 22),
    "resnet18": Counts(11_689_512, 9_600, 1_814_073_344, 18),
    "resnet50": Counts(25_557_032, 53_120, 4_089_184_256, 50),
    "resnet152": Counts(60_192_808, 151_424, 11_513_626_624, 152),
    "densenet121": Counts(7_978_856, 83_648, 2_834_161_664, 121),
}

STAGES = {
    "lenet5": 8,
    "alexnet": 10,
    "alexnet-ungrouped": 10,
    "vgg16": 7,
    "vgg19": 7,
    "googlenet": 17,
    "resnet18": 8,
    "resnet50": 8,
    "resnet152": 8,
    "densenet121": 11,
}
"""How many rows of the paper's table each spec claims the shape of."""


def text_of(name: str) -> str:
    return (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")


def test_every_shipped_network_is_counted_here() -> None:
    assert set(shipped_specs()) == set(COUNTS) == set(STAGES)


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_is_clean(name: str) -> None:
    assert check(name).diagnostics == ()


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_has_the_papers_numbers(name: str) -> None:
    counted = summarize(typed(check(name)))
    [input_dims] = counted.inputs.values()
    [output_dims] = counted.outputs.values()
    expected = COUNTS[name]
    found = (counted.params, counted.buffers, counted.macs, counted.depth)
    assert (*found, input_dims, output_dims) == expected


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_network_claims_its_numbers_and_stages(name: str) -> None:
    text = text_of(name)
    expected = COUNTS[name]
    assert f"expect params {expected.params}\n" in text
    assert f"expect macs {expected.macs}\n" in text
    assert not expected.buffers or f"expect buffers {expected.buffers}\n" in text
    assert text.count("=>") >= STAGES[name]
    assert "train {" in text


def test_resnet152_reads_like_the_papers_table() -> None:
    assert len(text_of("resnet152").splitlines()) <= 45


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "lenet5"])
def test_a_network_for_pictures_takes_any_number_of_classes(name: str) -> None:
    network = typed(check(name, {"classes": 7}))
    assert summarize(network).outputs == {"output": (7,)}


@pytest.mark.parametrize("path", sorted(resources.specs().rglob("*.cnn")), ids=lambda p: p.stem)
def test_a_shipped_file_is_clean(path: object) -> None:
    assert check(str(path)).diagnostics == ()


# --- the canonical text -----------------------------------------------------------------------


def shape_of(network: TypedNetwork) -> tuple[object, ...]:
    """What two equal networks agree on: names, layers, wiring, types, weights, recipe, inputs."""
    nodes = [
        (node.name, getattr(node, "layer", None), getattr(node, "inputs", ()))
        for node in network.network.nodes
    ]
    inputs = [(node.name, node.preparation, node.vocabulary) for node in network.network.inputs]
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
    original = typed(check(name))
    text = canonical_text(original.network)
    again = check_text(text, f"{name}.cnn")
    assert again.diagnostics == ()
    assert shape_of(typed(again)) == shape_of(original)
    assert canonical_text(typed(again).network) == text


def test_the_canonical_text_stands_on_its_own() -> None:
    text = canonical_text(typed(check("resnet50", {"classes": 7})).network)
    assert "import" not in text
    assert "param classes = 7\n" in text
