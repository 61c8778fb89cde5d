"""What windows say of themselves in both directions: sizes, footprints, values near by."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cnndsl.frozen import replace
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.transposed_window import TransposedWindow
from cnndsl.layers.window import REACH, ForwardWindow, Parameter, Window
from cnndsl.types import TensorType


def transposed() -> Iterator[TransposedWindow]:
    """Windows of all small numbers."""
    ranges = (range(1, 5), range(1, 5), range(1, 6), range(3), range(3), range(1, 4))
    for size, kernel, stride, before, after, dilation in itertools.product(*ranges):
        for added in range(min(stride, 3)):
            yield TransposedWindow(size, kernel, stride, before, after, dilation, added)


def upconv(**parameters: Any) -> Layer:
    layer = find("upconv")
    assert layer is not None
    return layer(**parameters)


# --- sizes ------------------------------------------------------------------------------------


def spread(window: TransposedWindow) -> list[set[int]]:
    """The cells that each output cell depends on, by spreading one input cell after the other."""
    reach = (window.size - 1) * window.stride + window.extent
    whole: list[set[int]] = [set() for _ in range(reach + window.output_padding)]
    for cell, place in itertools.product(range(window.size), range(window.kernel)):
        whole[cell * window.stride + place * window.dilation].add(cell)
    return whole[window.before : len(whole) - window.after]


def test_a_transposed_window_has_as_many_outputs_as_are_left_of_what_it_reaches() -> None:
    windows = [*transposed()]
    assert len(windows) > 5_000
    for window in windows:
        reach = (window.size - 1) * window.stride + window.extent + window.output_padding
        assert window.output == reach - window.before - window.after
        assert window.fits is (window.output > 0)
        if window.fits:
            assert window.output == len(spread(window))


def test_a_transposed_window_gives_back_what_a_forward_one_took() -> None:
    for window in transposed():
        if not window.fits:
            continue
        sizes = window.kernel, window.stride, window.before, window.after, window.dilation
        back = ForwardWindow(window.output, *sizes)
        if back.fits:
            assert back.span // back.stride + 1 == window.size
            assert back.span % back.stride == window.output_padding


def test_thousands_of_transposed_layers_have_the_size_that_onnx_runtime_computes(
    compute: Callable[..., list[Any]],
) -> None:
    rng = random.Random(40)
    for _ in range(25):
        cases: list[Any] = []
        expected: list[tuple[int, ...]] = []
        while len(cases) < 80:
            rank = rng.choice((1, 1, 2, 2, 3))
            stride = tuple(rng.randint(1, 5) for _ in range(rank))
            padding = rng.choice(
                ("same", "full", "valid", tuple(rng.choices(range(4), k=2 * rank)))
            )
            added = tuple(rng.randrange(step) for step in stride)
            layer = upconv(
                filters=1,
                kernel=tuple(rng.randint(1, 4) for _ in range(rank)),
                stride=stride,
                padding=padding,
                dilation=rng.choice((1, 1, 2, 3)),
                output_padding=0 if padding == "same" else added,
            )
            source = TensorType((1, *(rng.randint(1, 6) for _ in range(rank))))
            if [*layer.faults(source)]:
                continue
            weights = {one.name: np.ones(one.shape, np.float32) for one in layer.weights(source)}
            cases.append((layer, [np.ones((1, *source.dims), np.float32)], weights))
            expected.append((1, *layer.output(source).dims))
        assert [output.shape for output in compute(cases)] == expected


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_sizes_and_refusals_are_those_of_pytorch(rank: int) -> None:
    torch = pytest.importorskip("torch")
    transpose = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    rng = random.Random(41)
    refused = 0
    for _ in range(400):
        kernel = tuple(rng.randint(1, 4) for _ in range(rank))
        stride = tuple(rng.randint(1, 4) for _ in range(rank))
        given: dict[str, Any] = {
            "stride": stride,
            "padding": tuple(rng.randint(0, 3) for _ in range(rank)),
            "output_padding": tuple(rng.randint(0, step) for step in stride),
            "dilation": 1,  # below a larger one, PyTorch takes more than ONNX Runtime does
        }
        dims = tuple(rng.randint(1, 5) for _ in range(rank))
        layer = upconv(filters=2, kernel=kernel, **given)
        try:
            y = transpose(torch.ones(1, 3, *dims), torch.ones(3, 2, *kernel), **given)
            made = tuple(y.shape[1:])
        except RuntimeError:
            made = ()
        faults = [*layer.faults(TensorType((3, *dims)))]
        if math.prod(made) and made:
            assert faults == []
            assert layer.output(TensorType((3, *dims))).dims == made
        else:  # in three dimensions it gives nothing instead of refusing
            refused += 1
            assert faults
    assert 20 < refused < 380


@pytest.mark.parametrize("size", range(1, 12))
def test_same_makes_the_input_times_the_stride(size: int) -> None:
    for kernel, stride, dilation in itertools.product(range(1, 7), range(1, 7), range(1, 4)):
        layer = upconv(filters=1, kernel=kernel, stride=stride, dilation=dilation, padding="same")
        source = TensorType((1, size))
        assert layer.output(source).spatial == (size * stride,)
        assert [*layer.faults(source)] == []
        (window,) = layer.windows(source)
        assert window.after - window.before in (0, 1)  # the odd cell at the end


@pytest.mark.parametrize(
    ("window", "formula"),
    [
        (TransposedWindow(14, 4, 2, 1, 1), "(14 - 1)*2 - 2*1 + 4 = 28"),
        (TransposedWindow(14, 3, 2, 1, 1, 1, 1), "(14 - 1)*2 - 2*1 + 3 + 1 = 28"),
        (TransposedWindow(7, 3, 2, 0, 1), "(7 - 1)*2 - (0 + 1) + 3 = 14"),
        (TransposedWindow(7, 2, 1, dilation=3), "(7 - 1)*1 + (3*(2 - 1) + 1) = 10"),
        (TransposedWindow(1, 3, 1, 2, 2), "(1 - 1)*1 - 2*2 + 3 = -1"),
    ],
)
def test_a_transposed_window_shows_its_own_rule(window: Window, formula: str) -> None:
    assert window.formula == formula


def test_the_arithmetic_of_the_formula_is_right() -> None:
    for window in [*transposed()][::7]:
        left, right = window.formula.split(" = ")
        assert eval(left) == int(right) == window.output


# --- footprints -------------------------------------------------------------------------------


def test_the_cells_of_a_transposed_window_are_those_that_were_spread_there() -> None:
    for window in transposed():
        for position, cells in enumerate(spread(window) if window.fits else ()):
            known = [cell for cell in window.cells(position) if 0 <= cell < window.size]
            assert known == sorted(cells)


def test_the_cells_of_a_forward_window_are_those_under_its_kernel() -> None:
    for size, kernel, stride, before, dilation in itertools.product(
        (9,), range(1, 4), range(1, 4), range(3), range(1, 4)
    ):
        window = ForwardWindow(size, kernel, stride, before, 0, dilation)
        for position in range(window.output):
            first = position * stride - before
            assert [*window.cells(position)] == [first + dilation * k for k in range(kernel)]


def test_footprints_repeat_at_the_pace_of_the_window() -> None:
    forward = [
        ForwardWindow(20, k, s, b, 0, d)
        for k in (1, 3)
        for s in (1, 2)
        for b in (0, 1)
        for d in (1, 2)
    ]
    for window in (*forward, *[*transposed()][::11]):
        positions, cells = window.pace
        for position in range(7):
            moved = [cell + cells for cell in window.cells(position)]
            assert [*window.cells(position + positions)] == moved


def test_a_kernel_smaller_than_its_stride_leaves_gaps_that_see_nothing() -> None:
    window = TransposedWindow(size=3, kernel=2, stride=4, output_padding=2)
    assert [len(window.cells(at)) for at in range(window.output)] == [1, 1, 0, 0] * 2 + [1, 1, 0, 0]


# --- values near by ---------------------------------------------------------------------------


def test_some_value_near_by_mends_a_window_that_crops_all() -> None:
    for window in [*transposed()][::17]:
        for crop in (0, 40, 10_000):
            bad = replace(window, before=window.before + crop, after=window.after + crop)
            if bad.fits:
                continue
            names: list[Parameter] = ["kernel"]
            names += ["stride"] if bad.size > 1 else []
            names += ["dilation"] if bad.kernel > 1 else []
            for name in names:
                tried = [replace(bad, **{name: value}) for value in bad.nearby(name)]
                assert any(one.works for one in tried), (bad, name)
            margins = bad.nearby("padding")
            assert any(replace(bad, before=m, after=m).works for m in margins)


def test_values_near_by_are_few_however_large_the_numbers_are() -> None:
    names: list[Parameter] = ["kernel", "stride", "padding", "dilation", "output_padding"]
    for numbers in itertools.product((1, 2**31 - 1), repeat=6):
        size, kernel, stride, before, after, dilation = numbers
        forward = ForwardWindow(size, kernel, stride, before, after, dilation)
        back = TransposedWindow(size, kernel, stride, before, after, dilation, stride - 1)
        for window in (forward, back):
            assert max(len(window.nearby(name)) for name in names) <= 2 * REACH + 1


# --- weights ----------------------------------------------------------------------------------


def places_met(kernel: int, stride: int, dilation: int) -> float:
    """How many places of the kernel meet an output cell far from the borders, by counting."""
    counts: dict[int, int] = {}
    for cell, place in itertools.product(range(60), range(kernel)):
        at = cell * stride + place * dilation
        counts[at] = counts.get(at, 0) + 1
    inner = [count for at, count in counts.items() if 20 * stride <= at < 40 * stride]
    return sum(inner) / len(inner)


@pytest.mark.parametrize("groups", [1, 2])
def test_fans_count_what_an_output_sums_over_and_what_an_input_reaches(groups: int) -> None:
    for kernel, stride, dilation in itertools.product(range(1, 6), range(1, 5), range(1, 4)):
        layer = upconv(filters=6, kernel=kernel, stride=stride, dilation=dilation, groups=groups)
        weight, bias = layer.weights(TensorType((4, 9, 9)))
        assert weight.shape == (4, 6 // groups, kernel, kernel)
        met = places_met(kernel, stride, dilation) ** 2
        assert weight.fans is not None
        assert weight.fans == bias.fans
        assert weight.fans == pytest.approx((4 / groups * met, 6 / groups * kernel**2))


def test_he_keeps_the_variance_through_transposed_convolutions() -> None:
    """Second moments of a relu's output stay what they were, whatever kernel and stride are."""
    from cnndsl.graph.initializers import draw
    from cnndsl.layers.base import Init

    torch = pytest.importorskip("torch")
    for kernel, stride in ((4, 2), (3, 2), (2, 2), (5, 3)):
        layer = upconv(filters=64, kernel=kernel, stride=stride, bias=False)
        (weight,) = layer.weights(TensorType((64, 16, 16)))
        values = draw("w", weight.shape, 0, Init("he"), weight.fans)
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 64, 16, 16), np.float32))
        y = torch.nn.functional.conv_transpose2d(x.relu(), torch.from_numpy(values), stride=stride)
        inner = y[:, :, stride * 2 : -stride * 2, stride * 2 : -stride * 2].relu()
        assert float((inner**2).mean() / (x.relu() ** 2).mean()) == pytest.approx(1, abs=0.1)


def test_multiply_accumulates_are_counted_at_the_inputs_places() -> None:
    layer = upconv(filters=8, kernel=4, stride=2, padding=1)
    assert layer.macs(TensorType((16, 7, 7))) == 16 * 8 * 4 * 4 * 7 * 7
