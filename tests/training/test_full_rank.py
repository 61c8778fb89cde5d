"""No single number meets a tensor of more dimensions some of whose last are 1.

ONNX Runtime would go through that element by element.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy
import onnx_ir
import pytest

from cnndsl import pipeline, resources
from cnndsl.graph.builder import BROADCASTING, GraphBuilder
from cnndsl.graph.lower import lower
from cnndsl.training.step import build_step

FEW = ("convnext-tiny", "lenet5", "mobilenetv3-small", "resnet20", "tdnn", "textcnn")
ALL = sorted(path.stem for path in resources.specs().glob("*.cnn"))


def stretched(model: onnx_ir.Model) -> Iterator[str]:
    """The nodes that stretch a single number of fewer dimensions over such a tensor."""
    for node in model.graph:
        shapes = [tuple(one.shape) for one in node.inputs if one is not None and one.shape]
        if node.op_type in BROADCASTING and any(1 in shape[1:] for shape in shapes):
            rank = max(map(len, shapes))
            for one in node.inputs:
                shape = tuple(one.shape) if one is not None and one.shape is not None else (2,)
                if len(shape) < rank and all(size == 1 for size in shape):
                    yield f"{node.name} by {one.name if one else ''}"


@pytest.mark.parametrize(
    "name", [one if one in FEW else pytest.param(one, marks=pytest.mark.slow) for one in ALL]
)
def test_no_step_and_no_model_has_one(name: str) -> None:
    typed = pipeline.load(name)
    assert not [*stretched(lower(typed))]
    assert not [*stretched(build_step(typed, batch=2).model)]


def test_a_number_is_given_the_dimensions_of_what_it_meets() -> None:
    emit = GraphBuilder()
    weight = emit.weight("w", (8, 4, 1, 1))
    rate = emit.placeholder("lr", (), onnx_ir.DataType.FLOAT)
    tenth = emit.tensor(numpy.array(0.1, numpy.float32))
    twice = emit.op("Mul", emit.op("Mul", weight, tenth), rate)
    again = emit.op("Add", twice, rate)
    plain = emit.op("Mul", emit.weight("v", (8, 4)), tenth)
    assert [list(one.shape or ()) for one in (twice, plain)] == [[8, 4, 1, 1], [8, 4]]
    kinds = [node.op_type for node in emit.nodes]
    # The rate is reshaped once; the vector takes the number of no dimensions.
    assert kinds.count("Reshape") == 1
    shapes = [list(one.shape or ()) for one in (again.producer() or emit.nodes[0]).inputs if one]
    assert shapes == [[8, 4, 1, 1], [1, 1, 1, 1]]


def test_constants_that_nothing_reads_are_left_out() -> None:
    emit = GraphBuilder()
    weight = emit.weight("w", (8, 1, 1))
    emit.op("Mul", weight, emit.tensor(numpy.array(0.1, numpy.float32)))
    assert [node.op_type for node in emit.nodes] == ["Constant", "Mul"]


def test_equal_small_constants_are_one() -> None:
    emit = GraphBuilder()
    assert emit.constant([1, 2]) is emit.constant([1, 2])
    assert emit.constant([1, 2]) is not emit.constant([1.0, 2.0])
    assert emit.constant(1) is not emit.constant([1])
    large = numpy.zeros(1000, numpy.float32)
    assert emit.tensor(large) is not emit.tensor(large)
