"""Draws layers whose windows slide: convolutions, pools, and what pools to a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import torch_sliding
from draws import Draw, Drawing, Drawn, Kind, Run, Tensor, kinds, plain, torch
from oracle import Array
from semantics import Sliding
from torch_sliding import column

F: Any = torch.nn.functional

__all__ = ["WINDOWS", "conv", "pool"]

_LARGEST_KERNELS = 4000
"""No layer that is drawn has more weights."""


def _window(w: Drawing, x: Tensor, *, dilates: bool, pool: bool) -> tuple[str, str, Sliding]:
    sizes = tuple(x.shape[2:])
    if w.count(0, 5) == 0:  # all of the map at once
        return (
            w.sizes(sizes),
            "",
            Sliding(
                sizes,
                sizes if pool else (1,) * len(sizes),
                (1,) * len(sizes),
                [(0, 0)] * len(sizes),
                "exact",
            ),
        )
    return w.sliding(sizes, dilates=dilates, pool=pool)


def _places(sizes: Sequence[int]) -> int:
    return math.prod(sizes[2:])


# --- convolutions -----------------------------------------------------------------------------


def _inits(w: Drawing) -> str:
    return str(w.pick("", "", "", " init he", " init uniform(0.05)", " bias_init constant(0.1)"))


def conv(
    w: Drawing, x: Tensor, window: tuple[str, str, Sliding] | None = None, filters: int = 0
) -> Drawn:
    kernel, words, how = window or _window(w, x, dilates=True, pool=False)
    channels = x.shape[1]
    groups = 1 if filters else w.divisor(channels)
    filters = filters or groups * w.count(1, 3)
    has_bias = w.flip()
    words += ("" if has_bias else " bias no") + _inits(w)
    text = f"conv {w.number(filters, x)}@{kernel} {words} groups {groups}"
    if groups == channels and w.flip():
        text = f"depthwise {kernel} multiplier {filters // channels} {words}"

    def make() -> Run:
        weight = w.weight(filters, channels // groups, *how.kernel)
        bias = w.shift(filters) if has_bias else None

        def run(x: Tensor) -> Tensor:
            y = torch_sliding.convolved(x, how, weight, bias, groups)
            w.macs += weight.numel() * _places(y.shape)
            return y

        return run

    return Drawn(text, make)


def _depthwise(w: Drawing, x: Tensor) -> Drawn:
    kernel, words, how = _window(w, x, dilates=True, pool=False)
    channels, multiplier, has_bias = x.shape[1], w.count(1, 2), w.flip()
    words += ("" if has_bias else " bias no") + _inits(w)
    words += f" multiplier {multiplier}" if multiplier > 1 or w.flip() else ""

    def make() -> Run:
        weight = w.weight(channels * multiplier, 1, *how.kernel)
        bias = w.shift(channels * multiplier) if has_bias else None

        def run(x: Tensor) -> Tensor:
            y = torch_sliding.convolved(x, how, weight, bias, channels)
            w.macs += weight.numel() * _places(y.shape)
            return y

        return run

    return Drawn(f"depthwise {kernel} {words}", make)


def _tabled(w: Drawing, x: Tensor) -> Drawn:
    """A convolution each of whose filters sees some channels only."""
    kernel, words, how = _window(w, x, dilates=True, pool=False)
    channels, filters = x.shape[1], w.count(1, 4)
    table = [w.choices.sample(range(channels), w.count(1, channels)) for _ in range(filters)]
    has_bias = w.flip()
    text = f"conv {filters}@{kernel} {words} table {table}{'' if has_bias else ' bias no'}"

    def make() -> Run:
        weight = w.weight(sum(map(len, table)), *how.kernel)
        bias = w.shift(filters) if has_bias else None

        def run(x: Tensor) -> Tensor:
            maps, at = [], 0
            for row in table:
                own = weight[None, at : at + len(row)]
                maps.append(torch_sliding.convolved(x[:, row], how, own, None, 1))
                at += len(row)
            y = torch.cat(maps, 1)
            w.macs += weight.numel() * _places(y.shape)
            return y if bias is None else y + column(bias, y)

        return run

    return Drawn(text, make)


def _localconv(w: Drawing, x: Tensor) -> Drawn:
    kernel, words, how = _window(w, x, dilates=True, pool=False)
    filters, channels, rank = w.count(1, 2), x.shape[1], x.ndim - 2
    outputs = tuple(len(one) for one in how.places(x.shape[2:]))
    if math.prod((*outputs, filters, channels, *how.kernel)) > _LARGEST_KERNELS:
        return conv(w, x)
    has_bias = w.flip()
    words += ("" if has_bias else " bias no") + _inits(w)

    def make() -> Run:
        shape = (math.prod(outputs), filters, channels, *how.kernel)
        weight = w.weight(*shape, size=1 / math.sqrt(math.prod(shape[2:])))
        bias = w.shift(filters, *outputs) if has_bias else None

        def run(x: Tensor) -> Tensor:
            seen = torch_sliding.cells(x, how).flatten(2, 1 + rank).flatten(3)
            y = torch.einsum("bcpk,pfck->bfp", seen, weight.flatten(3))
            y = y.reshape(*y.shape[:2], *outputs)
            w.macs += weight.numel()
            return y if bias is None else y + bias

        return run

    return Drawn(f"localconv {filters}@{kernel} {words}", make)


def _filter(w: Drawing, x: Tensor) -> Drawn:
    """Kernels of given numbers: one, or a list of them."""
    while True:
        _, words, how = _window(w, x, dilates=False, pool=False)
        if math.prod(how.kernel) <= 60:
            break
    count = w.pick(0, 1, 2)
    numbers = numpy.round(w.numbers.normal(size=(max(1, count), *how.kernel)), 2) + 0.0
    written = (numbers if count else numbers[0]).tolist()
    kernels = torch.tensor(numbers).float().double()[:, None]

    def run(x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = kernels.repeat(channels, *(1 for _ in kernels.shape[1:]))
        y = torch_sliding.convolved(x, how, weight, None, channels)
        w.macs += weight.numel() * _places(y.shape)
        return y

    return plain(f"filter {written} {words}", run)


def _upconv(w: Drawing, x: Tensor) -> Drawn:
    """A transposed convolution that leaves something of its output."""
    sizes, channels = tuple(x.shape[2:]), x.shape[1]
    kernel = tuple(w.count(1, 4) for _ in sizes)
    stride = tuple(w.count(1, 3) for _ in sizes)
    dilation = tuple(w.count(1, 2) for _ in sizes)
    extents = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    words, borders, added = _cropped(w, sizes, stride, extents)
    how = Sliding(kernel, stride, dilation, borders, "exact")
    groups, has_bias = w.divisor(channels), w.flip()
    filters = groups * w.count(1, 2)
    words += f" stride {w.sizes(stride)} dilation {w.sizes(dilation)} groups {groups}"
    words += ("" if has_bias else " bias no") + _inits(w)

    def make() -> Run:
        weight = w.weight(channels, filters // groups, *kernel)
        bias = w.shift(filters) if has_bias else None

        def run(x: Tensor) -> Tensor:
            w.macs += weight.numel() * _places(x.shape)
            return torch_sliding.transposed(x, how, weight, bias, groups, added)

        return run

    return Drawn(f"upconv {w.number(filters, x)}@{w.sizes(kernel)}{words}", make)


def _cropped(
    w: Drawing, sizes: Sequence[int], stride: Sequence[int], extents: Sequence[int]
) -> tuple[str, list[tuple[int, int]], tuple[int, ...]]:
    """What is cropped off a transposed convolution, and what is added."""
    if w.count(0, 3) == 0:
        over = [extent - step for extent, step in zip(extents, stride, strict=True)]
        borders = [(max(0, cells) // 2, math.ceil(max(0, cells) / 2)) for cells in over]
        return " padding same", borders, tuple(max(0, -cells) for cells in over)
    added = tuple(w.count(0, step - 1) for step in stride)
    rows = [*zip(sizes, stride, extents, added, strict=True)]
    whole = [(size - 1) * step + extent + extra for size, step, extent, extra in rows]
    words = f" output_padding {w.sizes(added)}" if any(added) or w.flip() else ""
    full = [(extent - 1, extent - 1) for extent in extents]
    fits = all(cells > 2 * begin for cells, (begin, _) in zip(whole, full, strict=True))
    if fits and w.count(0, 3) == 0:
        return f" padding full{words}", full, added
    begins = [w.count(0, (cells - 1) // 2) for cells in whole]
    if w.flip():
        return f" padding {w.sizes(begins)}{words}", [(one, one) for one in begins], added
    ends = [w.count(0, cells - 1 - begin) for cells, begin in zip(whole, begins, strict=True)]
    return f" padding {[*begins, *ends]}{words}", [*zip(begins, ends, strict=True)], added


# --- pools ------------------------------------------------------------------------------------


def pool(
    w: Drawing, x: Tensor, word: str = "", window: tuple[str, str, Sliding] | None = None
) -> Drawn:
    word = word or w.pick("maxpool", "minpool", "avgpool", "sumpool", "lppool", "subsample")
    dilates = word in ("maxpool", "minpool")
    kernel, words, how = window or _window(w, x, dilates=dilates, pool=True)
    text = f"{word} {kernel} {words}"
    if word == "subsample":
        return _subsample(w, x, text, how)
    if word == "avgpool":
        counts = w.flip()
        text += f" count_padding {'yes' if counts else 'no'}" if counts or w.flip() else ""
        return plain(text, lambda x: torch_sliding.averages(x, how, count_padding=counts))
    if word == "lppool":
        power = w.pick(None, 1, 2, 3, 1.5)
        text += "" if power is None else f" p {power}"
        return plain(text, lambda x: _norm(x, how, power or 2.0))
    runs: dict[str, Run] = {
        "maxpool": lambda x: torch_sliding.largest(x, how),
        "minpool": lambda x: -torch_sliding.largest(-x, how),
        "sumpool": lambda x: torch_sliding.sums(x, how),
        "stochasticpool": lambda x: _expected(x, how),
    }
    w.chance = w.chance or word == "stochasticpool"
    return plain(text, runs[word])


def _norm(x: Tensor, how: Sliding, power: float) -> Tensor:
    """The p-norms of windows; where all is 0, that is 0 and has no slope."""
    sums = torch_sliding.cells(x.abs() ** power, how).flatten(x.ndim).sum(-1)
    safe = torch.where(sums > 0, sums, torch.ones_like(sums))
    return torch.where(sums > 0, safe ** (1 / power), torch.zeros_like(sums))


def _expected(x: Tensor, how: Sliding) -> Tensor:
    positive = torch_sliding.cells(F.relu(x), how).flatten(x.ndim)
    sums = positive.sum(-1)
    return (positive**2).sum(-1) / torch.where(sums > 0, sums, torch.ones_like(sums))


def _subsample(w: Drawing, x: Tensor, text: str, how: Sliding) -> Drawn:
    channels = x.shape[1]

    def make() -> Run:
        scale, bias = w.factor(channels), w.shift(channels)
        return lambda x: torch_sliding.sums(x, how) * column(scale, x) + column(bias, x)

    return Drawn(text + w.pick("", " init uniform(0.6)"), make)


def _pool(word: str) -> Draw:
    return lambda w, x: pool(w, x, word)


# --- pools to a size --------------------------------------------------------------------------


def _adaptive(word: str) -> Draw:
    def draw(w: Drawing, x: Tensor) -> Drawn:
        sizes = tuple(w.count(1, min(size + 2, 7)) for size in x.shape[2:])
        kind = "avg" if "avg" in word else "max"
        function = getattr(F, f"adaptive_{kind}_pool{len(sizes)}d")
        return plain(f"{word} {w.sizes(sizes)}", lambda x: function(x, sizes))

    return draw


def _fractional(w: Drawing, x: Tensor) -> Drawn:
    """By Graham's sequence, at u = 1/2."""
    kernel = tuple(w.count(1, min(3, size)) for size in x.shape[2:])
    sizes = tuple(w.count(1, had - k + 1) for had, k in zip(x.shape[2:], kernel, strict=True))
    text = f"fractionalmaxpool {w.sizes(sizes)}"
    text += "" if set(kernel) == {2} and w.flip() else f" kernel {w.sizes(kernel)}"
    w.chance = True

    def run(x: Tensor) -> Tensor:
        for axis, (k, count) in enumerate(zip(kernel, sizes, strict=True), start=2):
            begins = _graham(x.shape[axis], k, count)
            index = torch.tensor(begins[:, None] + numpy.arange(k))
            cells = x.index_select(axis, index.flatten())
            x = cells.reshape(*x.shape[:axis], count, k, *x.shape[axis + 1 :]).amax(axis + 1)
        return x

    return plain(text, run)


