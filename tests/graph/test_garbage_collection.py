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
