"""A program of several workers for tests: each does what the word after its own rank says."""

from __future__ import annotations

import os
import signal
import sys
import time

from cnndsl.runtime.interrupt import interruptible
from cnndsl.runtime.workers.environment import joined, threads_each

DEADLINE = 40.0


def say(*words: object, stream: int = 1) -> None:
    """Print a line at once, so that it stays whole among those of others."""
    os.write(stream, (" ".join(map(str, words)) + "\n").encode())


def until_stopped() -> None:
    end = time.monotonic() + DEADLINE
    with interruptible() as wanted:
        say("ready")
        while not wanted():
            assert time.monotonic() < end
            time.sleep(0.02)


def main(what: str, *more: str) -> int:
    workers = joined()
    rank = workers.worker.rank
    everybody = workers.gather(os.getpid())
    if rank == 0:
        say("pids", *everybody)
    match what:
        case "names":
            names = workers.gather(str(workers.worker))
            if rank == 0:
                say("|".join(["names", *names]))
        case "streams":
            if rank == 0:
                say(*(os.isatty(stream) for stream in (0, 1, 2)))
                say("to the other", stream=2)
        case "threads":
            say("threads", threads_each(workers))
        case "fail":
            if rank == 0:
                say("error[CNN000]: the user's own", stream=2)
            return 1
        case "killed" if "--resume" not in more:
            if rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(DEADLINE)
        case "killed":
            if rank == 0:
                say("resumed with", *more)
        case "wait":
            until_stopped()
            if rank == 0:
                say("stopped")
            return 130
        case "deaf":
            for number in (signal.SIGUSR1, signal.SIGTERM):
                signal.signal(number, lambda *_: say("asked"))
            say("ready")
            end = time.monotonic() + DEADLINE
            while time.monotonic() < end:
                time.sleep(0.02)
        case "sleep":
            say("ready")
            time.sleep(DEADLINE)
        case _:
            raise AssertionError(what)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
