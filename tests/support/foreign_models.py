"""The models of torchvision and timm that shipped specs are, and the maps of their names.

torchvision cannot be imported beside a build of PyTorch that is not its own, unless two operators
of its library are there; they are never called.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

__all__ = ["MODELS", "Foreign", "made", "torchvision_and_timm"]


class Foreign(NamedTuple):
    """A model of another library, and the spec that it is.

    ``map`` is the shipped file with its names, which models of a family share; ``note`` is what the
    model computes otherwise than the spec.
    """

    library: str
    model: str
    spec: str
    map: str
    side: int = 224
    note: str = ""


def _torchvision(model: str, spec: str, map: str, side: int = 224) -> Foreign:
    return Foreign("torchvision", model, spec, map, side)


def _timm(model: str, spec: str, map: str, side: int = 224, note: str = "") -> Foreign:
    return Foreign("timm", model, spec, map, side, note)


_SIX = "answers differ: timm's cuts activations off at 6 (`relu6`), the spec does not"
_EPS = "answers differ a little: timm's adds 1e-05 to variances, the spec 0.001"


MODELS = (
    _torchvision("resnet18", "resnet18", "resnet-basic"),
    _torchvision("resnet34", "resnet34", "resnet-basic"),
    _torchvision("resnet50", "resnet50", "resnet-bottleneck"),
    _torchvision("resnet101", "resnet101", "resnet-bottleneck"),
    _torchvision("resnet152", "resnet152", "resnet-bottleneck"),
    _torchvision("resnext50_32x4d", "resnext50", "resnet-bottleneck"),
    _torchvision("wide_resnet50_2", "wide-resnet50", "resnet-bottleneck"),
    _torchvision("vgg11", "vgg11", "vgg11"),
    _torchvision("vgg13", "vgg13", "vgg13"),
    _torchvision("vgg16", "vgg16", "vgg16"),
    _torchvision("vgg19", "vgg19", "vgg19"),
    _torchvision("vgg11_bn", "vgg11-bn", "vgg11-bn"),
    _torchvision("vgg13_bn", "vgg13-bn", "vgg13-bn"),
    _torchvision("vgg16_bn", "vgg16-bn", "vgg16-bn"),
    _torchvision("vgg19_bn", "vgg19-bn", "vgg19-bn"),
    _torchvision("densenet121", "densenet121", "densenet"),
    _torchvision("densenet161", "densenet161", "densenet"),
    _torchvision("densenet169", "densenet169", "densenet"),
    _torchvision("densenet201", "densenet201", "densenet"),
    _torchvision("googlenet", "torchvision-googlenet", "googlenet"),
    _torchvision("inception_v3", "inceptionv3", "inception-v3", 299),
    _torchvision("squeezenet1_0", "squeezenet", "squeezenet"),
    _torchvision("squeezenet1_1", "squeezenet11", "squeezenet11"),
    _torchvision("mobilenet_v2", "mobilenetv2", "mobilenet-v2"),
    _torchvision("mobilenet_v3_large", "mobilenetv3", "mobilenet-v3-large"),
    _torchvision("mobilenet_v3_small", "mobilenetv3-small", "mobilenet-v3-small"),
    _torchvision("efficientnet_b0", "efficientnetb0", "efficientnet-b0"),
    _torchvision("shufflenet_v2_x1_0", "shufflenetv2", "shufflenet-v2"),
    _torchvision("alexnet", "torchvision-alexnet", "alexnet"),
    _torchvision("convnext_tiny", "convnext-tiny", "convnext"),
    _timm("resnet18", "resnet18", "resnet-basic"),
    _timm("resnet34", "resnet34", "resnet-basic"),
    _timm("resnet50", "resnet50", "resnet-bottleneck"),
    _timm("resnet101", "resnet101", "resnet-bottleneck"),
    _timm("resnet152", "resnet152", "resnet-bottleneck"),
    _timm("resnext50_32x4d", "resnext50", "resnet-bottleneck"),
    _timm("wide_resnet50_2", "wide-resnet50", "resnet-bottleneck"),
    _timm("vgg11", "vgg11", "timm-vgg11"),
    _timm("vgg13", "vgg13", "timm-vgg13"),
    _timm("vgg16", "vgg16", "timm-vgg16"),
    _timm("vgg19", "vgg19", "timm-vgg19"),
    _timm("vgg11_bn", "vgg11-bn", "timm-vgg11-bn"),
    _timm("vgg13_bn", "vgg13-bn", "timm-vgg13-bn"),
    _timm("vgg16_bn", "vgg16-bn", "timm-vgg16-bn"),
    _timm("vgg19_bn", "vgg19-bn", "timm-vgg19-bn"),
    _timm("densenet121", "densenet121", "densenet"),
    _timm("densenet161", "densenet161", "densenet"),
    _timm("densenet169", "densenet169", "densenet"),
    _timm("densenet201", "densenet201", "densenet"),
    _timm("inception_v3", "inceptionv3", "inception-v3", 299),
    _timm("seresnet50", "se-resnet50", "timm-se-resnet50"),
    _timm("mobilenetv1_100", "mobilenetv1", "timm-mobilenet-v1", note=_SIX),
    _timm("mobilenetv2_100", "mobilenetv2", "timm-mobilenet-v2"),
    _timm("mobilenetv3_large_100", "mobilenetv3", "timm-mobilenet-v3-large", note=_EPS),
    _timm("mobilenetv3_small_100", "mobilenetv3-small", "timm-mobilenet-v3-small", note=_EPS),
    _timm("efficientnet_b0", "efficientnetb0", "timm-efficientnet-b0"),
    _timm("convnext_tiny", "convnext-tiny", "timm-convnext"),
)


@cache
def torchvision_and_timm() -> Mapping[str, Any]:
    """Both libraries, where they are installed."""
    torch: Any = pytest.importorskip("torch")
    found = pytest.importorskip("importlib.util").find_spec
    if found("torchvision") is None or found("timm") is None:
        pytest.skip("torchvision and timm are not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm
    import torchvision

    return {"torch": torch, "torchvision": torchvision, "timm": timm, "_kept": library}


def made(foreign: Foreign, *, meta: bool = False, classes: int = 1000) -> Any:
    """A model with random weights, or with none at all."""
    libraries = torchvision_and_timm()
    torch = libraries["torch"]
    with torch.device("meta" if meta else "cpu"):
        if foreign.library == "timm":
            return libraries["timm"].create_model(foreign.model, num_classes=classes)
        options = (
            {"init_weights": False}
            if "inception" in foreign.map or foreign.map == "googlenet"
            else {}
        )
        build = getattr(libraries["torchvision"].models, foreign.model)
        return build(num_classes=classes, **options)
