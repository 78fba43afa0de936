"""Typed answers: complete(response_type=…) and chat.completions.parse."""

from __future__ import annotations

import json

import msgspec
import pytest

import rawllm
from rawllm import (
    BadRequestError,
    Client,
    ConfigurationError,
    ContentFilterFinishReasonError,
    InternalServerError,
    LengthFinishReasonError,
    ParsedChatCompletion,
    StructuredOutputError,
    UnprocessableEntityError,
)
from rawllm.sansio.rung import OBJECT, SCHEMA, WORDS
from rawllm.sansio.schema import form_of
from rawllm.testing import FakeServer, Reply


class City(msgspec.Struct):
    name: str
    people: int


class Even(msgspec.Struct):
    n: int

    def __post_init__(self):
        if self.n % 2:
            raise ValueError("n is odd")


ROME = '{"name": "Rome", "people": 3}'
MESSAGES = [{"role": "user", "content": "Which?"}]


@pytest.fixture
async def llm(server):
    async with Client(server.url, model="m", max_retries=0) as client:
        yield client


def rungs(server):
    """How each request asked."""
    return [
        (
            request.json.get("response_format", {}).get("type"),
            "JSON schema" in request.json["messages"][0]["content"],
        )
        for request in server.requests
    ]


ASKED = [("json_schema", False), ("json_object", True), (None, True)]


async def test_an_answer_becomes_an_object(server, llm):
    server.reply(ROME)
    answer = await llm.complete("Which?", response_type=City, system="Be brief.", top_k=5)
    assert type(answer) is ParsedChatCompletion
    assert answer.parsed == answer.choices[0].message.parsed == City("Rome", 3)
    assert (answer.text, answer.timing.attempts, answer._request_id) == (ROME, 1, "req-0")
    assert answer.usage.total_tokens
    assert server.requests[0].json == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Which?"},
        ],
        "top_k": 5,
        "response_format": form_of(City).response_format,
    }


async def test_a_schema_may_be_a_dict(server, llm):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    server.reply('{"a": 1}')
    assert (await llm.complete("Which?", response_type=schema)).parsed == {"a": 1}


async def test_parse_takes_openais_arguments(server, llm):
    server.reply(ROME)
    answer = await llm.chat.completions.parse(
        messages=iter(MESSAGES), response_format=City, model="other", extra_headers={"x-a": "1"}
    )
    assert answer.choices[0].message.parsed == City("Rome", 3)
    assert (server.requests[0].json["model"], server.requests[0].headers["x-a"]) == ("other", "1")


@pytest.mark.parametrize("given", [{}, {"response_format": None}, {"response_format": "NOT"}])
async def test_parse_without_a_type_parses_nothing(server, llm, given):
    if given.get("response_format") == "NOT":
        given = {"response_format": rawllm.NOT_GIVEN}
    answer = await llm.chat.completions.parse(messages=MESSAGES, **given)
    assert answer.choices[0].message.content == "echo: Which?"
    assert answer.choices[0].message.parsed is None
    assert "response_format" not in server.requests[0].json


async def test_a_response_format_that_is_a_dict_is_sent_as_it_is(server, llm):
    server.reply("{}")
    answer = await llm.chat.completions.parse(
        messages=MESSAGES, response_format={"type": "json_object"}
    )
    assert answer.choices[0].message.parsed is None
    assert server.requests[0].json["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("reason", "error"),
    [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)],
)
async def test_an_answer_that_was_cut_is_no_object(server, llm, reason, error):
    server.reply('{"name":', finish_reason=reason)
    with pytest.raises(error) as caught:
        await llm.complete("Which?", response_type=City)
    assert caught.value.completion.text == '{"name":'
    assert server.attempts == 1


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"refusal": "No."}, "a refusal"),
        ({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}, "a tool call"),
        ({"content": ""}, "empty"),
    ],
)
async def test_an_answer_without_content_has_no_object(server, llm, message, said):
    server.reply(body={"choices": [{"message": message}]})
    answer = await llm.complete("Which?", response_type=City)
    assert answer.choices[0].message.parsed is None
    with pytest.raises(StructuredOutputError, match=said) as caught:
        _ = answer.parsed
    assert caught.value.raw == message.get("refusal", "")
    assert server.attempts == 1


async def test_an_object_may_be_none(server, llm):
    server.reply('{"value": null}')
    assert (await llm.complete("Which?", response_type=City | None)).parsed is None


