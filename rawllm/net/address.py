"""Where requests go: what a user gives as base_url, proxy and queries → URLs.

Opens nothing and resolves no name. Its messages never show what was given: a key pasted into the
wrong argument, or a password in a URL, must not end in a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from yarl import URL

from ..errors import ConfigurationError
from ..options import Secret

__all__ = ["base_address", "check_proxy", "join", "meets_tls", "shown", "with_query"]


def base_address(text: str) -> tuple[URL, str | None]:
    """(URL, path of the unix socket or None). Raises ConfigurationError."""
    _check_text("base_url", text)
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ConfigurationError("a unix socket's base_url is unix:///absolute/path.sock")
        return URL("http://unix/v1"), path
    if "://" not in text:
        raise ConfigurationError(
            "base_url has no scheme: put http:// or https:// before the host, as in "
            "'http://localhost:8000/v1'"
        )
    url = _parsed("base_url", Secret(text.rstrip("/"))).with_fragment(None)
    if url.scheme not in ("http", "https") or not url.host or not url.port:
        raise ConfigurationError(
            "base_url must be http://host:port/v1, https://host/v1 or unix:///path.sock"
        )
    if url.user is not None or url.password is not None:
        del url  # a traceback may show this frame's locals
        raise ConfigurationError(
            "base_url holds a user name or password; pass the key as api_key, or an "
            "Authorization header in default_headers"
        )
    if url.path.endswith("/completions"):
        raise ConfigurationError(
            "base_url ends at the version, as in 'http://localhost:8000/v1': rawllm adds "
            "/chat/completions itself"
        )
    return url, None


def check_proxy(text: str) -> None:
    """Refuse what is no proxy's URL; its user name and password may stand in it."""
    _check_text("proxy=", text)
    url = _parsed("proxy=", text)
    if url.scheme not in ("http", "https") or not url.host or not url.port:
        scheme = url.scheme
        del url  # a traceback may show this frame's locals
        raise ConfigurationError(
            "proxy= takes http://host:port or https://host:port"
            + (f", not {scheme}" if scheme in ("socks4", "socks5", "socks5h", "ftp") else "")
        )
    wrong = _wrong_with_login(url.user or "", url.password or "")
    if wrong:
        del url
        raise ConfigurationError(f"proxy= has {wrong}")


def meets_tls(url: URL, proxy: str | None) -> bool:
    """Whether a request to `url` by way of `proxy` meets TLS anywhere."""
    return url.scheme == "https" or (proxy is not None and URL(proxy).scheme == "https")


def _wrong_with_login(user: str, password: str) -> str | None:
    """What HTTP's Basic scheme, as aiohttp speaks it, cannot carry."""
    if ":" in user:
        return "a ':' in its user name, which no proxy could tell from the password's"
    try:
        f"{user}{password}".encode("latin-1")
    except UnicodeEncodeError:
        return "a user name or password with characters outside Latin-1"
    return None


def join(base: URL, path: str) -> URL:
    """The base URL's path goes on with `path` (str, not quoted); its query stays, as Azure's
    api-version must."""
    if _has_half(path):
        raise ConfigurationError("a path of the URL holds half a surrogate pair, which is no text")
    return base.joinpath(path.removeprefix("/")).with_query(base.query)


def with_query(where: str, url: URL, query: Mapping[str, Any] | None) -> URL:
    """The URL with these query parameters too: as openai-python writes them, true and false in
    lower case, None left out."""
    if not query:
        return url
    try:
        return url.update_query(
            {_plain(name): _plain(value) for name, value in query.items() if value is not None}
        )
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            f"{where}= takes a dict of names and values that are text, finite numbers, booleans, "
            "None or lists of text and numbers"
        ) from None


@lru_cache(maxsize=64)
def shown(url: URL) -> str:
    """The URL as logs and errors may have it: keys can stand in a query."""
    return str(url.with_query(None).with_user(None))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _has_half(value):
        raise ValueError
    return value


def _has_half(text: str) -> bool:
    """Whether it holds half a surrogate pair, which yarl would leave out in silence."""
    return any("\ud800" <= c <= "\udfff" for c in text)


def _check_text(where: str, text: Any) -> None:
    if not isinstance(text, str):
        raise ConfigurationError(f"{where} is a str, not {type(text).__name__}")
    if any(c <= " " or c == "\x7f" for c in text):
        raise ConfigurationError(f"{where} holds a blank, a line break or a control character")
    if _has_half(text):
        raise ConfigurationError(f"{where} holds half a surrogate pair, which is no text")


def _parsed(where: str, text: str) -> URL:
    try:
        url = URL(text)
        _ = url.port  # read on demand
    except ValueError:
        raise ConfigurationError(f"{where} is no URL: its host or port cannot be read") from None
    return url
