"""The tree of exceptions, and that each is plain data that pickles and copies."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import rawllm
from rawllm import errors
from rawllm.errors import APIError, ErrorResponse, RawLLMError
from rawllm.sansio.types import ChatCompletion, ChatCompletionMessage, Choice

#: Each class and its parents, from the design.
TREE = {
    "RawLLMError": ["Exception"],
    "ConfigurationError": ["RawLLMError", "ValueError"],
    "APIError": ["RawLLMError"],
    "APIConnectionError": ["APIError"],
    "APITimeoutError": ["APIConnectionError"],
    "ConnectTimeout": ["APITimeoutError"],
    "FirstTokenTimeout": ["APITimeoutError"],
    "IdleTimeout": ["APITimeoutError"],
    "TotalTimeout": ["APITimeoutError"],
    "IncompleteStreamError": ["APIConnectionError"],
    "APIStatusError": ["APIError"],
    "BadRequestError": ["APIStatusError"],
    "ContextLengthExceeded": ["BadRequestError"],
    "AuthenticationError": ["APIStatusError"],
    "PermissionDeniedError": ["APIStatusError"],
    "NotFoundError": ["APIStatusError"],
    "ConflictError": ["APIStatusError"],
    "UnprocessableEntityError": ["APIStatusError"],
    "RateLimitError": ["APIStatusError"],
    "InternalServerError": ["APIStatusError"],
    "APIResponseValidationError": ["APIError"],
    "LimitExceeded": ["APIError"],
    "RedirectRefused": ["APIError"],
    "LengthFinishReasonError": ["RawLLMError"],
    "ContentFilterFinishReasonError": ["RawLLMError"],
    "StructuredOutputError": ["RawLLMError", "ValueError"],
    "ToolRoundsExceeded": ["RawLLMError"],
}
CLASSES = [getattr(errors, name) for name in TREE]
API_CLASSES = [cls for cls in CLASSES if issubclass(cls, APIError)]


@pytest.mark.parametrize("name", TREE)
def test_a_class_has_its_parents_and_is_exported(name: str) -> None:
    cls = getattr(errors, name)
    assert [base.__name__ for base in cls.__bases__] == TREE[name]
    assert name in errors.__all__
    assert getattr(rawllm, name) is cls
    assert cls.__doc__


def test_there_are_no_other_classes() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException) and name == value.__name__
    }
    assert found == set(TREE)
    assert set(errors.__all__) == found | {"OpenAIError", "ErrorRequest", "ErrorResponse"}


def test_the_name_that_migrated_code_catches() -> None:
    assert errors.OpenAIError is RawLLMError
    assert rawllm.OpenAIError is RawLLMError


def test_the_picture_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    shown = re.findall(r"[├└]── (\w+)", errors.__doc__)
    assert sorted(shown) == sorted(set(TREE) - {"RawLLMError"})


def test_it_imports_nothing_of_rawllm() -> None:
    imported = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(errors)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    names = {
        name
        for node in imported
        for name in ([getattr(node, "module", None)] if isinstance(node, ast.ImportFrom) else [])
        or [alias.name for alias in node.names]
    }
    assert names == {"__future__", "json", "typing"}


# ---------------------------------------------------------------- data

PARTIAL = ChatCompletion(choices=[Choice(message=ChatCompletionMessage(content="Once upon"))])
DATA: dict[str, Any] = {
    "body": {"code": "c", "param": "p", "type": "t", "deep": [1, {"x": None}]},
    "status_code": 429,
    "headers": {"x-request-id": "r-1"},
    "request_id": "r-1",
    "retry_after": 2.5,
    "attempts": 3,
    "endpoint": "http://localhost/v1/chat/completions",
    "partial": PARTIAL,
    "sent": False,
}


def make(cls: type[RawLLMError]) -> RawLLMError:
    if issubclass(cls, APIError):
        error = cls("what happened", **DATA)
        error.kind = "429"
        return error
    if cls in (errors.LengthFinishReasonError, errors.ContentFilterFinishReasonError):
        return cls(completion=PARTIAL)
    if cls is errors.StructuredOutputError:
        return cls("what happened", raw="no", completion=PARTIAL)
    if cls is errors.ToolRoundsExceeded:
        return cls("what happened", messages=[{"role": "user"}], completion=PARTIAL)
    return cls("what happened")


TWINS: dict[str, Any] = {
    **{f"pickle {n}": lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(6)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", TWINS)
@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_survives_with_all_its_data(cls: type[RawLLMError], how: str) -> None:
    error = make(cls)
    twin = TWINS[how](error)
    assert type(twin) is cls
    assert twin is not error
    assert str(twin) == str(error) != ""
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert repr(twin) == repr(error)


@pytest.mark.parametrize("cls", API_CLASSES)
def test_an_error_carries_plain_data(cls: type[APIError]) -> None:
    error: Any = make(cls)
    assert error.message == str(error) == "what happened"
    for name, value in DATA.items():
        assert getattr(error, name) == value
    assert (error.code, error.param, error.type) == ("c", "p", "t")
    assert error.response.status_code == 429
    assert error.response.headers == {"x-request-id": "r-1"}
    assert repr(error.response) == "<ErrorResponse [429]>"


@pytest.mark.parametrize("body", [None, "text", [1], 5])
def test_a_body_that_is_no_object_has_no_code(body: Any) -> None:
    error = APIError("m", body=body)
    assert error.body == body
    assert (error.code, error.param, error.type) == (None, None, None)


def test_the_defaults_say_that_nothing_is_known() -> None:
    error, other = APIError("m"), APIError("n")
    assert (error.status_code, error.retry_after, error.partial, error.kind) == (None,) * 4
    assert (error.headers, error.attempts, error.sent) == ({}, 0, True)
    error.headers["x"] = "y"
    assert other.headers == {}


@pytest.mark.parametrize("cls", API_CLASSES)
def test_a_copy_is_another_object_with_changes(cls: type[APIError]) -> None:
    error: Any = make(cls)
    try:
        raise error
    except APIError:
        pass
    twin = error.copy(retry_after=9.0, attempts=0)
    assert type(twin) is cls
    assert (twin.retry_after, twin.attempts) == (9.0, 0)
    assert (error.retry_after, error.attempts) == (2.5, 3)
    assert twin.kind == error.kind == "429"
    assert twin.partial is error.partial
    assert twin.args == error.args
    assert twin.__traceback__ is None


def test_a_users_own_subclass_pickles_though_it_takes_other_arguments() -> None:
    twin = pickle.loads(pickle.dumps(Mine(7)))
    assert type(twin) is Mine
    assert (str(twin), twin.number, twin.status_code) == ("no. 7", 7, 500)


class Mine(errors.InternalServerError):
    def __init__(self, number: int) -> None:
        super().__init__(f"no. {number}", status_code=500)
        self.number = number


def test_the_finish_reason_errors_say_what_to_read() -> None:
    for cls in (errors.LengthFinishReasonError, errors.ContentFilterFinishReasonError):
        error: Any = make(cls)
        assert error.completion is PARTIAL
        assert "answer" in str(error)
    assert errors.ContentFilterFinishReasonError().completion is None


def test_wrong_arguments_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="what to do"):
        raise errors.ConfigurationError("what to do")


def test_a_responses_headers_are_found_in_any_case() -> None:
    response = ErrorResponse(429, {"retry-after": "1"})
    assert response.headers["Retry-After"] == response.headers.get("RETRY-AFTER") == "1"
    assert "Retry-After" in response.headers
    assert response.headers.get("X", "none") == "none"
    assert 3 not in response.headers
    with pytest.raises(KeyError):
        response.headers["X"]
    assert response.headers == {"retry-after": "1"}
    assert pickle.loads(pickle.dumps(response.headers))["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("body", "text"),
    [({"error": {"message": "ü"}}, '{"error":{"message":"ü"}}'), ("no", "no"), (None, "")],
)
def test_a_response_has_its_body(body: Any, text: str) -> None:
    response = ErrorResponse(400, {}, body)
    assert response.text == text
    if isinstance(body, dict):
        assert response.json() == body
    else:
        with pytest.raises(ValueError, match="no JSON"):
            response.json()


def test_a_response_is_small() -> None:
    response = ErrorResponse(None, {})
    assert repr(response) == "<ErrorResponse [None]>"
    assert not hasattr(response, "__dict__")


def test_the_request_is_plain_data() -> None:
    error = APIError("no", endpoint="http://x/v1/models")
    assert (error.request.method, error.request.url) == ("POST", "http://x/v1/models")
    assert repr(error.request) == "<ErrorRequest POST http://x/v1/models>"
    assert repr(pickle.loads(pickle.dumps(error)).request) == repr(error.request)
    assert APIError("no").request.url is None
