"""Images, audio and files → the parts of a message's `content`: from a path, from bytes or, for
images, by URL.

Fetches nothing and converts nothing: what the bytes are is read off their beginning, and what no
server takes is refused here and not after the upload.
"""

from __future__ import annotations

import base64
import mimetypes
import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .errors import ConfigurationError

__all__ = ["audio", "file", "image"]

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview

#: Bytes. api.openai.com takes 50 MB a request, vLLM 64 MiB of JSON, and base64 adds a third.
MAX_BYTES = 20 * 1024 * 1024

#: (offset, magic bytes, offset, more of them, type).
_MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", 0, b"", "image/png"),
    (0, b"\xff\xd8\xff", 0, b"", "image/jpeg"),
    (0, b"GIF8", 0, b"", "image/gif"),
    (0, b"RIFF", 8, b"WEBP", "image/webp"),
    (0, b"BM", 6, b"\0\0\0\0", "image/bmp"),
    (0, b"RIFF", 8, b"WAVE", "audio/wav"),
    (0, b"ID3", 0, b"", "audio/mp3"),
    (0, b"\xff\xfb", 0, b"", "audio/mp3"),
    (0, b"\xff\xf3", 0, b"", "audio/mp3"),
    (0, b"\xff\xf2", 0, b"", "audio/mp3"),
    (0, b"fLaC", 0, b"", "audio/flac"),
    (0, b"OggS", 0, b"", "audio/ogg"),
    (4, b"ftypM4A", 0, b"", "audio/m4a"),
    (0, b"%PDF-", 0, b"", "application/pdf"),
)


def image(
    source: Source,
    *,
    detail: Literal["low", "high", "auto"] | None = None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """A part with an image: PNG, JPEG, GIF, WebP or BMP, sent as a data URL.

    source: a path (str or Path), the bytes, or a URL ("https://…", "data:…"), which is passed on
        as it is: the server fetches it. A path is read here and now.
    detail: how closely OpenAI's models look.
    max_bytes: int, what a file or bytes may have.

    Raises ConfigurationError for what is no image, too large, empty or not there.
    """
    if isinstance(source, str) and source.startswith(("http://", "https://", "data:")):
        url = source
    else:
        data, name = _read("image", source, max_bytes)
        kind = _kind(data)
        if kind is None or not kind.startswith("image/"):
            raise ConfigurationError(
                f"{name} is no image: it does not begin as PNG, JPEG, GIF, WebP or BMP do"
            )
        url = _data_url(kind, data)
    if detail not in (None, "low", "high", "auto"):
        raise ConfigurationError("image(detail=…) takes 'low', 'high' or 'auto'")
    found = {"url": url}
    if detail is not None:
        found["detail"] = detail
    return {"type": "image_url", "image_url": found}


def audio(source: Source, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """A part with sound: WAV, MP3, FLAC, Ogg or M4A. OpenAI's models take the first two.

    source: a path (str or Path) or the bytes; the API takes no URL. Otherwise as `image`.
    """
    _refuse_url("audio", source)
    data, name = _read("audio", source, max_bytes)
    kind = _kind(data)
    if kind is None or not kind.startswith("audio/"):
        raise ConfigurationError(
            f"{name} is no audio: it does not begin as WAV, MP3, FLAC, Ogg or M4A do"
        )
    return {
        "type": "input_audio",
        "input_audio": {"data": _base64(data), "format": kind.removeprefix("audio/")},
    }


def file(
    source: Source, *, filename: str | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """A part with a file, as a rule a PDF.

    source: a path (str or Path) or the bytes; the API takes no URL.
    filename: str, what the model is told; None: the path's last part. Bytes need one.

    Its type is read off its name, else off its beginning. Raises ConfigurationError as `image`.
    """
    _refuse_url("file", source)
    data, _ = _read("file", source, max_bytes)
    if filename is None:
        if isinstance(source, (bytes, bytearray, memoryview)):
            raise ConfigurationError("file(…) of bytes needs a name: filename='report.pdf'")
        filename = Path(source).name
    # The name first: a text may well begin with "ID3".
    kind = mimetypes.guess_type(filename)[0] or _kind(data) or "application/octet-stream"
    return {"type": "file", "file": {"filename": filename, "file_data": _data_url(kind, data)}}


def _refuse_url(what: str, source: Any) -> None:
    if isinstance(source, str) and source.startswith(("http://", "https://", "data:")):
        raise ConfigurationError(f"{what}(…) takes a path or bytes: the API takes no URL here")


def _read(what: str, source: Any, max_bytes: int) -> tuple[bytes, str]:
    """(the bytes, what they are called in an error). Never more than `max_bytes` in memory."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), f"what {what}(…) was given"
    elif isinstance(source, (str, os.PathLike)):
        name = repr(os.fspath(source))
        try:
            with open(source, "rb") as opened:
                data = opened.read(max_bytes + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"{what}({name}) cannot be read: {why}") from None
    else:
        raise ConfigurationError(
            f"{what}(…) takes a path, bytes or a URL, not {type(source).__name__}"
        )
    if not data:
        raise ConfigurationError(f"{name} is empty")
    if len(data) > max_bytes:
        raise ConfigurationError(
            f"{name} has more than {max_bytes} bytes; if the server takes that, pass max_bytes="
        )
    return data, name


def _kind(data: bytes) -> str | None:
    """The media type, by the magic bytes."""
    for start, magic, later, more, kind in _MAGIC:
        if data.startswith(magic, start) and data.startswith(more, later):
            return kind
    return None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{_base64(data)}"
