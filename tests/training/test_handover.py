"""Gradients leave a graph in the shapes in which they are made, and are the same numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy

import cnndsl
from cnndsl.runtime import library
from cnndsl.runtime.host import form_on
from cnndsl.training.handover import as_made
from cnndsl.training.split import GradientStep, build_shards

TEXT = """input 3x16x16
conv 16@3 padding 1 -> relu
conv 32@3 padding 1 -> batchnorm -> relu -> maxpool 2
conv 32@1 -> relu -> flatten -> dense 10 -> softmax
train { batch 4 }
"""


def run(step: GradientStep) -> dict[str, Any]:
    random = numpy.random.default_rng(0)
    given = {}
    for spec in step.signature.inputs:
        if spec.dtype == "int64" or spec.role == "seed":
            given[spec.name] = numpy.ones(spec.dims, spec.dtype)
        else:
            given[spec.name] = random.random(spec.dims).astype(spec.dtype)
    session = library.load().InferenceSession(
        step.to_proto(checked=False).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    assert names == [spec.name for spec in step.signature.outputs]
    return dict(zip(names, session.run(names, given), strict=True))


def test_no_gradient_is_copied_into_another_shape() -> None:
    [step] = build_shards(cnndsl.parse(TEXT).typed, **form_on("cpu")).gradients.values()
    before = step.to_proto(checked=False).SerializeToString(deterministic=True)
    form, shapes = as_made(step)
    assert all(value.producer().op_type != "Reshape" for value in form.model.graph.outputs)  # type: ignore[union-attr]
    reshaped = [
        str(value.name)
        for value in step.model.graph.outputs
        if value.producer().op_type == "Reshape"  # type: ignore[union-attr]
    ]
    assert [*shapes] == reshaped != []
    # The step that was given is as it was.
    assert step.to_proto(checked=False).SerializeToString(deterministic=True) == before


def test_the_numbers_are_the_same() -> None:
    [step] = build_shards(cnndsl.parse(TEXT).typed, **form_on("cpu")).gradients.values()
    form, shapes = as_made(step)
    plain, found = run(step), run(form)
    assert plain.keys() == found.keys()
    for name, array in plain.items():
        assert array.tobytes() == found[name].tobytes(), name
        assert found[name].shape == shapes.get(name, array.shape)
        assert math.prod(found[name].shape) == array.size


def test_what_leaves_twice_keeps_its_shape() -> None:
    """A value that is an output already, or is an input, cannot leave under another name."""
    import onnx_ir

    step = build_shards(cnndsl.parse("input 4\ndense 3 -> softmax\n").typed).gradients
    one = next(iter(step.values()))
    graph = one.model.graph
    weight = next(value for value in graph.inputs if value.name == "dense1.weight")
    shape = graph.inputs[0]
    node = onnx_ir.Node("", "Reshape", [weight, shape], outputs=[onnx_ir.Value(name="again")])
    node.outputs[0].shape = weight.shape
    graph.append(node)
    graph.outputs.append(node.outputs[0])
    _, shapes = as_made(one)
    assert "again" not in shapes
