"""`client.embeddings`: vectors for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..options import NOT_GIVEN, TimeoutLike, hidden
from ..requester import Requester
from ..sansio.failures import bad_answer
from ..sansio.types import CreateEmbeddingResponse, Embedding, Timing, Usage
from .faces import RawFaces

__all__ = ["EMBED_BATCH", "Embeddings", "is_one_input", "joined"]

#: Inputs a request: text-embeddings-inference's default --max-client-batch-size, the smallest of
#: the servers looked at.
EMBED_BATCH = 32


class Embeddings(RawFaces[CreateEmbeddingResponse]):
    def __init__(self, client: Requester) -> None:
        self._client = client

    async def create(
        self,
        *,
        input: Any,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> CreateEmbeddingResponse:
        """POST /embeddings. input: str, list of str, or tokens.

        Sends no encoding_format that was not asked for: openai-python's silent "base64" breaks
        gateways (openai-python#1490). Raises APIResponseValidationError where there are not as many
        vectors as inputs.
        """
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        answer = await self._client._request(
            "POST",
            "/embeddings",
            {"model": model, "input": input, **params},
            CreateEmbeddingResponse,
            timeout=timeout,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
        )
        asked = 1 if is_one_input(input) else len(input)
        if asked and len(answer.data) != asked:
            why = f"{asked} inputs were sent and {len(answer.data)} embeddings came back"
            raise bad_answer(answer._payload, why)
        return answer


def is_one_input(input: Any) -> bool:
    """A text, or one text's tokens."""
    return isinstance(input, str) or (
        isinstance(input, (list, tuple)) and bool(input) and isinstance(input[0], int)
    )


def joined(answers: list[CreateEmbeddingResponse], total: float) -> CreateEmbeddingResponse:
    """The answers to a list's parts (1 or more) as the answer to the list. total: float seconds
    that all of them took."""
    if len(answers) == 1:
        return answers[0]
    data: list[Embedding] = []
    usage = Usage()
    attempts = 0
    for answer in answers:
        first = len(data)
        for embedding in answer.data:
            embedding.index += first
        data += answer.data
        if answer.usage is not None:
            usage.prompt_tokens += answer.usage.prompt_tokens
            usage.total_tokens += answer.usage.total_tokens
        attempts += answer.timing.attempts if answer.timing is not None else 0
    return CreateEmbeddingResponse(
        data=data,
        model=answers[0].model,
        usage=usage if any(answer.usage for answer in answers) else None,
        timing=Timing(queued=0.0, connect=None, first_token=None, total=total, attempts=attempts),
    )
