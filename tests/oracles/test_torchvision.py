"""The shipped networks that torchvision has too, against torchvision's own code.

Its wheel cannot be imported beside another build of PyTorch than its own, but the files of its
models are plain Python: they are loaded with stand-ins for the parts that are not needed here.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest
from oracle import TOLERANCE, Array, compiled, draw, relative_error
from torch_networks import Weights, probabilities, torch

import cnndsl
from cnndsl import resources

MODULES = {
    "resnet18": "resnet",
    "resnet50": "resnet",
    "resnet152": "resnet",
    "vgg16": "vgg",
    "vgg19": "vgg",
    "densenet121": "densenet",
}
"""The module that each network is in."""

SLOW = {"resnet152", "vgg16", "vgg19"}


@pytest.fixture
def module() -> Iterator[Callable[[str], Any]]:
    """Gives a module of `torchvision.models` by its name."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        pytest.skip("torchvision is not installed")
    folder = Path(found.submodule_search_locations[0])
    stand_ins: dict[str, dict[str, object]] = {
        "torchvision": {"__path__": [str(folder)]},
        "torchvision.models": {"__path__": [str(folder / "models")]},
        "torchvision.transforms": {"__path__": []},
        "torchvision.transforms._presets": {
            "ImageClassification": object,
            "InterpolationMode": SimpleNamespace(BICUBIC=None, BILINEAR=None),
        },
        "torchvision.utils": {
            "_log_api_usage_once": lambda _: None,
            "_make_ntuple": lambda value, count: (value,) * count,
        },
        "torchvision.ops": {"__path__": [str(folder / "ops")]},
    }
    loaded = {name: one for name, one in sys.modules.items() if name.startswith("torchvision")}
    for name in loaded:
        del sys.modules[name]
    for name, contents in stand_ins.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(contents)
    depth = importlib.import_module("torchvision.ops.stochastic_depth")
    vars(sys.modules["torchvision.ops"])["StochasticDepth"] = depth.StochasticDepth
    yield lambda name: importlib.import_module(f"torchvision.models.{name}")
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    sys.modules.update(loaded)


# --- their names and ours ---------------------------------------------------------------------


def resnet_layer(layer: str, last: int) -> str:
    """Blocks count from 0; the projection, here the last convolution, is the ``downsample``."""
    found = re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)", layer)
    if found is None:
        return layer
    stage, block, part, number = found.groups()
    if part == "downsample.":
        part, number = ("conv", "bn")[int(number)], str(last + 1)
    kind = "basic" if last == 2 else "bottleneck"
    return f"layer{stage}.{kind}{int(block) + 1}.{part.replace('bn', 'batchnorm')}{number}"


def vgg_layer(layer: str, depth: int) -> str:
    """Layers are numbered with their ReLUs and pools: 3 for each convolution of 4, for instance."""
    part, number = layer.split(".")
    if part == "classifier":
        return f"fc{int(number) // 3 + 1}"
    counts = (2, 2, 3, 3, 3) if depth == 16 else (2, 2, 4, 4, 4)
    names = []
    for stage, count in enumerate(counts, 1):
        for at in range(1, count + 1):
            names += [f"conv{stage}.conv{at}", "relu"]
        names.append("maxpool")
    return names[int(number)]


def densenet_layer(layer: str) -> str:
    """A dense layer has two normalisations and two convolutions, which we count on and on."""
    layer = layer.removeprefix("features.")
    found = re.fullmatch(r"denseblock(\d)\.denselayer(\d+)\.(conv|norm)([12])", layer)
    if found is not None:
        block, at, part, number = found.groups()
        part = part.replace("norm", "batchnorm")
        return f"block{block}.{part}{2 * int(at) - 2 + int(number)}"
    found = re.fullmatch(r"transition(\d)\.(conv|norm)", layer)
    if found is not None:
        return f"transition{found[1]}.{found[2].replace('norm', 'batchnorm')}1"
    return layer


