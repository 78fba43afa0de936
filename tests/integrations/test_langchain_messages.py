import pytest

pytest.importorskip("langchain_core")

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from rawllm.integrations.langchain.messages import Pieces, result_of, wire_messages
from rawllm.sansio.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    ChoiceDelta,
    ChunkChoice,
    CompletionTokensDetails,
    DeltaFunction,
    DeltaToolCall,
    FunctionCall,
    PromptTokensDetails,
    ToolCall,
    Usage,
)

CALL = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
WIRE_CALL = {"type": "function", "id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}
BAD = {"name": "add", "args": '{"a": ', "id": "c2", "error": "cut", "type": "invalid_tool_call"}
WIRE_BAD = {"type": "function", "id": "c2", "function": {"name": "add", "arguments": '{"a": '}}

THERE = {
    "a system message": (SystemMessage("Be brief."), {"role": "system", "content": "Be brief."}),
    "a name": (
        HumanMessage("hello", name="ann"),
        {"role": "user", "name": "ann", "content": "hello"},
    ),
    "a tool call alone has no text, not an empty one": (
        AIMessage("", tool_calls=[CALL]),
        {"role": "assistant", "tool_calls": [WIRE_CALL], "content": None},
    ),
    "a tool call beside a text": (
        AIMessage("One moment.", tool_calls=[CALL]),
        {"role": "assistant", "tool_calls": [WIRE_CALL], "content": "One moment."},
    ),
    "an invalid tool call goes back, so that its rejection has a call": (
        AIMessage("", invalid_tool_calls=[BAD]),
        {"role": "assistant", "tool_calls": [WIRE_BAD], "content": None},
    ),
    "a valid one and an invalid one": (
        AIMessage("", tool_calls=[CALL], invalid_tool_calls=[BAD]),
        {"role": "assistant", "tool_calls": [WIRE_CALL, WIRE_BAD], "content": None},
    ),
    "v1 content: reasoning stays here, the call is sent once": (
        AIMessage(
            [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Yes."}, CALL],
            tool_calls=[CALL],
        ),
        {"role": "assistant", "tool_calls": [WIRE_CALL], "content": "Yes."},
    ),
    "another provider's thinking": (
        AIMessage([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."}]),
        {"role": "assistant", "content": "Yes."},
    ),
    "reasoning beside a text": (
        AIMessage("Yes.", additional_kwargs={"reasoning_content": "hm"}),
        {"role": "assistant", "content": "Yes."},
    ),
    "a tool's answer": (
        ToolMessage("2", tool_call_id="c1"),
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ),
    "an image": (
        HumanMessage(
            [
                {"type": "text", "text": "What is it?"},
                {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
            ]
        ),
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
    ),
}


@pytest.mark.parametrize(("message", "wire"), THERE.values(), ids=THERE)
def test_a_message_on_the_wire(message, wire):
    before = message.model_copy(deep=True)
    assert wire_messages([message]) == [wire]
    assert message == before


def completion(*messages, **options):
    choices = [
        Choice(index=index, message=message, finish_reason="stop")
        for index, message in enumerate(messages)
    ]
    return ChatCompletion(choices=choices, id="id-1", model="m", **options)


def said(**message):
    [generation] = result_of(completion(ChatCompletionMessage(**message))).generations
    return generation.message


def called(arguments):
    return said(tool_calls=[ToolCall(id="c1", function=FunctionCall("add", arguments))])


def test_a_whole_answer():
    message = said(content="Hello")
    assert message.content == "Hello"
    assert message.response_metadata == {
        "model_name": "m",
        "model_provider": "rawllm",
        "id": "id-1",
        "finish_reason": "stop",
    }
    assert message.usage_metadata is None


def test_reasoning_is_a_content_block_before_the_text():
    assert said(content="Four.", _reasoning="Two and two").content_blocks == [
        {"type": "reasoning", "reasoning": "Two and two"},
        {"type": "text", "text": "Four."},
    ]


def test_a_refusal_is_kept():
    message = said(refusal="I will not.")
    assert message.content == ""
    assert message.additional_kwargs == {"refusal": "I will not."}


@pytest.mark.parametrize(("arguments", "args"), [('{"a": 1}', {"a": 1}), ("", {}), ("{}", {})])
def test_a_tool_call(arguments, args):
    message = called(arguments)
    assert message.tool_calls == [{"name": "add", "args": args, "id": "c1", "type": "tool_call"}]
    assert message.invalid_tool_calls == []


def test_a_tool_call_that_does_not_parse_is_an_invalid_one():
    message = called('{"a": ')
    assert message.tool_calls == []
    [invalid] = message.invalid_tool_calls
    assert (invalid["name"], invalid["args"], invalid["id"]) == ("add", '{"a": ', "c1")


USAGE = Usage(
    20, 10, 30, PromptTokensDetails(cached_tokens=16), CompletionTokensDetails(reasoning_tokens=4)
)


def test_usage_with_its_details_stands_in_the_first_of_many():
    answers = [ChatCompletionMessage(content="a"), ChatCompletionMessage(content="b")]
    result = result_of(completion(*answers, usage=USAGE))
    first, second = (generation.message for generation in result.generations)
    assert first.usage_metadata == {
        "input_tokens": 20,
        "output_tokens": 10,
        "total_tokens": 30,
        "input_token_details": {"cache_read": 16},
        "output_token_details": {"reasoning": 4},
    }
    assert second.usage_metadata is None
    assert result.llm_output["token_usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 30,
    }


def piece(delta, index=0):
    return ChatCompletionChunk(choices=[ChunkChoice(index=index, delta=delta)])


def added(*deltas):
    pieces = Pieces()
    first, *rest = [
        found.message for delta in deltas if (found := pieces.chunk(piece(delta))) is not None
    ]
    return sum(rest, first)


def tool(index=None, id=None, name=None, arguments=None):
    function = DeltaFunction(name=name, arguments=arguments)
    return ChoiceDelta(tool_calls=[DeltaToolCall(index=index, id=id, function=function)])


BOTH = [("add", {"a": 1}, "c1"), ("sub", {"b": 2}, "c2")]

STREAMED = {
    "as OpenAI does": [
        tool(0, "c1", "add", ""),
        tool(0, arguments='{"a"'),
        tool(0, arguments=": 1}"),
        tool(1, "c2", "sub", ""),
        tool(1, arguments='{"b": 2}'),
    ],
    "index 0 for every call (Ollama)": [
        tool(0, "c1", "add", '{"a": 1}'),
        tool(0, "c2", "sub", '{"b": 2}'),
    ],
    "no index (Gemini's endpoint)": [
        tool(None, "c1", "add", '{"a": 1}'),
        tool(None, "c2", "sub", '{"b": 2}'),
    ],
    "neither index nor id on what goes on": [
        tool(None, "c1", "add", '{"a"'),
        tool(None, None, None, ": 1}"),
        tool(None, "c2", "sub", '{"b"'),
        tool(None, None, None, ": 2}"),
    ],
    "id and name on every piece (llama-cpp-python)": [
        tool(0, "c1", "add", '{"a"'),
        tool(0, "c1", "add", ": 1}"),
        tool(1, "c2", "sub", '{"b"'),
        tool(1, "c2", "sub", ": 2}"),
    ],
    "indices that do not start at 0": [
        tool(4, "c1", "add", '{"a": 1}'),
        tool(7, "c2", "sub", '{"b": 2}'),
    ],
}


@pytest.mark.parametrize("deltas", STREAMED.values(), ids=STREAMED)
def test_streamed_tool_calls_add_up_whatever_the_server_repeats(deltas):
    calls = added(*deltas).tool_calls
    assert [(call["name"], call["args"], call["id"]) for call in calls] == BOTH


def test_chunks_of_text_and_reasoning_add_up():
    deltas = [("Two", None), (" and two", None), (None, "Fo"), (None, "ur.")]
    whole = added(*(ChoiceDelta(_reasoning=r, content=c) for r, c in deltas))
    assert whole.content_blocks == [
        {"type": "reasoning", "reasoning": "Two and two"},
        {"type": "text", "text": "Four."},
    ]


def test_nothing_is_shown_of_a_chunk_that_only_names_a_role_or_is_anothers():
    pieces = Pieces()
    assert pieces.chunk(piece(ChoiceDelta(role="assistant", content=""))) is None
    assert pieces.chunk(piece(ChoiceDelta(content="second"), index=1)) is None
    assert pieces.chunk(ChatCompletionChunk(choices=[])) is None


def test_the_last_chunk_says_what_is_said_once():
    message = Pieces().last(completion(ChatCompletionMessage(content="Hello"), usage=USAGE)).message
    assert message.content == ""
    assert message.chunk_position == "last"
    assert message.usage_metadata["total_tokens"] == 30
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["model_name"] == "m"
