"""The same call and the same stream, written for each client as its own documentation has it.

Imports a library only where its client is made: each runs in an environment of its own. Defaults
are kept (pool sizes, retries), because they are what users get; only limits that a user must set to
have so many calls at once are set.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

__all__ = ["CLIENTS", "MESSAGES", "Client"]

PROMPT = "hello there, why is the sky blue? " * 6
MESSAGES = [{"role": "user", "content": PROMPT}]
KEY = "key"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


class Client:
    """One client at one URL. url: str with its /v1. concurrency: int, calls at once at most."""

    #: Whether it has an interface for streams.
    streams = True

    def __init__(self, url: str, concurrency: int) -> None:
        raise NotImplementedError

    async def call(self) -> int:
        """One call; the length of the text that it brought."""
        raise NotImplementedError

    async def stream(self) -> int:
        """One stream; how many pieces of text it brought."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def many(self, stream: bool, times: int, concurrency: int, wanted: int) -> int:
        """`times` calls one after the other in each of `concurrency` tasks. How many brought what
        is wanted."""
        one = self.stream if stream else self.call

        async def work() -> int:
            right = 0
            for _ in range(times):
                right += await one() == wanted
            return right

        return sum(await asyncio.gather(*(work() for _ in range(concurrency))))


class Aiohttp(Client):
    """The reference: what one writes by hand."""

    def __init__(self, url: str, concurrency: int) -> None:
        import aiohttp

        self._url = url + "/chat/completions"
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=HEADERS)

    async def call(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES}).encode()
        async with self._session.post(self._url, data=body) as response:
            answer = json.loads(await response.read())
        return len(answer["choices"][0]["message"]["content"])

    async def stream(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
        found = 0
        async with self._session.post(self._url, data=body) as response:
            rest = b""
            async for piece in response.content.iter_any():
                rest += piece
                *events, rest = rest.split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        continue
                    chunk = json.loads(event[6:])
                    if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                        found += 1
        return found

    async def close(self) -> None:
        await self._session.close()


class Asyncio(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        from benchmarks.peers.raw import Raw

        self._raw = Raw(url + "/chat/completions")

    async def call(self) -> int:
        answer = await self._raw.call({"model": "m", "messages": MESSAGES})
        return len(answer["choices"][0]["message"]["content"])

    async def stream(self) -> int:
        return await self._raw.stream({"model": "m", "messages": MESSAGES, "stream": True})

    async def close(self) -> None:
        self._raw.close()


class _Openai(Client):
    """For whatever has `chat.completions.create`."""

    _client: Any

    async def call(self) -> int:
        answer = await self._client.chat.completions.create(model="m", messages=MESSAGES)
        return len(answer.choices[0].message.content)

    async def stream(self) -> int:
        found = 0
        async for chunk in await self._client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                found += 1
        return found

    async def close(self) -> None:
        await self._client.close()


class Rawllm(_Openai):
    """With both buckets in use and all clocks running, none of which ever makes it wait."""

    _hooks: tuple[Any, ...] = ()

    def __init__(self, url: str, concurrency: int) -> None:
        import rawllm

        limits = rawllm.Limits(
            concurrency=concurrency, requests_per_minute=1e9, tokens_per_minute=1e12
        )
        timeout = rawllm.Timeout(connect=60, first_token=600, idle=60, total=3600)
        self._client = rawllm.Client(
            url, api_key=KEY, timeout=timeout, limits=limits, hooks=self._hooks
        )


class RawllmHooks(Rawllm):
    """The same with a hook that counts events by kind."""

    def __init__(self, url: str, concurrency: int) -> None:
        counts: dict[type, int] = {}

        def count(event: object) -> None:
            counts[type(event)] = counts.get(type(event), 0) + 1

        self._hooks = (count,)
        super().__init__(url, concurrency)


class Openai(_Openai):
    def __init__(self, url: str, concurrency: int) -> None:
        import openai

        self._client = openai.AsyncOpenAI(base_url=url, api_key=KEY)


class OpenaiAiohttp(_Openai):
    def __init__(self, url: str, concurrency: int) -> None:
        import openai

        transport = openai.DefaultAioHttpClient()
        self._client = openai.AsyncOpenAI(base_url=url, api_key=KEY, http_client=transport)


def _texts(rest: bytes, piece: bytes) -> tuple[bytes, int]:
    """The plain loop's inside: what is left of the last event, and the texts found."""
    *events, rest = (rest + piece).split(b"\n\n")
    found = 0
    for event in events:
        if event != b"data: [DONE]":
            chunk = json.loads(event[6:])
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                found += 1
    return rest, found


class Httpx(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        import httpx

        self._url = url + "/chat/completions"
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=600)

    async def call(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES}).encode()
        response = await self._client.post(self._url, content=body)
        return len(response.json()["choices"][0]["message"]["content"])

    async def stream(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
        rest, found = b"", 0
        async with self._client.stream("POST", self._url, content=body) as response:
            async for piece in response.aiter_bytes():
                rest, more = _texts(rest, piece)
                found += more
        return found

    async def close(self) -> None:
        await self._client.aclose()


class Pyreqwest(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        from pyreqwest.client import ClientBuilder

        self._url = url + "/chat/completions"
        self._client = ClientBuilder().default_headers(HEADERS).build()

    async def call(self) -> int:
        body = {"model": "m", "messages": MESSAGES}
        response = await self._client.post(self._url).body_json(body).build().send()
        return len((await response.json())["choices"][0]["message"]["content"])

    async def stream(self) -> int:
        body = {"model": "m", "messages": MESSAGES, "stream": True}
        rest, found = b"", 0
        async with self._client.post(self._url).body_json(body).build_streamed() as response:
            while (piece := await response.body_reader.read_chunk()) is not None:
                rest, more = _texts(rest, bytes(piece))
                found += more
        return found

    async def close(self) -> None:
        await self._client.close()


class Ry(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        import ry

        self._url = url + "/chat/completions"
        self._client = ry.Client(headers=HEADERS)

    async def call(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES}).encode()
        response = await self._client.post(self._url, body=body)
        return len((await response.json())["choices"][0]["message"]["content"])

    async def stream(self) -> int:
        body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
        response = await self._client.post(self._url, body=body)
        rest, found = b"", 0
        async for piece in response.bytes_stream():
            rest, more = _texts(rest, bytes(piece))
            found += more
        return found

    async def close(self) -> None:
        pass


class LmDeluge(Client):
    """Takes a list of prompts and gives back a list of answers; its stream prints what arrives."""

    streams = False

    def __init__(self, url: str, concurrency: int) -> None:
        import os

        from lm_deluge import LLMClient
        from lm_deluge.models import register_model

        os.environ["BENCHMARKS_KEY"] = KEY
        register_model(
            id="m",
            name="m",
            api_base=url,
            api_key_env_var="BENCHMARKS_KEY",
            supports_json=True,
            regions=[],
        )
        self._client = LLMClient(
            "m",
            max_requests_per_minute=10**9,
            max_tokens_per_minute=10**12,
            max_concurrent_requests=concurrency,
        )

    async def many(self, stream: bool, times: int, concurrency: int, wanted: int) -> int:
        answers = await self._client.process_prompts_async(
            [PROMPT] * (times * concurrency), show_progress=False
        )
        return sum(len(answer.completion or "") == wanted for answer in answers)

    async def close(self) -> None:
        pass


class Litellm(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        import os

        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or the import fetches it
        import litellm

        self._ask = litellm.acompletion
        self._to = {"model": "openai/m", "api_base": url, "api_key": KEY, "messages": MESSAGES}

    async def call(self) -> int:
        answer = await self._ask(**self._to)
        return len(answer.choices[0].message.content)

    async def stream(self) -> int:
        found = 0
        async for chunk in await self._ask(**self._to, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                found += 1
        return found

    async def close(self) -> None:
        pass


class Langchain(Client):
    def __init__(self, url: str, concurrency: int) -> None:
        from langchain_openai import ChatOpenAI

        self._client = ChatOpenAI(model="m", base_url=url, api_key=KEY)

    async def call(self) -> int:
        return len((await self._client.ainvoke(PROMPT)).content)

    async def stream(self) -> int:
        found = 0
        async for chunk in self._client.astream(PROMPT):
            if chunk.content:
                found += 1
        return found

    async def close(self) -> None:
        pass


CLIENTS: dict[str, type[Client]] = {
    "rawllm": Rawllm,
    "rawllm+hooks": RawllmHooks,
    "aiohttp": Aiohttp,
    "asyncio": Asyncio,
    "httpx": Httpx,
    "openai": Openai,
    "openai[aiohttp]": OpenaiAiohttp,
    "litellm": Litellm,
    "langchain-openai": Langchain,
    "lm-deluge": LmDeluge,
    "pyreqwest": Pyreqwest,
    "ry": Ry,
}
