"""Foreign ONNX models and what they become: the same counts, the same answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy
import onnx
import onnxruntime
from numpy.typing import NDArray

import cnndsl
from cnndsl.graph.artifact import Artifact
from cnndsl.network_import import Imported

__all__ = [
    "answers",
    "assert_same",
    "bare",
    "counts",
    "draw",
    "import_model",
    "with_random_weights",
]

Array = NDArray[numpy.float32]


def import_model(model: onnx.ModelProto, folder: Path, **options: object) -> Imported:
    """A model in memory, brought in."""
    path = folder / "foreign.onnx"
    onnx.save(model, path)
    return cnndsl.import_network(path, **options)  # type: ignore[arg-type]


def bare(artifact: Artifact) -> onnx.ModelProto:
    """A compiled model without what says what it was compiled from."""
    model: onnx.ModelProto = onnx.ModelProto.FromString(b"".join(map(bytes, artifact.chunks())))
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("name")
    return model


def answers(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime makes of a model, without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(None, dict(inputs))
    return found


def draw(model: onnx.ModelProto, seed: int = 0, batch: int = 2) -> dict[str, Array]:
    """Random inputs for a model; its batch where it has a fixed one."""
    random = numpy.random.default_rng(seed)
    known = {one.name for one in model.graph.initializer}
    found = {}
    for one in model.graph.input:
        if one.name in known:
            continue
        first, *dims = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        shape = (first or batch, *dims)
        if one.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            found[one.name] = random.integers(0, 5, shape)
        else:
            found[one.name] = random.standard_normal(shape).astype(numpy.float32)
    return found  # type: ignore[return-value]


def assert_same(
    model: onnx.ModelProto, found: Imported, folder: Path, tolerance: float = 1e-3
) -> None:
    """A model and the spec that it became answer alike."""
    inputs = draw(model)
    theirs = answers(model, inputs)
    spec, weights = found.save(folder / "imported.cnn")
    compiled = cnndsl.load(spec).compile(weights, device="cpu")
    ours = compiled.to_proto() if hasattr(compiled, "to_proto") else None
    if ours is None:
        compiled.save(folder / "imported.onnx")
        ours = onnx.load(folder / "imported.onnx")
    given = dict(zip([one.name for one in ours.graph.input], inputs.values(), strict=True))
    for one, other in zip(theirs, answers(ours, given), strict=True):
        largest = max(1e-3, float(numpy.abs(one).max()))
        numpy.testing.assert_allclose(
            other.reshape(one.shape), one, rtol=0, atol=tolerance * largest
        )


def with_random_weights(model: onnx.ModelProto, seed: int = 0) -> onnx.ModelProto:
    """A model whose weights are made by ``ConstantOfShape``, with random ones instead."""
    random = numpy.random.default_rng(seed)
    shapes = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = [int(one) for one in shapes[node.input[0]]]
        fan = max(1.0, float(numpy.prod(shape[1:])))
        array = random.standard_normal(shape) / numpy.sqrt(fan) if len(shape) > 1 else None
        if array is None:
            array = 1 + 0.1 * random.standard_normal(shape)
        tensor = onnx.numpy_helper.from_array(array.astype(numpy.float32), node.output[0])
        model.graph.initializer.append(tensor)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def counts(model: onnx.ModelProto) -> tuple[int, int]:
    """Parameters and MACs of a model of convolutions, dense layers and batch normalisation.

    Counted here from the graph alone. A scale behind a normalisation is the normalisation's.
    """
    inferred = onnx.shape_inference.infer_shapes(with_constant_shapes(model), data_prop=True)
    graph = inferred.graph
    shapes = {
        one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in (*graph.value_info, *graph.output, *graph.input)
    }
    shapes |= {one.name: [*one.dims] for one in graph.initializer}
    params = macs = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            weight = shapes[node.input[1]]
            params += sum(int(numpy.prod(shapes[name])) for name in node.input[1:])
            places = shapes[node.output[0]][2:] if node.op_type == "Conv" else []
            macs += int(numpy.prod(weight)) * int(numpy.prod(places, dtype=numpy.int64))
        if node.op_type == "BatchNormalization":
            params += 2 * shapes[node.input[1]][0]
    return params, macs


def with_constant_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose made-up weights have their shapes as facts."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    shapes = {one.name: onnx.numpy_helper.to_array(one) for one in copy.graph.initializer}
    for node in copy.graph.node:
        if node.op_type == "ConstantOfShape" and node.input[0] in shapes:
            dims = [int(one) for one in shapes[node.input[0]]]
            info = onnx.helper.make_tensor_value_info(node.output[0], 1, dims)
            copy.graph.value_info.append(info)
    return copy
