"""Functions → tools; arguments → Python values."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from rawllm import ConfigurationError
from rawllm.sansio.schema import Unfit
from rawllm.sansio.signature import Signature, result_text


@dataclasses.dataclass
class Place:
    city: str
    country: str = "France"


def weather(
    place: Place,
    day: datetime.date,
    unit: Literal["C", "F"] = "C",
    *,
    hours: Annotated[list[int] | None, msgspec.Meta(description="which ones")] = None,
) -> str:
    """The weather forecast.

    For the next ten days.

    Args:
        place: where,
            or nearly
                there: no further
        day (date): when
        hours: not these words

    Returns:
        A sentence.
    """
    return f"{place} {day} {unit} {hours}"


def test_a_function_is_told_of_by_name_docstring_and_annotations():
    told = Signature(weather).param
    assert told["type"] == "function"
    function = told["function"]
    assert function["name"] == "weather"
    assert function["description"] == "The weather forecast.\n\nFor the next ten days."
    schema = function["parameters"]
    assert schema["properties"] == {
        "place": {
            "type": "object",
            "title": "Place",
            "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
            "description": "where, or nearly there: no further",
        },
        "day": {"type": "string", "format": "date", "description": "when"},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "hours": {
            "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}],
            "description": "which ones",
        },
    }
    assert schema["required"] == ["place", "day"]
    assert schema["additionalProperties"] is False
    assert "strict" not in function  # OpenAI's strict mode knows no optional parameters


def test_sphinxs_way_to_describe_parameters_is_read_too():
    def f(a: int, b: str) -> None:
        """Do it.

        :param a: the first
            of them
        :param str b: the second
        :returns: nothing
        """

    function = Signature(f).param["function"]
    assert function["description"] == "Do it."
    assert function["strict"] is True
    described = {k: v["description"] for k, v in function["parameters"]["properties"].items()}
    assert described == {"a": "the first of them", "b": "the second"}


class Service:
    def look_up(self, name: str) -> str:
        return name


@pytest.mark.parametrize("function", [Service().look_up, lambda: 1])
def test_methods_know_their_object_and_lambdas_have_no_name(function):
    if function.__name__ == "<lambda>":
        with pytest.raises(ConfigurationError, match="'<lambda>' is no such name"):
            Signature(function)
    else:
        told = Signature(function).param["function"]
        assert told["parameters"]["properties"] == {"name": {"type": "string"}}
        assert "description" not in told


def no_annotation(a, b: int) -> None: ...
def many(*numbers: int) -> None: ...
def anything(**options: int) -> None: ...
def only_by_place(a: int, /) -> None: ...
def unknown(a: Nowhere) -> None: ...  # noqa: F821
def impossible(a: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_annotation, "the parameter 'a' of the tool no_annotation() needs an annotation"),
        (many, "the tool many() takes '*numbers'"),
        (anything, "'**options'"),
        (only_by_place, "'a'"),
        (unknown, "an annotation of the tool unknown() is not defined"),
        (impossible, "object"),
        (Place, "not type"),
        ("weather", "not str"),
        (5, "not int"),
    ],
)
def test_what_a_model_cannot_be_told_of_is_refused(function, said):
    with pytest.raises(ConfigurationError) as caught:
        Signature(function)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            '{"place": {"city": "Paris"}, "day": "2026-01-02"}',
            {"place": Place("Paris"), "day": datetime.date(2026, 1, 2)},
        ),
        (
            '{"place": {"city": "Rome", "country": "Italy"}, "day": "2026-01-02", "hours": ["7"]}',
            {
                "place": Place("Rome", "Italy"),
                "day": datetime.date(2026, 1, 2),
                "hours": [7],
            },
        ),
    ],
)
def test_arguments_become_what_the_annotations_say(text, arguments):
    assert Signature(weather).arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"place":', "the arguments are no JSON"),
        ("[1]", "the arguments are no JSON object"),
        ("", "the argument 'place' is missing"),
        ('{"place": {"city": "Paris"}}', "the argument 'day' is missing"),
        ('{"town": 1}', "there is no parameter 'town'"),
        ('{"place": {"city": 5}, "day": "2026-01-02"}', "the argument 'place': Expected `str`"),
        ('{"place": {"city": ""}, "day": "today"}', "the argument 'day': Invalid"),
    ],
)
def test_arguments_that_do_not_fit_say_why(text, said):
    with pytest.raises(Unfit) as caught:
        Signature(weather).arguments(text)
    assert str(caught.value).startswith(said)


def test_no_arguments_may_be_no_text():
    assert Signature(Service().look_up).name == "look_up"

    def now() -> str:
        return "now"

    assert Signature(now).arguments("") == Signature(now).arguments("{}") == {}


class Dumped:
    def model_dump(self) -> dict[str, Any]:
        return {"n": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        ({"a": [1, 2.5]}, '{"a":[1,2.5]}'),
        (Place("Nice"), '{"city":"Nice","country":"France"}'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        ([Dumped()], '[{"n":1}]'),
        (1 + 2j, '"(1+2j)"'),
    ],
)
def test_a_result_is_text_or_json(value, text):
    assert result_text(value) == text
