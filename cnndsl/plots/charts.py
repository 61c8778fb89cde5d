"""Turns what a training run measured into pictures: here its curves, and all that there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from PIL import Image

from cnndsl.plots.confusion import draw_confusion
from cnndsl.plots.drawing import (
    GRAY,
    INK,
    PALE,
    Canvas,
    clipped,
    number_text,
    save_picture,
    ticks,
    width_of,
)

__all__ = ["EpochLike", "draw_confusion", "draw_curves", "save_picture"]

TRAINING, VALIDATION = "#2f6fb0", "#d9622b"

Point: TypeAlias = tuple[float, float]


class EpochLike(Protocol):
    """What is drawn of an epoch: its means over training and, where there is any, validation.

    Where numbers are to be met, there are mean absolute errors in place of accuracies.
    """

    @property
    def epoch(self) -> int:
        """Its number, from 1."""
        ...

    @property
    def loss(self) -> float:
        """The training loss."""
        ...

    @property
    def accuracy(self) -> float | None:
        """The training accuracy, from 0 to 1."""
        ...

    @property
    def valid_loss(self) -> float | None:
        """The validation loss."""
        ...

    @property
    def valid_accuracy(self) -> float | None:
        """The validation accuracy, from 0 to 1."""
        ...

    @property
    def mae(self) -> float | None:
        """The mean absolute error in training."""
        ...

    @property
    def valid_mae(self) -> float | None:
        """The mean absolute error in validation."""
        ...

    @property
    def best(self) -> bool:
        """Whether it was the best so far."""
        ...


# --- curves -----------------------------------------------------------------------------------


_WIDTH, _HEIGHT = 960.0, 420.0
_TOP, _BOTTOM = 100.0, 368.0
_LEFT_PANEL, _RIGHT_PANEL = (68.0, 462.0), (550.0, 944.0)
_FEW = 25
"""With no more epochs, each has a dot."""
_WIDE = 100
"""Losses whose largest is so many times the smallest go on a logarithmic scale."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """How a quantity is laid out: from ``low`` to ``high`` on a stretch of an axis, in points."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A quantity over the epochs where it was measured."""

    points: tuple[Point, ...]
    color: str


def draw_curves(records: Sequence[EpochLike], title: str) -> Image.Image:
    """The loss (left) and the accuracy (right) of every epoch, the best epoch marked.

    Where there is no accuracy, the mean absolute error takes its place. A loss or an error that
    spans more than two powers of ten is drawn on a logarithmic scale. Numbers that are missing or
    not finite leave gaps.
    """
    canvas = Canvas(_WIDTH, _HEIGHT)
    best = next((record for record in reversed(records) if record.best), None)
    canvas.words((24, 20), clipped(title, 19, 640), 19, INK)
    canvas.words((24, 49), _best_text(best), 12, GRAY)
    losses = _curves(records, lambda one: one.loss, lambda one: one.valid_loss)
    rates = _curves(records, lambda one: one.accuracy, lambda one: one.valid_accuracy)
    errors = _curves(records, lambda one: one.mae, lambda one: one.valid_mae)
    _legend(canvas, any(curve.color == VALIDATION for curve in (*losses, *rates)))
    across = _epoch_scale(records)
    loss_scale = _loss_scale(losses)
    name = "loss, logarithmic" if loss_scale.logarithmic else "loss"
    left = _Panel(canvas, name, _moved(across, _LEFT_PANEL), loss_scale)
    left.draw(losses, best.epoch if best else None, _loss_ticks(loss_scale))
    if errors:
        rates, scale = errors, _loss_scale(errors)
        name, marks = "mean absolute error", _loss_ticks(scale)
    else:
        scale = _rate_scale(rates)
        name, marks = "accuracy", _rate_ticks(scale)
    right = _Panel(canvas, name, _moved(across, _RIGHT_PANEL), scale)
    right.draw(rates, best.epoch if best else None, marks)
    return canvas.finished()


def _best_text(best: EpochLike | None) -> str:
    if best is None:
        return ""
    valid = best.valid_loss is not None
    loss = best.loss if best.valid_loss is None else best.valid_loss
    accuracy = best.valid_accuracy if valid else best.accuracy
    error = best.valid_mae if valid else best.mae
    text = f"best epoch {best.epoch}: {'validation' if valid else 'training'} loss {loss:.4g}"
    if accuracy is not None:
        text += f", accuracy {100 * accuracy:.2f} %"
    return text if error is None else f"{text}, mean absolute error {error:.4g}"


def _legend(canvas: Canvas, validated: bool) -> None:
    x = _RIGHT_PANEL[1]
    names = [("training", TRAINING), *([("validation", VALIDATION)] if validated else [])]
    for name, color in reversed(names):
        x -= width_of(name, 12)
        canvas.words((x, 33), name, 12, INK, "lm")
        canvas.line([(x - 26, 33), (x - 8, 33)], color, 2.5)
        x -= 48


def _curves(
    records: Sequence[EpochLike],
    training: Callable[[EpochLike], float | None],
    validation: Callable[[EpochLike], float | None],
) -> list[_Curve]:
    """The curves of a quantity that have points, validation on top."""
    curves = []
    for measured, color in ((training, TRAINING), (validation, VALIDATION)):
        values = ((record.epoch, measured(record)) for record in records)
        points = tuple((x, _tame(y)) for x, y in values if y is not None and math.isfinite(y))
        if points:
            curves.append(_Curve(points, color))
    return curves


