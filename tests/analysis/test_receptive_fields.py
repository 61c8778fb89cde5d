"""Receptive fields: the literature's numbers, and an oracle that follows single cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import pytest
from following_cells import Oracle, Slide, sliding
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.layers.activation import Relu
from cnndsl.layers.base import WHOLE, Footprint, Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.embedding import Embedding
from cnndsl.layers.join import Add, Concat, Multiply
from cnndsl.layers.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from cnndsl.layers.window import Rounding
from cnndsl.types import DType, TensorType

Build: TypeAlias = Callable[..., TypedNetwork]
Step: TypeAlias = tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]]


def conv(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Conv:
    return Conv(
        filters=1,
        kernel=(kernel,),
        stride=(stride,),
        padding=(padding,),
        dilation=(dilation,),
        rounding=Rounding.FLOOR,
    )


def pool(kernel: int, stride: int = 1, padding: int = 0) -> MaxPool:
    floor = Rounding.FLOOR
    return MaxPool(kernel=(kernel,), stride=(stride,), padding=(padding,), rounding=floor)


def sizes(typed: TypedNetwork, name: str) -> tuple[int, ...]:
    fields = receptive_fields(typed)
    position = next(at for at, node in enumerate(typed.network.nodes) if node.name == name)
    return fields[position].sizes


# --- the literature ---------------------------------------------------------------------------


def test_alexnet(build: Build) -> None:
    layers = [conv(11, 4), pool(3, 2), conv(5, 1, 2), pool(3, 2)]
    layers += [conv(3, 1, 1), conv(3, 1, 1), conv(3, 1, 1), pool(3, 2)]
    typed = build(*((f"l{at}", layer) for at, layer in enumerate(layers)), inputs=(1, 227, 227))
    seen = [sizes(typed, f"l{at}")[0] for at in range(len(layers))]
    assert seen == [11, 19, 51, 67, 99, 131, 163, 195]


def test_vgg16(build: Build) -> None:
    steps: list[Step] = []
    for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
        steps += [(f"conv{stage}_{at}", conv(3, 1, 1)) for at in range(1, count + 1)]
        steps.append((f"pool{stage}", pool(2, 2)))
    typed = build(*steps, inputs=(1, 224, 224))
    assert sizes(typed, "conv5_3") == (196, 196)
    assert sizes(typed, "pool5") == (212, 212)


def bottlenecks(depths: Iterable[int], *, stride_on_3x3: bool) -> Iterator[Step]:
    """A residual network of bottlenecks, its shortcuts with their projections."""
    yield "conv1", conv(7, 2, 3)
    yield "pool1", pool(3, 2, 1)
    last = "pool1"
    for stage, depth in enumerate(depths, start=1):
        for unit in range(depth):
            stride = 2 if unit == 0 and stage > 1 else 1
            name = f"layer{stage}.{unit}"
            first, second = (1, stride) if stride_on_3x3 else (stride, 1)
            yield f"{name}.conv1", conv(1, first), (last,)
            yield f"{name}.conv2", conv(3, second, 1)
            yield f"{name}.conv3", conv(1)
            shortcut = last
            if unit == 0:
                shortcut = f"{name}.project"
                yield shortcut, conv(1, stride), (last,)
            yield name, Add(), (f"{name}.conv3", shortcut)
            last = name


@pytest.mark.parametrize(
    ("depths", "stride_on_3x3", "field"),
    [
        ((3, 4, 6, 3), False, 483),
        ((3, 4, 6, 3), True, 427),
        ((3, 4, 23, 3), False, 1027),
        ((3, 8, 36, 3), False, 1507),
    ],
    ids=["resnet50, original", "resnet50, stride on 3x3", "resnet101", "resnet152"],
)
def test_resnet(build: Build, depths: tuple[int, ...], stride_on_3x3: bool, field: int) -> None:
    steps = bottlenecks(depths, stride_on_3x3=stride_on_3x3)
    typed = build(*steps, inputs=(1, 224, 224))
    assert receptive_fields(typed)[-1].sizes == (field, field)


def test_resnet18(build: Build) -> None:
    steps: list[Step] = [("conv1", conv(7, 2, 3)), ("pool1", pool(3, 2, 1))]
    for stage in range(1, 5):
        for unit in range(2):
            stride = 2 if unit == 0 and stage > 1 else 1
            before, name = steps[-1][0], f"layer{stage}.{unit}"
            steps += [(f"{name}.conv1", conv(3, stride, 1)), (f"{name}.conv2", conv(3, 1, 1))]
            steps.append((f"{name}.short", conv(1, stride), (before,)))
            steps.append((name, Add(), (f"{name}.conv2", f"{name}.short")))
    typed = build(*steps, inputs=(1, 224, 224))
    assert receptive_fields(typed)[-1].sizes == (435, 435)


def inception(name: str, source: str) -> Iterator[Step]:
    yield f"{name}.1", conv(1), (source,)
    yield f"{name}.3r", conv(1), (source,)
    yield f"{name}.3", conv(3, 1, 1)
    yield f"{name}.5r", conv(1), (source,)
    yield f"{name}.5", conv(5, 1, 2)
    yield f"{name}.pool", pool(3, 1, 1), (source,)
    yield f"{name}.proj", conv(1)
    yield name, Concat(), tuple(f"{name}.{branch}" for branch in ("1", "3", "5", "proj"))


def test_the_widest_branch_of_an_inception_counts(build: Build) -> None:
    steps: list[Step] = [
        ("stem", conv(7, 2, 3)),
        ("pool1", pool(3, 2, 1)),
        ("conv2", conv(3, 1, 1)),
    ]
    steps.append(("pool2", pool(3, 2, 1)))
    for name in ("3a", "3b", "pool3", "4a", "4b", "4c", "4d", "4e", "pool4", "5a", "5b"):
        last = steps[-1][0]
        steps += [(name, pool(3, 2, 1))] if "pool" in name else inception(name, last)
    typed = build(*steps, inputs=(1, 224, 224))
    assert [sizes(typed, name)[0] for name in ("pool2", "3b", "4e", "5b")] == [27, 91, 427, 715]


# --- single rules -----------------------------------------------------------------------------


def test_a_dilated_kernel_covers_its_holes(build: Build) -> None:
    typed = build(("a", conv(3, 1, 2, dilation=2)), ("b", conv(3, 1, 4, dilation=4)))
    assert sizes(typed, "a") == (5, 5)
    assert sizes(typed, "b") == (13, 13)


def test_each_dimension_goes_its_own_way(build: Build) -> None:
    layer = Conv(filters=2, kernel=(3, 1, 2), stride=(2, 1, 1), rounding=Rounding.FLOOR)
    typed = build(("a", layer), ("b", conv(2)), inputs=(1, 16, 20, 9))
    assert sizes(typed, "b") == (5, 2, 3)


def test_branches_that_look_in_different_directions_add_up(build: Build) -> None:
    """Both see 3 cells, one to the left and one to the right: together they see 5."""
    left = Conv(filters=1, kernel=(3,), padding=(2, 0))
    right = Conv(filters=1, kernel=(3,), padding=(0, 2))
    typed = build(("l", left), ("r", right, ("input",)), ("sum", Add(), ("l", "r")), inputs=(1, 9))
    assert sizes(typed, "sum") == (5,)


def test_what_sees_all_is_cut_to_the_input(build: Build) -> None:
    typed = build(("a", conv(9, 1, 4)), ("b", conv(9, 1, 4)), ("all", GlobalAvgPool()))
    assert sizes(typed, "b") == (17, 17)
    assert sizes(typed, "all") == (32, 32)


def test_what_sees_all_does_not_see_the_cells_that_floor_drops(build: Build) -> None:
    typed = build(("a", conv(5, 4)), ("all", GlobalAvgPool()), inputs=(1, 20, 21))
    assert sizes(typed, "all") == (17, 21)


def test_a_dense_layer_sees_what_the_maps_before_it_see(build: Build) -> None:
    typed = build(("a", conv(3, 2)), ("flat", Flatten()), ("d", Dense(units=4)), ("relu", Relu()))
    assert sizes(typed, "flat") == (3, 3)
    assert sizes(typed, "d") == sizes(typed, "relu") == (31, 31)


def test_a_gate_that_has_seen_all_makes_the_whole_input_seen(build: Build) -> None:
    typed = build(
        ("a", conv(3, 1, 1)),
        ("squeeze", GlobalAvgPool()),
        ("gate", Dense(units=1)),
        ("scaled", Multiply(), ("a", "gate")),
        ("b", conv(3, 1, 1)),
    )
    assert sizes(typed, "a") == (3, 3)
    assert sizes(typed, "scaled") == sizes(typed, "b") == (32, 32)


class Normalize(Layer):
    """Stands for a normalisation over whole maps: each cell depends on all."""

    keyword = "normalize"

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE


def test_a_branch_of_the_same_size_that_has_seen_all_does_so_too(build: Build) -> None:
    typed = build(
        ("norm", Normalize()), ("conv", conv(9, 1, 4), ("input",)), ("sum", Add(), ("norm", "conv"))
    )
    assert sizes(typed, "sum") == (32, 32)


def test_a_single_cell_that_is_spread_over_a_map_is_seen_from_everywhere(build: Build) -> None:
    """The map's last cell sees itself and, through the corner, the first three."""
    typed = build(
        ("map", conv(1)),
        ("corner", Slide(kernel=3, after=-29), ("map",)),
        ("product", Multiply(), ("map", "corner")),
        inputs=(1, 32),
    )
    assert sizes(typed, "corner") == (3,)
    assert sizes(typed, "product") == (32,)


