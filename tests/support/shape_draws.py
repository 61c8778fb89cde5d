"""Draws layers that move numbers, and attention, whose positions are in a row."""

from __future__ import annotations

import math
from typing import Any

import numpy
from draws import Draw, Drawing, Drawn, Kind, Run, Tensor, kinds, plain, torch

F: Any = torch.nn.functional

__all__ = ["SHAPES", "factors", "reshape"]

_NAMES = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}


def factors(w: Drawing, number: int, count: int) -> tuple[int, ...]:
    """Random numbers whose product it is."""
    found, left = [1] * count, number
    while left > 1:
        prime = next(d for d in range(2, left + 1) if left % d == 0)
        found[w.count(0, count - 1)] *= prime
        left //= prime
    return tuple(found)


def reshape(w: Drawing, x: Tensor, rank: int | None = None) -> Drawn:
    """To as many spatial dimensions as are asked for, or to any number of them."""
    rank = w.count(0, 3) if rank is None else rank
    shape = factors(w, math.prod(x.shape[1:]), 1 + rank)
    text = "x".join(map(str, shape)) if w.flip() or not rank else str([*shape])
    return plain(f"reshape {text}", lambda x: x.reshape(len(x), *shape))


def _flatten(w: Drawing, x: Tensor) -> Drawn:
    return plain("flatten", lambda x: x.flatten(1))


def _pad(w: Drawing, x: Tensor) -> Drawn:
    rank, mode = x.ndim - 2, w.pick("constant", "reflect", "edge")
    value = w.pick(0, -1.5, 2) if mode == "constant" else 0
    most = [size - 1 if mode == "reflect" else 3 for size in x.shape[1:]]
    sides = [(w.count(0, min(3, top)), w.count(0, min(3, top))) for top in most[1:]]
    channels = (0, 0)
    if not rank or w.count(0, 2) == 0:
        channels = (w.count(0, min(2, most[0])), w.count(0, min(2, most[0])))
    if w.flip():
        sides = [(one, one) for one, _ in sides]
    begins, ends = [one for one, _ in sides], [one for _, one in sides]
    same = begins == ends
    text = f"pad {w.sizes(begins) if same and w.flip() else [*begins, *ends]}" if rank else "pad"
    if channels != (0, 0):
        text += f" channels {channels[0] if channels[0] == channels[1] else [*channels]}"
    text += f" mode {mode}" if mode != "constant" or w.flip() else ""
    text += f" value {value}" if value else ""

    def run(x: Tensor) -> Tensor:
        for axis, (before, after) in enumerate([channels, *sides], start=1):
            places = numpy.arange(-before, x.shape[axis] + after)
            size = x.shape[axis]
            inside = (places >= 0) & (places < size)
            if mode == "reflect":
                index = numpy.where(places >= size, 2 * (size - 1) - places, abs(places))
            else:
                index = numpy.clip(places, 0, size - 1)
            x = x.index_select(axis, torch.tensor(index))
            if mode == "constant":
                keeps = torch.tensor(inside).reshape(-1, *[1] * (x.ndim - axis - 1))
                x = torch.where(keeps, x, torch.tensor(float(value)).to(x.dtype))
        return x

    return plain(text, run)


