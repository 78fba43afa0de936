"""Where rawllm differs from openai on purpose, and why. One row a difference.

A row allows nothing else: what a snippet prints under another name must be the same, and a row
that nothing differs by any more is an error.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CHOSEN", "Chosen"]


class Chosen(NamedTuple):
    """snippet: whose lines may differ. lines: by which names; the first is what the page shows, the
    others differ because of it. reason: why, for the page."""

    snippet: str
    lines: tuple[str, ...]
    reason: str


#: Every answer is complete and checked, or an error.
_COMPLETE = "what is no whole answer is never handed over as one"
_DECLARED = "only what some server sends is declared; what a server sends is there in any case"

CHOSEN = (
    # What is asked for
    Chosen("model_missing", ("model", "sent"), "a server that has one model need not be told"),
    Chosen("unknown_argument", ("top_k", "sent"), "local servers take more than openai knows of"),
    Chosen("no_key_needed", ("content", "sent"), "only api.openai.com needs a key"),
    Chosen(
        "embeddings_by_default",
        ("sent",),
        "asked for nothing, it asks for nothing: many servers refuse base64",
    ),
    Chosen(
        "queries_of_lists_and_dicts",
        ("query",),
        "a list is sent as most servers read it; a dict has no such form",
    ),
    Chosen("model_of_an_organization", ("sent",), "such ids are paths to servers"),
    Chosen(
        "tools_that_cannot_be_parsed", ("lax tool", "sent"), "arguments of other tools stay text"
    ),
    Chosen("parse_a_dataclass", ("parsed", "sent"), "any type that JSON can be read as will do"),
    Chosen(
        "parse_what_does_not_fit",
        ("raised", "cause", "sent"),
        "one error for all types, with what the model wrote; and before it another try, since "
        "there are servers that ignore a schema",
    ),
    # What is answered
    Chosen("dumped", ("names",), _DECLARED),
    Chosen("chunks_dumped", ("choice",), _DECLARED),
    Chosen("embeddings", ("dump",), "one class for the usage of all calls"),
    Chosen("shown", ("repr", "str", "message"), "shorter, without what is None"),
    Chosen(
        "parsed_dumped",
        ("dump", "back"),
        "`parsed` is no part of the message: sent back, servers refuse it",
    ),
    Chosen("key_and_address", ("base url",), "a str as it was given, not an httpx.URL"),
    Chosen("plain_options", ("url",), "a str as it was given, not an httpx.URL"),
    Chosen("read_and_then_parsed", ("parsed",), "a streaming response is read once, in one way"),
    # Errors
    Chosen("stream_cut_off", ("end",), _COMPLETE),
    Chosen("garbage_for_an_answer", ("raised",), _COMPLETE),
    Chosen("error_with_status_200", ("choices", "raised"), _COMPLETE),
    Chosen("no_embeddings", ("vectors",), _COMPLETE),
    Chosen("response_that_failed", ("status",), _COMPLETE),
    Chosen("response_stream_error", ("event", "raised"), _COMPLETE),
    Chosen("what_an_error_carries", ("message",), "shorter; `message` and `str()` are one"),
    Chosen("error_in_a_stream", ("message", "str"), "says that it was the server who said so"),
    Chosen(
        "error_bodies", ("body",), "a text keeps the object that it came in; an empty body is None"
    ),
    Chosen(
        "connection_refused",
        ("message", "cause"),
        "says what happened, and where; the cause would hold the request, and so the key",
    ),
    Chosen("timeout_in_seconds", ("message",), "says which of the clocks it was"),
    Chosen("error_pickled", ("again",), "errors cross process boundaries"),
    Chosen("ended_by_with", ("after",), "one of the library's own errors"),
    # Time
    Chosen(
        "timeouts_retried",
        ("content", "sent"),
        "a number of seconds bounds the whole call, retries included",
    ),
    Chosen(
        "default_timeout", ("client",), "four clocks, none of which runs while a call is queued"
    ),
    Chosen(
        "right_after_a_429",
        ("next", "requests"),
        "a server that asks to be left alone for 30 s is left alone by all calls; with "
        "`max_retries=0` they say so at once",
    ),
    # What is not here
    Chosen(
        "client_of_ones_own",
        ("content", "sent"),
        "rawllm speaks aiohttp: `proxy=`, `ssl=`, `connector=`",
    ),
    Chosen("http_client_refused", ("raised",), "a ConfigurationError says what to pass instead"),
    Chosen("module_level", ("content", "sent"), "a client of everybody's is closed by nobody"),
    Chosen("requests_of_any_kind", ("post", "get", "sent"), "for other endpoints: aiohttp"),
    Chosen(
        "names_at_the_top",
        ("AsyncAzureOpenAI", "BaseModel"),
        "Azure's client is not here; answers are msgspec Structs",
    ),
)
