"""Reads what a container may use of its machine: Linux's control groups.

Kubernetes and Docker limit a container's time and memory, not what it sees of them: on a machine of
64 processors, one with a limit of 4 is stopped for most of the time when 64 threads run; one that
takes more memory than it may is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["memory_left", "time_quota"]

_ROOT = Path("/")
_UNLIMITED = float("inf")


def time_quota(root: Path = _ROOT) -> float:
    """Processors whose whole time this process may use; infinite where nothing limits that.

    Args:
        root: below which ``proc`` and ``sys`` lie.
    """
    return min(_quotas(root), default=_UNLIMITED)


def memory_left(root: Path = _ROOT) -> float:
    """Bytes that this process may still take without anything being swapped or killed.

    Infinite where the system does not say: only Linux does.

    Args:
        root: below which ``proc`` and ``sys`` lie.
    """
    facts = _numbers(root / "proc/meminfo")
    machine = 1024 * facts["MemAvailable:"] if "MemAvailable:" in facts else _UNLIMITED
    return max(0.0, min((machine, *_rooms(root))))


def _quotas(root: Path) -> Iterator[float]:
    for is_second, folder in _groups(root, "cpu"):
        if is_second:
            words = _text(folder / "cpu.max").split()
        else:
            words = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        try:
            quota, period = map(float, words)
        except ValueError:  # "max": no limit
            continue
        if quota > 0 and period > 0:
            yield quota / period


def _rooms(root: Path) -> Iterator[float]:
    """The bytes left in each group; what only holds files' content may be taken from them."""
    for is_second, folder in _groups(root, "memory"):
        names = ("max", "current") if is_second else ("limit_in_bytes", "usage_in_bytes")
        try:
            limit, used = (float(_text(folder / f"memory.{name}")) for name in names)
        except ValueError:  # "max": no limit
            continue
        known = "inactive_file" if is_second else "total_inactive_file"
        yield limit - used + _numbers(folder / "memory.stat").get(known, 0)


def _groups(root: Path, controller: str) -> Iterator[tuple[bool, Path]]:
    """The folders of all groups that this process is in, from the innermost.

    Before each stands whether it is one of the second version, in which all lie in one tree.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            below = str(group).lstrip("/")
            if not controllers:
                yield True, root / "sys/fs/cgroup" / below
            elif controller in controllers.split(","):
                yield False, root / "sys/fs/cgroup" / controller / below


def _numbers(file: Path) -> dict[str, int]:
    """The whole numbers of a file, by the word before each."""
    words = [line.split() for line in _text(file).splitlines()]
    return {one[0]: int(one[1]) for one in words if len(one) > 1 and one[1].isdecimal()}


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
