"""`client.responses.input_items`."""

import pytest

from rawllm import Client, ConfigurationError
from rawllm.testing import Reply


@pytest.fixture
async def items(server):
    async with Client(server.url, model="m", max_retries=0) as llm:
        yield llm.responses.input_items


def pages(request):
    start = 2 if "after=b" in request.query else 0
    items = [{"type": "message", "id": name, "content": []} for name in "abc"[start : start + 2]]
    return Reply(body={"object": "list", "data": items, "has_more": start == 0})


async def test_input_items_come_in_pages(server, items):
    server.handler = pages
    listed = items.list("resp_1", limit=2, order="asc")
    assert [item.id async for item in listed] == ["a", "b", "c"]
    page = await items.list("resp_1", after=None)
    assert [item.id for item in page.data] == ["a", "b"]
    assert page.has_next_page()
    assert [item.id async for item in page] == ["a", "b", "c"]
    assert [request.query for request in server.requests] == [
        "limit=2&order=asc",
        "after=b&limit=2&order=asc",
        "",
        "after=b",
    ]


async def test_a_page_that_is_empty_is_the_last(server, items):
    server.handler = lambda request: Reply(body={"data": [], "has_more": True})
    assert [item async for item in items.list("resp_1")] == []
    assert server.attempts == 1


async def test_a_list_beside_its_response(server, items):
    server.handler = pages
    raw = await items.with_raw_response.list("resp_1")
    assert [item.id for item in raw.parse().data] == ["a", "b"]
    with pytest.raises(ConfigurationError, match=r"input_items\.list\(\)"):
        items.list("")
