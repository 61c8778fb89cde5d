"""Models of torchvision and timm brought over by their weights alone: they answer alike.

Each is made with random weights and normalisations that have seen something, saved as PyTorch does
and as safetensors, brought by `cnndsl weights` without a map, and asked the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from foreign_models import MODELS, Foreign, made, torchvision_and_timm
from oracle import TOLERANCE, relative_error

import cnndsl
from cnndsl import resources
from cnndsl.cli import main

torch: Any = pytest.importorskip("torch")

SMALLER = (
    "resnet",
    "seresnet",
    "densenet",
    "squeezenet",
    "mobilenet",
    "shufflenet",
    "efficientnet",
    "convnext",
)
"""Networks that pool globally: a smaller picture will do."""

QUICK = {"resnet18", "squeezenet1_1", "mobilenet_v3_small", "mobilenetv3_small_100"}

EPS = {"timm-mobilenet-v3-large": 1e-3, "timm-mobilenet-v3-small": 1e-3}
"""What the specs add to variances, where timm adds 1e-5."""


def settled(model: Any, x: Any, eps: float | None) -> Any:
    """A model whose numbers stay in bounds, with statistics that are about those of its input."""
    torch.manual_seed(1)
    for part in model.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                torch.nn.init.normal_(part.bias, std=0.1)
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum, part.eps = 1.0, eps or part.eps
            torch.nn.init.uniform_(part.weight, 0.1, 0.3)
            torch.nn.init.normal_(part.bias, std=0.1)
        if isinstance(part, torch.nn.Dropout) or type(part).__name__ in (
            *("StochasticDepth", "DropPath"),
        ):
            part.p = part.drop_prob = 0.0
    for name, value in model.named_parameters():
        if name.endswith(("layer_scale", "gamma")):
            torch.nn.init.uniform_(value, 0.1, 0.3)
    model.train()
    with torch.no_grad():
        model(torch.cat((x, -x)))
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            # Means and variances that are not those of the weights' names by chance.
            part.running_mean += 0.05 * torch.randn_like(part.running_mean)
            part.running_var *= 1 + 0.5 * torch.rand_like(part.running_var)
    return model.eval()


def spec_for(foreign: Foreign, side: int, folder: Path) -> str:
    """The shipped spec, without its claims where the picture is smaller."""
    text = (resources.specs() / f"{foreign.spec}.cnn").read_text(encoding="utf-8")
    if side != foreign.side:
        text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)
        text = text.replace(f"3x{foreign.side}x{foreign.side}", f"3x{side}x{side}")
    path = folder / f"{foreign.spec}.cnn"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "foreign",
    [pytest.param(one, marks=[] if one.model in QUICK else [pytest.mark.slow]) for one in MODELS],
    ids=lambda one: f"{one.library}-{one.model}",
)
def test_a_model_is_brought_over_without_code(foreign: Foreign, tmp_path: Path) -> None:
    libraries = torchvision_and_timm()
    side = 96 if foreign.model.startswith(SMALLER) else foreign.side
    x = numpy.random.default_rng(3).standard_normal((2, 3, side, side), numpy.float32)
    model = settled(made(foreign, classes=10), torch.from_numpy(x), EPS.get(foreign.map))
    spec = spec_for(foreign, side, tmp_path)
    network = cnndsl.load(spec, classes=10)
    with torch.inference_mode():
        logits = model.double()(torch.from_numpy(x).double())
    expected = numpy.asarray(torch.softmax(logits, 1))
    state = {name: one.float() for name, one in model.state_dict().items()}
    libraries["torch"].save(state, tmp_path / "model.pt")
    safetensors: Any = pytest.importorskip("safetensors.torch")
    safetensors.save_file(state, tmp_path / "model.safetensors")
    for name in ("model.pt", "model.safetensors"):
        target = tmp_path / "brought.safetensors"
        words = ["weights", spec, str(tmp_path / name), "-o", str(target), "-D", "classes=10"]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        assert f"paired by: the names of {foreign.library}" in " ".join(result.stdout.split()) or (
            "paired by: the names of torchvision" in result.stdout
        )
        found = network.compile(weights=target, device="cpu").run(x)
        assert relative_error(found, expected) < TOLERANCE
        assert relative_error(numpy.log(found), numpy.log(expected)) < TOLERANCE
