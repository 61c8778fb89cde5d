"""Knows the process that has started this worker, to see whether it is still there.

A process whose parent ends gets another one. The parent may be a script that MPI's launcher has
started: so all are looked at up to the launcher, where that can be told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["launching_chain"]

# fmt: off
_LAUNCHERS = frozenset((
    "mpiexec", "mpirun", "prterun", "prted", "prun", "orterun", "orted", "mpiexec.hydra",
    "hydra_pmi_proxy", "hydra_bstrap_pr", "slurmstepd", "flux-shell", "palsd",
))
# fmt: on
"""What starts workers on a machine, as the system calls it (15 characters at most)."""

_DEEPEST = 16


def launching_chain() -> tuple[int, ...]:
    """The processes from this one's parent up to the launcher; its parent alone where none is."""
    parent = os.getppid()
    chain = [parent]
    for name, above in _ancestors(parent):
        if name in _LAUNCHERS or name[:15] in {one[:15] for one in _LAUNCHERS}:
            return tuple(chain)
        chain.append(above)
    return (parent,)


def _ancestors(process: int) -> Iterator[tuple[str, int]]:
    """The name of a process and the number of its parent, then the same of that one."""
    for _ in range(_DEEPEST):
        try:
            text = Path(f"/proc/{process}/stat").read_text(errors="replace")
        except OSError:  # Only Linux has it.
            return
        name, _, rest = text.partition("(")[2].rpartition(")")
        process = int(rest.split()[1])
        yield name, process
        if process <= 1:
            return
