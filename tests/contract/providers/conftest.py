"""An upstream server on the loop of the test."""

from collections.abc import AsyncIterator

import pytest

from tests.upstream_server.server import UpstreamServer


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer() as server:
        yield server
