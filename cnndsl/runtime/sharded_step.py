"""Turns the graphs of a step in shards into something that trains: alone, or with other workers.

Each shard gives its gradients, its running statistics and what it shows; a tree of additions makes
the batch's of them (:mod:`cnndsl.training.shards`), and the update follows in every worker alike.
What a shard gives lies in one buffer, in the order in which it is made: the graph writes into it,
it is added and sent as a whole, and the update reads it there. A tree over S shards needs as many
buffers at once as it is high, and one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy

from cnndsl.data.sources import Array
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.session import run_failure
from cnndsl.runtime.slots import ALIGNMENT, HostMemory, Slot, aligned, memory_of, slots_of
from cnndsl.runtime.train_step import StepResult, beginning, start_session, twofold
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.training.handover import as_made
from cnndsl.training.shards import Span, covering, shards_of
from cnndsl.training.signature import SKIPPED
from cnndsl.training.split import GradientStep, ShardedStep

__all__ = ["PeerError", "ShardedTrainStep"]

_STOP, _FAILED = "stop", "failed"
"""What workers tell each other beside the numbers of a batch."""


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
        threads: how many threads one operator may use; by default ONNX Runtime decides.
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
        halves = [_Half(size, one, self.device, threads) for size, one in step.gradients.items()]
        updating = start_session(step.update, self.device, threads, takes_turns=True)

        given = beginning({**update.weights, **signature.weights}, update, weights, state)
        self._place(given)
        self._names = [*(spec.name for spec in signature.outputs_of("loss", "metric"))]
        layout = _Layout(signature.outputs_of("gradient", "share"))
        count = max(at + 1 + _height(node) for at, node in enumerate(self._nodes))
        self._buffers = [_Buffer(layout, len(self._names) + 2) for _ in range(count)]
        # What one worker adds alone lies in the first buffer already.
        alone = workers.worker.count == 1
        self._total = self._buffers[0] if alone else _Buffer(layout, len(self._names) + 2)
        self._halves = {half.size: half.started(self._memory) for half in halves}
        self._scalars = slots_of(self._memory, update.inputs_of("rate", "step"))
        self._skips = slots_of(HostMemory(), update.outputs_of("skipped"))
        self._session = updating()
        self._binding = self._bind(self._now, self._next)
        self._other = self._bind(self._next, self._now)

    def _place(self, given: Mapping[str, Array]) -> None:
        """Put weights and state where they are computed with: what changes, there twice."""
        update = self.step.update
        slots = {name: self._memory.slot(array) for name, array in given.items()}
        self._now = {name: slots.pop(name) for name in update.signature.next_names}
        self._fixed = slots
        dims = {spec.name: spec.dims for spec in update.signature.inputs}
        others = {n: self._memory.room(dims[n]) for n in twofold(update, self.device)}
        self._next = self._now | others

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
        answers = self.step.signature.by_output(labels)
        for at, node in enumerate(self._nodes):
            self._compute(node, at, inputs, answers, number, seed)
        flags = self._buffers[0].flags
        flags[:] = [stop, False]
        self._add_all()
        return self._update(lr, number)

    def fail(self) -> None:
        """Tell the others that this worker cannot do its part of a step.

        Raises:
            PeerError: always; in the other workers, :meth:`run` does.
        """
        for buffer in self._buffers[: len(self._nodes)]:
            buffer.shares[:], buffer.shown[:] = 0, 0
        self._buffers[0].flags[:] = [False, True]
        self._add_all()
        raise PeerError

    # --- shards -------------------------------------------------------------------------------

    def _compute(
        self,
        span: Span,
        place: int,
        inputs: Mapping[str, Array],
        answers: Mapping[str, Array],
        number: int,
        seed: int,
    ) -> None:
        """Put the sum of some shards into a buffer; those behind it are for its right halves."""
        first, end = span
        buffer = self._buffers[place]
        if end - first > 1:
            middle = (first + end) // 2
            self._compute((first, middle), place, inputs, answers, number, seed)
            self._compute((middle, end), place + 1, inputs, answers, number, seed)
            buffer.add(self._buffers[place + 1])
            return
        shard = self.step.shard(first)
        begin = shard.first - self.samples[0]
        part = slice(begin, begin + shard.size)
        half = self._halves[shard.size]
        half.fill(
            {name: inputs[name][part] for name in half.samples},
            {of: answers[of][part] for of in half.labels},
            shard.first,
            number,
            seed,
        )
        half.run(self._now, self._fixed, buffer, self.device)
        buffer.shown[:] = [half.results[name].array.item() for name in self._names] + [0, 0]

    def _add_all(self) -> None:
        for pick in ("shares", "shown"):
            parts = {node: getattr(self._buffers[at], pick) for at, node in enumerate(self._nodes)}
            self.workers.sum(parts, self._whole, getattr(self._total, pick))

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
        self._now, self._next = self._next, self._now
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
        return self._read(self._now, self.step.signature.weights)

    def state(self) -> dict[str, Array]:
        """As of a ``TrainStep``."""
        return self._read(self._now, self.step.update.signature.state)

    def before(self) -> dict[str, Array]:
        """As of a ``TrainStep``."""
        names = (*self.step.signature.weights, *self.step.update.signature.state)
        return self._read(self._next, dict.fromkeys(names, ()))

    @property
    def skipped(self) -> int:
        """As of a ``TrainStep``."""
        slot = self._now.get(SKIPPED)
        return 0 if slot is None else int(slot.read())

    def _read(self, changing: Mapping[str, Slot], names: Mapping[str, Any]) -> dict[str, Array]:
        return {name: (self._fixed.get(name) or changing[name]).read() for name in names}


def _height(span: Span) -> int:
    """How many buffers a node needs for its right halves: the larger half lies on the right."""
    return (span[1] - span[0] - 1).bit_length()


def _end(step: ShardedStep, at: int) -> int:
    shard = step.shard(at)
    return shard.first + shard.size


# --- buffers ----------------------------------------------------------------------------------


class _Layout:
    """Where tensors lie in a buffer of float32: each at the beginning of a cache line."""

    def __init__(self, specs: tuple[Any, ...]) -> None:
        self.places: dict[str, tuple[int, tuple[int, ...]]] = {}
        line, self.size = ALIGNMENT // 4, 0
        for spec in specs:
            self.places[spec.name] = self.size, spec.dims
            self.size += -(-spec.elements // line) * line


class _Buffer:
    """What a shard gives, or several together: ``shares`` as a whole and as ``slots``.

    ``shown`` are loss and metrics, and behind them ``flags``.
    """

    def __init__(self, layout: _Layout, shown: int) -> None:
        self.shares = aligned((layout.size,), numpy.dtype(numpy.float32))
        self.shares[...] = 0  # what is between the slots is added too
        self.shown = numpy.zeros(shown)
        self.flags = self.shown[-2:]
        self._layout = layout
        self.slots = {name: self.slot(name) for name in layout.places}

    def slot(self, name: str, shape: tuple[int, ...] | None = None) -> Slot:
        """The slot of a tensor, in a shape of its own if that is given."""
        first, dims = self._layout.places[name]
        view = self.shares[first : first + math.prod(dims)]
        return HostMemory().over(view.reshape(dims if shape is None else shape))

    def add(self, other: _Buffer) -> None:
        """Add another one to it."""
        numpy.add(self.shares, other.shares, out=self.shares)
        numpy.add(self.shown, other.shown, out=self.shown)


class _Half:
    """The first half of a step for shards of one size: its session, and what it takes and gives."""

    def __init__(self, size: int, step: GradientStep, device: Device, threads: int | None) -> None:
        self.size = size
        self._signature = signature = step.signature
        form, self._shapes = as_made(step)
        self._starting = start_session(form, device, threads, takes_turns=True)
        self.samples = list(signature.samples)
        self.labels = {of: spec.name for of, spec in signature.labels.items()}
        self.results = slots_of(HostMemory(), signature.outputs_of("loss", "metric"))
        self._bindings: dict[tuple[int, int], Any] = {}

    def started(self, memory: Any) -> Self:
        """Itself, once its session has started and it has a place for what it takes."""
        fed = self._signature.inputs_of("sample", "labels", "first", "step", "seed")
        self._slots = slots_of(memory, fed)
        self._session = self._starting()
        return self

    def fill(
        self,
        samples: Mapping[str, Array],
        answers: Mapping[str, Array],
        first: int,
        number: int,
        seed: int,
    ) -> None:
        """Take the samples of a shard."""
        for name, array in samples.items():
            self._slots[name].fill(array)
        for of, array in answers.items():
            self._slots[self.labels[of]].fill(array)
        scalars = {"first": first, "step": number, "seed": seed}
        for spec in self._signature.inputs_of("first", "step", "seed"):
            self._slots[spec.name].fill(scalars[spec.role])

    def run(
        self,
        now: Mapping[str, Slot],
        fixed: Mapping[str, Slot],
        buffer: _Buffer,
        device: Device,
    ) -> None:
        """Compute what the shard gives, into a buffer."""
        key = id(now), id(buffer)
        if key not in self._bindings:
            self._bindings[key] = self._bind({**fixed, **now, **self._slots}, buffer)
        try:
            self._session.run_with_iobinding(self._bindings[key])
        except Exception as error:
            advice = "run `cnndsl selftest` on the spec"
            raise run_failure(error, device, "a training step", advice) from error

    def _bind(self, given: Mapping[str, Slot], buffer: _Buffer) -> Any:
        binding = self._session.io_binding()
        for spec in self._signature.inputs:
            binding.bind_ortvalue_input(spec.name, given[spec.name].value)
        for spec in self._signature.outputs:
            slot = self.results.get(spec.name) or buffer.slot(
                spec.name, self._shapes.get(spec.name)
            )
            binding.bind_ortvalue_output(spec.name, slot.value)
        return binding
