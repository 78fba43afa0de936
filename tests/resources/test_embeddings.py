import base64
import struct

import captures
import pytest

import rawllm
from rawllm import Client, CreateEmbeddingResponse
from rawllm.testing.bodies import embedding


@pytest.fixture
async def llm(server):
    async with Client(server.url, model="m", max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "texts"), [("a b", ["a b"]), (["a", "b"], ["a", "b"]), ([1, 2], ["[1, 2]"])]
)
async def test_vectors_come_in_the_order_of_the_input(server, llm, given, texts):
    answer = await llm.embeddings.create(input=given)
    assert type(answer) is CreateEmbeddingResponse
    assert answer.vectors == [embedding(text, 8) for text in texts]
    assert answer.data[0].embedding == answer.vectors[0]
    assert (await llm.embed(given)).vectors == answer.vectors
    # No encoding_format that was not asked for
    assert [request.json for request in server.requests] == [{"model": "m", "input": given}] * 2


async def test_vectors_are_sorted_by_their_index(server, llm):
    server.reply(body={"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]})
    assert (await llm.embed(["a", "b"])).vectors == [[1.0], [2.0]]


async def test_base64_is_asked_for_and_unpacked(server, llm):
    answer = await llm.embed(["a"], encoding_format="base64", dimensions=3, timeout=5)
    packed = base64.b64encode(struct.pack("<3f", *embedding("a", 3))).decode()
    assert answer.data[0].embedding == packed
    assert answer.vectors == [embedding("a", 3)]
    assert server.requests[0].json == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "base64",
        "dimensions": 3,
    }


@pytest.mark.parametrize("given", ["", []])
async def test_nothing_to_embed_is_refused_by_embed_and_passed_on_by_create(server, llm, given):
    with pytest.raises(rawllm.ConfigurationError, match="nothing to embed"):
        await llm.embed(given)
    server.reply(body={"data": [{"embedding": [1]}]})
    await llm.embeddings.create(input=given)
    assert server.requests[0].json["input"] == given


async def test_what_a_call_adds_goes_with_it(server, llm):
    await llm.embed("x", extra_headers={"X-A": "1"}, extra_query={"q": 1}, extra_body={"b": 2})
    [request] = server.requests
    assert (request.headers["x-a"], request.query, request.json["b"]) == ("1", "q=1", 2)


async def test_an_answer_has_timing_usage_and_request_id(llm):
    answer = await llm.embed("a b c")
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
    assert answer.timing.attempts == 1
    assert answer._request_id == "req-0"


async def test_a_field_of_another_answers_name_does_no_harm(server, llm):
    server.reply(body={"data": [{"embedding": [1]}], "choices": [{"a": 1}], "usage": None})
    answer = await llm.embed("x")
    assert answer.choices == [{"a": 1}]


RECORDED = [c for c in captures.cases() if c.case.startswith("embeddings") and c.status == 200]


@pytest.mark.parametrize("case", RECORDED, ids=str)
async def test_recorded_embeddings_are_read(server, llm, case):
    server.reply(body=case.body)
    vectors = (await llm.embeddings.create(**case.request)).vectors
    assert vectors
    assert all(isinstance(number, float) for vector in vectors for number in vector)
    assert len({len(vector) for vector in vectors}) == 1


def test_there_are_recorded_embeddings():
    assert RECORDED
