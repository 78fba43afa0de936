"""The process that holds the embedded model: llama.cpp's own server (xllamacpp), nothing else.

Imports nothing of rawllm, prints nothing, and never shuts the server down: it leaves.

`server.py` runs this file as a script and speaks with it over its standard streams: one line of
JSON in (what to run), one line of JSON out (where it listens, or what failed). The process ends
when its standard input does, so it cannot outlive its owner, however that one died.

Why a process: xllamacpp's server also runs inside the caller, but its destructor holds the GIL
while it waits for open requests. With a whole (not streamed) answer under way it never returns, and
neither does the interpreter (seen with 2026.10.11549). A process can always be killed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def start(asked: dict[str, Any]) -> Any:
    """Load the model and listen. Blocks until the server answers."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked["model"]
    params.model_alias = {asked["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = asked["port"]
    params.api_keys = [asked["api_key"]]
    params.n_parallel = asked["slots"]
    params.n_ctx = asked["slots"] * asked["context"]  # llama.cpp divides it among the slots
    params.cpuparams.n_threads = asked["threads"]
    params.cpuparams_batch.n_threads = asked["threads"]
    params.embedding = True  # /v1/embeddings; chat costs the same beside it
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_ubatch = asked["context"]  # at the default, 512, longer texts to embed answer 500
    # What a request leaves out, as the model's card has it. Asked for the capital of France, 27 of
    # 30 answers then named Paris, and 15 of 30 with llama.cpp's own 0.8 and 0.95.
    params.sampling.temp = 0.2
    params.sampling.top_p = 0.9
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
    params.ui = False
    params.verbosity = 0
    return xllamacpp.Server(params)


def main() -> None:
    # The reply gets a descriptor of its own: native code that prints must not garble it.
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = None
    try:
        server = start(json.loads(sys.stdin.buffer.readline()))
        answer = {"url": server.listening_address}
    except ImportError as exc:
        answer = {"error": "import", "detail": str(exc)}
    except Exception as exc:
        answer = {"error": "start", "detail": str(exc)}
    reply.write(json.dumps(answer) + "\n")
    reply.flush()
    if server is not None:
        sys.stdin.buffer.read()
    # Not a return: that would run the destructor named above.
    os._exit(0)


if __name__ == "__main__":
    main()
