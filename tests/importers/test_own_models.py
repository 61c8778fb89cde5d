"""What cnndsl compiled comes back, without its metadata, with the same counts and answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import ROOT
from imported_models import assert_same, bare, import_model

from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.graph.compile_options import Form

SPECS = [path.stem for path in sorted((ROOT / "specs").glob("*.cnn"))]

QUICK = ("lenet5", "lenet1989", "siamese", "textcnn", "neocognitron", "resnet20", "maxout-mnist")

FOLDED = (
    *("activity-week", "densenet121", "efficientnetb0", "go-policy-value", "googlenet-bn"),
    *("inceptionv3", "medmnist-resnet18-3d", "mobilenetv1", "mobilenetv2", "mobilenetv3"),
    *("octresnet26", "resnet50", "resnet50-v1", "resnext50", "se-resnet50", "shufflenetv2"),
    *("spoken-digits", "torchvision-googlenet", "vgg11-bn", "wideresnet16-4", "xception"),
)
"""One of each family with batch normalisation: without any, a folded model is the plain one."""


def comes_back(spec: str, form: Form, folder: Path) -> None:
    """Compile a spec without what says what it was, bring it in, and compare."""
    typed = pipeline.load(spec)
    model = bare(pipeline.compile(typed, form=form))
    found = import_model(model, folder)
    (macs, *_), (params, *_) = (quantity(typed, f"inference_{name}") for name in ("macs", "params"))
    assert quantity(found.network, "macs")[0] == macs
    if form == "plain":
        assert found.params == params
    assert_same(model, found, folder)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [one for one in SPECS if one not in QUICK])
def test_a_compiled_model_comes_back(spec: str, tmp_path: Path) -> None:
    comes_back(spec, "plain", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("spec", FOLDED)
def test_a_folded_model_comes_back(spec: str, tmp_path: Path) -> None:
    comes_back(spec, "folded", tmp_path)


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize("spec", QUICK)
def test_a_small_compiled_model_comes_back(spec: str, form: Form, tmp_path: Path) -> None:
    comes_back(spec, form, tmp_path)
