"""Turns a training step's graph into something that trains: batches in, losses out.

Weights, buffers and the optimizer's state live on the device in two copies. A step reads one and
writes the other, the next step the other way round: two prebuilt bindings take turns. Reading and
writing one buffer would be wrong without a word, since ONNX Runtime may run the update of a weight
before the last node that needs the old value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import library
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.session import run_failure, started
from cnndsl.runtime.start import TRAINING
from cnndsl.training.step import Step

__all__ = ["StepResult", "TrainStep", "aligned"]

_ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector of a CPU."""


class StepResult(NamedTuple):
    """What a step says of its batch: the mean loss, and what the step's metric comes to."""

    loss: float
    metric: float


class TrainStep:
    """A network in training.

    Args:
        step: the training step.
        weights: the values that its weights begin with, by name; more may be given.
        state: the optimizer's state; zero where it is not given.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.

    No array that is given is kept or changed.

    Raises:
        UserError: CNN701 for a device that does not work or cannot run all of the step, CNN705
            where there is no ONNX Runtime.
        ValueError: for a weight or state of another shape than the step's.
    """

    device: Device
    """Where it runs and why there."""

    def __init__(
        self,
        step: Step,
        weights: Mapping[str, Array],
        state: Mapping[str, Array] | None = None,
        *,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.step = step
        self.device = choose(device)
        self._memory = _Host() if self.device.name == "cpu" else _Gpu(self.device.index)
        self._session = _start(step, self.device, threads)
        self._inputs = {
            name: self._memory.slot(numpy.zeros(dims, numpy.float32))
            for name, dims in step.inputs.items()
        }
        self._labels = self._memory.slot(numpy.zeros(step.labels.dims, step.labels.dtype))
        self._rate = self._memory.slot(numpy.zeros((), numpy.float32))
        self._number = self._memory.slot(numpy.zeros((), numpy.int64))
        self._seed = self._memory.slot(numpy.zeros((), numpy.int64))
        # The results come to the host wherever the step runs.
        host = _Host()
        self._loss = host.slot(numpy.zeros((), numpy.float32))
        whole = step.metric.measure == "accuracy"
        self._metric = host.slot(numpy.zeros((), numpy.int64 if whole else numpy.float32))

        changing = {name: step.weights[name] for name in step.updated} | dict(step.state)
        given = {name: weights[name] for name in step.weights}
        # All zeros of a state are one zero, stretched: nothing is held beside the slots.
        zero = numpy.zeros((), numpy.float32)
        zeros = {name: numpy.broadcast_to(zero, dims) for name, dims in step.state.items()}
        given |= zeros if state is None else {name: state[name] for name in step.state}
        for name, dims in (*step.weights.items(), *step.state.items()):
            if given[name].shape != dims:
                raise ValueError(f"`{name}` is {given[name].shape}, not {dims}")
        self._fixed = {
            name: self._memory.slot(given[name]) for name in step.weights if name not in changing
        }
        self._now = {name: self._memory.slot(given[name]) for name in changing}
        self._next = {name: self._memory.room(dims) for name, dims in changing.items()}
        self._binding = self._bind(self._now, self._next)
        self._other = self._bind(self._next, self._now)

    def run(
        self, inputs: Mapping[str, Array], labels: Array, lr: float, number: int, seed: int
    ) -> StepResult:
        """Do one step with a batch; ``number`` counts the steps done before.

        Where it raises, the weights are those of before.

        Raises:
            UserError: CNN703 where ONNX Runtime cannot run the step, as when memory ends.
            ValueError: for arrays of other shapes than the step's.
        """
        for name, slot in self._inputs.items():
            slot.fill(inputs[name])
        self._labels.fill(labels)
        self._rate.fill(lr)
        self._number.fill(number)
        self._seed.fill(seed)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            advice = "run `cnndsl selftest` on the spec"
            raise run_failure(error, self.device, "a training step", advice) from error
        self._binding, self._other = self._other, self._binding
        self._now, self._next = self._next, self._now
        return StepResult(self._loss.array.item(), self._metric.array.item())

    def weights(self) -> dict[str, Array]:
        """Copies of all weights that the step has, frozen ones and buffers included."""
        return {
            name: (self._fixed.get(name) or self._now[name]).read() for name in self.step.weights
        }

    def state(self) -> dict[str, Array]:
        """Copies of the optimizer's state."""
        return {name: self._now[name].read() for name in self.step.state}

    def before(self) -> dict[str, Array]:
        """Copies of weights and state as the last step found them: to see why it went wrong."""
        names = (*self.step.weights, *self.step.state)
        return {name: (self._fixed.get(name) or self._next[name]).read() for name in names}

    def _bind(self, old: Mapping[str, _Slot], new: Mapping[str, _Slot]) -> Any:
        binding = self._session.io_binding()
        scalars = {"lr": self._rate, "step": self._number, "seed": self._seed}
        inputs = {**self._inputs, self.step.labels.name: self._labels, **scalars}
        for name, slot in (*inputs.items(), *self._fixed.items(), *old.items()):
            binding.bind_ortvalue_input(name, slot.value)
        binding.bind_ortvalue_output("loss", self._loss.value)
        binding.bind_ortvalue_output(self.step.metric.output, self._metric.value)
        for name, slot in new.items():
            binding.bind_ortvalue_output(f"{name}.next", slot.value)
        return binding


# --- memory -----------------------------------------------------------------------------------


class _Slot:
    """A tensor on the CPU: ``value`` for ONNX Runtime, ``array`` over the same memory."""

    def __init__(self, value: Any, array: Array) -> None:
        self.value = value
        self.array = array

    def fill(self, numbers: Any) -> None:
        # NumPy would stretch a smaller array over the slot without a word.
        if self.array.ndim and numbers.shape != self.array.shape:
            raise ValueError(f"an array of {numbers.shape} is not one of {self.array.shape}")
        self.array[...] = numbers

    def read(self) -> Array:
        return self.array.copy()


class _GpuSlot(_Slot):
    """A tensor on a GPU; ``array`` is where its numbers are put in order on the way."""

    @override
    def fill(self, numbers: Any) -> None:
        super().fill(numbers)
        self.value.update_inplace(self.array)

    @override
    def read(self) -> Array:
        copy: Array = numpy.array(self.value.numpy())
        return copy


class _Host:
    """Makes slots in the CPU's memory."""

    def slot(self, array: Array) -> _Slot:
        memory = aligned(array.shape, array.dtype)
        memory[...] = array
        return self._over(memory)

    def room(self, dims: tuple[int, ...]) -> _Slot:
        """A slot of float32 whose numbers are yet to come: its pages are not touched."""
        return self._over(aligned(dims, numpy.dtype(numpy.float32)))

    def _over(self, memory: Array) -> _Slot:
        return _Slot(library.load().OrtValue.ortvalue_from_numpy(memory), memory)


class _Gpu:
    """Makes slots in a GPU's memory."""

    def __init__(self, index: int) -> None:
        self._index = index

    def slot(self, array: Array) -> _Slot:
        copy = numpy.array(array, order="C")
        value = library.load().OrtValue.ortvalue_from_numpy(copy, "cuda", self._index)
        return _GpuSlot(value, copy)

    def room(self, dims: tuple[int, ...]) -> _Slot:
        return self.slot(numpy.zeros(dims, numpy.float32))


def aligned(shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> Array:
    """An array, its numbers not yet set, that begins at a cache line.

    NumPy's own begin at any multiple of 16 bytes, where wide vectors cross lines at every load.
    """
    size = int(numpy.prod(shape, dtype=numpy.int64)) * dtype.itemsize
    raw = numpy.empty(size + _ALIGNMENT, numpy.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


# --- sessions ---------------------------------------------------------------------------------


def _start(step: Step, device: Device, threads: int | None) -> Any:
    def refused(text: str) -> UserError:
        return UserError(
            "CNN701",
            f"`{device.name}` cannot run this training step: {text}",
            help="run `cnndsl doctor`" + (", or use `--device cpu`" * (device.name != "cpu")),
        )

    model = step.to_proto().SerializeToString()
    return started(model, device, TRAINING, threads, refused)
