import asyncio
import json
from typing import TypedDict

import pytest

pytest.importorskip("langchain_core")

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.load import dumps
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from pydantic import BaseModel

from rawllm import Client, ConfigurationError, IncompleteStreamError, RateLimitError
from rawllm.integrations.langchain import ChatRawLLM

#: `stream_events`, which LangChain still calls a beta.
pytestmark = pytest.mark.filterwarnings("ignore:.* is in beta")

SECRET = "sk-do-not-show"
USER = [{"role": "user", "content": "hello"}]


@pytest.fixture
def model(fake_server):
    return ChatRawLLM(model="m", base_url=fake_server.url, max_retries=0)


def asked(server):
    """The bodies of all requests so far."""
    return [request.json for request in server.requests]


async def collected(chunks):
    return [chunk async for chunk in chunks]


#: How each of the four is called, and what comes back as a list of chunks or messages.
WAYS = {
    "invoke": lambda llm, *a, **k: [llm.invoke(*a, **k)],
    "ainvoke": lambda llm, *a, **k: [asyncio.run(llm.ainvoke(*a, **k))],
    "stream": lambda llm, *a, **k: list(llm.stream(*a, **k)),
    "astream": lambda llm, *a, **k: asyncio.run(collected(llm.astream(*a, **k))),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
streams = pytest.mark.parametrize("way", [WAYS["stream"], WAYS["astream"]], ids=["sync", "async"])


# ── the request ──────────────────────────────────────────────────────────────────────────────


@ways
def test_what_was_not_asked_for_is_not_sent(way, model, fake_server):
    way(model, "hello")
    [body] = asked(fake_server)
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    assert body in ({"model": "m", "messages": USER}, {"model": "m", "messages": USER} | streaming)
    assert ("stream" in body) == (way in (WAYS["stream"], WAYS["astream"]))


@ways
def test_fields_and_the_calls_own_arguments_are_sent_and_the_latter_win(way, fake_server):
    model = ChatRawLLM(
        model="m",
        base_url=fake_server.url,
        temperature=0,
        max_tokens=5,
        seed=1,
        stop_sequences=["a"],
        model_kwargs={"top_k": 3, "min_p": 0.1},
        extra_body={"priority": 9},
    )
    way(model, "hello", stop=["b"], seed=2, temperature=None, min_p=0.2, model="another")
    [body] = asked(fake_server)
    body.pop("stream", None)
    body.pop("stream_options", None)
    assert body == {
        "model": "another",
        "messages": USER,
        "max_tokens": 5,
        "seed": 2,
        "stop": ["b"],
        "top_k": 3,
        "min_p": 0.2,
        "priority": 9,
    }


def test_a_call_can_say_whether_to_stream(model, fake_server):
    assert model.invoke("hello", stream=False).text == "echo: hello"
    assert model.invoke("hello", stream=True).text == "echo: hello"
    assert [body.get("stream") for body in asked(fake_server)] == [None, True]


def test_many_choices_are_many_generations_and_cannot_be_streamed(model, fake_server):
    fake_server.default = "same"
    result = model.generate([[HumanMessage("hello")]], n=3)
    assert [generation.text for generation in result.generations[0]] == ["same"] * 3
    with pytest.raises(ConfigurationError, match="n="):
        next(model.stream("hello", n=2))
    with pytest.raises(ConfigurationError, match="n="):
        asyncio.run(collected(model.astream("hello", n=2)))


def test_the_text_of_a_message_can_be_asked_on(model, fake_server):
    first = model.invoke("hello")
    model.invoke(first.text)
    model.invoke([HumanMessage(first.text)])
    assert [body["messages"][0]["content"] for body in asked(fake_server)[1:]] == [
        "echo: hello"
    ] * 2


# ── streams ──────────────────────────────────────────────────────────────────────────────────


@streams
def test_usage_and_model_name_are_on_exactly_one_chunk(way, model, fake_server):
    fake_server.reply(tokens=["Hel", "lo", "!"])
    chunks = way(model, "hello")
    assert [chunk.text for chunk in chunks] == ["Hel", "lo", "!", ""]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False, False, False, True]
    whole = sum(chunks[1:], chunks[0])
    assert whole.usage_metadata["output_tokens"] == 3
    assert whole.response_metadata["model_name"] == "m"
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("version", ["v0", "v1"])
@ways
def test_reasoning_is_a_content_block(way, version, fake_server):
    fake_server.reply("Four.", reasoning="Two and two")
    model = ChatRawLLM(model="m", base_url=fake_server.url, output_version=version)
    first, *rest = way(model, "2 + 2?")
    blocks = [
        {key: block[key] for key in block if key != "index"}
        for block in sum(rest, first).content_blocks
    ]
    assert blocks == [
        {"type": "reasoning", "reasoning": "Two and two"},
        {"type": "text", "text": "Four."},
    ]


