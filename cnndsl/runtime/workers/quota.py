"""Reads how much of its processors' time a container may use: Linux's control groups.

Kubernetes and Docker limit a container's time, not the processors that it sees: on a machine of 64,
one with a limit of 4 is stopped for most of the time when 64 threads run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["time_quota"]

_ROOT = Path("/")


def time_quota(root: Path = _ROOT) -> float:
    """Processors whose whole time this process may use; infinite where nothing limits that.

    Args:
        root: below which ``proc`` and ``sys`` lie.
    """
    return min(_quotas(root), default=float("inf"))


def _quotas(root: Path) -> Iterator[float]:
    """Those of all groups that this process is in, from the innermost."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            below = str(group).lstrip("/")
            if not controllers:  # version 2
                words = _text(root / "sys/fs/cgroup" / below / "cpu.max").split()
            elif "cpu" in controllers.split(","):
                folder = root / "sys/fs/cgroup" / "cpu" / below
                words = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
            else:
                continue
            try:
                quota, period = map(float, words)
            except ValueError:  # "max": no limit
                continue
            if quota > 0 and period > 0:
                yield quota / period


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
