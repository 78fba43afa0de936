"""Types → schemas, text → values."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest

from rawllm import ConfigurationError
from rawllm.sansio.schema import Form, Unfit, form_of, is_strict, strict


class Pet(msgspec.Struct):
    """What lives with a person."""

    name: str
    kind: Literal["cat", "dog"] = "cat"


class Person(msgspec.Struct):
    name: str
    age: int
    pets: list[Pet] = []
    born: datetime.date | None = None


@dataclasses.dataclass
class Trip:
    to: Annotated[str, msgspec.Meta(description="a city")]
    by: Pet
    days: int = 3


class Row(TypedDict, total=False):
    a: int


class Point(NamedTuple):
    x: int
    y: int


class Node(msgspec.Struct):
    value: int
    next: Node | None = None


class Model:
    """What a pydantic model looks like from outside."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.value == self.value

    __hash__ = None

    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        return {
            "$defs": {"Inner": {"type": "object", "properties": {"v": {"type": "integer"}}}},
            "type": "object",
            "properties": {"inner": {"$ref": "#/$defs/Inner"}},
            "title": "Model",
        }

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Model:
        value = json.loads(text)["inner"]["v"]
        if value < 0:
            raise ValueError("below 0")
        return cls(value)


@dataclasses.dataclass
class Holder:
    model: Model
    more: list[Model]


SCHEMA = {"type": "object", "properties": {"x": {"enum": ["yes", "no"]}}, "title": "Yes or no?"}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Person, '{"name":"A","age":3,"pets":[],"born":null}', Person("A", 3)),
        (Person, '{"name":"A","age":3}', Person("A", 3)),
        (Person, '{"name":"A","age":"3","pets":[{"name":"B"}]}', Person("A", 3, [Pet("B")])),
        (Person, '{"name":"A","age":3.0}', Person("A", 3)),
        (
            Person,
            '{"name":"A","age":3,"born":"2020-01-02"}',
            Person("A", 3, born=datetime.date(2020, 1, 2)),
        ),
        (Trip, '{"to":"Rome","by":{"name":"B","kind":"dog"}}', Trip("Rome", Pet("B", "dog"))),
        (Row, '{"a":1}', {"a": 1}),
        (Point, '{"value":[1,2]}', Point(1, 2)),
        (Point, "[1,2]", Point(1, 2)),
        (list[Pet], '{"value":[{"name":"B"}]}', [Pet("B")]),
        (int, '{"value":5}', 5),
        (int | str, '{"value":"5"}', "5"),
        (Literal["a"], '"a"', "a"),
        (dict[int, str], '{"1":"a"}', {1: "a"}),
        (Node, '{"value":1,"next":{"value":2,"next":null}}', Node(1, Node(2))),
        (Model, '{"inner":{"v":1}}', Model(1)),
        (
            Holder,
            '{"model":{"inner":{"v":1}},"more":[{"inner":{"v":2}}]}',
            Holder(Model(1), [Model(2)]),
        ),
        (SCHEMA, '{"x":"yes"}', {"x": "yes"}),
        (Row, 'Sure!\n```json\n{"a": 1}\n```', {"a": 1}),
    ],
)
def test_text_becomes_a_value_of_the_type(kind, text, value):
    found = form_of(kind).read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Person, '{"name":"A","age":"old"}', "`$.age`"),
        (Person, '{"name":"A"}', "missing required field `age`"),
        (Person, "", "it is empty"),
        (Person, "I will not", "it is no JSON"),
        (Person, "[" * 200, "it is no JSON"),
        (Model, '{"inner":{"v":-1}}', "below 0"),
        (Holder, '{"model":{"inner":{"v":-1}},"more":[]}', "below 0 - at `$.model`"),
        (SCHEMA, '{"x":"perhaps"}', "'perhaps' is none of ['yes', 'no'] at $.x"),
        (SCHEMA, "{}", "'x' is missing at $"),
    ],
)
def test_text_that_is_no_value_of_the_type_says_why(kind, text, said):
    with pytest.raises(Unfit) as caught:
        form_of(kind).read(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (
            Trip,
            {
                "type": "object",
                "title": "Trip",
                "properties": {
                    "to": {"type": "string", "description": "a city"},
                    "by": {"$ref": "#/$defs/Pet"},
                    "days": {"type": "integer"},
                },
                "required": ["to", "by", "days"],
                "additionalProperties": False,
                "$defs": {
                    "Pet": {
                        "type": "object",
                        "title": "Pet",
                        "description": "What lives with a person.",
                        "properties": {
                            "name": {"type": "string"},
                            "kind": {"type": "string", "enum": ["cat", "dog"]},
                        },
                        "required": ["name", "kind"],
                        "additionalProperties": False,
                    }
                },
            },
        ),
        (
            list[int],
            {
                "type": "object",
                "properties": {"value": {"type": "array", "items": {"type": "integer"}}},
                "required": ["value"],
                "additionalProperties": False,
            },
        ),
        (
            Model,
            {
                "type": "object",
                "title": "Model",
                "properties": {"inner": {"$ref": "#/$defs/Inner"}},
                "required": ["inner"],
                "additionalProperties": False,
                "$defs": {
                    "Inner": {
                        "type": "object",
                        "properties": {"v": {"type": "integer"}},
                        "required": ["v"],
                        "additionalProperties": False,
                    }
                },
            },
        ),
        (
            SCHEMA,
            {
                "type": "object",
                "title": "Yes or no?",
                "properties": {"x": {"type": "string", "enum": ["yes", "no"]}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_schema_is_what_strict_servers_take(kind, schema):
    form = Form(kind)
    assert form.schema == schema
    assert form.response_format["json_schema"]["strict"] is True
    assert form.response_format["type"] == "json_schema"


def test_a_recursive_type_keeps_its_definition():
    schema = Form(Node).schema
    assert "$ref" not in schema
    assert schema["properties"]["next"]["anyOf"][0] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["required"] == ["value", "next"]


def test_definitions_of_models_within_types_move_to_the_root():
    schema = Form(Holder).schema
    assert schema["$defs"].keys() == {"Inner"}
    assert schema["properties"]["model"]["properties"]["inner"] == {"$ref": "#/$defs/Inner"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Person, "Person"),
        (SCHEMA, "Yes_or_no_"),
        (int | str, "answer"),
        ({"type": "object"}, "answer"),
        ({"type": "object", "title": "x" * 99}, "x" * 64),
    ],
)
def test_a_schema_has_a_name_that_the_api_takes(kind, name):
    assert Form(kind).name == name


def test_a_schema_of_the_users_own_is_not_changed_where_it_says_something():
    mine = {
        "type": "object",
        "properties": {"a": {"type": "integer", "default": 1}, "b": {"type": "object"}},
        "required": ["a"],
        "additionalProperties": True,
    }
    before = json.dumps(mine)
    form = Form(mine)
    assert (form.schema["required"], form.schema["additionalProperties"]) == (["a"], True)
    assert form.response_format["json_schema"]["strict"] is False
    assert json.dumps(mine) == before


def test_a_reference_with_words_beside_it_is_inlined_but_for_endless_ones():
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node", "description": "the next"}},
    }
    found = strict({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert found["type"] == "object"
    assert found["properties"]["next"] == {"$ref": "#/$defs/Node"}
    words = {"a": {"$ref": "#/$defs/A", "description": "words"}}
    found = strict({"properties": words, "$defs": {"A": {"type": "string"}}})
    assert found["properties"]["a"] == {"type": "string", "description": "words"}


def test_values_in_a_schema_are_no_schemas():
    values = {"a": {"const": {"default": 1}}, "b": {"enum": [{"properties": {}}, None]}}
    found = strict({"type": "object", "properties": values})["properties"]
    assert found["a"] == {"const": {"default": 1}, "type": "object"}
    assert found["b"] == {"enum": [{"properties": {}}, None], "type": ["null", "object"]}


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[Pet]


class Owner(msgspec.Struct):
    animal: Cat | Dog


def test_a_union_is_told_apart_by_its_tags_and_brings_all_it_refers_to():
    form = form_of(Owner)
    assert form.schema["properties"]["animal"].keys() == {"anyOf"}
    assert form.schema["$defs"].keys() == {"Cat", "Dog", "Pet"}
    assert form.schema["$defs"]["Cat"]["properties"]["type"] == {"enum": ["Cat"], "type": "string"}
    assert form.read('{"animal": {"type": "Dog", "tricks": []}}') == Owner(Dog([]))


def test_a_property_may_have_the_name_of_a_keyword():
    properties = {"default": {"type": "string"}, "enum": {"type": "string", "default": ""}}
    found = strict({"type": "object", "properties": properties})
    assert found["properties"] == {"default": {"type": "string"}, "enum": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "taken"),
    [
        (strict({"type": "object", "properties": {"a": {}}}), True),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}, "required": []}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [{"type": "object"}]}, False),
        ({"enum": [{"type": "object"}]}, True),
    ],
)
def test_what_openais_strict_mode_takes(schema, taken):
    assert is_strict(schema) is taken


