"""ONNX Runtime's graph optimizers that were seen to find nothing in steps of given operators.

Starting a session takes longer than making the step where all of them run: each sorts the whole
graph, and all are asked again when one has found something. Without these a ResNet-152's session
starts in 1.9 s, not 5.0 (AMD EPYC with AVX2, ONNX Runtime 1.31.1). On 17 networks the optimized
graphs were the same but for one, where a few more transposes stay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

__all__ = ["needless"]

_ACTIVATIONS = frozenset({"HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"})

_PATTERNS: Mapping[str, Collection[AbstractSet[str]]] = {
    # Of what the backward pass reads too, only that is fused which ends in an activation: its
    # gradient asks for the result alone.
    "ConvActivationFusion": ({"Conv"}, _ACTIVATIONS),
    "ConvAddActivationFusion": ({"Conv"}, {"Add"}, _ACTIVATIONS),
    "GatherSliceToSplitFusion": ({"Gather", "Slice"},),
    "GemmActivationFusion": ({"Gemm"}, _ACTIVATIONS),
    "MatmulTransposeFusion": ({"MatMul"}, {"Transpose"}),
    "MatMulScaleFusion": ({"MatMul"}, {"Div", "Mul"}),
    "ReshapeFusion": ({"Reshape"},),
    # Of layers that do not learn.
    "BiasGeluFusion": ({"Erf"},),
    "GeluFusionL1": ({"Erf"},),
    "GeluFusionL2": ({"Erf"},),
}
"""Operators that each looks for: one of every set."""

_NEVER = (
    # What they do has been done, by our passes or as the step was emitted.
    "CommonSubexpressionElimination",
    "ConstantSharing",
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


def needless(operators: AbstractSet[str]) -> tuple[str, ...]:
    """The names of the optimizers that are left out for a step of these operators."""
    absent = (
        name
        for name, pattern in _PATTERNS.items()
        if any(operators.isdisjoint(each) for each in pattern)
    )
    return (*_NEVER, *absent)
