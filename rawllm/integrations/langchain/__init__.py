"""LangChain's chat model and embeddings over rawllm: `ChatRawLLM`, `RawLLMEmbeddings`.

Needs langchain-core (`pip install 'rawllm[langchain]'`) and no vendor's SDK; knows no chain, agent
or memory, which are LangChain's own.
"""

from __future__ import annotations

try:
    import langchain_core as langchain_core
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rawllm.integrations.langchain needs langchain-core: pip install 'rawllm[langchain]'",
        name="langchain_core",
    ) from error

from .chat import ChatRawLLM
from .embeddings import RawLLMEmbeddings

__all__ = ["ChatRawLLM", "RawLLMEmbeddings"]
