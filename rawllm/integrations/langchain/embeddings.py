"""`RawLLMEmbeddings`: LangChain's embeddings interface over a rawllm client.

Splits no text into tokens and averages no vectors: a text that is too long is the server's to
refuse or to cut.
"""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field

from ...resources.embeddings import EMBED_BATCH
from .connected import Connected
from .errors import in_langchains_words

__all__ = ["RawLLMEmbeddings"]


class RawLLMEmbeddings(Connected, Embeddings):
    """Embeddings of any OpenAI-compatible server.

        RawLLMEmbeddings(model="bge-small", base_url="http://localhost:8080/v1")

    Args, all optional; those of the connection are `ChatRawLLM`'s:
        dimensions: int, components a vector, for models that can be asked for fewer.
        chunk_size: int, texts a request; the requests of one call go out together (32).
        model_kwargs: dict of further arguments of every request.

    Raises rawllm's errors, which are langchain-core's too.
    """

    dimensions: int | None = None
    chunk_size: int = EMBED_BATCH
    model_kwargs: dict[str, Any] = Field(default_factory=dict)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors, in the order of the texts."""
        if not texts:
            return []
        params = dict(self.model_kwargs)
        if self.dimensions is not None:
            params["dimensions"] = self.dimensions
        plain = [str(text) for text in texts]  # `message.text` is a subclass of str
        with in_langchains_words():
            answer = await self._client.embed(
                plain, model=self.model_name, batch_size=self.chunk_size, **params
            )
        return answer.vectors

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors, in the order of the texts."""
        return self._wait(self.aembed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        return self._wait(self.aembed_query(text))
