"""The client: takes what a user gives, composes the parts, decides nothing.

    async with Client("http://localhost:8000/v1", model="qwen3-8b") as llm:
        answer = await llm.complete("Why is the sky blue?")

It is `openai.AsyncOpenAI` by another name: `client.chat.completions.create(…)` and the other
resources take that library's arguments and give objects with its names.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from .arguments import (
    check_count,
)
from .errors import ConfigurationError
from .hooks import Hook
from .mapping import Inputs, Item, in_batches, map_calls
from .options import (
    NOT_GIVEN,
    Limits,
    Retry,
    TimeoutLike,
    hidden,
    hide,
)
from .requester import Requester
from .resources.chat import Chat
from .resources.completions import Completions
from .resources.embeddings import EMBED_BATCH, Embeddings, is_one_input, joined
from .resources.faces import HoldsFaces
from .resources.models import Models
from .sansio.encode import messages_of
from .sansio.types import (
    Answer,
    ChatCompletion,
    ChatCompletionChunk,
    CreateEmbeddingResponse,
    Payload,
)
from .stream import PendingStream

if TYPE_CHECKING:
    import aiohttp

    from .resources.responses import Responses
    from .sansio.parsed import ParsedChatCompletion
    from .tools import ToolRun

__all__ = ["AsyncClient", "AsyncOpenAI", "Client"]

A = TypeVar("A", bound=Answer)
C = TypeVar("C", bound=Payload)
R = TypeVar("R")
T = TypeVar("T")

ApiKey = str | Callable[[], str | Awaitable[str]]


class Client(HoldsFaces, Requester):
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
        # Here first: a traceback may show this frame's locals, and URLs can hold passwords.
        api_key, base_url, proxy = hidden(api_key), hidden(base_url), hidden(proxy)
        default_headers, default_query = hidden(default_headers), hidden(default_query)
        super().__init__(
            {
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
        )

    # ── the verbs ────────────────────────────────────────────────────────────────────────────

    @overload
    async def complete(
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
    async def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        response_type: type[R],
        repair: bool = ...,
        **params: Any,
    ) -> ParsedChatCompletion[R]: ...

    @overload
    async def complete(
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

    async def complete(
        self,
        prompt: str | list[Any],
        *,
        system: str | None = None,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        response_type: Any = None,
        repair: bool = False,
        **params: Any,
    ) -> ChatCompletion:
        """The whole answer to a prompt (str, or a list of messages).

        response_type: what the answer is to be: a msgspec Struct, dataclass, TypedDict, pydantic
            model or any other type that JSON can be read as, or a JSON schema (dict). The object is
            `answer.parsed`. Raises StructuredOutputError where the answer is none,
            LengthFinishReasonError or ContentFilterFinishReasonError where it was cut.
        repair: bool, with response_type: send an answer that does not fit back once, with what is
            wrong with it.
        params: any argument of chat.completions.create, and whatever else the server takes
        (`max_tokens`, `temperature`, `top_k`, …). Raises APIError's classes, ConfigurationError for
        an empty prompt or one that cannot be encoded.
        """
        hide(params)
        if params.get("stream"):
            raise ConfigurationError("complete() gives whole answers; stream() streams them")
        if repair and response_type is None:
            raise ConfigurationError("repair= belongs to response_type=, which is missing")
        if response_type is not None:
            from .sansio.schema import form_of

            return await self.chat.completions._parse(
                form_of(response_type),
                repair=repair,
                messages=messages_of(prompt, system=system),
                model=model,
                timeout=timeout,
                **params,
            )
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
        hide(params)
        if "response_type" in params:
            raise ConfigurationError(
                "stream() gives text; chat.completions.stream(response_format=…) gives objects "
                "as they grow"
            )
        messages = messages_of(prompt, system=system)
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

    async def run_tools(
        self,
        prompt: str | list[Any],
        *,
        tools: Iterable[Any],
        max_rounds: int = 10,
        system: str | None = None,
        **params: Any,
    ) -> ToolRun:
        """Let the model call Python functions until it answers: `.text`, `.messages`.

        tools: functions, sync (called in a thread) or async, or `rawllm.Tool`. The model is told
            of their names, docstrings and annotated parameters. All calls of one answer run at
            once. What a tool raises, arguments that do not fit and names that do not exist go back
            to the model as text.
        max_rounds: int, answers asked of the model at most.
        params: arguments of `complete`, for every round.

        Raises ToolRoundsExceeded, and what `complete` raises.
        """
        hide(params)
        from .tools import run

        async def ask(messages: list[Any], tools: list[Any]) -> ChatCompletion:
            answer: ChatCompletion = await self.complete(messages, tools=tools, **params)
            return answer

        return await run(ask, messages_of(prompt, system=system), tools, max_rounds)

    def map(
        self,
        inputs: Inputs,
        *,
        concurrency: int | Literal["auto"] | None = None,
        ordered: bool = False,
        on_error: Literal["return", "raise"] = "return",
        **params: Any,
    ) -> AsyncGenerator[Item[ChatCompletion], None]:
        """Many calls: `async for item in client.map(prompts):`, results as they come.

        inputs: any iterable or async iterable of prompts (str), lists of messages, dicts of
            arguments (`{"messages": […], "max_tokens": 5}` or `{"prompt": "…"}`), or
            `(key, input)` pairs. It is pulled from as results are taken: at most twice the
            concurrency is under way or waits to be read, however long it is.
        concurrency: int; the smaller of it and the client's own wins. "auto": what the server
            takes, found while it runs (`Limits(concurrency="auto")`), up to the client's own; from
            then on for all calls to this endpoint.
        ordered: results in the order of the inputs, and not as they come.
        on_error: "return" puts a RawLLMError into its item, "raise" ends everything.
        params: arguments of every call, which a dict of its own overrides.

        Gives `Item`s: index, key, completion or error, ok, attempts, timing. Leaving the loop
        cancels what is under way. An exception of `inputs` comes out after the results of what came
        before it.
        """
        hide(params)
        most = self._endpoint.concurrency

        async def call(value: Any) -> ChatCompletion:
            given = dict(params)
            if isinstance(value, Mapping):
                given |= value
                prompt, value = given.pop("prompt", None), given.pop("messages", None)
                if prompt is not None and value is not None:
                    raise ConfigurationError("an input holds both prompt and messages: leave one")
                value = prompt if prompt is not None else value
            answer: ChatCompletion = await self.complete(value, **given)
            return answer

        if concurrency == "auto":
            self._endpoint.adapt()
        return map_calls(
            inputs,
            call,
            concurrency=most if concurrency is None or concurrency == "auto" else concurrency,
            most=most,
            bound=lambda: self._endpoint.limiter().concurrency,
            ordered=ordered,
            on_error=on_error,
        )

    async def embed(
        self,
        input: str | Inputs,
        *,
        model: str | None = None,
        batch_size: int = EMBED_BATCH,
        concurrency: int | None = None,
        **params: Any,
    ) -> CreateEmbeddingResponse:
        """Embeddings of one text or of many: `.vectors`, in the order of the input.

        input: str, one text as tokens (a list of int), or any iterable or async iterable of either.
        batch_size: int, inputs a request at most. The requests go out together and their answers
            are joined. 32 is what every server takes (text-embeddings-inference refuses more);
            api.openai.com takes 2,048, up to 300,000 tokens.
        concurrency: int, requests at once; the smaller of it and the client's own wins.
        params: arguments of embeddings.create.

        One failed request fails the whole: raises its error, and cancels the others.
        """
        hide(params)
        check_count("batch_size", batch_size)

        async def call(batch: Any) -> CreateEmbeddingResponse:
            return await self.embeddings.create(input=batch, model=model, **params)

        started = asyncio.get_running_loop().time()
        if is_one_input(input):
            answers = [await call(input)] if input else []
        else:
            items = map_calls(
                in_batches(input, batch_size),
                call,
                concurrency=self._endpoint.concurrency if concurrency is None else concurrency,
                most=self._endpoint.concurrency,
                ordered=True,
                on_error="raise",
            )
            answers = [item.result async for item in items if item.result is not None]
        if not answers:
            raise ConfigurationError("there is nothing to embed: the input is empty")
        return joined(answers, asyncio.get_running_loop().time() - started)

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

    @cached_property
    def responses(self) -> Responses:
        from .resources.responses import Responses

        return Responses(self)

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
        if not hasattr(self, "_endpoint"):  # in the traceback of a refused argument
            return f"<{type(self).__name__}>"
        model = f" model={self.model!r}" if self.model else ""
        return f"<{type(self).__name__} {self.base_url}{model}>"


#: The names under which code written for openai-python knows it.
AsyncOpenAI = Client
AsyncClient = Client
