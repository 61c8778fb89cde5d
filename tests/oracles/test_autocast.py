"""A step in mixed precision loses no more digits than PyTorch's `autocast` does."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from gradients import OPERATORS
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from cnndsl import pipeline
from cnndsl.training.step import build_step

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

SPEC = """input 2x10x10
C1: conv 6@3 padding 1 -> tanh -> maxpool 2
C2: conv 8@3 bias no -> B2: batchnorm -> relu -> globalavgpool
F3: dense 5 -> sigmoid -> F4: dense 3 -> softmax
train {
  optimizer sgd lr 1
  batch 6
  precision float16
}
"""
SCALE = 256.0


def scores(w: dict[str, Any], x: Any) -> Any:
    x = F.max_pool2d(torch.tanh(F.conv2d(x, w["C1.weight"], w["C1.bias"], padding=1)), 2)
    x = F.conv2d(x, w["C2.weight"])
    x = F.batch_norm(x, None, None, w["B2.scale"], w["B2.bias"], training=True)
    x = F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1)
    x = torch.sigmoid(F.linear(x, w["F3.weight"], w["F3.bias"]))
    return F.linear(x, w["F4.weight"], w["F4.bias"])


def torch_gradients(
    weights: dict[str, NDArray[Any]], x: NDArray[Any], labels: NDArray[Any], *, low: bool
) -> dict[str, NDArray[Any]]:
    """In float64, or in float32 with autocast to float16 and a scaled loss."""
    dtype, scale = (torch.float32, SCALE) if low else (torch.float64, 1.0)
    tensors = {n: torch.tensor(one, dtype=dtype, requires_grad=True) for n, one in weights.items()}
    with torch.autocast("cpu", torch.float16, enabled=low):
        found = scores(tensors, torch.tensor(x, dtype=dtype))
        loss = F.cross_entropy(found.to(dtype), torch.tensor(labels))
    (loss * scale).backward()
    return {name: numpy.asarray(one.grad.double()) / scale for name, one in tensors.items()}


def test_gradients_are_as_near_to_float64_as_those_of_autocast() -> None:
    step = build_step(pipeline.typed(pipeline.check_text(SPEC)), target="cuda")
    random, signature = numpy.random.default_rng(1), step.signature
    values = {
        name: (random.normal(size=dims) * 0.5 + name.endswith("scale")).astype(numpy.float32)
        for name, dims in signature.weights.items()
    }
    x = random.normal(size=signature.samples["input"]).astype(numpy.float32)
    labels = random.integers(3, size=6)
    learning = {one: values[one] for one in values if not one.endswith(("mean", "var"))}
    exact = torch_gradients(learning, x, labels, low=False)
    theirs = torch_gradients(learning, x, labels, low=True)
    feeds = {
        **values,
        **signature.initial_state(),
        "loss_scale": numpy.float32(SCALE),
        **signature.feeds({"input": x}, labels, lr=1.0),
    }
    reference = ReferenceEvaluator(step.to_proto(), new_ops=[*OPERATORS])
    found: Any = reference.run(None, feeds)
    results = dict(zip(reference.output_names, found, strict=True))
    assert results[signature.overflow] == 0
    for name, right in exact.items():
        ours = values[name].astype(numpy.float64) - results[signature.next_names[name]]
        size = numpy.linalg.norm(right)
        lost, theirs_lost = (numpy.linalg.norm(one - right) / size for one in (ours, theirs[name]))
        assert 1e-6 < lost < 1e-2, name
        assert lost < 2 * theirs_lost + 5e-4, name
