"""`SyncClient`: what `Client` does, for code without `await`.

    with SyncClient("http://localhost:8000/v1", model="qwen3-8b") as llm:
        answer = llm.complete("Why is the sky blue?")

Decides nothing and sends nothing: a `Client` on the background loop does.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import cached_property, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar, overload

from ..client import Client
from ..errors import ConfigurationError
from ..mapping import Item, check_many
from ..net.endpoint import Endpoint
from ..options import NOT_GIVEN, Secret, TimeoutLike, hidden, hide
from ..resources.embeddings import EMBED_BATCH
from ..resources.faces import HoldsFaces
from ..sansio.types import ChatCompletion, ChatCompletionChunk, CreateEmbeddingResponse
from ..settings import Settings
from ..stream import ChatStream
from .background import background, blocking, described_by, in_background, stopping
from .mapping import Feed
from .resources import SyncChat, SyncCompletions, SyncEmbeddings, SyncModels
from .stream import SyncStream

if TYPE_CHECKING:
    from ..sansio.parsed import ParsedChatCompletion
    from .responses import SyncResponses

__all__ = ["OpenAI", "SyncClient"]

P = ParamSpec("P")
T = TypeVar("T")


class _Client(Client):
    """On a loop that many clients share: nothing of the user's may block it."""

    def _new_endpoint(self) -> Endpoint:
        if self._given["connector"] is not None:
            raise ConfigurationError(
                "connector= belongs to an event loop of yours, and a SyncClient runs on one of its "
                "own: use Client, or proxy=, ssl= and limits="
            )
        endpoint = super()._new_endpoint()
        # Here nobody needs to be told to close it: there is always a loop that can.
        weakref.finalize(endpoint, in_background, endpoint.sessions.close)
        return endpoint

    async def _current_key(self, given: Callable[[], Any]) -> Secret | None:
        async def in_a_thread() -> Any:
            key = hidden(await asyncio.to_thread(given))
            return await key if inspect.isawaitable(key) else key

        return await super()._current_key(
            given if inspect.iscoroutinefunction(given) else in_a_thread
        )


def _with_arguments_of(
    method: Callable[Concatenate[Client, P], None],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    return wraps(method, assigned=())


class SyncClient(HoldsFaces, Settings):
    """A client for one OpenAI-compatible endpoint. Use it as `with`, or call `close()`.

    Takes `Client`'s arguments, but no connector. It may be used from many threads at once, and
    inside a running event loop (which waits meanwhile). An api_key callable is asked in a thread of
    its own, where it may block; hooks run on the background loop, which all synchronous clients
    share, and must not.

    Raises ConfigurationError for arguments that cannot work, and RuntimeError for a call from a
    hook.
    """

    @_with_arguments_of(Client.__init__)
    def __init__(self, /, *args: Any, **options: Any) -> None:
        hide(options)
        args = tuple(hidden(args))
        self._async: Client = _Client(*args, **options)

    # ── the verbs ────────────────────────────────────────────────────────────────────────────

    @overload
    def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        response_type: None = ...,
        **params: Any,
    ) -> ChatCompletion: ...

    @overload
    def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        response_type: type[T],
        repair: bool = ...,
        **params: Any,
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        response_type: Any,
        repair: bool = ...,
        **params: Any,
    ) -> ParsedChatCompletion[Any]: ...

    @described_by(Client.complete)
    def complete(self, prompt: Any, **params: Any) -> Any:
        hide(params)
        return background().run(self._async.complete(prompt, **params))

    def stream(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = None,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        strict: bool = False,
        **params: Any,
    ) -> SyncStream[ChatCompletionChunk, ChatCompletion]:
        """The answer as it is written: `for chunk in client.stream(…):`, or
        `with client.stream(…) as stream:` where the whole is wanted as well.

        Returns with the first output. Otherwise as `Client.stream`.
        """
        hide(params)
        pending = self._async.stream(
            prompt, system=system, model=model, timeout=timeout, strict=strict, **params
        )

        async def opened() -> ChatStream[ChatCompletionChunk, ChatCompletion]:
            return await pending

        return SyncStream(background().run(opened()))

    def map(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int | Literal["auto"] | None = None,
        ordered: bool = False,
        on_error: Literal["return", "raise"] = "return",
        **params: Any,
    ) -> Iterator[Item[ChatCompletion]]:
        """Many calls: `for item in client.map(prompts):`, results as they come.

        inputs: any iterable of what `Client.map` takes. It is pulled from in the thread that takes
            the results, while that waits for the next one: a generator may block, and holds up
            nothing but this loop, or call this client.

        Otherwise as `Client.map`.
        """
        hide(params)
        _check_plain(inputs)
        loop, feed = background(), Feed(iter(inputs))

        async def mapped() -> AsyncIterator[Item[ChatCompletion]]:
            return self._async.map(
                feed, concurrency=concurrency, ordered=ordered, on_error=on_error, **params
            )

        return feed.hand_out(loop, loop.run(mapped()))

    run_tools = blocking(Client.run_tools)  # type: ignore[arg-type]

    @described_by(Client.embed)
    def embed(
        self,
        input: str | Iterable[Any],
        *,
        model: str | None = None,
        batch_size: int = EMBED_BATCH,
        concurrency: int | None = None,
        **params: Any,
    ) -> CreateEmbeddingResponse:
        hide(params)
        many = input
        if not isinstance(input, (str, list, tuple)):
            _check_plain(input)
            many = list(input)  # here: pulled from on the loop, it could block that
        return background().run(
            self._async.embed(
                many, model=model, batch_size=batch_size, concurrency=concurrency, **params
            )
        )

    @cached_property
    def chat(self) -> SyncChat:
        return SyncChat(self._async.chat)

    @cached_property
    def completions(self) -> SyncCompletions:
        return SyncCompletions(self._async.completions)

    @cached_property
    def embeddings(self) -> SyncEmbeddings:
        return SyncEmbeddings(self._async.embeddings)

    @cached_property
    def models(self) -> SyncModels:
        return SyncModels(self._async.models)

    @cached_property
    def responses(self) -> SyncResponses:
        from .responses import SyncResponses

        return SyncResponses(self._async.responses)

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    def _requester(self) -> Client:
        return self._async

    @property
    def base_url(self) -> str:
        return self._async.base_url

    def with_options(self, **changes: Any) -> Self:
        """The same client with other options, as `Client.with_options`: shares the endpoint."""
        hide(changes)
        new = object.__new__(type(self))
        new._async = self._async.with_options(**changes)
        return new

    copy = with_options

    @described_by(Client.close)
    def close(self) -> None:
        if not stopping():  # or the loop's end has closed them all: exit handlers may close, too
            background().run(self._async.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_async"):  # in the traceback of a refused argument
            return f"<{type(self).__name__}>"
        return repr(self._async).replace(_Client.__name__, type(self).__name__, 1)


def _check_plain(inputs: Any) -> None:
    check_many(inputs)
    if not isinstance(inputs, Iterable):
        raise ConfigurationError(
            f"a SyncClient takes plain iterables, and this is of type {type(inputs).__name__}, "
            "an asynchronous one: Client takes those"
        )


#: The name under which code written for openai-python knows it.
OpenAI = SyncClient
