"""Chunks → events. Names, fields and order were compared with openai-python 3.54."""

import msgspec
import pytest

from rawllm import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    StructuredOutputError,
)
from rawllm.sansio.decode import ChunkDecoder
from rawllm.sansio.events import EventBuilder
from rawllm.sansio.schema import form_of
from rawllm.sansio.types import TokenLogprob


class Row(msgspec.Struct):
    name: str
    n: int


ROW = form_of(Row)


def chunk(delta=None, finish=None, index=0, **fields):
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **fields}
    document = {"object": "chat.completion.chunk", "id": "c", "choices": [choice]}
    return ChunkDecoder().decode(msgspec.json.encode(document))


def tool(index, name=None, arguments=None, id=None):
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": id, "function": function}


def logprobs(kind, *tokens):
    return {"logprobs": {kind: [{"token": token, "logprob": -1.0} for token in tokens]}}


def told(chunks, form=None, tools=None):
    """The events but the chunks', as tuples."""
    builder = EventBuilder(form, tools or {})
    return [shown(event) for each in chunks for event in builder.events(each)[1:]]


def shown(event):
    fields = event.model_dump()
    for name in ("parsed", "parsed_arguments"):
        if hasattr(event, name):
            fields[name] = getattr(event, name)
    return fields


def tokens(*texts):
    return [TokenLogprob(token=text, logprob=-1.0).model_dump() for text in texts]


def test_text_grows_and_is_done():
    assert told(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            chunk({"content": "lo"}),
            chunk({}, "stop"),
        ]
    ) == [
        {"type": "content.delta", "delta": "", "snapshot": "", "parsed": None},
        {"type": "content.delta", "delta": "Hel", "snapshot": "Hel", "parsed": None},
        {"type": "content.delta", "delta": "lo", "snapshot": "Hello", "parsed": None},
        {"type": "content.done", "content": "Hello", "parsed": None},
    ]


