"""The recorded answers of real servers, for any test: `cases()`.

Starts no server and parses no JSON of an answer; what the files are stands in samples/README.md.
"""

from __future__ import annotations

import functools
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent / "samples" / "captures"


@dataclass(frozen=True)
class Capture:
    """One recorded exchange.

    server, case: the folder's and the file's name.
    status: int of the status line.
    headers: dict of the response's headers, names in lower case.
    body: bytes as a client's application sees them: no chunk framing, decompressed. A recording
        that was cut has the part that came.
    request: the JSON sent, or None where none was (or none was kept, or it is broken on purpose).
    """

    server: str
    case: str
    status: int
    headers: dict[str, str]
    body: bytes
    request: dict[str, Any] | None

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def __str__(self) -> str:
        return f"{self.server}/{self.case}"


def cases(stream: bool | None = None) -> list[Capture]:
    """All captures, or only the event streams (True), or only the whole answers (False).

    `keepalive` is left out: it holds several answers of one connection.
    """
    return [c for c in _all() if stream is None or c.is_stream == stream]


@functools.cache
def _all() -> list[Capture]:
    return [
        _read(path)
        for path in sorted(ROOT.glob("*/*.txt"))
        if not path.name.endswith(".req.txt") and path.stem != "keepalive"
    ]


def _read(path: Path) -> Capture:
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunk(body)
    if headers.get("content-encoding", "").lower() == "gzip":
        body = zlib.decompressobj(wbits=31).decompress(body)
    return Capture(
        server=path.parent.name,
        case=path.stem,
        status=int(status_line.split(" ")[1]),
        headers=headers,
        body=body,
        request=_request(path.with_suffix(".req.txt")),
    )


def _unchunk(framed: bytes) -> bytes:
    body = b""
    while True:
        size, _, framed = framed.partition(b"\r\n")
        # Nothing after the last whole chunk: the recording was cut there.
        if not size or not (length := int(size, 16)):
            return body
        body += framed[:length]
        framed = framed[length + 2 :]


def _request(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    _, _, body = path.read_bytes().partition(b"\r\n\r\n")
    try:
        request = json.loads(body)
    except ValueError:
        return None
    return request if isinstance(request, dict) else None
