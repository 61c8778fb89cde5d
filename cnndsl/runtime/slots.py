"""Tensors that a training step reads and writes where they lie: on the CPU, or on a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.runtime import library
from cnndsl.runtime.device import Device
from cnndsl.training.signature import TensorSpec

__all__ = [
    "ALIGNMENT",
    "GpuMemory",
    "GpuSlot",
    "HostMemory",
    "Slot",
    "aligned",
    "memory_of",
    "slots_of",
]

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector of a CPU."""


class Slot:
    """A tensor on the CPU: ``value`` for ONNX Runtime, ``array`` over the same memory."""

    def __init__(self, value: Any, array: Array) -> None:
        self.value = value
        self.array = array

    def fill(self, numbers: Any) -> None:
        """Let it have these numbers, in the shape that it has."""
        # NumPy would stretch a smaller array over the slot without a word.
        if self.array.ndim and numbers.shape != self.array.shape:
            raise ValueError(f"an array of {numbers.shape} is not one of {self.array.shape}")
        self.array[...] = numbers

    def read(self) -> Array:
        """A copy of its numbers."""
        return self.array.copy()


class GpuSlot(Slot):
    """A tensor on a GPU; ``array`` is where its numbers are put in order on the way."""

    @override
    def fill(self, numbers: Any) -> None:
        super().fill(numbers)
        self.value.update_inplace(self.array)

    @override
    def read(self) -> Array:
        copy: Array = numpy.array(self.value.numpy())
        return copy


class HostMemory:
    """Makes slots in the CPU's memory."""

    def slot(self, array: Array) -> Slot:
        """A slot with a copy of an array."""
        memory = aligned(array.shape, array.dtype)
        memory[...] = array
        return self.over(memory)

    def room(self, dims: tuple[int, ...]) -> Slot:
        """A slot of float32 whose numbers are yet to come: its pages are not touched."""
        return self.over(aligned(dims, numpy.dtype(numpy.float32)))

    def over(self, memory: Array) -> Slot:
        """A slot over memory that is there, which is held."""
        return Slot(library.load().OrtValue.ortvalue_from_numpy(memory), memory)


class GpuMemory:
    """Makes slots in a GPU's memory."""

    def __init__(self, index: int) -> None:
        self._index = index

    def slot(self, array: Array) -> Slot:
        """A slot with a copy of an array."""
        copy = numpy.array(array, order="C")
        value = library.load().OrtValue.ortvalue_from_numpy(copy, "cuda", self._index)
        return GpuSlot(value, copy)

    def room(self, dims: tuple[int, ...]) -> Slot:
        """A slot of float32 whose numbers are yet to come."""
        return self.slot(numpy.zeros(dims, numpy.float32))


def slots_of(memory: HostMemory | GpuMemory, specs: Iterable[TensorSpec]) -> dict[str, Slot]:
    """A slot of zeros for each of some tensors, by name."""
    return {spec.name: memory.slot(numpy.zeros(spec.dims, spec.dtype)) for spec in specs}


def aligned(shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> Array:
    """An array, its numbers not yet set, that begins at a cache line.

    NumPy's own begin at any multiple of 16 bytes, where wide vectors cross lines at every load.
    """
    size = int(numpy.prod(shape, dtype=numpy.int64)) * dtype.itemsize
    raw = numpy.empty(size + ALIGNMENT, numpy.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def memory_of(device: Device) -> HostMemory | GpuMemory:
    """The memory that a device computes in."""
    return HostMemory() if device.name == "cpu" else GpuMemory(device.index)
