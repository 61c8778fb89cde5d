"""Checks gradient rules: against central differences in float64, then ONNX Runtime in float32.

The yardstick is ``onnx.reference.ReferenceEvaluator``, which computes in float64 where ONNX
Runtime has float32 kernels only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
import numpy.typing
import onnx
import onnx_ir
import onnxruntime
from exact_reference import LRN, Erf, Pad
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx_ir.passes import common
from sliding_reference import AveragePool, Conv, ConvTranspose, GlobalMaxPool, MaxPool

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.graph.builder import IR_VERSIONS, GraphBuilder

__all__ = [
    "CPU_ONLY",
    "Array",
    "Build",
    "Gradients",
    "check_gradients",
    "constant_like",
    "emitted",
    "gradients_of_sum",
    "weights_of_sum",
]

Array = numpy.typing.NDArray[Any]


Build: TypeAlias = Callable[..., onnx_ir.Value]
"""``build(emit, *values)`` emits the operators under test on placeholders; gives their result."""

CPU_ONLY = frozenset(
    {"BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Celu", "Col2Im", "Hardmax"}
    | {"GlobalLpPool", "LpPool", "MaxUnpool", "Mean", "MeanVarianceNormalization", "Multinomial"}
)
"""Operators without a CUDA kernel at opset 18: no training graph may have one."""


@dataclass(frozen=True)
class Gradients:
    """A graph that computes a result, a weighted sum of it, and that sum's gradients.

    ``entries`` are the positions of the inputs that have a gradient; ``nodes`` are those that
    differentiation added.
    """

    model: onnx.ModelProto
    inputs: tuple[str, ...]
    entries: tuple[int, ...]
    nodes: tuple[onnx_ir.Node, ...]

    @property
    def op_types(self) -> tuple[str, ...]:
        """What the operators under test added, without constants and the sum's own two nodes."""
        added = [node.op_type for node in self.nodes if node.op_type != "Constant"]
        return tuple(added[2:])


def constant_like(emit: GraphBuilder, numbers: object, like: onnx_ir.Value) -> onnx_ir.Value:
    """A constant of another value's element type, so that a test's graph has a float32 twin."""
    assert like.dtype is not None
    return emit.tensor(numpy.asarray(numbers, like.dtype.numpy()))


def check_gradients(
    build: Build,
    *arrays: Array,
    wanted: Sequence[int] | None = None,
    targets: Sequence[Target] = ("cpu", "cuda"),
    opset: int = 18,
    runtime: bool = True,
    samples: int = 60,
    step: float = 1e-5,
    tolerance: float = 1e-6,
    tolerance32: float = 2e-5,
) -> tuple[Array | None, ...]:
    """Check the gradients of a random weighted sum of what ``build`` gives; return them.

    ``build(emit, *values)`` gets a placeholder for every array: float64, and once more float32;
    whole numbers stay what they are and have no gradient. ``wanted`` are the positions of the
    inputs to differentiate by: all floats unless given. An array of more than ``samples`` numbers
    is probed at so many places only. Tolerances are relative to each gradient's largest number.
    An input on which the result does not depend has None.
    """
    assert len(targets) > 0
    # Numbers that float32 has too, so that both twins compute the same.
    given = [_rounded(numpy.asarray(array)) for array in arrays]
    if wanted is None:
        wanted = [at for at, array in enumerate(given) if array.dtype.kind == "f"]
    seen: list[str] = []
    for at in wanted:
        emitted(build, given, [at], opset=opset)  # Nothing is computed in vain for one alone.
    for target in targets:
        graph = emitted(build, given, wanted, target, opset)
        text = onnx.printer.to_text(graph.model)
        if text not in seen:
            seen.append(text)
            exact = _check_exactly(build, graph, given, wanted, opset, samples, step, tolerance)
            if runtime:
                _check_in_runtime(build, given, wanted, target, opset, exact, tolerance32)
    return tuple(exact.get(at) for at in range(len(given)))


