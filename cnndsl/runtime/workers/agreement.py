"""Lets workers fail together: an error of one is the error of all, and one of them says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.runtime.workers.communicator import Communicator

__all__ = ["agree", "agreed", "led", "shared"]

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def agreed(workers: Communicator, work: Callable[[], T]) -> T:
    """What every worker makes of something that all of them must be able to do.

    Raises:
        CnndslError: in all of them where one fails: its own in the worker that leads, if it has
            one, and the first of the others' everywhere else, with a note whose it is.
    """
    found: list[T] = []
    error: CnndslError | None = None
    try:
        found.append(work())
    except CnndslError as own:
        error = own
    agree(workers, error)
    return found[0]


def agree(workers: Communicator, error: CnndslError | None) -> None:
    """Tell the others of an error, or hear of theirs.

    Raises:
        CnndslError: as :func:`agreed` does.
    """
    if workers.worker.count == 1:
        if error is not None:
            raise error
        return
    said = error if isinstance(error, UserError) or error is None else _in_short(error)
    known = workers.gather((workers.worker, said))
    if error is not None and workers.worker.leads:
        raise shared(error)
    for worker, one in known:
        if one is not None:
            raise shared(one if worker.leads else one.amended(notes=[f"{worker} says so"]))


def _in_short(error: CnndslError) -> UserError:
    """The error of a spec, which does not travel: each worker has the same spec."""
    return UserError("CNN604", str(error).splitlines()[0] if str(error) else "the spec is wrong")


def led(workers: Communicator, work: Callable[[], T]) -> T:
    """What the worker that leads makes of something that it alone does; the others get it.

    Raises:
        CnndslError: in all of them where it fails.
    """
    if workers.worker.count == 1:
        return work()
    found: list[T] = []
    failed: CnndslError | None = None
    if workers.worker.leads:
        try:
            found.append(work())
        except CnndslError as error:
            failed = error
    found, failed = workers.broadcast((found, failed))
    if failed is not None:
        raise shared(failed)
    return found[0]


def shared(error: E) -> E:
    """An error that all workers have, as such."""
    if isinstance(error, CnndslError):
        error.is_shared = True
    return error