def _graham(size: int, kernel: int, count: int) -> Array:
    single = numpy.float32
    if count == 1:
        return numpy.array([size - kernel])
    alpha = single(size - kernel) / single(count - 1)
    at = numpy.arange(count).astype(single)
    begins = numpy.floor((at + single(0.5)) * alpha) - numpy.floor(single(0.5) * alpha)
    begins[-1] = size - kernel
    return numpy.asarray(begins, numpy.int64)


def _global(word: str) -> Draw:
    def draw(w: Drawing, x: Tensor) -> Drawn:
        keep = w.pick("", "", " keep yes", " keep no")
        power = w.pick(None, 1, 3) if word == "globallppool" else None

        def run(x: Tensor) -> Tensor:
            flat = x.flatten(2)
            if word == "globalavgpool":
                y = flat.mean(2)
            elif word == "globalmaxpool":
                y = flat.amax(2)
            else:
                y = torch.linalg.vector_norm(flat, power or 2, dim=2)
            return y.reshape(*y.shape, *[1] * (x.ndim - 2)) if "yes" in keep else y

        return plain(f"{word}{keep}{'' if power is None else f' p {power}'}", run)

    return draw


def _maxtime(w: Drawing, x: Tensor) -> Drawn:
    def run(x: Tensor) -> Tensor:
        most = x.amax(2)
        return most if math.prod(most.shape[2:]) > 1 else most.flatten(1)

    return plain("maxtime", run)


WINDOWS: dict[str, Kind] = kinds(
    "maps",
    {
        "conv": conv,
        "depthwise": _depthwise,
        "table": _tabled,
        "localconv": _localconv,
        "filter": _filter,
        "upconv": _upconv,
        **{
            word: _pool(word)
            for word in (
                *("maxpool", "minpool", "avgpool", "sumpool", "lppool", "subsample"),
                "stochasticpool",
            )
        },
        "adaptiveavgpool": _adaptive("adaptiveavgpool"),
        "adaptivemaxpool": _adaptive("adaptivemaxpool"),
        "fractionalmaxpool": _fractional,
        **{word: _global(word) for word in ("globalavgpool", "globalmaxpool", "globallppool")},
        "maxtime": _maxtime,
    },
)
"""By their keywords; `table` is a convolution with one."""
