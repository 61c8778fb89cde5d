"""ONNX Runtime's graph optimizers that were seen to find nothing in steps of given operators.

Starting a session takes longer than making the step where all of them run: each sorts the whole
graph, and all are asked again when one has found something. Without these a ResNet-152's session
starts in 1.9 s, not 5.0 (AMD EPYC with AVX2, ONNX Runtime 1.31.1). On 17 networks the optimized
graphs were the same but for one, where a few more transposes stay. An operator's presence says
little: a step has many of each, and few that feed one another as an optimizer wants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import TypeAlias

import onnx
import onnx.numpy_helper

__all__ = ["needless"]

_Makers: TypeAlias = Mapping[str, onnx.NodeProto]
"""The node that makes a value, by the value's name."""

_ACTIVATIONS = frozenset({"Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"})

_CHAINS: Mapping[str, Sequence[AbstractSet[str]]] = {
    # Of what the backward pass reads too, only that is fused which ends in an activation: its
    # gradient asks for the result alone.
    "ConvActivationFusion": ({"Conv"}, _ACTIVATIONS),
    "ConvAddActivationFusion": ({"Conv"}, {"Add"}, _ACTIVATIONS),
    "GemmActivationFusion": ({"Gemm"}, _ACTIVATIONS),
    # It looks through a Cast.
    "MatmulTransposeFusion": ({"Cast", "Transpose"}, {"MatMul"}),
    # Of layers that do not learn.
    "BiasGeluFusion": ({"Erf"},),
    "GeluFusionL1": ({"Erf"},),
    "GeluFusionL2": ({"Erf"},),
}
"""What each looks for: a node of the first set that feeds one of the second, and so on."""

_SIZES = frozenset({"Shape", "Size"})
"""Operators whose results are known where sizes are."""

_NEVER = (
    # What they do has been done, by our passes or as the step was emitted.
    "CommonSubexpressionElimination",
    "ConstantSharing",
    "EnsureUniqueDQForNodeUnit",
    "FreeDimensionOverrideTransformer",
    "GatherToSliceFusion",
    "Level1_RuleBasedTransformer",
    "Level2_RuleBasedTransformer",
    "MatMulAddFusion",
    "SliceConcatToSpaceToDepthFusion",
    # They move transposes: in three of four networks there were more afterwards.
    "TransposeOptimizer",
    "TransposeOptimizer_CPUExecutionProvider",
    # They fuse operators whose results the backward pass reads.
    "AttentionFusion",
    "BiasDropoutFusion",
    "BiasSkipLayerNormFusion",
    "BiasSoftmaxFusion",
    "EmbedLayerNormFusion",
    "FastGeluFusion",
    "GroupQueryAttentionFusion",
    "GroupQueryAttentionPreNormFusion",
    "LayerNormFusionL1",
    "LayerNormFusionL2",
    "MatMulActivationFusion",
    "QuickGeluFusion",
    "SimplifiedLayerNormFusion",
    "SkipLayerNormFusion",
    # They are about integers.
    "DoubleQDQPairsRemover",
    "DynamicQuantizeMatMulFusion",
    "MatMulIntegerToFloatFusion",
    "MatMulNBitsFusion",
    "NhwcTransformer",
    "QDQFinalCleanupTransformer",
    "QDQPropagationTransformer",
    "QDQS8ToU8Transformer",
    "QDQSelectorActionTransformer",
    "WeightBiasQuantization",
    "WhereDummyDq",
)


def needless(graph: onnx.GraphProto) -> tuple[str, ...]:
    """The names of the optimizers that are left out for a step's graph."""
    makers = {name: node for node in graph.node for name in node.output}
    absent = [
        name
        for name, chain in _CHAINS.items()
        if not any(_ends(one, chain, makers) for one in graph.node)
    ]
    if not _scales_products(graph, makers):
        absent.append("MatMulScaleFusion")
    if not _takes_apart(graph, makers):
        absent.append("GatherSliceToSplitFusion")
    operators = {node.op_type for node in graph.node}
    if operators.isdisjoint(_SIZES) and not any(_is_constant(one, makers) for one in graph.node):
        absent.append("ConstantFolding")
    if not any(_joins_reshapes(one, makers) for one in graph.node):
        absent.append("ReshapeFusion")
    return (*_NEVER, *absent)


def _ends(node: onnx.NodeProto, chain: Sequence[AbstractSet[str]], makers: _Makers) -> bool:
    """Whether a node of the standard domain is the last of a chain."""
    *before, last = chain
    if node.domain or node.op_type not in last:
        return False
    return not before or any(
        _ends(maker, before, makers) for name in node.input if (maker := makers.get(name))
    )


def _scales_products(graph: onnx.GraphProto, makers: _Makers) -> bool:
    """Whether a factor or a result of a MatMul is multiplied or divided by a constant."""
    factors = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    for node in graph.node:
        if node.op_type not in ("Div", "Mul"):
            continue
        of = [maker.op_type for name in node.input if (maker := makers.get(name))]
        if "Constant" in of and ("MatMul" in of or not factors.isdisjoint(node.output)):
            return True
    return False


def _takes_apart(graph: onnx.GraphProto, makers: _Makers) -> bool:
    """Whether all that reads a value takes some of its places, none of which is taken twice."""
    readers: dict[str, list[onnx.NodeProto | None]] = defaultdict(list)
    for node in graph.node:
        for at, name in enumerate(node.input):
            readers[name].append(node if at == 0 and node.op_type in ("Gather", "Slice") else None)
    return any(
        len(each) > 1 and None not in each and not _overlap([_span(one, makers) for one in each])
        for each in readers.values()
    )


def _overlap(spans: Sequence[tuple[int, int, int] | None]) -> bool:
    """Whether slices along one axis share places, as those of a swept kernel gradient do."""
    known = sorted(one for one in spans if one is not None)
    return any(one[0] == next[0] and one[2] > next[1] for one, next in pairwise(known))


def _span(node: onnx.NodeProto | None, makers: _Makers) -> tuple[int, int, int] | None:
    """Axis, start and end of a Slice along one axis; None where they are not known beforehand."""
    bounds = [makers.get(name) for name in node.input[1:4]] if node and len(node.input) == 4 else []
    values = [
        int(onnx.numpy_helper.to_array(one.attribute[0].t).item())
        for one in bounds
        if one and one.op_type == "Constant" and one.attribute[0].t.dims == [1]
    ]
    if len(values) != 3 or min(values) < 0:
        return None
    start, end, axis = values
    return axis, start, end


def _is_constant(node: onnx.NodeProto, makers: _Makers) -> bool:
    """Whether a node computes the same in every step, and could be computed beforehand."""
    return node.op_type != "Constant" and all(
        not name or _made_by(name, makers) == "Constant" for name in node.input
    )


def _joins_reshapes(node: onnx.NodeProto, makers: _Makers) -> bool:
    """Whether a node changes sizes that were just changed, or by sizes that the graph computes."""
    if node.op_type != "Reshape":
        return False
    value, sizes = (_made_by(name, makers) for name in node.input)
    return value == "Reshape" or sizes != "Constant"


def _made_by(name: str, makers: _Makers) -> str:
    """The operator that makes a value; none for what comes from outside."""
    maker = makers.get(name)
    return "" if maker is None else maker.op_type
