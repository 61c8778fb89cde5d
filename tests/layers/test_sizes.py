"""The size rule: against counting, and against what ONNX Runtime really computes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.window import ForwardWindow as Window
from cnndsl.layers.window import Rounding
from cnndsl.types import TensorType

ROUNDINGS = list(Rounding)


def make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


def counted(window: Window) -> int:
    """How many windows there are, by moving one along."""
    end = window.before + window.size + window.after
    starts = [start for start in range(0, end + 1, window.stride) if start + window.extent <= end]
    is_covered = starts[-1] + window.extent == end
    following = starts[-1] + window.stride
    if window.rounding is Rounding.CEIL and not is_covered:
        starts += [following] if following < window.before + window.size else []
    return len(starts)


def test_output_is_the_number_of_positions_of_the_window() -> None:
    ranges = (range(1, 12), range(1, 5), range(1, 6), range(3), range(3), (1, 2, 3), ROUNDINGS)
    windows = [Window(*values) for values in itertools.product(*ranges)]
    fitting = [window for window in windows if window.fits]
    assert len(fitting) > 15_000
    assert [w for w in fitting if w.output != counted(w)] == []


def test_overhang_is_what_the_last_window_reaches_beyond_the_padded_input() -> None:
    for size, kernel, stride, before, after in itertools.product(
        range(1, 10), range(1, 5), range(1, 5), range(3), range(3)
    ):
        window = Window(size, kernel, stride, before, after, rounding=Rounding.CEIL)
        if window.fits:
            end = (window.output - 1) * stride + kernel
            assert window.overhang == max(0, end - (before + size + after))


@pytest.mark.parametrize("size", range(1, 30))
def test_same_keeps_ceil_of_size_over_stride(size: int) -> None:
    for kernel, stride, dilation in itertools.product(range(1, 7), range(1, 7), range(1, 4)):
        for rounding in ROUNDINGS:
            conv = make(
                "conv",
                filters=1,
                kernel=kernel,
                stride=stride,
                dilation=dilation,
                padding="same",
                rounding=rounding,
            )
            source = TensorType((1, size))
            assert conv.output(source).spatial == (-(-size // stride),)
            assert list(conv.faults(source)) == []


def test_same_puts_the_odd_cell_at_the_end() -> None:
    conv = make("conv", filters=1, kernel=4, padding="same")
    assert [(w.before, w.after) for w in conv.footprint(TensorType((1, 9)))] == [(1, 2)]  # type: ignore[union-attr]


def test_full_padding_is_all_but_one_cell_of_the_dilated_kernel() -> None:
    conv = make("conv", filters=1, kernel=(3, 2), dilation=(1, 3), padding="full")
    assert conv.output(TensorType((1, 5, 5))).spatial == (5 + 2, 5 + 3)


@pytest.mark.parametrize(
    ("padding", "shape", "borders"),
    [
        (2, (1, 9), [(2, 2)]),
        ((1, 2), (1, 9), [(1, 2)]),
        ((1, 2), (1, 9, 9), [(1, 1), (2, 2)]),
        ((1, 2, 3, 4), (1, 9, 9), [(1, 3), (2, 4)]),
        ((1, 2, 0), (1, 9, 9, 9), [(1, 1), (2, 2), (0, 0)]),
        ((1, 2, 3, 4, 5, 6), (1, 9, 9, 9), [(1, 4), (2, 5), (3, 6)]),
        ("valid", (1, 9, 9), [(0, 0), (0, 0)]),
    ],
)
def test_padding_is_one_size_one_for_each_or_all_begins_then_all_ends(
    padding: object, shape: tuple[int, ...], borders: list[tuple[int, int]]
) -> None:
    windows = make("conv", filters=1, kernel=7, padding=padding).windows(TensorType(shape))
    assert [(window.before, window.after) for window in windows] == borders


@pytest.mark.parametrize(
    ("window", "formula"),
    [
        (Window(227, 11, 4), "(227 - 11)/4 + 1 = 55"),
        (Window(224, 11, 4), "(224 - 11)/4 + 1 = 54.25"),
        (Window(224, 11, 4, 2, 2), "(224 - 11 + 2*2)/4 + 1 = 55.25"),
        (Window(224, 11, 4, 1, 2), "(224 - 11 + 1 + 2)/4 + 1 = 55"),
        (Window(9, 3, 3, dilation=2), "(9 - (2*(3 - 1) + 1))/3 + 1 = 2.33"),
        (Window(1002, 1, 1000), "(1002 - 1)/1000 + 1 = 2.001"),
        (Window(1000, 1, 1000), "(1000 - 1)/1000 + 1 = 1.999"),
    ],
)
def test_formula_shows_the_rule_with_its_numbers(window: Window, formula: str) -> None:
    assert window.formula == formula


def test_formula_never_rounds_a_remainder_away() -> None:
    for stride, span in itertools.product(range(2, 60), range(200)):
        window = Window(span + 1, 1, stride)
        quotient = float(window.formula.rpartition("= ")[2])
        assert quotient.is_integer() is window.tiles


# --- against ONNX Runtime ---------------------------------------------------------------------


def any_layer(rng: random.Random) -> tuple[Layer, tuple[int, ...]]:
    """A random windowed layer and an input that its kernel fits into."""
    while True:
        rank = rng.choice((1, 1, 2, 2, 3))
        keyword = rng.choice(("conv", "conv", "depthwise", "maxpool", "avgpool", "sumpool"))
        kernel = tuple(rng.randint(1, 5) for _ in range(rank))
        margins = [rng.randint(0, 2 if keyword == "conv" else min(kernel) - 1) for _ in kernel * 2]
        parameters: dict[str, Any] = {
            "kernel": kernel,
            "stride": tuple(rng.randint(1, 7) for _ in range(rank)),
            "padding": rng.choice((tuple(margins), margins[0], "same", "full", "valid")),
            "rounding": rng.choice(ROUNDINGS),
        }
        if keyword == "conv":
            parameters["filters"] = 1
        if keyword in ("conv", "depthwise", "maxpool"):
            parameters["dilation"] = rng.choice((1, 1, 2, 3))
        if keyword == "avgpool":
            parameters["count_padding"] = rng.choice((True, False))
        layer = make(keyword, **parameters)
        shape = (1, *(rng.randint(1, 15) for _ in range(rank)))
        codes = {fault.code for fault in layer.faults(TensorType(shape))}
        if not codes & {"CNN302", "CNN303"}:
            return layer, shape


def test_thousands_of_layers_have_the_size_that_onnx_runtime_computes(
    compute: Callable[..., list[Any]],
) -> None:
    rng = random.Random(20)
    checked = remainders = 0
    for _ in range(60):
        cases, expected = [], []
        for _ in range(100):
            layer, shape = any_layer(rng)
            source = TensorType(shape)
            weights = {w.name: np.ones(w.shape, np.float32) for w in layer.weights(source)}
            cases.append((layer, [np.ones((1, *shape), np.float32)], weights))
            expected.append((1, *layer.output(source).dims))
            remainders += any(fault.code == "CNN301" for fault in layer.faults(source))
        assert [output.shape for output in compute(cases)] == expected
        checked += len(cases)
    assert checked >= 5_000
    assert remainders > 200


def test_the_rule_gives_the_sizes_of_onnx_runtimes_own_floor_and_ceil(
    graph: Callable[[], Any],
) -> None:
    rng = random.Random(21)
    for _ in range(40):
        nodes = graph()
        expected: list[tuple[int, ...]] = []
        while len(expected) < 50:
            ceil, dilation = rng.random() < 0.6, rng.choice((1, 1, 2, 3))
            kernel = rng.randint(1, 5)
            before, after = rng.randint(0, kernel - 1), rng.randint(0, kernel - 1)
            rounding = Rounding.CEIL if ceil else Rounding.FLOOR
            size, stride = rng.randint(1, 15), rng.randint(1, 8)
            window = Window(size, kernel, stride, before, after, dilation, rounding)
            if not window.fits:
                continue
            source = nodes.feed(np.ones((1, 1, size), np.float32))
            nodes.give(
                nodes.op(
                    "MaxPool",
                    source,
                    kernel_shape=[kernel],
                    strides=[stride],
                    pads=[before, after],
                    dilations=[dilation],
                    ceil_mode=int(ceil),
                )
            )
            expected.append((1, 1, window.output))
        assert [output.shape for output in nodes.run()] == expected
