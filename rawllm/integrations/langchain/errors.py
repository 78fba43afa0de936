"""rawllm's errors that are LangChain's too: `with in_langchains_words():`.

Changes no error's name, data or traceback, and hides none.
"""

from __future__ import annotations

from functools import cache
from types import TracebackType
from typing import Any

from langchain_core import exceptions

from ... import errors
from ...errors import APIError

__all__ = ["in_langchains_words"]

#: The nearest class of an error's own says which of langchain-core's it is as well.
_WORDS = {
    errors.APIError: "ModelError",
    errors.APIConnectionError: "ModelConnectionError",
    errors.APITimeoutError: "ModelTimeoutError",
    errors.AuthenticationError: "ModelAuthenticationError",
    errors.BadRequestError: "ModelInvalidRequestError",
    errors.ContextLengthExceeded: "ContextOverflowError",
    errors.InternalServerError: "ModelAPIError",
    errors.NotFoundError: "ModelNotFoundError",
    errors.PermissionDeniedError: "ModelPermissionDeniedError",
    errors.RateLimitError: "ModelRateLimitError",
    errors.UnprocessableEntityError: "ModelInvalidRequestError",
}


class _InLangChainsWords:
    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, APIError):
            _reword(error)


def in_langchains_words() -> _InLangChainsWords:
    """A context that an APIError leaves as one of langchain-core's errors too.

    langchain-core before 1.7 has `ContextOverflowError` alone: other errors stay as they are.
    """
    return _InLangChainsWords()


def _reword(error: APIError) -> APIError:
    # Not a new error from the old one: this one has the traceback, and others may hold it.
    # mypy takes the __hash__ of a class for that of its instances.
    error.__class__ = _joined(type(error))  # type: ignore[arg-type]
    return error


@cache
def _joined(ours: type[APIError]) -> type[APIError]:
    name = next(_WORDS[cls] for cls in ours.__mro__ if cls in _WORDS)
    theirs = getattr(exceptions, name, None)
    if theirs is None or issubclass(ours, theirs):
        return ours

    def reduce(self: APIError) -> tuple[Any, ...]:
        plain = self.copy()
        plain.__class__ = ours  # which pickle can find by its name
        return _reword, (plain,)

    named = {"__module__": ours.__module__, "__doc__": ours.__doc__, "__reduce__": reduce}
    return type(ours.__name__, (ours, theirs), named)
