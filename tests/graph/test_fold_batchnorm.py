"""Batch normalisations as part of what they follow: the same answers from fewer operators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy
import pytest
from oracle import draw, relative_error
from safetensors.numpy import save_file

from cnndsl import pipeline
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.compile_options import Form
from cnndsl.runtime.model import Model

FOLDED = {
    "conv": "conv 4@3 -> batchnorm -> relu",
    "without bias": "conv 4@3 bias no -> batchnorm",
    "groups": "conv 6@3 groups 3 -> batchnorm -> relu",
    "depthwise": "depthwise 3 multiplier 2 -> batchnorm -> relu",
    "upconv": "upconv 5@2 stride 2 -> batchnorm -> relu",
    "dense": "flatten -> dense 5 -> batchnorm -> tanh",
    "two": "conv 4@3 -> batchnorm -> batchnorm -> relu",
    "eps": "conv 4@3 -> batchnorm eps 0.5",
}
"""Normalisations that leave nothing."""

KEPT = {
    "pool": ("maxpool 2 -> batchnorm -> relu", 1),
    "upconv in groups": ("upconv 6@2 stride 2 groups 3 -> batchnorm", 1),
    "read twice": ("c: conv 3@1 -> b: batchnorm\nadd(b, c)", 1),
    "an output": ("c: conv 3@1 -> batchnorm\noutput c", 1),
    "first": ("batchnorm eps 0.1 -> relu -> conv 3@3 -> batchnorm", 1),
    "shared": (
        "block part() { conv 3@1 -> batchnorm }\nsource = identity\n"
        "one = source -> a: part()\ntwo = source -> relu -> b: part() share a\nadd(one, two)",
        2,
    ),
    "table": ("conv 2@3 table [[0, 1], [1, 2]] -> batchnorm", 1),
}
"""Normalisations that stay, and how many of them."""


def forms(body: str, folder: Path, *, statistics: float = 1.0) -> dict[Form, Artifact]:
    network = pipeline.typed(pipeline.check_text(f"input 3x8x8\n{body}\n"))
    shapes = {
        name: weight.shape
        for at in range(len(network.weights))
        for name, weight in network.weights_of(at).items()
    }
    arrays = draw(shapes)
    for name in arrays:
        if name.endswith((".mean", ".var")):
            arrays[name] *= numpy.float32(statistics)
    save_file(arrays, folder / "weights.safetensors")
    names: tuple[Form, ...] = ("plain", "folded", "float16")
    weights = folder / "weights.safetensors"
    return {name: pipeline.compile(network, weights=weights, form=name) for name in names}


def operators(model: Artifact) -> Counter[str]:
    return Counter(node.op_type for node in model.graph_only.graph.node)


def answers(model: Artifact) -> numpy.typing.NDArray[numpy.float32]:
    x = numpy.random.default_rng(1).standard_normal((4, 3, 8, 8), numpy.float32)
    return Model(model, device="cpu").run(x)


@pytest.mark.parametrize("body", FOLDED.values(), ids=FOLDED)
def test_a_normalisation_behind_a_product_becomes_part_of_it(body: str, tmp_path: Path) -> None:
    made = forms(body, tmp_path)
    assert not operators(made["folded"])["BatchNormalization"]
    assert relative_error(answers(made["folded"]), answers(made["plain"])) < 2e-6
    names = {name for node in made["folded"].graph_only.graph.node for name in node.input}
    assert set(made["folded"].weights) <= names


@pytest.mark.parametrize(("body", "count"), KEPT.values(), ids=KEPT)
def test_a_normalisation_that_others_see_stays(body: str, count: int, tmp_path: Path) -> None:
    made = forms(body, tmp_path)
    assert operators(made["folded"])["BatchNormalization"] == count
    plain, folded = answers(made["plain"]), answers(made["folded"])
    assert relative_error(folded, plain) < 2e-6


def test_one_that_stays_has_its_statistics_in_its_factors(tmp_path: Path) -> None:
    made = forms("maxpool 2 -> batchnorm", tmp_path)["folded"].weights
    assert not made["batchnorm1.mean"].any()
    assert (made["batchnorm1.var"] == 1).all()


@pytest.mark.parametrize("statistics", [1e-7, 1e6])
@pytest.mark.parametrize("body", ["conv 4@3 -> batchnorm", "maxpool 2 -> batchnorm"])
def test_statistics_beyond_float16_are_no_harm(
    body: str, statistics: float, tmp_path: Path
) -> None:
    made = forms(body, tmp_path, statistics=statistics)
    assert relative_error(answers(made["float16"]), answers(made["plain"])) < 5e-3


def test_a_layers_name_stands_for_no_value_that_is_no_more(tmp_path: Path) -> None:
    made = forms("a: conv 3@3 -> n: batchnorm -> r: relu", tmp_path)["folded"]
    values = {name for node in made.graph_only.graph.node for name in node.output}
    assert set(made.manifest.layers.values()) <= values
    assert {"n"} <= values
    assert "a" not in values