def test_an_object_grows_and_is_one_of_its_type_when_it_is_done():
    pieces = ['{"na', 'me": "A", "n"', ": 1", "2}"]
    chunks = [*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop")]
    found = told(chunks, ROW)
    assert [event["parsed"] for event in found] == [
        {},
        {"name": "A"},
        {"name": "A", "n": 1},
        {"name": "A", "n": 12},
        Row("A", 12),
    ]


def test_a_refusal_grows_and_is_done():
    chunks = [chunk({"refusal": "I can"}), chunk({"refusal": "not"}), chunk({}, "stop")]
    assert told(chunks, ROW) == [
        {"type": "refusal.delta", "delta": "I can", "snapshot": "I can"},
        {"type": "refusal.delta", "delta": "not", "snapshot": "I cannot"},
        {"type": "refusal.done", "refusal": "I cannot"},
    ]


@pytest.mark.parametrize("kind", ["content", "refusal"])
def test_logprobs_grow_and_are_done(kind):
    found = told(
        [
            chunk({}, **logprobs(kind, "a")),
            chunk({}, **logprobs(kind, "b", "c")),
            chunk({}, **logprobs(kind)),
            chunk({}, "stop"),
        ]
    )
    delta = f"logprobs.{kind}.delta"
    assert [event["type"] for event in found] == [delta, delta, f"logprobs.{kind}.done"]
    assert [event[kind] for event in found] == [
        *(tokens("a"), tokens("b", "c")),
        tokens("a", "b", "c"),
    ]
    assert found[1]["snapshot"] == tokens("a", "b", "c")


def arguments(kind, name, index, text, parsed, delta=None):
    found = {"type": f"tool_calls.function.arguments.{kind}", "name": name, "index": index}
    found |= {"arguments": text, "parsed_arguments": parsed}
    return found if delta is None else {**found, "arguments_delta": delta}


def test_calls_grow_one_after_the_other():
    chunks = [
        chunk({"content": "Let me see"}),
        chunk({"tool_calls": [tool(0, "f", "", "c1")]}),
        chunk({"tool_calls": [tool(0, None, '{"name": "A",')]}),
        chunk({"tool_calls": [tool(0, None, ' "n": 1}')]}),
        chunk({"tool_calls": [tool(1, "g", '{"x": 1}', "c2")]}),
        chunk({}, "tool_calls"),
    ]
    assert told(chunks, None, {"f": ROW.read})[1:] == [
        arguments("delta", "f", 0, "", None, ""),
        {"type": "content.done", "content": "Let me see", "parsed": None},
        arguments("delta", "f", 0, '{"name": "A",', {"name": "A"}, '{"name": "A",'),
        arguments("delta", "f", 0, '{"name": "A", "n": 1}', {"name": "A", "n": 1}, ' "n": 1}'),
        arguments("delta", "g", 1, '{"x": 1}', None, '{"x": 1}'),
        arguments("done", "f", 0, '{"name": "A", "n": 1}', Row("A", 1)),
        arguments("done", "g", 1, '{"x": 1}', None),
    ]


@pytest.mark.parametrize("finish_apart", [True, False])
def test_calls_that_come_whole_are_done_too(finish_apart):
    calls = [tool(0, "f", "{}", "c1"), tool(0, "g", "{}", "c2")]  # one index, as Ollama sends it
    chunks = [chunk({"tool_calls": calls}, None if finish_apart else "tool_calls")]
    chunks += [chunk({}, "tool_calls")] if finish_apart else []
    assert [(event["type"][-5:], event["name"], event["index"]) for event in told(chunks)] == [
        ("delta", "f", 0),
        ("delta", "g", 1),
        (".done", "f", 0),
        (".done", "g", 1),
    ]


def test_pieces_without_an_index_belong_to_the_call_of_their_id():
    chunks = [
        chunk({"tool_calls": [tool(None, "f", "[", "c1")]}),
        chunk({"tool_calls": [tool(None, "f", "{", "c2")]}),
        chunk({"tool_calls": [tool(None, None, "}", "c2")]}),
        chunk({"tool_calls": [tool(None, None, "]", "c1")]}),
    ]
    found = [
        (event["index"], event["arguments"]) for event in told(chunks) if "arguments_delta" in event
    ]
    assert found == [(0, "["), (1, "{"), (1, "{}"), (0, "[]")]


def test_everything_is_done_once():
    chunks = [
        chunk({"content": "a", "refusal": "b"}, **logprobs("content", "a")),
        chunk({"tool_calls": [tool(0, "f", "{}", "c1")]}),
        chunk({"tool_calls": [tool(1, "g", "{}", "c2")]}),
        chunk({}, "tool_calls"),
        chunk({}, "tool_calls"),
    ]
    done = [event["type"] for event in told(chunks) if event["type"].endswith("done")]
    assert done == [
        *("content.done", "refusal.done", "logprobs.content.done"),
        *["tool_calls.function.arguments.done"] * 2,
    ]


def test_choices_are_told_of_apart():
    chunks = [
        chunk({"content": "a"}),
        chunk({"content": "x"}, index=1),
        chunk({"content": "b"}),
        chunk({}, "stop", index=1),
        chunk({}, "stop"),
    ]
    assert [event.get("snapshot", event.get("content")) for event in told(chunks)] == [
        *("a", "x", "ab"),
        *("x", "ab"),
    ]


@pytest.mark.parametrize(
    ("reason", "error"),
    [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)],
)
@pytest.mark.parametrize(
    ("form", "tools", "raised"), [(ROW, {}, True), (None, {"f": ROW.read}, True), (None, {}, False)]
)
def test_an_answer_that_was_cut_is_an_error_where_it_was_to_be_read(
    reason, error, form, tools, raised
):
    builder = EventBuilder(form, tools)
    builder.events(chunk({"content": '{"name"'}))
    if raised:
        with pytest.raises(error) as caught:
            builder.events(chunk({}, reason))
        assert caught.value.completion.text == '{"name"'
    else:
        assert builder.events(chunk({}, reason))[-1].type == "content.done"


def test_what_does_not_fit_is_an_error_that_has_it():
    with pytest.raises(StructuredOutputError) as caught:
        told([chunk({"content": '{"name": 1, "n": 1}'}), chunk({}, "stop")], ROW)
    assert caught.value.raw == '{"name": 1, "n": 1}'
    with pytest.raises(StructuredOutputError) as caught:
        told([chunk({"tool_calls": [tool(0, "f", "{")]}, "stop")], None, {"f": ROW.read})
    assert caught.value.raw == "{"


def test_a_snapshot_is_the_answer_so_far():
    builder = EventBuilder(ROW, {"f": ROW.read})
    assert builder.snapshot().choices == []
    first = builder.events(chunk({"content": '{"name": "A", '}))[0]
    assert (first.type, first.chunk.text) == ("chunk", '{"name": "A", ')
    assert first.snapshot.choices[0].message.parsed == {"name": "A"}
    builder.events(chunk({"content": '"n": 1}'}))
    builder.events(chunk({"tool_calls": [tool(0, "f", '{"name": "B"')]}))
    message = builder.snapshot().choices[0].message
    assert message.parsed == Row("A", 1)  # the call began: the content is done
    assert message.tool_calls[0].function.parsed_arguments == {"name": "B"}
    builder.events(chunk({"tool_calls": [tool(0, None, ', "n": 2}')]}, "tool_calls"))
    whole = first.snapshot.choices[0]
    assert whole.message.tool_calls[0].function.parsed_arguments == Row("B", 2)
    assert (whole.finish_reason, whole.message.content) == ("tool_calls", '{"name": "A", "n": 1}')
