import pytest

from rawllm import Client, SyncClient
from rawllm.testing import FakeServer, Reply

MESSAGES = [{"role": "user", "content": "one two"}]
CALLS = {
    "chat.completions.create": {"messages": MESSAGES},
    "chat.completions.parse": {"messages": MESSAGES, "response_format": {"type": "json_object"}},
    "completions.create": {"prompt": "one two"},
    "embeddings.create": {"input": ["one", "two"]},
    "models.list": {},
    "models.retrieve": {"model": "fake"},
}
calls = pytest.mark.parametrize(("path", "params"), CALLS.items(), ids=CALLS)


def reached(owner, path):
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner


@calls
async def test_a_client_gives_the_faces_of_its_resources(server, path, params):
    async with Client(server.url, model="m", max_retries=0) as llm:
        plain = await reached(llm, path)(**params)
        raw = await reached(llm.with_raw_response, path)(**params)
        assert (raw.status_code, type(raw.parse())) == (200, type(plain))
        async with reached(llm.with_streaming_response, path)(**params) as response:
            assert not response.is_closed
            assert type(await response.parse()) is type(plain)


@calls
def test_a_synchronous_client_gives_them_too(path, params):
    with FakeServer() as server, SyncClient(server.url, model="m", max_retries=0) as llm:
        plain = reached(llm, path)(**params)
        raw = reached(llm.with_raw_response, path)(**params)
        assert (raw.status_code, type(raw.parse())) == (200, type(plain))
        with reached(llm.with_streaming_response, path)(**params) as response:
            assert type(response.parse()) is type(plain)


async def test_what_holds_resources_gives_their_faces(server):
    server.default = Reply("hi", headers={"x-request-id": "r1"})
    async with Client(server.url, model="m", max_retries=0) as llm:
        raw = await llm.chat.with_raw_response.completions.create(messages=MESSAGES)
        assert raw.request_id == "r1"


@pytest.mark.parametrize("face", ["with_raw_response", "with_streaming_response"])
@pytest.mark.parametrize(
    "name",
    ["with_raw_response", "with_streaming_response", "complete", "_endpoint", "nothing", "model"],
)
@pytest.mark.parametrize("kind", [Client, SyncClient])
def test_what_is_no_resource_has_no_face(kind, face, name):
    llm = kind("http://x", model="m")
    with pytest.raises(AttributeError, match=f"{kind.__name__} has no resource '{name}'"):
        getattr(getattr(llm, face), name)
