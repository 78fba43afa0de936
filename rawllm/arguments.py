"""The constructor's arguments → checked values: retry policy, key, hooks, headers, TLS.

Reads no environment and opens nothing. Its messages never show a key or a header's value.
"""

from __future__ import annotations

import inspect
import ssl as ssl_module
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._version import __version__
from .errors import ConfigurationError
from .hooks import Hook
from .options import Environment, NotGiven, Retry, Secret, check_header

__all__ = [
    "base_headers",
    "bearer",
    "check_count",
    "checked_body",
    "checked_hooks",
    "checked_key",
    "openai_headers",
    "policy",
    "put_headers",
    "spelling",
    "ssl_context",
]


def policy(max_retries: int | None, retry: Retry | None) -> Retry:
    if retry is not None:
        if max_retries is not None:
            raise ConfigurationError("max_retries= and retry= say the same: pass one of them")
        if not isinstance(retry, Retry):
            raise ConfigurationError("retry= takes a rawllm.Retry; a number is max_retries=")
        return retry
    if max_retries is None:
        return Retry()
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ConfigurationError(
            "max_retries= takes a whole number, 0 or more; for more tries than anybody counts "
            "pass retry=Retry(attempts=…)"
        )
    return Retry(attempts=max_retries + 1)


def check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}= takes a whole number, 1 or more")


def checked_key(key: Any) -> Secret | Callable[[], Any] | None:
    if key is None or (callable(key) and not isinstance(key, str)):
        return key
    if not isinstance(key, str):
        raise ConfigurationError(f"api_key is a str or a callable, not {type(key).__name__}")
    if not key:
        return None
    check_header("api_key", "Authorization", key)
    return Secret(key)


def checked_hooks(hooks: Any) -> tuple[Hook, ...]:
    if not callable(hooks) and not isinstance(hooks, Iterable):
        raise ConfigurationError(
            f"hooks= takes callables that take one event, not {type(hooks).__name__}"
        )
    found = (hooks,) if callable(hooks) else tuple(hooks)
    for hook in found:
        if isinstance(hook, type):
            raise ConfigurationError(f"hooks= takes hooks, and {hook.__name__} is a class: call it")
    if not all(callable(hook) for hook in found):
        raise ConfigurationError("hooks= takes callables that take one event")
    if any(inspect.iscoroutinefunction(hook) for hook in found):
        raise ConfigurationError("hooks= takes plain functions: nobody would await an `async def`")
    return found


def checked_body(extra_body: Any) -> Mapping[str, Any]:
    if extra_body is None or isinstance(extra_body, Mapping):
        return extra_body or {}
    raise ConfigurationError(f"extra_body= takes a dict, not {type(extra_body).__name__}")


def openai_headers(organization: str | None, project: str | None) -> dict[str, str]:
    headers = {}
    if organization:
        check_header("organization", "OpenAI-Organization", organization)
        headers["OpenAI-Organization"] = organization
    if project:
        check_header("project", "OpenAI-Project", project)
        headers["OpenAI-Project"] = project
    return headers


def base_headers(
    key: Secret | Callable[[], Any] | None, *extra: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The headers of whole and of streamed requests, made once. The user's own come last, an
    Authorization among them wins over the key, as in openai-python."""
    common: dict[str, str] = {
        "Content-Type": "application/json",
        "User-Agent": f"rawllm/{__version__}",
    }
    if isinstance(key, Secret):
        common["Authorization"] = bearer(key)
    whole = {**common, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    # identity: a proxy that compresses a stream also buffers it.
    stream = {**common, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
    for given in extra:
        put_headers("default_headers", given, whole, stream)
    return {"whole": whole, "stream": stream}


def bearer(key: str) -> Secret:
    return Secret(f"Bearer {key}")


def spelling(headers: Mapping[str, str], name: str) -> str | None:
    """How a header's name is written there, whatever its case; None: it is not there."""
    return next((known for known in headers if known.lower() == name.lower()), None)


def put_headers(where: str, given: Mapping[str, str], *targets: dict[str, str]) -> None:
    """Set headers, each in the place of any other spelling of its name: both would be sent. What
    is `omit` takes the header away."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where}= takes a dict of names and values")
    for name, value in given.items():
        left_out = isinstance(value, NotGiven)
        check_header(where, name, "" if left_out else value)
        for headers in targets:
            known = spelling(headers, name)
            if known is not None:
                del headers[known]
            if not left_out:
                headers[name] = Secret(value)


def ssl_context(given: Any, environment: Environment | None) -> Any:
    """environment: that of the process, None where its certificates are of no use."""
    if given is not None and not isinstance(given, (bool, ssl_module.SSLContext)):
        raise ConfigurationError("ssl= takes an ssl.SSLContext, or False for no verification")
    if given is not None and given is not True:
        return given
    if environment is not None and (environment.ssl_cert_file or environment.ssl_cert_dir):
        try:
            return ssl_module.create_default_context(
                cafile=environment.ssl_cert_file, capath=environment.ssl_cert_dir
            )
        except (OSError, ssl_module.SSLError) as error:
            raise ConfigurationError(
                f"SSL_CERT_FILE or SSL_CERT_DIR names no certificates: {error.strerror or error}"
            ) from None
    return None