def emitted(
    build: Build,
    arrays: Sequence[Array],
    wanted: Sequence[int],
    target: Target = "cpu",
    opset: int = 18,
    *,
    plain: bool = False,
) -> Gradients:
    """The graph of a random weighted sum (or the plain sum) of a result and of its gradients.

    Its outputs are ``result``, ``sum`` and ``gradient0`` for the first input, and so on.
    """
    emit, values = _placeholders(arrays, opset)
    emit.enter("forward", "test.cnn:1: the operators under test")
    result = build(emit, *values)
    emit.enter("sum")
    weights = numpy.ones(dims_of(result)) if plain else weights_of_sum(dims_of(result))
    factors = emit.tensor(weights.astype(_numpy_type(result)))
    total = emit.op("ReduceSum", emit.op("Mul", result, factors), keepdims=0)
    before = {*emit.nodes}
    found = differentiate(emit, total, [values[at] for at in wanted], target)
    entries = tuple(at for at in wanted if values[at] in found)
    outputs = {"result": result, "sum": total}
    outputs |= {f"gradient{at}": found[values[at]] for at in entries}
    nodes = tuple(node for node in emit.nodes if node not in before)
    _demand_sound(nodes, found)
    model = _model(emit, values, outputs, opset)
    return Gradients(model, tuple(str(value.name) for value in values), entries, nodes)


def gradients_of_sum(
    build: Build, arrays: Sequence[Array], wanted: Sequence[int], target: Target = "cpu"
) -> dict[int, Array]:
    """The gradients of the plain sum of a result, by ONNX Runtime in float32.

    For places where a function has no derivative, and the rule says which number it takes.
    """
    narrow = [_narrow(array) for array in arrays]
    graph = emitted(build, narrow, wanted, target, plain=True)
    return dict(zip(graph.entries, _run(graph, narrow), strict=True))


# --- against central differences --------------------------------------------------------------


def _check_exactly(
    build: Build,
    graph: Gradients,
    arrays: Sequence[Array],
    wanted: Sequence[int],
    opset: int,
    samples: int,
    step: float,
    tolerance: float,
) -> Mapping[int, Array]:
    """Compare float64 gradients with differences; give them."""
    names = [f"gradient{at}" for at in graph.entries]
    found = dict(zip(graph.entries, _reference(graph.model, names, arrays), strict=True))
    emit, values = _placeholders(arrays, opset)
    forward = _model(emit, values, {"result": build(emit, *values)}, opset)
    evaluator = ReferenceEvaluator(forward, new_ops=[*OPERATORS])

    def weighted_sum(changed: Sequence[Array]) -> float:
        (result,) = _run_reference(evaluator, ["result"], _feed(forward, changed))
        return float(numpy.sum(weights_of_sum(result.shape) * result))

    for at in wanted:
        array = arrays[at]
        places = _places(array.size, samples)
        numbers = [_difference(weighted_sum, arrays, at, place, step) for place in places]
        if at not in found:
            assert not numpy.any(numbers), f"input {at} has no gradient, but the result changes"
            continue
        gradient = found[at]
        assert gradient.shape == array.shape, f"input {at}: {gradient.shape} for {array.shape}"
        assert gradient.dtype == numpy.float64, f"input {at}: {gradient.dtype}"
        _compare(f"input {at}", gradient.reshape(-1)[places], numpy.array(numbers), tolerance)
    return found


def _difference(
    function: Callable[[Sequence[Array]], float],
    arrays: Sequence[Array],
    at: int,
    place: int,
    step: float,
) -> float:
    """The central difference of a function by one number of one array."""
    ends = []
    for move in (step, -step):
        changed = [*arrays]
        changed[at] = arrays[at].copy()
        changed[at].reshape(-1)[place] += move
        ends.append(function(changed))
    return (ends[0] - ends[1]) / (2 * step)


def _places(size: int, samples: int) -> list[int]:
    if size <= samples:
        return list(range(size))
    return sorted(numpy.random.default_rng(1).choice(size, samples, replace=False).tolist())


# --- against ONNX Runtime ---------------------------------------------------------------------


def _check_in_runtime(
    build: Build,
    arrays: Sequence[Array],
    wanted: Sequence[int],
    target: Target,
    opset: int,
    exact: Mapping[int, Array],
    tolerance: float,
) -> None:
    """Compare the float32 twin's gradients in ONNX Runtime with those in float64."""
    narrow = [_narrow(array) for array in arrays]
    graph = emitted(build, narrow, wanted, target, opset)
    onnx.checker.check_model(graph.model, full_check=True)
    results = _run(graph, narrow)
    for at, gradient in zip(graph.entries, results, strict=True):
        assert gradient.dtype == numpy.float32
        assert gradient.shape == exact[at].shape
        _compare(f"input {at} in ONNX Runtime", gradient, exact[at], tolerance)


