"""The passes that leave nothing behind: composites taken apart, what is unused, what is double."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx_ir
import onnx_ir.passes
import pytest
from small_graphs import checked, graph_of, interpreter

from cnndsl.graph.builder import GraphBuilder
from cnndsl.training.passes.constants import LARGEST, FoldConstants, JoinReshapes
from cnndsl.training.passes.duplicates import MergeDuplicates
from cnndsl.training.passes.inlining import InlineComposites
from cnndsl.training.passes.unused import RemoveUnused

FLOAT = onnx_ir.DataType.FLOAT


def operators(model: onnx_ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def numbers(model: onnx_ir.Model) -> dict[str, list[float]]:
    found = interpreter(checked(model))({"x": numpy.array([-2, 3], "f")})
    return {name: array.tolist() for name, array in found.items()}


class TestInlining:
    def model(self) -> onnx_ir.Model:
        """A composite within a composite; one result is an output, others are read on."""
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)

        def inner(value: onnx_ir.Value) -> Sequence[onnx_ir.Value]:
            return [emit.op("Neg", value)]

        def outer(value: onnx_ir.Value) -> Sequence[onnx_ir.Value]:
            [negative] = emit.composite("Inner", inner, value)
            return [negative, emit.op("Mul", negative, value)]

        emit.enter("place")
        first, second = emit.composite("Outer", outer, x)
        emit.rename(second, "second")
        return graph_of(emit, [x], {"first": first, "sum": emit.op("Add", second, first)})

    def test_the_operators_stand_where_the_composite_stood(self) -> None:
        model = self.model()
        assert operators(model) == ["Outer", "Add"]
        assert InlineComposites()(model).modified
        assert operators(model) == ["Neg", "Mul", "Add"]
        assert not model.functions
        assert not InlineComposites()(model).modified

    def test_results_have_the_names_that_they_had_outside(self) -> None:
        model = self.model()
        InlineComposites()(model)
        assert [value.name for value in model.graph.outputs] == ["first", "sum"]
        assert [node.outputs[0].name for node in model.graph] == ["first", "second", "sum"]
        assert numbers(model) == {"first": [2, -3], "sum": [-2, -12]}

    def test_a_function_that_is_called_twice_is_refused(self) -> None:
        model = self.model()
        call = model.graph[0]
        again = onnx_ir.Node(
            call.domain, call.op_type, call.inputs, overload=call.overload, num_outputs=2
        )
        model.graph.append(again)
        with pytest.raises(onnx_ir.passes.PreconditionError, match="called more than once"):
            InlineComposites()(model)


class TestUnused:
    def test_chains_that_end_nowhere_go(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        emit.op("Exp", emit.op("Neg", emit.op("Mul", x, emit.constant(2.0))))
        model = graph_of(emit, [x], {"y": emit.op("Abs", x)})
        assert RemoveUnused()(model).modified
        assert operators(model) == ["Abs"]
        assert not RemoveUnused()(model).modified

    def test_a_last_result_that_may_be_missing_goes(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (1, 1, 4), FLOAT)
        pooled, _ = emit.several("MaxPool", 2, x, kernel_shape=[2])
        model = graph_of(emit, [x], {"y": pooled})
        assert RemoveUnused()(model).modified
        assert [len(node.outputs) for node in model.graph] == [1]

    def test_results_that_must_be_there_stay(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (1, 1, 4), FLOAT)
        _, places = emit.several("MaxPool", 2, x, kernel_shape=[2])
        values, _ = emit.several("TopK", 2, x, emit.constant([2]))
        model = graph_of(emit, [x], {"places": places, "values": values})
        assert not RemoveUnused()(model).modified
        assert [len(node.outputs) for node in model.graph] == [2, 1, 2]


class TestDuplicates:
    def test_what_is_computed_twice_is_computed_once(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        twice = [emit.op("Exp", emit.op("Neg", x)) for _ in range(2)]
        model = graph_of(emit, [x], {"y": emit.op("Add", *twice)})
        expected = numbers(model)
        assert MergeDuplicates()(model).modified
        assert operators(model) == ["Neg", "Exp", "Add"]
        assert numbers(model) == expected
        assert not MergeDuplicates()(model).modified

    def test_an_output_may_be_what_others_read(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        one, other = emit.op("Neg", x), emit.op("Neg", x)
        model = graph_of(emit, [x], {"y": emit.op("Exp", one), "z": other})
        expected = numbers(model)
        MergeDuplicates()(model)
        assert operators(model) == ["Neg", "Exp"]
        assert numbers(model) == expected

    def test_two_outputs_stay_two(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        model = graph_of(emit, [x], {name: emit.op("Neg", x) for name in "abc"})
        assert not MergeDuplicates()(model).modified
        assert [*numbers(model)] == ["a", "b", "c"]

    def test_of_an_inner_value_and_two_outputs_two_are_left(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        inner, first, second = (emit.op("Neg", x) for _ in range(3))
        model = graph_of(emit, [x], {"y": emit.op("Exp", inner), "a": first, "b": second})
        expected = numbers(model)
        MergeDuplicates()(model)
        assert operators(model) == ["Neg", "Neg", "Exp"]
        assert numbers(model) == expected

    def test_what_differs_stays(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (1, 2), FLOAT)
        results = [
            emit.op("Softmax", x, axis=0),
            emit.op("Softmax", x, axis=1),
            emit.op("LeakyRelu", x, alpha=0.0),
            emit.op("LeakyRelu", x, alpha=-0.0),
            emit.op("RandomUniformLike", x),
            emit.op("RandomUniformLike", x),
        ]
        model = graph_of(emit, [x], {"y": emit.op("Sum", *results)})
        assert not MergeDuplicates()(model).modified


class TestConstants:
    def test_what_is_stretched_or_has_other_sizes_is_a_constant(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        stretched = emit.op("Expand", emit.constant(3.0), emit.constant([2]))
        flat = emit.op("Reshape", emit.constant([1.0, 5.0]), emit.constant([2]))
        total = emit.op("Add", emit.op("Mul", x, stretched), flat)
        model = graph_of(emit, [x], {"y": total})
        before = numbers(model)
        assert FoldConstants()(model).modified
        assert {"Expand", "Reshape"}.isdisjoint(operators(model))
        assert numbers(model) == before == {"y": [-5, 14]}
        assert not FoldConstants()(model).modified

    @pytest.mark.parametrize("count", [LARGEST, LARGEST + 1])
    def test_large_ones_are_not_made(self, count: int) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        stretched = emit.op("Expand", emit.constant(3.0), emit.constant([count]))
        model = graph_of(emit, [x], {"y": emit.op("Neg", stretched)})
        assert FoldConstants()(model).modified is (count == LARGEST)

    def test_an_output_stays_as_it_is(self) -> None:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        stretched = emit.op("Expand", emit.constant(3.0), emit.constant([2]))
        assert not FoldConstants()(graph_of(emit, [x], {"y": stretched})).modified


class TestReshapes:
    def model(self, sizes: Sequence[int], between: bool = False) -> onnx_ir.Model:
        emit = GraphBuilder()
        x = emit.placeholder("x", (2,), FLOAT)
        value = emit.op("Reshape", emit.op("Neg", x), emit.constant([2, 1]))
        outputs = {"between": value} if between else {}
        value = emit.op("Reshape", value, emit.constant([1, 2]))
        outputs["y"] = emit.op("Reshape", value, emit.constant(sizes))
        return graph_of(emit, [x], outputs)

    @pytest.mark.parametrize("between", [False, True])
    def test_the_last_of_some_reads_what_the_first_read(self, between: bool) -> None:
        model = self.model([2], between)
        before = numbers(model)
        assert JoinReshapes()(model).modified
        RemoveUnused()(model)
        assert operators(model).count("Reshape") == 1 + between
        assert numbers(model) == before
        assert before["y"] == [2, -3]

    def test_sizes_that_are_the_value_s_own_stay(self) -> None:
        model = self.model([0, 2])
        last = model.graph[-1]
        last_but_one = model.graph[-3]
        JoinReshapes()(model)
        assert last.inputs[0] is last_but_one.outputs[0]
