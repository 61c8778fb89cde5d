"""Turns what a training run measured into its figure: loss and accuracy over the epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from cnndsl.plots.figure import (
    GRAY,
    INK,
    PALE,
    add_axes,
    clipped,
    in_house_style,
    new_figure,
    write,
)
from cnndsl.plots.scales import Scale, loss_scale, rate_scale, round_numbers, tame

__all__ = ["EpochLike", "draw_curves"]


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


TRAINING, VALIDATION = "#2f6fb0", "#d9622b"

_WIDTH, _HEIGHT = 960.0, 420.0
_TOP, _BOTTOM = 104.0, 368.0
_LEFT_PANEL, _RIGHT_PANEL = (72.0, 398.0), (554.0, 880.0)
_NAME_SIZE = 10.5
_FEW = 25
"""With no more epochs, each has a dot."""


@dataclass(frozen=True, slots=True)
class _Curve:
    """A quantity over the epochs where it was measured."""

    name: str
    color: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@in_house_style
def draw_curves(records: Sequence[EpochLike], title: str) -> Figure:
    """The loss (left) and the accuracy (right) of every epoch, the best epoch marked.

    Where there is no accuracy, the mean absolute error takes its place. A loss or an error that
    spans more than two powers of ten is drawn on a logarithmic scale. Numbers that are missing or
    not finite leave gaps.
    """
    figure = new_figure(_WIDTH, _HEIGHT)
    best = next((record for record in reversed(records) if record.best), None)
    write(figure, (24, 20), clipped(title, 18, _WIDTH - 48), 18, INK)
    write(figure, (24, 52), _best_text(best), 10.5, GRAY)
    losses = _curves(records, lambda one: one.loss, lambda one: one.valid_loss)
    rates = _curves(records, lambda one: one.accuracy, lambda one: one.valid_accuracy)
    errors = _curves(records, lambda one: one.mae, lambda one: one.valid_mae)
    right = ("mean absolute error", errors) if errors else ("accuracy", rates)
    for (name, curves), place in ((("loss", losses), _LEFT_PANEL), (right, _RIGHT_PANEL)):
        values = [value for curve in curves for value in curve.values]
        scale = rate_scale(values) if name == "accuracy" else loss_scale(values)
        axes = add_axes(figure, place[0], _TOP, place[1], _BOTTOM)
        name += ", logarithmic" if scale.logarithmic else ""
        write(figure, (place[0], _TOP - 13), name, 12, INK, "lb")
        _lay_out(axes, records, scale)
        _draw(axes, curves, best.epoch if best else None)
        _name_curves(figure, curves, scale, place[1])
    return figure


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


def _curves(
    records: Sequence[EpochLike],
    training: Callable[[EpochLike], float | None],
    validation: Callable[[EpochLike], float | None],
) -> list[_Curve]:
    """The curves of a quantity that have points, validation on top."""
    curves = []
    for measured, name, color in (
        (training, "training", TRAINING),
        (validation, "validation", VALIDATION),
    ):
        values = ((record.epoch, measured(record)) for record in records)
        points = [(x, tame(y)) for x, y in values if y is not None and math.isfinite(y)]
        if points:
            epochs, numbers = zip(*points, strict=True)
            curves.append(_Curve(name, color, epochs, numbers))
    return curves


# --- a panel ----------------------------------------------------------------------------------


def _lay_out(axes: Axes, records: Sequence[EpochLike], scale: Scale) -> None:
    """Set up the axes: epochs across, values up, a rule for each number."""
    epochs = [record.epoch for record in records] or [1]
    first, last = min(epochs), max(epochs)
    margin = 0.5 if first == last else 0.02 * (last - first)
    axes.set_xlim(first - margin, last + margin)
    if scale.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(scale.low, scale.high)
    axes.set_yticks(scale.ticks, scale.labels)
    axes.yaxis.grid(visible=True, color=PALE, linewidth=1)
    axes.set_axisbelow(True)
    ticks = round_numbers(max(first, 1), max(last, 1), 11, whole=True) or (float(first),)
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.set_xlabel("epoch", color=GRAY, fontsize=10, labelpad=8)


def _draw(axes: Axes, curves: Sequence[_Curve], best: int | None) -> None:
    """Draw the curves, and what marks the best epoch."""
    if best is not None:
        axes.axvline(best, color=GRAY, linewidth=0.8, dashes=(5, 4), zorder=1)
    for curve in curves:
        marker = "o" if len(curve.epochs) <= _FEW else ""
        axes.plot(
            curve.epochs,
            curve.values,
            color=curve.color,
            linewidth=2,
            marker=marker,
            markersize=5,
            solid_capstyle="round",
            solid_joinstyle="round",
            clip_on=False,
        )
    for curve in curves[-1:]:
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            if epoch == best:
                for size, color in ((13.0, "white"), (10.4, curve.color), (4.8, "white")):
                    (dot,) = axes.plot(epoch, value, "o", color=color, markersize=size)
                    dot.set(markeredgewidth=0, clip_on=False, zorder=3)


def _name_curves(figure: Figure, curves: Sequence[_Curve], scale: Scale, right: float) -> None:
    """Write each curve's name where it ends, the names far enough apart to be read."""
    places = [_height(curve.values[-1], scale) for curve in curves]
    if len(places) == 2 and abs(places[0] - places[1]) < _NAME_SIZE + 4:
        middle, apart = sum(places) / 2, (_NAME_SIZE + 4) / 2
        middle = min(middle, _BOTTOM - apart)
        above = places[0] < places[1] or (places[0] == places[1])
        places = [middle - apart, middle + apart] if above else [middle + apart, middle - apart]
    for curve, place in zip(curves, places, strict=True):
        write(figure, (right + 8, place), curve.name, _NAME_SIZE, curve.color, "lm")


def _height(value: float, scale: Scale) -> float:
    """Where a value lies, in points from the top of the sheet."""
    low, high = scale.low, scale.high
    if scale.logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)