async def test_a_message_with_an_object_can_be_sent_back_and_dumped(server, llm):
    server.reply(ROME)
    message = (await llm.complete("Which?", response_type=City)).choices[0].message
    assert message.model_dump(exclude_none=True) == {"content": ROME, "role": "assistant"}
    await llm.complete([*MESSAGES, message, {"role": "user", "content": "Sure?"}])
    assert server.requests[1].json["messages"][1] == {"role": "assistant", "content": ROME}


async def test_arguments_of_known_tools_are_read(server, llm):
    def look(city: City) -> str:
        return city.name

    calls = [{"name": "look", "arguments": {"city": {"name": "Rome", "people": 3}}, "id": "1"}]
    server.reply(tool_calls=[*calls, {"name": "other", "arguments": "{}", "id": "2"}])
    answer = await llm.chat.completions.parse(messages=MESSAGES, tools=[look])
    first, second = answer.choices[0].message.tool_calls
    assert first.function.parsed_arguments == {"city": City("Rome", 3)}
    assert second.function.parsed_arguments is None

    server.reply(tool_calls=[{"name": "look", "arguments": '{"town": 1}'}])
    with pytest.raises(StructuredOutputError, match="'look' do not fit: there is no") as caught:
        await llm.complete("Which?", response_type=City, tools=[look], repair=True)
    assert caught.value.raw == '{"town": 1}'
    assert server.attempts == 2


def refusing(*refused, status=400, message="unknown field 'response_format'"):
    """A server that takes none of these types of response_format."""

    def answer(request):
        kind = request.json.get("response_format", {}).get("type")
        if kind in refused:
            return Reply(status=status, body={"error": {"message": message}})
        return Reply(ROME)

    return answer


@pytest.mark.parametrize(
    ("refused", "options", "rung"),
    [
        ([], {}, SCHEMA),
        (["json_schema"], {}, OBJECT),
        (["json_schema", "json_object"], {}, WORDS),
        (["json_schema"], {"status": 422, "message": "extra: response_format"}, OBJECT),
        (["json_schema"], {"status": 500, "message": "json_schema is no grammar"}, OBJECT),
    ],
)
async def test_a_server_that_refuses_is_asked_in_another_way(server, llm, refused, options, rung):
    server.handler = refusing(*refused, **options)
    for _ in range(2):  # the second call knows
        assert (await llm.complete("Which?", response_type=City)).parsed == City("Rome", 3)
    assert rungs(server) == [*ASKED[: rung + 1], ASKED[rung]]


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "max_tokens is too large", BadRequestError),
        (400, "Invalid schema for response_format 'City'", BadRequestError),
        (400, "Grammar error: Invalid type: nonsense", BadRequestError),
        (400, "JSON schema error at #: unrecognized type nonsense", BadRequestError),
        (422, "no such model", UnprocessableEntityError),
        (500, "boom", InternalServerError),
    ],
)
async def test_another_refusal_is_an_error(server, llm, status, message, error):
    server.handler = refusing("json_schema", status=status, message=message)
    with pytest.raises(error):
        await llm.complete("Which?", response_type=City)
    assert rungs(server) == ASKED[:1]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be brief.", "Be brief.\n\nAnswer with nothing but JSON"),
        (
            [{"type": "text", "text": "Be brief."}],
            [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Answer with"}],
        ),
    ],
)
async def test_the_schema_in_words_goes_into_the_system_message(server, llm, system, expected):
    server.handler = refusing("json_schema")
    messages = [{"role": "system", "content": system}, *MESSAGES]
    await llm.complete(messages, response_type=City)
    told, asked = server.requests[1].json["messages"]
    assert asked == MESSAGES[0]
    words = told["content"] if isinstance(system, str) else told["content"][1]["text"]
    assert words.endswith(json.dumps(form_of(City).schema))
    if isinstance(expected, str):
        assert words.startswith(expected)
    else:
        assert told["content"][0] == expected[0]
    assert messages[0]["content"] == system


async def test_a_developers_message_is_a_system_message(server, llm):
    server.handler = refusing("json_schema")
    await llm.complete([{"role": "developer", "content": "Go"}, *MESSAGES], response_type=City)
    assert [message["role"] for message in server.requests[1].json["messages"]] == [
        *("developer", "user"),
    ]


async def test_a_server_that_refuses_everything_is_an_error(server, llm):
    server.handler = refusing("json_schema", "json_object", None)
    with pytest.raises(BadRequestError):
        await llm.complete("Which?", response_type=City)
    assert rungs(server) == ASKED


async def test_a_server_that_was_told_in_words_is_not_told_again(server, llm):
    refuses = refusing("json_schema")
    server.handler = lambda request: (
        refuses(request) if "json_schema" in request.body.decode() else "no idea"
    )
    with pytest.raises(StructuredOutputError):
        await llm.complete("Which?", response_type=City)
    with pytest.raises(StructuredOutputError):
        await llm.complete("Which?", response_type=City)
    assert rungs(server) == [*ASKED[:2], ASKED[1]]


