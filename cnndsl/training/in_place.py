"""Says which of an optimizer's states a step may write over while it reads them.

ONNX has no order but that of the data, so an old value may go only where all that read it have
run before the new one is written, or write it themselves cell by cell.
"""

from __future__ import annotations

import onnx_ir

from cnndsl.training.signature import Signature

__all__ = ["overwritable_states"]

_CELL_BY_CELL = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min", "Where"})
"""Operators that have read a cell of each input before they write that cell of their output."""

_FARTHEST = 64
"""So many nodes are looked through for a way from a reader to the writer: an update is small."""


def overwritable_states(model: onnx_ir.Model, signature: Signature) -> frozenset[str]:
    """The states whose next value may be written where the present one stands."""
    inputs = {value.name: value for value in model.graph.inputs}
    outputs = {value.name: value for value in model.graph.outputs}
    following = signature.next_names
    return frozenset(
        name
        for name in signature.state
        if name in following and _overwritable(inputs[name], outputs[following[name]])
    )


def _overwritable(old: onnx_ir.Value, new: onnx_ir.Value) -> bool:
    """Whether nothing can read the old value once the new one is being written."""
    writer = new.producer()
    if writer is None or writer.domain or not _writes_over(writer, old):
        return False
    return all(reader is writer or _ends_before(reader, writer) for reader, _ in old.uses())


def _writes_over(writer: onnx_ir.Node, old: onnx_ir.Value) -> bool:
    """Whether a node may write to where one of its inputs stands.

    A product adds to what it finds in place of its third input.
    """
    if writer.op_type == "Gemm":
        return all(index == 2 for node, index in old.uses() if node is writer)
    return writer.op_type in _CELL_BY_CELL


def _ends_before(reader: onnx_ir.Node, writer: onnx_ir.Node) -> bool:
    """Whether the writer needs what a reader makes, and what is made of that at once.

    ONNX Runtime may fuse a node with the next one, which then reads in its place.
    """
    next_ones = [node for output in reader.outputs for node, _ in output.uses()]
    return all(node is writer or _leads_to(node, writer) for node in next_ones) and bool(next_ones)


def _leads_to(node: onnx_ir.Node, writer: onnx_ir.Node) -> bool:
    waiting, seen = [node], {node}
    while waiting and len(seen) < _FARTHEST:
        for output in waiting.pop().outputs:
            for user, _ in output.uses():
                if user is writer:
                    return True
                if user not in seen:
                    seen.add(user)
                    waiting.append(user)
    return False
