"""What is wrong with a network that was drawn: our values, gradients, counts and shapes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnx.reference
import onnxruntime
from drawn_networks import DrawnNetwork
from draws import Tensor, torch
from gradients import OPERATORS
from oracle import Array
from safetensors.numpy import save_file
from training_steps import in_double
from trees import read_right, without_spans

from cnndsl import pipeline
from cnndsl.api import Network
from cnndsl.syntax.printer import print_module
from cnndsl.training.split import build_split

__all__ = ["TOLERANCE", "findings"]

TOLERANCE = 2e-4
"""The largest error, as a part of the largest number, that is believed to be rounding."""

_EXACT = 2e-6
"""The same where ours are computed in float64: constants of a graph are in float32 even there."""

_SMALL, _SMALL_EXACT = 1e-3, 0.1
"""Errors of arrays whose numbers are smaller still, as parts of the largest of all, are parts of
this: what is 0 but for rounding, as the gradient of a bias before a batch normalisation.
"""

_NOTHING = 1e-4
"""All numbers that are smaller are taken for it: drawn streams are kept above 0.01, or are 0."""

_BATCH = 3
_RECIPE = f"train {{\n  loss mse\n  batch {_BATCH}\n}}\n"


def findings(drawn: DrawnNetwork, folder: Path) -> list[str]:
    """Everything in turn; nothing where all agrees."""
    checked = pipeline.check_text(drawn.text)
    wrong = [f"{d.code}: {d.message}" for d in checked.diagnostics if d.severity == "error"]
    if wrong:
        return [*wrong, f"(of a network that is right)\n{drawn.text}"]
    network = Network(checked)
    found = [
        problem
        for check in (_texts, _counts, _values, _gradients)
        for problem in check(drawn, network, folder)
    ]
    return [*found, *([drawn.text] if found else [])]


# --- texts ------------------------------------------------------------------------------------


def _texts(drawn: DrawnNetwork, network: Network, folder: Path) -> Iterator[str]:
    """What is printed is read as the same."""
    module = read_right(drawn.text)
    printed = print_module(module)
    if without_spans(read_right(printed).statements) != without_spans(module.statements):
        yield f"the printed text is another tree\n{printed}"
    canonical = Network(pipeline.check_text(network.text))
    if canonical.text != network.text:
        yield f"the canonical text changes when it is read again\n{network.text}"
    if [*canonical.layers.items()] != [*network.layers.items()]:
        yield f"the canonical text is another network\n{network.text}"
    if canonical.weights != network.weights:
        yield f"the canonical text has other weights\n{network.text}"


# --- counts -----------------------------------------------------------------------------------


def _counts(drawn: DrawnNetwork, network: Network, folder: Path) -> Iterator[str]:
    summary = network.summary()
    json.dumps(summary.to_json())
    shapes = [tuple(one.shape) for one in drawn.weights]
    if [*network.weights.values()] != shapes:
        yield f"the weights' shapes are {network.weights}, not {shapes}"
    drawn.compute(drawn.fed)
    sizes: dict[bool, int] = {True: 0, False: 0}
    for one in drawn.weights:
        sizes[one.requires_grad] += one.numel()
    ours = (summary.params, summary.buffers, summary.macs)
    theirs = (sizes[True], sizes[False], drawn.macs)
    if ours != theirs:
        yield f"parameters, buffers and MACs are {ours}, not {theirs}"


# --- values -----------------------------------------------------------------------------------


def _values(drawn: DrawnNetwork, network: Network, folder: Path) -> Iterator[str]:
    """The compiled model: its bytes, shapes and numbers."""
    path = folder / "weights.safetensors"
    arrays = map(numpy.ascontiguousarray, drawn.arrays())
    weights = dict(zip(network.weights, arrays, strict=False))
    save_file(weights, path)
    artifacts = [pipeline.compile(network.typed, weights=path) for _ in range(2)]
    once, twice = (artifact.to_bytes() for artifact in artifacts)
    if once != twice:
        yield "compiled twice, the bytes differ"
    proto = onnx.ModelProto.FromString(once)
    yield from _unlike_shapes(proto, "the model")
    expected = [one.detach().numpy() for one in drawn.compute(drawn.fed)]
    feeds = _arrays(drawn.fed)
    names = [network.outputs.__iter__().__next__(), *drawn.outputs]
    yield from _unlike(proto, feeds, dict(zip(names, expected, strict=True)), "output")


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {
        name: one.numpy() if one.dtype == torch.int64 else one.float().numpy()
        for name, one in tensors.items()
    }


def _unlike_shapes(proto: onnx.ModelProto, what: str) -> Iterator[str]:
    """Where ONNX infers other types than the graph has."""
    onnx.checker.check_model(proto, full_check=True)
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    del bare.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    theirs = {one.name: one.type for one in inferred.graph.value_info}
    for value in (*proto.graph.value_info, *inferred.graph.output):
        other = theirs.get(value.name)
        if other is not None and not _agree(value.type.tensor_type, other.tensor_type):
            yield f"{what}'s `{value.name}` is {_dims(value.type)}, ONNX infers {_dims(other)}"


def _dims(kind: Any) -> list[object]:
    return [dim.dim_param or dim.dim_value for dim in kind.tensor_type.shape.dim]


def _agree(ours: Any, theirs: Any) -> bool:
    """Whether the sizes that both know are the same."""
    if not (ours.HasField("shape") and theirs.HasField("shape")):
        return True
    pairs = [*zip(ours.shape.dim, theirs.shape.dim, strict=False)]
    return len(ours.shape.dim) == len(theirs.shape.dim) and all(
        one.dim_value == other.dim_value
        for one, other in pairs
        if one.HasField("dim_value") and other.HasField("dim_value")
    )


# --- gradients --------------------------------------------------------------------------------


def _gradients(drawn: DrawnNetwork, network: Network, folder: Path) -> Iterator[str]:
    """Those of all weights, through the first of the two graphs of training."""
    if drawn.chance:
        return
    checked = pipeline.check_text(drawn.text + _RECIPE)
    wrong = [f"{d.code}: {d.message}" for d in checked.diagnostics if d.severity == "error"]
    if wrong:
        yield f"with a recipe it is wrong: {wrong}"
        return
    step, _ = build_split(pipeline.typed(checked))
    proto = step.to_proto()
    yield from _unlike_shapes(proto, "the step")
    numbers = numpy.random.default_rng(7)
    batch = drawn.samples(_BATCH, numbers)
    for one in drawn.weights:
        one.grad = None
    scores = drawn.compute(batch, training=True)[0]
    labels = torch.tensor(numbers.normal(size=scores.shape).astype(numpy.float32)).double()
    loss = torch.nn.functional.mse_loss(scores, labels)
    if loss.requires_grad:
        loss.backward()
    weights = dict(zip(network.weights, drawn.arrays(), strict=True))
    tensors = dict(zip(network.weights, drawn.weights, strict=True))
    signature = step.signature
    known = signature.weights
    feeds = signature.feeds(_arrays(batch), labels.float().numpy())
    feeds |= {name: weights[name] for name in known}
    expected = {signature.loss: loss.detach().numpy()}
    for spec in signature.gradients:
        grad = tensors[spec.of].grad
        expected[spec.name] = numpy.zeros(spec.dims) if grad is None else grad.numpy()
    given = {spec.of for spec in signature.gradients}
    left_out = [
        name
        for name, one in tensors.items()
        if one.grad is not None and one.grad.abs().max() > 0 and name not in given
    ]
    if left_out:
        yield f"no gradient of {left_out}"
    yield from _unlike(proto, feeds, expected, "training's")


# --- comparing --------------------------------------------------------------------------------


def _unlike(
    proto: onnx.ModelProto, feeds: Mapping[str, Array], expected: Mapping[str, Array], what: str
) -> Iterator[str]:
    """What differs from PyTorch's; rounding does not count, which float64 tells."""
    found = _run(proto, feeds, [*expected])
    most = max(_largest(expected.values()), _NOTHING)
    worst = {name: _error(found[name], array, most * _SMALL) for name, array in expected.items()}
    far = {name: error for name, error in worst.items() if not error <= TOLERANCE}
    if not far:
        return
    try:
        exact = _run_in_double(proto, feeds, [*expected])
    except RuntimeError as error:  # some outputs are unknown to the interpreter
        yield f"{what} {far} is off, and float64 is not known: {error}"[:300]
        return
    for name, far_off in far.items():
        precise = _error(exact[name], expected[name], most * _SMALL_EXACT)
        if not precise <= _EXACT:
            yield f"{what} `{name}` is off by {far_off:.2g} ({precise:.2g} in float64)"


def _largest(arrays: Any) -> float:
    return max((float(abs(one).max()) for one in arrays if one.size), default=0.0)


def _error(found: Array, expected: Array, smallest: float) -> float:
    if found.shape != expected.shape:
        return float("inf")
    difference = abs(found.astype(numpy.float64) - expected)
    return float(difference.max()) / max(float(abs(expected).max()), smallest)


def _run(
    proto: onnx.ModelProto, feeds: Mapping[str, Array], names: Sequence[str]
) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run([*names], dict(feeds)), strict=True))


def _run_in_double(
    proto: onnx.ModelProto, feeds: Mapping[str, Array], names: Sequence[str]
) -> dict[str, Array]:
    """By the interpreter of the ``onnx`` package."""
    double = in_double(proto)
    for weight in double.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(weight).astype(numpy.float64)
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    wide = {
        name: array.astype(numpy.float64) if array.dtype.kind == "f" else array
        for name, array in feeds.items()
    }
    evaluator: Any = onnx.reference.ReferenceEvaluator(double, new_ops=[*OPERATORS])
    return dict(zip(names, evaluator.run([*names], wide), strict=True))
