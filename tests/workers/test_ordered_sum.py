"""The sum over workers that MPI has started is that of the tree, to the last bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from launched import Launched, need_mpi

SUMMING = Path(__file__).with_name("summing.py")

SEEDS = tuple(map(str, range(40)))

BUCKET = "64"
"""Numbers that are exchanged at once, few so that small arrays are many buckets."""

ONE_MACHINE = {
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "PMIX_MCA_ptl_tcp_if_include": "lo",
    "OMP_NUM_THREADS": "1",
}
"""For Open MPI: other MPIs do not know these variables, NumPy's apart."""


@pytest.fixture(autouse=True)
def _mpi() -> None:
    need_mpi()


@cache
def sums(count: int, bucket: str, *settings: str) -> tuple[str, ...]:
    """A line for each case: each worker has compared its bits with NumPy's.

    ``settings`` are Open MPI's parameters: a name, its value, and the next.
    """
    pairs = zip(settings[::2], settings[1::2], strict=True)
    environment = ONE_MACHINE | {f"OMPI_MCA_{name}": value for name, value in pairs}
    with Launched(
        count, bucket, *SEEDS, program=SUMMING, bare=True, environment=environment
    ) as job:
        status, out, err = job.end()
    assert status == 0, err
    return tuple(out.splitlines())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_number_of_workers_adds_as_numpy_does(count: int) -> None:
    found = sums(count, BUCKET)
    assert len(found) == len(SEEDS)
    assert found == sums(2, BUCKET)
    words = [line.split() for line in found]
    assert {dtype for *_, dtype, _ in words} == {"float32", "float64"}
    sizes = {int(size) for _, _, size, *_ in words}
    assert {0, 1} <= sizes
    assert max(sizes) > 4 * int(BUCKET)


@pytest.mark.parametrize("bucket", ["1", "3", "10000"])
def test_buckets_change_no_bit(bucket: str) -> None:
    # The sizes depend on the bucket, so each is compared with NumPy alone.
    assert len(sums(3, bucket)) == len(SEEDS)


@pytest.mark.parametrize(
    "settings",
    [
        ("coll_tuned_use_dynamic_rules", "1", "coll_tuned_allreduce_algorithm", "4"),
        (
            *("coll_tuned_use_dynamic_rules", "1", "coll_tuned_alltoallv_algorithm", "1"),
            *("coll_tuned_allgatherv_algorithm", "3"),
        ),
        ("coll", "basic,libnbc,self"),
        ("coll", "^tuned,han"),
        ("btl", "self,tcp"),
    ],
    ids=" ".join,
)
def test_no_setting_of_the_mpi_changes_a_bit(settings: tuple[str, ...]) -> None:
    assert sums(4, BUCKET, *settings) == sums(4, BUCKET)
