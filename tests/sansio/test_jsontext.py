"""JSON in a model's text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawllm.sansio.jsontext import PartialJSON, json_in, value_of


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{"a": 1}', '{"a": 1}'),
        (' \n[1, "```"]\n', '[1, "```"]'),
        ('```json\n{"a": 1}\n```', '{"a": 1}\n'),
        ('Here it is:\n```\n{"a": 1}\n```\nThat was it.', '{"a": 1}\n'),
        ('<think>Maybe {"b": 2}?</think>\n{"a": 1}', '{"a": 1}'),
        ('The answer is {"a": {"b": 1}}.', '{"a": {"b": 1}}'),
        ("I cannot do that", "I cannot do that"),
        ("5", "5"),
        ("} nothing {", "} nothing {"),
        ("", ""),
    ],
)
def test_json_is_found_in_what_stands_around_it(text, document):
    assert json_in(text) in (document, document.strip())


def half_read(text, size=1):
    partial = PartialJSON()
    for start in range(0, len(text), size):
        partial.feed(text[start : start + size])
    return value_of(partial.document())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("I think", None),
        ("{", {}),
        ('{"a', {}),
        ('{"a"', {}),
        ('{"a":', {}),
        ('{"a": 1', {"a": 1}),
        ('{"a": 12', {"a": 12}),
        ('{"a": 1.', {}),
        ('{"a": -', {}),
        ('{"a": tr', {}),
        ('{"a": true', {"a": True}),
        ('{"a": "he', {}),
        ('{"a": "he\\', {}),
        ('{"a": "he\\"', {}),
        ('{"a": "he"', {"a": "he"}),
        ('{"a": "{[,:", "b', {"a": "{[,:"}),
        ('{"a": {"b": [1, "x', {"a": {"b": [1]}}),
        ('{"a": [{"b": 1}, {"c":', {"a": [{"b": 1}, {}]}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1} and more {"b": 2}', {"a": 1}),
        ('```json\n{"a": 1, "b', {"a": 1}),
        ('{"a" 1}', None),
        ('{"a": 1]', None),
        ("{12", None),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_half_an_object_is_what_is_complete_of_it(text, value, size):
    assert half_read(text, size) == value


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def holds(whole, part):
    """Whether `part` is `whole` with ends cut off; a number may be its own beginning."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and holds(whole[name], part[name]) for name in part)
    if isinstance(whole, list) and isinstance(part, list):
        return len(part) <= len(whole) and all(map(holds, whole, part))
    return whole == part or (isinstance(whole, int) and str(whole).startswith(str(part)))


@given(st.dictionaries(st.text(), values), st.booleans(), st.integers(1, 40), st.data())
def test_every_beginning_of_an_object_is_a_part_of_it(whole, ascii_only, size, data):
    text = json.dumps(whole, ensure_ascii=ascii_only)
    beginning = text[: data.draw(st.integers(1, len(text)))]
    assert holds(whole, half_read(beginning, size))
    assert half_read(text, size) == whole
