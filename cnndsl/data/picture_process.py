"""A process that reads pictures for another one: turns jobs into prepared samples in shared memory.

    python -c BOOTSTRAP NUMBER

``NUMBER`` is the descriptor of the memory that the other process (:mod:`cnndsl.data.readers`) and
this one share. Jobs come through standard input, answers go through standard output. It ends with
that input, and so when the other process ends, however that comes about.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy

from cnndsl.data.images import read_picture
from cnndsl.data.sources import Array, ModelInput

__all__ = ["BOOTSTRAP", "FAILED", "READY", "Answer", "Job", "Place", "main"]

BOOTSTRAP = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from cnndsl.data.picture_process import main; main()"
)
"""The program; its first job is where the other process finds its modules."""

READY = "ready"
FAILED = "failed"
"""It could not be done here: the other process does it itself, and meets the same error."""


@dataclass(frozen=True, slots=True)
class Job:
    """Pictures to read and change.

    ``files`` are paths with the sizes and times that they must have; ``plan``, pickled, the input
    that takes them and the augmentation, which is told the epoch and the samples' indices.
    ``room`` is how many bytes of memory there are.
    """

    plan: bytes
    files: Sequence[tuple[str, int, int]]
    epoch: int
    indices: Array
    room: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the memory the samples for an input are."""

    name: str
    start: int
    shape: tuple[int, ...]
    type: str


Answer: TypeAlias = "list[Place] | str"


def main() -> None:
    """Do what is asked until there is nobody left who asks."""
    # A terminal's Ctrl-C is a matter of the other process, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a plug-in prints is no answer.
    worker = _Worker(int(sys.argv[1]))
    try:
        _say(READY, answers)
        while True:
            _say(worker.answer(pickle.load(sys.stdin.buffer)), answers)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        os._exit(0)  # Not even to write what is left.


def _say(answer: Answer, answers: BinaryIO) -> None:
    pickle.dump(answer, answers)
    answers.flush()


class _Worker:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None
        self._plan = b""

    def answer(self, job: Job) -> Answer:
        try:
            return self._done(job)
        except Exception:
            return FAILED

    def _done(self, job: Job) -> Answer:
        if job.plan != self._plan:
            self._input, self._augment = pickle.loads(job.plan)
            self._plan = job.plan
        if self._memory is None or len(self._memory) < job.room:
            self._memory = mmap.mmap(self._descriptor, job.room)
        arrays = {self._input.name: self._read(job.files, self._input)}
        if self._augment is not None:
            arrays = self._augment(arrays, job.epoch, job.indices)
        places, start = [], 0
        for name, array in arrays.items():
            places.append(Place(name, start, array.shape, array.dtype.str))
            target = numpy.frombuffer(self._memory, array.dtype, array.size, start)
            target.reshape(array.shape)[...] = array
            start += array.nbytes
        return places

    def _read(self, files: Sequence[tuple[str, int, int]], model_input: ModelInput) -> Array:
        values = numpy.empty((len(files), *model_input.type.dims), numpy.float32)
        for (path, size, time), place in zip(files, values, strict=True):
            status = os.stat(path)
            if (status.st_size, status.st_mtime_ns) != (size, time):
                raise OSError(f"`{path}` has changed")
            # Of large pictures the other process reads one at a time.
            read_picture(path, model_input, place, large=False)
        return values
