"""`client.completions`: the older text completions, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

from ..options import NOT_GIVEN, NotGiven, TimeoutLike, hidden
from ..requester import Requester
from ..sansio.deltas import TextAccumulator
from ..sansio.types import Completion
from ..stream import ChatStream
from .chat import _choices
from .faces import RawFaces

__all__ = ["Completions"]

PATH = "/completions"


class Completions(RawFaces[Completion]):
    def __init__(self, client: Requester) -> None:
        self._client = client

    @overload
    async def create(
        self,
        *,
        prompt: Any,
        model: str | None = ...,
        stream: Literal[False] | NotGiven | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Completion: ...

    @overload
    async def create(
        self,
        *,
        prompt: Any,
        stream: Literal[True],
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> ChatStream[Completion, Completion]: ...

    @overload
    async def create(
        self,
        *,
        prompt: Any,
        stream: bool,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Completion | ChatStream[Completion, Completion]: ...

    async def create(
        self,
        *,
        prompt: Any,
        model: str | None = None,
        stream: bool | NotGiven | None = NOT_GIVEN,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> Any:
        """POST /completions. prompt: str, list of str, or tokens (list of int, or of lists)."""
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        options: dict[str, Any] = {
            "timeout": timeout,
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
            "expected": _choices(params, extra_body) * _prompts(prompt),
        }
        body = {"model": model, "prompt": prompt, **params}
        if stream:
            return await self._client._open_stream(
                PATH,
                {**body, "stream": True},
                chunk=Completion,
                accumulator=TextAccumulator,
                keep_usage_chunk=True,
                strict=False,
                **options,
            )
        if not isinstance(stream, NotGiven):
            body["stream"] = stream
        return await self._client._request("POST", PATH, body, Completion, **options)


def _prompts(prompt: Any) -> int:
    """A list of texts or of token lists is so many prompts; a list of tokens is one."""
    if isinstance(prompt, (list, tuple)) and prompt and not isinstance(prompt[0], int):
        return len(prompt)
    return 1
