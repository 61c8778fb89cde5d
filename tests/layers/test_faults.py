"""What layers say of inputs that they cannot take: exact words, blame, and what may follow."""

from __future__ import annotations

from typing import Any

import pytest

from cnndsl.layers import find
from cnndsl.layers.base import Layer, ShapeFault
from cnndsl.types import TensorType


def make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


def faults(layer: Layer, *shapes: tuple[int, ...]) -> list[ShapeFault]:
    return list(layer.faults(*map(TensorType, shapes)))


def told(layer: Layer, *shapes: tuple[int, ...]) -> list[tuple[str, str]]:
    return [(fault.code, fault.message) for fault in faults(layer, *shapes)]


@pytest.mark.parametrize(
    ("parameters", "shape", "message"),
    [
        (
            {"kernel": 11, "stride": 4},
            (3, 224, 224),
            "the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25",
        ),
        (
            {"kernel": 11, "stride": 4, "padding": (1, 1, 2, 2)},
            (3, 227, 224),
            "the kernel does not tile the input's height: (227 - 11 + 1 + 2)/4 + 1 = 55.75",
        ),
        (
            {"kernel": 11, "stride": 4},
            (3, 224, 225),
            "the kernel does not tile the input: height (224 - 11)/4 + 1 = 54.25;"
            " width (225 - 11)/4 + 1 = 54.5",
        ),
        (
            {"kernel": 3, "stride": 2},
            (3, 9, 8, 8),
            "the kernel does not tile the input's height and width: (8 - 3)/2 + 1 = 3.5",
        ),
        (
            {"kernel": 3, "stride": 2, "dilation": 2},
            (3, 10),
            "the kernel does not tile the input: (10 - (2*(3 - 1) + 1))/2 + 1 = 3.5",
        ),
    ],
)
def test_a_remainder_shows_the_arithmetic(
    parameters: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    (fault,) = faults(make("conv", filters=8, **parameters), shape)
    assert (fault.code, fault.message) == ("CNN301", message)
    assert fault.blame[0] == "kernel"
    assert fault.spatial
    assert not fault.fatal
    assert [window.size for window in fault.windows] == list(shape[1:])


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_rounding_says_what_to_do_with_a_remainder(rounding: str) -> None:
    assert told(make("maxpool", kernel=3, stride=2, rounding=rounding), (3, 8, 8)) == []


@pytest.mark.parametrize(
    ("parameters", "shape", "message"),
    [
        ({"kernel": 5}, (3, 4, 4), "the kernel is larger than the input: 5 > 4"),
        (
            {"kernel": 5, "padding": (1, 0, 0, 0)},
            (3, 3, 9),
            "the kernel is larger than the padded input's height: 5 > 3 + 1 + 0 = 4",
        ),
        (
            {"kernel": 5, "dilation": 2, "padding": 1},
            (3, 4, 4),
            "the kernel is larger than the padded input: 2*(5 - 1) + 1 = 9 > 4 + 2*1 = 6",
        ),
        (
            {"kernel": (5, 7)},
            (3, 4, 4),
            "the kernel is larger than the input: height 5 > 4; width 7 > 4",
        ),
    ],
)
def test_a_kernel_that_is_too_large_shows_the_arithmetic(
    parameters: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    layer = make("conv", filters=8, **parameters)
    (fault,) = faults(layer, shape)
    assert (fault.code, fault.message) == ("CNN302", message)
    assert fault.spatial
    assert min(layer.output(TensorType(shape)).dims) >= 1


def test_pooling_refuses_padding_as_large_as_the_kernel() -> None:
    (fault,) = faults(make("maxpool", kernel=3, padding=3), (3, 9, 9))
    assert (fault.code, fault.message) == (
        "CNN303",
        "padding 3 is as large as the kernel, 3: some windows would see nothing but padding",
    )
    assert fault.blame == ("padding", "kernel")
    assert fault.help == "write a padding of at most 2"
    assert told(make("maxpool", kernel=3, stride=1, padding=2), (3, 9, 9)) == []
    assert told(make("conv", filters=1, kernel=3, padding=3), (3, 9, 9)) == []


def test_pooling_names_the_dimension_whose_padding_is_too_large() -> None:
    pool = make("avgpool", kernel=(2, 3), stride=1, padding=(1, 5))
    assert told(pool, (3, 9, 9)) == [
        (
            "CNN303",
            "padding 5 is as large as the kernel, 3 along the width:"
            " some windows would see nothing but padding",
        )
    ]


def test_pooling_refuses_windows_whose_gaps_swallow_the_input() -> None:
    assert told(make("maxpool", kernel=2, stride=1, dilation=4, padding=2), (3, 3)) == [
        (
            "CNN303",
            "dilation 4 is larger than the input, 3: some windows would see nothing but padding",
        )
    ]


def test_groups_must_divide_channels_and_filters_and_both_are_told() -> None:
    first, second = faults(make("conv", filters=10, kernel=1, groups=4), (6, 5, 5))
    assert (first.code, first.message) == (
        "CNN304",
        "6 input channels do not split into 4 groups: 6 = 1*4 + 2",
    )
    assert (second.code, second.message) == (
        "CNN309",
        "10 filters do not split into 4 groups: 10 = 2*4 + 2",
    )
    assert first.help == second.help == "write `groups 2`: it divides 6 and 10"
    assert first.blame[0] == second.blame[0] == "groups"
    assert not first.spatial
    assert not second.spatial


def test_the_help_for_groups_works_when_followed() -> None:
    for channels in range(1, 13):
        for filters in range(1, 13):
            for groups in range(1, 15):
                for fault in faults(
                    make("conv", filters=filters, kernel=1, groups=groups), (channels, 5)
                ):
                    mended = int(fault.help.split("`")[1].split()[1])
                    assert not faults(
                        make("conv", filters=filters, kernel=1, groups=mended), (channels, 5)
                    )


def test_independent_faults_of_a_layer_are_all_told() -> None:
    layer = make("conv", filters=9, kernel=4, stride=2, groups=2)
    assert [fault.code for fault in faults(layer, (3, 9, 9))] == ["CNN304", "CNN309", "CNN301"]


def test_sizes_for_the_wrong_number_of_dimensions() -> None:
    layer = make("conv", filters=8, kernel=(3, 3, 3), stride=(1, 2, 1), padding=(1, 1, 1, 1, 1, 1))
    assert told(layer, (3, 9, 9)) == [
        (
            "CNN308",
            "`kernel 3x3x3` has 3 sizes, and the input has 2 dimensions: height and width",
        ),
        (
            "CNN308",
            "`stride 1x2x1` has 3 sizes, and the input has 2 dimensions: height and width",
        ),
        (
            "CNN308",
            "`padding [1, 1, 1, 1, 1, 1]` has 6 sizes, and the input has 2 dimensions:"
            " height and width",
        ),
    ]
    assert layer.output(TensorType((3, 9, 9))).channels == 8
    (fault,) = faults(make("maxpool", kernel=(2, 2)), (3, 9))
    assert fault.message == "`kernel 2x2` has 2 sizes, and the input has 1 dimension: length"
    assert fault.blame == ("kernel",)
    assert fault.help == "write one size"


@pytest.mark.parametrize(
    ("keyword", "parameters", "fatal"),
    [
        ("conv", {"filters": 1, "kernel": 3}, True),
        ("depthwise", {"kernel": 3}, True),
        ("maxpool", {"kernel": 3}, True),
        ("avgpool", {"kernel": 3}, True),
        ("sumpool", {"kernel": 3}, True),
        ("globalavgpool", {}, False),
        ("globalmaxpool", {}, False),
        ("lrn", {}, False),
    ],
)
def test_a_vector_is_no_feature_map(keyword: str, parameters: dict[str, Any], fatal: bool) -> None:
    layer = make(keyword, **parameters)
    (fault,) = faults(layer, (120,))
    assert (fault.code, fault.message) == (
        "CNN306",
        f"`{keyword}` needs feature maps, and its input is a vector of 120",
    )
    assert fault.fatal is fatal
    if not fatal:
        assert layer.output(TensorType((120,))).dims == (120,)


def test_windows_slide_along_three_dimensions_at_most() -> None:
    (fault,) = faults(make("maxpool", kernel=2), (1, 2, 2, 2, 2))
    assert (fault.code, fault.message) == (
        "CNN310",
        "`maxpool` works along 1, 2 or 3 dimensions; its input 1x2x2x2x2 has 4",
    )
    assert fault.fatal


def test_dense_on_feature_maps_asks_for_flatten() -> None:
    layer = make("dense", units=10)
    (fault,) = faults(layer, (16, 5, 5))
    assert (fault.code, fault.message) == (
        "CNN307",
        "`dense` needs a vector, and its input is feature maps of 16x5x5",
    )
    assert fault.help == "put `flatten` before it: it makes a vector of 400"
    assert fault.insert == "flatten"
    assert layer.output(TensorType((16, 5, 5))).dims == (10,)
    assert layer.fixed_output() == TensorType((10,))


@pytest.mark.parametrize("keyword", ["add", "maximum"])
def test_sums_and_maxima_need_equal_shapes(keyword: str) -> None:
    (fault,) = faults(make(keyword), (64, 56, 56), (256, 56, 56))
    assert (fault.code, fault.message) == (
        "CNN305",
        f"`{keyword}` needs inputs of one shape: input 1 is 64x56x56, input 2 is 256x56x56",
    )
    assert fault.inputs == (0, 1)
    assert fault.help == "end the branch of 256x56x56 with `conv 64@1`"
    assert not fault.spatial


def test_a_join_blames_the_odd_one_out() -> None:
    layer, shapes = make("add"), [(8, 4, 4), (8, 5, 4), (8, 5, 4)]
    (fault,) = faults(layer, *shapes)
    assert fault.message == ("`add` needs inputs of one shape: input 1 is 8x4x4, input 2 is 8x5x4")
    assert fault.spatial
    assert layer.output(*map(TensorType, shapes)).dims == (8, 5, 4)


def test_concat_needs_equal_sizes_but_not_channels() -> None:
    layer = make("concat")
    assert faults(layer, (64, 28, 28), (128, 28, 28)) == []
    (fault,) = faults(layer, (64, 28, 28), (32, 28, 28), (32, 14, 14))
    assert fault.message == (
        "`concat` needs inputs alike in all but the channels:"
        " input 1 is 64x28x28, input 3 is 32x14x14"
    )
    assert fault.inputs == (0, 2)
    assert fault.spatial
    assert layer.output(*map(TensorType, [(64, 28, 28), (32, 14, 14)])).channels == 96
    (mixed,) = faults(layer, (64, 28, 28), (32,))
    assert not mixed.spatial


@pytest.mark.parametrize("gate", [(8,), (8, 1, 1), (1, 4, 5), (1, 1, 1), (8, 4, 5)])
def test_multiply_stretches_gates(gate: tuple[int, ...]) -> None:
    for shapes in ([(8, 4, 5), gate], [gate, (8, 4, 5)]):
        assert faults(make("multiply"), *shapes) == []
        assert make("multiply").output(*map(TensorType, shapes)).dims == (8, 4, 5)


@pytest.mark.parametrize(
    ("gate", "help"),
    [
        ((4,), "end the branch of 4 with `dense 8`"),
        ((4, 1, 1), "end the branch of 4x1x1 with `conv 8@1`"),
        ((8, 2, 1), "make their sizes agree: the strides and paddings of the branches decide them"),
        ((8, 1), "bring the branch of 8x1 to 8x4x5"),
    ],
)
def test_multiply_refuses_what_does_not_stretch(gate: tuple[int, ...], help: str) -> None:
    (fault,) = faults(make("multiply"), (8, 4, 5), gate)
    assert (fault.code, fault.help) == ("CNN305", help)
    assert fault.message.startswith(
        "`multiply` needs inputs of one shape, or sizes of 1 to stretch: input 1 is 8x4x5, "
    )


def test_add_stretches_nothing() -> None:
    assert [fault.code for fault in faults(make("add"), (8, 4, 5), (8, 1, 1))] == ["CNN305"]


@pytest.mark.parametrize(("shape", "what"), [((1,), "unit"), ((1, 4, 4), "channel")])
def test_softmax_over_one_is_always_one(shape: tuple[int, ...], what: str) -> None:
    assert told(make("softmax"), shape) == [
        ("CNN310", f"`softmax` over a single {what} is always 1")
    ]
    assert told(make("softmax"), (2, *shape[1:])) == []


@pytest.mark.parametrize("keyword", ["dense", "dropconnect"])
def test_a_layer_that_is_made_of_another_speaks_of_itself(keyword: str) -> None:
    (fault,) = faults(make(keyword, units=5), (4, 8, 8))
    assert fault.message == f"`{keyword}` needs a vector, and its input is feature maps of 4x8x8"
