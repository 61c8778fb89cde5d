"""Operators that no layer says: why not, where there is something to say."""

from __future__ import annotations

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

__all__ = ["unknown"]

_WHY = {
    "If": "what it does is decided by data, and a network of ours is fixed",
    "Loop": "how often it goes round is decided by data, and a network of ours is fixed",
    "Scan": "it carries a state along a sequence, and layers have none",
    "LSTM": "it is recurrent, and layers have no state",
    "GRU": "it is recurrent, and layers have no state",
    "RNN": "it is recurrent, and layers have no state",
    "NonMaxSuppression": "how many boxes it gives is decided by data",
    "NonZero": "how many numbers it gives is decided by data",
    "TopK": "it sorts, which no layer does",
    "ArgMax": "it gives the place of a maximum, and layers give numbers that can be learnt from",
    "ArgMin": "it gives the place of a minimum, and layers give numbers that can be learnt from",
}

_INTEGERS = ("QuantizeLinear", "DequantizeLinear", "QLinear", "ConvInteger", "MatMulInteger",
             "DynamicQuantizeLinear", "QGemm", "QAttention")  # fmt: skip


@operator("*")
def unknown(t: Translator, node: OnnxNode) -> None:
    """All operators that have no function of their own."""
    if node.op.startswith(_INTEGERS) or node.op in _INTEGERS:
        raise Unsaid("it computes with integers: import the float model that it was made of")
    if node.domain:
        raise Unsaid(f"it is an operator of `{node.domain}`, which only its maker's runtime knows")
    raise Unsaid(_WHY.get(node.op, "no layer does it"))
