"""The gradients of pooling layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy
import onnx_ir
import pytest
from gradients import Array, Build, check_gradients, emitted
from pulling_back import pull_back

from cnndsl.graph.builder import GraphBuilder


@dataclass(frozen=True)
class Case:
    """A pooling of feature maps."""

    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    before: tuple[int, ...] = ()
    after: tuple[int, ...] | None = None
    dilations: tuple[int, ...] = ()

    def build(self, op_type: str, **attributes: int) -> Build:
        """What emits the pooling."""
        before = self.before or (0,) * len(self.kernel)
        lists = {
            "kernel_shape": self.kernel,
            "strides": self.strides,
            "pads": (*before, *(before if self.after is None else self.after)),
        }
        if op_type == "MaxPool":
            lists["dilations"] = self.dilations or (1,) * len(self.kernel)

        def build(emit: GraphBuilder, /, *values: onnx_ir.Value) -> onnx_ir.Value:
            return emit.op(op_type, *values, **lists, **attributes)

        return build

    @property
    def outputs(self) -> tuple[int, ...]:
        rank = len(self.kernel)
        before = self.before or (0,) * rank
        after = before if self.after is None else self.after
        dilations = self.dilations or (1,) * rank
        columns = zip(self.inputs, self.kernel, self.strides, before, after, dilations, strict=True)
        return tuple(
            (size + first + last - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, first, last, dilation in columns
        )

    def picture(self, seed: int = 3) -> Array:
        """Feature maps without ties: differences are taken at smooth places only."""
        dims = (2, 3, *self.inputs)
        numbers = numpy.random.default_rng(seed).permutation(math.prod(dims))
        return numbers.reshape(dims) / 16 - 2

    def gradient(self) -> Array:
        return numpy.random.default_rng(4).standard_normal((2, 3, *self.outputs))


CASES = {
    "side by side": Case((6, 8), (2, 2), (2, 2)),
    "side by side, a rest": Case((7, 8), (3, 3), (3, 3)),
    "one dimension": Case((8,), (2,), (2,)),
    "one dimension, overlapping": Case((9,), (3,), (2,), (1,)),
    "three dimensions": Case((4, 4, 6), (2, 2, 2), (2, 2, 2)),
    "three dimensions, overlapping": Case((5, 4, 5), (3, 2, 3), (2, 1, 2), (1, 0, 1)),
    "AlexNet's": Case((7, 7), (3, 3), (2, 2)),
    "ResNet's": Case((8, 8), (3, 3), (2, 2), (1, 1)),
    "Inception's": Case((5, 6), (3, 3), (1, 1), (1, 1)),
    "overhang": Case((6, 6), (3, 3), (2, 2), (0, 0), (1, 1)),
    "padding at one side": Case((5, 6), (3, 3), (2, 2), (0, 2), (1, 0)),
    "gaps between windows": Case((8, 9), (2, 1), (3, 4)),
    "rows only": Case((6, 5), (3, 1), (2, 1), (1, 0)),
    "columns only": Case((5, 6), (1, 2), (1, 2)),
    "whole maps": Case((4, 5), (4, 5), (1, 1)),
    "single cells": Case((3, 4), (1, 1), (1, 1)),
    "every other cell": Case((5, 6), (1, 1), (2, 2)),
    "places that are always padding": Case((1, 4), (3, 3), (1, 2), (1, 1)),
    "different strides": Case((7, 6), (3, 2), (1, 2)),
}
DILATED = {
    "dilation": Case((7, 8), (2, 3), (1, 1), dilations=(2, 2)),
    "dilation, stride, padding": Case((9, 8), (3, 2), (2, 3), (1, 1), (1, 0), dilations=(2, 3)),
    "dilation that leaves phases out": Case((9,), (2,), (4,), dilations=(2,)),
}


def _random_cases() -> Iterator[tuple[str, Case]]:
    random = numpy.random.default_rng(12)
    while True:
        rank = int(random.integers(1, 4))
        kernel, strides = (tuple(random.integers(1, 4, rank).tolist()) for _ in range(2))
        before, after = (tuple(int(random.integers(0, size)) for size in kernel) for _ in range(2))
        inputs = tuple(random.integers(3, 11 - 2 * rank, rank).tolist())
        case = Case(inputs, kernel, strides, before, after)
        if all(size > 0 for size in case.outputs):
            yield f"random {case}", case


CASES |= dict(case for case, _ in zip(_random_cases(), range(24), strict=False))
MAXIMA = CASES | DILATED


# --- against differences ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MAXIMA)
def test_max_pooling(name: str) -> None:
    case = MAXIMA[name]
    check_gradients(case.build("MaxPool"), case.picture(), samples=40)


@pytest.mark.parametrize("counts", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_average_pooling(name: str, counts: int) -> None:
    case = CASES[name]
    build = case.build("AveragePool", count_include_pad=counts)
    check_gradients(build, case.picture(), samples=40)


@pytest.mark.parametrize("dims", [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 4), (2, 3, 1, 1)])
@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pooling(op_type: str, dims: tuple[int, ...]) -> None:
    numbers = numpy.random.default_rng(1).permutation(math.prod(dims)).reshape(dims) / 8
    check_gradients(lambda emit, x: emit.op(op_type, x), numbers)


# --- ties -------------------------------------------------------------------------------------


def _first_largest(case: Case, picture: Array, gradient: Array) -> Array:
    """The gradient of a max pooling, window by window and cell by cell, row by row."""
    rank = len(case.kernel)
    before = case.before or (0,) * rank
    dilations = case.dilations or (1,) * rank
    result = numpy.zeros_like(picture)
    for at in numpy.ndindex(*gradient.shape):
        cells = []
        for place in numpy.ndindex(*case.kernel):
            cell = tuple(
                window * stride + step * dilation - pad
                for window, stride, step, dilation, pad in zip(
                    at[2:], case.strides, place, dilations, before, strict=True
                )
            )
            if all(0 <= one < size for one, size in zip(cell, case.inputs, strict=True)):
                cells.append((*at[:2], *cell))
        # max() gives the first of equals.
        result[max(cells, key=lambda cell: picture[cell])] += gradient[at]
    return result


TIES: dict[str, Callable[[tuple[int, ...]], Array]] = {
    "few values": lambda dims: numpy.random.default_rng(2).integers(0, 3, dims).astype(float),
    "all equal": lambda dims: numpy.zeros(dims),
    "all equal and below the padding's zero": lambda dims: numpy.full(dims, -5.0),
    "rectified": lambda dims: numpy.random.default_rng(3).standard_normal(dims).clip(0),
}


@pytest.mark.parametrize("kind", TIES)
@pytest.mark.parametrize("name", MAXIMA)
def test_of_equal_cells_the_first_gets_the_gradient_once(name: str, kind: str) -> None:
    case = MAXIMA[name]
    picture, gradient = TIES[kind]((2, 3, *case.inputs)), case.gradient()
    (found,) = pull_back(case.build("MaxPool"), gradient, picture)
    numpy.testing.assert_allclose(found, _first_largest(case, picture, gradient), atol=1e-12)


@pytest.mark.parametrize("kind", TIES)
def test_of_equal_cells_of_whole_maps_the_first_gets_the_gradient(kind: str) -> None:
    case = CASES["whole maps"]
    picture, gradient = TIES[kind]((2, 3, *case.inputs)), case.gradient()
    (found,) = pull_back(lambda emit, x: emit.op("GlobalMaxPool", x), gradient, picture)
    numpy.testing.assert_array_equal(found, _first_largest(case, picture, gradient))


# --- against PyTorch --------------------------------------------------------------------------


def _symmetric(cases: dict[str, Case]) -> dict[str, Case]:
    """PyTorch pads both sides alike, by at most half a kernel."""
    return {
        name: case
        for name, case in cases.items()
        if case.after in (None, case.before)
        and all(2 * pad <= size for pad, size in zip(case.before, case.kernel, strict=False))
    }


@pytest.mark.parametrize("kind", TIES)
@pytest.mark.parametrize("name", _symmetric(MAXIMA))
def test_max_pooling_is_pytorchs(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    case = MAXIMA[name]
    picture, gradient = TIES[kind]((2, 3, *case.inputs)), case.gradient()
    source = torch.tensor(picture, requires_grad=True)
    pool = getattr(torch.nn.functional, f"max_pool{len(case.kernel)}d")
    result = pool(source, case.kernel, case.strides, case.before or 0, case.dilations or 1)
    result.backward(torch.tensor(gradient))
    (found,) = pull_back(case.build("MaxPool"), gradient, picture)
    numpy.testing.assert_allclose(found, source.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("name", _symmetric(CASES))
def test_average_pooling_is_pytorchs(name: str, counts: bool) -> None:
    torch = pytest.importorskip("torch")
    case = CASES[name]
    picture, gradient = case.picture(), case.gradient()
    source = torch.tensor(picture, requires_grad=True)
    pool = getattr(torch.nn.functional, f"avg_pool{len(case.kernel)}d")
    result = pool(source, case.kernel, case.strides, case.before or 0, False, counts)
    result.backward(torch.tensor(gradient))
    build = case.build("AveragePool", count_include_pad=int(counts))
    (found,) = pull_back(build, gradient, picture)
    numpy.testing.assert_allclose(found, source.grad.numpy(), atol=1e-12)


# --- the operators ----------------------------------------------------------------------------


def test_no_gradient_asks_max_pool_for_places_or_expands() -> None:
    """MaxPool's second output costs thirteen times its first."""
    for case in MAXIMA.values():
        for op_type in ("MaxPool", "AveragePool"):
            if op_type == "AveragePool" and case.dilations:
                continue
            graph = emitted(case.build(op_type), [case.picture()], [0])
            pools = [node for node in graph.nodes if node.op_type == "MaxPool"]
            assert all(len(node.outputs) == 1 for node in pools)
            assert not {"Expand", "ScatterElements", "ScatterND", "GatherND"} & {*graph.op_types}


def test_averages_of_windows_side_by_side_take_two_nodes() -> None:
    case = CASES["side by side"]
    assert emitted(case.build("AveragePool"), [case.picture()], [0]).op_types[-2:] == (
        "Mul",
        "Resize",
    )


def test_comparisons_grow_with_the_sides_of_a_window_not_with_its_cells() -> None:
    case = Case((12, 12), (5, 5), (2, 2))
    assert emitted(case.build("MaxPool"), [case.picture()], [0]).op_types.count("Equal") == 8
