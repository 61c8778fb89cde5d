"""Draws layers that treat numbers, channels or samples alike: activations, norms, dense layers."""

from __future__ import annotations

import math
from typing import Any

import numpy
from draws import Draw, Drawing, Drawn, Kind, Run, Tensor, kinds, plain, torch
from torch_sliding import column

F: Any = torch.nn.functional

__all__ = ["UNITS"]


# --- activations ------------------------------------------------------------------------------


def _function(word: str, run: Run) -> Draw:
    return lambda w, x: plain(word, run)


def _leakyrelu(w: Drawing, x: Tensor) -> Drawn:
    slope = w.pick(None, 0.2, 0, 1e-4, 1.5)
    given = 0.01 if slope is None else slope
    return plain(
        "leakyrelu" if slope is None else f"leakyrelu {slope}", lambda x: F.leaky_relu(x, given)
    )


def _elu(w: Drawing, x: Tensor) -> Drawn:
    alpha = w.pick(None, 0.3, 2, 1e-3)
    return plain("elu" if alpha is None else f"elu {alpha}", lambda x: F.elu(x, alpha or 1.0))


def _gelu(w: Drawing, x: Tensor) -> Drawn:
    form = w.pick("exact", "tanh")
    text = "gelu" if form == "exact" and w.flip() else f"gelu form {form}"
    return plain(text, lambda x: F.gelu(x, approximate="none" if form == "exact" else "tanh"))


def _clip(w: Drawing, x: Tensor) -> Drawn:
    least, most = w.pick((-0.5, 0.5), (0, 6), (-2, -1), (0.25, 4), (-1e4, 1e4))
    return plain(f"clip {least} {most}", lambda x: x.clamp(least, most))


def _prelu(w: Drawing, x: Tensor) -> Drawn:
    shared = w.flip()
    words = w.pick("", " start 0", " start -0.5", " start 0.1")
    channels = x.shape[1]

    def make() -> Run:
        slope = w.shift(1 if shared else channels)
        return lambda x: F.relu(x) - column(slope, x) * F.relu(-x)

    return Drawn(f"prelu{' shared yes' if shared else w.pick('', ' shared no')}{words}", make)


def _maxout(w: Drawing, x: Tensor) -> Drawn:
    pieces = w.divisor(x.shape[1])

    def run(x: Tensor) -> Tensor:
        return torch.stack([x[:, at::pieces] for at in range(pieces)]).amax(0)

    return plain(f"maxout {w.number(pieces)}", run)


def _over_channels(word: str) -> Draw:
    def draw(w: Drawing, x: Tensor) -> Drawn:
        if x.shape[1] == 1:
            return plain("tanh", torch.tanh)
        return plain(word, lambda x: F.softmax(x, 1) if word == "softmax" else F.log_softmax(x, 1))

    return draw


# --- what acts in training only ---------------------------------------------------------------


def _chance(word: str, *rates: object) -> Draw:
    """In inference nothing; in training only the rate 0 can be compared."""

    def draw(w: Drawing, x: Tensor) -> Drawn:
        rate = w.pick(0, 0, 0, *rates)
        w.chance = w.chance or rate != 0
        return plain(word if rate is None else f"{word} {rate}", lambda x: x)

    return draw


# --- normalisation ----------------------------------------------------------------------------


def _eps(w: Drawing) -> tuple[str, float | None]:
    eps = w.pick(None, None, 1e-3, 0.5)
    return ("" if eps is None else f" eps {eps}"), eps


def _batchnorm(w: Drawing, x: Tensor) -> Drawn:
    words, eps = _eps(w)
    momentum = w.pick("", "", " momentum 0", " momentum 1", " momentum 0.3")
    channels = x.shape[1]

    def make() -> Run:
        scale, bias = w.factor(channels), w.shift(channels)
        mean, var = w.shift(channels, learns=False), w.factor(channels, learns=False)

        def run(x: Tensor) -> Tensor:
            if w.training:
                return F.batch_norm(x, None, None, scale, bias, training=True, eps=eps or 1e-5)
            return F.batch_norm(x, mean, var, scale, bias, eps=eps or 1e-5)

        return run

    return Drawn(f"batchnorm{words}{momentum}", make)


