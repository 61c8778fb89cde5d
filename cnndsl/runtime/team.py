"""Does the steps of a run: alone, or as one of several workers that share every batch.

All workers do the same steps with the same weights; each reads and computes its part of a batch,
and one of them leads: it alone writes. Where one cannot go on, all hear of it before the next step
and end with the same error, so that nobody waits for one that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from cnndsl.analysis.memory import training_memories
from cnndsl.data.loader import Batch, epoch_order, feed
from cnndsl.data.samples import Dataset
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.runtime.checkpoint import Checkpoint
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import Evaluator
from cnndsl.runtime.interrupt import Interrupt
from cnndsl.runtime.plan import Plan
from cnndsl.runtime.sharded_step import Lanes, PeerError, ShardedTrainStep
from cnndsl.runtime.train_step import StepResult, TrainStep
from cnndsl.runtime.workers.agreement import agree
from cnndsl.runtime.workers.quota import memory_left
from cnndsl.training.split import ShardedStep

__all__ = ["DataError", "Team"]

_EVALUATED = 64
"""Samples in a batch of evaluation, at least."""


class DataError(Exception):
    """Data that one of the workers cannot read, as ``told`` says."""

    def __init__(self, told: UserError) -> None:
        super().__init__(told)
        self.told = told


_WORKING = 3
"""What a shard takes beside its sum of gradients, as a multiple of the activations that it saves.

Gradients are on their way, and convolutions need room. Measured, on one thread: MobileNetV2 1.4,
ResNet-18 1.8, LeNet-5 2.8, AlexNet 2.9.
"""


def _room_for(plan: Plan) -> int:
    """How many shards this worker's part of the memory has room for at once, at least one."""
    workers = plan.request.workers
    hosts = workers.gather(workers.worker.host)
    memory = training_memories(plan.request.network, plan.recipe)
    one_sum = memory(plan.batch, 1).gradients
    each = one_sum + _WORKING * memory(plan.batch, plan.recipe.shards).activations
    left = memory_left() / hosts.count(workers.worker.host)
    return max(1, int(min(left / max(1, each), plan.recipe.shards)))


class Team:
    """A worker and, as far as there are any, the others.

    ``lanes`` are how many things it computes at once, and on how many threads each of them;
    ``note`` says where memory has room for fewer than there are threads for.

    Args:
        plan: of the run.
        start: where the run begins.
        stop: whether this worker is asked to end the run.

    Raises:
        UserError, ValueError: as ``TrainStep`` does.
    """

    def __init__(self, plan: Plan, start: Checkpoint, stop: Interrupt) -> None:
        self._plan = plan
        self._stop = stop
        self._workers = plan.request.workers
        self._is_alone = self._workers.worker.count == 1
        self._late: UserError | None = None
        threads = plan.request.threads
        self.note = ""
        self.train_step: TrainStep | ShardedTrainStep
        if isinstance(plan.step, ShardedStep):
            most = _room_for(plan)
            self.train_step = ShardedTrainStep(
                plan.step,
                start.weights,
                start.state,
                device=plan.device,
                threads=threads,
                most=most,
                workers=self._workers,
            )
            self._part, self.lanes = self.train_step.samples, self.train_step.lanes
            if self.lanes.are_fewer:
                shards = count(most, "shard")
                self.note = f"memory has room for {shards} at once, of {plan.step.shards}"
        else:
            self.train_step = TrainStep(
                plan.step, start.weights, start.state, device=plan.device, threads=threads
            )
            self._part, self.lanes = (0, plan.batch), Lanes(1, threads)

    # --- steps --------------------------------------------------------------------------------

    def batches(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        """The worker's part of the batches of an epoch, from one of them on."""
        plan, (first, end) = self._plan, self._part
        order = epoch_order(len(plan.request.data), plan.recipe.seed, epoch)
        if end - first < plan.batch:
            whole = order[: plan.steps * plan.batch].reshape(plan.steps, plan.batch)
            order = whole[:, first:end].reshape(-1)
        return feed(
            plan.request.data,
            order,
            end - first,
            labels=plan.labels_in(epoch),
            augment=plan.augment,
            epoch=epoch,
            start=start,
        )

    def step(self, batches: Iterator[Batch], lr: float, number: int) -> tuple[Batch, StepResult]:
        """Do one step; ``number`` counts those before. The batch is what there is to look at.

        Raises:
            DataError: where a worker's data cannot be read.
            UserError: where a worker, or what the one that leads has written, fails.
        """
        seed = self._plan.recipe.seed
        batch = self._next(batches)
        if isinstance(self.train_step, TrainStep) or self._is_alone:
            result = self.train_step.run(batch.inputs, batch.labels, lr, number, seed)
            return self._seen(batch), result
        try:
            result = self.train_step.run(
                batch.inputs, batch.labels, lr, number, seed, stop=self._stop.wanted
            )
        except PeerError:
            raise self._told(None, of_data=False) from None
        except UserError as error:
            raise self._told(error, of_data=False) from error
        return self._seen(batch), result

    def _next(self, batches: Iterator[Batch]) -> Batch:
        """The next batch, if nothing is in the way of any worker's."""
        if self._late is not None:
            raise self._failed(self._late, of_data=False)
        try:
            return next(batches)
        except UserError as error:
            if self._is_alone:
                raise DataError(error) from error
            raise self._failed(error, of_data=True) from error

    def _failed(self, error: UserError, *, of_data: bool) -> Exception:
        """Keep the others from a step that this worker cannot do."""
        assert isinstance(self.train_step, ShardedTrainStep)
        with suppress(PeerError):
            self.train_step.fail()
        return self._told(error, of_data=of_data)

    def _told(self, error: UserError | None, *, of_data: bool) -> Exception:
        """What has kept all workers from a step, the same in each of them."""
        kinds = self._workers.gather(error is not None and of_data)
        try:
            agree(self._workers, error)
        except UserError as told:
            return DataError(told) if any(kinds) else told
        raise AssertionError("a worker failed, and none says why")

    def _seen(self, batch: Batch) -> Batch:
        """What of a batch is looked into: its first shard, which the leading worker has."""
        size = self._plan.shown
        if len(batch.indices) == size:
            return batch
        labels = batch.labels
        return Batch(
            {name: array[:size] for name, array in batch.inputs.items()},
            {of: one[:size] for of, one in labels.items()}
            if isinstance(labels, dict)
            else labels[:size],
            batch.indices[:size],
        )

    def ends(self, result: StepResult) -> bool:
        """Whether somebody wants the run to end behind a step."""
        return self._stop.wanted if self._is_alone else result.stop

    # --- what one of them does ----------------------------------------------------------------

    def lead(self, work: Callable[[], None]) -> None:
        """Let the worker that leads do something; the others hear of its errors at the next step.

        Raises:
            UserError: what ``work`` raises, where there are no others.
        """
        if not self._workers.worker.leads:
            return
        try:
            work()
        except UserError as error:
            if self._is_alone:
                raise
            self._late = self._late or error

    def settle(self) -> None:
        """Hear of what has failed since the last step.

        Raises:
            UserError: that, in every worker.
        """
        agree(self._workers, self._late)

    # --- evaluation ---------------------------------------------------------------------------

    def evaluate(
        self, evaluator: Evaluator, dataset: Dataset, stop: Callable[[], bool]
    ) -> Evaluation:
        """How good the weights are, for each worker.

        Raises:
            Stopped: in every worker, where the one that leads is asked to stop.
            UserError: in every worker, where one fails.
        """
        size = max(self._plan.batch, _EVALUATED)
        return evaluator.run(dataset, batch=size, stop=stop, workers=self._workers)
