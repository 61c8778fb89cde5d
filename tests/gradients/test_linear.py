"""The gradients of matrix products."""

from __future__ import annotations

import numpy
import onnx_ir
import pytest
from gradients import Array, check_gradients, emitted

from cnndsl.graph.builder import GraphBuilder


def numbers(*dims: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).normal(size=dims)


@pytest.mark.parametrize("addend", [None, (), (1,), (5,), (1, 5), (3, 1), (3, 5)])
@pytest.mark.parametrize(("turned_left", "turned_right"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_in_every_form(
    addend: tuple[int, ...] | None, turned_left: int, turned_right: int
) -> None:
    left = numbers(*((4, 3) if turned_left else (3, 4)), seed=1)
    right = numbers(*((5, 4) if turned_right else (4, 5)), seed=2)
    more = [] if addend is None else [numbers(*addend, seed=3)]

    def build(emit: GraphBuilder, *values: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op(
            "Gemm", *values, transA=turned_left, transB=turned_right, alpha=0.7, beta=1.3
        )

    check_gradients(build, left, right, *more)


@pytest.mark.parametrize("addend", [(1,), (5,), (1, 5), (1, 1)])
def test_gemm_of_a_single_row(addend: tuple[int, ...]) -> None:
    check_gradients(
        lambda emit, *values: emit.op("Gemm", *values, transB=1),
        numbers(1, 4, seed=1),
        numbers(5, 4, seed=2),
        numbers(*addend, seed=3),
    )


def test_gemm_of_a_value_with_itself() -> None:
    check_gradients(lambda emit, a: emit.op("Gemm", a, a, transB=1), numbers(3, 4))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((4,), (4,)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((3, 4), (4, 5)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (3, 1, 4, 5)),
        ((1, 3, 4), (2, 4, 5)),
        ((2, 2, 3, 4), (4, 5)),
        ((2, 2, 3, 4), (4,)),
        ((4,), (2, 2, 4, 5)),
    ],
)
def test_matmul_of_vectors_matrices_and_stacks(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    check_gradients(
        lambda emit, a, b: emit.op("MatMul", a, b), numbers(*left, seed=1), numbers(*right, seed=2)
    )


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_dense_layers_gradients_are_one_product_each(wanted: int) -> None:
    arrays = [numbers(3, 4), numbers(5, 4), numbers(5)]
    graph = emitted(lambda emit, *values: emit.op("Gemm", *values, transB=1), arrays, [wanted])
    assert graph.op_types == ("Gemm",)


def test_a_bias_is_summed_in_one_node_and_for_a_single_row_in_none() -> None:
    def build(emit: GraphBuilder, *values: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op("Gemm", *values, transB=1)

    batch = emitted(build, [numbers(3, 4), numbers(5, 4), numbers(5)], [2])
    assert batch.op_types == ("ReduceSum",)
    single = emitted(build, [numbers(1, 4), numbers(5, 4), numbers(5)], [2])
    assert single.op_types == ("Reshape",)


def test_a_matrix_that_serves_a_whole_stack_gets_one_long_product() -> None:
    arrays = [numbers(2, 3, 4), numbers(4, 5)]
    graph = emitted(lambda emit, a, b: emit.op("MatMul", a, b), arrays, [1])
    assert graph.op_types == ("Reshape", "Reshape", "Gemm")
