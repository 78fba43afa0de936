"""Answers with objects in them."""

import msgspec
import pytest

from rawllm import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    StructuredOutputError,
)
from rawllm.sansio.parsed import parsed_completion
from rawllm.sansio.schema import form_of
from rawllm.sansio.types import (
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    FunctionCall,
    Timing,
    ToolCall,
)


class Row(msgspec.Struct):
    n: int


def completion(*messages, reason="stop", **fields):
    return ChatCompletion(
        id="c1",
        model="m",
        choices=[
            Choice(index=i, message=message, finish_reason=reason)
            for i, message in enumerate(messages)
        ],
        **fields,
    )


def said(content=None, **fields):
    return ChatCompletionMessage(content=content, **fields)


def called(name, arguments):
    return ToolCall(id="t1", function=FunctionCall(name=name, arguments=arguments))


def test_nothing_of_the_answer_is_lost():
    timing = Timing(queued=0.0, connect=None, first_token=0.1, total=0.2, attempts=1)
    whole = completion(
        said('{"n": 1}', _reasoning="hm", annotations=[1]),
        timing=timing,
        _request_id="r",
        _payload=b'{"choices": [], "x": 1}',
    )
    found = parsed_completion(whole, form_of(Row), {})
    assert found.parsed == Row(1)
    assert (found.id, found.model, found.timing, found._request_id) == ("c1", "m", timing, "r")
    assert (found.reasoning, found.x, found.raw["x"]) == ("hm", 1, 1)
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].message.annotations == [1]


def test_without_a_type_there_is_no_object():
    found = parsed_completion(completion(said('{"n": 1}')), None, {})
    assert found.choices[0].message.parsed is None


def test_a_refusal_is_no_object_even_where_it_has_text():
    found = parsed_completion(completion(said("I", refusal="will not")), form_of(Row), {})
    assert found.choices[0].message.parsed is None


def test_arguments_are_read_by_the_tool_of_their_name():
    whole = completion(said(tool_calls=[called("f", '{"n": 1}'), called("g", "{")]))
    found = parsed_completion(whole, form_of(Row), {"f": form_of(Row).read})
    first, second = found.choices[0].message.tool_calls
    assert (first.id, first.type, first.function.name) == ("t1", "function", "f")
    assert first.function.parsed_arguments == Row(1)
    assert (second.function.parsed_arguments, second.function.arguments) == (None, "{")
    sent = found.choices[0].message.to_param()["tool_calls"][0]["function"]
    assert sent == {"name": "f", "arguments": '{"n": 1}'}


@pytest.mark.parametrize(
    ("whole", "tools", "error"),
    [
        (completion(said('{"n": 1}'), reason="length"), {}, LengthFinishReasonError),
        (completion(said(), reason="content_filter"), {}, ContentFilterFinishReasonError),
        (completion(said('{"n": 1}'), said("no")), {}, StructuredOutputError),
        (
            completion(said(tool_calls=[called("f", "{")])),
            {"f": form_of(Row).read},
            StructuredOutputError,
        ),
    ],
)
def test_what_is_no_whole_answer_of_the_type_is_an_error_that_has_it(whole, tools, error):
    with pytest.raises(error) as caught:
        parsed_completion(whole, form_of(Row), tools)
    assert caught.value.completion is whole


def test_an_unfinished_answer_is_taken_as_far_as_it_is_known():
    whole = completion(said('{"n":', tool_calls=[called("f", "{")]), reason="length")
    found = parsed_completion(whole, form_of(Row), {"f": form_of(Row).read}, contents={0: {}})
    assert found.choices[0].message.parsed == {}
    assert found.choices[0].message.tool_calls[0].function.parsed_arguments is None