def _tame(value: float) -> float:
    """A number that scales can be computed with: not beyond 1e250, nor nearer to zero than 1e-250.

    >>> _tame(-1e300), _tame(5e-324), _tame(0.0), _tame(0.5)
    (-1e+250, 1e-250, 0.0, 0.5)
    """
    size = min(max(abs(value), 1e-250), 1e250)
    return math.copysign(size, value) if value else 0.0


# --- scales -----------------------------------------------------------------------------------


def _epoch_scale(records: Sequence[EpochLike]) -> _Scale:
    epochs = [record.epoch for record in records] or [1]
    low, high = min(epochs), max(epochs)
    margin = 0.5 if low == high else 0.02 * (high - low)
    return _Scale(low - margin, high + margin, 0, 1)


def _moved(scale: _Scale, panel: Point) -> _Scale:
    return replace(scale, start=panel[0], end=panel[1])


def _loss_scale(curves: Sequence[_Curve]) -> _Scale:
    values = [y for curve in curves for _, y in curve.points] or [0.0, 1.0]
    low, high = min(values), max(values)
    if low > 0 and high > _WIDE * low:
        powers = math.log10(low), math.log10(high)
        room = 0.05 * (powers[1] - powers[0])
        ends = 10 ** (powers[0] - room), 10 ** (powers[1] + room)
        return _Scale(*ends, _BOTTOM, _TOP, logarithmic=True)
    if 0 <= low < 0.5 * high:
        low = 0.0
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 0.5
    return _Scale(low - margin if low else 0.0, high + margin, _BOTTOM, _TOP)


def _loss_ticks(scale: _Scale) -> list[tuple[float, str]]:
    if not scale.logarithmic:
        return [(at, number_text(at, step)) for at, step in _stepped(scale)]
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    round_ones = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    found = [one for one in round_ones if scale.low <= one <= scale.high]
    if len(found) > 10:
        found = [10.0**power for power in powers if scale.low <= 10.0**power <= scale.high]
    every = math.ceil(len(found) / 10)
    return [(one, f"{one:.0e}" if one >= 1e6 else f"{one:g}") for one in found[::-every]]


def _rate_scale(curves: Sequence[_Curve]) -> _Scale:
    """From a round number below the lowest to 100 % or a little above the highest."""
    values = [y for curve in curves for _, y in curve.points] or [0.0, 1.0]
    low, high = min(values), max(values)
    high = 1.0 if high > 0.9 else min(1.0, high * 1.1) or 1.0
    low = 0.0 if low < 0.5 * high else low - 0.06 * (high - low)
    return _Scale(low if low < high else low - 0.05, high, _BOTTOM, _TOP)


def _rate_ticks(scale: _Scale) -> list[tuple[float, str]]:
    percent = replace(scale, low=100 * scale.low, high=100 * scale.high)
    return [(at / 100, f"{number_text(at, step)} %") for at, step in _stepped(percent)]


def _stepped(scale: _Scale) -> list[tuple[float, float]]:
    """A scale's ticks, each with the step between them."""
    found = ticks(scale.low, scale.high, 7)
    step = found[1] - found[0] if len(found) > 1 else max(abs(found[0]), 1e-9)
    return [(at, step) for at in found]


# --- a panel ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Panel:
    """One diagram: where epochs and values lie on the canvas."""

    canvas: Canvas
    name: str
    across: _Scale
    up: _Scale

    def draw(
        self, curves: Sequence[_Curve], best: int | None, marks: Sequence[tuple[float, str]]
    ) -> None:
        """The axes, then the curves, then what marks the best epoch."""
        self._axes(marks)
        if best is not None:
            x = self.across.place(best)
            self.canvas.dashes((x, _TOP), (x, _BOTTOM), GRAY, 0.8)
        for curve in curves:
            self._curve(curve)
        for curve in curves[-1:]:
            for epoch, value in curve.points:
                if epoch == best:
                    self._mark(epoch, value, curve.color)

    def _axes(self, marks: Sequence[tuple[float, str]]) -> None:
        left, right = self.across.start, self.across.end
        for value, text in marks:
            y = self.up.place(value)
            self.canvas.box((left, y - 0.5), (right, y + 0.5), PALE)
            self.canvas.words((left - 8, y), text, 11, GRAY, "rm")
        self.canvas.box((left, _BOTTOM - 0.5), (right, _BOTTOM + 0.5), GRAY)
        first, last = math.ceil(self.across.low), math.floor(self.across.high)
        for epoch in ticks(max(first, 1), last, 11, least_step=1):
            x = self.across.place(epoch)
            self.canvas.box((x - 0.5, _BOTTOM), (x + 0.5, _BOTTOM + 4), GRAY)
            self.canvas.words((x, _BOTTOM + 8), f"{epoch:.0f}", 11, GRAY, "ma")
        self.canvas.words((left, _TOP - 12), self.name, 13, INK, "ls")
        self.canvas.words(((left + right) / 2, _HEIGHT - 10), "epoch", 11, GRAY, "ms")

    def _curve(self, curve: _Curve) -> None:
        places = [self._place(*point) for point in curve.points]
        self.canvas.line(places, curve.color, 2)
        if len(places) <= _FEW:
            for place in places:
                self.canvas.dot(place, 2.8, curve.color)

    def _mark(self, epoch: float, value: float, color: str) -> None:
        place = self._place(epoch, value)
        for radius, shade in ((6.5, "white"), (5.2, color), (2.4, "white")):
            self.canvas.dot(place, radius, shade)

    def _place(self, epoch: float, value: float) -> Point:
        return self.across.place(epoch), self.up.place(value)
