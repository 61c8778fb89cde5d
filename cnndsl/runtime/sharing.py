"""Settles how the workers of a run share it: in how many shards, on which devices and threads."""

from __future__ import annotations

from dataclasses import replace

from cnndsl.data.formats.memory import ArrayData
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.checkpoint import choose_checkpoint, stored_fact
from cnndsl.runtime.default_listener import default_listener
from cnndsl.runtime.events import Listener
from cnndsl.runtime.plan import TrainingRequest
from cnndsl.runtime.training import NOBODY, Place, TrainingOptions, says_shards, training_request
from cnndsl.runtime.workers.agreement import agreed, led
from cnndsl.runtime.workers.environment import device_of, joined, threads_each

__all__ = ["requested"]


def requested(
    network: TypedNetwork,
    data: Place | ArrayData,
    listener: Listener | None,
    options: TrainingOptions,
) -> tuple[TrainingRequest, Listener]:
    """What is to be trained by this process, and who is told of it: of several, one tells.

    Raises:
        UserError: as :func:`~cnndsl.runtime.training.training_request` does, in all workers where
            it does in one; CNN879 for more workers than shards.
        TypeError, ValueError: as that does.
    """
    workers = options.get("workers") or joined()
    told = (listener or default_listener()) if workers.worker.leads else NOBODY
    options = {**options, "workers": workers}
    request = agreed(workers, lambda: training_request(network, data, told, options))
    return _shared(request, told, shards_said=says_shards(network, options)), told


def _shared(request: TrainingRequest, listener: Listener, *, shards_said: bool) -> TrainingRequest:
    """A request as the worker that has it carries it out.

    Where nobody has ``shards_said``, there are as many as workers, or as the run has that is to
    go on: it is the same with any number of workers then.
    """
    worker = request.workers.worker
    if not shards_said:
        request = _divided(request, listener)
    if worker.count == 1:
        return request
    recipe = request.network.network.recipe or Recipe()
    if worker.count > recipe.shards:
        parts = count(recipe.shards, "shard")
        fewer = f"{recipe.shards} workers or fewer" if recipe.shards > 1 else "one process"
        raise UserError(
            "CNN879",
            f"{worker.count} workers cannot share {parts}",
            ("the bits of a run depend on its shards, so that workers do not add any",),
            f"take {fewer}, or begin another run with `--set train.shards={worker.count}`",
        )
    threads = request.threads or threads_each(request.workers)
    return replace(request, device=device_of(request.device, worker), threads=threads)


def _divided(request: TrainingRequest, listener: Listener) -> TrainingRequest:
    """The same with as many shards as there are workers, or as the run has that is to go on."""
    worker = request.workers.worker
    stored = led(request.workers, lambda: _stored(request)) if request.resume else None
    shards = worker.count if stored is None else stored
    if shards == 1:
        return request
    if stored is None:
        listener.note(
            f"the recipe says nothing of shards: there are {shards}, one for each worker, and"
            f" `shards {shards}` is in the run's spec"
        )
    return replace(request, network=override(request.network, [f"train.shards={shards}"]))


def _stored(request: TrainingRequest) -> int | None:
    """The shards of the run that is to go on; None where there is none yet."""
    path = choose_checkpoint(request.folder / "checkpoints", request.resume)
    if path is None:
        return None
    found = stored_fact(path, "train.shards")
    return found if isinstance(found, int) else 1
