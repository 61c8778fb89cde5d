"""Networks that are not shipped, but a change of a shipped one away, have their published counts.

Each row is a spec, what is written differently in it, and what then counts. Specs that are none
of the shipped ones are in ``reference/``. The sources are those of ``network_counts.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cnndsl import resources
from cnndsl.analysis.summary import summarize
from cnndsl.pipeline import check, check_text, typed

HERE = Path(__file__).parent / "reference"


class Variant(NamedTuple):
    """Parameters, batch statistics and MACs; MACs are 0 where the source does not say them."""

    name: str
    spec: str
    changes: dict[str, str]
    params: int
    buffers: int
    macs: int = 0


def library(name: str, before: str, after: str) -> dict[str, str]:
    """In place of an import, the blocks themselves with something written differently."""
    text = (resources.specs() / "std" / f"{name}.cnn").read_text(encoding="utf-8")
    assert before in text
    return {f'import "std/{name}"': text.replace(before, after)}


def set_to(**parameters: object) -> dict[str, str]:
    """Other values of parameters, whatever theirs is."""
    return {f"param {name} =": f"param {name} = {value} #" for name, value in parameters.items()}


def option_a(*depths: int) -> dict[str, str]:
    """ResNet-18 with other numbers of blocks, and shortcuts without weights."""
    first, *others = depths
    changes = {"basics(64, 2)": f"paddeds(64, {first})"}
    for width, depth in zip((128, 256, 512), others, strict=True):
        changes[f"basics({width}, 2, stride = 2)"] = (
            f"paddeds({width}, {depth}, more = {width // 2})"
        )
    return changes


def preactivation(*depths: int, alpha: float) -> dict[str, str]:
    """Oct-ResNet-26 with other numbers of blocks in its four stages."""
    first, second, third, fourth = (depth - 1 for depth in depths)
    block = "h, l = preoctbottleneck(h, l, {}, alpha)"
    return {
        block.format(64): f"repeat {first} {{ {block.format(64)} }}",
        "for width in [128, 256]": f"for (width, depth) in [(128, {second}), (256, {third})]",
        block.format("width"): f"repeat depth {{ {block.format('width')} }}",
        "prebottleneck(512)": f"repeat {fourth} {{ prebottleneck(512) }}",
        **set_to(alpha=alpha),
    }


def postactivation(second: int, third: int) -> dict[str, str]:
    """Oct-ResNet-50 with other numbers of blocks behind the first of its two middle stages."""
    return {"[(128, 3), (256, 5)]": f"[(128, {second}), (256, {third})]"}


def densenet_bc(depth: int, growth: int) -> dict[str, str]:
    blocks = (depth - 4) // 6
    first = (2 * growth + blocks * growth) // 2
    return {
        "growth = 12": f"growth = {growth}",
        "conv 24@3": f"conv {2 * growth}@3",
        "(16, growth)": f"({blocks}, growth)",
        "transition(108)": f"transition({first})",
        "transition(150)": f"transition({(first + blocks * growth) // 2})",
    }


ALPHAS = (0.125, 0.25, 0.5, 0.75)
ABLATION = {
    (2, 2, 2, 2): (15_991_336, 27_008, 2_086_961_152, 1_858_158_592, 1_480_032_256, 1_207_877_632),
    (3, 4, 6, 3): (25_553_192, 49_280, 3_565_196_288, 3_103_526_912, 2_367_143_936, 1_880_035_328),
    (3, 4, 23, 3): (44_545_320, 0, 6_624_878_592, 5_597_675_520, 3_991_240_704, 2_982_100_992),
    (3, 8, 36, 3): (60_188_968, 0, 9_684_560_896, 8_091_824_128, 5_615_337_472, 4_084_166_656),
    (3, 24, 36, 3): (64_669_992, 0, 12_564_261_888, 10_439_258_112, 7_143_899_136, 5_121_404_928),
}
"""Oct-ResNets of pre-activation: parameters, statistics (0: not said), and MACs for each alpha."""

CIFAR_OF_COLOURS = {"input 1x28x28": "input 3x28x28", "param classes = 2": "param classes = 9"}
WITH_BIASES = library("residual", " bias no", "")

VARIANTS = (
    # --- LeNet, AlexNet, VGG, ZFNet
    Variant("F6 as the output", "lenet5", {
        "F6: dense 84 -> tanh": "",
    }, 51_902, 0, 406_800),
    Variant("CaffeNet", "alexnet", {
        f"lrn size 5 alpha 5e-4 beta 0.75 k 2\npool{at}: maxpool 3 stride 2":
        "maxpool 3 stride 2 -> lrn" for at in (1, 2)
    }, 60_965_224, 0, 724_406_816),
    Variant("VGG-19-BN", "vgg16-bn", {"56, 3": "56, 4", "12, 3": "12, 4"},
            143_678_248, 11_008, 19_632_062_464),
    Variant("VGG, configuration C", "vgg13", {
        f"stage({width}, 2)": f"repeat 2 {{ conv {width}@3 padding 1 -> relu }}\n"
        f"conv {width}@1 -> relu -> maxpool 2" for width in (256, 512)
    }, 133_638_952, 0),
    Variant("Fast R-CNN on ZF", "zf-fastrcnn", {}, 58_690_793, 0, 1_445_416_960),
    # --- ResNet
    Variant("ResNet-18, option A", "resnet18", option_a(2, 2, 2, 2), 11_515_688, 0),
    Variant("ResNet-34, option A", "resnet18", option_a(3, 4, 6, 3), 21_623_848, 0),
    Variant("Keras's ResNet-50", "resnet50-v1", WITH_BIASES, 25_583_592, 53_120),
    Variant("Keras's ResNet-101", "resnet101-v1", WITH_BIASES | {" bias no": ""},
            44_601_832, 105_344),
    Variant("Keras's ResNet-152", "resnet152-v1", WITH_BIASES | {" bias no": ""},
            60_268_520, 151_424),
    Variant("Keras's ResNet-50V2", "resnetv2-keras", {}, 25_568_360, 45_440),
    Variant("Keras's ResNet-101V2", "resnetv2-keras", set_to(depth3=23), 44_577_896, 97_664),
    Variant("Keras's ResNet-152V2", "resnetv2-keras", set_to(depth2=8, depth3=36),
            60_236_904, 143_744),
    Variant("MedMNIST's ResNet-18 in colours", "medmnist-resnet18", CIFAR_OF_COLOURS,
            11_173_449, 9_600, 456_703_488),
    Variant("MedMNIST's ResNet-50 in colours", "medmnist-resnet50", CIFAR_OF_COLOURS,
            23_518_793, 53_120, 1_047_720_960),
    # --- DenseNet
    Variant("DenseNet-40-12", "densenet-40-12", {}, 1_019_722, 18_096, 264_812_928),
    Variant("DenseNet-BC-250-24", "densenet-bc-100-12", densenet_bc(250, 24),
            15_324_406, 257_976, 5_418_785_724),
    Variant("DenseNet-BC-190-40", "densenet-bc-100-12", densenet_bc(190, 40),
            25_624_430, 256_960, 9_301_945_740),
    Variant("DenseNet-121 with Caffe's pools", "densenet121", {
        "maxpool 3 stride 2 padding 1": "maxpool 3 stride 2 padding 1 rounding ceil",
        **library("densenet", "avgpool 2", "avgpool 2 rounding ceil"),
    }, 7_978_856, 83_648, 3_063_058_432),
    # --- OctConv
    Variant("ResNet-26 of pre-activation", "resnet-preactivation",
            set_to(depth1=2, depth2=2, depth3=2, depth4=2), 15_991_336, 27_008, 2_342_256_640),
    Variant("ResNet-50 of pre-activation", "resnet-preactivation", {},
            25_553_192, 49_280, 4_089_184_256),
    Variant("ResNet-101 of pre-activation", "resnet-preactivation", set_to(depth3=23),
            44_545_320, 0, 7_801_405_440),
    Variant("ResNet-152 of pre-activation", "resnet-preactivation", set_to(depth2=8, depth3=36),
            60_188_968, 0, 11_513_626_624),
    Variant("ResNet-200 of pre-activation", "resnet-preactivation", set_to(depth2=24, depth3=36),
            64_669_992, 0, 15_007_481_856),
    *(
        Variant(f"Oct-ResNet of {depths}, alpha {alpha}", "octresnet26",
                preactivation(*depths, alpha=alpha), params, buffers, macs)
        for depths, (params, buffers, *counts) in ABLATION.items()
        for alpha, macs in zip(ALPHAS, counts, strict=True)
    ),
    Variant("Oct-ResNet-101", "octresnet50", postactivation(3, 22),
            44_549_160, 105_344, 3_991_240_704),
    Variant("Oct-ResNet-152", "octresnet50", postactivation(7, 35),
            60_192_808, 151_424, 5_615_337_472),
    Variant("Oct-ResNet-26 of post-activation", "octresnet50", {
        **postactivation(1, 1), "repeat 2 {": "repeat 1 {",
    }, 15_995_176, 0, 1_480_032_256),
    # --- small and all-convolutional
    Variant("All-CNN's base A", "allcnn-family", {}, 839_242, 0, 149_053_440),
    Variant("All-CNN-A", "allcnn-family", set_to(strided="yes"), 1_254_250, 0, 191_520_768),
    Variant("All-CNN's base B", "allcnn-family", set_to(second=1), 885_610, 0, 167_927_808),
    Variant("All-CNN-B", "allcnn-family", set_to(second=1, strided="yes"),
            1_300_618, 0, 210_395_136),
    Variant("All-CNN's base C", "allcnn-family", set_to(kernel=3, second=3),
            954_730, 0, 238_706_688),
    Variant("All-CNN-C", "allcnn-family", set_to(kernel=3, second=3, strided="yes", border=0),
            1_369_738, 0, 270_798_336),
    Variant("All-CNN-C with a border", "allcnn", {
        "conv 192@3 -> relu": "conv 192@3 padding 1 -> relu",
    }, 1_369_738, 0, 281_174_016),
    Variant("neon's All-CNN-C", "allcnn", {
        "@3": "@3 bias no", "@1": "@1 bias no", "param classes = 10": "param classes = 16",
    }, 1_369_632, 0),
    Variant("maxout with a bias for each map", "maxout-mnist", set_to(untied="no"), 418_714, 0),
    Variant("maxout for CIFAR-10", "maxout-cifar10", {}, 16_247_830, 0),
    Variant("the 13 % net on patches", "local-13pct", {"input 3x32x32": "input 3x24x24"},
            1_116_490, 0),
    # --- three dimensions
    Variant("Ji's network with a bias for each map", "ji3d", {
        "C6: conv 78*128@[7, 4] groups 78\nflatten -> reshape 78x128 -> transpose -> sumpool 78":
        "conv 128@[7, 4]",
        "dense 3 bias no": "dense 3",
    }, 285_605, 0),
    # --- games
    Variant("DQN for 6 actions", "dqn", set_to(actions=6), 1_687_206, 0),
    Variant("DQN for 18 actions", "dqn", set_to(actions=18), 1_693_362, 0),
    Variant("the first DQN for 6 actions", "dqn-2013", set_to(actions=6), 677_686, 0),
    Variant("the first DQN for 18 actions", "dqn-2013", set_to(actions=18), 680_770, 0),
)  # fmt: skip
"""One for each count of the reference that no shipped spec has."""


def text_of(variant: Variant) -> str:
    """The spec with its changes, each of which changes something, and without its claims."""
    path = HERE / f"{variant.spec}.cnn"
    path = path if path.is_file() else resources.specs() / path.name
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", path.read_text(encoding="utf-8"))
    for before, after in variant.changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


def marked(variant: Variant) -> Any:
    """Networks of two streams take seconds where they are deep."""
    deep = variant.spec.startswith("octresnet") and variant.params > 20_000_000
    return pytest.param(variant, id=variant.name, marks=[pytest.mark.slow] * deep)


@pytest.mark.parametrize("variant", [marked(one) for one in VARIANTS])
def test_a_variant_has_the_published_counts(variant: Variant) -> None:
    counted = summarize(typed(check_text(text_of(variant))))
    assert counted.params == variant.params
    assert counted.buffers == variant.buffers or not variant.buffers
    assert counted.macs == variant.macs or not variant.macs


@pytest.mark.parametrize("path", sorted(HERE.glob("*.cnn")), ids=lambda path: path.stem)
def test_a_spec_of_the_reference_is_clean_and_counted(path: Path) -> None:
    assert check(str(path)).diagnostics == ()
    assert path.stem in {one.spec for one in VARIANTS}
