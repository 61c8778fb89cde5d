"""Layers as PyTorch and Keras call them: the fix writes ours, which means the same."""

from __future__ import annotations

from typing import Any

import pytest
from checked_specs import network

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text


def followed(text: str) -> str:
    """The text after the one thing that is said about it has been done."""
    (found,) = check_text(text).diagnostics
    (fix,) = found.fixes
    assert fix.title.startswith(found.help.rstrip("`…"))
    return apply_edits(text, fix.edits)


@pytest.mark.parametrize(
    ("head", "call", "ours"),
    [
        ("3x32x32", "Conv2d(3, 64, kernel_size=3)", "conv 64@3"),
        ("3x32x32", "nn.Conv2d(3, 64, 3)", "conv 64@3"),
        ("3x32x32", "torch.nn.Conv2d(3, 64, (3, 5))", "conv 64@3x5"),
        ("3x32x32", "Conv2d(3, 8, 3, 2, 1)", "conv 8@3 stride 2 padding 1 rounding floor"),
        ("3x32x32", "Conv2d(3, 6, 3, groups=3, bias=False)", "conv 6@3 groups 3 bias no"),
        ("3x32x32", "Conv2d(3, 6, 3, padding='same')", "conv 6@3 padding same"),
        ("3x32x32", "Conv2d(3, 6, 3, dilation=2)", "conv 6@3 dilation 2"),
        ("3x32x32", "nn.ReLU()", "relu"),
        ("3x32x32", "nn.ReLU(inplace=True)", "relu"),
        ("3x32x32", "LeakyReLU(0.2)", "leakyrelu 0.2"),
        ("3x32x32", "nn.ReLU6(inplace=True)", "relu6"),
        ("3x32x32", "nn.Hardswish()", "hardswish"),
        ("3x32x32", "ELU(0.5)", "elu 0.5"),
        ("3x32x32", "nn.PReLU()", "prelu shared yes"),
        ("3x32x32", "Dropout2d(0.2)", "spatialdropout 0.2"),
        ("3x32x32", "SpatialDropout2D(0.2)", "spatialdropout 0.2"),
        ("120", "nn.LogSoftmax(dim=1)", "logsoftmax"),
        ("120", "AlphaDropout(p=0.1)", "alphadropout 0.1"),
        ("120", "StochasticDepth(0.2)", "droppath 0.2"),
        ("3x32x32", "MaxPool2d(2, 2)", "maxpool 2 rounding floor"),
        ("3x32x32", "MaxPool2d(3, 2, ceil_mode=True)", "maxpool 3 stride 2 rounding ceil"),
        ("3x32x32", "AvgPool2d(3, 1, 1)", "avgpool 3 stride 1 padding 1 count_padding yes"),
        ("3x32x32", "AdaptiveAvgPool2d((1, 1))", "globalavgpool"),
        ("3x32x32", "AdaptiveAvgPool2d((7, 7))", "adaptiveavgpool 7"),
        ("3x32x32", "nn.AdaptiveMaxPool2d((6, 4))", "adaptivemaxpool 6x4"),
        ("3x32x32", "BatchNorm2d(3)", "batchnorm"),
        ("3x32x32", "BatchNorm2d(3, momentum=0.9)", "batchnorm momentum 0.9"),
        ("3x32x32", "BatchNormalization(momentum=0.8)", "batchnorm momentum 0.2 eps 1e-3"),
        ("3x32x32", "Flatten()", "flatten"),
        ("120", "Linear(120, 84)", "dense 84"),
        ("120", "nn.Linear(120, 84, bias=False)", "dense 84 bias no"),
        ("120", "Dropout(0.3)", "dropout 0.3"),
        ("120", "Softmax(dim=1)", "softmax"),
        ("3x32x32", "Conv2D(32, (3,3), activation='relu')", "conv 32@3 -> relu"),
        ("3x32x32", 'Conv2D(32, 3, padding="same")', "conv 32@3 padding same"),
        ("3x32x32", "Conv2D(32, 3, use_bias=False, strides=2)", "conv 32@3 bias no stride 2"),
        ("3x32x32", "MaxPooling2D((2,2))", "maxpool 2 rounding floor"),
        ("3x32x32", "layers.MaxPooling2D()", "maxpool 2 rounding floor"),
        ("3x32x32", "GlobalAveragePooling2D()", "globalavgpool"),
        ("3x32x32", "BatchNormalization()", "batchnorm eps 1e-3 momentum 0.01"),
        ("3x32x32", "Activation('relu')", "relu"),
        ("3x32x32", "model.add(Conv2D(8, 3, activation='tanh'))", "conv 8@3 -> tanh"),
        ("120", "Dense(10, activation='softmax')", "dense 10 -> softmax"),
        ("120", "keras.layers.Dense(10)", "dense 10"),
        ("3x32x32", "F.relu(input)", "input -> relu"),
        ("3x32x32", "conv(8, kernel_size=3)", "conv 8@3"),
        ("3x32x32", "conv(3, 8, 3)", "conv 8@3"),
    ],
)
def test_a_call_of_another_tool_becomes_a_phrase_that_checks(
    head: str, call: str, ours: str
) -> None:
    text = followed(f"input {head}\n{call}\n")
    assert text.splitlines()[1].startswith(ours)
    assert check_text(text).diagnostics == ()


@pytest.mark.parametrize(
    "call",
    [
        f"{kind}({before}{kernel}{rest})"
        for kind, before in (("Conv2d", "3, 6, "), ("MaxPool2d", ""), ("AvgPool2d", ""))
        for kernel in ("2", "3", "(3, 2)", "kernel_size=4")
        for rest in ("", ", stride=2", ", stride=3, padding=1", ", stride=(2, 1)")
    ],
)
@pytest.mark.parametrize("size", [13, 16])
def test_the_phrase_gives_what_the_call_gives_in_pytorch(call: str, size: int) -> None:
    torch: Any = pytest.importorskip("torch")
    layer = eval(call, {kind: getattr(torch.nn, kind) for kind in dir(torch.nn)})
    expected = "x".join(map(str, layer(torch.zeros(1, 3, size, size)).shape[1:]))
    text = followed(f"input 3x{size}x{size}\n{call}\n")
    assert str(network(text).types[-1]) == expected


@pytest.mark.parametrize(
    "call",
    [
        "AdaptiveAvgPool2d((None, 7))",
        "Conv2d(3, 64)",
        "Conv2d(3, 64, 3, padding_mode='reflect')",
        "Conv2D(32, 3, activation='celu')",
        "Flatten(2)",
    ],
)
def test_what_has_no_counterpart_has_no_fix(call: str) -> None:
    (found,) = check_text(f"input 3x32x32\n{call}\n").diagnostics
    assert found.code == "CNN101"
    assert not found.fixes


def test_words_of_other_tools_in_a_translated_call_are_not_reported_beside_it() -> None:
    text = "input 3x32x32\nConv2D(8, 3, padding='same', use_bias=False)\n"
    assert [item.code for item in check_text(text).diagnostics] == ["CNN101"]


def test_a_call_over_several_lines_is_not_written_out() -> None:
    found = check_text("input 3x8x8\nF.relu(foo(31  # a comment\n))\nrelu(bn(conv(3\n, 8)))\n")
    assert all("\n" not in item.help for item in found.diagnostics)
