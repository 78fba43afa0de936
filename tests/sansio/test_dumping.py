"""Dicts of an answer: without what is None, in part, with what only the wire's object has."""

from __future__ import annotations

from typing import Any

import pytest

from rawllm.sansio.dumping import added, merged, part, sent, without_none

VALUE = {"a": 1, "b": [{"c": 2, "d": 3}, {"c": 4, "d": 5}], "e": {"f": 6, "g": 7}}


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        (None, None, VALUE),
        ({"a"}, None, {"a": 1}),
        (["a", "missing"], None, {"a": 1}),
        (set(), None, {}),
        (None, {"a", "b"}, {"e": {"f": 6, "g": 7}}),
        ({"a", "e"}, {"a"}, {"e": {"f": 6, "g": 7}}),
        ({"e": {"f"}}, None, {"e": {"f": 6}}),
        ({"e": True}, None, {"e": {"f": 6, "g": 7}}),
        ({"e": ...}, None, {"e": {"f": 6, "g": 7}}),
        ({"b": {0: {"c"}}}, None, {"b": [{"c": 2}]}),
        ({"b": {"__all__": {"d"}}}, None, {"b": [{"d": 3}, {"d": 5}]}),
        ({"b"}, {"b": {"__all__": {"c"}}}, {"b": [{"d": 3}, {"d": 5}]}),
        (None, {"b": {1}, "e": {"f": True}}, {"a": 1, "b": VALUE["b"][:1], "e": {"g": 7}}),
        (None, {"b": True, "e": ...}, {"a": 1}),
    ],
)
def test_a_part_is_chosen_as_pydantic_does(include: Any, exclude: Any, left: Any) -> None:
    assert part(VALUE, include, exclude) == left


@pytest.mark.parametrize(
    ("ours", "wire", "both"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"a": None}, {"a": 2}, {"a": None}),
        ({"a": [{"b": None}]}, {"a": [{"b": 1, "c": 2}]}, {"a": [{"b": None, "c": 2}]}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": 3}, {"a": {"b": 1}}),
    ],
)
def test_what_was_set_to_none_stays_none(ours: Any, wire: Any, both: Any) -> None:
    assert added(ours, wire) == both


@pytest.mark.parametrize(
    ("ours", "wire", "left"),
    [
        ({"a": None, "b": None, "c": 1}, {"a": 2}, {"a": None, "c": 1}),
        ({"a": [{"b": None, "c": None}]}, {"a": [{"c": 1}]}, {"a": [{"c": None}]}),
        ({"a": [{"b": None}]}, {"a": []}, {"a": [{"b": None}]}),
    ],
)
def test_none_is_left_out_where_it_was_not_sent(ours: Any, wire: Any, left: Any) -> None:
    assert sent(ours, wire) == left


def test_none_is_left_out_at_every_depth() -> None:
    assert without_none({"a": None, "b": [{"c": None, "d": 0}]}) == {"b": [{"d": 0}]}


@pytest.mark.parametrize(
    ("ours", "wire", "both"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"a": None}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1}}, {"a": {"b": "1", "c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 2}]}, {"a": [{"b": 1, "c": 2}]}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1, 2]}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": 1}),
    ],
)
def test_ours_wins_where_both_have_it(ours: Any, wire: Any, both: Any) -> None:
    assert merged(ours, wire) == both
