"""Random networks come back from their own compiled models: the same counts, the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from imported_models import answers, assert_same, bare, import_model
from random_networks import Writer

import cnndsl
from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.compile_options import Form


def comes_back(seed: int, form: Form, folder: Path) -> None:
    """Compile a random network without what says what it was, bring it in, and compare."""
    text, x, _ = Writer(seed).write(layers=1 + seed % 8)
    network = cnndsl.parse(text)
    model = bare(pipeline.compile(network.typed, form=form, seed=seed))
    try:
        found = import_model(model, folder)
    except UserError as error:
        if error.code != "CNN671" or "no layer" not in error.message:
            raise
        return  # of nothing but `identity` and what training drops there is nothing to write
    if form == "plain":
        for name in ("params", "macs"):
            wanted = quantity(network.typed, f"inference_{name}")
            assert quantity(found.network, name) == wanted, (seed, text, found.text)
    spec, weights = found.save(folder / "imported.cnn")
    other = bare(pipeline.compile(cnndsl.load(spec).typed, weights=weights))
    given = x.astype(numpy.float32)
    theirs = answers(model, {model.graph.input[0].name: given})
    ours = answers(other, {other.graph.input[0].name: given})
    for one, two in zip(theirs, ours, strict=True):
        largest = max(1.0, float(numpy.abs(one).max()))
        near = 2e-2 if form == "float16" else 1e-4
        assert numpy.abs(one - two.reshape(one.shape)).max() <= near * largest, (seed, text)


@pytest.mark.parametrize("form", ["plain", "folded", "float16"])
@pytest.mark.parametrize("seed", range(40))
def test_a_random_network_comes_back(form: Form, seed: int, tmp_path: Path) -> None:
    comes_back(seed, form, tmp_path)


def keywords(typed: TypedNetwork) -> list[str]:
    nodes = [one for one in typed.network.nodes if isinstance(one, LayerNode)]
    return sorted(one.layer.keyword for one in nodes if one.layer.keyword != "identity")


@pytest.mark.parametrize(
    "text",
    [
        "lrn 5 alpha 0.5 beta 0.5 k 1.0",
        "lrn 11 beta 0.75",
        "lrn 11 beta 0.4",
        "lrn 3 beta 0.3 region within",
        "add(lrn 5 alpha 0.01 k 1.0 -> tanh, lrn 1 alpha 0.5 k 1.0 -> sigmoid)",
        "maxpool [3, 1] stride 2x1 dilation 2x1 padding full",
        "multiply(sumpool 3 stride 1 padding same, sumpool 2 stride 1 padding same)",
        "add(lrn 3 -> tanh, lrn 3 -> relu, prelu, prelu, silu, silu -> tanh)",
        "maximum(lppool 2 stride 1 padding same p 2, lppool 2 stride 1 padding same p 1)",
    ],
)
@pytest.mark.parametrize("form", ["plain", "folded", "float16"])
def test_layers_of_many_operators_come_back_whole(text: str, form: Form, tmp_path: Path) -> None:
    network = cnndsl.parse(f"input 4x7x5\n{text}\n")
    model = bare(pipeline.compile(network.typed, form=form))
    found = import_model(model, tmp_path)
    if form != "float16":  # there a pool's padding is a layer of its own
        assert keywords(found.network) == keywords(network.typed)
    assert_same(model, found, tmp_path, 2e-2 if form == "float16" else 1e-3)
