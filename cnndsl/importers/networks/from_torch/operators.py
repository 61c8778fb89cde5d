"""Says ATen's operators as ONNX's: a function for each, from its arguments to a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from cnndsl.importers.networks.from_torch.aten_graph import AtenGraph

__all__ = ["OPERATORS"]


def _list(value: Any, rank: int) -> list[int]:
    numbers = [int(one) for one in value] if isinstance(value, list | tuple) else [int(value)]
    return numbers * rank if len(numbers) == 1 else numbers


def _conv(
    g: AtenGraph, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> None:  # fmt: skip
    rank = g.array(w).ndim - 2
    attributes: dict[str, Any] = {
        "strides": _list(stride, rank),
        "dilations": _list(dilation, rank),
        "group": int(groups),
    }
    if isinstance(padding, str):
        attributes["auto_pad"] = b"SAME_UPPER" if padding == "same" else b"VALID"
    else:
        attributes["pads"] = _list(padding, rank) * 2
    g.put("Conv", [g.name(x), g.name(w), g.name(b)], **attributes)


def _conv_transpose(
    g: AtenGraph, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> None:  # fmt: skip
    rank = g.array(w).ndim - 2
    g.put(
        "ConvTranspose",
        [g.name(x), g.name(w), g.name(b)],
        strides=_list(stride, rank),
        pads=_list(padding, rank) * 2,
        output_padding=_list(output_padding, rank),
        dilations=_list(dilation, rank),
        group=int(groups),
    )


def _batch_norm(
    g: AtenGraph, x: Any, w: Any, b: Any, mean: Any, var: Any, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5, *rest: Any,
) -> None:  # fmt: skip
    channels = g.shape(x)[1]
    scale = g.name(w) if w is not None else g.number(numpy.ones(channels))
    bias = g.name(b) if b is not None else g.number(numpy.zeros(channels))
    inputs = [g.name(x), scale, bias, g.name(mean), g.name(var)]
    g.put("BatchNormalization", inputs, epsilon=eps, training_mode=int(training))


def _pool(op: str) -> Callable[..., None]:
    def handler(
        g: AtenGraph, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, *rest: Any
    ) -> None:
        rank = len(g.shape(x)) - 2
        sizes = _list(kernel, rank)
        attributes: dict[str, Any] = {
            "kernel_shape": sizes,
            "strides": _list(stride, rank) if stride else sizes,
            "pads": _list(padding, rank) * 2,
        }
        if op == "MaxPool":
            dilation, ceil = (*rest, 1, False)[:2] if len(rest) < 2 else rest[:2]
            if len(rest) == 1:
                dilation, ceil = rest[0], False
            attributes |= {"dilations": _list(dilation, rank), "ceil_mode": int(ceil)}
        else:
            ceil, counts, divisor = (*rest, *(False, True, None)[len(rest) :])[:3]
            if divisor is not None:
                return g.put("aten.avg_pool (divisor_override)", [g.name(x)])
            attributes |= {"ceil_mode": int(ceil), "count_include_pad": int(counts)}
        return g.put(op, [g.name(x)], **attributes)

    return handler


def _adaptive(keyword: str, op: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, size: Any) -> None:
        shape = g.shape(x)[2:]
        wanted = [old if new is None else int(new) for old, new in zip(shape, size, strict=True)]
        if all(one == 1 for one in wanted):
            return g.put(op, [g.name(x)])
        if wanted == list(shape):
            return g.put("Identity", [g.name(x)])
        return g.layer(keyword, x, size=tuple(wanted))

    return handler


def _linear(g: AtenGraph, x: Any, w: Any, b: Any = None) -> None:
    if len(g.shape(x)) == 2:
        return g.put("Gemm", [g.name(x), g.name(w), g.name(b)], transB=1)
    turned = f"{g.name(w)}.T"
    g.graph.constants[turned] = numpy.ascontiguousarray(g.array(w).T)
    g.graph.weights |= {turned}
    product = f"{g.node.name}.product"
    g.graph.shapes[product] = g.shape(g.node)
    g.put("MatMul", [g.name(x), turned], product if b is not None else "")
    return None if b is None else g.put("Add", [product, g.name(b)])


def _add(g: AtenGraph, x: Any, y: Any, *, alpha: float = 1) -> None:
    _sum(g, "Add", x, y, alpha)


def _sub(g: AtenGraph, x: Any, y: Any, *, alpha: float = 1) -> None:
    _sum(g, "Sub", x, y, alpha)


def _sum(g: AtenGraph, op: str, x: Any, y: Any, alpha: float) -> None:
    if alpha != 1:
        scaled = f"{g.node.name}.scaled"
        g.graph.shapes[scaled] = g.shape(y)
        g.put("Mul", [g.name(y), g.number(alpha)], scaled)
        return g.put(op, [g.name(x), scaled])
    return g.put(op, [g.name(x), g.name(y)])


def _reduce(op: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, dim: Any = None, keepdim: bool = False, **rest: Any) -> None:
        rank = len(g.shape(x))
        axes = [*range(rank)] if dim is None else _list(dim, 1)
        inputs = [g.name(x), g.number(axes, numpy.int64)]
        g.put(op, inputs, keepdims=int(keepdim))

    return handler


def _permute(g: AtenGraph, x: Any, dims: Any) -> None:
    rank = len(g.shape(x))
    g.put("Transpose", [g.name(x)], perm=[int(one) % rank for one in dims])


def _transpose(g: AtenGraph, x: Any, one: int, other: int) -> None:
    rank = len(g.shape(x))
    order = [*range(rank)]
    order[one % rank], order[other % rank] = other % rank, one % rank
    g.put("Transpose", [g.name(x)], perm=order)


def _parts(g: AtenGraph, x: Any, sizes: Any, dim: int = 0) -> None:
    value = g.node.meta["val"]
    names = [f"{g.node.name}.{at}" for at in range(len(value))]
    for name, one in zip(names, value, strict=True):
        g.graph.shapes[name] = tuple(one.shape)
    lengths = [int(one.shape[dim]) for one in value]
    inputs = [g.name(x), g.number(lengths, numpy.int64)]
    g.put("Split", inputs, outputs=names, axis=dim % len(g.shape(x)))


def _slice(
    g: AtenGraph, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> None:
    bounds = (start or 0, 2**31 - 1 if end is None else min(end, 2**31 - 1), dim, step)
    g.put("Slice", [g.name(x), *(g.number([one], numpy.int64) for one in bounds)])


def _select(g: AtenGraph, x: Any, dim: int, index: int) -> None:
    g.put("Gather", [g.name(x), g.number(index, numpy.int64)], axis=dim)


def _layer_norm(
    g: AtenGraph, x: Any, shape: Any, w: Any = None, b: Any = None, eps: float = 1e-5, *rest: Any
) -> None:
    scale = g.name(w) if w is not None else g.number(numpy.ones(shape))
    inputs = [g.name(x), scale, g.name(b)]
    g.put("LayerNormalization", inputs, axis=len(g.shape(x)) - len(shape), epsilon=eps)


def _group_norm(
    g: AtenGraph, x: Any, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5, *rest: Any
) -> None:
    channels = g.shape(x)[1]
    scale = g.name(w) if w is not None else g.number(numpy.ones(channels))
    bias = g.name(b) if b is not None else g.number(numpy.zeros(channels))
    g.put("GroupNormalization", [g.name(x), scale, bias], num_groups=groups, epsilon=eps)


def _dropout(g: AtenGraph, x: Any, p: float = 0.5, train: bool = False) -> None:
    g.put("Dropout", [g.name(x), g.number(p)])


def _channel_dropout(g: AtenGraph, x: Any, p: float = 0.5, train: bool = False) -> None:
    if p:
        return g.layer("spatialdropout", x, rate=float(p))
    return g.put("Identity", [g.name(x)])


def _resize(mode: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, size: Any = None, *rest: Any, **more: Any) -> None:
        aligned = bool(rest[0]) if rest and isinstance(rest[0], bool) else False
        place = "align_corners" if aligned else "half_pixel"
        attributes: dict[str, Any] = {"mode": mode.encode()}
        if mode == "nearest":
            attributes |= {"nearest_mode": b"floor"}
            place = "asymmetric"
        attributes["coordinate_transformation_mode"] = place.encode()
        g.put("Resize", [g.name(x)], **attributes)

    return handler


def _pad(g: AtenGraph, x: Any, pads: Any, mode: Any = "constant", value: Any = None) -> None:
    if not isinstance(mode, str):  # constant_pad_nd has the value here
        mode, value = "constant", mode
    words = {"constant": b"constant", "reflect": b"reflect", "replicate": b"edge"}
    rank = len(g.shape(x))
    begins, ends = [0] * rank, [0] * rank
    for at in range(len(pads) // 2):
        begins[rank - 1 - at], ends[rank - 1 - at] = int(pads[2 * at]), int(pads[2 * at + 1])
    inputs = [g.name(x), g.number([*begins, *ends], numpy.int64), g.number(value or 0.0)]
    g.put("Pad", inputs, mode=words.get(mode, mode.encode()))


def _clamp(g: AtenGraph, x: Any, least: Any = None, most: Any = None) -> None:
    bounds = [g.number(one) if one is not None else "" for one in (least, most)]
    g.put("Clip", [g.name(x), *bounds])


def _softmax(op: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, dim: int, *rest: Any, **more: Any) -> None:
        g.put(op, [g.name(x)], axis=dim)

    return handler


def _prelu(g: AtenGraph, x: Any, w: Any) -> None:
    shaped = f"{g.name(w)}.shaped"
    g.graph.constants[shaped] = g.array(w).reshape(-1, *[1] * (len(g.shape(x)) - 2))
    g.graph.weights |= {shaped}
    g.put("PRelu", [g.name(x), shaped])


def _gelu(g: AtenGraph, x: Any, *, approximate: str = "none") -> None:
    g.put("Gelu", [g.name(x)], approximate=approximate.encode())


def _with(op: str, name: str, usual: float) -> Callable[..., None]:
    """An operator with one number."""

    def handler(g: AtenGraph, x: Any, number: Any = usual, *rest: Any) -> None:
        attributes: dict[str, Any] = {name: float(number)}
        g.put(op, [g.name(x)], **attributes)

    return handler


OPERATORS: Mapping[str, Callable[..., None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv_transpose),
    "batch_norm": _batch_norm,
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), _pool("MaxPool")),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("AveragePool")),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        _adaptive("adaptiveavgpool", "GlobalAveragePool"),
    ),
    **dict.fromkeys(
        ("adaptive_max_pool1d", "adaptive_max_pool2d"),
        _adaptive("adaptivemaxpool", "GlobalMaxPool"),
    ),
    "linear": _linear,
    "add": _add,
    "sub": _sub,
    "cat": lambda g, values, dim=0: g.put("Concat", [g.name(one) for one in values], axis=dim),
    "mean": _reduce("ReduceMean"),
    "sum": _reduce("ReduceSum"),
    "amax": _reduce("ReduceMax"),
    "permute": _permute,
    "transpose": _transpose,
    "chunk": _parts,
    "split": _parts,
    "split_with_sizes": _parts,
    "slice": _slice,
    "select": _select,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "dropout": _dropout,
    "feature_dropout": _channel_dropout,
    "upsample_nearest1d": _resize("nearest"),
    "upsample_nearest2d": _resize("nearest"),
    "upsample_nearest3d": _resize("nearest"),
    "upsample_linear1d": _resize("linear"),
    "upsample_bilinear2d": _resize("linear"),
    "upsample_trilinear3d": _resize("linear"),
    "pad": _pad,
    "constant_pad_nd": _pad,
    "clamp": _clamp,
    "hardtanh": lambda g, x, least=-1.0, most=1.0: _clamp(g, x, least, most),
    "relu6": lambda g, x: _clamp(g, x, 0.0, 6.0),
    "hardsigmoid": lambda g, x: g.put("HardSigmoid", [g.name(x)], alpha=1 / 6, beta=0.5),
    "softmax": _softmax("Softmax"),
    "log_softmax": _softmax("LogSoftmax"),
    "gelu": _gelu,
    "elu": _with("Elu", "alpha", 1.0),
    "celu": _with("Celu", "alpha", 1.0),
    "leaky_relu": _with("LeakyRelu", "alpha", 0.01),
    "softplus": lambda g, x, *rest: g.put("Softplus", [g.name(x)]),
    "prelu": _prelu,
    "pow": lambda g, x, y: g.put("Pow", [g.name(x), g.name(y)]),
    "embedding": lambda g, w, x, *rest: g.put("Gather", [g.name(w), g.name(x)], axis=0),
    "pixel_shuffle": lambda g, x, n: g.put("DepthToSpace", [g.name(x)], blocksize=n, mode=b"CRD"),
    "pixel_unshuffle": lambda g, x, n: g.layer("spacetodepth", x, block=int(n)),
    "channel_shuffle": lambda g, x, n: g.layer("channelshuffle", x, groups=int(n)),
}
"""By the name of an operator, without the `_` of those that work in place."""
