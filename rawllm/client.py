"""The client: takes what a user gives, composes the parts, decides nothing.

    async with Client("http://localhost:8000/v1", model="qwen3-8b") as llm:
        answer = await llm.complete("Why is the sky blue?")

It is `openai.AsyncOpenAI` by another name: `client.chat.completions.create(…)` and the other
resources take that library's arguments and give objects with its names.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl as ssl_module
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from yarl import URL

from ._version import __version__
from .errors import APIError, ConfigurationError
from .hooks import Hook, setup_logging
from .net.clocks import resolve
from .net.exchange import Attempt, Call, Endpoint, exchange
from .net.session import Sessions
from .options import (
    NOT_GIVEN,
    Environment,
    Limits,
    NotGiven,
    Retry,
    Secret,
    Timeout,
    TimeoutLike,
    check_header,
)
from .resources.chat import Chat
from .resources.completions import Completions
from .resources.embeddings import Embeddings
from .resources.models import Models
from .sansio.decode import decode
from .sansio.deltas import Accumulator
from .sansio.encode import encode, messages_of, without_not_given
from .sansio.types import (
    Answer,
    ChatCompletion,
    ChatCompletionChunk,
    CreateEmbeddingResponse,
    Payload,
)
from .stream import ChatStream, PendingStream

__all__ = ["AsyncOpenAI", "Client"]

A = TypeVar("A", bound=Answer)
C = TypeVar("C", bound=Payload)

OPENAI = "https://api.openai.com/v1"

ApiKey = str | Callable[[], str | Awaitable[str]]


class Client:
    """A client for one OpenAI-compatible endpoint. Use it as `async with`, or call `close()`.

    Args:
        base_url: URL with its /v1, or "unix:///path.sock". None: OPENAI_BASE_URL, else
            api.openai.com if there is a key.
        api_key: str, or a callable (sync or async) asked before every call. None: OPENAI_API_KEY.
            Only api.openai.com needs one.
        model: for calls that name none. None: the server's only model, looked up once.
        timeout: `Timeout`, or seconds as openai-python takes them, or None for no bound.
        max_retries: int, tries after the first (2), or `retry` for all of the policy.
        limits: `Limits`.
        organization, project: OpenAI's headers. None: OPENAI_ORG_ID, OPENAI_PROJECT_ID.
        default_headers, default_query: sent with every request.
        proxy: URL. None: HTTP_PROXY, HTTPS_PROXY and NO_PROXY; never for loopback.
        ssl: SSLContext, or False for no verification. None: SSL_CERT_FILE, SSL_CERT_DIR, else the
            system's certificates.
        hooks: callables that take one event (`rawllm.hooks`).
        connector: an aiohttp connector of your own, which you close.

    Raises ConfigurationError for arguments that cannot work.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        max_retries: int | None = None,
        retry: Retry | None = None,
        limits: Limits | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, Any] | None = None,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | bool | None = None,
        hooks: Iterable[Hook] | Hook = (),
        connector: aiohttp.BaseConnector | None = None,
        http_client: Any = None,
    ) -> None:
        if http_client is not None:
            raise ConfigurationError(
                "http_client= belongs to openai's SDK and its httpx; rawllm speaks aiohttp: pass "
                "connector=aiohttp.TCPConnector(…), proxy=… or ssl=… instead"
            )
        environment = Environment.read()
        setup_logging(environment.log)
        self._given: dict[str, Any] = {
            "base_url": base_url,
            "api_key": api_key,
            "model": model,
            "timeout": timeout,
            "max_retries": max_retries,
            "retry": retry,
            "limits": limits,
            "organization": organization,
            "project": project,
            "default_headers": default_headers,
            "default_query": default_query,
            "proxy": proxy,
            "ssl": ssl,
            "hooks": hooks,
            "connector": connector,
        }
        self.model = model
        self.timeout: Timeout | float | None = (
            Timeout() if isinstance(timeout, NotGiven) else timeout
        )
        resolve(self.timeout, stream=False)  # refuses what is no time
        self.retry = _policy(max_retries, retry)
        self.hooks: tuple[Hook, ...] = (hooks,) if callable(hooks) else tuple(hooks)
        self._key = _checked_key(api_key if api_key is not None else environment.api_key)
        where = base_url or environment.base_url or (OPENAI if self._key is not None else None)
        if where is None:
            raise ConfigurationError(
                "no endpoint: pass base_url (like 'http://localhost:8000/v1') or set "
                "OPENAI_BASE_URL; for api.openai.com set OPENAI_API_KEY"
            )
        url, unix_path = _parse_base_url(where)
        if self._key is None and url.host == "api.openai.com":
            raise ConfigurationError("api.openai.com needs a key: pass api_key or OPENAI_API_KEY")
        self._query = dict(default_query or {})
        self._headers = _base_headers(
            {
                **environment.custom_headers,
                **_openai_headers(
                    organization or environment.organization, project or environment.project
                ),
                **(default_headers or {}),
            }
        )
        self._endpoint = Endpoint(
            url,
            sessions=Sessions(
                unix_path=unix_path, ssl=_ssl_context(ssl, environment), connector=connector
            ),
            limits=limits if limits is not None else Limits(),
            retry=self.retry,
            proxy=proxy,
        )
        self._urls: dict[str, URL] = {}
        self._lookups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            weakref.WeakKeyDictionary()
        )

    # ── the verbs ────────────────────────────────────────────────────────────────────────────

    async def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = None,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        **params: Any,
    ) -> ChatCompletion:
        """The whole answer to a prompt (str, or a list of messages).

        params: any argument of chat.completions.create, and whatever else the server takes
        (`max_tokens`, `temperature`, `top_k`, …). Raises APIError's classes, ConfigurationError for
        an empty prompt or one that cannot be encoded.
        """
        answer: ChatCompletion = await self.chat.completions.create(
            messages=messages_of(prompt, system=system),
            model=model,
            timeout=timeout,
            **params,
        )
        return answer

    def stream(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = None,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        strict: bool = False,
        **params: Any,
    ) -> PendingStream[ChatCompletionChunk, ChatCompletion]:
        """The answer as it is written: `async with client.stream(…) as stream:`.

        Asks the server for usage, and keeps the chunk that carries it to itself. strict: an answer
        that ends with [DONE] but without a finish_reason is an error. Otherwise as `complete`.
        """
        messages = messages_of(prompt, system=system)
        params.setdefault("stream_options", {"include_usage": True})
        return PendingStream(
            lambda: self.chat.completions._open(
                messages=messages,
                model=model,
                timeout=timeout,
                keep_usage_chunk=False,
                strict=strict,
                **params,
            )
        )

    async def embed(
        self, input: str | list[Any], *, model: str | None = None, **params: Any
    ) -> CreateEmbeddingResponse:
        """Embeddings of one text or a list of them: `.vectors`, in the order of the input."""
        if not input:
            raise ConfigurationError("there is nothing to embed: the input is empty")
        return await self.embeddings.create(input=input, model=model, **params)

    @cached_property
    def chat(self) -> Chat:
        return Chat(self)

    @cached_property
    def completions(self) -> Completions:
        return Completions(self)

    @cached_property
    def embeddings(self) -> Embeddings:
        return Embeddings(self)

    @cached_property
    def models(self) -> Models:
        return Models(self)

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    @property
    def base_url(self) -> str:
        return self._endpoint.label

    def with_options(self, **changes: Any) -> Client:
        """The same client with other options. Shares connections, limits, pace and retry budget,
        unless base_url, limits, proxy, ssl or connector change: that is another endpoint."""
        unknown = changes.keys() - self._given.keys()
        if unknown:
            raise ConfigurationError(f"with_options takes no {sorted(unknown)[0]!r}")
        given = dict(self._given)
        if "max_retries" in changes or "retry" in changes:
            given["max_retries"] = given["retry"] = None
        new = type(self)(**{**given, **changes})
        if not changes.keys() & {"base_url", "limits", "proxy", "ssl", "connector"}:
            new._endpoint = self._endpoint
        return new

    copy = with_options

    async def close(self) -> None:
        """Close all connections. Calls in flight end with an APIConnectionError."""
        await self._endpoint.sessions.close()

    @property
    def is_closed(self) -> bool:
        return self._endpoint.sessions.closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        model = f" model={self.model!r}" if self.model else ""
        return f"<{type(self).__name__} {self.base_url}{model}>"

    # ── for the resources ────────────────────────────────────────────────────────────────────

    async def _request(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None,
        answer: type[A],
        **options: Any,
    ) -> A:
        """Send, and decode the whole answer."""
        limit = self._endpoint.limits.max_response_bytes

        async def consume(attempt: Attempt) -> A:
            call = attempt.call
            attempt.output()
            payload = await attempt.response.read(call.clock, idle=call.clocks.idle, limit=limit)
            whole = decode(payload, answer, status=attempt.response.status)
            usage = getattr(whole, "usage", None)
            attempt.end(usage)
            whole.timing = timing = attempt.timing()
            whole._request_id = attempt.request_id()
            attempt.finished(timing, usage, _finish_reason(whole))
            return whole

        call = await self._call(method, path, params, stream=False, **options)
        return await exchange(self._endpoint, call, consume)

    async def _open_stream(
        self,
        path: str,
        params: dict[str, Any],
        *,
        chunk: type[C],
        accumulator: Callable[[], Accumulator],
        keep_usage_chunk: bool,
        strict: bool,
        **options: Any,
    ) -> ChatStream[C, Any]:
        """Send, and read up to the first output."""

        async def consume(attempt: Attempt) -> ChatStream[C, Any]:
            stream: ChatStream[C, Any] = ChatStream(
                attempt,
                chunk=chunk,
                accumulator=accumulator(),
                max_event_bytes=self._endpoint.limits.max_event_bytes,
                keep_usage_chunk=keep_usage_chunk,
                strict=strict,
            )
            return await stream.open()

        call = await self._call("POST", path, params, stream=True, **options)
        return await exchange(self._endpoint, call, consume)

    async def _call(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None,
        *,
        stream: bool,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        expected: int = 1,
    ) -> Call:
        endpoint = self._endpoint
        body = None
        tokens = 0.0
        model = None
        if params is not None:
            params = without_not_given(params)
            if extra_body:
                params.update(extra_body)
            if params.get("model") is None:
                params = {"model": await self._default_model(), **params}
            model = params["model"]
            body = encode(params)
            if endpoint.tokens is not None:
                most = params.get("max_completion_tokens") or params.get("max_tokens")
                tokens = endpoint.estimate.of(
                    len(body), most if isinstance(most, int) else None, expected
                )
        key = await self._current_key()
        headers = self._headers["stream" if stream else "whole"]
        if key is not None or extra_headers:
            headers = dict(headers)
            if key is not None:
                headers["Authorization"] = Secret(f"Bearer {key}")
            for name, value in (extra_headers or {}).items():
                check_header("extra_headers", name, value)
                headers[name] = Secret(value)
        return Call(
            method=method,
            url=self._url(path, extra_query),
            headers=headers,
            body=body,
            stream=stream,
            clocks=resolve(
                self.timeout if isinstance(timeout, NotGiven) else timeout, stream=stream
            ),
            policy=self.retry,
            hooks=self.hooks,
            model=model if isinstance(model, str) else None,
            tokens=tokens,
            secret=key,
            expected=expected,
        )

    def _url(self, path: str, extra_query: Mapping[str, Any] | None) -> URL:
        url = self._urls.get(path)
        if url is None:
            base = self._endpoint.base_url
            url = base.joinpath(path.lstrip("/"), encoded=False).update_query(self._query)
            self._urls[path] = url
        return url.update_query(extra_query) if extra_query else url

    async def _current_key(self) -> str | None:
        if self._key is None or isinstance(self._key, str):
            return self._key
        key = self._key()
        if inspect.isawaitable(key):
            key = await key
        checked = _checked_key(key)
        assert isinstance(checked, str)
        return checked

    async def _default_model(self) -> str:
        """The model for calls that name none: the client's, else the server's only one."""
        endpoint = self._endpoint
        if self.model is None and endpoint.only_model is None:
            lock = self._lookups.setdefault(asyncio.get_running_loop(), asyncio.Lock())
            async with lock:  # one looks it up, all others wait for that
                if endpoint.only_model is None:
                    endpoint.only_model = await self._only_model()
        model = self.model or endpoint.only_model
        assert model is not None
        return model

    async def _only_model(self) -> str:
        try:
            listed = [model.id for model in (await self.models.list()).data]
        except APIError as error:
            raise ConfigurationError(
                f"no model was given, and {self.base_url} did not list its own: {error}. "
                "Pass model="
            ) from None
        if len(listed) == 1:
            return listed[0]
        shown = ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
        raise ConfigurationError(
            f"no model was given, and {self.base_url} lists {len(listed)}"
            + (f" ({shown})" if listed else "")
            + ": pass model="
        )


