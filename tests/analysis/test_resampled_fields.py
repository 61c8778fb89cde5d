"""Receptive fields through layers that move cells: what is resampled, cut, padded, dealt out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from following_cells import Oracle, Slide
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.analysis.receptive_fields import MOST_PHASES, receptive_fields
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.base import POINT, WHOLE, Layer
from cnndsl.layers.borders import Crop, Pad
from cnndsl.layers.normalization import LocalResponseNorm
from cnndsl.layers.parts import Slice
from cnndsl.layers.rearrange import DepthToSpace, Reshape, SpaceToDepth, Transpose
from cnndsl.layers.sample_norm import GroupNorm, LayerNorm
from cnndsl.layers.upsample import Mode, Upsample
from cnndsl.types import TensorType

Build: TypeAlias = Callable[..., TypedNetwork]
Step: TypeAlias = tuple[str, Layer, tuple[str, ...]]

MOVING: dict[str, list[Layer]] = {
    "nearest": [Upsample(factor=(2,)), Upsample(factor=(3,)), Upsample(size=(17,))],
    "bilinear": [
        Upsample(factor=(2,), mode="bilinear"),
        Upsample(factor=(3,), mode="bilinear"),
        Upsample(size=(17,), mode="bilinear"),
        Upsample(size=(5,), mode="bilinear"),
    ],
    "corners": [
        Upsample(size=(size,), mode="bilinear", align_corners=True) for size in (1, 5, 17, 34)
    ],
    "crop": [Crop(size=(5,)), Crop(size=(4,), offset=(1,))],
    "pad": [Pad(padding=(2,)), Pad(padding=(0, 3), channels=(1,))],
    "slice": [Slice(places=range(1, 9), axis="length", step=3), Slice(places=range(2))],
    "depthtospace": [DepthToSpace(block=2), DepthToSpace(block=4, order="dcr")],
    "spacetodepth": [SpaceToDepth(block=3)],
    "lrn": [LocalResponseNorm(size=3, region="within")],
    "layernorm": [LayerNorm(over="channels")],
}


@pytest.mark.parametrize("kind", MOVING)
def test_a_footprint_is_where_the_jacobian_is_not_zero(kind: str) -> None:
    torch = pytest.importorskip("torch")
    oracles = pytest.importorskip("torch_layers").ORACLES
    torch.manual_seed(0)
    for layer in MOVING[kind]:
        source = TensorType((4, 9))
        weights = {one.name: torch.randn(one.shape) for one in layer.weights(source)}
        jacobian = torch.autograd.functional.jacobian(
            lambda x, layer=layer, weights=weights: oracles[layer.keyword](layer, x, weights)[0],
            torch.randn(1, 4, 9),
        )[:, :, 0]
        depends = jacobian.abs().amax((0, 2)) > 1e-5  # shares of a cell, but for rounding
        footprint = layer.footprint(source)
        for position, row in enumerate(depends.tolist()):
            cells = [position] if footprint == POINT else along(footprint).cells(position)
            found = [at for at, seen in enumerate(row) if seen]
            assert found == [cell for cell in cells if 0 <= cell < 9], (repr(layer), position)


def along(footprint: Any) -> AxisFootprint:
    (one,) = footprint
    assert isinstance(one, AxisFootprint)
    return one


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "corners"])
def test_cells_move_at_their_pace_within_their_hull(mode: str) -> None:
    rng = random.Random(mode)
    for _ in range(60):
        given: dict[str, Any] = {"size": (rng.randint(1, 40),)}
        given |= {} if mode == "nearest" else {"mode": "bilinear"}
        layer = Upsample(**given, align_corners=mode == "corners")
        one = along(layer.footprint(TensorType((1, rng.randint(1, 40)))))
        positions, further = one.pace
        low, high = one.hull
        for at in range(3 * positions):
            cells, later = one.cells(at), one.cells(at + positions)
            assert [cell + further for cell in cells] == [*later]
            assert at * further + low <= cells[0] * positions
            assert cells[-1] * positions <= at * further + high


modes: st.SearchStrategy[Mode] = st.sampled_from(("nearest", "bilinear"))


@st.composite
def chains(draw: st.DrawFn) -> list[Step]:
    """Layers that move cells, with windows between them."""
    steps: list[Step] = []
    last, size = "input", 16
    for at in range(draw(st.integers(1, 5))):
        kind = draw(st.integers(0, 4))
        if kind == 0 and size < 60:
            layer: Layer = Upsample(factor=(draw(st.integers(2, 3)),), mode=draw(modes))
        elif kind == 1:
            made = draw(st.integers(max(2, size // 2), size + 4))
            layer = Upsample(size=(made,), mode="bilinear", align_corners=draw(st.booleans()))
        elif kind == 2:
            layer = Crop(size=(draw(st.integers(max(1, size - 4), size)),))
        elif kind == 3:
            layer = Pad(padding=(draw(st.integers(0, 2)), draw(st.integers(0, 2))))
        else:
            kernel = draw(st.integers(1, min(3, size)))
            layer = Slide(kernel=kernel, stride=draw(st.integers(1, 2)))
        steps.append((f"{at}", layer, (last,)))
        last, size = f"{at}", layer.output(TensorType((1, size))).spatial[0]
    return steps


@settings(deadline=None, max_examples=150)
@given(steps=chains())
def test_fields_hold_what_following_single_cells_finds(build: Build, steps: list[Step]) -> None:
    """Exactly, where their phases are followed one by one."""
    typed = build(*steps, inputs=(1, 16))
    oracle, phases = Oracle(typed), 1
    for position, field in enumerate(receptive_fields(typed)):
        if position:
            source = typed.types[position - 1]
            phases *= along(steps[position - 1][1].footprint(source)).pace[0]
        if phases <= MOST_PHASES:
            assert field.sizes == (oracle.size(position),)
        else:
            assert field.sizes[0] >= oracle.size(position)


def test_factors_of_two_are_followed_exactly_through_a_decoder(build: Build) -> None:
    up = Upsample(factor=(2,), mode="bilinear")
    conv = Slide(kernel=3, before=1, after=1)
    steps: list[Step] = [("0", conv, ("input",)), ("1", up, ("0",)), ("2", conv, ("1",))]
    steps += [("3", up, ("2",)), ("4", conv, ("3",))]
    typed = build(*steps, inputs=(1, 32))
    assert [field.sizes[0] for field in receptive_fields(typed)] == [1, 3, 4, 5, 6, 6]
    assert [Oracle(typed).size(at) for at in range(6)] == [1, 3, 4, 5, 6, 6]


def test_what_cannot_be_followed_counts_as_all() -> None:
    source = TensorType((4, 6, 6))
    for layer in (Reshape(shape=(4, 36)), Transpose(order=(0, 2, 1)), GroupNorm(groups=2)):
        assert layer.footprint(source) == WHOLE
    for layer in (Reshape(shape=(4, 6, 6)), Transpose(order=(0, 1, 2))):
        assert layer.footprint(source) == POINT
    assert LayerNorm().footprint(TensorType((5,))) == WHOLE
