"""Finds out from the environment which workers this process is one of, and what is its share.

Where nothing has started several, MPI is not even loaded.
"""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections import Counter
from typing import Any

from cnndsl.diagnostics.exit_codes import FAILED
from cnndsl.diagnostics.model import UserError
from cnndsl.limits import processor_numbers, processors
from cnndsl.runtime.device import read_driver, trial
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.workers import control
from cnndsl.runtime.workers.communicator import ALONE, Communicator, Worker
from cnndsl.runtime.workers.quota import time_quota
from cnndsl.runtime.workers.started import Start, started_as

__all__ = ["device_of", "joined", "library_name", "mpi_library", "threads_each", "without_mpi4py"]


_PATIENCE = 3.0
"""Seconds for which others wait until the first has said what is wrong with all."""


def joined() -> Communicator:
    """The workers that this process is one of: those that MPI has started, or it alone.

    A worker that ``--workers`` has started is tied to its launcher from here on: it prints where
    that one does, is asked by it to stop (as SIGUSR1), and ends with it.

    Raises:
        UserError: CNN870 where several were started that cannot speak to each other; only the
            first of them says so, the others end.
    """
    start = started_as()
    if start is None:
        return ALONE
    control.attach(start.rank)
    _stop_when_asked()
    try:
        return _world(start)
    except UserError:
        if start.rank > 0:
            # What starts them may end all at once as soon as one has failed.
            time.sleep(_PATIENCE)
            raise SystemExit(FAILED) from None
        raise


def _world(start: Start) -> Communicator:
    mpi_library()
    from cnndsl.runtime.workers.mpi import Mpi

    workers = Mpi()
    if workers.worker.count == 1:
        raise _strangers(start)
    return workers


def mpi_library() -> Any:
    """The module ``mpi4py.MPI``, which starts MPI where that has not been done.

    Raises:
        UserError: CNN870, where it is missing or finds no MPI.
    """
    try:
        return importlib.import_module("mpi4py.MPI")
    except ModuleNotFoundError as error:
        raise without_mpi4py() from error
    except Exception as error:  # where no library fits, its kind depends on how it was built
        raise UserError(
            "CNN870",
            f"mpi4py does not find an MPI that it can load: {_first_line(error)}",
            help='run `pip install "cnndsl[mpi]"`, or load the MPI of your cluster',
        ) from error


def without_mpi4py() -> UserError:
    """Why there are no workers where mpi4py is missing."""
    return UserError(
        "CNN870",
        "workers speak to each other by MPI, and mpi4py is not installed",
        help='run `pip install "cnndsl[mpi]"`, or load the mpi4py of your cluster',
    )


def library_name() -> str:
    """The MPI that mpi4py has loaded, and its version."""
    text: str = mpi_library().Get_library_version()
    first = text.strip("\0 \n").partition("\n")[0].partition(",")[0]
    return " ".join(first.replace("Version:", "").split())


def _strangers(start: Start) -> UserError:
    """Several were started, but each of them is alone in MPI's eyes."""
    library = library_name()
    if start.by == "srun":
        help = (
            f"start them by `srun --mpi=pmix -n {start.count} …` (`srun --mpi=list` names what"
            " there is), or by the `mpirun` of that MPI"
        )
    else:
        help = f"start them by the `mpiexec` that belongs to {library}"
    return UserError(
        "CNN870",
        f"`{start.by}` has started {start.count} workers, and MPI knows of 1",
        notes=[f"mpi4py has loaded {library}, to which `{start.by}` does not say who they are"],
        help=help,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _stop_when_asked() -> None:
    """Let SIGUSR1 be what Ctrl-C is, until training takes it as a wish."""
    known = getattr(signal, "SIGUSR1", None)  # Windows has none
    if known is None or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(known) is signal.SIG_DFL:
        signal.signal(known, signal.default_int_handler)


# --- shares -----------------------------------------------------------------------------------


def threads_each(workers: Communicator) -> int:
    """How many threads each worker may use so that all of a machine have work; all ask at once.

    Workers on one machine that may use the same processors share them, whether they were bound to
    some or not; and they share the time that a container may use.
    """
    if workers.worker.count == 1:
        return processors()
    mine = (workers.worker.host, processor_numbers())
    everybody = workers.gather(mine)
    users = Counter(number for host, numbers in everybody if host == mine[0] for number in numbers)
    beside = sum(host == mine[0] for host, _ in everybody)
    share = sum(1 / users[number] for number in mine[1])
    return max(1, int(min(share, time_quota() / beside) + 1e-6))


def device_of(word: str, worker: Worker) -> str:
    """The word for the device that a worker takes where a user says ``word`` to all of them.

    ``cuda`` is a GPU for each worker of a machine, as far as there are as many; ``auto`` the same
    where CUDA works. What names one device, ``cpu`` or ``cuda:1``, is that.
    """
    if worker.count == 1 or word not in ("auto", "cuda"):
        return word
    if word == "auto" and not trial(CUDA).works:
        return word
    gpus = len(driver.gpus) if (driver := read_driver()) else 0
    return f"cuda:{worker.local % gpus}" if gpus else word
