"""Errors: every status, what they carry, and bodies of every shape."""

import pickle

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]


async def failure(client, **arguments):
    try:
        await client.chat.completions.create(model="m", messages=HI, **arguments)
    except openai.APIError as error:
        return error
    raise AssertionError("nothing was raised")


async def error_of_every_status(server):
    for status in (400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 499):
        server.fail(status)
        async with AsyncOpenAI(max_retries=0) as client:
            error = await failure(client)
        print("client error:", status, type(error).__name__, error.status_code)
    for status in (500, 501, 502, 503, 504, 520, 529):
        server.fail(status)
        async with AsyncOpenAI(max_retries=0) as client:
            error = await failure(client)
        print("server error:", status, type(error).__name__, error.status_code)
        print("kind:", isinstance(error, openai.APIStatusError), error.response.status_code)


async def right_after_a_429(server):
    """The next call of the same client, at once."""
    server.fail(429, headers={"Retry-After": "30"})
    async with AsyncOpenAI(max_retries=0) as client:
        await failure(client)
        try:
            answer = await client.chat.completions.create(model="m", messages=HI)
            print("next:", answer.choices[0].message.content)
        except openai.RateLimitError as error:
            print("next:", type(error).__name__, error.response.headers["retry-after"])
    print("requests:", server.attempts)
    server.requests.clear()


async def what_an_error_carries(server):
    body = {
        "error": {
            "message": "You are too fast.",
            "type": "requests",
            "param": "model",
            "code": "rate_limit_exceeded",
        }
    }
    server.fail(429, body=body, headers={"x-request-id": "req_7", "X-RateLimit-Limit": "3"})
    async with AsyncOpenAI(max_retries=0) as client:
        error = await failure(client)
    print("message:", error.message)
    print("same:", error.message == str(error) == error.args[0])
    print("said:", "You are too fast." in str(error), "429" in str(error))
    print("fields:", error.code, error.type, error.param)
    print("body:", error.body)
    print("request id:", error.request_id)
    print("headers:", error.response.headers["x-ratelimit-limit"])
    print("any case:", error.response.headers.get("X-RateLimit-Limit"))
    print("status:", error.status_code, error.response.status_code)


async def body_of_the_response(server):
    server.fail(400, body={"error": {"message": "No."}})
    async with AsyncOpenAI() as client:
        error = await failure(client)
    print("json:", error.response.json())
    print("text:", error.response.text)


async def request_of_an_error(server):
    server.fail(400)
    async with AsyncOpenAI() as client:
        error = await failure(client)
    request = getattr(error, "request", None)
    print("request:", request and f"{request.method} {request.url}")


async def error_bodies(server):
    async with AsyncOpenAI(max_retries=0) as client:
        for body in (
            {"error": {"message": "Nested.", "code": 7}},
            {"error": "Flat."},
            {"message": "Plain.", "code": "x"},
            {"detail": "FastAPI's."},
            {"object": "error", "message": "vLLM's of old.", "type": "T", "code": 400},
            ["a list"],
            {},
            "plain text",
            "<html>sorry</html>",
            "",
        ):
            server.fail(400, body=body if isinstance(body, (dict, str)) else repr(body))
            error = await failure(client)
            print("body:", repr(error.body))
            print("fields:", error.code, error.type, error.param)
            print("status:", error.status_code, type(error).__name__)


async def the_tree_of_errors(server):
    for name in (
        "OpenAIError",
        "APIError",
        "APIStatusError",
        "APIConnectionError",
        "APITimeoutError",
        "APIResponseValidationError",
        "BadRequestError",
        "AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        "ConflictError",
        "UnprocessableEntityError",
        "RateLimitError",
        "InternalServerError",
        "LengthFinishReasonError",
        "ContentFilterFinishReasonError",
    ):
        error = getattr(openai, name)
        known = [
            base.__name__
            for base in error.__mro__
            if base.__name__ not in ("OpenAIError", "RawLLMError", "object")
        ]
        print("class:", " < ".join(known), issubclass(error, openai.OpenAIError))
    print("status:", openai.NotFoundError.__name__)


async def connection_refused(server):
    server.refuse()
    async with AsyncOpenAI(max_retries=0) as client:
        error = await failure(client)
    print("class:", type(error).__name__, isinstance(error, openai.APITimeoutError))
    print("status:", isinstance(error, openai.APIStatusError))
    print("body:", error.body, error.code)
    print("cause:", error.__cause__ is not None)
    print("message:", error.message)


async def connection_lost(server):
    server.raw(b"", end="close")
    async with AsyncOpenAI(max_retries=0) as client:
        error = await failure(client)
    print("class:", type(error).__name__)


async def garbage_for_an_answer(server):
    for body in ("<html>log in</html>", "", '{"id": "1", "choi'):
        server.reply(body=body)
        async with AsyncOpenAI(max_retries=0) as client:
            try:
                answer = await client.chat.completions.create(model="m", messages=HI)
                print("answer:", type(answer).__name__)
            except openai.APIError as error:
                print("raised:", type(error).__name__)
            except Exception as error:
                print("raised:", f"{type(error).__module__}.{type(error).__name__}")


async def error_with_status_200(server):
    server.reply(body={"error": {"message": "boom", "code": 500}})
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            answer = await client.chat.completions.create(model="m", messages=HI)
            print("choices:", answer.choices)
        except openai.APIError as error:
            print("raised:", type(error).__name__, error.message)


async def error_pickled(server):
    server.fail(404)
    async with AsyncOpenAI() as client:
        error = await failure(client)
    try:
        again = pickle.loads(pickle.dumps(error))
        print("again:", type(again).__name__, again.status_code)
    except Exception as failed:
        print("again:", type(failed).__name__)


async def wrong_key(server):
    server.api_key = "sk-right"
    async with AsyncOpenAI(api_key="sk-wrong") as client:
        error = await failure(client)
        print("class:", type(error).__name__)
        print("key in it:", "sk-wrong" in f"{error} {error!r} {error.body}")
        right = client.with_options(api_key="sk-right")
        answer = await right.chat.completions.create(model="m", messages=HI)
        print("then:", answer.choices[0].message.content)


async def caught_as_people_do(server):
    for status in (401, 404, 429, 500):
        server.fail(status)
        try:
            async with AsyncOpenAI(max_retries=0) as client:
                await client.chat.completions.create(model="m", messages=HI)
        except openai.RateLimitError as error:
            print("429:", error.response.headers.get("retry-after"))
        except openai.AuthenticationError:
            print("401:", "wrong key")
        except openai.APIConnectionError as error:
            print("connection:", error.__cause__)
        except openai.APIStatusError as error:
            print("status:", error.status_code, error.type)


async def error_made_by_hand(server):
    """As tests do that make a fake client fail."""
    error = openai.OpenAIError("no")
    print("str:", error)
    try:
        raise openai.ContentFilterFinishReasonError()
    except openai.OpenAIError as raised:
        print("raised:", type(raised).__name__)
