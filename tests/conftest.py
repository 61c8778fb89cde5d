"""What all tests need of the process that they run in."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Count the helpers in ``tests/support`` to what is ours: their warnings are errors."""
    helpers = sorted(path.stem for path in (Path(__file__).parent / "support").glob("*.py"))
    config.addinivalue_line("filterwarnings", f"error:::({'|'.join(helpers)})$")


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_the_tests() -> Iterator[None]:
    """A process that a shell starts in the background ignores Ctrl-C; tests press it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, before)
