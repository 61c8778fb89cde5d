"""Numbers that move: shapes and orders that follow one another, or undo each other."""

from __future__ import annotations

from cnndsl.importers.networks.graph import ImportedNode
from cnndsl.importers.networks.rewriting.rewriter import Rewriter, Rule
from cnndsl.types import TensorType

__all__ = [
    "RULES",
    "blocks_of_cells",
    "flat_later",
    "kept_sizes",
    "orders_in_a_row",
    "orders_later",
    "padding_of_windows",
    "shapes_in_a_row",
    "shuffled",
]

_SHAPES = ("flatten", "reshape")
_GLOBAL = ("globalavgpool", "globalmaxpool", "globallppool")
_EACH = (
    "relu", "relu6", "leakyrelu", "elu", "selu", "tanh", "sigmoid", "gelu", "silu", "mish", "clip",
    "hardsigmoid", "hardswish", "hardtanh", "softplus", "softsign", "scaledtanh", "dropout",
)  # fmt: skip
"""Layers that work number by number, wherever a number stands."""


def kept_sizes(rewriter: Rewriter, node: ImportedNode) -> bool:
    """``globalavgpool keep yes -> flatten`` is ``globalavgpool``."""
    if node.keyword not in _GLOBAL or not getattr(node.layer, "keep", False):
        return False
    behind = rewriter.only_reader(node, *_SHAPES)
    if behind is None or behind.types[0].spatial:
        return False
    settings = {**node.settings, "keep": False}
    return rewriter.put(behind, [node], node.keyword, node.inputs, settings, like=node)


def shapes_in_a_row(rewriter: Rewriter, node: ImportedNode) -> bool:
    """Of two shapes in a row, the second; none where that is the first one's input's."""
    if node.keyword not in _SHAPES:
        return False
    if node.types[0] == rewriter.type_of(node.inputs[0]):
        return rewriter.bypass(node)
    before = rewriter.maker(node.inputs[0], *_SHAPES)
    if before is None:
        return False
    gone = [before] if rewriter.only_reader(before) is not None else []
    dims = node.types[0].dims
    if len(dims) == 1:
        return rewriter.put(node, gone, "flatten", before.inputs)
    return rewriter.put(node, gone, "reshape", before.inputs, {"shape": dims})


def orders_in_a_row(rewriter: Rewriter, node: ImportedNode) -> bool:
    """Two transposes in a row are one, or none."""
    if node.keyword != "transpose":
        return False
    order = _order(rewriter, node)
    if order == tuple(sorted(order)):
        return rewriter.bypass(node)
    before = rewriter.maker(node.inputs[0], "transpose")
    if before is None:
        return False
    first = _order(rewriter, before)
    both = tuple(first[at] for at in order)
    gone = [before] if rewriter.only_reader(before) is not None else []
    return rewriter.put(node, gone, "transpose", before.inputs, {"order": both})


def orders_later(rewriter: Rewriter, node: ImportedNode) -> bool:
    """A transpose before what works number by number goes behind it, nearer to its inverse."""
    if node.keyword != "transpose":
        return False
    behind = rewriter.only_reader(node, *_EACH)
    if behind is None:
        return False
    rewriter.swap(node, behind, rewriter.type_of(node.inputs[0]))
    return True


def flat_later(rewriter: Rewriter, node: ImportedNode) -> bool:
    """What works number by number behind a global pool that keeps its sizes: the pool's vector."""
    if node.keyword not in _GLOBAL or not getattr(node.layer, "keep", False):
        return False
    each = rewriter.only_reader(node, *_EACH)
    flat = rewriter.only_reader(each, *_SHAPES) if each is not None else None
    if each is None or flat is None or flat.types[0].spatial:
        return False
    rewriter.swap(each, flat, TensorType((node.types[0].channels,)))
    return True


