"""A program of several workers for tests: each does what the word after its own rank says."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

from cnndsl.cli.errors import exit_code_of, report
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.interrupt import interruptible
from cnndsl.runtime.workers.agreement import agree
from cnndsl.runtime.workers.communicator import Communicator
from cnndsl.runtime.workers.environment import joined, threads_each
from cnndsl.runtime.workers.started import started_as
from cnndsl.runtime.workers.watchdog import Watched, watching

DEADLINE = 40.0
GRACE = 3.0
"""Seconds in which all end that have an error of their own."""


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
    if what == "killed_early" and "--resume" not in more:
        start = started_as()
        assert start is not None
        if start.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    workers = joined()
    everybody = workers.gather(os.getpid())
    if workers.worker.leads:
        say("pids", *everybody)
    if what in WATCHED:
        timeout, silence = map(float, more[:2])
        with watching(workers, timeout, silence) as watched:
            return WATCHED[what](watched)
    return unwatched(what, workers, more)


# --- with a watchdog ----------------------------------------------------------------------------


def stopped(workers: Watched) -> int:
    """Worker 1 is stopped, the others wait for it."""
    if workers.worker.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    workers.gather(0)
    return 0


def hangs(workers: Watched) -> int:
    """Worker 1 does nothing, the others wait for it."""
    if workers.worker.rank == 1:
        time.sleep(DEADLINE)
    workers.gather(0)
    return 0


def apart(workers: Watched) -> int:
    """Each waits for what the one before it is to say, which says nothing."""
    workers.receive((workers.worker.rank - 1) % workers.worker.count)
    return 0


def unread(workers: Watched) -> int:
    """The first worker prints more than anybody takes, and the others wait for it."""
    if workers.worker.leads:
        say("ready")
        say("." * 200_000)
    workers.gather(0)
    if workers.worker.leads:
        say("done")
    return 0


def slow(workers: Watched) -> int:
    """The first worker needs longer than all patience, but something comes about."""
    for _ in range(2):
        if workers.worker.leads:
            for _ in range(15):
                time.sleep(0.1)
                workers.progress()
        workers.gather(0)
    if workers.worker.leads:
        say("done")
    return 0


def asleep(workers: Watched) -> int:
    """All wait for the first one, and say so."""
    workers.gather(0)
    say("ready")
    if workers.worker.leads:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            time.sleep(0.02)
            workers.progress()
    workers.gather(0)
    return 0


def starting(workers: Watched) -> int:
    """All do something that is not training yet."""
    say("ready")
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        time.sleep(0.02)
        workers.progress()
    return 0


def own_error(workers: Watched) -> int:
    """Only worker 1 fails."""
    if workers.worker.rank == 1:
        raise UserError("CNN603", "the disk of one is full", help="make room")
    workers.gather(0)
    return 0


def own_mistake(workers: Watched) -> int:
    if workers.worker.rank == 1:
        raise ZeroDivisionError("of one")
    workers.gather(0)
    return 0


def same_error(workers: Watched) -> int:
    workers.gather(0)
    raise UserError("CNN603", f"what worker {workers.worker.rank} says", help="make room")


def saved_error(workers: Watched) -> int:
    """All have an error that they know to have, and the one that leads saves before it goes."""
    try:
        agree(workers, UserError("CNN603", f"what worker {workers.worker.rank} says"))
    except UserError:
        if workers.worker.leads:
            time.sleep(GRACE + 1.5)
            say("saved")
        raise
    return 0


def late_error(workers: Watched) -> int:
    """All are done but the last, which fails."""
    if workers.worker.rank == workers.worker.count - 1:
        raise UserError("CNN603", f"what worker {workers.worker.rank} says", help="make room")
    return 0


WATCHED = {
    one.__name__: one
    for one in (
        stopped,
        hangs,
        apart,
        unread,
        slow,
        asleep,
        starting,
        own_error,
        own_mistake,
        same_error,
        saved_error,
        late_error,
    )
}


# --- without ------------------------------------------------------------------------------------


def unwatched(what: str, workers: Communicator, more: Sequence[str]) -> int:
    rank = workers.worker.rank
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
        case "killed" | "killed_early":
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


def command() -> int:
    try:
        return main(*sys.argv[1:])
    except UserError as error:
        return report(error)


if __name__ == "__main__":
    sys.exit(exit_code_of(command))
