"""CPU of a streamed token at the gateway, beside that of bytes copied from socket to socket.

    pip install -e '.[serve]' && python -m benchmarks.gateway

The gateway is `rawllm serve --upstream` in a process of its own, and so are its upstream and its
callers: what it alone takes is read from /proc. Needs Linux. Exit code 1 where a token takes more
than is promised, as fast as they come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers.environments import ROOT, child
from benchmarks.peers.processes import Server

__all__ = ["main"]

#: Microseconds.
ALLOWED = 15.0

#: What the upstream does, how many streams at once, tokens of each.
LOADS = {
    "as fast as they come, 6 streams": ("events=3000,write=1", 6, 3000),
    "one every 5 ms, 1 stream": ("events=600,write=1,pace=5", 1, 600),
    "one every 5 ms, 100 streams": ("events=300,write=1,pace=5", 100, 300),
}

BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
).encode()


async def streamed(address: str) -> int:
    """One stream, read to its end; how many tokens it brought."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (
        f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + BODY)
    body = b""
    while b"data: [DONE]" not in body[-50:]:
        if not (piece := await reader.read(1 << 16)):
            raise SystemExit(f"a stream broke off: {body[-200:]!r}")
        body += piece
    writer.close()
    return body.count(b'"content":')


async def together(address: str, streams: int) -> int:
    return sum(await asyncio.gather(*(streamed(address) for _ in range(streams))))


async def copying(upstream: str) -> None:
    """The least that anything in between must do: bytes from socket to socket."""
    url = urlsplit(upstream)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
        head = head.replace(b"POST /v1", f"POST {url.path}".encode())
        above, below = await asyncio.open_connection(url.hostname, url.port)
        below.write(head + await reader.readexactly(length))
        while piece := await above.read(1 << 16):
            writer.write(piece)
            await writer.drain()
            if b"data: [DONE]" in piece:
                break
        below.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"OPENAI_BASE_URL=http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def cost(command: list[str], streams: int, tokens: int, rounds: int) -> float:
    """Microseconds of CPU a token, of the process that the command starts."""
    environment = {**child(), "OPENAI_API_KEY": ""}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().partition("=")[2]
            clock = Path(f"/proc/{process.pid}/schedstat")
            taken = []
            for _ in range(rounds + 1):
                before = int(clock.read_text().split()[0])
                found = asyncio.run(together(address, streams))
                if found < streams * tokens:
                    raise SystemExit(f"{found} of {streams * tokens} tokens came")
                taken.append((int(clock.read_text().split()[0]) - before) / 1e3 / found)
            return statistics.median(taken[1:])  # the first loads what the rest need not
        finally:
            process.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copy", metavar="URL", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.copy:
        asyncio.run(copying(asked.copy))
    good = True
    print(f"{'tokens':34}{'gateway':>10}{'copying':>10}")
    for name, (behaviour, streams, tokens) in LOADS.items():
        with Server() as server:
            upstream = server.url(behaviour)
            ours = [sys.executable, "-m", "rawllm", "serve", "--port", "0", "--upstream", upstream]
            copy = [sys.executable, "-m", "benchmarks.gateway", "--copy", upstream]
            found, least = (cost(each, streams, tokens, asked.rounds) for each in (ours, copy))
        good &= found <= ALLOWED or "fast" not in name
        print(f"{name:34}{found:7.1f} µs{least:7.1f} µs")
    print("good" if good else f"bad: more than {ALLOWED:g} µs")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
