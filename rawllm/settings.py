"""What code written for openai-python reads off a client: key, ids, headers, query, retries.

Sets nothing: `with_options` makes a client with other ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .options import Secret

if TYPE_CHECKING:
    from .options import Timeout
    from .requester import Requester

__all__ = ["Settings"]


class Settings:
    """A client's settings, read-only."""

    def _requester(self) -> Requester:
        """Whose they are: each face of the client says so."""
        raise NotImplementedError

    @property
    def api_key(self) -> str | None:
        """The key; None where there is none, or a callable gives it. Its repr is masked."""
        key = self._requester()._key
        return key if isinstance(key, Secret) else None

    @property
    def organization(self) -> str | None:
        return self._requester()._ids[0]

    @property
    def project(self) -> str | None:
        return self._requester()._ids[1]

    @property
    def max_retries(self) -> int:
        """Tries after the first."""
        return self._requester().retry.attempts - 1

    @property
    def timeout(self) -> Timeout | float | None:
        return self._requester()._timeout

    @property
    def default_headers(self) -> dict[str, str]:
        """The client's own, sent with every request."""
        return dict(self._requester()._given["default_headers"] or {})

    @property
    def default_query(self) -> dict[str, Any]:
        return dict(self._requester()._given["default_query"] or {})

    @property
    def beta(self) -> Self:
        """Where openai-python's `chat.completions.parse` and `stream` stood before."""
        return self

    def is_closed(self) -> bool:
        """Whether its connections were closed, by whichever client shares them."""
        return self._requester()._endpoint.sessions.closed
