"""Receptive fields: the literature's numbers, and an oracle that follows single cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.layers.activation import Relu
from cnndsl.layers.base import WHOLE, Footprint, Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.join import Add, Concat, Multiply
from cnndsl.layers.pool import AvgPool, GlobalAvgPool, MaxPool
from cnndsl.layers.upconv import UpConv
from cnndsl.layers.window import ForwardWindow, Rounding, TransposedWindow, Window
from cnndsl.types import TensorType

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
    typed = build(*steps, inputs=(56,), vocabulary=1000)
    assert [field.sizes for field in receptive_fields(typed)] == [(1,), (1,), (3,), (4,), (6,)]


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


class Slide(Layer):
    """A window along one dimension, with any margins."""

    keyword = "slide"

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    def window(self, source: TensorType) -> ForwardWindow:
        return ForwardWindow(
            source.spatial[0],
            self.kernel,
            self.stride,
            self.before,
            self.after,
            self.dilation,
            Rounding.FLOOR,
        )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((1, self.window(inputs[0]).output))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return (self.window(inputs[0]),)


class Spread(Layer):
    """A transposed window along one dimension, with any margins."""

    keyword = "spread"

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    added: int = 0

    def window(self, source: TensorType) -> TransposedWindow:
        sizes = self.kernel, self.stride, self.before, self.after, self.dilation, self.added
        return TransposedWindow(source.spatial[0], *sizes)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((1, self.window(inputs[0]).output))

    @override
    def windows(self, *inputs: TensorType) -> tuple[Window, ...]:
        return (self.window(inputs[0]),)


class Oracle:
    """Follows one cell of a one-dimensional network down to all the cells that it depends on."""

    def __init__(self, typed: TypedNetwork) -> None:
        self.typed = typed
        self.cells = cache(self._cells)

    def size(self, node: int) -> int:
        """The way from the first to the last input cell that a cell sees, the largest of all."""
        fields = [self.cells(node, at) for at in range(self.typed.types[node].spatial[0])]
        return max((max(field) - min(field) + 1 if field else 0) for field in fields)

    def _cells(self, position: int, cell: int) -> frozenset[int]:
        node = self.typed.network.nodes[position]
        if isinstance(node, InputNode):
            return frozenset({cell})
        match node.layer.footprint(*self.typed.input_types(node)):
            case "point":
                below = [(source, cell) for source in node.inputs]
            case "whole":
                raise AssertionError("not part of this game")
            case (TransposedWindow() as window,):
                # All cells that could be the one: padding counts as if the input went on.
                far = window.dilation * window.kernel // window.stride + 2
                near = range(
                    cell // window.stride - far, cell // window.stride + far + window.before
                )
                below = [
                    (node.inputs[0], tap)
                    for tap in near
                    for place in range(window.kernel)
                    if tap * window.stride + place * window.dilation == cell + window.before
                ]
            case (window,):
                start = cell * window.stride - window.before
                taps = range(start, start + window.extent, window.dilation)
                below = [(node.inputs[0], tap) for tap in taps]
        return frozenset().union(*(self.cells(source, tap) for source, tap in below))


@st.composite
def sliding(draw: st.DrawFn, stride: int) -> Slide:
    """A layer that divides the size by its stride, with margins where they happen to fall."""
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    extent = dilation * (kernel - 1) + 1
    margin = max(0, extent - stride)
    before = draw(st.integers(0, margin))
    return Slide(
        kernel=kernel, stride=stride, before=before, after=margin - before, dilation=dilation
    )


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
        assert sizes(typed, f"l{len(chain) - 1}") == (max(widths),)


def test_a_decoder_that_has_been_a_vector_sees_the_cells_that_reach_it(build: Build) -> None:
    typed = build(("up", upconv(2, 4)), ("all", GlobalAvgPool()), inputs=(1, 6, 6))
    assert sizes(typed, "up") == (1, 1)
    assert sizes(typed, "all") == (6, 6)


def test_what_sees_nothing_has_no_field(build: Build) -> None:
    """A stride of 4, a kernel of 1, and all cells that it reaches are cropped."""
    typed = build(("up", upconv(1, 4, 1)), ("c", conv(2)), ("all", GlobalAvgPool()), inputs=(1, 2))
    assert [field.sizes for field in receptive_fields(typed)] == [(1,), (0,), (0,), (0,)]


def test_a_stride_of_more_phases_than_are_told_apart_gives_a_bound(build: Build) -> None:
    for steps in ([upconv(200, 100)], [upconv(4, 2)] * 8, [upconv(9, 60), upconv(9, 60)]):
        chain = [(f"l{at}", layer) for at, layer in enumerate(steps)]
        typed = build(*chain, inputs=(1, 4))
        (size,) = sizes(typed, chain[-1][0])
        exact = max(1, Oracle(typed).size(len(chain))) if typed.types[-1].spatial[0] < 1500 else 2
        assert exact <= size <= exact + 2


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
