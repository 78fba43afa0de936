"""What rawllm does otherwise than openai-python, and what it leaves out, with the reasons.

Data: differences.py says of every name which it is, and stops where a name that is not here has no
reason.
"""

from __future__ import annotations

__all__ = ["DIFFERS", "NOT_HERE", "reason_of"]

_RESPONSE = (
    "`parse()` takes no `to=`; the body is read once; no `elapsed`, `http_version`, `http_request`"
)

#: Name → how it differs. All other names that both have are the same.
DIFFERS = {
    "AsyncOpenAI(api_key=)": "needed for api.openai.com only",
    "AsyncOpenAI(http_client=)": "an error that says what to use: `proxy=`, `ssl=`, `connector=`, "
    "`limits=`",
    "AsyncOpenAI(timeout=)": "also a `Timeout` of [four clocks](timeouts.md); a number bounds a "
    "whole answer, and a stream's opening and each wait for data",
    "client.api_key": "read-only: `with_options(api_key=…)`; its repr is masked",
    "client.base_url": "a read-only str: `with_options(base_url=…)`",
    "client.default_headers": "those that were given, read-only; neither the key nor headers of an "
    "SDK",
    "client.default_query": "read-only: `with_options(default_query=…)`",
    "client.max_retries": "read-only: `with_options(max_retries=…)`",
    "client.organization": "read-only: `with_options(organization=…)`",
    "client.project": "read-only: `with_options(project=…)`",
    "client.timeout": "read-only: `with_options(timeout=…)`",
    "client.embeddings.create": "asks for base64 only where you do: many servers refuse it",
    "client.models.list": "one page: `has_next_page()` is False",
    "openai.ChatCompletion": "the answer's class; there a name of before 1.0, which raises",
    "openai.Completion": "the answer's class; there a name of before 1.0, which raises",
    "openai.audio": "a function that makes a part of a message; there a resource of the module's",
    "openai.APIResponse": _RESPONSE,
    "openai.AsyncAPIResponse": _RESPONSE,
    "openai.Client": "the asynchronous client: `SyncClient` and `OpenAI` are the others",
    "openai.DEFAULT_TIMEOUT": "a `rawllm.Timeout`",
    "openai.Stream": "leaving a loop over it closes it; one that was cut raises "
    "`IncompleteStreamError`",
    "openai.AsyncStream": "leaving a loop over it closes it; one that was cut raises "
    "`IncompleteStreamError`",
    "openai.Timeout": "[four clocks](timeouts.md); takes httpx's arguments too",
    "openai.APIError": "`request` has `method` and `url`, `response` has `status_code`, `headers`, "
    "`text` and `json()`: plain data, without the key",
    "openai.pydantic_function_tool": "takes any type that `response_type=` takes",
}

_OPENAI = "an object or service that api.openai.com keeps, which other servers do not have"
_MEDIA = "media, and not a language model's answers"
_FILES = "files that api.openai.com keeps; `rawllm batch` runs a file of requests on any server"
_SOCKET = "a WebSocket and not a request"
_VENDOR = "signs requests in a vendor's own way; a `base_url=` and `default_headers=` reach its " \
    "OpenAI-compatible endpoint"  # fmt: skip
_HTTPX = "belongs to httpx, and rawllm speaks aiohttp: `connector=`, `proxy=`, `ssl=`, `limits=`"
_LOW = "the inside of that SDK; `extra_body=` adds any field to the requests that are here"
_MODULE = "use of the module as a client: make a `Client` or a `SyncClient`"
_OLD = "a name of before 1.0, which only raises there"
_KEYS = "for endpoints that are not here"
_PYDANTIC = "answers are msgspec Structs"

#: (reason, the names' beginnings): what begins with the one or is the other. The first that fits.
NOT_HERE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        _OPENAI,
        (
            *("client.admin.", "client.beta.", "client.containers", "client.content_provenance"),
            *("client.conversations", "client.decisions", "client.evals", "client.fine_tuning"),
            *("client.moderations", "client.safety", "client.skills", "client.vector_stores"),
            *("client.webhooks", "client.chat.completions.list", "client.models.delete"),
            *("client.chat.completions.retrieve", "client.chat.completions.update"),
            *("client.chat.completions.delete", "client.chat.completions.messages"),
            *("client.responses.compact", "client.responses.input_tokens"),
        ),
    ),
    (_MEDIA, ("client.audio", "client.images", "client.videos")),
    (_FILES, ("client.files", "client.batches", "client.uploads", "openai.file_from_path")),
    (_SOCKET, ("client.realtime", "client.live", "client.responses.connect", "openai.WebSocket")),
    (_SOCKET, ("openai.Reconnecting", "AsyncOpenAI(websocket", "client.websocket")),
    (
        _LOW,
        (
            *("client.get", "client.post", "client.put", "client.patch", "client.delete"),
            *("client.request", "client.qs", "client.platform_headers", "client.user_agent"),
            *("client.auth_headers", "client.custom_auth", "openai.RequestOptions"),
        ),
    ),
    (
        _KEYS,
        (
            *("client.admin_api_key", "client.webhook_secret", "client.workload_identity"),
            *("AsyncOpenAI(admin_api_key", "AsyncOpenAI(webhook_secret", "openai.OAuthError"),
            *("AsyncOpenAI(workload_identity", "AsyncOpenAI(provider", "AsyncOpenAI(data_res"),
            *("openai.DataResidency", "openai.InvalidWebhook", "client.provider"),
            *("client.data_residency",),
        ),
    ),
    (_VENDOR, ("openai.Azure", "openai.AsyncAzure", "openai.Bedrock", "openai.AsyncBedrock")),
    (
        _HTTPX,
        (
            *("openai.DefaultA", "openai.DefaultH", "openai.Transport", "openai.ProxiesTypes"),
            *("openai.DEFAULT_CONNECTION_LIMITS", "openai.HttpxBinary"),
        ),
    ),
    (
        _OPENAI,
        (
            *("openai.AssistantEvent", "openai.AsyncAssistantEvent", "openai.Computer"),
            *("openai.AsyncComputer", "openai.pydantic_responses_function_tool"),
        ),
    ),
    (_PYDANTIC, ("openai.BaseModel",)),
    ("the type of None; `rawllm.__version__`", ("openai.NoneType", "openai.VERSION")),
    (
        _OLD,
        tuple(
            f"openai.{name}"
            for name in (
                *("Audio", "ChatCompletion", "Completion", "Customer", "Deployment", "Edit"),
                *("Embedding", "Engine", "ErrorObject", "File", "FineTune", "FineTuningJob"),
                *("Image", "Model", "Moderation"),
            )
        ),
    ),
    (
        _MODULE,
        tuple(
            f"openai.{name}"
            for name in (
                *("admin", "api_", "audio", "azure", "base_url", "batches", "bedrock", "beta"),
                *("chat", "completions", "containers", "content", "conversations", "decisions"),
                *("default_", "embeddings", "evals", "files", "fine_tuning", "http_client"),
                *("images", "live", "max_retries", "models", "moderations", "organization"),
                *("project", "realtime", "responses", "safety", "skills", "timeout", "uploads"),
                *("vector_stores", "videos", "webhook"),
            )
        ),
    ),
)


def reason_of(name: str) -> str:
    """Raises KeyError where there is none: a new name wants a decision."""
    for reason, beginnings in NOT_HERE:
        if name.startswith(beginnings):
            return reason
    raise KeyError(f"{name} is not here, and reasons.py says not why")
