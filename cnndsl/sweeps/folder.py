"""Opens the folder of a sweep: made where it is not there, locked, and no other's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import CannotWriteError, is_full, reason
from cnndsl.runtime.checkpoint import list_checkpoints, remove_leftovers
from cnndsl.sweeps.noted import RESULTS
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.records import CSV

__all__ = ["opened"]

_LOCK = ".lock"


@contextlib.contextmanager
def opened(plan: Plan, *, resume: bool) -> Iterator[None]:
    """The folder of a sweep, made where it is not there, and locked until it is left.

    Raises:
        UserError: CNN603 where it cannot be made, CNN882 where another sweep is in it (one that is
            over, unless ``resume``, or one that goes on in another process).
    """
    folder = plan.folder
    if not resume:
        _refuse_others(plan)
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(folder / _LOCK, "a+b", buffering=0))
            _take(lock.fileno(), plan)
        except OSError as error:
            help = "choose another folder with `--out`"
            raise CannotWriteError(
                "CNN603",
                f"cannot write `{error.filename or folder}`: {reason(error)}",
                help=f"make room on the disk, or {help}" if is_full(error) else help,
            ) from error
        remove_leftovers(folder)
        yield


def _take(lock: int, plan: Plan) -> None:
    """Lock a folder for this process; a kill gives the lock back as well.

    Raises:
        UserError: CNN882 where another process has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            "CNN882",
            f"another process has a sweep in `{plan.folder}` under way",
            help="wait until it ends, or choose another folder with `--out`",
        ) from None


def _refuse_others(plan: Plan) -> None:
    """Raise CNN882 where the folder has the results of a sweep, or a run of these."""
    found = next((name for name in (RESULTS, CSV) if (plan.folder / name).exists()), None)
    for task in () if found else plan.tasks:
        if list_checkpoints(task.folder / "checkpoints"):
            found = str(task.folder.relative_to(plan.folder))
            break
    if found:
        raise UserError(
            "CNN882",
            f"the folder `{plan.folder}` is taken by another sweep",
            notes=[f"there is `{found}` in it"],
            help="go on with it with `--resume`, or choose another folder with `--out`",
        )