def our_name(network: str, tensor: str, tensors: dict[str, Any]) -> str:
    layer, _, kind = tensor.rpartition(".")
    if f"{layer}.running_var" in tensors:
        words = {"weight": "scale", "running_mean": "mean", "running_var": "var"}
        kind = words.get(kind, kind)
    if network.startswith("vgg"):
        layer = vgg_layer(layer, int(network[3:]))
    elif network.startswith("densenet"):
        layer = densenet_layer(layer)
    else:
        layer = resnet_layer(layer, 2 if network == "resnet18" else 3)
    return f"{layer}.{kind}"


# --- the comparison ---------------------------------------------------------------------------


def answers(model: Any, name: str, arrays: dict[str, Array], x: Array) -> Array:
    tensors = model.state_dict()
    names = {
        tensor: our_name(name, tensor, tensors)
        for tensor in tensors
        if not tensor.endswith("num_batches_tracked")
    }
    assert sorted(names.values()) == sorted(arrays)
    state = {tensor: torch.from_numpy(arrays[ours]).double() for tensor, ours in names.items()}
    for tensor, value in state.items():
        assert value.shape == tensors[tensor].shape, tensor
    model.load_state_dict(state, strict=False, assign=True)
    with torch.inference_mode():
        logits = model.eval()(torch.from_numpy(x).double())
        return numpy.asarray(torch.softmax(logits, 1))


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in MODULES]
)
def test_a_shipped_network_is_torchvisions(
    name: str, module: Callable[[str], Any], tmp_path: Path
) -> None:
    with torch.device("meta"):  # which draws no weights
        model = getattr(module(MODULES[name]), name)()
    network = cnndsl.load(name)
    arrays = draw(network.weights, scales=(0.1, 0.3))
    x = numpy.random.default_rng(3).standard_normal((1, 3, 224, 224), numpy.float32)
    builders = probabilities(name, Weights(arrays, calibrate=True), x)
    expected = answers(model, name, arrays, x)
    assert relative_error(builders, expected) < 1e-9
    found = compiled(network, arrays, tmp_path).run(x)
    assert relative_error(found, expected) < TOLERANCE


# --- networks whose parts stand in the same order ---------------------------------------------

IN_ORDER = {
    "alexnet-owt": ("alexnet", "alexnet", 224),
    "vgg16-bn": ("vgg", "vgg16_bn", 224),
    "googlenet-bn": ("googlenet", "googlenet", 224),
    "inceptionv3": ("inception", "inception_v3", 299),
    "resnext50": ("resnet", "resnext50_32x4d", 224),
    "densenet161": ("densenet", "densenet161", 224),
}
"""The module, the function and the input's side of each."""

HEADS = ("aux", "AuxLogits")
"""What heads of training are called, there and here."""


def calibrated(model: Any, x: Any) -> Any:
    """A model whose weights keep numbers in bounds, and whose statistics are about those of x."""
    for part in model.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(part.weight)
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
            # Small factors keep rounding errors from growing in deep networks.
            torch.nn.init.uniform_(part.weight, 0.1, 0.3)
            torch.nn.init.normal_(part.bias, std=0.1)
        if isinstance(part, torch.nn.Dropout) or type(part).__name__ == "StochasticDepth":
            part.p = 0.0
    model.train()
    with torch.no_grad():
        model(torch.cat((x, -x)))
    return model.eval()


def assert_same_answers(
    network: cnndsl.Network, arrays: dict[str, Array], model: Any, x: Array, folder: Path
) -> None:
    """A network answers as PyTorch's module in float64, small probabilities too."""
    with torch.inference_mode():
        logits = model.double()(torch.from_numpy(x).double())
    expected = numpy.asarray(torch.softmax(logits, 1))
    found = compiled(network, arrays, folder).run(x)
    assert relative_error(found, expected) < TOLERANCE
    assert relative_error(numpy.log(found), numpy.log(expected)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_ORDER)
