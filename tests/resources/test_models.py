import pytest

import rawllm
from rawllm import Client
from rawllm.pagination import AsyncPage, SyncPage
from rawllm.testing import FakeServer


@pytest.fixture
async def models(server):
    server.models = ["a", "org/b c?#%"]
    async with Client(server.url, max_retries=0) as llm:
        yield llm.models


async def test_a_list_is_iterated_and_has_data(server, models):
    listed = await models.list(timeout=5, extra_headers={"X-A": "1"}, extra_query={"q": 1})
    assert [model.id for model in listed] == [model.id for model in listed.data] == server.models
    assert listed.data[0].owned_by == "fake"
    assert listed.timing.attempts == 1
    [request] = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/v1/models", "q=1")
    assert request.headers["x-a"] == "1"
    assert request.body == b""


async def test_a_servers_extra_fields_are_attributes(server, models):
    server.reply(
        body={
            "data": [{"id": "a", "max_model_len": 4096, "meta": {"n": 1}}],
            "usage": {"n": 1},
            "choices": [1],
        }
    )
    listed = await models.list()
    assert listed.usage == {"n": 1}
    assert listed.raw["data"][0]["max_model_len"] == 4096
    server.reply(body={"id": "a", "max_model_len": 4096})
    model = await models.retrieve("a")
    assert model.max_model_len == 4096
    assert model.model_extra == {"max_model_len": 4096}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "/v1/models/a"),
        ("org/name", "/v1/models/org/name"),
        ("b c", "/v1/models/b%20c"),
        ("b?c#d%e", "/v1/models/b%3Fc%23d%25e"),
        ("b%20c", "/v1/models/b%2520c"),
        ("ü:latest", "/v1/models/%C3%BC:latest"),
    ],
)
async def test_a_models_name_is_quoted_but_for_its_slashes(server, models, name, path):
    server.reply(body={"id": name})
    assert (await models.retrieve(name)).id == name
    assert server.requests[0].path == path


@pytest.mark.parametrize("name", ["", "\ud800"])
async def test_a_name_that_is_none_is_refused(server, models, name):
    with pytest.raises(rawllm.ConfigurationError):
        await models.retrieve(name)
    assert not server.requests


async def test_an_unknown_model_is_not_found(models):
    with pytest.raises(rawllm.NotFoundError) as caught:
        await models.retrieve("unknown")
    assert caught.value.request.method == "GET"
    assert caught.value.request.url.endswith("/v1/models/unknown")


async def test_a_list_is_iterated_without_await_too(server, models):
    assert [model.id async for model in models.list()] == server.models
    listed = await models.list()
    assert [model.id async for model in listed] == server.models
    assert not listed.has_next_page()
    assert len(server.requests) == 2


async def test_a_list_that_nobody_waits_for_is_not_asked_for(server, models):
    models.list()
    assert server.requests == []


async def test_the_list_is_a_page_without_a_next_one(server, models):
    page = await models.list()
    assert isinstance(page, AsyncPage)
    assert not page.has_next_page()
    assert page.next_page_info() is None
    assert [one async for one in page.iter_pages()] == [page]
    with pytest.raises(RuntimeError, match="no next page"):
        await page.get_next_page()
    assert len(server.requests) == 1


def test_a_synchronous_page_is_the_same_without_await():
    with FakeServer() as server, rawllm.OpenAI(base_url=server.url) as client:
        page = client.models.list()
        assert isinstance(page, SyncPage)
        assert [model.id for one in page.iter_pages() for model in one] == ["fake"]
        with pytest.raises(RuntimeError, match="no next page"):
            page.get_next_page()
