"""Builds the step of a run for the machine that it runs on; of several workers, one chooses."""

from __future__ import annotations

from cnndsl.runtime.plan import TrainingRequest, step_of
from cnndsl.runtime.tuning import choices_of, form_by, form_for
from cnndsl.runtime.workers.agreement import led
from cnndsl.training.split import ShardedStep
from cnndsl.training.step import Step

__all__ = ["step_on"]


def step_on(request: TrainingRequest, device: str) -> Step | ShardedStep:
    """The step of a run on a device.

    Forms of convolutions that are timed, or were by the run that goes on, are those of the worker
    that leads: others would time them otherwise, and compute other bits.

    Raises:
        UserError: as ``build_step`` and ``build_shards`` do.
    """
    built: list[Step | ShardedStep] = []

    def chosen() -> dict[str, bool] | None:
        built.append(step_of(request, **form_for(request, device)))
        return choices_of(built[0].host)

    choices = led(request.workers, chosen)
    return built[0] if built else step_of(request, **form_by(choices, device))