def test_a_vector_has_no_receptive_field(build: Build) -> None:
    typed = build(("d", Dense(units=4)), inputs=(20,))
    assert [field.sizes for field in receptive_fields(typed)] == [(), ()]


class Embed(Layer):
    """Stands for an embedding: token ids in, a vector for each out."""

    keyword = "embed"

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((8, *inputs[0].dims))


def test_tokens_are_the_cells_of_a_token_input(build: Build) -> None:
    steps: list[Step] = [("e", Embed()), ("c", conv(3)), ("p", pool(2, 2)), ("c2", conv(2))]
    typed = build(*steps, inputs={"input": TensorType((56,), DType.INT64, 1000)})
    assert [field.sizes for field in receptive_fields(typed)] == [(1,), (1,), (3,), (4,), (6,)]


def test_the_numbers_of_a_tokens_vector_lie_on_the_same_token(build: Build) -> None:
    """A picture of vectors has a dimension that the input has not; joins may have it in part."""
    wide = Conv(filters=2, kernel=(3, 8), stride=(1,))
    typed = build(
        ("e", Embedding(size=8, layout="image")),
        ("c", wide),
        ("c2", Conv(filters=2, kernel=(4, 1), stride=(1,))),
        ("g", GlobalMaxPool()),
        ("s", Embedding(size=2), ("input",)),
        ("h", GlobalMaxPool()),
        ("both", Add(), ("g", "h")),
        inputs={"input": TensorType((56,), DType.INT64, 1000)},
    )
    found = [field.sizes for field in receptive_fields(typed)]
    assert found == [(1,), (1,), (3,), (6,), (56,), (1,), (56,), (56,)]