def _sample_norm(word: str) -> Draw:
    """One of the norms of a sample; where it would be that of a single number, none."""

    def draw(w: Drawing, x: Tensor) -> Drawn:
        dims = tuple(x.shape[1:])
        words, eps = _eps(w)
        affine, over, groups = w.pick(True, True, False), "all", 1
        if word in ("layernorm", "rmsnorm"):
            over = w.pick("all", "channels")
            words += f" over {over}" if over == "channels" or w.flip() else ""
        if word == "groupnorm":
            groups = w.divisor(dims[0])
        together = math.prod(dims) // groups if over == "all" else dims[0]
        together = math.prod(dims[1:]) if word == "instancenorm" else together
        if together == 1 or (word == "instancenorm" and len(dims) == 1):
            return _scale(w, x)
        text = word + (f" {w.number(groups, x)}" if word == "groupnorm" else "") + words
        whole = over == "all" and word in ("layernorm", "rmsnorm")
        shape = dims if whole else dims[:1]
        names = ("scale",) if word == "rmsnorm" else ("scale", "bias")

        def make() -> Run:
            owned = {name: (w.factor if name == "scale" else w.shift)(*shape) for name in names}
            return lambda x: _normal(word, x, over, groups, eps, owned if affine else {})

        def bare() -> Run:
            return lambda x: _normal(word, x, over, groups, eps, {})

        return Drawn(f"{text}{'' if affine else ' affine no'}", make if affine else bare)

    return draw


def _normal(
    word: str, x: Tensor, over: str, groups: int, eps: float | None, owned: dict[str, Tensor]
) -> Tensor:
    scale, bias = owned.get("scale"), owned.get("bias")
    if word == "groupnorm":
        return F.group_norm(x, groups, scale, bias, eps or 1e-5)
    if word == "instancenorm":
        return F.instance_norm(x, weight=scale, bias=bias, eps=eps or 1e-5)
    rows = x if over == "all" else x.movedim(1, -1)
    shape = tuple(x.shape[1:]) if over == "all" else (x.shape[1],)
    if word == "layernorm":
        y = F.layer_norm(rows, shape, scale, bias, eps or 1e-5)
    else:
        y = F.rms_norm(rows, shape, scale, eps or 1e-6)
    return y if over == "all" else y.movedim(-1, 1)


def _l2norm(w: Drawing, x: Tensor) -> Drawn:
    if x.shape[1] == 1:
        return _scale(w, x)
    scale, eps = w.pick(None, 20, 0.5), w.pick(None, 1e-3, 1.0)
    words = ("" if scale is None else f" scale {scale}") + ("" if eps is None else f" eps {eps}")
    channels = x.shape[1]

    def make() -> Run:
        weight = None if scale is None else w.factor(channels)

        def run(x: Tensor) -> Tensor:
            y = F.normalize(x, dim=1, eps=eps or 1e-12)
            return y if weight is None else y * column(weight, y)

        return run

    return Drawn(f"l2norm{words}", make)


