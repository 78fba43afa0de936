"""What all requests share: the client, and how much is taken from whom. `lifespan` makes it.

Knows no route; a request finds it by `gateway_of`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import Headers

from ...arguments import check_count
from ...client import Client
from ...errors import ConfigurationError
from ...options import Secret
from .refusals import Refusal

__all__ = ["CONCURRENCY", "LLM", "MAX_BODY", "Gateway", "gateway_of", "get_client", "lifespan"]

#: Requests under way or waiting for the client's own limits; beyond it, 503. Four times what the
#: client has in flight.
CONCURRENCY = 1000

#: Bytes of a request's body; images travel in there.
MAX_BODY = 16 * 1024 * 1024

#: Seconds after which a caller who met a full gateway may come again.
AGAIN = 1

PORT = re.compile(r":\d*$")

State = Mapping[str, Any]


class Gateway:
    """How much is taken, and from whom."""

    def __init__(
        self,
        *,
        concurrency: int | None,
        max_body: int,
        api_key: str | None,
        forward_authorization: bool,
        hosts: Collection[str] | None = None,
    ) -> None:
        self.max_body = max_body
        self._hosts = None if hosts is None else {name.lower() for name in hosts}
        self.forward_authorization = forward_authorization
        self._most = concurrency
        self._taken = 0
        self._key = None if api_key is None else Secret(api_key)

    def admit(self, headers: Headers) -> None:
        """Raise a Refusal where the gateway has a key and the caller has another, or where the
        caller takes it for somebody else."""
        host = headers.get("host", "")
        if self._hosts is not None and PORT.sub("", host).lower() not in self._hosts:
            raise Refusal(421, f"this gateway does not answer to the name {host!r}")
        if self._key is None:
            return
        given = headers.get("authorization", "").partition(" ")[2].strip()
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise Refusal(401, "the gateway's key is missing or wrong", WWW_Authenticate="Bearer")

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the requests under way. Raises a Refusal where there are as many as may be."""
        if self._most is not None and self._taken >= self._most:
            raise Refusal(503, "the gateway has too many requests", Retry_After=str(AGAIN))
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


def lifespan(
    client: Client | Callable[[], Client],
    *,
    concurrency: int | None = CONCURRENCY,
    max_body: int = MAX_BODY,
    api_key: str | None = None,
    forward_authorization: bool = False,
    hosts: Collection[str] | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[State]]:
    """For `FastAPI(lifespan=…)`: one client for all requests, closed when the server stops.

    client: `Client`, or what makes one (a closed client cannot be opened again, and so an app that
        is started twice needs the latter). Endpoints of your own find it as `request.state.llm`,
        or as an argument `llm: LLM`.
    concurrency: int, requests taken at once, those included that wait for the client's own
        `Limits`; beyond it the answer is 503 with Retry-After. None: any number.
    max_body: int bytes of a request's body; beyond it the answer is 413.
    api_key: str that callers must send (`Authorization: Bearer …`), else 401. None: all are let in.
    forward_authorization: bool, send the caller's Authorization upstream in the place of the
        client's key. Otherwise it stays here.
    hosts: names, without a port, that a request's Host may have, else 421. None: any. Where there
        is no key, it keeps out a web page whose own name was made to lead to this machine.

    concurrency, max_body, hosts and the keys concern rawllm's routers, and no endpoint of yours.
    """
    if not isinstance(client, Client) and not callable(client):
        raise ConfigurationError(
            f"lifespan() takes a rawllm.Client or what makes one, not {type(client).__name__}"
        )
    if concurrency is not None:
        check_count("concurrency", concurrency)
    check_count("max_body", max_body)
    if api_key is not None and forward_authorization:
        raise ConfigurationError(
            "api_key= and forward_authorization= exclude each other: the caller's Authorization "
            "is either for the gateway or for the server behind it"
        )
    if isinstance(hosts, str):
        raise ConfigurationError(f"hosts= takes a list of names: hosts=[{hosts!r}]")
    if api_key is not None and not api_key.strip():
        raise ConfigurationError("api_key= is empty: leave it out to let everybody in")

    @asynccontextmanager
    async def opened(app: Any) -> AsyncIterator[State]:
        made = client if isinstance(client, Client) else client()
        if made._endpoint.sessions.closed:
            raise ConfigurationError(
                "lifespan()'s client is closed; for an app that is started twice give it what "
                "makes one: lifespan(lambda: Client(…))"
            )
        gateway = Gateway(
            concurrency=concurrency,
            max_body=max_body,
            api_key=api_key,
            forward_authorization=forward_authorization,
            hosts=hosts,
        )
        async with made as llm:
            yield {"llm": llm, "rawllm": gateway}

    return opened


def gateway_of(scope: Mapping[str, Any]) -> Gateway:
    state = scope.get("state") or {}
    if "rawllm" not in state:
        raise ConfigurationError(
            "rawllm's routes have no client: make the app as FastAPI(lifespan=lifespan(client))"
        )
    gateway: Gateway = state["rawllm"]
    return gateway


def get_client(request: Request) -> Client:
    """The client that `lifespan` opened."""
    gateway_of(request.scope)
    client: Client = request.state.llm
    return client


#: The type of an endpoint's argument that is to be the client: `async def ask(llm: LLM)`.
LLM = Annotated[Client, Depends(get_client)]
