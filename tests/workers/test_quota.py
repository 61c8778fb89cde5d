"""Limits of containers, from folders like those in which Linux shows them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from cnndsl.runtime.workers.quota import memory_left, time_quota

CASES = {
    "a container": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
    "no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, inf),
    "a service of systemd within a limited slice": (
        {
            "proc/self/cgroup": "0::/work.slice/train.service\n",
            "sys/fs/cgroup/work.slice/train.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/work.slice/cpu.max": "150000 100000\n",
        },
        1.5,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/docker/b\n0::/\n",
            "sys/fs/cgroup/cpu/docker/b/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu/docker/b/cpu.cfs_period_us": "100000",
        },
        2,
    ),
    "version 1 without a limit": (
        {
            "proc/self/cgroup": "3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        inf,
    ),
    "no such groups": ({}, inf),
    "what nobody writes": ({"proc/self/cgroup": "x\n", "sys/fs/cgroup/cpu.max": "many"}, inf),
}


@pytest.mark.parametrize("case", CASES)
def test_the_narrowest_limit_is_found(case: str, tmp_path: Path) -> None:
    files, quota = CASES[case]
    write(tmp_path, files)
    assert time_quota(tmp_path) == quota


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


MACHINE = {"proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:  8000 kB\nHugePages_Total: 0\n"}

MEMORY = {
    "a machine": (MACHINE, 8_192_000),
    "a container": (
        MACHINE
        | {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "5000000\n",
            "sys/fs/cgroup/memory.current": "3000000\n",
            "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 700000\n",
        },
        2_700_000,
    ),
    "version 1": (
        MACHINE
        | {
            "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/docker/b\n0::/\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000000",
            "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "4000000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000000000",
        },
        1_000_000,
    ),
    "no limit": (
        MACHINE | {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"},
        8_192_000,
    ),
    "a full one": (
        MACHINE
        | {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "5000000\n",
            "sys/fs/cgroup/memory.current": "5000001\n",
        },
        0,
    ),
    "another system": ({}, inf),
}


@pytest.mark.parametrize("case", MEMORY)
def test_the_least_room_is_found(case: str, tmp_path: Path) -> None:
    files, left = MEMORY[case]
    write(tmp_path, files)
    assert memory_left(tmp_path) == left
