"""Turns jobs into results in background threads, in the order of the jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["in_order"]

J = TypeVar("J")
R = TypeVar("R")


def in_order(
    work: Callable[[J], R], jobs: Iterable[J], *, threads: int, ahead: int
) -> Generator[R, None, None]:
    """The results of jobs, in order; at most ``ahead`` are under way or waiting to be fetched.

    What a job raises is raised here, in its turn. Whoever stops early closes the iterator: jobs
    that have not begun are dropped, and no thread is left when that returns.
    """
    remaining = iter(jobs)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="cnndsl-data") as pool:
        try:
            waiting.extend(pool.submit(work, job) for job in islice(remaining, ahead))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, job) for job in islice(remaining, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
