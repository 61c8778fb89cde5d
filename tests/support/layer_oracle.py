"""Holds a whole layer, its values and its gradients, to PyTorch's, with the same random numbers.

Ours are computed by ONNX Runtime in float32, PyTorch's in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy
import onnx
import onnx_ir
import onnxruntime
import pytest
from gradients import emitted, weights_of_sum
from oracle import Array

from cnndsl.graph.builder import GraphBuilder
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import LoweringContext
from cnndsl.types import TensorType

__all__ = ["Oracle", "compare_with_torch"]

torch: Any = pytest.importorskip("torch")

Tensor: TypeAlias = Any
Oracle: TypeAlias = Callable[[Sequence[Tensor], dict[str, Tensor]], Tensor]
"""Gives what a layer computes of its inputs and its weights."""

_BATCH = 3


def compare_with_torch(
    layer: Layer,
    types: Sequence[TensorType],
    oracle: Oracle,
    *,
    lower: Callable[..., onnx_ir.Value] | None = None,
    tolerance: float = 2e-5,
    seed: int = 0,
) -> None:
    """Compare a layer without faults; ``lower`` is its lowering, by default that of inference.

    Tolerances are relative to the largest number of each array.
    """
    assert [*layer.faults(*types)] == []
    random = numpy.random.default_rng(seed)
    arrays = [_sample(one, random) for one in types]
    weights = layer.weights(*types)
    arrays += [random.normal(size=one.shape).astype(numpy.float32) for one in weights]
    promised = layer.output(*types)

    def build(emit: GraphBuilder, *values: onnx_ir.Value) -> onnx_ir.Value:
        named = {one.name: values[len(types) + at] for at, one in enumerate(weights)}
        context = LoweringContext(values[: len(types)], tuple(types), promised, named)
        return (lower or layer.lower)(emit, context)

    wanted = [at for at, array in enumerate(arrays) if array.dtype.kind == "f"]
    model = emitted(build, arrays, wanted).model
    onnx.checker.check_model(model, full_check=True)
    found = _run(model, arrays)
    tensors = [torch.from_numpy(_double(array)) for array in arrays]
    for at in wanted:
        tensors[at].requires_grad_()
    named = {one.name: tensors[len(types) + at] for at, one in enumerate(weights)}
    result = oracle(tensors[: len(types)], named)
    assert found["result"].shape == tuple(result.shape) == (_BATCH, *promised.dims)
    (result * torch.from_numpy(weights_of_sum(result.shape))).sum().backward()
    _compare("output", found["result"], result.detach().numpy(), tolerance)
    for at in wanted:
        of = f"input {at}" if at < len(types) else weights[at - len(types)].name
        expected = tensors[at].grad
        zeros = numpy.zeros(arrays[at].shape)
        gradient = zeros if expected is None else expected.numpy()
        _compare(f"gradient of {of}", found.get(f"gradient{at}", zeros), gradient, tolerance)


def _sample(kind: TensorType, random: numpy.random.Generator) -> Array:
    dims = _BATCH, *kind.dims
    if kind.vocabulary is not None:
        return random.integers(kind.vocabulary, size=dims)
    return random.normal(size=dims).astype(numpy.float32)


def _double(array: Array) -> Array:
    return array.astype(numpy.float64) if array.dtype.kind == "f" else array


def _run(model: onnx.ModelProto, arrays: Sequence[Array]) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {one.name: array for one, array in zip(model.graph.input, arrays, strict=True)}
    names = [one.name for one in model.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _compare(what: str, found: Array, expected: Array, tolerance: float) -> None:
    scale = max(float(numpy.max(numpy.abs(expected), initial=0.0)), 1e-3)
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=what)