def shuffled(rewriter: Rewriter, node: ImportedNode) -> bool:
    """Channels as rows of groups, rows and columns exchanged, channels again: a shuffle."""
    found = _moved(rewriter, node)
    if found is None:
        return False
    first, middle, source = found
    shape, order = first.types[0].dims, _order(rewriter, middle)
    spatial = source.dims[1:]
    natural = (1, 0, *range(2, len(shape)))
    if order != natural or node.types[0] != source or len(shape) < 2:
        return False
    rest = 1
    for size in shape[2:]:
        rest *= size
    places = 1
    for size in spatial:
        places *= size
    if rest != places or shape[0] * shape[1] != source.channels:
        return False
    gone = [first, middle]
    return rewriter.put(node, gone, "channelshuffle", first.inputs, {"groups": shape[0]})


def blocks_of_cells(rewriter: Rewriter, node: ImportedNode) -> bool:
    """Channels as blocks of cells, moved between these: ``depthtospace`` and ``spacetodepth``."""
    found = _moved(rewriter, node)
    if found is None:
        return False
    first, middle, source = found
    shape, order, made = first.types[0].dims, _order(rewriter, middle), node.types[0].dims
    rank = len(source.spatial)
    if not 1 <= rank <= 3 or len(shape) != 2 * rank + 1 or len(made) != rank + 1:
        return False
    block = made[1] // source.dims[1]
    if block > 1 and source.spatial == tuple(size // block for size in made[1:]):
        for name in ("crd", "dcr"):
            start = 0 if name == "crd" else rank
            inner = 1 if name == "crd" else 0
            moves = (start, *(one for at in range(rank) for one in (rank + 1 + at, inner + at)))
            if order == moves and shape[inner : inner + rank] == (block,) * rank:
                settings = {"block": block, "order": name}
                return rewriter.put(node, [first, middle], "depthtospace", first.inputs, settings)
    return False


def padding_of_windows(rewriter: Rewriter, node: ImportedNode) -> bool:
    """``pad -> conv`` is a ``conv`` with padding: both add zeros."""
    if node.keyword != "pad" or getattr(node.layer, "mode", "") != "constant":
        return False
    if getattr(node.layer, "value", 0) != 0 or any(getattr(node.layer, "channels", (0,))):
        return False
    behind = rewriter.only_reader(node, "conv", "depthwise")
    if behind is None or rewriter.is_shared(behind):
        return False
    rank = len(node.types[0].spatial)
    added = _sides(getattr(node.layer, "padding", (0,)), rank)
    own = _sides(behind.settings.get("padding", (0,)), rank)
    if added is None or own is None:
        return False
    sides = tuple(one + two for one, two in zip(added, own, strict=True))
    settings = {**behind.settings, "padding": sides}
    return rewriter.put(
        behind, [node], behind.keyword, node.inputs, settings, weights=behind.weights
    )


def _sides(padding: object, rank: int) -> tuple[int, ...] | None:
    """All begins, then all ends; None where they hang on the input's size."""
    if padding == "valid":
        return (0,) * 2 * rank
    if isinstance(padding, int):
        return (padding,) * 2 * rank
    if not isinstance(padding, tuple):
        return None
    if len(padding) == 1:
        return padding * 2 * rank
    return padding * 2 if len(padding) == rank else padding


def _moved(
    rewriter: Rewriter, node: ImportedNode
) -> tuple[ImportedNode, ImportedNode, TensorType] | None:
    """A reshape and a transpose before a reshape, and what the first one reads."""
    if node.keyword not in _SHAPES:
        return None
    middle = rewriter.maker(node.inputs[0], "transpose")
    if middle is None or rewriter.only_reader(middle) is None:
        return None
    first = rewriter.maker(middle.inputs[0], "reshape")
    if first is None or rewriter.only_reader(first) is None:
        return None
    return first, middle, rewriter.type_of(first.inputs[0])


def _order(rewriter: Rewriter, node: ImportedNode) -> tuple[int, ...]:
    order: tuple[int, ...] = node.layer.order_of(rewriter.type_of(node.inputs[0]))  # type: ignore[attr-defined]
    return order


RULES: tuple[Rule, ...] = (
    kept_sizes,
    flat_later,
    shapes_in_a_row,
    orders_in_a_row,
    orders_later,
    shuffled,
    blocks_of_cells,
    padding_of_windows,
)
