"""The servers of these tests are shared: to start one takes longer than most tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from language_client import stop_servers


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def servers_end_with_the_tests() -> AsyncIterator[None]:
    yield
    await stop_servers()
