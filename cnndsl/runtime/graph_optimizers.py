"""ONNX Runtime's graph optimizers that were seen to find nothing in steps of given operators.

Starting a session takes longer than making the step where all of them run: each sorts the whole
graph, and all are asked again when one has found something. Without these a ResNet-152's session
starts in 1.9 s, not 5.0 (AMD EPYC with AVX2, ONNX Runtime 1.31.1). On 17 networks the optimized
graphs were the same but for one, where a few more transposes stay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

import onnx

__all__ = ["needless"]

_ACTIVATIONS = frozenset({"Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"})

_PATTERNS: Mapping[str, Collection[AbstractSet[str]]] = {
    # Of what the backward pass reads too, only that is fused which ends in an activation: its
    # gradient asks for the result alone.
    "ConvActivationFusion": ({"Conv"}, _ACTIVATIONS),
    "ConvAddActivationFusion": ({"Conv"}, {"Add"}, _ACTIVATIONS),
    "GatherSliceToSplitFusion": ({"Gather", "Slice"},),
    "GemmActivationFusion": ({"Gemm"}, _ACTIVATIONS),
    "MatmulTransposeFusion": ({"MatMul"}, {"Transpose"}),
    "MatMulScaleFusion": ({"MatMul"}, {"Div", "Mul"}),
    # Of layers that do not learn.
    "BiasGeluFusion": ({"Erf"},),
    "GeluFusionL1": ({"Erf"},),
    "GeluFusionL2": ({"Erf"},),
}
"""Operators that each looks for: one of every set."""

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
    makers = {name: node.op_type for node in graph.node for name in node.output}
    operators = {node.op_type for node in graph.node}
    absent = [
        name
        for name, pattern in _PATTERNS.items()
        if any(operators.isdisjoint(each) for each in pattern)
    ]
    if operators.isdisjoint(_SIZES) and not any(_is_constant(one, makers) for one in graph.node):
        absent.append("ConstantFolding")
    if not any(_joins_reshapes(one, makers) for one in graph.node):
        absent.append("ReshapeFusion")
    return (*_NEVER, *absent)


def _is_constant(node: onnx.NodeProto, makers: Mapping[str, str]) -> bool:
    """Whether a node computes the same in every step, and could be computed beforehand."""
    return node.op_type != "Constant" and all(
        not name or makers.get(name) == "Constant" for name in node.input
    )


def _joins_reshapes(node: onnx.NodeProto, makers: Mapping[str, str]) -> bool:
    """Whether a node changes sizes that were just changed, or by sizes that the graph computes."""
    if node.op_type != "Reshape":
        return False
    value, sizes = map(makers.get, node.input)
    return value == "Reshape" or sizes != "Constant"
