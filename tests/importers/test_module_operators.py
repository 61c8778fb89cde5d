"""What PyTorch's modules and functions do is said right, or refused: never half of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import pytest

import cnndsl
from cnndsl.diagnostics.model import UserError

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
F: Any = torch.nn.functional


class Called(nn.Module):  # type: ignore[misc]
    """A function as a module."""

    def __init__(self, function: Any, *modules: Any) -> None:
        super().__init__()
        self.function = function
        self.inner = nn.ModuleList(modules)

    def forward(self, *x: Any) -> Any:
        return self.function(*x, *self.inner)


MAPS, SIGNALS, VECTORS, ODD = (4, 9, 11), (4, 24), (12,), (4, 7, 7)

SAID: dict[str, tuple[Any, tuple[int, ...]]] = {
    "nearest": (lambda: nn.Upsample(scale_factor=2), MAPS),
    "nearest to a size": (lambda: nn.Upsample(size=(12, 20)), MAPS),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), MAPS),
    "aligned": (lambda: nn.Upsample(size=(5, 30), mode="bilinear", align_corners=True), MAPS),
    "linear": (lambda: nn.Upsample(scale_factor=3, mode="linear"), SIGNALS),
    "softplus": (lambda: nn.Softplus(), MAPS),
    "softplus with a beta": (lambda: nn.Softplus(beta=2), MAPS),
    "logsigmoid": (lambda: nn.LogSigmoid(), MAPS),
    "softsign": (lambda: nn.Softsign(), MAPS),
    "tanhshrink": (lambda: nn.Tanhshrink(), MAPS),
    "elu": (lambda: nn.ELU(0.5), MAPS),
    "glu": (lambda: nn.GLU(1), MAPS),
    "instance norm": (lambda: nn.InstanceNorm2d(4), MAPS),
    "instance norm that learns": (lambda: nn.InstanceNorm1d(4, affine=True), SIGNALS),
    "instance norm that follows": (
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        MAPS,
    ),
    "rms norm": (lambda: nn.RMSNorm([*MAPS]), MAPS),
    "batch norm that does not learn": (lambda: nn.BatchNorm2d(4, affine=False), MAPS),
    "group norm that does not learn": (lambda: nn.GroupNorm(2, 4, affine=False), MAPS),
    "layer norm of the last": (lambda: nn.LayerNorm(11), MAPS),
    "local response norm": (lambda: nn.LocalResponseNorm(3, 0.01, 0.6, 1.5), MAPS),
    "local response norm of signals": (lambda: nn.LocalResponseNorm(5), SIGNALS),
    "normalised": (lambda: Called(lambda x: F.normalize(x, dim=1)), MAPS),
    "reflected": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), MAPS),
    "replicated": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate"), MAPS),
    "padded": (
        lambda: nn.Sequential(nn.ConstantPad2d((1, 2, 3, 0), 0.5), nn.Conv2d(4, 4, 3)),
        MAPS,
    ),
    "the same": (lambda: nn.Conv2d(4, 6, (4, 2), padding="same"), MAPS),
    "averages that round up": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), MAPS),
    "averages without borders": (
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        MAPS,
    ),
    "averages of signals": (lambda: nn.AvgPool1d(3, 2, 1), SIGNALS),
    "a mean over channels": (lambda: Called(lambda x: x.mean(1, keepdim=True)), MAPS),
    "a mean over rows": (lambda: Called(lambda x: x.mean(2)), MAPS),
    "a sum over rows and channels": (lambda: Called(lambda x: x.sum((1, 2))), MAPS),
    "maxima over channels": (lambda: Called(lambda x: x.max(1, keepdim=True).values), MAPS),
    "maxima": (lambda: Called(lambda x: x.amax((2, 3))), MAPS),
    "stretched": (
        lambda: Called(lambda x: x * torch.sigmoid(x.mean((2, 3), True)).expand_as(x)),
        MAPS,
    ),
    "a gate of places": (
        lambda: Called(lambda x: x * torch.sigmoid(x.mean(1, keepdim=True))),
        MAPS,
    ),
    "one map for all channels of signals": (
        lambda: Called(lambda x: x - x.amax(1, keepdim=True)),
        SIGNALS,
    ),
    "one number for all": (lambda: Called(lambda x: x + x.mean((1, 2, 3), keepdim=True)), MAPS),
    "stacked": (lambda: Called(lambda x: torch.stack([x, x.tanh()], 1)), VECTORS),
    "taken apart": (lambda: Called(lambda x: sum(x.unbind(1))), (3, 4)),
    "squares": (lambda: Called(lambda x: x.square() - 2 * x), MAPS),
    "subtracted from": (lambda: Called(lambda x: 1 - x), MAPS),
    "a product and a sum": (
        lambda: Called(lambda x, b, w: torch.addmm(b.weight[0], x, w.weight), nn.Linear(3, 1),
                       nn.Linear(3, 12)),
        VECTORS,
    ),
    "weights that are normalised": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)),
        MAPS,
    ),
    "two outputs": (lambda: Called(lambda x: (x.relu(), x.tanh())), MAPS),
    "dropped": (lambda: nn.Sequential(nn.AlphaDropout(0.3), nn.Linear(12, 2)), VECTORS),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_it_is_said_right(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, sizes = SAID[name]
    module, x = make().eval(), torch.randn(2, *sizes)
    for part in module.modules():
        if getattr(part, "running_var", None) is not None:
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        theirs = module(x)
    found = cnndsl.import_network(module, x)
    spec, weights = found.save(tmp_path / "module.cnn")
    cnndsl.load(spec).compile(weights, device="cpu").save(tmp_path / "module.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "module.onnx"))
    answers = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    wanted = theirs if isinstance(theirs, tuple) else (theirs,)
    assert len(answers) == len(wanted)
    for one, other in zip(answers, wanted, strict=True):
        numpy.testing.assert_allclose(one.reshape(other.shape), other.numpy(), rtol=1e-3, atol=1e-5)


REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "a scale that is no ratio of sizes": (
        lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"),
        ODD,
        "its scale 1.5 is not 10/7, by which `upsample` goes",
    ),
    "nearest by such a scale": (lambda: nn.Upsample(scale_factor=1.5), ODD, "its scale 1.5 is not"),
    "a softplus that ends early": (
        lambda: nn.Softplus(threshold=1),
        MAPS,
        "aten.softplus(threshold=1): no layer does it",
    ),
    "an elu that is scaled": (
        lambda: Called(lambda x: torch.ops.aten.elu(x, 1.0, 2.0)),
        MAPS,
        "aten.elu(scale=2.0): no layer does it",
    ),
    "a division that rounds": (
        lambda: Called(lambda x: torch.div(x, 2, rounding_mode="floor")),
        MAPS,
        "aten.div(rounding_mode=floor): no layer does it",
    ),
    "averages divided by another number": (
        lambda: nn.AvgPool2d(2, 1, divisor_override=3),
        MAPS,
        "aten.avg_pool2d(divisor_override=3): no layer does it",
    ),
    "whole numbers": (
        lambda: Called(lambda x: x.int().float()),
        MAPS,
        "it makes int32 of numbers, which no layer does",
    ),
    "places of maxima": (
        lambda: Called(lambda x: x.max(-1).indices.float()),
        MAPS,
        "aten.max(dim=-1): no layer does it",
    ),
    "a batch's own statistics": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        MAPS,
        "it normalises by the batch's own statistics, as in training",
    ),
    "an operator that has an argument `self`": (
        lambda: nn.Threshold(0.1, 0.0),
        MAPS,
        "aten.threshold(threshold=0.1, value=0.0): no layer does it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_half_said_is_refused(name: str) -> None:
    make, sizes, why = REFUSED[name]
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(make().eval(), torch.randn(2, *sizes))
    assert refused.value.code == "CNN669"
    assert why in refused.value.notes[0]


def test_a_number_that_is_added_and_would_learn_is_told_of() -> None:
    found = cnndsl.import_network(Called(lambda x: x + 1), torch.randn(2, *MAPS))
    assert found.notes == ("a constant that is added becomes a `bias`, which learns",)
    assert cnndsl.import_network(Called(lambda x: x.relu() + 0), torch.randn(2, 4)).notes == ()
