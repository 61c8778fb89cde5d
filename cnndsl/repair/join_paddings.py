"""Finds the paddings that were forgotten in the branches of a join, so that their sizes agree.

From a join whose inputs differ in size to the paddings, in the layers of the smaller branches, with
which each is as large as the largest: the ``padding 1`` that a 3x3 convolution needs beside a 1x1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from cnndsl.diagnostics.model import Edit
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import listed, shorten
from cnndsl.elaborate.network import LayerNode, Node
from cnndsl.layers.base import Layer
from cnndsl.repair.candidates import (
    Candidate,
    Case,
    Rank,
    edit_of,
    literal,
    spelled,
    with_parameters,
)
from cnndsl.types import TensorType

__all__ = ["branch_paddings"]

LAYERS = 4
"""So many layers of one branch are given paddings."""

_Sizes: TypeAlias = tuple[int, ...]

_Paddings: TypeAlias = dict[int, _Sizes | None]
"""Paddings of layers, by the positions of their nodes."""


def branch_paddings(case: Case) -> Iterator[Iterator[Candidate]]:
    """The kinds of changes that make the branches of a join agree."""
    yield _candidates(case)


def _candidates(case: Case) -> Iterator[Candidate]:
    """Paddings in numbers, then ``padding same``, which suits kernels of several sizes."""
    facts = case.inference.facts
    sizes = [kind.spatial for at in case.node.inputs if (kind := facts[at].type) is not None]
    if len(sizes) < len(case.node.inputs) or not all(facts[at].certain for at in case.node.inputs):
        return
    wanted = max(sizes)
    layers: dict[Span, _Paddings] = {}
    for position, own in zip(case.node.inputs, sizes, strict=True):
        found = _shrinking(case, position, wanted) if own != wanted else {}
        if found is None:
            return
        for at, padding in found.items():
            layers.setdefault(case.inference.network.nodes[at].span, {})[at] = padding
    for same in (False, True):
        candidate = _padded(case, wanted, layers, same=same)
        if candidate is not None:
            yield candidate


def _shrinking(case: Case, position: int, wanted: _Sizes) -> _Paddings | None:
    """The layers that make a branch too small, with the paddings that they need.

    A padding is None where only ``padding same`` does it, all is None where another layer does.
    """
    nodes, facts = case.inference.network.nodes, case.inference.facts
    found: _Paddings = {}
    while len(found) < LAYERS:
        node, own = nodes[position], facts[position].type
        if not isinstance(node, LayerNode) or len(node.inputs) != 1 or own is None:
            return None
        source = facts[node.inputs[0]].type
        if source is None or len(source.dims) != len(own.dims):
            return None
        if source.spatial != own.spatial:
            windows = node.layer.windows(source)
            if "padding" not in type(node.layer).model_fields or not windows:
                return None
            if any(ahead != 1 for ahead, _ in (window.pace for window in windows)):
                return None
            found[position] = _padding(node.layer, source, wanted)
            strided = any(window.stride > 1 for window in windows)
            if found[position] or source.spatial == wanted or strided:
                return found
            found[position] = _padding(node.layer, source, source.spatial)
        position = node.inputs[0]
    return None


def _padding(layer: Layer, source: TensorType, wanted: _Sizes) -> _Sizes | None:
    """The padding, up to half of what the kernel covers, with which a layer's output has a size."""
    sizes: list[int] = []
    for at, window in enumerate(layer.windows(source)):
        for size in range(window.extent // 2 + 1):
            padded = layer.model_copy(update={"padding": (size,)}).windows(source)[at]
            if layer.accepts(padded) and padded.output == wanted[at]:
                sizes.append(size)
                break
    return tuple(sizes) if len(sizes) == len(wanted) else None


def _padded(
    case: Case, wanted: _Sizes, layers: Mapping[Span, _Paddings], *, same: bool
) -> Candidate | None:
    """The candidate that pads these layers, by their texts, and what else the texts make."""
    nodes = case.inference.network.nodes
    changed: dict[int, Node] = {}
    edits: list[Edit] = []
    written: list[str] = []
    for span, paddings in layers.items():
        text = "same" if same else _spelled(nodes, paddings)
        edit = _edit(case, min(paddings), text) if text else None
        if text is None or edit is None:
            return None
        edits.append(edit)
        written.append(f"`padding {text}` in `{shorten(span.text)}`")
        sizes: object = "same" if same else paddings[min(paddings)]
        for at, node in enumerate(nodes):
            if node.span == span:
                own = _halves(node) if text.endswith("//2") else sizes
                changed[at] = with_parameters(node, {"padding": own})
    rank = Rank.SAME if same else Rank.BRANCH
    reason = f"all inputs are {'x'.join(map(str, wanted))} then"
    return Candidate(rank, f"write {listed(written)}", tuple(edits), changed, reason)


def _edit(case: Case, position: int, text: str) -> Edit | None:
    """The edit that writes the padding; None where it is computed, or a constant has it."""
    node = case.inference.network.nodes[position]
    assert isinstance(node, LayerNode)
    place = node.places.get("padding")
    found = literal(place, case.module) if place else None
    return None if found and found.constant else edit_of(node, case.module, "padding", text)


def _spelled(nodes: Sequence[Node], paddings: _Paddings) -> str | None:
    """The padding that layers of one text need, as it would be written there."""
    node = nodes[min(paddings)]
    kernel = node.places.get("kernel") if isinstance(node, LayerNode) else None
    if kernel is not None and re.fullmatch(r"[A-Za-z_]\w*", kernel.text):
        halves = all(sizes and {*sizes} == {*_halves(nodes[at])} for at, sizes in paddings.items())
        return f"{kernel.text}//2" if halves else None
    sizes, *others = {*paddings.values()}
    return spelled(sizes, "") if sizes and not others else None


def _halves(node: Node) -> _Sizes:
    """Half of a layer's kernel, along every dimension."""
    kernel: _Sizes = getattr(node.layer, "kernel", ()) if isinstance(node, LayerNode) else ()
    return tuple(size // 2 for size in kernel)
