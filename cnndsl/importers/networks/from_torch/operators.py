"""Says ATen's operators as ONNX's: a function for each, from its arguments to a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from cnndsl.importers.networks.from_torch.aten_graph import AtenGraph
from cnndsl.importers.networks.from_torch.norm_operators import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from cnndsl.importers.networks.from_torch.window_operators import (
    adaptive,
    avg_pool,
    conv,
    conv_transpose,
    linear_resize,
    max_pool,
    nearest,
    pad,
    sizes_of,
)

__all__ = ["OPERATORS"]


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
    def handler(g: AtenGraph, x: Any, dim: Any = None, keepdim: bool = False) -> None:
        rank = len(g.shape(x))
        axes = [*range(rank)] if dim is None else sizes_of(dim, 1)
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


def _dropout(g: AtenGraph, x: Any, p: float = 0.5, train: bool = False) -> None:
    if train:
        return g.unsaid("dropout", {"p": p, "train": train})
    return g.put("Dropout", [g.name(x), g.number(p)])


def _dropout_layer(keyword: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, p: float = 0.5, train: bool = False) -> None:
        if train:
            return g.unsaid(keyword, {"p": p, "train": train})
        if p:
            return g.layer(keyword, x, rate=float(p))
        return g.put("Identity", [g.name(x)])

    return handler


def _clamp(g: AtenGraph, x: Any, least: Any = None, most: Any = None) -> None:
    bounds = [g.number(one) if one is not None else "" for one in (least, most)]
    g.put("Clip", [g.name(x), *bounds])


def _softmax(op: str) -> Callable[..., None]:
    def handler(g: AtenGraph, x: Any, dim: int) -> None:
        g.put(op, [g.name(x)], axis=dim)

    return handler


def _prelu(g: AtenGraph, x: Any, w: Any) -> None:
    shaped = f"{g.name(w)}.shaped"
    g.graph.constants[shaped] = g.array(w).reshape(-1, *[1] * (len(g.shape(x)) - 2))
    g.graph.weights |= {shaped}
    g.put("PRelu", [g.name(x), shaped])


def _gelu(g: AtenGraph, x: Any, *, approximate: str = "none") -> None:
    g.put("Gelu", [g.name(x)], approximate=approximate.encode())


def _softplus(g: AtenGraph, x: Any, beta: float = 1) -> None:
    if beta == 1:
        return g.put("Softplus", [g.name(x)])
    names = [f"{g.node.name}.{at}" for at in range(2)]
    g.graph.shapes.update(dict.fromkeys(names, g.shape(x)))
    g.put("Mul", [g.name(x), g.number(beta)], names[0])
    g.put("Softplus", names[:1], names[1])
    return g.put("Mul", [names[1], g.number(1 / beta)])


def _log_sigmoid(g: AtenGraph, x: Any) -> None:
    names = [f"{g.node.name}.{at}" for at in range(2)]
    g.graph.shapes.update(dict.fromkeys(names, g.shape(x)))
    g.put("Neg", [g.name(x)], names[0])
    g.put("Softplus", names[:1], names[1])
    g.put("Neg", names[1:])


def _max(g: AtenGraph, x: Any, dim: Any = None, keepdim: bool = False) -> None:
    places = [one for one in g.node.users if one.args[1] == 1 and one.users]
    if not isinstance(dim, int) or places:
        return g.unsaid("max", {"dim": dim})
    names = [f"{g.node.name}.{at}" for at in range(2)]
    g.graph.shapes[names[0]] = tuple(g.node.meta["val"][0].shape)
    inputs = [g.name(x), g.number([dim], numpy.int64)]
    return g.put("ReduceMax", inputs, outputs=names, keepdims=int(keepdim))


def _addmm(g: AtenGraph, b: Any, x: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> None:
    g.put("Gemm", [g.name(x), g.name(w), g.name(b)], alpha=float(alpha), beta=float(beta))


def _length(g: AtenGraph, x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False) -> None:
    op = {2.0: "ReduceL2", 1.0: "ReduceL1"}.get(float(ord))
    if op is None:
        return g.unsaid("linalg_vector_norm", {"ord": ord})
    return _reduce(op)(g, x, dim, keepdim)


def _clamp_min(g: AtenGraph, x: Any, least: Any) -> None:
    g.put("Max", [g.name(x), g.name(least)])


def _to(g: AtenGraph, x: Any, *how: Any) -> None:
    kinds = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
             "float64": 11, "bfloat16": 16}  # fmt: skip
    kind = str(g.node.meta["val"].dtype).removeprefix("torch.")
    g.put("Cast", [g.name(x)], to=kinds.get(kind, 0))


def _expand(g: AtenGraph, x: Any, *size: Any) -> None:
    g.put("Expand", [g.name(x), ""])


def _stack(g: AtenGraph, values: Any, dim: int = 0) -> None:
    shape = [*g.shape(g.node)]
    shape[dim] = 1
    names = [f"{g.node.name}.{at}" for at in range(len(values))]
    for name, one in zip(names, values, strict=True):
        g.graph.shapes[name] = tuple(shape)
        g.put("Reshape", [g.name(one), ""], name)
    g.put("Concat", names, axis=dim % len(shape))


def _with(op: str, name: str, usual: float) -> Callable[..., None]:
    """An operator with one number."""

    def handler(g: AtenGraph, x: Any, number: Any = usual) -> None:
        attributes: dict[str, Any] = {name: float(number)}
        g.put(op, [g.name(x)], **attributes)

    return handler


OPERATORS: Mapping[str, Callable[..., None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), conv_transpose),
    "batch_norm": batch_norm,
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), avg_pool),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        adaptive("adaptiveavgpool", "GlobalAveragePool"),
    ),
    **dict.fromkeys(
        ("adaptive_max_pool1d", "adaptive_max_pool2d"),
        adaptive("adaptivemaxpool", "GlobalMaxPool"),
    ),
    "linear": _linear,
    "addmm": _addmm,
    "max": _max,
    "linalg_vector_norm": _length,
    "clamp_min": _clamp_min,
    "log_sigmoid": _log_sigmoid,
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
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "rms_norm": rms_norm,
    "dropout": _dropout,
    "feature_dropout": _dropout_layer("spatialdropout"),
    "alpha_dropout": _dropout_layer("alphadropout"),
    **dict.fromkeys((f"upsample_nearest{rank}d" for rank in (1, 2, 3)), nearest),
    **dict.fromkeys(
        ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), linear_resize
    ),
    "pad": pad,
    "constant_pad_nd": pad,
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
    "softplus": _softplus,
    "prelu": _prelu,
    "pow": lambda g, x, y: g.put("Pow", [g.name(x), g.name(y)]),
    **dict.fromkeys(("to", "_to_copy", "type_as"), _to),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    "stack": _stack,
    "embedding": lambda g, w, x: g.put("Gather", [g.name(w), g.name(x)], axis=0),
    "pixel_shuffle": lambda g, x, n: g.put("DepthToSpace", [g.name(x)], blocksize=n, mode=b"CRD"),
    "pixel_unshuffle": lambda g, x, n: g.layer("spacetodepth", x, block=int(n)),
    "channel_shuffle": lambda g, x, n: g.layer("channelshuffle", x, groups=int(n)),
}
"""By the name of an operator, without the `_` of those that work in place."""
