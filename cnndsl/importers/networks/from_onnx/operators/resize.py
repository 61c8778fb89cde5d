"""Other resolutions of maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["resize"]


@operator("Resize", "Upsample")
def resize(t: Translator, node: OnnxNode) -> None:
    """Resize, as far as it is nearest or linear in the ways that `upsample` knows."""
    shape, source = t.graph.shapes.get(node.outputs[0]), t.type()
    if shape is None or len(shape) != len(source.dims) + 1:
        raise Unsaid("the size that it gives is not known")
    if shape[1] != source.channels:
        raise Unsaid("it resizes along the channels")
    sizes = shape[2:]
    mode = t.attribute("mode", b"nearest").decode()
    averages = bool(t.attribute("antialias", 0))
    if sizes == source.spatial and _place(t, node) != "tf_crop_and_resize":
        _check_scales(t)
        return t.give(t.stream())
    settings: dict[str, Value]
    if all(size % old == 0 for size, old in zip(sizes, source.spatial, strict=True)):
        settings = {"factor": tuple(map(lambda one, two: one // two, sizes, source.spatial))}
    else:
        settings = {"size": tuple(sizes)}
    match mode:
        case "nearest":
            _check_nearest(t, node, whole="factor" in settings)
        case "linear" | "bilinear":
            settings |= {"mode": "bilinear", "align_corners": _is_aligned(t, node)}
        case _:
            raise Unsaid(f"`upsample` is nearest or bilinear, and this is {mode}")
    if averages and any(map(_is_less, sizes, source.spatial)):
        raise Unsaid("it averages over what becomes smaller, which `upsample` does not")
    return t.single("upsample", settings)


def _is_less(one: int, two: int) -> bool:
    return one < two


def _place(t: Translator, node: OnnxNode) -> str:
    if node.op == "Upsample" or t.graph.opset < 11:
        return "asymmetric"
    return str(t.attribute("coordinate_transformation_mode", b"half_pixel").decode())


def _check_nearest(t: Translator, node: OnnxNode, *, whole: bool) -> None:
    """Copying cells: whole factors, in whichever way places are rounded to the cell they lie in."""
    place = _place(t, node)
    rounding = t.attribute("nearest_mode", b"round_prefer_floor").decode()
    if node.op == "Upsample" or t.graph.opset < 11:
        rounding = "floor"
    if place == "asymmetric" and rounding == "floor":
        _check_scales(t)
        return
    halves = place in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    if whole and halves and rounding in ("round_prefer_floor", "round_prefer_ceil"):
        return
    raise Unsaid(f"nearest by `{place}` and `{rounding}` takes other cells than `upsample` does")


def _is_aligned(t: Translator, node: OnnxNode) -> bool:
    place = _place(t, node)
    if place == "align_corners":
        _check_scales(t)
        return True
    if place in ("half_pixel", "pytorch_half_pixel"):
        _check_scales(t)
        if place != "half_pixel" and 1 in t.graph.shapes[node.outputs[0]][2:]:
            raise Unsaid(
                "PyTorch takes the first cell where a size becomes 1, `upsample` the middle"
            )
        return False
    raise Unsaid(f"bilinear by `{place}` is none of the ways of `upsample`")


def _check_scales(t: Translator) -> None:
    """Where scales are given, they must be what the sizes say: W'/W."""
    at = 1 if t.node.op == "Upsample" or t.graph.opset < 11 else 2
    array = t.constant(at) if t.has(at) else None
    if array is None or array.size == 0:
        return
    shape = t.graph.shapes[t.node.outputs[0]]
    dims = (t.graph.batch, *t.type().dims)
    if array.size != len(dims):
        return
    for scale, new, old in zip(array.reshape(-1), shape, dims, strict=True):
        if not math.isclose(float(scale) * old, new, rel_tol=1e-5):
            raise Unsaid(f"its scale {float(scale):g} is not {new}/{old}, by which `upsample` goes")
