"""Draws pools over regions, computed region by region and cell by cell as their pages say."""

from __future__ import annotations

from typing import Any

import numpy
from draws import Drawing, Drawn, Run, Tensor, plain, torch
from oracle import Array

__all__ = ["align", "pool_of_regions"]


def pool_of_regions(w: Drawing, x: Tensor) -> Drawn:
    """The largest cell of each bin; a bin without any is 0."""
    sizes, (scale, text) = (w.count(1, 4), w.count(1, 4)), w.pick(*_SCALES)

    def pooled(maps: Tensor, box: Array) -> Tensor:
        rows = _bins(box[1], box[3], scale, sizes[0], maps.shape[1])
        columns = _bins(box[0], box[2], scale, sizes[1], maps.shape[2])
        found = [
            maps[:, row][:, :, column].flatten(1).max(1).values
            if len(row) and len(column)
            else maps.new_zeros(len(maps))
            for row in rows
            for column in columns
        ]
        return torch.stack(found, 1).reshape(len(maps), *sizes)

    words = f"size = {w.sizes(sizes)}, scale = {text}"
    return plain(f"roipool(identity, regions, {words})", _of_all(w, pooled))


def align(w: Drawing, x: Tensor) -> Drawn:
    """The mean of a grid of samples in each bin."""
    sizes, (scale, text) = (w.count(1, 4), w.count(1, 4)), w.pick(*_SCALES)
    samples, aligned = w.pick(None, 1, 3), w.pick(None, True, False)
    words = f"size = {w.sizes(sizes)}, scale = {text}"
    words += "" if samples is None else f", samples = {samples}"
    words += "" if aligned is None else f", aligned = {'yes' if aligned else 'no'}"
    half, least = (0.0, 1.0) if aligned is False else (0.5, 0.0)

    def pooled(maps: Tensor, box: Array) -> Tensor:
        along = []
        for axis, count in ((1, sizes[0]), (0, sizes[1])):
            low, high = box[axis] * scale - half, box[axis + 2] * scale - half
            step = max(high - low, least) / count
            inner = (numpy.arange(samples or 2) + 0.5) / (samples or 2)
            at = low + (numpy.arange(count)[:, None] + inner) * step
            along.append(_weights(at, maps.shape[2 - axis]))
        return torch.einsum("iu,jv,cuv->cij", *along, maps)

    return plain(f"roialign(identity, regions, {words})", _of_all(w, pooled))


_SCALES = ((1.0, "1"), (0.5, "1/2"), (0.25, "0.25"))


def _of_all(w: Drawing, pooled: Any) -> Run:
    def run(x: Tensor) -> Tensor:
        regions = w.values["regions"]
        boxes = regions.reshape(len(x), -1, 4).numpy()
        pictures = [
            torch.stack([pooled(maps, box) for box in own], 1)
            for maps, own in zip(x, boxes, strict=True)
        ]
        found = torch.stack(pictures)
        return found if regions.ndim == 3 else found[:, :, 0]

    return run


def _bins(low: float, high: float, scale: float, count: int, side: int) -> list[Array]:
    first, last = (int(numpy.floor(end * scale + 0.5)) for end in (low, high))
    cells = max(last - first + 1, 1)
    bins = []
    for at in range(count):
        begin, end = first + at * cells // count, first - (-(at + 1) * cells // count)
        bins.append(numpy.arange(min(max(begin, 0), side), min(max(end, 0), side)))
    return bins


def _weights(at: Array, side: int) -> Tensor:
    """How much each cell of an axis counts in each bin, whose samples lie at these places."""
    inside = (at >= -1) & (at <= side)
    place = numpy.clip(at, 0, side - 1)
    near = numpy.maximum(0, 1 - abs(place[..., None] - numpy.arange(side)))
    return torch.tensor((near * inside[..., None]).mean(1))
