"""Runs cases in processes of their own, within time and memory, and says what went wrong."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["MEMORY", "Case", "Child", "Finding"]

Case: TypeAlias = Callable[[int], list[str]]
"""Tries what a seed makes, in an empty folder, and gives what is wrong with the outcome."""

MEMORY = 6 * 2**30
"""Bytes of address space that a case may use above what was there before."""

_SHOWN = 4_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a case must not do."""

    hunt: str
    seed: int
    complaint: str

    @property
    def kind(self) -> str:
        """What two findings of one fault have in common: the first line, without numbers."""
        first = self.complaint.partition("\n")[0]
        return self.hunt + ": " + "".join("0" if c.isdigit() else c for c in first)


class Child:
    """A case under way in a process forked for it.

    Everything heavy is loaded before the fork; no session of ONNX Runtime may be there yet, since
    its threads would not come along.
    """

    def __init__(self, hunt: str, case: Case, seed: int, seconds: float) -> None:
        self.hunt, self.seed = hunt, seed
        self.folder = Path(tempfile.mkdtemp(prefix=f"hunt-{hunt}-{seed}-"))
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._answer = self.folder.with_suffix(".json")
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if not self._pid:
            _live(case, seed, self.folder, self._answer)

    def outcome(self) -> list[Finding] | None:
        """What was found, once the case is over; None while it runs."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid:
            return [Finding(self.hunt, self.seed, text) for text in self._complaints(status)]
        if time.monotonic() < self._until:
            return None
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        text = f"still running after {self._seconds:g} seconds"
        return [Finding(self.hunt, self.seed, f"{text}\n{self._said()}")]

    def clean(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._answer.unlink(missing_ok=True)

    def _complaints(self, status: int) -> list[str]:
        if os.WIFSIGNALED(status):
            return [f"died of {signal.Signals(os.WTERMSIG(status)).name}\n{self._said()}"]
        if not self._answer.exists():
            return [f"ended with {os.waitstatus_to_exitcode(status)}\n{self._said()}"]
        found: list[str] = json.loads(self._answer.read_text("utf-8"))
        return found

    def _said(self) -> str:
        """The end of what the case wrote."""
        path = self.folder / "said.txt"
        return path.read_text("utf-8", "replace")[-_SHOWN:] if path.exists() else ""


def _live(case: Case, seed: int, folder: Path, answer: Path) -> None:
    """The life of the child: it never returns."""
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        said = os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        bound = _address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
        found = _tried(case, seed)
        answer.write_text(json.dumps(found), "utf-8")
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(99)


def _tried(case: Case, seed: int) -> list[str]:
    try:
        return case(seed)
    except BaseException as error:
        trace = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in trace if "/cnndsl/" in frame.filename] or list(trace)
        where = f"{Path(ours[-1].filename).name}:{ours[-1].name}"
        told = "".join(traceback.format_exception(error))[-_SHOWN:]
        return [f"{type(error).__name__} in {where}: {str(error)[:200]}\n{told}"]


def _address_space() -> int:
    """The bytes of address space that this process has now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 2**40
    return pages * resource.getpagesize()
