"""ONNX Runtime moves a Transpose through what stands behind it; layers must mean the same then."""

from __future__ import annotations

import numpy
import onnxruntime
import pytest

import cnndsl
from cnndsl.graph.artifact import Artifact

LAYERS = (
    "pad 1",
    "pad [0, 1, 2, 0] value 2",
    "pad 2 mode edge",
    "pad [1, 0, 3, 2] channels [0, 1] mode reflect",
    "crop 3x4 offset 1",
    "slice 1..4 axis height step 2",
    "upsample 2",
    "upsample 2x1 mode bilinear",
    "upsample size 4x11 mode bilinear align_corners yes",
    "upsample size 9x5",
    "maxpool 2 dilation 3 padding 2 stride 1",
    "maxpool 3 rounding ceil",
    "avgpool 3 stride 2 padding 1 rounding ceil count_padding yes",
    "localconv 2@3 padding 1",
    "split [2, 4] axis height",
    "globallppool keep yes",
    "lppool 2",
    "instancenorm",
    "softmax",
    "maxout 2",
    "prelu",
)
TURNED = {
    "transpose": ("transpose [1, 2, 0]", "transpose [2, 0, 1]"),
    "layernorm": ("layernorm over channels", "layernorm over channels"),
}


@pytest.mark.parametrize(
    ("how", "batch"), [("transpose", None), ("transpose", 2), ("layernorm", 2)]
)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_between_transposes_computes_the_same(
    layer: str, how: str, batch: int | None
) -> None:
    before, after = TURNED[how]
    dims = "4x6x6" if how == "layernorm" else "6x4x6"
    head = "a, b = " if layer.startswith("split") else ""
    chain = f"{before} -> {head}{layer}"
    if head:
        chain = f"{before}\n{head}{layer}\na"
    network = cnndsl.parse(f"input {dims}\n{chain} -> {after}\n")
    model = network.compile(seed=1, batch=batch, device="cpu")
    x = numpy.random.default_rng(1).normal(size=(2, *map(int, dims.split("x"))))
    samples = x.astype(numpy.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert isinstance(model.source, Artifact)
    plain = onnxruntime.InferenceSession(
        model.source.to_bytes(), options, providers=["CPUExecutionProvider"]
    )
    (expected,) = plain.run(None, {"input": samples})
    numpy.testing.assert_allclose(model.run(samples), expected, rtol=1e-5, atol=1e-6)
