"""A whole sweep, which takes seconds, for all tests that only look at one."""

from __future__ import annotations

import pytest
from sweep_runs import swept

import cnndsl


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> cnndsl.Sweep:
    """A sweep without any trouble, not to be changed."""
    return swept(tmp_path_factory.mktemp("whole") / "sweep")
