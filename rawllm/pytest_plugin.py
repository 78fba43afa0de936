"""The `fake_server` fixture, for every pytest run where rawllm is installed.

Imports nothing but pytest until the fixture is used: people who never use it pay nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rawllm.testing import FakeServer


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    """A `rawllm.testing.FakeServer` in a background thread: for sync and async tests alike."""
    from rawllm.testing import FakeServer

    with FakeServer() as server:
        yield server