def _lrn(w: Drawing, x: Tensor) -> Drawn:
    region = w.pick("across", "within")
    size, alpha, k = w.pick(1, 3, 5, 9), w.pick(0, 1e-4, 0.5), w.pick(1.0, 2.0, 0.1)
    beta = w.pick(0, 0.5, 0.75, 2)
    text = f"lrn {size} alpha {alpha} beta {beta} k {k}"
    text += " region within" if region == "within" else w.pick("", " region across")

    def run(x: Tensor) -> Tensor:
        rank = x.ndim - 2
        if region == "across":
            squares = (x * x).movedim(1, -1)
            around = F.pad(squares.reshape(-1, 1, x.shape[1]), (size // 2, size // 2))
            means = F.avg_pool1d(around, size, 1).reshape(squares.shape).movedim(-1, 1)
        else:
            around = F.pad(x * x, [size // 2] * (2 * rank))
            means = getattr(F, f"avg_pool{rank}d")(around, size, 1)
        return x / (k + alpha * means) ** beta

    return plain(text, run)


def _scale(w: Drawing, x: Tensor) -> Drawn:
    has_bias, channels = w.flip(), x.shape[1]
    start = w.pick("", " start 1e-6", " start -2", " start 0")

    def make() -> Run:
        scale = w.factor(channels)
        bias = w.shift(channels) if has_bias else None
        return lambda x: x * column(scale, x) + (0 if bias is None else column(bias, x))

    return Drawn(f"scale{'' if has_bias else ' bias no'}{start}", make)


def _bias(w: Drawing, x: Tensor) -> Drawn:
    over = w.pick("all", "channels")
    dims = tuple(x.shape[1:])
    words = f" over {over}" if over == "all" or w.flip() else ""
    init = w.pick("", " init normal(0.1)", " init he")

    def make() -> Run:
        bias = w.shift(*(dims if over == "all" else dims[:1]))
        return lambda x: x + (bias if over == "all" else column(bias, x))

    return Drawn(f"bias{words}{init}", make)


# --- vectors ----------------------------------------------------------------------------------


def dense(w: Drawing, x: Tensor, units: int = 0) -> Drawn:
    units = units or w.count(1, 7)
    inputs, has_bias = x.shape[1], w.flip()
    words = ("" if has_bias else " bias no") + w.pick("", "", " init glorot", " init constant(0.1)")

    def make() -> Run:
        weight = w.weight(units, inputs)
        bias = w.shift(units) if has_bias else None

        def run(x: Tensor) -> Tensor:
            w.macs += units * inputs
            return F.linear(x, weight, bias)

        return run

    return Drawn(f"dense {w.number(units, x)}{words}", make)


def _dropconnect(w: Drawing, x: Tensor) -> Drawn:
    drawn, rate = dense(w, x), w.pick(0, 0, 0.3)
    w.chance = w.chance or rate != 0
    return Drawn(f"{drawn.text.replace('dense', 'dropconnect', 1)} rate {rate}", drawn.make)


def _rbf(w: Drawing, x: Tensor) -> Drawn:
    units, inputs = w.count(1, 4), x.shape[1]
    given = w.flip() and units * inputs <= 200
    negate = w.flip()
    codes = numpy.round(w.numbers.normal(size=(units, inputs)), 1)
    rows = [[float(number) for number in row] for row in codes]
    words = f" codes {rows}" if given else w.pick("", " init normal(0.2)")
    words += " negate yes" if negate else w.pick("", " negate no")

    def make() -> Run:
        centres = torch.tensor(codes).float().double() if given else w.weight(units, inputs)

        def run(x: Tensor) -> Tensor:
            w.macs += units * inputs
            y = ((x[:, None] - centres) ** 2).sum(2)
            return -y if negate else y

        return run

    return Drawn(f"rbf {units}{words}", make)


# --- all of them ------------------------------------------------------------------------------

_FUNCTIONS: dict[str, Run] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "scaledtanh": lambda x: 1.7159 * torch.tanh(x * (2 / 3)),
    "sigmoid": torch.sigmoid,
    "selu": F.selu,
    "relu6": F.relu6,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "identity": lambda x: x,
}

UNITS: dict[str, Kind] = {
    **kinds("anything", {word: _function(word, run) for word, run in _FUNCTIONS.items()}),
    **kinds(
        "anything",
        {
            "leakyrelu": _leakyrelu,
            "elu": _elu,
            "gelu": _gelu,
            "clip": _clip,
            "prelu": _prelu,
            "maxout": _maxout,
            "softmax": _over_channels("softmax"),
            "logsoftmax": _over_channels("logsoftmax"),
            "dropout": _chance("dropout", None, 0.5, 0.99),
            "alphadropout": _chance("alphadropout", None, 0.05),
            "droppath": _chance("droppath", 0.2, 0.9),
            "noise": _chance("noise", None, 2),
            "batchnorm": _batchnorm,
            "layernorm": _sample_norm("layernorm"),
            "groupnorm": _sample_norm("groupnorm"),
            "rmsnorm": _sample_norm("rmsnorm"),
            "l2norm": _l2norm,
            "scale": _scale,
            "bias": _bias,
        },
    ),
    **kinds(
        "maps",
        {
            "instancenorm": _sample_norm("instancenorm"),
            "lrn": _lrn,
            "spatialdropout": _chance("spatialdropout", None, 0.3),
        },
    ),
    **kinds("vector", {"dense": dense, "dropconnect": _dropconnect, "rbf": _rbf}),
}
"""By their keywords."""
