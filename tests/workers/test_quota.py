"""Limits of containers, from folders like those in which Linux shows them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from cnndsl.runtime.workers.quota import time_quota

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
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert time_quota(tmp_path) == quota
