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
    if request.workers.worker.count == 1:
        return step_of(request, **form_for(request, device))
    choices = led(
        request.workers, lambda: choices_of(step_of(request, **form_for(request, device)).host)
    )
    return step_of(request, **form_by(choices, device))
