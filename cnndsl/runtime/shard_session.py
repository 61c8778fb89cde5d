"""What a shard is computed with: the graph's session, and the buffer for all that it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy

from cnndsl.data.sources import Array
from cnndsl.runtime.device import Device
from cnndsl.runtime.kept_values import KeptValues
from cnndsl.runtime.session import run_failure
from cnndsl.runtime.slots import ALIGNMENT, HostMemory, Slot, aligned, slots_of
from cnndsl.runtime.train_step import start_session
from cnndsl.training.handover import as_made
from cnndsl.training.signature import TensorSpec
from cnndsl.training.split import GradientStep

__all__ = ["Buffer", "Fed", "FirstHalf", "Lane", "Layout"]


class Fed(NamedTuple):
    """What a step is given: the worker's samples and their labels, by the inputs and outputs."""

    inputs: Mapping[str, Array]
    answers: Mapping[str, Array]
    number: int
    seed: int


class Layout:
    """Where tensors lie in a buffer of float32: each at the beginning of a cache line."""

    def __init__(self, specs: tuple[TensorSpec, ...]) -> None:
        self.places: dict[str, tuple[int, tuple[int, ...]]] = {}
        line, self.size = ALIGNMENT // 4, 0
        for spec in specs:
            self.places[spec.name] = self.size, spec.dims
            self.size += -(-spec.elements // line) * line


class Buffer:
    """What a shard gives, or several together: ``shares`` as a whole and as ``slots``.

    ``shown`` are loss and metrics, and behind them ``flags``.
    """

    def __init__(self, layout: Layout, shown: int) -> None:
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

    def add(self, other: Buffer) -> None:
        """Add another one to it."""
        numpy.add(self.shares, other.shares, out=self.shares)
        numpy.add(self.shown, other.shown, out=self.shown)


class FirstHalf:
    """The first half of a step for shards of one size: a session, which is being started."""

    def __init__(self, step: GradientStep, device: Device, threads: int | None) -> None:
        self.signature = step.signature
        self.device = device
        form, self.shapes = as_made(step)
        self._starting = start_session(form, device, threads, takes_turns=True)

    @property
    def session(self) -> Any:
        """The session, once it has started."""
        return self._starting()


class Lane:
    """What one of the shards that are computed at once is computed with: its inputs, its results.

    Args:
        half: the first half for the size of the shard.
        memory: where the device's tensors are.
    """

    def __init__(self, half: FirstHalf, memory: Any) -> None:
        self._half, self._session = half, half.session
        signature = half.signature
        fed = signature.inputs_of("sample", "labels", "first", "step", "seed")
        self._slots = slots_of(memory, fed)
        self._labels = {of: spec.name for of, spec in signature.labels.items()}
        self._results = slots_of(HostMemory(), signature.outputs_of("loss", "metric"))
        self._bindings: dict[tuple[int, int], Any] = {}

    def run(
        self,
        fed: Fed,
        part: slice,
        first: int,
        kept: KeptValues,
        buffer: Buffer,
    ) -> list[float]:
        """Compute what a shard gives, into a buffer, with the weights as they are now.

        The shard has ``part`` of the worker's samples; ``first`` is the place of its first one in
        the batch. Loss and metrics are given back.

        Raises:
            UserError: CNN703 where ONNX Runtime cannot.
        """
        self._fill(fed, part, first)
        key = id(kept.now), id(buffer)
        if key not in self._bindings:
            self._bindings[key] = self._bind({**kept.fixed, **kept.now, **self._slots}, buffer)
        try:
            self._session.run_with_iobinding(self._bindings[key])
        except Exception as error:
            advice = "run `cnndsl selftest` on the spec"
            raise run_failure(error, self._half.device, "a training step", advice) from error
        return [slot.array.item() for slot in self._results.values()]

    def _fill(self, fed: Fed, part: slice, first: int) -> None:
        signature = self._half.signature
        for name in signature.samples:
            self._slots[name].fill(fed.inputs[name][part])
        for of, name in self._labels.items():
            self._slots[name].fill(fed.answers[of][part])
        scalars = {"first": first, "step": fed.number, "seed": fed.seed}
        for spec in signature.inputs_of("first", "step", "seed"):
            self._slots[spec.name].fill(scalars[spec.role])

    def _bind(self, given: Mapping[str, Slot], buffer: Buffer) -> Any:
        binding = self._session.io_binding()
        for spec in self._half.signature.inputs:
            binding.bind_ortvalue_input(spec.name, given[spec.name].value)
        for spec in self._half.signature.outputs:
            shape = self._half.shapes.get(spec.name)
            slot = self._results.get(spec.name) or buffer.slot(spec.name, shape)
            binding.bind_ortvalue_output(spec.name, slot.value)
        return binding
