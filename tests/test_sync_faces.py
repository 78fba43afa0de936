"""The synchronous face has what the asynchronous one has, and it does the same."""

import inspect

import pytest

import rawllm
from rawllm import Client, ConfigurationError, IncompleteStreamError, Limits, OpenAI, SyncClient
from rawllm.resources import chat_stream, raw, raw_body, responses_stream
from rawllm.sync import chat_stream as sync_chat_stream
from rawllm.sync import raw as sync_raw
from rawllm.sync import responses as sync_responses
from rawllm.testing import Reply

MESSAGES = [{"role": "user", "content": "one two"}]


@pytest.fixture
def server(fake_server):
    return fake_server


@pytest.fixture
def llm(server):
    with SyncClient(server.url, model="m", max_retries=0, limits=Limits(concurrency=1)) as client:
        yield client


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


#: What only the asynchronous one has, each for a reason.
OWN = {
    "Client": {"hooks", "model", "retry", "timeout"},  # plain values: the options that were given
    "ChatStream": {"aclose", "open"},  # asynchronous by name; opened by the client
}


FACES = ("with_raw_response", "with_streaming_response")


def pairs():
    """Every asynchronous object that a user gets from a client, with its synchronous one."""
    client, sync = Client("http://x", model="m"), OpenAI(base_url="http://x")
    found = [(client, sync)]
    for one, other in found:
        for name in sorted(public(type(one))):
            value = getattr(type(one), name)
            resource = hasattr(value, "func") or name in FACES  # a cached_property
            if resource and hasattr(other, name):
                found.append((getattr(one, name), getattr(other, name)))
    found = [(type(one), type(other)) for one, other in found]
    return [
        *found,
        (rawllm.ChatStream, rawllm.SyncStream),
        (raw.ResponseManager, sync_raw.SyncResponseManager),
        (raw_body.AsyncAPIResponse, sync_raw.APIResponse),
        (chat_stream.ChatCompletionStream, sync_chat_stream.SyncChatCompletionStream),
        (chat_stream.ChatCompletionStreamManager, sync_chat_stream.SyncChatCompletionStreamManager),
        (responses_stream.ResponseStream, sync_responses.SyncResponseStream),
        (responses_stream.ResponseStreamManager, sync_responses.SyncResponseStreamManager),
    ]


@pytest.mark.parametrize(("one", "other"), pairs(), ids=lambda cls: cls.__name__)
def test_no_public_name_is_missing(one, other):
    assert public(one) - OWN.get(one.__name__, set()) - public(other) == set()
    for here, there in (
        ("__aenter__", "__enter__"),
        ("__aexit__", "__exit__"),
        ("__aiter__", "__iter__"),
    ):
        assert hasattr(other, there) or not hasattr(one, here)


def test_the_walk_reaches_all_resources():
    names = {one.__name__ for one, _ in pairs()}
    assert names >= {"Client", "Chat", "ChatCompletions", "Completions", "Embeddings", "Models"}
    assert names >= {"Responses", "InputItems", "WithRawResponse", "WithStreamingResponse"}


def test_nothing_public_is_a_coroutine():
    for _, other in pairs():
        for name in public(other):
            assert not inspect.iscoroutinefunction(getattr(other, name)), f"{other}.{name}"


# ── chat.completions.stream ──────────────────────────────────────────────────────────────────


def test_the_events_of_a_stream_come_in_a_plain_loop(llm):
    with llm.chat.completions.stream(messages=MESSAGES) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert {event.type for event in events} == {"chunk", "content.delta", "content.done"}
    assert "".join(event.delta for event in events if event.type == "content.delta") == (
        "echo: one two"
    )
    assert final.choices[0].message.content == "echo: one two"
    assert stream.response.status_code == 200


def test_a_streamed_object_grows_and_is_there_at_the_end(server, llm):
    server.reply(tokens=['{"n"', ": 1}"])
    with llm.chat.completions.stream(messages=MESSAGES, response_format=dict[str, int]) as stream:
        assert stream.until_done() is stream
        assert stream.current_completion_snapshot.choices[0].message.parsed == {"n": 1}
        assert stream.get_final_completion().choices[0].message.parsed == {"n": 1}


def test_leaving_the_block_closes_the_stream(server, llm):
    server.reply(tokens=["a", "b"], delay=30)
    with llm.chat.completions.stream(messages=MESSAGES) as stream:
        next(stream)
    with pytest.raises(IncompleteStreamError):
        stream.until_done()
    assert llm.complete("a").text == "echo: a"


# ── raw responses ────────────────────────────────────────────────────────────────────────────