def _crop(w: Drawing, x: Tensor) -> Drawn:
    sizes = [w.count(1, size) for size in x.shape[2:]]
    if w.flip():
        sizes = [min(sizes)] * len(sizes)
    middle = [(had - size) // 2 for had, size in zip(x.shape[2:], sizes, strict=True)]
    given = [w.count(0, had - size) for had, size in zip(x.shape[2:], sizes, strict=True)]
    chosen = w.flip()
    offsets = given if chosen else middle

    def run(x: Tensor) -> Tensor:
        for axis, (size, start) in enumerate(zip(sizes, offsets, strict=True), start=2):
            x = x.narrow(axis, start, size)
        return x

    return plain(f"crop {w.sizes(sizes)}" + (f" offset {w.sizes(given)}" if chosen else ""), run)


def _axis(w: Drawing, x: Tensor) -> tuple[int, str]:
    """One of the dimensions, and how it is named: channels need no name."""
    names = ("channels", *_NAMES[x.ndim - 2])
    axis = w.count(0, len(names) - 1)
    return axis + 1, f" axis {names[axis]}" if axis or w.flip() else ""


def _slice(w: Drawing, x: Tensor) -> Drawn:
    axis, words = _axis(w, x)
    first = w.count(0, x.shape[axis] - 1)
    last = w.count(first, x.shape[axis] - 1)
    step = w.pick(1, 1, 2, 3)
    text = f"{first}..{last}"
    if w.count(0, 3) == 0:
        last, text = first, str(first)
    words += f" step {step}" if step > 1 or w.flip() else ""
    index = torch.arange(first, last + 1, step)
    return plain(f"slice {text}{words}", lambda x: x.index_select(axis, index))


def _transpose(w: Drawing, x: Tensor) -> Drawn:
    count = x.ndim - 1
    order = w.choices.sample(range(count), count)
    text = f"transpose {order}"
    if count == 2 and w.flip():
        order, text = [1, 0], "transpose"
    return plain(text, lambda x: x.permute(0, *(at + 1 for at in order)))


def _upsample(w: Drawing, x: Tensor) -> Drawn:
    rank, had = x.ndim - 2, x.shape[2:]
    if w.flip():
        times = [w.count(1, 3) for _ in had]
        sizes, text = [n * size for n, size in zip(times, had, strict=True)], w.sizes(times)
    else:
        sizes = [w.count(1, 9) for _ in had]
        text = f"size {w.sizes(sizes)}"
    mode, align = w.pick("nearest", "bilinear", "bilinear"), False
    if mode == "bilinear":
        align = w.flip()
        text += " mode bilinear" + (" align_corners yes" if align else "")
    elif w.flip():
        text += " mode nearest"

    def run(x: Tensor) -> Tensor:
        if mode == "bilinear":
            form = ("linear", "bilinear", "trilinear")[rank - 1]
            return F.interpolate(x, sizes, mode=form, align_corners=align)
        for axis, size in enumerate(sizes, start=2):
            index = [at * x.shape[axis] // size for at in range(size)]
            x = x.index_select(axis, torch.tensor(index))
        return x

    return plain(f"upsample {text}", run)


def _shuffle(w: Drawing, x: Tensor) -> Drawn:
    groups = w.divisor(x.shape[1])

    def deal(x: Tensor) -> Tensor:
        return x.reshape(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)

    return plain(f"channelshuffle {w.number(groups, x)}", deal)


def _blocks(word: str) -> Draw:
    """Cells become channels, or channels cells, one place in a block after the other."""

    def draw(w: Drawing, x: Tensor) -> Drawn:
        rank, order = x.ndim - 2, w.pick("crd", "dcr")
        whole = x.shape[2:] if word == "spacetodepth" else x.shape[1:2]
        power = 1 if word == "spacetodepth" else rank
        block = w.pick(*(n for n in (1, 2, 3) if all(size % n**power == 0 for size in whole)))
        places = [*numpy.ndindex(*(block,) * rank)]

        def to_depth(x: Tensor) -> Tensor:
            parts = [
                x[(slice(None), slice(None), *(slice(at, None, block) for at in place))]
                for place in places
            ]
            return torch.cat(parts, 1) if order == "dcr" else torch.stack(parts, 2).flatten(1, 2)

        def to_space(x: Tensor) -> Tensor:
            channels = x.shape[1] // len(places)
            sizes = (size * block for size in x.shape[2:])
            y = x.new_zeros((len(x), channels, *sizes))
            for number, place in enumerate(places):
                inner = tuple(slice(at, None, block) for at in place)
                own = slice(number, None, len(places))
                if order == "dcr":
                    own = slice(number * channels, (number + 1) * channels)
                y[(slice(None), slice(None), *inner)] = x[:, own]
            return y

        text = f"{word} {block}" + (f" order {order}" if order == "dcr" or w.flip() else "")
        return plain(text, to_depth if word == "spacetodepth" else to_space)

    return draw


def _attention(w: Drawing, x: Tensor) -> Drawn:
    """PyTorch's own, of positions in a row."""
    channels = x.shape[1]
    width = w.pick(None, None, w.count(1, 6))
    whole = width or channels
    heads, biased = w.divisor(whole), w.flip()
    text = "attention" + (f" {heads}" if heads > 1 or w.flip() else "")
    text += ("" if width is None else f" width {width}") + ("" if biased else " bias no")

    def make() -> Run:
        into = w.weight(3 * whole, channels)
        shift = w.shift(3 * whole) if biased else None
        out = w.weight(channels, whole)
        last = w.shift(channels) if biased else None

        def run(x: Tensor) -> Tensor:
            rows = x.flatten(2).movedim(1, 2)
            places = rows.shape[1]
            parts = F.linear(rows, into, shift).chunk(3, 2)
            split = [one.reshape(len(x), places, heads, -1).transpose(1, 2) for one in parts]
            found = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
            w.macs += 4 * places * channels * whole + 2 * places**2 * whole
            return F.linear(found, out, last).movedim(2, 1).reshape(x.shape)

        return run

    return Drawn(text, make)


SHAPES: dict[str, Kind] = {
    **kinds(
        "anything",
        {
            "flatten": _flatten,
            "pad": _pad,
            "slice": _slice,
            "reshape": reshape,
            "transpose": _transpose,
            "channelshuffle": _shuffle,
        },
    ),
    **kinds(
        "maps",
        {
            "crop": _crop,
            "upsample": _upsample,
            "depthtospace": _blocks("depthtospace"),
            "spacetodepth": _blocks("spacetodepth"),
            "attention": _attention,
        },
    ),
}
"""By their keywords."""