def test_the_first_chunk_does_not_wait_for_the_rest_and_leaving_aborts(model, fake_server):
    fake_server.stream(["Hel"], end="hang")
    chunks = model.stream("hello")
    assert next(chunks).text == "Hel"
    chunks.close()
    fake_server.wait(lambda: fake_server.aborted == 1)


async def test_leaving_an_asynchronous_stream_aborts_it(model, fake_server):
    fake_server.stream(["Hel"], end="hang")
    async for chunk in model.astream("hello"):
        assert chunk.text == "Hel"
        break
    await fake_server.wait_for(lambda: fake_server.aborted == 1)
    await model.aclose()


@streams
def test_a_stream_that_breaks_is_an_error_after_what_came(way, model, fake_server):
    fake_server.stream(["Hel", "lo"], end="eof")
    seen = []

    class Handler(BaseCallbackHandler):
        def on_llm_new_token(self, token, **_):
            seen.append(token)

        def on_llm_error(self, error, *, response, **_):
            seen.append(response.generations[0][0].text)

    with pytest.raises(IncompleteStreamError) as caught:
        way(model, "hello", config={"callbacks": [Handler()]})
    assert caught.value.partial.text == "Hello"
    assert seen == ["Hel", "lo", "Hello"]


@ways
def test_a_failure_is_rawllms(way, model, fake_server):
    fake_server.fail(429, headers={"Retry-After": "7"})
    with pytest.raises(RateLimitError) as caught:
        way(model, "hello")
    assert caught.value.retry_after == 7


@ways
def test_calls_are_tried_again_by_the_client(way, fake_server, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.0)
    fake_server.fail(500)
    model = ChatRawLLM(model="m", base_url=fake_server.url)
    assert "".join(chunk.text for chunk in way(model, "hello")) == "echo: hello"
    assert fake_server.attempts == 2


# ── callbacks ────────────────────────────────────────────────────────────────────────────────


class Watching(BaseCallbackHandler):
    def __init__(self):
        self.tokens = []
        self.usage = None

    def on_llm_new_token(self, token, *, chunk, **_):
        assert isinstance(chunk.message, AIMessageChunk)
        self.tokens.append(token)

    def on_llm_end(self, response, **_):
        self.usage = response.generations[0][0].message.usage_metadata


class AsyncWatching(AsyncCallbackHandler):
    def __init__(self):
        self.tokens = []

    async def on_llm_new_token(self, token, **_):
        self.tokens.append(token)


@pytest.mark.parametrize("given", [{}, {"streaming": True}], ids=["", "streaming"])
@ways
def test_callbacks_see_each_token_once_and_the_usage(way, given, fake_server):
    fake_server.reply(tokens=["Hel", "lo"])
    model = ChatRawLLM(model="m", base_url=fake_server.url, **given)
    watching = Watching()
    way(model, "hello", config={"callbacks": [watching]})
    streamed = given or way in (WAYS["stream"], WAYS["astream"])
    assert watching.tokens == (["Hel", "lo", ""] if streamed else [])
    assert watching.usage["output_tokens"] == 2


def test_streamed_events_tell_the_same_to_callbacks(model, fake_server):
    fake_server.reply(tokens=["Hel", "lo"])
    watching = Watching()
    stream = model.stream_events("hello", {"callbacks": [watching]}, version="v3")
    assert stream.output.text == "Hello"
    assert watching.tokens == ["Hel", "lo"]


async def test_asynchronous_events_too(model, fake_server):
    fake_server.reply(tokens=["Hel", "lo"])
    watching = AsyncWatching()
    stream = await model.astream_events("hello", {"callbacks": [watching]}, version="v3")
    assert (await stream.output).text == "Hello"
    assert watching.tokens == ["Hel", "lo"]
    await model.aclose()


async def test_a_chain_streams_through_its_parser_to_an_asynchronous_callback(model, fake_server):
    fake_server.reply(tokens=["Hel", "lo"])
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Say {word}.")])
    watching = AsyncWatching()
    chain = prompt | model | StrOutputParser()
    texts = await collected(chain.astream({"word": "hello"}, {"callbacks": [watching]}))
    assert "".join(texts) == "Hello"
    assert watching.tokens == ["Hel", "lo", ""]
    [body] = asked(fake_server)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    await model.aclose()


# ── tools and structure ──────────────────────────────────────────────────────────────────────


@tool
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, None),
        (False, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        (True, "required"),
        ("required", "required"),
        ("add", {"type": "function", "function": {"name": "add"}}),
        ({"type": "function", "function": {"name": "add"}},) * 2,
    ],
)
def test_tool_choice(given, sent, model, fake_server):
    model.bind_tools([add], tool_choice=given).invoke("hello")
    [body] = asked(fake_server)
    assert body.get("tool_choice") == sent
    assert [each["function"]["name"] for each in body["tools"]] == ["add"]


