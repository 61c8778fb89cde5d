"""Typed networks built by hand: what counts on them is tested without the stages before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from built_networks import build_network

from cnndsl.elaborate.network import TypedNetwork


@pytest.fixture(scope="session")
def build() -> Callable[..., TypedNetwork]:
    """The function that builds them."""
    return build_network
