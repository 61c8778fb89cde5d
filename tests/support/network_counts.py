"""What each shipped network has to count, and who says so.

The numbers stand here a second time so that a spec and its own claims cannot drift together. A
new spec is a row here, under its family; nothing else lists them.

Sources: *reference* are numbers that at least two of torchvision, Keras, Caffe's definitions, the
ONNX light models and the paper agree on; *torchvision*, *Keras*, *Caffe*'s
definitions and the *authors' code* are theirs alone; *paper* is
what the paper says to the unit; *PyTorch* was written
out of its modules from the paper; *arithmetic* was worked out by hand from the paper's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["COUNTS", "Counts"]


class Counts(NamedTuple):
    """A network's numbers; ``stages`` are the rows of the paper's table whose shapes it claims.

    ``inference`` are parameters and MACs of the compiled model where training has more.
    """

    params: int
    macs: int
    depth: int
    stages: int
    source: str
    buffers: int = 0
    input: tuple[int, ...] = (3, 224, 224)
    output: tuple[int, ...] = (1000,)
    inference: tuple[int, int] = (0, 0)


COUNTS: Mapping[str, Counts] = MappingProxyType(
    {
        # --- LeNet
        "lenet5": Counts(61_706, 416_520, 5, 8, "reference", 0, (1, 32, 32), (10,)),
        "lenet5-1998": Counts(60_000, 326_520, 4, 8, "paper", 0, (1, 32, 32), (10,)),
        "lenet1989": Counts(9_760, 63_660, 4, 6, "paper", 0, (1, 16, 16), (10,)),
        "lenet-caffe": Counts(431_080, 2_293_000, 4, 7, "Caffe", 0, (1, 28, 28), (10,)),
        # --- AlexNet
        "alexnet": Counts(60_965_224, 724_406_816, 8, 10, "reference", 0, (3, 227, 227)),
        "alexnet-ungrouped": Counts(
            62_378_344, 1_135_256_096, 8, 10, "reference", 0, (3, 227, 227)
        ),
        "torchvision-alexnet": Counts(61_100_840, 714_188_480, 8, 10, "torchvision"),
        "alexnet-owt": Counts(61_100_840, 714_188_480, 8, 10, "torchvision"),
        # --- ZFNet, VGG
        "zfnet": Counts(62_357_608, 1_168_032_896, 8, 10, "arithmetic"),
        "vgg11": Counts(132_863_336, 7_609_090_048, 11, 7, "torchvision"),
        "vgg13": Counts(133_047_848, 11_308_466_176, 13, 7, "torchvision"),
        "vgg16": Counts(138_357_544, 15_470_264_320, 16, 7, "reference"),
        "vgg19": Counts(143_667_240, 19_632_062_464, 19, 7, "reference"),
        "vgg11-bn": Counts(132_868_840, 7_609_090_048, 11, 7, "torchvision", 5_504),
        "vgg13-bn": Counts(133_053_736, 11_308_466_176, 13, 7, "torchvision", 5_888),
        "vgg19-bn": Counts(143_678_248, 19_632_062_464, 19, 7, "torchvision", 11_008),
        "vgg16-bn": Counts(138_365_992, 15_470_264_320, 16, 7, "torchvision", 8_448),
        # --- Inception
        "googlenet": Counts(
            13_378_280,
            1_591_044_096,
            22,
            18,
            "reference",
            inference=(6_998_552, 1_582_671_872),
        ),
        "googlenet-bn": Counts(
            13_004_888,
            1_506_748_416,
            22,
            17,
            "torchvision",
            15_072,
            inference=(6_624_904, 1_498_376_192),
        ),
        "torchvision-googlenet": Counts(
            13_004_888,
            1_506_748_416,
            22,
            17,
            "torchvision",
            15_072,
            inference=(6_624_904, 1_498_376_192),
        ),
        "inceptionv3": Counts(
            27_161_264,
            5_718_899_296,
            48,
            20,
            "torchvision",
            36_224,
            (3, 299, 299),
            inference=(23_834_568, 5_713_216_096),
        ),
        "xception": Counts(
            22_855_952, 8_357_403_496, 71, 10, "Keras; MACs: arithmetic", 54_528, (3, 299, 299)
        ),
        # --- ResNet
        "resnet18": Counts(11_689_512, 1_814_073_344, 18, 8, "reference", 9_600),
        "resnet34": Counts(21_797_672, 3_663_761_408, 34, 8, "torchvision", 17_024),
        "resnet50": Counts(25_557_032, 4_089_184_256, 50, 8, "reference", 53_120),
        "resnet101": Counts(44_549_160, 7_801_405_440, 101, 8, "torchvision", 105_344),
        "resnet152": Counts(60_192_808, 11_513_626_624, 152, 8, "reference", 151_424),
        "resnet50-v1": Counts(25_557_096, 3_857_973_248, 50, 8, "Caffe", 53_120),
        "resnet101-v1": Counts(44_549_160, 7_570_194_432, 101, 8, "Caffe", 105_344),
        "resnet152-v1": Counts(60_192_808, 11_282_415_616, 152, 8, "Caffe", 151_424),
        "resnext50": Counts(25_028_904, 4_230_479_872, 50, 8, "torchvision", 68_224),
        "wide-resnet50": Counts(68_883_240, 11_398_021_120, 50, 8, "torchvision", 68_224),
        "se-resnet50": Counts(28_088_024, 4_091_699_200, 82, 8, "arithmetic", 53_120),
        "resnet20": Counts(269_722, 40_551_040, 20, 6, "reference", 1_376, (3, 32, 32), (10,)),
        "resnet32": Counts(464_154, 68_862_592, 32, 6, "reference", 2_272, (3, 32, 32), (10,)),
        "resnet44": Counts(658_586, 97_174_144, 44, 6, "reference", 3_168, (3, 32, 32), (10,)),
        "resnet56": Counts(853_018, 125_485_696, 56, 6, "reference", 4_064, (3, 32, 32), (10,)),
        "resnet110": Counts(1_727_962, 252_887_680, 110, 6, "reference", 8_096, (3, 32, 32), (10,)),
        "wideresnet16-4": Counts(
            2_748_890, 392_612_352, 14, 6, "arithmetic", 3_616, (3, 32, 32), (10,)
        ),
        # --- DenseNet
        "densenet121": Counts(7_978_856, 2_834_161_664, 121, 11, "reference", 83_648),
        "densenet169": Counts(14_149_480, 3_359_843_328, 169, 11, "torchvision", 158_400),
        "densenet201": Counts(20_013_928, 4_291_365_888, 201, 11, "torchvision", 229_056),
        "densenet161": Counts(28_681_000, 7_727_907_072, 161, 11, "torchvision", 219_936),
        "densenet-bc-100-12": Counts(
            769_162, 287_929_692, 100, 8, "authors' code", 23_988, (3, 32, 32), (10,)
        ),
        # --- OctConv
        "octresnet26": Counts(15_991_336, 1_480_032_256, 26, 8, "reference", 27_008),
        "octresnet50": Counts(25_557_032, 2_367_143_936, 50, 8, "reference", 53_120),
        # --- small and all-convolutional
        "nin": Counts(966_986, 222_486_528, 9, 6, "reference", 0, (3, 32, 32), (10,)),
        "allcnn": Counts(1_369_738, 270_798_336, 9, 7, "reference", 0, (3, 32, 32), (10,)),
        "cifar10-quick": Counts(145_578, 12_354_176, 5, 9, "reference", 0, (3, 32, 32), (10,)),
        "medmnist-resnet18": Counts(
            11_168_706, 455_796_736, 18, 7, "reference", 9_600, (1, 28, 28), (2,)
        ),
        "medmnist-resnet50": Counts(
            23_503_298, 1_046_803_456, 50, 7, "reference", 53_120, (1, 28, 28), (2,)
        ),
        "medmnist-resnet18-3d": Counts(
            33_145_419, 17_749_108_224, 18, 7, "PyTorch", 9_600, (1, 28, 28, 28), (11,)
        ),
        "squeezenet": Counts(1_248_424, 818_924_576, 18, 14, "torchvision"),
        "squeezenet11": Counts(1_235_496, 349_151_936, 18, 14, "torchvision"),
        "mobilenetv1": Counts(4_231_976, 568_740_352, 28, 9, "Keras", 21_888),
        "local-13pct": Counts(1_901_386, 32_919_552, 5, 8, "reference", 0, (3, 32, 32), (10,)),
        "cifar10-full": Counts(89_578, 12_298_240, 4, 8, "reference", 0, (3, 32, 32), (10,)),
        "shufflenetv2": Counts(2_278_604, 144_907_992, 51, 11, "torchvision", 16_180),
        "maxout-mnist": Counts(471_994, 30_746_736, 4, 5, "reference", 0, (1, 28, 28), (10,)),
        "mobilenetv2": Counts(3_504_872, 300_774_272, 53, 11, "torchvision", 34_112),
        "mobilenetv3": Counts(5_483_032, 216_589_760, 64, 20, "torchvision", 24_400),
        "mobilenetv3-small": Counts(2_542_856, 56_510_400, 54, 16, "torchvision", 12_112),
        "efficientnetb0": Counts(5_288_548, 385_814_752, 82, 11, "torchvision", 42_016),
        "convnext-tiny": Counts(28_589_128, 4_455_531_264, 59, 7, "torchvision"),
        # --- one dimension
        "tdnn": Counts(521, 6_072, 2, 4, "reference", 0, (16, 15), (3,)),
        "spoken-digits": Counts(558_090, 67_427_328, 5, 6, "PyTorch", 2_048, (1, 8000), (10,)),
        "activity-week": Counts(78_993, 25_473_568, 6, 7, "PyTorch", 352, (1, 10080), (1,)),
        # --- text
        "textcnn": Counts(5_990_702, 21_900_600, 2, 3, "reference", 0, (64,), (2,)),
        # --- three dimensions
        "c3d": Counts(
            79_991_015, 38_548_959_232, 11, 12, "reference", 0, (3, 16, 112, 112), (487,)
        ),
        "c3d-small": Counts(
            17_444_965, 19_261_106_176, 8, 12, "reference", 0, (3, 16, 112, 112), (101,)
        ),
        "atomnet": Counts(
            267_877_250, 8_566_605_824, 7, 8, "arithmetic", 0, (16, 20, 20, 20), (2,)
        ),
        "ji3d": Counts(295_458, 15_171_624, 4, 6, "paper", 0, (1, 7, 60, 40), (3,)),
        "two-stream": Counts(181_335_594, 4_277_888_928, 8, 4, "PyTorch", 0, (3, 224, 224), (101,)),
        # --- games
        "dqn": Counts(1_686_180, 9_345_024, 5, 6, "reference", 0, (4, 84, 84), (4,)),
        "dqn-2013": Counts(677_172, 2_966_528, 4, 5, "reference", 0, (4, 84, 84), (4,)),
        "go-clark": Counts(4_599_273, 158_782_240, 8, 6, "PyTorch", 0, (8, 19, 19), (361,)),
        "go-12layer": Counts(2_293_225, 627_550_848, 13, 3, "PyTorch", 0, (36, 19, 19), (361,)),
        "go-policy-value": Counts(
            22_827_877, 8_105_976_564, 42, 6, "PyTorch", 19_974, (17, 19, 19), (362,)
        ),
        # --- detection, segmentation
        "unet": Counts(
            31_030_658, 150_428_424_448, 23, 10, "PyTorch", 0, (1, 572, 572), (2, 388, 388)
        ),
        "fcn8s": Counts(
            134_489_759, 181_529_034_048, 19, 12, "PyTorch", 0, (3, 500, 500), (21, 500, 500)
        ),
        "fastrcnn-vgg16": Counts(
            134_690_729, 15_466_598_400, 16, 10, "reference", 0, (3, 224, 224), (21,)
        ),
        # --- faces, history
        "neocognitron": Counts(29_597, 1_132_920, 4, 7, "arithmetic", 0, (1, 16, 16), (5,)),
        "siamese": Counts(319_267, 18_107_551, 5, 8, "arithmetic", 0, (1, 56, 46), (1,)),
    }
)
"""By the names of the specs."""
