"""Opens the folder of a sweep: made where it is not there, locked, and no other's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.checkpoint import list_checkpoints, remove_leftovers
from cnndsl.runtime.folder_lock import locked, taken
from cnndsl.sweeps.noted import RESULTS
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.records import CSV

__all__ = ["opened"]


@contextlib.contextmanager
def opened(plan: Plan, *, resume: bool) -> Iterator[None]:
    """The folder of a sweep, made where it is not there, and locked until it is left.

    Raises:
        UserError: CNN603 where it cannot be made, CNN882 where another sweep is in it (one that is
            over, unless ``resume``, or one that goes on in another process).
    """
    if not resume:
        _refuse_others(plan)
    with locked(plan.folder, lambda process: _busy(plan)):
        remove_leftovers(plan.folder)
        yield


def _busy(plan: Plan) -> UserError:
    return UserError(
        "CNN882",
        f"another process has a sweep in `{plan.folder}` under way",
        help="wait until it ends, or choose another folder with `--out`",
    )


def _refuse_others(plan: Plan) -> None:
    """Raise CNN882 where the folder has the results of a sweep, or a run of these."""
    found = next((name for name in (RESULTS, CSV) if (plan.folder / name).exists()), None)
    for task in () if found else plan.tasks:
        if list_checkpoints(task.folder / "checkpoints"):
            found = str(task.folder.relative_to(plan.folder))
            break
    if found:
        raise taken("CNN882", plan.folder, "sweep", found)
