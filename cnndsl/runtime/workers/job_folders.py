"""Folders that a job has for itself, so that nothing of it is left in those that all share.

MPI keeps its own files in the folder for temporary ones, and what workers hand each other in files
that lie in memory, 16 MB for each. Of workers that are killed it leaves these behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["JobFolders", "job_folders", "remove_folders"]

_SHARED = Path("/dev/shm")
"""Where Linux keeps files in memory."""

_SEGMENT = 2**24
"""Bytes that Open MPI takes there for each worker."""

_LONGEST = 80
"""Bytes of a folder's path: those of a socket within may have 104 or 108."""

_PREFIX = "cnndsl-"
_BASE = "PRTE_MCA_prte_tmpdir_base"
_BACKING = "OMPI_MCA_btl_sm_backing_directory"


@dataclass(frozen=True, slots=True)
class JobFolders:
    """``folder`` is on a disk, ``shared`` in memory, or the same where there is too little of it.

    Nobody but the user may enter them.
    """

    folder: Path
    shared: Path

    def environment(self) -> dict[str, str]:
        """The variables by which Open MPI uses them."""
        return {_BASE: str(self.folder), _BACKING: str(self.shared)}


@contextlib.contextmanager
def job_folders(workers: int) -> Iterator[JobFolders]:
    """Folders for so many workers, removed at the end."""
    prefix = f"{_PREFIX}{os.getpid()}-"
    folder = tempfile.mkdtemp(prefix=prefix)
    if len(os.fsencode(folder)) > _LONGEST:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    shared = folder
    try:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(_SHARED).free > 2 * workers * _SEGMENT:
                shared = tempfile.mkdtemp(prefix=prefix, dir=_SHARED)
        yield JobFolders(Path(folder), Path(shared))
    finally:
        _remove(folder, shared)


def remove_folders(inside: str) -> None:
    """Remove those of the job that this process is a worker of, where its launcher cannot.

    Args:
        inside: the path of something in the folder on the disk.
    """
    _remove(os.path.dirname(inside), os.environ.get(_BACKING, ""))


def _remove(*folders: str) -> None:
    for folder in set(folders):
        if Path(folder).name.startswith(_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
