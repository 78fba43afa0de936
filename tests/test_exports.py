import ast
import importlib
import inspect
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import rawllm
from rawllm import errors, hooks, options

#: What an integration needs that the tests do not.
NEEDED = {
    "rawllm.integrations.fastapi": "fastapi",
    "rawllm.integrations.fastapi.serving": "uvicorn",
    "rawllm.integrations.langchain": "langchain_core",
    "rawllm.integrations.otel": "opentelemetry",
    "rawllm.integrations.prometheus": "prometheus_client",
}
MISSING = tuple(home for home, needed in NEEDED.items() if find_spec(needed) is None)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rawllm.__path__, "rawllm.", onerror=lambda _: None)
    if not module.name.endswith("__main__") and not module.name.startswith(MISSING)
)

#: The classes and functions that DESIGN promises under `rawllm`.
PROMISED = {
    *("Client", "AsyncOpenAI", "Timeout", "Limits", "Retry", "retry", "ChatStream", "Timing"),
    *("OpenAIError", "RawLLMError", "ConfigurationError", "APIError", "APIConnectionError"),
    *("APITimeoutError", "ConnectTimeout", "FirstTokenTimeout", "IdleTimeout", "TotalTimeout"),
    *("APIStatusError", "BadRequestError", "ContextLengthExceeded", "AuthenticationError"),
    *("PermissionDeniedError", "NotFoundError", "ConflictError", "UnprocessableEntityError"),
    *("RateLimitError", "InternalServerError", "APIResponseValidationError"),
    *("LengthFinishReasonError", "ContentFilterFinishReasonError", "IncompleteStreamError"),
    *("RedirectRefused", "LimitExceeded", "NOT_GIVEN", "NotGiven", "Event", "Hook"),
    *("ChatCompletion", "ChatCompletionChunk", "Completion", "CreateEmbeddingResponse", "Usage"),
}


def test_everything_promised_is_exported():
    assert set(rawllm.__all__) >= PROMISED


@pytest.mark.parametrize("name", rawllm.__all__)
def test_an_exported_name_is_there_and_comes_from_its_home(name):
    value = getattr(rawllm, name)
    module = rawllm._MODULE_OF.get(name)
    if module is not None:
        assert value is getattr(importlib.import_module(f"rawllm.{module}"), name)
    assert name in dir(rawllm)


def test_every_error_and_every_option_is_exported():
    # Not the helper behind `error.response`, and what only the client makes.
    assert set(rawllm.__all__) >= set(errors.__all__) - {"ErrorRequest", "ErrorResponse"}
    assert set(rawllm.__all__) >= set(options.__all__) - {"Environment", "TimeoutLike"}


def test_every_event_is_in_hooks():
    events = {name for name, value in vars(hooks).items() if inspect.isclass(value)}
    events = {name for name in events if issubclass(getattr(hooks, name), hooks.Event)}
    assert events <= set(hooks.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = rawllm.Klient
    assert not hasattr(rawllm, "__wrapped__")


def test_the_names_for_type_checkers_are_those_of_run_time():
    tree = ast.parse(Path(rawllm.__file__).read_text(encoding="utf-8"))
    [block] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    declared = [
        (node.module, alias.name, alias.asname) for node in block.body for alias in node.names
    ]
    assert all(name == asname for _, name, asname in declared)  # mypy's explicit re-export
    at_run_time = [(module, name) for module, names in rawllm._HOME.items() for name in names]
    assert [(module, name) for module, name, _ in declared] == at_run_time


def test_the_homes_and_their_names_are_sorted_and_single():
    assert list(rawllm._HOME) == sorted(rawllm._HOME)
    for names in rawllm._HOME.values():
        assert list(names) == _sorted(names)
    assert len(rawllm._MODULE_OF) == sum(map(len, rawllm._HOME.values()))


def _sorted(names):
    """As ruff's RUF022 sorts: constants, then classes, then the rest."""
    return sorted(
        names,
        key=lambda name: (not name.isupper(), not name[0].isupper() and name[0] != "_", name),
    )


#: Nobody imports from these but the package itself.
PRIVATE = (
    *("rawllm.cli", "rawllm.local.process", "rawllm.pytest_plugin"),
    *("rawllm.testing.connection", "rawllm.testing.server"),
)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith(PRIVATE)])
def test_every_module_has_a_sorted_list_of_names_that_exist(name):
    module = importlib.import_module(name)
    if not (defined := _defines(module)):
        return  # nothing but a docstring
    names = getattr(module, "__all__", None)
    assert names is not None, f"{name} defines {defined} and has no __all__"
    assert list(names) == _sorted(names)
    assert [found for found in names if not hasattr(module, found)] == []


def _defines(module):
    """The public functions and classes of the module's own."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_its_job(name):
    assert importlib.import_module(name).__doc__
