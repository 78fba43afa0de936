import asyncio
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


def texts(n):
    return [f"text {i}" for i in range(n)]


async def asynchronous(values):
    for value in values:
        yield value


@pytest.mark.parametrize("make", [list, iter, asynchronous], ids=lambda make: make.__name__)
async def test_many_inputs_go_in_batches_and_come_back_as_one_answer(server, llm, make):
    answer = await llm.embed(make(texts(100)))
    assert answer.vectors == [embedding(text, 8) for text in texts(100)]
    assert [item.index for item in answer.data] == list(range(100))
    assert [len(request.json["input"]) for request in server.requests] == [32, 32, 32, 4]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 200
    assert answer.model == "m"
    assert answer.timing.attempts == 4
    assert answer.timing.total > 0


async def test_tokens_are_one_input_and_lists_of_them_many(server, llm):
    await llm.embed([[1, 2], [3]], batch_size=1)
    await llm.embed([1, 2, 3], batch_size=1)
    assert [request.json["input"] for request in server.requests] == [[[1, 2]], [[3]], [1, 2, 3]]


async def test_the_order_holds_when_a_batch_is_late(server, llm):
    async def slow(request):
        await asyncio.sleep(0.02 if request.json["input"] == ["text 0"] else 0)

    server.handler = slow
    answer = await llm.embed(texts(3), batch_size=1)
    assert answer.vectors == [embedding(text, 8) for text in texts(3)]


async def test_no_more_requests_at_once_than_wanted(server, llm):
    async def slow(request):
        await asyncio.sleep(0.005)

    server.handler = slow
    await llm.embed(texts(12), batch_size=1, concurrency=3)
    assert server.max_in_flight == 3


async def test_one_failed_batch_fails_the_whole(server, llm):
    server.fail(400)
    with pytest.raises(rawllm.BadRequestError):
        await llm.embed(texts(4), batch_size=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "batch_size= takes a whole number"),
        ({"batch_size": 2.0}, "batch_size= takes a whole number"),
        ({"concurrency": 0}, "concurrency= takes a whole number"),
        ({"input": {"a": 1}}, "this is of type dict"),
        ({"input": b"text"}, "this is of type bytes"),
        ({"input": iter([])}, "nothing to embed"),
    ],
)
async def test_what_cannot_work_is_refused(server, llm, options, said):
    with pytest.raises(rawllm.ConfigurationError, match=said):
        await llm.embed(**{"input": ["a", "b"], **options})
    assert server.requests == []


async def test_fewer_vectors_than_inputs_are_no_answer(server, llm):
    server.reply(body={"data": [{"index": 0, "embedding": [1]}]})
    with pytest.raises(rawllm.APIResponseValidationError, match="2 inputs were sent and 1 emb"):
        await llm.embed(["a", "b"])


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
