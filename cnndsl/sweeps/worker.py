"""A process that ``cnndsl sweep --workers`` starts by MPI: rank 0 hands out, the others train.

What is to be trained is in a file, which all have as their standard input. What came of it goes
out in lines of JSON: ``{"began": 3}``, ``{"result": {…}}``.
"""

from __future__ import annotations

import fcntl
import json
import pickle
from dataclasses import asdict
from typing import TYPE_CHECKING

from cnndsl.sweeps.pool import Hands, hand_out, serve

if TYPE_CHECKING:
    from cnndsl.sweeps.runs import Task

__all__ = ["main"]


def main() -> None:
    """Do what this process is for."""
    hands = Hands()
    if not hands.leads:
        serve(hands, _began)
        return
    # It was given by the process that started this one, and nobody else can write it.
    with open(0, "rb", closefd=False) as given:
        tasks = pickle.load(given)
    for result in hand_out(hands, tasks):
        _say({"result": asdict(result)})


def _began(task: Task) -> None:
    _say({"began": task.number})


def _say(fact: dict[str, object]) -> None:
    """Write a line, one process at a time: all write into one pipe, and lines may be long."""
    with open(1, "wb", buffering=0, closefd=False) as out:
        fcntl.lockf(0, fcntl.LOCK_EX)
        try:
            left = memoryview(f"{json.dumps(fact)}\n".encode())
            while left:
                left = left[out.write(left) :]
        finally:
            fcntl.lockf(0, fcntl.LOCK_UN)


if __name__ == "__main__":
    main()
