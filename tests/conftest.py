"""What all tests share: no endpoint in the environment, a fake server, aioresponses made to work.

Holds no test's data: those come with the tests, or as files under samples/.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest

from rawllm.net.slot import current
from rawllm.testing import FakeServer


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or an address in the developer's own environment must not reach a test."""
    for name in list(os.environ):
        if name.startswith("OPENAI_"):
            monkeypatch.delenv(name)


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A FakeServer in the test's own loop."""
    async with FakeServer() as fake:
        yield fake


class _Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know the argument that aiohttp 3.14 added."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=Mock(output_size=0), **kwargs)


class _Mocked(aioresponses.aioresponses):
    """Sees the headers too, which do not go through aiohttp's session."""

    async def _request_mock(self, *args: Any, **kwargs: Any) -> Any:
        slot = current.get()
        assert slot is not None
        return await super()._request_mock(*args, headers=slot.headers, **kwargs)


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses.aioresponses]:
    """aioresponses: for the shape of requests and for statuses. It gives a body as one piece and
    knows no timeouts; streams and faults are FakeServer's."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _Response)
    with _Mocked() as mocked:
        yield mocked
