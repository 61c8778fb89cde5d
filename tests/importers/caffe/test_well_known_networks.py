"""Networks that are well known in Caffe, written as their files are, have the published counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from imported_runs import counts

from cnndsl.importers.networks.caffe.reader import read_caffe

HEAD = 'name: "{}"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: {}\ninput_dim: {}\n'


def layer(name: str, kind: str, bottom: str, top: str = "", more: str = "") -> str:
    """A layer; without ``top`` it works in place."""
    reads = "".join(f' bottom: "{one}"' for one in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}"{reads} top: "{top or bottom}" {more} }}\n'


def conv(name: str, bottom: str, filters: int, kernel: int, more: str = "") -> str:
    settings = f"num_output: {filters} kernel_size: {kernel} {more}"
    return layer(name, "Convolution", bottom, name, f"convolution_param {{ {settings} }}")


def plain(name: str, bottom: str, filters: int, kernel: int, more: str = "") -> str:
    """A convolution without biases, for normalisation behind it."""
    return conv(name, bottom, filters, kernel, f"bias_term: false {more}")


def norm(name: str, value: str) -> str:
    return layer(f"bn{name}", "BatchNorm", value) + layer(
        f"scale{name}", "Scale", value, more="scale_param { bias_term: true }"
    )


def relu(value: str) -> str:
    return layer(f"{value}_relu", "ReLU", value)


def pool(name: str, bottom: str, settings: str, kind: str = "MAX") -> str:
    return layer(name, "Pooling", bottom, name, f"pooling_param {{ pool: {kind} {settings} }}")


def resnet50() -> str:
    text = HEAD.format("ResNet-50", 224, 224) + conv("conv1", "data", 64, 7, "pad: 3 stride: 2")
    text += (
        norm("_conv1", "conv1") + relu("conv1") + pool("pool1", "conv1", "kernel_size: 3 stride: 2")
    )
    last = "pool1"
    for stage, (units, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 2):
        for at in range(units):
            unit = f"{stage}{chr(ord('a') + at)}"
            stride = "stride: 2" if at == 0 and stage > 2 else "stride: 1"
            shortcut, value = last, last
            if at == 0:
                shortcut = f"res{unit}_branch1"
                text += plain(shortcut, last, 4 * width, 1, f"pad: 0 {stride}")
                text += norm(f"{unit}_branch1", shortcut)
            kernels = [(width, 1, stride), (width, 3, "pad: 1"), (4 * width, 1, "")]
            for part, (filters, kernel, more) in zip("abc", kernels, strict=True):
                name = f"res{unit}_branch2{part}"
                text += plain(name, value, filters, kernel, more)
                text += norm(f"{unit}_branch2{part}", name) + (relu(name) if part != "c" else "")
                value = name
            last = f"res{unit}"
            text += layer(last, "Eltwise", f"{shortcut} {value}", last) + relu(last)
    text += pool("pool5", last, "kernel_size: 7 stride: 1", "AVE")
    return text + layer(
        "fc1000", "InnerProduct", "pool5", "fc1000", "inner_product_param { num_output: 1000 }"
    )


def squeezenet() -> str:
    text = HEAD.format("", 227, 227).split("\n", 1)[1] + conv("conv1", "data", 64, 3, "stride: 2")
    text += relu("conv1") + pool("pool1", "conv1", "kernel_size: 3 stride: 2")
    last = "pool1"
    for number, width in enumerate([16, 16, 32, 32, 48, 48, 64, 64], 2):
        fire = f"fire{number}/"
        thin, ends = f"{fire}squeeze1x1", [f"{fire}expand1x1", f"{fire}expand3x3"]
        text += conv(thin, last, width, 1) + relu(thin)
        text += conv(ends[0], thin, 4 * width, 1) + relu(ends[0])
        text += conv(ends[1], thin, 4 * width, 3, "pad: 1") + relu(ends[1])
        last = f"{fire}concat"
        text += layer(last, "Concat", " ".join(ends), last)
        if number in (3, 5):
            text += pool(f"pool{number}", last, "kernel_size: 3 stride: 2")
            last = f"pool{number}"
    text += layer("drop9", "Dropout", last, more="dropout_param { dropout_ratio: 0.5 }")
    text += conv("conv10", last, 1000, 1) + relu("conv10")
    return text + pool("pool10", "conv10", "global_pooling: true", "AVE")


def mobilenet() -> str:
    text = HEAD.format("MOBILENET", 224, 224) + plain("conv1", "data", 32, 3, "pad: 1 stride: 2")
    text += norm("1", "conv1") + relu("conv1")
    last, width = "conv1", 32
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    for number, (filters, stride) in enumerate([*steps, (1024, 2), (1024, 1)]):
        each, every = f"conv{number}/dw", f"conv{number}/sep"
        more = f"pad: 1 stride: {stride} group: {width} engine: CAFFE"
        text += plain(each, last, width, 3, f'{more} weight_filler {{ type: "msra" }}')
        text += norm(f"{number}d", each) + relu(each) + plain(every, each, filters, 1)
        text += norm(f"{number}s", every) + relu(every)
        last, width = every, filters
    text += pool("pool6", last, "global_pooling: true", "AVE")
    return text + conv("fc7", "pool6", 1000, 1) + layer("prob", "Softmax", "fc7", "prob")


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        # He et al.'s 25,557,032 with the biases of `conv1` beside, which their file has.
        (resnet50, 25_557_096, 3_857_973_248),
        (squeezenet, 1_235_496, 387_747_520),
        (mobilenet, 4_231_976, 568_740_352),
    ],
)
def test_counts_are_the_published_ones(
    network: Callable[[], str], params: int, macs: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(network(), encoding="utf-8")
    found = read_caffe(path)
    assert found.refused == ()
    assert counts(found) == (params, macs)
