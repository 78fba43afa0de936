"""`ChatRawLLM`: LangChain's chat model interface over a rawllm client.

Retries nothing and limits nothing itself: the client does. What it does not know goes to the server
untouched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputParser,
    PydanticOutputParser,
)
from langchain_core.output_parsers.openai_tools import (
    JsonOutputKeyToolsParser,
    PydanticToolsParser,
)
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import Field

from ...errors import ConfigurationError
from ...sansio.types import ChatCompletion, ChatCompletionChunk
from ...stream import ChatStream, PendingStream
from ...sync.stream import SyncStream
from .connected import Connected
from .errors import in_langchains_words
from .messages import Pieces, result_of, wire_messages

__all__ = ["ChatRawLLM"]

#: Fields that go into each request under their own names.
_SENT = (
    *("temperature", "max_tokens", "top_p", "frequency_penalty", "presence_penalty", "seed"),
    *("stop", "n", "logprobs", "top_logprobs", "logit_bias", "reasoning_effort", "extra_body"),
)

Method = Literal["json_schema", "function_calling", "json_mode"]


class ChatRawLLM(Connected, BaseChatModel):
    """A chat model of any OpenAI-compatible server.

        ChatRawLLM(model="qwen3-8b", base_url="http://localhost:8000/v1")
        ChatRawLLM(client=client)       # a rawllm.Client or SyncClient, with limits, hooks, retries

    The connection, all optional; the names are `ChatOpenAI`'s:
        client: rawllm.Client or SyncClient; it brings all of the next seven, and stays yours to
            close.
        base_url, api_key, organization, timeout, max_retries, default_headers, default_query: as
            `rawllm.Client` takes them; None is its default. No key: OPENAI_API_KEY.
        model: None: the client's, else the server's only one.

    The request, all optional, left out where None:
        temperature, max_tokens, top_p, frequency_penalty, presence_penalty, seed, n, logprobs,
        top_logprobs, logit_bias, reasoning_effort, extra_body: as the API has them.
        stop (also stop_sequences): list of str.
        model_kwargs: dict of whatever else goes into every request (`top_k`, …).
        streaming: bool; True also streams where the caller waits for the whole answer, so that
            callbacks see tokens.

    Arguments of `invoke`, `bind` and their kin go into the request as well, and override.
    Raises rawllm's errors, which are langchain-core's too (a RateLimitError is a
    ModelRateLimitError), and pydantic's ValidationError for arguments that cannot work.
    """

    model_config = Connected.model_config  # BaseChatModel, the later base, would win

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | str | None = Field(default=None, alias="stop_sequences")
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    reasoning_effort: str | None = None
    extra_body: dict[str, Any] | None = None
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    streaming: bool = False

    # ── the four ways to an answer ───────────────────────────────────────────────────────────

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return result_of(self._wait(self._complete(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return result_of(await self._complete(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pending = self._pending(messages, stop, kwargs)

        async def opened() -> ChatStream[ChatCompletionChunk, ChatCompletion]:
            return await pending

        pieces = Pieces()
        with in_langchains_words(), SyncStream(self._wait(opened())) as stream:
            for chunk in stream:
                if (piece := pieces.chunk(chunk)) is not None:
                    if run_manager is not None:
                        run_manager.on_llm_new_token(piece.text, chunk=piece)
                    yield piece
            yield pieces.last(stream.completion)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        pieces = Pieces()
        with in_langchains_words():
            async with self._pending(messages, stop, kwargs) as stream:
                async for chunk in stream:
                    if (piece := pieces.chunk(chunk)) is not None:
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(piece.text, chunk=piece)
                        yield piece
                yield pieces.last(stream.completion)

    async def _complete(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> ChatCompletion:
        params = self._params(stop, kwargs)
        with in_langchains_words():
            answer: ChatCompletion = await self._client.complete(wire_messages(messages), **params)
        return answer

    def _pending(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> PendingStream[ChatCompletionChunk, ChatCompletion]:
        params = self._params(stop, kwargs)
        if (params.get("n") or 1) != 1:
            raise ConfigurationError("n= above 1 cannot be streamed: LangChain's chunks are one's")
        return self._client.stream(wire_messages(messages), **params)

    def _params(self, stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The request's arguments, but for its messages."""
        own = {name: getattr(self, name) for name in _SENT}
        params = {"model": self.model_name, **own, **self.model_kwargs, **kwargs}
        if stop is not None:
            params["stop"] = stop
        params.pop("stream", None)  # which of the four was called says it
        return {name: value for name, value in params.items() if value is not None}

    # ── tools and structure ──────────────────────────────────────────────────────────────────

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools: functions, pydantic classes, LangChain's tools, or JSON schemas.

        tool_choice: a tool's name, "any" or True (one of them at least), "auto", "none", or the
            API's dict.
        strict: bool, hold the arguments to the schema, where the server can.
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        names = {tool.get("function", {}).get("name") for tool in formatted}
        if tool_choice is True or tool_choice == "any":
            tool_choice = "required"
        elif isinstance(tool_choice, str) and tool_choice in names:
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        if tool_choice:
            kwargs["tool_choice"] = tool_choice
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(tools=formatted, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers of a shape: a pydantic class gives its instances; a TypedDict, a
        JSON schema or a function gives dicts.

        method: "json_schema" (the server is held to it, by grammar on vLLM, llama.cpp and SGLang),
            "function_calling", or "json_mode" (any JSON: the prompt must say the rest).
        include_raw: {"raw": message, "parsed": …, "parsing_error": …}, and no error raised.
        kwargs: arguments of every request.

        Raises ConfigurationError for a method that does not exist, or lacks its schema.
        """
        if method not in ("json_schema", "function_calling", "json_mode"):
            raise ConfigurationError(
                f"method={method!r} is none of json_schema, function_calling, json_mode"
            )
        if schema is None and method != "json_mode":
            raise ConfigurationError(f"method={method!r} needs a schema")
        traced = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        bound = {"ls_structured_output_format": traced, **kwargs}
        model: Runnable[LanguageModelInput, AIMessage]
        if method == "function_calling":
            assert schema is not None
            name = convert_to_openai_tool(schema)["function"]["name"]
            model = self.bind_tools(
                [schema], tool_choice=name, strict=strict, parallel_tool_calls=False, **bound
            )
        else:
            bound["response_format"] = (
                _response_format(schema, strict)
                if method == "json_schema"
                else {"type": "json_object"}
            )
            model = self.bind(**bound)
        parser = _parser(schema, method)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks(
            [failed], exception_key="parsing_error"
        )

    # ── what traces and caches are told ──────────────────────────────────────────────────────

    @property
    def _llm_type(self) -> str:
        return "rawllm-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # The server is part of a cache's key; its address is shown without user and query.
        return {"base_url": self._client.base_url, **self._params(None, {})}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = self._params(stop, kwargs)
        found = LangSmithParams(
            ls_provider="rawllm",
            ls_model_type="chat",
            ls_model_name=params.get("model") or self._client.model or "",
        )
        if (temperature := params.get("temperature")) is not None:
            found["ls_temperature"] = temperature
        if (most := params.get("max_tokens")) is not None:
            found["ls_max_tokens"] = most
        if isinstance(stops := params.get("stop"), list):
            found["ls_stop"] = stops
        return found


def _response_format(schema: Any, strict: bool | None) -> dict[str, Any]:
    function = convert_to_openai_tool(schema, strict=strict)["function"]
    described = {name: function[name] for name in ("name", "description") if name in function}
    found: dict[str, Any] = {**described, "schema": function["parameters"]}
    if strict is not None:
        found["strict"] = strict
    return {"type": "json_schema", "json_schema": found}


def _parser(schema: Any, method: Method) -> BaseOutputParser[Any]:
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    if method == "function_calling":
        if is_class:
            return PydanticToolsParser(tools=[schema], first_tool_only=True)
        name = convert_to_openai_tool(schema)["function"]["name"]
        return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    return PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
