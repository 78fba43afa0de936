"""What a client is given → requests, and their answers: for the resources, which know only paths.

Has no verbs (client.py) and waits for nothing itself; net/exchange.py carries a call out.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from copy import copy as copied
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .arguments import (
    base_headers,
    bearer,
    checked_body,
    checked_hooks,
    checked_key,
    openai_headers,
    policy,
    put_headers,
    spelling,
    ssl_context,
)
from .errors import APIResponseValidationError, ConfigurationError, NotFoundError, RawLLMError
from .hooks import Hook, setup_logging
from .net import address
from .net.attempt import Attempt
from .net.call import Call
from .net.clocks import Clock, Clocks, resolve
from .net.endpoint import Endpoint, Lookup
from .net.exchange import exchange
from .net.session import Sessions, proxy_for
from .net.slot import Headers
from .options import (
    NOT_GIVEN,
    Environment,
    Limits,
    NotGiven,
    Secret,
    Timeout,
    TimeoutLike,
    hidden,
    hide,
)
from .sansio.decode import decode
from .sansio.deltas import Accumulator
from .sansio.encode import encode, without_not_given
from .sansio.types import Answer, ChatCompletion, Completion, ModelList, Payload, Usage
from .settings import Settings
from .stream import ChatStream

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["Requester"]

A = TypeVar("A", bound=Answer)
C = TypeVar("C", bound=Payload)
T = TypeVar("T")

OPENAI = "https://api.openai.com/v1"


#: Options that belong to what clients made by with_options share.
_OF_ENDPOINT = {"base_url", "limits", "proxy", "ssl", "connector"}


class Requester(Settings):
    """Environment, key, headers, clocks and endpoint of a client."""

    #: The seam at which resources/raw.py watches.
    _exchange = staticmethod(exchange)

    def __init__(self, given: dict[str, Any]) -> None:
        """given: all of the client's arguments, keys and URLs hidden."""
        self._environment = Environment.read()
        setup_logging(self._environment.log)
        self._set(given)
        self._endpoint = self._new_endpoint()

    def _set(self, given: dict[str, Any]) -> None:
        """All of the client but its endpoint, from the constructor's arguments."""
        environment = self._environment
        given = {**given, "hooks": checked_hooks(given["hooks"])}
        self._given = given
        self.hooks: tuple[Hook, ...] = given["hooks"]
        self.model: str | None = given["model"] or None
        timeout = given["timeout"]
        self._timeout: Timeout | float | None = (
            Timeout() if isinstance(timeout, NotGiven) else timeout
        )
        # Whole answers' and streams'; refuses what is no time.
        self._clocks = [resolve(self._timeout, stream=stream) for stream in (False, True)]
        self.retry = policy(given["max_retries"], given["retry"])
        key = given["api_key"]
        self._key = checked_key(key if key is not None else environment.api_key)
        self._address, self._unix_path = self._find_address()
        self._ids = (
            given["organization"] or environment.organization,
            given["project"] or environment.project,
        )
        made = base_headers(
            self._key,
            environment.custom_headers,
            openai_headers(*self._ids),
            given["default_headers"] or {},
        )
        self._headers = {kind: Headers(headers) for kind, headers in made.items()}
        # Call by call, unless the user's own headers say what stands there, be it nothing.
        self._signs = callable(self._key) and not any(
            spelling(headers, "Authorization")
            for headers in (environment.custom_headers, given["default_headers"] or {})
        )
        base = address.with_query("default_query", self._address, given["default_query"])
        self._address = self._address.with_query(None)  # keys stand there, and this one shows
        # Path → URL; as a function, since a URL shows its query, and keys stand there too.
        self._url: Callable[[str], URL] = lru_cache(maxsize=64)(partial(address.join, base))
        del base

    def _find_address(self) -> tuple[URL, str | None]:
        """(base URL, path of the unix socket or None)."""
        where = self._given["base_url"] or self._environment.base_url
        if where is None and self._key is not None:
            where = OPENAI
        if where is None:
            raise ConfigurationError(
                "no endpoint: pass base_url (like 'http://localhost:8000/v1') or set "
                "OPENAI_BASE_URL; for api.openai.com set OPENAI_API_KEY"
            )
        url, unix_path = address.base_address(where)
        if self._key is None and url.host == "api.openai.com":
            raise ConfigurationError("api.openai.com needs a key: pass api_key or OPENAI_API_KEY")
        return url, unix_path

    def _new_endpoint(self) -> Endpoint:
        given = self._given
        limits, proxy, connector = given["limits"], given["proxy"], given["connector"]
        if proxy is not None:
            address.check_proxy(proxy)
            if self._unix_path is not None:
                raise ConfigurationError("proxy= cannot lead to a unix socket: leave it out")
        if connector is not None and given["ssl"] is not None:
            raise ConfigurationError(
                "ssl= belongs to the connector where you bring one: aiohttp.TCPConnector(ssl=…)"
            )
        if limits is not None and not isinstance(limits, Limits):
            raise ConfigurationError("limits= takes a rawllm.Limits")
        proxy = proxy_for(self._address, proxy)
        # Certificates take 17 ms to load: who meets no TLS, or brings a connector, needs none.
        trusted = None
        if connector is None and address.meets_tls(self._address, proxy):
            trusted = self._environment
        return Endpoint(
            self._address,
            sessions=Sessions(
                unix_path=self._unix_path,
                ssl=ssl_context(given["ssl"], trusted),
                connector=connector,
            ),
            limits=limits if limits is not None else Limits(),
            retry=self.retry,
            proxy=proxy,
        )

    def _requester(self) -> Requester:
        return self

    @property
    def base_url(self) -> str:
        return self._endpoint.label

    def with_options(self, **changes: Any) -> Self:
        """The same client with other options. Shares connections, limits, pace and retry budget,
        unless base_url, limits, proxy, ssl or connector change: that is another endpoint.
        default_headers and default_query come on top of the client's own, set_default_headers and
        set_default_query in their place, as in openai-python."""
        hide(changes)
        given = dict(self._given)
        for name in ("default_headers", "default_query"):
            instead = changes.pop(f"set_{name}", None)
            if instead is not None:
                if changes.get(name) is not None:
                    raise ConfigurationError(f"{name}= and set_{name}= exclude each other")
                given[name], changes[name] = None, instead
        unknown = changes.keys() - self._given.keys()
        if unknown:
            raise ConfigurationError(f"with_options takes no {sorted(unknown)[0]!r}")
        if "max_retries" in changes or "retry" in changes:
            given["max_retries"] = given["retry"] = None
        for name in ("default_headers", "default_query"):
            if changes.get(name) and given[name]:
                changes[name] = {**given[name], **changes[name]}
        new = object.__new__(type(self))
        new._environment = self._environment  # read once: it may have changed
        new._set({**given, **changes})
        own = changes.keys() & _OF_ENDPOINT
        new._endpoint = new._new_endpoint() if own else self._endpoint
        new._endpoint.outlive(new.retry)
        return new

    copy = with_options

    async def close(self) -> None:
        """Close all connections. Calls in flight end with an APIConnectionError."""
        await self._endpoint.sessions.close()

    async def _request(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None,
        answer: type[A],
        *,
        read: Callable[..., A] = decode,
        **options: Any,
    ) -> A:
        """Send, and decode the whole answer. read: decode.py's, or one that refuses more."""
        limit = self._endpoint.limits.max_response_bytes

        async def consume(attempt: Attempt) -> A:
            call = attempt.call
            payload = await attempt.response.read(
                call.clock,
                first_token=call.clocks.first_token,
                sent_at=call.sent_at,
                idle=call.clocks.idle,
                limit=limit,
                arrived=attempt.output,
            )
            whole = read(payload, answer, status=attempt.response.status)
            usage = getattr(whole, "usage", None)
            if not isinstance(usage, Usage):
                # A response counts by other names; a list of models may have a field of this one.
                usage = getattr(whole, "_counted", None)
            attempt.end(usage)
            whole.timing = timing = attempt.timing()
            whole._request_id = attempt.request_id()
            attempt.finished(timing, usage, _finish_reason(whole), whole)
            return whole

        call = await self._call(method, path, params, stream=False, **options)
        return await self._exchange(self._endpoint, call, consume)

    async def _open_stream(
        self,
        path: str,
        params: dict[str, Any] | None,
        *,
        chunk: type[C],
        accumulator: Callable[[], Accumulator],
        keep_usage_chunk: bool,
        strict: bool,
        kind: type[ChatStream[Any, Any]] = ChatStream,
        method: str = "POST",
        **options: Any,
    ) -> ChatStream[C, Any]:
        """Send, and read up to the first output."""

        async def consume(attempt: Attempt) -> ChatStream[C, Any]:
            stream: ChatStream[C, Any] = kind(
                attempt,
                chunk=chunk,
                accumulator=accumulator(),
                max_event_bytes=self._endpoint.limits.max_event_bytes,
                keep_usage_chunk=keep_usage_chunk,
                strict=strict,
            )
            return await stream.open()

        call = await self._call(method, path, params, stream=True, **options)
        return await self._exchange(self._endpoint, call, consume)

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
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        endpoint = self._endpoint
        clocks = self._clocks[stream]
        if not isinstance(timeout, NotGiven):
            clocks = resolve(timeout, stream=stream)
        asked = asyncio.get_running_loop().time()
        body = None
        tokens = 0.0
        model = None
        if params is not None:
            if extra_body is not None:
                params = {**params, **checked_body(extra_body)}
            params = without_not_given(params)
            model = params.get("model")
            if not model:
                model = self.model
                if model is None:
                    model = await _in_time(self._default_model(), clocks, asked)
                params = {**params, "model": model}
            body = encode(params)
            if endpoint.tokens is not None:
                most = (
                    params.get("max_completion_tokens")
                    or params.get("max_tokens")
                    or params.get("max_output_tokens")
                )
                tokens = endpoint.estimate.of(
                    len(body), min(most, 10**9) if isinstance(most, int) else None, expected
                )
        key = self._key
        if callable(key):
            key = await _in_time(self._current_key(key), clocks, asked)
        headers = self._headers["stream" if stream else "whole"]
        if extra_headers or (self._signs and key is not None):
            headers = Headers(headers)
            if self._signs and key is not None:
                headers["Authorization"] = bearer(key)
            put_headers("extra_headers", extra_headers or {}, headers)
        return Call(
            method=method,
            url=address.with_query("extra_query", self._url(path), extra_query),
            headers=headers,
            body=body,
            stream=stream,
            clocks=clocks,
            asked=asked,
            policy=self.retry,
            hooks=self.hooks,
            model=model if isinstance(model, str) else None,
            tokens=tokens,
            secret=key,
            expected=expected,
        )

    async def _current_key(self, given: Callable[[], Any]) -> Secret | None:
        key = hidden(given())
        if inspect.isawaitable(key):
            key = hidden(await key)
        checked = checked_key(key)
        if callable(checked):
            raise ConfigurationError("the api_key callable must return a str, not a callable")
        return checked

    async def _default_model(self) -> str:
        """The server's only model, for calls that name none where the client does not either."""
        endpoint = self._endpoint
        if endpoint.only_model is None:
            lookup = endpoint.lookups.setdefault(asyncio.get_running_loop(), Lookup())
            failures = lookup.failures
            async with lookup.lock:  # one looks it up, all others wait for what comes of it
                if lookup.error is not None and lookup.failures > failures:
                    raise copied(lookup.error)
                if endpoint.only_model is None:
                    try:
                        endpoint.only_model = await self._only_model()
                    except RawLLMError as error:
                        lookup.failures += 1
                        lookup.error = copied(error)  # without its traceback
                        raise
        return endpoint.only_model

    async def _only_model(self) -> str:
        try:
            listed = [
                model.id for model in (await self._request("GET", "/models", None, ModelList)).data
            ]
        except (NotFoundError, APIResponseValidationError) as error:
            raise ConfigurationError(
                f"no model was given, and {self.base_url} did not list its own: {error}. "
                "Name one: model=, or --model on the command line"
            ) from None
        if len(listed) == 1:
            return listed[0]
        shown = ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
        raise ConfigurationError(
            f"no model was given, and {self.base_url} lists {len(listed)}"
            + (f" ({shown})" if listed else "")
            + ": name one, model= or --model on the command line"
        )


async def _in_time(asking: Awaitable[T], clocks: Clocks, asked: float) -> T:
    """What a call must wait for before it can be sent, in its own time."""
    clock = Clock(asyncio.get_running_loop(), clocks.opening, asked)
    try:
        with clock.run("total", None):
            return await asking
        raise clock.error()
    finally:
        clock.stop()


def _finish_reason(whole: Any) -> str | None:
    if isinstance(whole, (ChatCompletion, Completion)) and whole.choices:
        return whole.choices[0].finish_reason
    return getattr(whole, "_finish_reason", None)
