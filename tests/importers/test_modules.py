"""PyTorch modules become specs of the same parameters and the same answers."""

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


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Shuffled(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        left, right = x.chunk(2, 1)
        n, c, h, w = x.shape
        y = torch.cat([left, torch.tanh(right)], 1)
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Norm(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.rand(width, 1, 1))

    def forward(self, x: Any) -> Any:
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.down(torch.nn.functional.gelu(self.up(y))).permute(0, 3, 1, 2)
        return x + self.gamma * y


def head(width: int) -> list[Any]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5)]


MODULES = {
    "residual": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), *(Residual(8) for _ in range(3)), *head(8)
    ),
    "shuffled": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Shuffled(), Shuffled(), *head(8)),
    "convnext": lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), Norm(8), Norm(8), *head(8)),
    "transposed": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.PReLU(4), nn.ConvTranspose2d(4, 6, 4, 2, 1), nn.ELU(), *head(6)
    ),
    "pools": lambda: nn.Sequential(
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 1, 1),
        nn.Conv2d(3, 6, 3, groups=3),
        nn.GroupNorm(2, 6),
        nn.Hardswish(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.Softmax(1),
    ),
    "upsampled": lambda: nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3), nn.PixelShuffle(2), nn.Flatten(),
        nn.LazyLinear(3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_module_becomes_a_spec(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    x = torch.randn(2, 3, 16, 16)
    module(x)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    found = cnndsl.import_network(module, x)
    assert found.params == sum(one.numel() for one in module.parameters())
    spec, weights = found.save(tmp_path / "module.cnn")
    cnndsl.load(spec).compile(weights, device="cpu").save(tmp_path / "module.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "module.onnx"))
    (ours,) = session.run(None, {"input": x.numpy()})
    with torch.no_grad():
        theirs = module(x).numpy()
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_what_repeats_in_a_module_is_a_loop_under_its_name() -> None:
    text = cnndsl.import_network(MODULES["residual"]().eval(), torch.randn(1, 3, 16, 16)).text
    assert "repeat 3 {" in text
    assert "dense classes" in text


def test_what_no_layer_says_is_listed_by_its_module() -> None:
    class Sorted(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.sort(dim=1).values

    module = nn.Sequential(nn.Conv2d(3, 4, 3), Sorted())
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(module, torch.randn(1, 3, 8, 8))
    assert refused.value.code == "CNN669"
    assert refused.value.notes[0] == "`1`, aten.sort(dim=1): no layer does it"


def test_a_module_needs_an_example() -> None:
    with pytest.raises(TypeError, match="needs an example"):
        cnndsl.import_network(nn.Flatten())
