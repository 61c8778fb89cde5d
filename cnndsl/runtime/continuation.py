"""Turns a checkpoint into the point where a run goes on whose request may have changed since.

Most changes make another run. A few are legitimate: how long the run goes on, and, where data that
cannot be read has stopped it, the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.checkpoint import Checkpoint, Position
from cnndsl.runtime.fingerprint import TRAINING_DATA, VALIDATION_DATA
from cnndsl.training.schedules import Patience

__all__ = ["Continuation", "allowed_changes", "continued"]

_LENGTH = frozenset({"train.epochs", "train.early_stop", "train.schedule.patience"})
"""Settings that say how long a run goes on, or when it does something: none changes the past."""

_NEVER = 2**62
"""A patience that nothing exhausts."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where a run goes on, and what whoever trains should know of it, a line each."""

    position: Position
    notes: tuple[str, ...]


def allowed_changes(found: Checkpoint, *, all_samples: bool) -> frozenset[str]:
    """The facts of a run's identity that may be others now than in its checkpoint.

    ``all_samples`` says that a batch is all samples there are, fewer than the recipe asks for.
    """
    if not found.position.stopped_by_data:
        return _LENGTH
    batch = {"train.batch"} if all_samples else set()
    return _LENGTH | {TRAINING_DATA, VALIDATION_DATA} | batch


def continued(
    found: Checkpoint, wanted: Mapping[str, Any], recipe: Recipe, *, divided: bool
) -> Continuation:
    """Where the run of a checkpoint goes on with the identity that is wanted now.

    Nothing changed is the same position. ``divided`` says that the validation data is a share of
    the training data.
    """
    changes = {
        name: (found.fingerprint.get(name), value)
        for name, value in wanted.items()
        if found.fingerprint.get(name) != value
    }
    position = _patient(found.position, changes, recipe)
    if changes.keys() & {TRAINING_DATA, "train.batch"}:
        # The order of the samples is another one, and steps that are done are not in it.
        position = replace(position, step=0, loss=0.0, metrics={})
    notes = (*_notes(changes, recipe), *_data_notes(changes, position, divided=divided))
    return Continuation(position, (*notes, *_end_notes(position, recipe)))


def _patient(at: Position, changes: dict[str, tuple[Any, Any]], recipe: Recipe) -> Position:
    """The same position, where the patience with it is as the recipe says now."""
    before, now = changes.get("train.epochs", (None, None))
    at = replace(at, stopped_by_data=False)
    if isinstance(before, int) and now > before and at.early_stop.drops:
        # It stopped early, and is asked to go on nevertheless.
        return replace(at, early_stop=Patience(at.early_stop.best), over=False)
    if "train.early_stop" not in changes:
        return at
    if recipe.early_stop is None:
        return replace(at, early_stop=Patience(), over=False)
    # What the patience would be, had it been that from the start and not been exhausted yet.
    patience = Patience()
    for record in at.records:
        judged = record.loss if record.valid_loss is None else record.valid_loss
        patience = patience.after(judged, _NEVER)
    over = patience.stalled >= recipe.early_stop
    if over:
        patience = Patience(patience.best, 0, 1)
    return replace(at, early_stop=patience, over=over and at.epoch < recipe.epochs)


def _notes(changes: dict[str, tuple[Any, Any]], recipe: Recipe) -> Iterator[str]:
    for name in sorted(changes.keys() - {TRAINING_DATA, VALIDATION_DATA}):
        before, now = ("not there" if value is None else value for value in changes[name])
        yield f"{name} was {before} before, and is {now} now"
    if "train.epochs" in changes and recipe.schedule.to_the_end:
        yield (
            f"`schedule {recipe.schedule.keyword}` goes to the last epoch: from here on the"
            " learning rate is another one than it would have been"
        )


def _data_notes(
    changes: dict[str, tuple[Any, Any]], at: Position, *, divided: bool
) -> Iterator[str]:
    if TRAINING_DATA in changes:
        yield (
            "the training data is not what it was when the run stopped:"
            f" epoch {at.epoch + 1} begins anew with it"
        )
        if divided:
            yield (
                "where samples were added or taken away, some that were trained with may be among"
                " those kept aside now"
            )
    elif VALIDATION_DATA in changes:
        yield "the validation data is not what it was when the run stopped"


def _end_notes(at: Position, recipe: Recipe) -> Iterator[str]:
    """How a run goes on that is over."""
    if at.over:
        yield (
            f"the run has stopped early, after epoch {at.epoch}: a larger `train.early_stop` or"
            " more `--epochs` let it go on"
        )
    elif at.epoch >= recipe.epochs:
        yield f"all {recipe.epochs} epochs are done: more `--epochs` let it go on"
