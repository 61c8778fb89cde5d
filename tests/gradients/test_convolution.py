"""The gradients of convolutions, in every form that they may have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy
import onnx_ir
import pytest
from gradients import Array, Build, check_gradients, emitted
from pulling_back import pull_back

from cnndsl.autodiff import convolution, kernel_gradient
from cnndsl.autodiff.geometry import Algorithm, Convolved, Geometry
from cnndsl.autodiff.input_gradient import flipped, folded, transposed
from cnndsl.autodiff.kernel_gradient import (
    channels_last,
    columns,
    depthwise,
    pointwise,
    shifted,
    swept,
)
from cnndsl.autodiff.rules import Target, VjpContext, dims_of
from cnndsl.graph.builder import GraphBuilder


@dataclass(frozen=True)
class Case:
    """A convolution; one number stands for all spatial dimensions."""

    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    batch: int = 2
    channels: int = 2
    filters: int = 3
    groups: int = 1
    strides: int | tuple[int, ...] = 1
    dilations: int | tuple[int, ...] = 1
    before: int | tuple[int, ...] = 0
    after: int | tuple[int, ...] | None = None

    def spread(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * len(self.kernel)

    @property
    def geometry(self) -> Geometry:
        strides, dilations = self.spread(self.strides), self.spread(self.dilations)
        before = self.spread(self.before)
        after = before if self.after is None else self.spread(self.after)
        outputs = tuple(
            (size + first + last - dilation * (kernel - 1) - 1) // stride + 1
            for size, first, last, dilation, kernel, stride in zip(
                self.inputs, before, after, dilations, self.kernel, strides, strict=True
            )
        )
        return Geometry(
            self.batch,
            self.groups,
            self.channels,
            self.filters,
            self.inputs,
            outputs,
            self.kernel,
            strides,
            dilations,
            before,
            after,
        )


CASES = {
    "one dimension": Case((7,), (3,)),
    "one dimension, stride, padding, a rest": Case((8,), (3,), strides=3, before=1, after=2),
    "two dimensions": Case((5, 6), (3, 2)),
    "padding": Case((4, 5), (3, 3), before=1),
    "one-sided padding": Case((4, 5), (3, 3), before=(0, 2), after=(1, 0)),
    "padding wider than the kernel": Case((3, 3), (2, 2), before=2),
    "stride": Case((7, 7), (3, 3), strides=2),
    "stride that leaves cells out": Case((8, 8), (3, 3), strides=2),
    "stride that leaves padding out": Case((6, 6), (3, 3), strides=2, before=1),
    "stride larger than the kernel": Case((8, 9), (2, 1), strides=(3, 4)),
    "different strides": Case((7, 6), (3, 2), strides=(2, 1), before=(1, 0)),
    "dilation": Case((7, 8), (3, 2), dilations=2),
    "dilation of rows only": Case((7, 6), (3, 3), dilations=(2, 1), before=1),
    "dilation and stride": Case((9, 10), (3, 2), dilations=(2, 3), strides=2, before=(2, 1)),
    "dilation and a stride without a common divisor": Case(
        (5, 12), (2, 3), dilations=(1, 3), strides=(1, 2), before=(0, 2), after=(1, 1)
    ),
    "dilation that a stride divides, groups": Case(
        (3, 13), (1, 3), channels=4, filters=2, groups=2, dilations=(1, 4), strides=2, before=(0, 3)
    ),
    "stride that a dilation divides": Case((14,), (3,), dilations=2, strides=4, before=1, after=2),
    "groups": Case((5, 5), (3, 3), channels=4, filters=6, groups=2, before=1),
    "groups, stride, a rest": Case((6, 6), (2, 3), channels=6, filters=3, groups=3, strides=2),
    "depthwise": Case((5, 5), (3, 3), channels=3, filters=3, groups=3, before=1),
    "depthwise, stride": Case((6, 5), (3, 3), channels=3, filters=3, groups=3, strides=2, before=1),
    "depthwise, dilation": Case((6, 7), (3, 3), channels=2, filters=2, groups=2, dilations=2),
    "depthwise with a multiplier": Case((5, 5), (3, 3), channels=2, filters=4, groups=2),
    "one cell": Case((4, 3), (1, 1), channels=3, filters=4),
    "one cell, stride": Case((6, 5), (1, 1), strides=2),
    "one cell, padding": Case((3, 4), (1, 1), before=(1, 0), after=(0, 1)),
    "one cell, groups": Case((3, 3), (1, 1), channels=4, filters=2, groups=2),
    "one picture": Case((6, 6), (3, 3), batch=1, before=1),
    "one picture, one channel": Case((6, 6), (3, 3), batch=1, channels=1, filters=2),
    "one channel": Case((6, 6), (3, 3), batch=3, channels=1, strides=2),
    "one filter": Case((5, 5), (2, 2), filters=1),
    "kernel as wide as the input": Case((6, 3), (2, 3), before=(1, 0), after=(0, 0)),
    "kernel as high as the input, groups": Case((3, 6), (3, 2), channels=4, filters=6, groups=2),
    "kernel as large along two of three axes": Case((2, 5, 3), (2, 2, 3), dilations=(1, 2, 1)),
    "kernel as large as the input": Case((4, 3), (4, 3)),
    "three dimensions": Case((4, 3, 4), (2, 3, 2), channels=2, filters=2),
    "three dimensions, all at once": Case(
        (5, 6, 5),
        (2, 3, 2),
        channels=4,
        filters=4,
        groups=2,
        strides=(2, 1, 2),
        dilations=(1, 2, 1),
        before=(1, 0, 1),
        after=(0, 1, 1),
    ),
}


def _random_cases() -> Iterator[tuple[str, Case]]:
    random = numpy.random.default_rng(11)
    while True:
        rank = int(random.integers(1, 4))

        def draw(low: int, high: int, rank: int = rank) -> tuple[int, ...]:
            return tuple(random.integers(low, high, rank).tolist())

        groups = int(random.choice([1, 1, 2, 3]))
        case = Case(
            inputs=draw(2, 11 - 2 * rank),
            kernel=draw(1, 4),
            batch=int(random.integers(1, 4)),
            channels=groups * int(random.integers(1, 4)),
            filters=groups * int(random.integers(1, 4)),
            groups=groups,
            strides=draw(1, 4),
            dilations=draw(1, 3),
            before=draw(0, 3),
            after=draw(0, 3),
        )
        if all(size > 0 for size in case.geometry.outputs):
            yield f"random {case.geometry}", case


CASES |= dict(case for case, _ in zip(_random_cases(), range(30), strict=False))

CHOICES = {
    "choose_input_algorithm": convolution.INPUT_ALGORITHMS,
    "choose_kernel_algorithm": convolution.KERNEL_ALGORITHMS,
}
ALGORITHMS = [
    (name, chooser, one) for chooser, ones in CHOICES.items() for name in CASES for one in ones
]


def _build(geometry: Geometry, op_type: str = "Conv") -> Build:
    def build(emit: GraphBuilder, /, *values: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op(
            op_type,
            *values,
            strides=geometry.strides,
            dilations=geometry.dilations,
            pads=[*geometry.before, *geometry.after],
            group=geometry.groups,
            **({} if op_type == "Conv" else {"output_padding": geometry.unreached}),
        )

    return build


def _shapes(geometry: Geometry) -> list[tuple[int, ...]]:
    return [
        (geometry.batch, geometry.channels, *geometry.inputs),
        (geometry.filters, geometry.per_group, *geometry.kernel),
        (geometry.filters,),
    ]


def _arrays(geometry: Geometry) -> list[Array]:
    random = numpy.random.default_rng(5)
    return [random.standard_normal(shape) for shape in _shapes(geometry)]


def _weights(geometry: Geometry) -> Array:
    """A gradient of the output."""
    dims = (geometry.batch, geometry.filters, *geometry.outputs)
    return numpy.random.default_rng(7).standard_normal(dims)


@pytest.mark.parametrize(
    ("name", "chooser", "algorithm"),
    [
        pytest.param(name, chooser, algorithm, id=f"{algorithm.__name__}: {name}")
        for name, chooser, algorithm in ALGORITHMS
        if {**convolution.INPUT_ALGORITHMS, **convolution.KERNEL_ALGORITHMS}[algorithm](
            CASES[name].geometry
        )
    ],
)
def test_every_form_gives_the_gradient(
    name: str, chooser: str, algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = CASES[name].geometry
    monkeypatch.setattr(convolution, chooser, lambda geometry, target: algorithm)
    at = int(chooser == "choose_kernel_algorithm")
    check_gradients(_build(geometry), *_arrays(geometry), wanted=[at], targets=["cpu"], samples=12)


@pytest.mark.parametrize("name", CASES)
def test_the_chosen_forms_give_all_three_gradients(name: str) -> None:
    """For CPU and CUDA: input, kernels and biases at once."""
    geometry = CASES[name].geometry
    check_gradients(_build(geometry), *_arrays(geometry), samples=6)


@pytest.mark.parametrize("name", CASES)
def test_the_gradients_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    g = CASES[name].geometry
    arrays = _arrays(g)
    source, kernels, bias = (torch.tensor(array, requires_grad=True) for array in arrays)
    sides = zip(reversed(g.before), reversed(g.after), strict=True)
    padded = torch.nn.functional.pad(source, [pad for pair in sides for pad in pair])
    convolve = getattr(torch.nn.functional, f"conv{g.rank}d")
    result = convolve(padded, kernels, bias, g.strides, 0, g.dilations, g.groups)
    weights = _weights(g)
    result.backward(torch.tensor(weights))
    found = pull_back(_build(g), weights, *arrays)
    for value, gradient in zip((source, kernels, bias), found, strict=True):
        numpy.testing.assert_allclose(gradient, value.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_batch_gives_the_sum_of_its_pictures_gradients(batch: int) -> None:
    g = replace(CASES["padding"].geometry, batch=batch)
    source, kernels, _ = _arrays(g)
    weights = _weights(g)
    inputs, total = pull_back(_build(g), weights, source, kernels)
    alone = [pull_back(_build(g), weights[[at]], source[[at]], kernels) for at in range(batch)]
    numpy.testing.assert_allclose(inputs, numpy.concatenate([one for one, _ in alone]))
    numpy.testing.assert_allclose(total, sum(one for _, one in alone), atol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if "padding wider" not in name]
)
def test_a_transposed_convolution_has_gradients(name: str) -> None:
    geometry = CASES[name].geometry
    random = numpy.random.default_rng(6)
    _, kernels, _ = _arrays(geometry)
    source = random.standard_normal((geometry.batch, geometry.filters, *geometry.outputs))
    bias = random.standard_normal(geometry.channels)
    build = _build(geometry, "ConvTranspose")
    check_gradients(build, source, kernels, bias, samples=6, runtime=False)


# --- the choice -------------------------------------------------------------------------------


def _square(
    batch: int,
    channels: int,
    size: int,
    filters: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Geometry:
    return Case(
        (size, size),
        (kernel, kernel),
        batch,
        channels,
        filters,
        groups,
        strides=stride,
        before=padding,
    ).geometry


RESNET_STEM = _square(8, 3, 224, 64, 7, 2, 3)
RESNET_BODY = _square(8, 64, 56, 64, 3, 1, 1)
RESNET_HALVING = _square(8, 64, 56, 128, 3, 2, 1)
RESNET_PROJECTION = _square(8, 64, 56, 128, 1, 2)
LENET_SECOND = _square(64, 6, 14, 16, 5)
DEPTHWISE = _square(8, 64, 56, 64, 3, 1, 1, 64)
SMALL_MAPS = _square(1, 512, 7, 512, 3, 1, 1)


@pytest.mark.parametrize(
    ("geometry", "algorithm"),
    [
        (RESNET_BODY, flipped),
        (RESNET_HALVING, transposed),
        (RESNET_PROJECTION, transposed),
        (_square(16, 96, 27, 256, 5, 1, 2, 2), flipped),
        (_square(128, 16, 32, 16, 3, 1, 1), flipped),
        (_square(1, 16, 32, 16, 3, 1, 1), transposed),  # few cells
        (_square(8, 16, 28, 32, 5, 1, 2), transposed),  # few channels
        (_square(4, 960, 7, 160, 1), flipped),
        (Case((64, 300), (5, 300), 64, 1, 100).geometry, folded),
        (LENET_SECOND, transposed),
        (_square(8, 64, 14, 64, 5), transposed),  # padding would enlarge it
        (SMALL_MAPS, transposed),  # turning the kernels would cost more
        (DEPTHWISE, flipped),
    ],
)
def test_on_the_cpu_the_input_gradient_has_the_form_that_measured_best(
    geometry: Geometry, algorithm: Algorithm
) -> None:
    assert convolution.choose_input_algorithm(geometry, "cpu") is algorithm
    assert convolution.choose_input_algorithm(geometry, "cuda") is transposed


@pytest.mark.parametrize(
    ("geometry", "cpu", "cuda"),
    [
        (RESNET_STEM, swept, columns),
        (RESNET_BODY, swept, columns),
        (RESNET_PROJECTION, pointwise, pointwise),
        (_square(8, 512, 7, 2048, 1), columns, columns),  # matrices of 32 MiB
        (DEPTHWISE, shifted, depthwise),
        (_square(4, 960, 7, 960, 3, 1, 1, 960), channels_last, depthwise),  # small maps
        (_square(32, 512, 14, 512, 3, 1, 1, 512), shifted, depthwise),  # small, but many
        (_square(4, 144, 56, 144, 3, 2, 1, 144), channels_last, columns),
        (_square(4, 128, 56, 128, 3, 1, 1, 32), shifted, columns),
        (_square(4, 512, 14, 512, 3, 1, 1, 32), swept, columns),
        (replace(RESNET_BODY, dilations=(2, 2), before=(2, 2), after=(2, 2)), swept, columns),
    ],
)
def test_the_kernel_gradient_has_the_form_that_measured_best(
    geometry: Geometry, cpu: Algorithm, cuda: Algorithm
) -> None:
    assert convolution.choose_kernel_algorithm(geometry, "cpu") is cpu
    assert convolution.choose_kernel_algorithm(geometry, "cuda") is cuda


def _random_geometries() -> list[Geometry]:
    return [case.geometry for case in CASES.values()]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_no_form_is_chosen_for_a_convolution_that_it_is_wrong_for(target: Target) -> None:
    for geometry in _random_geometries():
        for size in (1, 64):  # small and large by the cost rule
            wide = replace(geometry, channels=geometry.channels * size, batch=size)
            assert convolution.INPUT_ALGORITHMS[convolution.choose_input_algorithm(wide, target)](
                wide
            )
            assert convolution.KERNEL_ALGORITHMS[convolution.choose_kernel_algorithm(wide, target)](
                wide
            )


def test_columns_are_cut_into_pieces_where_they_would_be_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    geometry = CASES["padding"].geometry
    monkeypatch.setattr(convolution, "choose_kernel_algorithm", lambda geometry, target: columns)
    whole = emitted(_build(geometry), _arrays(geometry), [1])
    monkeypatch.setattr(kernel_gradient, "COLUMNS", 4 * geometry.channels * geometry.cells)
    pieces = emitted(_build(geometry), _arrays(geometry), [1])
    assert whole.op_types.count("MatMul") == 1
    assert pieces.op_types.count("MatMul") == math.ceil(9 / 4)
    check_gradients(_build(geometry), *_arrays(geometry), wanted=[1], samples=12)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_gradient_of_a_large_convolution_keeps_no_columns_of_all_pictures(
    target: Target, dilation: int
) -> None:
    """VGG's second layer with 32 pictures: its columns would take 3.7 GB."""
    sides = (dilation, dilation)
    geometry = _square(32, 64, 224, 64, 3, 1, 1)
    geometry = replace(geometry, dilations=sides, before=sides, after=sides)
    emit = GraphBuilder()
    source, kernels, _ = (
        emit.placeholder(f"input{at}", dims, onnx_ir.DataType.FLOAT)
        for at, dims in enumerate(_shapes(geometry))
    )
    gradient = emit.placeholder("gradient", dims_of(source), onnx_ir.DataType.FLOAT)
    emit.enter("gradient")
    result = _build(geometry)(emit, source, kernels)
    backward = VjpContext(emit, emit.nodes[-1], gradient, (False, True), target)
    algorithm = convolution.choose_kernel_algorithm(geometry, target)
    assert dims_of(result) == dims_of(gradient)
    algorithm(Convolved(backward, geometry, source, kernels, gradient))
    sizes = [math.prod(dims_of(output)) for node in emit.nodes for output in node.outputs]
    assert max(sizes) <= 1.04 * math.prod(dims_of(source))


def test_transposed_convolutions_have_equal_padding_on_both_sides() -> None:
    """CUDA has no others."""
    for geometry in _random_geometries():
        graph = emitted(_build(geometry), _arrays(geometry), [0], "cuda")
        (node,) = [node for node in graph.nodes if node.op_type == "ConvTranspose"]
        pads = node.attributes["pads"].as_ints()
        assert pads[: geometry.rank] == pads[geometry.rank :]
        assert "auto_pad" not in node.attributes


def test_an_input_without_want_gets_no_gradient() -> None:
    geometry = CASES["padding"].geometry
    graph = emitted(_build(geometry), _arrays(geometry), [2])
    assert graph.op_types.count("ReduceSum") == 1
    assert not {"Conv", "ConvTranspose", "MatMul"} & {*graph.op_types}


def test_the_first_layer_of_lenet5_takes_four_nodes_for_one_picture() -> None:
    """At batch 1 a step's time is its number of nodes."""
    geometry = _square(1, 1, 32, 6, 5)
    found = emitted(_build(geometry), _arrays(geometry), [1]).op_types
    assert [*found].count("Conv") == 1
    assert len(found) <= 4