#: The name under which code written for openai-python knows it.
AsyncOpenAI = Client


def _finish_reason(whole: Any) -> str | None:
    choices = getattr(whole, "choices", None)
    return choices[0].finish_reason if choices else None


def _policy(max_retries: int | None, retry: Retry | None) -> Retry:
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


def _checked_key(key: Any) -> Any:
    if key is None or (callable(key) and not isinstance(key, str)):
        return key
    if not isinstance(key, str):
        raise ConfigurationError(f"api_key is a str or a callable, not {type(key).__name__}")
    if not key:
        return None
    check_header("api_key", "Authorization", key)
    return Secret(key)


def _openai_headers(organization: str | None, project: str | None) -> dict[str, str]:
    headers = {}
    if organization:
        headers["OpenAI-Organization"] = organization
    if project:
        headers["OpenAI-Project"] = project
    return headers


def _base_headers(extra: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The headers of whole and of streamed requests, made once."""
    common: dict[str, str] = {
        "Content-Type": "application/json",
        "User-Agent": f"rawllm/{__version__}",
    }
    whole = {**common, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    # identity: a proxy that compresses a stream also buffers it.
    stream = {**common, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
    for name, value in extra.items():
        check_header("default_headers", name, value)
        for headers in (whole, stream):
            for known in [known for known in headers if known.lower() == name.lower()]:
                del headers[known]
            headers[name] = Secret(value)
    return {"whole": whole, "stream": stream}


def _parse_base_url(text: str) -> tuple[URL, str | None]:
    """(URL, path of the unix socket or None)."""
    if not isinstance(text, str):
        raise ConfigurationError(f"base_url is a str, not {type(text).__name__}")
    if any(c <= " " or c == "\x7f" for c in text):
        raise ConfigurationError("base_url holds a blank or a control character")
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ConfigurationError("a unix socket's base_url is unix:///absolute/path.sock")
        return URL("http://unix/v1"), path
    if "://" not in text:
        raise ConfigurationError(f"base_url has no scheme: did you mean 'http://{text}'?")
    try:
        url = URL(text.rstrip("/"))
        port = url.port
    except ValueError:
        raise ConfigurationError("base_url is no URL: its host or port cannot be read") from None
    if url.scheme not in ("http", "https") or not url.host or not port:
        raise ConfigurationError(
            "base_url must be http://host:port/v1, https://host/v1 or unix:///path.sock"
        )
    if url.user is not None or url.password is not None:
        raise ConfigurationError(
            "base_url holds a user name or password; pass the key as api_key, or an "
            "Authorization header in default_headers"
        )
    return url, None


def _ssl_context(given: Any, environment: Environment) -> Any:
    if given is not None and not isinstance(given, (bool, ssl_module.SSLContext)):
        raise ConfigurationError("ssl= takes an ssl.SSLContext, or False for no verification")
    if given is not None and given is not True:
        return given
    if environment.ssl_cert_file or environment.ssl_cert_dir:
        try:
            return ssl_module.create_default_context(
                cafile=environment.ssl_cert_file, capath=environment.ssl_cert_dir
            )
        except (OSError, ssl_module.SSLError) as error:
            raise ConfigurationError(
                f"SSL_CERT_FILE or SSL_CERT_DIR names no certificates: {error.strerror or error}"
            ) from None
    return None
