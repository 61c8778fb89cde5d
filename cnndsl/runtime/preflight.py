"""What can be known before training of how it will go, from the first batch and its loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.recipe import Recipe

__all__ = ["LARGEST_INPUT", "first_impressions"]

LARGEST_INPUT = 32.0
"""Prepared inputs are a few units large; raw pictures have values up to 255."""

_FAR = 2.0
"""A first loss of so many times that of guessing: the network is sure before it learns."""


def first_impressions(
    typed: TypedNetwork,
    recipe: Recipe,
    inputs: Mapping[str, NDArray[Any]],
    first_loss: float,
    *,
    fresh: bool,
) -> tuple[str, ...]:
    """What is odd about the first batch and the loss that the network has on it, a line each.

    ``fresh`` says whether the weights were just drawn: those that have learnt may know better.
    """
    return (*_ranges(inputs), *_loss(typed, recipe, first_loss, fresh=fresh))


def _ranges(inputs: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for name, batch in inputs.items():
        if batch.dtype.kind == "i":
            continue  # token ids: how large they are says nothing
        least, most = float(numpy.min(batch)), float(numpy.max(batch))
        if least == most:
            yield f"all numbers of the input `{name}` are {least:g} in the first batch"
        elif max(abs(least), abs(most)) > LARGEST_INPUT:
            yield (
                f"the input `{name}` goes from {least:g} to {most:g}:"
                " raw pictures need `scale 1/255` in the spec's `input`"
            )


def _short(loss: float) -> str:
    return f"{loss:.2f}" if loss < 1e6 else f"{loss:.2g}"


def _loss(typed: TypedNetwork, recipe: Recipe, first: float, *, fresh: bool) -> Iterator[str]:
    """A network that knows nothing has the loss of guessing."""
    if not fresh or recipe.heads or recipe.loss_weight != 1:
        return  # the loss is a sum of several then
    expected, formula = recipe.loss.of_guessing(typed.main_type.channels) or (0.0, "")
    if expected > 0 and first > _FAR * expected:
        yield (
            f"the first loss is {_short(first)}, that of guessing is"
            f" {formula} = {expected:.2f}: the first weights or the inputs are too large"
        )