def _run(graph: Gradients, arrays: Sequence[Array]) -> Sequence[Array]:
    """The gradients of a graph, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph.model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],  # as in training
    )
    names = [f"gradient{at}" for at in graph.entries]
    return session.run(names, _feed(graph.model, arrays)) if names else []


# --- parts ------------------------------------------------------------------------------------


def _compare(what: str, found: Array, expected: Array, tolerance: float) -> None:
    assert numpy.all(numpy.isfinite(found)), f"{what}: {found}"
    scale = max(float(numpy.max(numpy.abs(expected), initial=0.0)), 1e-3)
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=what)


def _rounded(array: Array) -> Array:
    if array.dtype.kind != "f":
        return array
    return array.astype(numpy.float32).astype(numpy.float64)


def _narrow(array: Array) -> Array:
    return array.astype(numpy.float32) if array.dtype.kind == "f" else array


def weights_of_sum(dims: Sequence[int]) -> Array:
    """What a result's numbers are weighted with in its sum; none is near zero."""
    random = numpy.random.default_rng(len(dims) + math.prod(dims))
    numbers = random.uniform(0.5, 1.5, dims) * random.choice([-1.0, 1.0], dims)
    return _rounded(numpy.asarray(numbers))


def _placeholders(
    arrays: Sequence[Array], opset: int
) -> tuple[GraphBuilder, tuple[onnx_ir.Value, ...]]:
    emit = GraphBuilder(opset=opset)
    values = tuple(
        emit.placeholder(f"input{at}", array.shape, onnx_ir.DataType.from_numpy(array.dtype))
        for at, array in enumerate(arrays)
    )
    return emit, values


def _numpy_type(value: onnx_ir.Value) -> numpy.dtype[Any]:
    assert value.dtype is not None
    return value.dtype.numpy()


def _model(
    emit: GraphBuilder,
    inputs: Sequence[onnx_ir.Value],
    outputs: Mapping[str, onnx_ir.Value],
    opset: int,
) -> onnx.ModelProto:
    """A model with copies of some values as its outputs: one value may be several of them."""
    named = []
    emit.enter("outputs")
    for name, value in outputs.items():
        copy = emit.op("Identity", value)
        emit.rename(copy, name)
        named.append(copy)
    graph = onnx_ir.Graph(
        inputs, named, nodes=emit.nodes, opset_imports={"": opset}, name="gradients"
    )
    model = onnx_ir.Model(graph, ir_version=IR_VERSIONS[opset], functions=emit.functions)
    common.InlinePass()(model)
    return onnx_ir.to_proto(model)


def _demand_sound(
    nodes: Sequence[onnx_ir.Node], found: Mapping[onnx_ir.Value, onnx_ir.Value]
) -> None:
    """Every node that differentiation adds is needed, and runs on CUDA too."""
    needed = set(found.values())
    for node in reversed(nodes):
        assert needed.intersection(node.outputs), f"nothing needs {node.name}"
        needed.update(value for value in node.inputs if value is not None)
        assert node.op_type not in CPU_ONLY, f"{node.op_type} has no CUDA kernel"
    for value, gradient in found.items():
        assert dims_of(gradient) == dims_of(value), f"the gradient of {value.name}"


def _feed(model: onnx.ModelProto, arrays: Sequence[Array]) -> dict[str, Array]:
    return {given.name: array for given, array in zip(model.graph.input, arrays, strict=True)}


def _reference(
    model: onnx.ModelProto, names: Sequence[str], arrays: Sequence[Array]
) -> Sequence[Array]:
    evaluator = ReferenceEvaluator(model, new_ops=[*OPERATORS])
    return _run_reference(evaluator, names, _feed(model, arrays)) if names else []


def _run_reference(
    evaluator: ReferenceEvaluator, names: Sequence[str], feed: dict[str, Array]
) -> Sequence[Array]:
    return [numpy.asarray(one) for one in evaluator.run([*names], feed)]


OPERATORS: tuple[type[OpRun], ...] = (
    Erf,
    LRN,
    Pad,
    AveragePool,
    Conv,
    ConvTranspose,
    GlobalMaxPool,
    MaxPool,
)
"""What the reference evaluator computes wrongly or slowly; add to it where needed."""