@ways
def test_a_tool_call_comes_back_parsed(way, model, fake_server):
    fake_server.reply(tool_calls=[{"name": "add", "arguments": {"a": 1, "b": 2}, "id": "c1"}])
    first, *rest = way(model.bind_tools([add], strict=True, parallel_tool_calls=False), "1 + 2?")
    [call] = sum(rest, first).tool_calls
    assert (call["name"], call["args"], call["id"]) == ("add", {"a": 1, "b": 2}, "c1")
    [body] = asked(fake_server)
    assert body["tools"][0]["function"]["strict"] is True
    assert body["parallel_tool_calls"] is False


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke."""

    setup: str
    punchline: str


JOKE = {"setup": "Knock, knock.", "punchline": "Who's there?"}
SCHEMAS = [Joke, JokeDict, Joke.model_json_schema()]


@pytest.mark.parametrize("schema", SCHEMAS, ids=["pydantic", "TypedDict", "JSON schema"])
def test_the_server_is_given_the_schema_and_its_answer_has_the_shape(schema, model, fake_server):
    fake_server.reply(json.dumps(JOKE))
    joke = model.with_structured_output(schema, strict=True).invoke("A joke, please.")
    assert joke == (Joke(**JOKE) if schema is Joke else JOKE)
    [body] = asked(fake_server)
    assert body["response_format"]["type"] == "json_schema"
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["name"].startswith("Joke")
    assert form["schema"]["required"] == ["setup", "punchline"]


def test_by_function_calling_the_one_tool_is_forced(model, fake_server):
    fake_server.reply(tool_calls=[{"name": "Joke", "arguments": JOKE}])
    structured = model.with_structured_output(Joke, method="function_calling", top_k=3)
    assert structured.invoke("A joke, please.") == Joke(**JOKE)
    [body] = asked(fake_server)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "Joke"}}
    assert body["parallel_tool_calls"] is False
    assert body["top_k"] == 3


def test_json_mode_needs_no_schema(model, fake_server):
    fake_server.reply('{"any": "thing"}')
    assert model.with_structured_output(method="json_mode").invoke("JSON!") == {"any": "thing"}
    [body] = asked(fake_server)
    assert body["response_format"] == {"type": "json_object"}


def test_an_answer_of_another_shape_is_an_error_or_comes_raw(model, fake_server):
    fake_server.default = "no JSON at all"
    with pytest.raises(OutputParserException):
        model.with_structured_output(Joke).invoke("A joke, please.")
    found = model.with_structured_output(Joke, include_raw=True).invoke("A joke, please.")
    assert found["raw"].content == "no JSON at all"
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)


def test_a_structure_that_cannot_be_asked_for_is_refused(model):
    with pytest.raises(ConfigurationError, match="yaml"):
        model.with_structured_output(Joke, method="yaml")
    for method in ("json_schema", "function_calling"):
        with pytest.raises(ConfigurationError, match="needs a schema"):
            model.with_structured_output(method=method)


# ── traces and caches ────────────────────────────────────────────────────────────────────────


def test_traces_are_told_model_and_parameters():
    model = ChatRawLLM(model="m", base_url="http://localhost:8000/v1", temperature=0.5, stop=["a"])
    assert model._get_ls_params(max_tokens=7) == {
        "ls_provider": "rawllm",
        "ls_model_type": "chat",
        "ls_model_name": "m",
        "ls_temperature": 0.5,
        "ls_max_tokens": 7,
        "ls_stop": ["a"],
    }
    client = Client("http://localhost:8000/v1", model="of-the-client")
    assert ChatRawLLM(client=client)._get_ls_params()["ls_model_name"] == "of-the-client"


def test_nothing_that_is_kept_or_traced_shows_a_secret():
    model = ChatRawLLM(
        model="m",
        base_url="http://localhost:8000/v1",
        api_key=SECRET,
        default_headers={"x-key": SECRET},
        default_query={"key": SECRET},
    )
    shown = [repr(model), str(model), dumps(model), str(model._get_invocation_params())]
    shown += [str(model._serialized), model._get_llm_string(), str(model._get_ls_params())]
    shown += [str(model.model_dump()), model.model_dump_json()]
    assert [text for text in shown if SECRET in text] == []


def test_a_cached_answer_is_of_the_same_server_and_parameters(model, fake_server):
    cache = InMemoryCache()
    models = [
        ChatRawLLM(model="m", base_url=fake_server.url, cache=cache, temperature=0),
        ChatRawLLM(model="m", base_url=fake_server.url, cache=cache, temperature=1),
        ChatRawLLM(model="m", base_url=f"{fake_server.url}/", cache=cache, temperature=0),
    ]
    for each in models[:2] * 2:
        each.invoke("hello")
    assert fake_server.attempts == 2
    assert model._get_llm_string() != ChatRawLLM(model="m", base_url="http://a")._get_llm_string()
