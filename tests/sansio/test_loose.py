"""JSON as servers write it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawllm.sansio.loose import MAX_DEPTH, loads, parse, whole_text


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"5", 5),
        (b' {"a" : [1, 2.5, null, true]}\r\n', {"a": [1, 2.5, None, True]}),
        (b"\xef\xbb\xbf[]", []),
        (b"[Infinity,-Infinity]", [math.inf, -math.inf]),
        (b'"a\x00\tb"', "a\x00\tb"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d"', "\ud83d"),
        (b'"\xff"', "�"),
        (b'"\xe2\x80\xa8"', "\u2028"),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"9" * 4_300, 10**4_300 - 1),
        (b"9" * 4_301, math.inf),
        (b"-" + b"9" * 9_999, -math.inf),
        (b"1" + b"0" * 20_000 + b"e-19999", 10.0),
    ],
)
def test_what_servers_write_is_read(payload: bytes, value: Any) -> None:
    assert loads(payload) == value
    assert type(loads(payload)) is type(value)
    assert parse(payload) == value


def test_nan_is_read() -> None:
    assert math.isnan(loads(b"[NaN]")[0])


@pytest.mark.parametrize("payload", [b"", b" ", b"{", b"[1,]", b"{'a':1}", b"nul", b"1 2", b"<p>"])
def test_what_is_no_json_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(payload)


@pytest.mark.parametrize("quirk", ["", "NaN,"])
@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1, MAX_DEPTH, 900, 2_000, 100_000])
def test_nesting_has_a_bound(depth: int, quirk: str) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        payload = f"[{quirk}{opening * depth}0{closing * depth}]".encode()
        if depth < MAX_DEPTH - 1:
            assert json.loads(payload)[-1] == loads(payload)[-1]
        elif depth > MAX_DEPTH:
            with pytest.raises(ValueError, match="deeply"):
                loads(payload)


def test_many_brackets_are_no_depth() -> None:
    assert loads(b"[" + b"[]," * 10_000 + b"{}]")[-1] == {}
    assert loads(b'"' + b"[" * 10_000 + b'"') == "[" * 10_000


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("abc", "abc"),
        ("größer 🦙", "größer 🦙"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a�"),
        ("\ude00a", "�a"),
        ("\ude00\ud83d", "��"),
        ("\ud83dx\ude00", "�x�"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, whole: str) -> None:
    assert whole_text(text) == whole


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(), max_size=20))
def test_whole_text_can_always_be_encoded_and_stays_so(text: str) -> None:
    whole = whole_text(text)
    whole.encode()
    assert whole_text(whole) == whole