def test_a_shipped_network_is_torchvisions_weight_by_weight(
    name: str, module: Callable[[str], Any], tmp_path: Path
) -> None:
    file, function, side = IN_ORDER[name]
    options = {"init_weights": False} if file in ("googlenet", "inception") else {}
    torch.manual_seed(1)
    x = numpy.random.default_rng(3).standard_normal((1, 3, side, side), numpy.float32)
    model = calibrated(getattr(module(file), function)(**options), torch.from_numpy(x))
    tensors = {
        tensor: value
        for tensor, value in model.state_dict().items()
        if not tensor.startswith(HEADS) and not tensor.endswith("num_batches_tracked")
    }
    network = cnndsl.load(name)
    shapes = {one: dims for one, dims in network.weights.items() if not one.startswith(HEADS)}
    assert [*shapes.values()] == [tuple(value.shape) for value in tensors.values()]
    arrays = dict(zip(shapes, (value.numpy() for value in tensors.values()), strict=True))
    assert_same_answers(network, arrays, model, x, tmp_path)


# --- heads of training, and networks on smaller pictures ----------------------------------------


def test_the_heads_of_googlenet_bn_are_torchvisions(
    module: Callable[[str], Any], tmp_path: Path
) -> None:
    head = module("googlenet").InceptionAux(512, 10).eval()
    network = cnndsl.parse(
        'import "std/inception"\ninput 512x14x14\nauxiliary(10, norm = yes)\nexpect buffers 256\n'
    )
    tensors = [one for name, one in head.state_dict().items() if "num_batches" not in name]
    shapes = network.weights
    arrays = {name: one.numpy() for name, one in zip(shapes, tensors, strict=True)}
    x = numpy.random.default_rng(3).standard_normal((2, 512, 14, 14), numpy.float32)
    with torch.inference_mode():
        expected = numpy.asarray(head(torch.from_numpy(x)))
    assert relative_error(compiled(network, arrays, tmp_path).run(x), expected) < TOLERANCE


SMALLER = {
    "resnet34": ("resnet", "resnet34"),
    "resnet101": ("resnet", "resnet101"),
    "densenet169": ("densenet", "densenet169"),
    "densenet201": ("densenet", "densenet201"),
    "squeezenet": ("squeezenet", "squeezenet1_0"),
    "squeezenet11": ("squeezenet", "squeezenet1_1"),
    "mobilenetv2": ("mobilenetv2", "mobilenet_v2"),
    "mobilenetv3": ("mobilenetv3", "mobilenet_v3_large"),
    "mobilenetv3-small": ("mobilenetv3", "mobilenet_v3_small"),
    "shufflenetv2": ("shufflenetv2", "shufflenet_v2_x1_0"),
    "efficientnetb0": ("efficientnet", "efficientnet_b0"),
    "convnext-tiny": ("convnext", "convnext_tiny"),
}
"""The module and the function of each. All pool globally, so that a smaller picture will do."""


def in_our_order(tensors: dict[str, Any]) -> list[Array]:
    """ConvNeXt's factors of a block stand before its layers there, and behind them here."""
    found: list[tuple[str, Any]] = []
    waiting: list[tuple[str, Any]] = []
    for name, value in tensors.items():
        if waiting and not name.startswith(waiting[0][0].removesuffix("layer_scale") + "block"):
            found.append(waiting.pop())
        (waiting if name.endswith("layer_scale") else found).append((name, value))
    return [value.numpy() for name, value in found if "num_batches" not in name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLER)
def test_a_shipped_network_is_torchvisions_on_smaller_pictures(
    name: str, module: Callable[[str], Any], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    x = numpy.random.default_rng(3).standard_normal((1, 3, 96, 96), numpy.float32)
    file, function = SMALLER[name]
    model = calibrated(getattr(module(file), function)(num_classes=10), torch.from_numpy(x))
    text = (resources.specs() / f"{name}.cnn").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)
    network = cnndsl.parse(text.replace("3x224x224", "3x96x96"), classes=10)
    tensors = in_our_order(model.state_dict())
    shapes = network.weights
    # What is a 1x1 convolution there may be a dense layer here, and the other way around.
    assert [[n for n in dims if n > 1] for dims in shapes.values()] == [
        [n for n in one.shape if n > 1] for one in tensors
    ]
    arrays = {
        ours: one.reshape(dims) for (ours, dims), one in zip(shapes.items(), tensors, strict=True)
    }
    assert_same_answers(network, arrays, model, x, tmp_path)
