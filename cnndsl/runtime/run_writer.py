"""Writes what a run comes to into its folder; of several workers one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cnndsl.data.sources import Array
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.lower import network_weights
from cnndsl.runtime.checkpoint import Checkpoint, Position, write_checkpoint
from cnndsl.runtime.plan import Plan
from cnndsl.runtime.run_folder import RunFolder
from cnndsl.runtime.tuning import keep_choices

__all__ = ["RunWriter"]


class RunWriter:
    """What a run writes; without a ``folder`` all of it is left to another worker."""

    def __init__(self, plan: Plan, folder: RunFolder | None) -> None:
        self._plan = plan
        self._folder = folder

    def write_beginning(self) -> None:
        """What is known before the first step."""
        if self._folder is None:
            return
        self._folder.write_text("spec.cnn", self._plan.model.manifest.spec)
        request = self._plan.request
        if request.command:
            self._folder.add_command(request.command, anew=not request.resume)
        keep_choices(self._folder.path, self._plan.step.host, anew=not request.resume)

    def write_best(self, weights: Mapping[str, Array]) -> None:
        """The best weights so far, and the model with them."""
        self.write_weights("best", weights)
        if self._folder is not None:
            self._folder.write_model(self.model(weights))

    def write_weights(self, name: str, weights: Mapping[str, Array]) -> None:
        """Weights under a name."""
        if self._folder is not None:
            self._folder.write_weights(name, weights, self._plan.model.manifest)

    def write_checkpoint(
        self,
        at: Position,
        weights: Mapping[str, Array],
        state: Mapping[str, Array],
        best: Mapping[str, Array] | None,
    ) -> None:
        """Where the run is, so that it can go on from there.

        Raises:
            UserError: CNN603 where it cannot be written.
        """
        if self._folder is not None:
            plan = self._plan
            whole = Checkpoint(plan.fingerprint, plan.environment, at, weights, state, best)
            write_checkpoint(self._folder.checkpoints, whole, plan.request.keep)

    def model(self, weights: Mapping[str, Array]) -> Artifact:
        """The inference model, which has no part for heads that only training has."""
        names = network_weights(self._plan.request.network)
        return replace(self._plan.model, weights={name: weights[name] for name in names})