@pytest.mark.parametrize(
    ("kind", "text", "follows"),
    [
        (Person, '{"name":"A","age":1,"pets":[],"born":null}', True),
        (Person, '{"name":"A","age":1}', False),
        (Model, '{"inner":{"v":-1}}', True),  # only its validator says no
        (Person, "a poem", False),
    ],
)
def test_an_answer_follows_its_schema_whatever_the_type_says(kind, text, follows):
    assert form_of(kind).follows(text) is follows


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (object, "object"),
        (lambda: 1, "function"),
        ("Person", "Person"),
        ([Person], "Person"),
        ({"type": "array"}, "'type': 'object'"),
        ({"type": "json_schema", "json_schema": {}}, "response_format="),
        ({"type": "json_object"}, "response_format="),
        ({"$ref": "#/$defs/A", "type": "object"}, "'#/$defs/A'"),
        (Annotated[set, "x"] | object, "object"),
    ],
)
def test_what_is_no_type_is_refused(kind, said):
    with pytest.raises(ConfigurationError) as caught:
        form_of(kind)
    assert said in str(caught.value)


def test_a_type_is_looked_at_once():
    assert form_of(Person) is form_of(Person)


def test_a_part_of_a_wrapped_answer_is_unwrapped():
    assert form_of(list[int]).part({"value": [1]}) == [1]
    assert form_of(list[int]).part({}) is None
    assert form_of(list[int]).part(None) is None
    assert form_of(Person).part({"name": "A"}) == {"name": "A"}


def test_pydantic_models_are_read_by_pydantic():
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):
        n: int = pydantic.Field(gt=0, description="above 0")

    class Outer(pydantic.BaseModel):
        inner: Inner
        maybe: str | None = None

    form = form_of(Outer)
    assert form.read('{"inner":{"n":"1"}}') == Outer(inner=Inner(n=1))
    assert form.schema["required"] == ["inner", "maybe"]
    assert form.schema["$defs"]["Inner"]["additionalProperties"] is False
    assert form_of(list[Outer]).read('{"value":[{"inner":{"n":1}}]}') == [Outer(inner=Inner(n=1))]
    with pytest.raises(Unfit, match="greater than 0") as caught:
        form.read('{"inner":{"n":0}}')
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)
