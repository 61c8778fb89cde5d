"""While a graph is made no garbage is collected, and then as before."""

from __future__ import annotations

import gc

import pytest

from cnndsl.graph.garbage_collection import uncollected


def fails() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError


@pytest.mark.parametrize("before", [True, False])
def test_collection_goes_on_as_before_even_behind_an_error(before: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(KeyError):
            fails()
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()


def test_many_new_objects_become_old_ones_once_between_full_collections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A plugin of pytest's may have frozen what it has, which is then left alone.
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 0)
    was = gc.isenabled()
    try:
        gc.enable()
        gc.collect()
        kept: list[list[list[int]]] = []
        for is_first in (True, False):
            with uncollected():
                kept.append([[] for _ in range(200_000)])
                before = gc.get_stats()[0]["collections"]
            made: list[list[int]] = [[] for _ in range(10)]
            assert (gc.get_stats()[0]["collections"] == before) is is_first
            assert made
    finally:
        (gc.enable if was else gc.disable)()
