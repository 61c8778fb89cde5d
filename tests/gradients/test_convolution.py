"""The gradients of convolutions, in every form that they may have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy
import onnx_ir
import pytest
from convolution_cases import CASES, square
from gradients import Array, Build, check_gradients, emitted
from pulling_back import pull_back

from cnndsl.autodiff import convolution, kernel_gradient
from cnndsl.autodiff.geometry import Algorithm, Convolved, Geometry
from cnndsl.autodiff.kernel_gradient import columns
from cnndsl.autodiff.rules import Target, VjpContext, dims_of
from cnndsl.graph.builder import GraphBuilder

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
    geometry = square(32, 64, 224, 64, 3, 1, 1)
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
    for geometry in (case.geometry for case in CASES.values()):
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
    geometry = square(1, 1, 32, 6, 5)
    found = emitted(_build(geometry), _arrays(geometry), [1]).op_types
    assert [*found].count("Conv") == 1
    assert len(found) <= 4
