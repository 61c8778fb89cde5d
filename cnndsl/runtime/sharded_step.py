"""Turns the graphs of a step in shards into something that trains: alone, or with other workers.

Each shard gives its gradients, its running statistics and what it shows; a tree of additions makes
the batch's of them (:mod:`cnndsl.training.shards`), and the update follows in every worker alike.
What a shard gives lies in one buffer, in the order in which it is made: the graph writes into it,
it is added and sent as a whole, and the update reads it there. A tree over S shards needs as many
buffers at once as it is high, and one for each that is being computed.

On a CPU each shard is computed on one thread: ONNX Runtime divides a product among its threads, and
how it is divided decides the order of its sums. So a worker has all its threads compute shards, as
many at once, and the bits do not depend on how many threads there are either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.limits import processors
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.kept_values import KeptValues
from cnndsl.runtime.session import run_failure
from cnndsl.runtime.shard_session import Buffer, Fed, FirstHalf, Lane, Layout
from cnndsl.runtime.slots import HostMemory, Slot, memory_of, slots_of
from cnndsl.runtime.train_step import StepResult, start_session
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.training.shards import Span, added, covering, shards_of
from cnndsl.training.split import ShardedStep

__all__ = ["Lanes", "PeerError", "ShardedTrainStep"]

_STOP, _FAILED = "stop", "failed"
"""What workers tell each other beside the numbers of a batch."""


class Lanes(NamedTuple):
    """How many shards a worker computes at once, and on how many threads each of them."""

    at_once: int
    threads: int | None
    are_fewer: bool = False
    """Whether there are threads for more."""


class PeerError(Exception):
    """One of the workers could not do its part of a step: none of them has done it."""


class ShardedTrainStep:
    """A network in training, in shards; of these the worker computes its own.

    It is used as a :class:`~cnndsl.runtime.train_step.TrainStep` is, but takes the samples of the
    worker's shards only, which :attr:`samples` says.

    Args:
        step: the graphs.
        weights: the values that its weights begin with, by name; more may be given.
        state: the optimizer's state; as it begins where it is not given.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads the worker may use, by default one for each processor: on a CPU
            as many of several shards are computed at once.
        most: how many shards are computed at once at most, which changes no bit.
        workers: the others; all of them must do the same steps.

    Raises:
        UserError, ValueError: as ``TrainStep`` does.
    """

    device: Device

    def __init__(
        self,
        step: ShardedStep,
        weights: Mapping[str, Array],
        state: Mapping[str, Array] | None = None,
        *,
        device: str = "auto",
        threads: int | None = None,
        most: int | None = None,
        workers: Communicator = ALONE,
    ) -> None:
        self.step = step
        self.device = choose(device)
        self.workers = workers
        self._memory = memory_of(self.device)
        self._whole = (0, step.shards)
        self._own = shards_of(workers.worker.rank, workers.worker.count, step.shards)
        self._nodes = list(covering(self._own, self._whole))
        signature, update = step.signature, step.update.signature
        self.lanes = _lanes_of(step.shards, self._own, self.device, threads, most)
        at_once, each, _ = self.lanes
        halves = {x: FirstHalf(one, self.device, each) for x, one in step.gradients.items()}
        updating = start_session(step.update, self.device, threads, takes_turns=True)

        taken = {**update.weights, **signature.weights}
        self._kept = KeptValues(step.update, taken, self._memory, self.device, weights, state)
        self._names = [*(spec.name for spec in signature.outputs_of("loss", "metric"))]
        layout = Layout(signature.outputs_of("gradient", "share"))
        height = max(_height(node) for node in self._nodes)
        count = len(self._nodes) - 1 + height + at_once
        self._buffers = [Buffer(layout, len(self._names) + 2) for _ in range(count)]
        # What one worker adds alone lies in the first buffer already.
        alone = workers.worker.count == 1
        self._total = self._buffers[0] if alone else Buffer(layout, len(self._names) + 2)
        self._open_lanes(halves)
        self._scalars = slots_of(self._memory, update.inputs_of("rate", "step"))
        self._skips = slots_of(HostMemory(), update.outputs_of("skipped"))
        self._session = updating()
        self._binding = self._bind(self._kept.now, self._kept.next)
        self._other = self._bind(self._kept.next, self._kept.now)

    def _open_lanes(self, halves: Mapping[int, FirstHalf]) -> None:
        """Make what each of the shards that are computed at once is computed with."""
        self._lanes: SimpleQueue[Mapping[int, Lane]] = SimpleQueue()
        for _ in range(self.lanes.at_once):
            self._lanes.put({size: Lane(half, self._memory) for size, half in halves.items()})
        self._pool = (
            ThreadPoolExecutor(self.lanes.at_once, "cnndsl-shard")
            if self.lanes.at_once > 1
            else None
        )

    @property
    def samples(self) -> tuple[int, int]:
        """Which samples of a batch the worker computes: from one, up to but without another."""
        first, end = self._own
        return self.step.shard(first).first, _end(self.step, end - 1)

    def run(
        self,
        inputs: Mapping[str, Array],
        labels: Array | Mapping[str, Array],
        lr: float,
        number: int,
        seed: int,
        *,
        stop: bool = False,
    ) -> StepResult:
        """Do one step with a batch; ``number`` counts the steps done before.

        The inputs and labels are those of the worker's samples. ``stop`` is what one worker asks
        of all: the result says whether any did.

        Raises:
            PeerError: where another worker could not do its part; nothing has changed.
            UserError, ValueError: as ``TrainStep.run`` does.
        """
        fed = Fed(inputs, self.step.signature.by_output(labels), number, seed)
        try:
            parts = self._computed(fed)
        except UserError:
            if self.workers.worker.count > 1:
                with suppress(PeerError):
                    self.fail()
            raise
        parts[self._nodes[0]].flags[:] = [stop, False]
        self._add_all(parts)
        return self._update(lr, number)

    def fail(self) -> None:
        """Tell the others that this worker cannot do its part of a step.

        Raises:
            PeerError: always; in the other workers, :meth:`run` does.
        """
        parts = dict(zip(self._nodes, self._buffers, strict=False))
        for buffer in parts.values():
            buffer.shares[:], buffer.shown[:] = 0, 0
        self._buffers[0].flags[:] = [False, True]
        self._add_all(parts)
        raise PeerError

    # --- shards -------------------------------------------------------------------------------

    def _computed(self, fed: Fed) -> dict[Span, Buffer]:
        """The sums of the worker's own shards, as far as it can add them."""
        # The first shard takes the first buffer, in which what is added to it stays.
        free = deque(self._buffers)
        pending: deque[Future[Buffer]] = deque()
        shards = iter(range(*self._own))

        def leaf() -> Buffer:
            while len(pending) < self.lanes.at_once and (at := next(shards, None)) is not None:
                pending.append(self._begun(at, fed, free.popleft()))
            return pending.popleft().result()

        def add(left: Buffer, right: Buffer) -> Buffer:
            left.add(right)
            free.append(right)
            return left

        try:
            return {
                node: added(node, lambda span: leaf() if span[1] - span[0] == 1 else None, add)
                for node in self._nodes
            }
        finally:
            wait(pending)

    def _begun(self, at: int, fed: Fed, buffer: Buffer) -> Future[Buffer]:
        """Begin to compute a shard."""
        if self._pool is not None:
            return self._pool.submit(self._compute, at, fed, buffer)
        future: Future[Buffer] = Future()
        future.set_result(self._compute(at, fed, buffer))
        return future

    def _compute(self, at: int, fed: Fed, buffer: Buffer) -> Buffer:
        """Put what a shard gives into a buffer."""
        shard = self.step.shard(at)
        begin = shard.first - self.samples[0]
        part = slice(begin, begin + shard.size)
        lane = self._lanes.get()
        try:
            shown = lane[shard.size].run(fed, part, shard.first, self._kept, buffer)
        finally:
            self._lanes.put(lane)
        buffer.shown[:] = [*shown, 0, 0]
        return buffer

    def _add_all(self, parts: Mapping[Span, Buffer]) -> None:
        shares = {node: buffer.shares for node, buffer in parts.items()}
        shown = {node: buffer.shown for node, buffer in parts.items()}
        total = self._total
        self.workers.sum(shares, self._whole, total.shares, (shown, total.shown))

    def _update(self, lr: float, number: int) -> StepResult:
        shown, (stop, failed) = self._total.shown, self._total.flags
        if failed:
            raise PeerError
        self._scalars_fill(lr, number)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            advice = "run `cnndsl selftest` on the spec"
            raise run_failure(error, self.device, "an update", advice) from error
        self._binding, self._other = self._other, self._binding
        self._kept.turn()
        signature = self.step.signature
        found = dict(zip(self._names, shown.tolist(), strict=False))
        metrics = {signature.metrics[of].output: found[name] for name, of in self._metrics()}
        losses = {spec.name: found[spec.name] for spec in signature.outputs_of("loss")}
        skipped = any(slot.array.item() for slot in self._skips.values())
        loss = losses.pop(signature.loss)
        return StepResult(loss, {**losses, **metrics}, skipped, bool(stop))

    def _metrics(self) -> Iterator[tuple[str, str]]:
        return ((spec.name, spec.of) for spec in self.step.signature.outputs_of("metric"))

    def _scalars_fill(self, lr: float, number: int) -> None:
        for spec in self.step.update.signature.inputs_of("rate", "step"):
            self._scalars[spec.name].fill(lr if spec.role == "rate" else number)

    def _bind(self, old: Mapping[str, Slot], new: Mapping[str, Slot]) -> Any:
        signature = self.step.update.signature
        given = {**self._scalars, **old, **self._total.slots}
        binding = self._session.io_binding()
        for spec in signature.inputs:
            binding.bind_ortvalue_input(spec.name, given[spec.name].value)
        for name, slot in self._skips.items():
            binding.bind_ortvalue_output(name, slot.value)
        for name, output in signature.next_names.items():
            binding.bind_ortvalue_output(output, new[name].value)
        return binding

    # --- what there is ------------------------------------------------------------------------

    def weights(self) -> dict[str, Array]:
        """As of a ``TrainStep``."""
        return self._kept.read(self.step.signature.weights)

    def state(self) -> dict[str, Array]:
        """As of a ``TrainStep``."""
        return self._kept.read(self.step.update.signature.state)

    def before(self) -> dict[str, Array]:
        """As of a ``TrainStep``."""
        names = (*self.step.signature.weights, *self.step.update.signature.state)
        return self._kept.read_before(names)

    @property
    def skipped(self) -> int:
        """As of a ``TrainStep``."""
        return self._kept.skipped


def _lanes_of(
    shards: int, own: Span, device: Device, threads: int | None, most: int | None = None
) -> Lanes:
    """How the ``threads`` of a worker compute its ``own`` of all ``shards``, ``most`` at once."""
    if shards == 1 or device.name != "cpu":
        return Lanes(1, threads)
    count = max(1, min(threads or processors(), own[1] - own[0]))
    if most is None or most >= count:
        return Lanes(count, 1)
    return Lanes(most, 1, are_fewer=True)


def _height(span: Span) -> int:
    """How many sums of left halves wait for their right ones at once: the larger half is right."""
    return (span[1] - span[0] - 1).bit_length()


def _end(step: ShardedStep, at: int) -> int:
    shard = step.shard(at)
    return shard.first + shard.size
