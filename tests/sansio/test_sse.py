"""The SSE parser against a corpus, recorded streams, and a slow reading of the specification."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import pickle
import random
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import captures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sansio import sse_reference

from rawllm.errors import LimitExceeded
from rawllm.sansio.sse import Event, SSEParser

SAMPLES = Path(__file__).parent.parent / "samples"
CORPUS = [json.loads(line) for line in (SAMPLES / "sse_corpus.jsonl").read_bytes().splitlines()]

#: Inputs up to this size are cut at every byte, longer ones at random places.
EVERY_PLACE = 6_000


def triple(event: Event) -> tuple[str, str, str]:
    return (event.event, event.text, event.id)


def run(pieces: Iterable[bytes], **options: Any) -> tuple[list[tuple[str, str, str]], SSEParser]:
    parser = SSEParser(**options)
    return [triple(event) for piece in pieces for event in parser.feed(piece)], parser


def one_by_one(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def halves(data: bytes) -> Iterator[list[bytes]]:
    return ([data[:i], data[i:]] for i in range(len(data) + 1))


def cut_at_random(data: bytes, chance: random.Random, most: int = 40) -> list[bytes]:
    places = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, most)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


# ---------------------------------------------------------------- the corpus


def corpus_input(row: dict[str, Any]) -> bytes:
    if "input_b64" in row:
        return base64.b64decode(row["input_b64"])
    return b"".join(base64.b64decode(p["b64"]) * p["repeat"] for p in row["input_parts"])


def triples(expected: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(e["event"], e["data"], e["id"]) for e in expected]


def digest(events: list[tuple[str, str, str]]) -> dict[str, Any]:
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    return {"count": len(events), "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def cuts(data: bytes, name: str) -> Iterator[list[bytes]]:
    yield [data]
    if len(data) <= EVERY_PLACE:
        yield from halves(data)
        yield one_by_one(data)
    else:
        chance = random.Random(name)
        for _ in range(200):
            yield cut_at_random(data, chance)


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["name"])
def test_the_corpus_reads_the_same_however_it_is_cut(row: dict[str, Any]) -> None:
    data = corpus_input(row)
    whole, _ = run([data])
    if "events" in row:
        assert whole == triples(row["events"])
    else:
        assert digest(whole) == row["events_digest"]
    for pieces in cuts(data, row["name"]):
        events, parser = run(pieces)
        assert events == whole
        pending = parser.eof()
        assert parser.last_event_id == row["final_last_event_id"]
        assert parser.retry == row["final_retry"]
        if "eof_flush" in row:
            flushed = [] if pending is None else [triple(pending)]
            assert events + flushed == triples(row["eof_flush"])


def test_the_corpus_is_all_there() -> None:
    assert len(CORPUS) == 126
    assert sum("eof_flush" in row for row in CORPUS) == 9


# ---------------------------------------------------------------- recorded streams


@pytest.mark.parametrize("capture", captures.cases(stream=True), ids=str)
def test_a_recorded_stream_reads_the_same_however_it_is_cut(capture: captures.Capture) -> None:
    body = capture.body
    whole, _ = run([body])
    payloads = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert [text.encode() for _, text, _ in whole] == payloads
    for _, text, _ in whole:
        assert text == "[DONE]" or json.loads(text)
    assert run(one_by_one(body))[0] == whole
    chance = random.Random(str(capture))
    for _ in range(500):
        place = chance.randint(0, len(body))
        assert run([body[:place], body[place:]])[0] == whole


def test_the_recorded_streams_are_all_there_and_unframed() -> None:
    streams = captures.cases(stream=True)
    assert len(streams) == 43
    for capture in streams:
        meta = captures.ROOT / capture.server / f"{capture.case}.meta.json"
        if meta.exists() and (sizes := json.loads(meta.read_text()).get("http_chunk_sizes")):
            assert sum(sizes) == len(capture.body), capture


# ---------------------------------------------------------------- the specification

TOKENS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"\0", b"\xef\xbb\xbf", b"\xef\xbb"),
    *(b"data", b"data:", b"data: ", b"data: x\n\n", b'data: {"a":1}\n\n', b"data: y\r\n\r\n"),
    *(b"event: ", b"event:e\n", b"id", b"id: 7\n", b"id:\n", b"retry: ", b"retry:30\n", b"12"),
    *(b"error: ", b"error: e\n", b": ping\n\n", b"Data: z\n", b"unknown: u\n", b"[DONE]"),
    *("é".encode(), "\u2028".encode(), "\u0085".encode(), b"\xf0\x9f", b"\x98\x80", b"\xff"),
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    tokens=st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)), max_size=30),
    seed=st.integers(0, 2**32),
)
def test_any_bytes_read_as_the_specification_reads_them(tokens: list[bytes], seed: int) -> None:
    data = b"".join(tokens)
    expected = sse_reference.read(data)
    chance = random.Random(seed)
    for pieces in ([data], one_by_one(data), cut_at_random(data, chance, 8)):
        events, parser = run(pieces)
        pending = parser.eof()
        assert events == expected.events
        assert (None if pending is None else triple(pending)) == expected.pending
        assert parser.last_event_id == expected.last_event_id
        assert parser.retry == expected.retry
        error = None if parser.error is None else parser.error.decode("utf-8", "replace")
        assert error == expected.error


def test_the_reference_agrees_with_the_corpus() -> None:
    for row in CORPUS:
        if "events" in row:
            reading = sse_reference.read(corpus_input(row))
            assert reading.events == triples(row["events"]), row["name"]
            assert reading.last_event_id == row["final_last_event_id"], row["name"]
            assert reading.retry == row["final_retry"], row["name"]


# ---------------------------------------------------------------- single facts


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    for ending in (b"\n\n", b"\r\r", b"\r\n\r"):
        parser = SSEParser()
        assert parser.feed(b"data: x" + ending[:-1]) == []
        assert parser.feed(ending[-1:]) == [Event(b"x")]


def test_an_empty_piece_changes_nothing() -> None:
    pieces = one_by_one(b"\xef\xbb\xbfdata: a\r\ndata: b\r\n\r\n")
    with_gaps = [part for piece in pieces for part in (b"", piece, b"")]
    assert run(with_gaps)[0] == [("message", "a\nb", "")]


def test_the_data_stays_bytes_and_the_text_replaces_what_is_not_utf8() -> None:
    [event] = SSEParser().feed(b"data: a\xff\n\n")
    assert event.data == b"a\xff"
    assert event.text == "a\ufffd"
    assert type(event.data) is bytes


def test_data_of_several_lines_is_bytes_too() -> None:
    [event] = SSEParser().feed(b"data: a\ndata: b\ndata: c\n\n")
    assert event == Event(b"a\nb\nc")
    assert type(event.data) is bytes


def test_an_event_pickles_and_cannot_be_changed() -> None:
    event = Event(b"x", "name", "7")
    assert pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(AttributeError):
        event.data = b"y"  # type: ignore[misc]


@pytest.mark.parametrize("rest", [b"data: b\ndata: c\n\n", b"id: 1\ndata: b\n\n"])
def test_a_name_holds_for_one_event(rest: bytes) -> None:
    [named, other] = SSEParser().feed(b"event: e\ndata: a\n\n" + rest)
    assert (named.event, other.event) == ("e", "message")


def test_a_line_cut_off_by_the_end_is_given_once() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a") == []
    assert parser.eof() == Event(b"a")
    assert parser.eof() is None


def test_the_end_gives_the_pending_block_once_and_commits_nothing() -> None:
    parser = SSEParser()
    assert parser.feed(b"id: 1\ndata: a\n\nid: 2\nevent: e\ndata: b\nretry: 5") == [
        Event(b"a", id="1")
    ]
    assert parser.eof() == Event(b"b", "e", "2")
    assert parser.last_event_id == "1"
    assert parser.retry is None
    assert parser.eof() is None


@pytest.mark.parametrize("rest", [b"", b": ping\n", b"event: e\n", b"id: 7", b"\xef\xbb", b"dat"])
def test_the_end_gives_nothing_where_no_data_is_pending(rest: bytes) -> None:
    parser = SSEParser()
    assert parser.feed(rest) == []
    assert parser.eof() is None


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"data: x\n\n", None),
        (b'error: {"code":500}\n\n', b'{"code":500}'),
        (b'data: x\n\nerror:{"code":500}\n\ndata: y\n\n', b'{"code":500}'),
        (b"error: first\n\nerror: last\n\n", b"last"),
        (b"error\n", b""),
        (b'data: x\n\nerror: {"code":', b'{"code":'),  # cut off by the end
    ],
)
def test_an_error_field_is_kept_beside_the_events(stream: bytes, error: bytes | None) -> None:
    for pieces in halves(stream):
        events, parser = run(pieces)
        assert parser.eof() is None
        assert events == [("message", t, "") for t in "xy" if f"data: {t}\n\n".encode() in stream]
        assert parser.error == error


@pytest.mark.parametrize(("digits", "kept"), [(640, True), (641, False), (5_000, False)])
def test_a_retry_of_any_length_never_raises(digits: int, kept: bool) -> None:
    parser = SSEParser()
    parser.feed(b"retry: " + b"9" * digits + b"\n\n")
    assert parser.retry == (int("9" * digits) if kept else None)


# ---------------------------------------------------------------- the limit

LIMIT = 20


@pytest.mark.parametrize(
    ("stream", "fits"),
    [
        (b"data: " + b"x" * 14 + b"\n\n", True),
        (b"data: " + b"x" * 15 + b"\n\n", False),
        (b"data:" + b"x" * 15 + b"\n\n", True),
        (b"data: " + b"x" * 14 + b"\r\n\r\n", True),  # line ends do not count
        (b"data: " + b"x" * 14, True),
        (b"data: " + b"x" * 15, False),
        (b"data: aaaa\ndata: " + b"x" * 10 + b"\n\n", True),
        (b"data: aaaa\ndata: " + b"x" * 11 + b"\n\n", False),
        (b"data: aaaa\ndata: " + b"x" * 11, False),
        (b"data: aaaa\n: " + b"x" * 15 + b"\n\n", False),
        (b"data\n" * 18 + b"\n", True),  # 16 line ends are kept before the last "data"
        (b"data\n" * 19 + b"\n", False),
        (b"data: aaaa\n\n" * 50, True),
        ((b": " + b"x" * 18 + b"\n") * 50, True),
        (b": " + b"x" * 19 + b"\n\n", False),
        (b"event: " + b"x" * 14 + b"\n", False),
        (b"x" * 21, False),
    ],
)
def test_the_limit_counts_the_line_and_the_data_before_it(stream: bytes, fits: bool) -> None:
    for pieces in [*halves(stream), one_by_one(stream)]:
        if fits:
            _, parser = run(pieces, max_event_bytes=LIMIT)
            parser.eof()
        else:
            with pytest.raises(LimitExceeded) as raised:
                run(pieces, max_event_bytes=LIMIT)
            assert "20 bytes" in str(raised.value)
            assert "Limits(max_event_bytes=" in str(raised.value)


@pytest.mark.parametrize("piece", [b"x" * 1_000, b"data: x\n", b"data\n", b"data:x\r"])
def test_an_endless_event_ends_at_the_limit(piece: bytes) -> None:
    limit = 100_000
    # The shortest data line, "data", is five bytes on the wire for one in the buffer.
    pieces = [piece] * (5 * limit // len(piece) + 2)
    with pytest.raises(LimitExceeded):
        run(pieces, max_event_bytes=limit)


@pytest.mark.parametrize("piece", [b"xy", b"data:ab\n", b"data\n"])
def test_small_pieces_take_no_more_memory_than_their_bytes(piece: bytes) -> None:
    limit = 300_000
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded):
            run(itertools.chain([b"data: "], itertools.repeat(piece)), max_event_bytes=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * limit


def test_one_long_event_in_small_pieces_takes_linear_time() -> None:
    # About 0.05 s of this process's CPU; joining tail and piece each time copies 128 GiB.
    size = 16 * 1024 * 1024 - 16
    parser = SSEParser()
    started = time.process_time()
    parser.feed(b"data: ")
    for _ in range(size // 1024):
        parser.feed(b"x" * 1024)
    [event] = parser.feed(b"\n\n")
    assert len(event.data) == size // 1024 * 1024
    assert time.process_time() - started < 5


def test_one_event_of_many_lines_takes_linear_time() -> None:
    # As above: a million lines, where joining bytes each time copies 2 TB.
    parser = SSEParser()
    started = time.process_time()
    for _ in range(1_000):
        parser.feed(b"data: abc\n" * 1_000)
    [event] = parser.feed(b"\n")
    assert len(event.data) == 4_000_000 - 1
    assert time.process_time() - started < 20
