"""Kills training runs: ``killer.py FOLDER KILLS`` trains once untouched, then under fire.

It loads everything once and forks a process for every start: each of them is a real process that
dies by SIGKILL, without the seconds that loading takes. No session of ONNX Runtime may exist before
the fork, since its threads would not come along. What it did is one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from pathlib import Path

import onnxruntime as onnxruntime
from training_runs import Recorder, network, request, stripes
from typing_extensions import override

from cnndsl.pipeline import train
from cnndsl.runtime.plan import TrainingRequest

SETTINGS = (
    "optimizer adam lr 0.01; schedule cosine warmup 1; augment noise 0.1; early_stop 50;"
    " batch 8; epochs 12"
)


class Telling(Recorder):
    """A listener that says through a pipe that the run has begun."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self.pipe = pipe

    @override
    def start(self, start: object) -> None:
        os.write(self.pipe, b".")


def wanted(folder: Path) -> TrainingRequest:
    return request(
        folder,
        network=network(SETTINGS),
        data=stripes(90),
        valid=stripes(30, seed=1),
        resume="latest",
        checkpoint_steps=3,
        examine=False,
    )


def started(folder: Path) -> tuple[int, int]:
    """A new process that trains into a folder, and the pipe through which it tells."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    status = 1
    try:
        os.close(reader)
        train(wanted(folder), Telling(writer))
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def whole_run(folder: Path) -> float:
    """Train untouched; the seconds between the beginning of the first step and the end."""
    process, pipe = started(folder)
    os.read(pipe, 1)
    begin = time.monotonic()
    ended(process, pipe)
    return time.monotonic() - begin


def ended(process: int, pipe: int) -> bool:
    """Wait for a process: whether it was killed. One that fails ends everything."""
    _, status = os.waitpid(process, 0)
    os.close(pipe)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise SystemExit("a run failed")
    return False


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(time.time_ns())
    training = whole_run(folder / "whole")
    # On the average a run goes on for half of this, so that it takes about all kills to its end.
    longest = 2.2 * training / kills
    folders = [folder / "run1"]
    killed = in_training = 0
    while killed < kills:
        process, pipe = started(folders[-1])
        begun = False
        if chance.random() < 0.8:
            begun = bool(os.read(pipe, 1))
            time.sleep(chance.uniform(0, longest))
        else:
            time.sleep(chance.uniform(0, 0.5))
            begun = bool(select.select([pipe], [], [], 0)[0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        if ended(process, pipe):
            killed += 1
            in_training += begun
        else:
            folders.append(folder / f"run{len(folders) + 1}")
    ended(*started(folders[-1]))
    told = {"kills": killed, "in training": in_training, "folders": [str(one) for one in folders]}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
