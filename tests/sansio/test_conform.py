"""Whether a value has a schema's shape."""

import pytest

from rawllm.sansio.conform import problem_of

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": ["integer", "null"]},
        "friends": {"type": "array", "items": {"$ref": "#"}},
        "pet": {"anyOf": [{"$ref": "#/$defs/Cat~0~1"}, {"type": "null"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"Cat~/": {"type": "object", "properties": {"lives": {"const": 9}}}},
}


@pytest.mark.parametrize(
    ("value", "schema", "problem"),
    [
        ({"name": "a"}, PERSON, None),
        ({"name": "a", "age": None, "pet": {"lives": 9}}, PERSON, None),
        ({"name": "a", "friends": [{"name": "b", "friends": []}]}, PERSON, None),
        ({}, PERSON, "'name' is missing at $"),
        ([], PERSON, "expected object at $"),
        ({"name": 1}, PERSON, "expected string at $.name"),
        ({"name": "a", "age": True}, PERSON, "expected integer or null at $.age"),
        ({"name": "a", "x": 1}, PERSON, "nothing is allowed at $.x"),
        ({"name": "a", "friends": [{}]}, PERSON, "'name' is missing at $.friends[0]"),
        ({"name": "a", "pet": {"lives": 7}}, PERSON, "none of the allowed forms at $.pet"),
        (2.0, {"type": "integer"}, None),
        (2.5, {"type": "integer"}, "expected integer at $"),
        (2, {"type": "number"}, None),
        (True, {"type": "boolean"}, None),
        (1, {"type": "boolean"}, "expected boolean at $"),
        ("c", {"enum": ["a", "b"]}, "'c' is none of ['a', 'b'] at $"),
        ("c", {"const": "a"}, "'c' is not 'a' at $"),
        (1, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, None),
        (1, {"allOf": [{"type": "integer"}, {"enum": [2]}]}, "1 is none of [2] at $"),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, None),
        ([1, 2], {"prefixItems": [{}], "items": False}, "nothing is allowed at $[1]"),
        ({"a": 1, "b": "x"}, {"additionalProperties": {"type": "integer"}}, "expected integer at"),
        ("anything", {}, None),
        ("anything", True, None),
        ("anything", {"type": "of tomorrow"}, None),
        (1, {"$ref": "#/not/there"}, None),
    ],
)
def test_a_value_has_the_shape_or_one_line_says_what_and_where(value, schema, problem):
    found = problem_of(value, schema)
    assert found == problem if problem is None else found.startswith(problem)
