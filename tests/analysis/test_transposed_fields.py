"""Receptive fields behind transposed windows, where neighbours do not see alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from following_cells import Oracle, Slide, Spread, sliding
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.layers.base import Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.join import Add
from cnndsl.layers.pool import GlobalAvgPool
from cnndsl.layers.upconv import UpConv
from cnndsl.layers.window import Rounding

Build: TypeAlias = Callable[..., TypedNetwork]
Step: TypeAlias = tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]]


def conv(kernel: int, stride: int = 1, padding: int = 0) -> Conv:
    floor = Rounding.FLOOR
    return Conv(filters=1, kernel=(kernel,), stride=(stride,), padding=(padding,), rounding=floor)


def last_sizes(typed: TypedNetwork) -> tuple[int, ...]:
    return receptive_fields(typed)[-1].sizes


@st.composite
def spreading(draw: st.DrawFn) -> Spread:
    """A transposed window that keeps a cell at least, whatever the size is."""
    kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 4, 3))
    extent = dilation * (kernel - 1) + 1
    before = draw(st.integers(0, extent - 1))
    after = draw(st.integers(0, extent - 1 - before))
    added = draw(st.integers(0, stride - 1))
    sizes = {"kernel": kernel, "stride": stride, "before": before, "after": after}
    return Spread(**sizes, dilation=dilation, added=added)


@st.composite
def decoders(draw: st.DrawFn) -> list[Step]:
    """Chains of windows in both directions, and joins of two that make the same size."""
    steps: list[Step] = []
    last, up = "input", 1
    for at in range(draw(st.integers(1, 5))):
        name = f"{at}"
        transposed = up <= 8 and draw(st.booleans())
        layer = draw(spreading()) if transposed else draw(sliding(draw(st.sampled_from([1, 1, 2]))))
        up *= layer.stride if isinstance(layer, Spread) else 1
        steps.append((name, layer, (last,)))
        last = name
        if draw(st.integers(0, 3)) == 0:
            kernel = draw(st.integers(1, 4))
            branch = Slide(kernel=kernel, before=kernel - 1)
            steps += [(f"{at}b", branch, (name,)), (f"{at}+", Add(), (name, f"{at}b"))]
            last = f"{at}+"
    return steps


@settings(deadline=None, max_examples=300)
@given(steps=decoders())
def test_transposed_windows_see_what_following_single_cells_finds(
    build: Build, steps: list[Step]
) -> None:
    typed = build(*steps, inputs=(1, 16))
    oracle = Oracle(typed)
    for position, field in enumerate(receptive_fields(typed)):
        assert field.sizes == (oracle.size(position),)


def upconv(kernel: int, stride: int = 1, padding: int = 0, added: int = 0) -> UpConv:
    return UpConv(
        filters=1,
        kernel=(kernel,),
        stride=(stride,),
        padding=(padding,),
        output_padding=(added,),
    )


def test_fields_are_where_gradients_are_not_zero(build: Build) -> None:
    """Kernels of ones in PyTorch: an output's gradient is not zero where the output looks."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    chains: list[list[Any]] = [
        [upconv(4, 2, 1), upconv(4, 2, 1)],
        [upconv(3, 2, 1, 1), conv(3, 1, 1)],
        [conv(3, 2, 1), upconv(5, 3), conv(2)],
        [upconv(2, 3), conv(2)],
        [upconv(1, 4), conv(3), upconv(3, 2)],
        [conv(5, 2, 2), conv(3, 2, 1), upconv(4, 2, 1), upconv(4, 2, 1), conv(3, 1, 1)],
    ]
    for chain in chains:
        x = torch.ones(1, 1, 40, requires_grad=True, dtype=torch.float64)
        y = x
        for layer in chain:
            ones = torch.ones(1, 1, layer.kernel[0], dtype=torch.float64)
            given = {"stride": layer.stride, "padding": layer.padding}
            if isinstance(layer, UpConv):
                added = layer.output_padding
                y = functional.conv_transpose1d(y, ones, **given, output_padding=added)
            else:
                y = functional.conv1d(y, ones, **given)
        widths = []
        for cell in y[0, 0]:
            (gradient,) = torch.autograd.grad(cell, x, retain_graph=True)
            seen = gradient[0, 0].nonzero().flatten()
            widths.append(int(seen[-1] - seen[0]) + 1 if len(seen) else 0)
        typed = build(*((f"l{at}", layer) for at, layer in enumerate(chain)), inputs=(1, 40))
        assert last_sizes(typed) == (max(widths),)


def test_a_decoder_that_has_been_a_vector_sees_the_cells_that_reach_it(build: Build) -> None:
    typed = build(("up", upconv(2, 4)), ("all", GlobalAvgPool()), inputs=(1, 6, 6))
    assert [field.sizes for field in receptive_fields(typed)] == [(1, 1), (1, 1), (6, 6)]


def test_what_sees_nothing_has_no_field(build: Build) -> None:
    """A stride of 4, a kernel of 1, and all cells that it reaches are cropped."""
    typed = build(("up", upconv(1, 4, 1)), ("c", conv(2)), ("all", GlobalAvgPool()), inputs=(1, 2))
    assert [field.sizes for field in receptive_fields(typed)] == [(1,), (0,), (0,), (0,)]


def test_a_stride_of_more_phases_than_are_told_apart_gives_a_bound(build: Build) -> None:
    for steps in ([upconv(200, 100)], [upconv(4, 2)] * 8, [upconv(9, 60), upconv(9, 60)]):
        chain = [(f"l{at}", layer) for at, layer in enumerate(steps)]
        typed = build(*chain, inputs=(1, 4))
        (size,) = last_sizes(typed)
        exact = max(1, Oracle(typed).size(len(chain))) if typed.types[-1].spatial[0] < 1500 else 2
        assert exact <= size <= exact + 2
