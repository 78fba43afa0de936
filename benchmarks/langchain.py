"""CPU of a LangChain chain over rawllm and over langchain-openai, in one process and one run.

    pip install langchain-openai && python -m benchmarks.langchain

The chain is prompt template → model → parser. A call is one of a batch, 32 at once; a token is one
of a stream of 1,000 with an asynchronous callback. The two take turns, so that what else the
machine does meets both; the middle of the rounds' ratios is judged. The server is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import rawllm

TOKENS = 1000
CALLS = 200

#: At most this part of what langchain-openai takes.
ALLOWED = {"call": 1 / 3, "token": 1 / 2}


def models(url: str) -> dict[str, Callable[[str], Any]]:
    """Name → the model for a path of the server's. Clients are made once, as programs do."""
    from langchain_openai import ChatOpenAI

    from rawllm.integrations.langchain import ChatRawLLM

    options: dict[str, Any] = {"model": "m", "api_key": "key"}
    return {
        "ChatRawLLM": lambda path: ChatRawLLM(base_url=url + path, **options),
        "ChatOpenAI": lambda path: ChatOpenAI(base_url=url + path, stream_usage=True, **options),
    }


def chain(model: Any) -> Any:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer in a few sentences."), ("human", "Tell me about {topic}.")]
    )
    return prompt | model | StrOutputParser()


async def called(chain: Any) -> int:
    """CALLS calls; how many brought an answer."""
    topics = [{"topic": f"number {n}"} for n in range(CALLS)]
    answers = await chain.abatch(topics, {"max_concurrency": 32})
    return sum(len(answer) == 600 for answer in answers)


async def streamed(chain: Any) -> int:
    """One stream; how many tokens the callback saw."""
    from langchain_core.callbacks import AsyncCallbackHandler

    class Count(AsyncCallbackHandler):
        seen = 0

        async def on_llm_new_token(self, token: Any, **_: Any) -> None:
            self.seen += bool(token)

    count = Count()
    async for _ in chain.astream({"topic": "the sky"}, {"callbacks": [count]}):
        pass
    return count.seen


async def native(client: rawllm.Client, kind: str) -> int:
    """The same without LangChain."""
    if kind == "call":
        slots = asyncio.Semaphore(32)

        async def one() -> int:
            async with slots:
                return len((await client.complete("Tell me about a number.")).text) == 600

        return sum(await asyncio.gather(*(one() for _ in range(CALLS))))
    seen = 0
    async with client.stream("Tell me about the sky.") as stream:
        async for chunk in stream:
            seen += bool(chunk.text)
    return seen


KINDS = {
    "call": ("/text=600/v1", called, CALLS),
    "token": (f"/events={TOKENS},write=1/v1", streamed, TOKENS),
}


async def cpu(wanted: int, work: Callable[..., Awaitable[int]], *given: Any) -> float:
    """Microseconds of CPU for each of the `wanted`."""
    gc.collect()
    began = time.process_time()
    found = await work(*given)
    took = time.process_time() - began
    if found != wanted:
        raise SystemExit(f"{found} of {wanted} came back")
    return took / wanted * 1e6


async def measure(url: str, rounds: int) -> bool:
    """The table; whether both ratios are as low as promised."""
    good = True
    made = models(url)
    print(f"{'':8}{'ChatRawLLM':>12}{'ChatOpenAI':>12}{'ratio':>8}{'allowed':>9}{'native':>9}")
    for kind, (path, work, wanted) in KINDS.items():
        chains = {name: chain(make(path)) for name, make in made.items()}
        took: dict[str, list[float]] = {name: [] for name in (*chains, "native")}
        async with rawllm.Client(url + path, api_key="key", model="m") as client:
            for number in range(rounds + 1):
                for name, chained in chains.items():
                    took[name].append(await cpu(wanted, work, chained))
                took["native"].append(await cpu(wanted, native, client, kind))
                if not number:  # what is loaded at first use says nothing of the rest
                    for times in took.values():
                        times.clear()
        ours, theirs, bare = (statistics.median(times) for times in took.values())
        ratio = statistics.median(
            a / b for a, b in zip(took["ChatRawLLM"], took["ChatOpenAI"], strict=True)
        )
        good &= ratio <= ALLOWED[kind]
        print(
            f"{kind:8}{ours:9.0f} µs{theirs:9.0f} µs{ratio:8.2f}{ALLOWED[kind]:9.2f}{bare:6.0f} µs"
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    command = [sys.executable, "-m", "benchmarks.peers.server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            good = asyncio.run(measure(server.stdout.readline().strip(), rounds))
        finally:
            server.stdin.close()
    print("good" if good else "bad: more than allowed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