def test_a_raw_response_and_its_answer(llm):
    raw = llm.chat.completions.with_raw_response.create(messages=MESSAGES)
    assert raw.status_code == 200
    assert raw.parse().text == raw.json()["choices"][0]["message"]["content"] == "echo: one two"
    assert [m.id for m in llm.models.with_raw_response.list().parse()] == ["fake"]
    raw = llm.completions.with_raw_response.create(prompt="a", stream=True)
    assert "".join(chunk.text for chunk in raw.parse()) == "echo: a"


def test_a_streaming_response_is_read_piece_by_piece(llm):
    streaming = llm.chat.completions.with_streaming_response
    with streaming.create(messages=MESSAGES, stream=True) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        for name in ("status_code", "headers", "url", "method", "request_id", "retries_taken"):
            assert getattr(response, name) == getattr(response._async, name)
        lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    with streaming.create(messages=MESSAGES) as response:
        body = b"".join(response.iter_bytes(7))
    with streaming.create(messages=MESSAGES) as response:
        assert len("".join(response.iter_text())) == len(body.decode())
    with streaming.create(messages=MESSAGES) as response:
        assert response.json() == response.json()
        assert response.read().decode() == response.text()
        assert response.is_closed
    with streaming.create(messages=MESSAGES) as response:
        assert response.parse().text == "echo: one two"
    with streaming.create(messages=MESSAGES, stream=True) as response:
        assert "".join(chunk.text for chunk in response.parse()) == "echo: one two"
        assert response.parse() is response.parse()
        with pytest.raises(ConfigurationError, match="once"):
            response.read()


def test_a_body_that_is_not_read_gives_its_place_back(server, llm):
    server.reply(tokens=["a", "b"], delay=30)
    with llm.completions.with_streaming_response.create(prompt="a", stream=True) as response:
        for _ in response.iter_lines():
            break
    assert response.is_closed
    server.default = Reply("ok")
    assert llm.complete("a").text == "ok"
    with llm.completions.with_streaming_response.create(prompt="a") as response:
        response.close()
    assert repr(response) == "<APIResponse [200]>"


def test_keys_are_hidden_in_what_fails(llm):
    with pytest.raises(ConfigurationError) as caught:
        llm.completions.with_raw_response.create(
            prompt="a", extra_headers={"X-Key": "s3cret-k3y", "bad\n": ""}
        )
    traceback = caught.value.__traceback__.tb_next
    while traceback is not None:
        assert "s3cret-k3y" not in repr(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next


def test_models_are_iterated_without_pages(llm):
    assert [model.id for model in llm.models.list()] == ["fake"]
    assert not llm.models.list().has_next_page()


# ── responses ────────────────────────────────────────────────────────────────────────────────


def test_a_response_whole_streamed_and_typed(server, llm):
    assert llm.responses.create(input="one two").output_text == "echo: one two"
    with llm.responses.create(input="one two", stream=True) as stream:
        events = list(stream)
        assert stream.completion is events[-1].response
    assert events[-1].response.output_text == "echo: one two"
    server.reply('{"n": 1}')
    assert llm.responses.parse(input="a", text_format=dict[str, int]).output_parsed == {"n": 1}
    raw = llm.responses.with_raw_response.create(input="a", stream=True)
    assert raw.parse().result().output_text == "echo: a"


def test_the_events_of_a_response_come_with_what_was_before_them(server, llm):
    server.reply(tokens=['{"n"', ": 1}"])
    with llm.responses.stream(input="a", text_format=dict[str, int]) as stream:
        snapshots = [event.snapshot for event in stream if event.type.endswith("text.delta")]
        final = stream.get_final_response()
    assert snapshots == ['{"n"', '{"n": 1}']
    assert final.output_parsed == {"n": 1}
    assert final.timing.attempts == 1
    assert stream.response.status_code == 200
    with llm.responses.create(input="a b", stream=True) as sent:
        server.stream([event.raw for event in sent])
    with llm.responses.stream(response_id="r", starting_after=4) as stream:
        assert [event.sequence_number for event in stream] == list(range(5, 11))
    server.reply(tokens=["a", "b"], delay=30)
    with llm.responses.stream(input="a") as stream:
        next(stream)
    with pytest.raises(IncompleteStreamError):
        stream.until_done()
    assert llm.complete("a").text == "echo: a"


def test_stored_responses_and_their_items(server, llm):
    stored = {"id": "r", "object": "response", "status": "completed", "output": []}

    def answer(request):
        if not request.path.endswith("input_items"):
            return Reply(body=stored)
        more = "after=b" not in request.query
        data = [{"type": "message", "id": name, "content": []} for name in ("ab" if more else "c")]
        return Reply(body={"object": "list", "data": data, "has_more": more})

    server.handler = answer
    assert llm.responses.retrieve("r").id == "r"
    assert llm.responses.cancel("r").status == "completed"
    assert llm.responses.delete("r") is None
    page = llm.responses.input_items.list("r")
    assert [item.id for item in page.data] == ["a", "b"]
    assert [item.id for item in page] == ["a", "b", "c"]
