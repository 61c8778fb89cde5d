"""What cnndsl compiled comes back, without its metadata, with the same counts and answers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from documents import ROOT
from imported_models import assert_same, import_model

import cnndsl
from cnndsl.analysis.cost import quantity

SPECS = [path.stem for path in sorted((ROOT / "specs").glob("*.cnn"))]


def bare_model(spec: str, folder: Path) -> onnx.ModelProto:
    """A spec compiled, without what says so."""
    network = cnndsl.load(spec)
    network.compile(device="cpu").save(folder / "own.onnx")
    model = onnx.load(folder / "own.onnx")
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("name")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
def test_a_compiled_model_comes_back(spec: str, tmp_path: Path) -> None:
    typed = cnndsl.load(spec).typed
    model = bare_model(spec, tmp_path)
    found = import_model(model, tmp_path)
    for name in ("params", "macs"):
        assert quantity(found.network, name) == quantity(typed, f"inference_{name}")
    assert_same(model, found, tmp_path)


QUICK = ("lenet5", "lenet1989", "siamese", "textcnn", "neocognitron", "resnet20", "maxout-mnist")


@pytest.mark.parametrize("spec", QUICK)
def test_a_small_compiled_model_comes_back(spec: str, tmp_path: Path) -> None:
    typed = cnndsl.load(spec).typed
    model = bare_model(spec, tmp_path)
    found = import_model(model, tmp_path)
    for name in ("params", "macs"):
        assert quantity(found.network, name) == quantity(typed, f"inference_{name}")
    assert_same(model, found, tmp_path)