def test_with_several_inputs_the_field_is_on_the_first_of_them(build: Build) -> None:
    typed = build(
        ("a", conv(3, 1, 1), ("small",)),
        ("b", AvgPool(kernel=(2,), stride=(2,)), ("large",)),
        ("c", conv(5, 1, 2)),
        ("both", Add(), ("c", "a")),
        inputs={"large": TensorType((1, 16, 16)), "small": TensorType((1, 8, 8))},
    )
    assert sizes(typed, "a") == (3, 3)
    assert sizes(typed, "both") == (10, 10)
    assert receptive_fields(typed)[-1].source == 0


def test_ten_thousand_layers_are_no_problem(build: Build) -> None:
    steps = [(f"c{at}", conv(3, 1, 1)) for at in range(10_000)]
    assert receptive_fields(build(*steps))[-1].sizes == (20_001, 20_001)


# --- the oracle -------------------------------------------------------------------------------


@st.composite
def branching(draw: st.DrawFn) -> list[Step]:
    """Blocks of one to three branches that are added; the branches of a block step alike."""
    steps: list[Step] = []
    last = "input"
    for block in range(draw(st.integers(1, 4))):
        stride = draw(st.sampled_from([1, 1, 2]))
        ends = []
        for branch in range(draw(st.integers(1, 3))):
            strides = draw(st.permutations([stride, *[1] * draw(st.integers(0, 2))]))
            end = last
            for at, step in enumerate(strides):
                name = f"{block}.{branch}.{at}"
                steps.append((name, draw(sliding(step)), (end,)))
                end = name
            ends.append(end)
        last = f"{block}"
        steps.append((last, Add(), tuple(ends)))
    return steps


@pytest.mark.parametrize(
    ("one", "two", "size"),
    [
        (Slide(kernel=1, stride=3), Slide(kernel=1, after=-6), 7),
        (Slide(kernel=1, stride=3), Slide(kernel=1, before=-6), 7),
        (Slide(kernel=4, stride=2), Slide(kernel=5, after=-2), 7),
    ],
)
def test_branches_with_different_steps_are_right_at_both_ends(
    build: Build, one: Slide, two: Slide, size: int
) -> None:
    branches: list[Step] = [("one", one), ("two", two, ("input",)), ("sum", Add(), ("one", "two"))]
    typed = build(*branches, ("after", Slide(kernel=2)), inputs=(1, 10))
    assert sizes(typed, "sum") == (size,) == (Oracle(typed).size(3),)
    assert sizes(typed, "after") == (Oracle(typed).size(4),)


@settings(deadline=None, max_examples=150)
@given(steps=branching())
def test_equals_what_following_single_cells_finds(build: Build, steps: list[Step]) -> None:
    typed = build(*steps, inputs=(1, 48))
    oracle = Oracle(typed)
    for position, field in enumerate(receptive_fields(typed)):
        assert field.sizes == (oracle.size(position),)
