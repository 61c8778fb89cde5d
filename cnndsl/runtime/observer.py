"""Turns what a run meets on its way into notes for whoever trains, and into its last error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cnndsl.data.loader import Batch, not_finite_error
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import not_finite
from cnndsl.runtime.diagnosis import (
    DivergedError,
    Examiner,
    diverged,
    overflowed,
    unhealthy,
)
from cnndsl.runtime.events import Listener
from cnndsl.runtime.plan import Plan
from cnndsl.runtime.preflight import first_impressions
from cnndsl.runtime.train_step import StepResult

__all__ = ["Observer"]

_SKIPPED = 30
"""After so many steps in a row that were skipped, a loss scale of 65536 is 6e-5."""


class Observer:
    """Whoever watches over a run; ``step`` counts an epoch's steps from 1."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self._plan = plan
        self._listener = listener
        self._noted: set[str] = set()
        self._skipped = 0
        request = plan.request
        self._examiner = Examiner(
            request.network, plan.recipe, plan.shown, plan.device, request.threads
        )

    def first(self, batch: Batch, loss: float) -> None:
        """Note what is odd about the first batch and the loss on it."""
        request = self._plan.request
        fresh = request.weights is None
        for note in first_impressions(
            request.network, self._plan.recipe, batch.inputs, loss, fresh=fresh
        ):
            self._listener.note(note)

    def stepped(self, result: StepResult, epoch: int, step: int) -> None:
        """Raise CNN805 where so many steps in a row were skipped that no scale will do."""
        self._skipped = self._skipped + 1 if result.skipped else 0
        if self._skipped >= _SKIPPED:
            raise overflowed(epoch, step, self._skipped)

    def look(
        self, batch: Batch, values: Mapping[str, Array], lr: float, number: int, epoch: int
    ) -> None:
        """Note what does not learn well, once for each place.

        That is done after epoch 1, 2, 4, 8 and so on: it is a step of a graph with more outputs.
        """
        if not self._plan.request.examine or epoch & (epoch - 1):
            return
        for note in unhealthy(self._examiner.examine(values, batch, lr, number)):
            kind = re.sub(r"[0-9][0-9.e%+-]*", "", note)
            if kind not in self._noted:
                self._noted.add(kind)
                self._listener.note(note)

    def divergence(
        self,
        batch: Batch,
        values: Mapping[str, Array],
        lr: float,
        number: int,
        loss: float,
        place: tuple[int, int],
    ) -> UserError:
        """Why the loss is no number; ``values`` are weights and state before, ``place`` where."""
        if error := not_finite_error(self._plan.request.data, batch):
            return error
        measured = self._examiner.examine(values, batch, lr, number)
        return diverged(measured, loss, *place, low=self._plan.recipe.precision)

    def check(self, weights: Mapping[str, Array], epoch: int) -> None:
        """Raise CNN805 where a weight is no number any more."""
        if broken := not_finite(weights):
            raise self.no_number(f"the weight `{broken[0]}` has numbers that are not finite", epoch)

    def no_number(self, what: str, epoch: int) -> UserError:
        """The error of a run whose loss was still a number in its last step."""
        return DivergedError(
            "CNN805",
            f"training diverged in epoch {epoch}: {what}",
            help="use a smaller `lr`, a `warmup`, or `clip 1`",
        )
