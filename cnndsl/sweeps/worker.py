"""A process that ``cnndsl sweep --workers`` starts by MPI: rank 0 hands out, the others train.

What is to be trained comes in one piece on rank 0's standard input, and whoever sent it is gone
when that ends. What came of it goes out in lines of JSON: ``{"began": 3}``, ``{"result": {…}}``.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from cnndsl.sweeps.pool import Hands, end_with_parent, hand_out, serve

if TYPE_CHECKING:
    from cnndsl.sweeps.runs import Task

__all__ = ["main"]


def main() -> None:
    """Do what this process is for."""
    end_with_parent()
    hands = Hands()
    if not hands.leads:
        serve(hands, _began)
        return
    # It comes through a pipe from the process that started this one, and from nowhere else.
    tasks = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_sender, args=(hands,), daemon=True).start()
    for result in hand_out(hands, tasks):
        _say({"result": asdict(result)})


def _began(task: Task) -> None:
    _say({"began": task.number})


def _say(fact: dict[str, object]) -> None:
    """Write a line in one piece: those of several processes go the same way."""
    os.write(1, f"{json.dumps(fact)}\n".encode())


def _end_with_sender(hands: Hands) -> None:
    """End all processes when the one that sent the tasks is gone."""
    # Not by `sys.stdin`, whose lock would be held when this process ends by itself.
    while os.read(0, 4096):
        pass
    hands.comm.Abort(1)


if __name__ == "__main__":
    main()