async def test_what_was_learned_is_the_endpoints_and_so_shared_by_copies(server, llm):
    server.handler = refusing("json_schema")
    await llm.complete("Which?", response_type=City)
    await llm.with_options(timeout=5).chat.completions.parse(
        messages=MESSAGES, response_format=City
    )
    assert rungs(server) == [*ASKED[:2], ASKED[1]]
    other = llm.with_options(base_url=server.url)  # another endpoint, for all we know
    await other.complete("Which?", response_type=City)
    assert rungs(server)[3:] == ASKED[:2]
    await other.close()


def test_a_synchronous_copy_knows_it_too():
    with (
        FakeServer() as server,
        rawllm.SyncClient(server.url, model="m", max_retries=0) as llm,
    ):
        server.handler = refusing("json_schema")
        llm.complete("Which?", response_type=City)
        llm.with_options(timeout=5).complete("Which?", response_type=City)
        assert rungs(server) == [*ASKED[:2], ASKED[1]]


async def test_a_server_that_ignores_the_schema_is_told_in_words(server, llm):
    def answer(request):
        told = "JSON schema" in request.json["messages"][0]["content"]
        return f"Sure:\n```json\n{ROME}\n```" if told else "Rome, I would say."

    server.handler = answer
    for _ in range(2):
        assert (await llm.complete("Which?", response_type=City)).parsed == City("Rome", 3)
    assert rungs(server) == [ASKED[0], ASKED[1], ASKED[1]]


async def test_where_words_do_not_help_nothing_is_learned(server, llm):
    server.default = "Rome, I would say."
    with pytest.raises(StructuredOutputError, match="The answer is no City: it is no JSON") as e:
        await llm.complete("Which?", response_type=City)
    assert e.value.raw == e.value.completion.text == "Rome, I would say."
    assert isinstance(e.value, ValueError)
    server.default = ROME
    await llm.complete("Which?", response_type=City)
    assert rungs(server) == [ASKED[0], ASKED[1], ASKED[0]]


async def test_a_value_that_only_the_type_refuses_is_no_fault_of_the_servers(server, llm):
    server.default = '{"n": 1}'
    with pytest.raises(StructuredOutputError, match="The answer is no Even: n is odd"):
        await llm.complete("Which?", response_type=Even)
    assert server.attempts == 1


async def test_repair_sends_the_answer_and_what_is_wrong_with_it_back_once(server, llm):
    server.reply('{"n": 1}')
    server.reply('{"n": 2}')
    answer = await llm.complete("Which?", response_type=Even, repair=True, temperature=0)
    assert answer.parsed == Even(2)
    assert server.requests[1].json["temperature"] == 0
    asked, said, told = server.requests[1].json["messages"]
    assert (asked, said) == (MESSAGES[0], {"role": "assistant", "content": '{"n": 1}'})
    assert told["role"] == "user"
    assert told["content"].startswith("The answer is no Even: n is odd. Answer again")

    server.default = '{"n": 3}'
    with pytest.raises(StructuredOutputError):
        await llm.complete("Which?", response_type=Even, repair=True)
    assert server.attempts == 4


async def test_every_choice_is_read(server, llm):
    choices = [{"index": i, "message": {"content": json.dumps({"n": 2 * i})}} for i in range(3)]
    server.reply(body={"choices": choices})
    answer = await llm.complete("Which?", response_type=Even, n=3)
    assert [choice.message.parsed for choice in answer.choices] == [Even(0), Even(2), Even(4)]


async def test_many_answers_become_objects(server, llm):
    server.default = ROME
    items = [item async for item in llm.map(["a", "b"], response_type=City)]
    assert [item.completion.parsed for item in items] == [City("Rome", 3)] * 2


@pytest.mark.parametrize(
    ("asking", "said"),
    [
        (lambda llm: llm.complete("hi", response_type=object), "a typed answer or argument"),
        (lambda llm: llm.complete("hi", response_type=City, stream=True), "whole answers"),
        (lambda llm: llm.complete("hi", repair=True), "response_type="),
        (
            lambda llm: llm.chat.completions.parse(messages=MESSAGES, stream=True),
            "chat.completions.stream",
        ),
        (lambda llm: llm.stream("hi", response_type=City), "chat.completions.stream"),
    ],
)
async def test_what_cannot_be_typed_is_refused(server, llm, asking, said):
    with pytest.raises(ConfigurationError, match=said):
        await asking(llm)
    assert server.attempts == 0
