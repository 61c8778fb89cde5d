"""What each shipped network has to count, and who says so.

The numbers stand here a second time so that a spec and its own claims cannot drift together. A
new spec is a row here, under its family; nothing else lists them.

Sources: *reference* are numbers that at least two of torchvision, Keras, Caffe's definitions, the
ONNX light models and the paper agree on; *torchvision* and *Keras* were instantiated; *paper* is
what the paper says to the unit; *arithmetic* was worked out by hand from the paper's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["COUNTS", "Counts"]


class Counts(NamedTuple):
    """A network's numbers; ``stages`` are the rows of the paper's table whose shapes it claims."""

    params: int
    macs: int
    depth: int
    stages: int
    source: str
    buffers: int = 0
    input: tuple[int, ...] = (3, 224, 224)
    output: tuple[int, ...] = (1000,)


COUNTS: Mapping[str, Counts] = MappingProxyType(
    {
        # --- LeNet
        "lenet5": Counts(61_706, 416_520, 5, 8, "reference", 0, (1, 32, 32), (10,)),
        # --- AlexNet
        "alexnet": Counts(60_965_224, 724_406_816, 8, 10, "reference", 0, (3, 227, 227)),
        "alexnet-ungrouped": Counts(
            62_378_344, 1_135_256_096, 8, 10, "reference", 0, (3, 227, 227)
        ),
        # --- ZFNet, VGG
        "vgg16": Counts(138_357_544, 15_470_264_320, 16, 7, "reference"),
        "vgg19": Counts(143_667_240, 19_632_062_464, 19, 7, "reference"),
        # --- Inception
        "googlenet": Counts(6_998_552, 1_582_671_872, 22, 17, "reference"),
        # --- ResNet
        "resnet18": Counts(11_689_512, 1_814_073_344, 18, 8, "reference", 9_600),
        "resnet50": Counts(25_557_032, 4_089_184_256, 50, 8, "reference", 53_120),
        "resnet152": Counts(60_192_808, 11_513_626_624, 152, 8, "reference", 151_424),
        # --- DenseNet
        "densenet121": Counts(7_978_856, 2_834_161_664, 121, 11, "reference", 83_648),
        # --- OctConv
        # --- small and all-convolutional
        # --- one dimension
        # --- text
        # --- three dimensions
        # --- games
        # --- detection, segmentation
        # --- faces, history
    }
)
"""By the names of the specs."""
