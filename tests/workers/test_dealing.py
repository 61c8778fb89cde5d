"""What several workers do in turn comes out as from one: in order, to the first error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.dealing import in_turn
from cnndsl.runtime.workers.threads import together


def failure(text: str) -> UserError:
    return UserError("CNN702", text, help="mend it")


def things(count: int, cut: int | None) -> Iterator[int]:
    for at in range(count):
        if at == cut:
            raise failure(f"cut at {at}")
        yield at


def square(at: int, failing: int | None) -> int:
    if at == failing:
        raise failure(f"failed at {at}")
    return at * at


def taken(workers: Communicator, count: int, cut: int | None, failing: int | None) -> list[object]:
    """What comes out, the error last."""
    found: list[object] = []
    with suppress_into(found, is_shared=workers.worker.count > 1):
        found += in_turn(workers, things(count, cut), lambda at: square(at, failing), str)
    return found


@contextmanager
def suppress_into(found: list[object], *, is_shared: bool) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        found.append((error.message, error.is_shared == is_shared))


places = st.none() | st.integers(0, 12)


@given(st.integers(2, 5), st.integers(0, 12), places, places)
def test_results_and_errors_are_those_of_one(
    workers: int, count: int, cut: int | None, failing: int | None
) -> None:
    alone = taken(ALONE, count, cut, failing)
    first, *others = together(workers, lambda them: taken(them, count, cut, failing))
    assert first == alone
    error = [one for one in alone if isinstance(one, tuple)]
    assert all(is_as_wanted for _, is_as_wanted in error)
    assert others == [error] * (workers - 1)


def test_nobody_goes_on_where_the_first_wants_no_more() -> None:
    done = [0, 0, 0]

    def some(workers: Communicator) -> list[int]:
        def work(at: int) -> int:
            done[workers.worker.rank] += 1
            return at

        found = in_turn(workers, range(1000), work)
        if not workers.worker.leads:
            return list(found)
        first = [next(found) for _ in range(4)]
        found.close()  # type: ignore[attr-defined]  # it is a generator
        return first

    assert together(3, some) == [[0, 1, 2, 3], [], []]
    assert done == [2, 2, 2]


def test_nobody_works_in_vain_behind_an_error() -> None:
    """A list may be long, and each of its things take a while."""
    lock, last = threading.Lock(), [0]

    def some(workers: Communicator) -> None:
        def work(at: int) -> int:
            with lock:
                last[0] = max(last[0], at)
            return square(at, 10)

        with pytest.raises(UserError, match="failed at 10"):
            list(in_turn(workers, range(100_000), work))

    together(3, some)
    assert last[0] <= 11


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ((["a", "b", "c"], ["a", "x", "c"]), "worker 1 finds `x` where worker 0 finds `b`"),
        ((["a", "b", "c"], ["a"]), "worker 1 finds `nothing` where worker 0 finds `b`"),
        ((["a"], ["a", "b", "c"]), "worker 1 finds `b` where worker 0 finds `nothing`"),
        ((["a", "b"], ["a", "b", "c"]), "worker 1 finds `c` where worker 0 finds `nothing`"),
    ],
)
def test_workers_with_other_things_are_told(lists: tuple[list[str], list[str]], said: str) -> None:
    def some(workers: Communicator) -> str:
        with pytest.raises(UserError) as caught:
            list(in_turn(workers, lists[workers.worker.rank], str.upper, str))
        assert caught.value.code == "CNN878"
        return caught.value.message

    assert together(2, some) == [said, said]


def test_a_mistake_of_another_worker_is_not_hidden() -> None:
    def some(workers: Communicator) -> None:
        list(in_turn(workers, range(8), lambda at: 1 // (at - 1)))

    with pytest.raises(ZeroDivisionError):
        together(2, some)
