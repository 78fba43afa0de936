import asyncio
import pickle

import pytest

pytest.importorskip("langchain_core")

from langchain_core import exceptions

import rawllm
from rawllm import errors
from rawllm.integrations.langchain import ChatRawLLM, RawLLMEmbeddings
from rawllm.integrations.langchain.errors import in_langchains_words
from rawllm.testing import Reply, Stream

#: Ours → theirs. Whatever has no word of its own is a ModelError, and no more than that.
WORDS = {
    errors.APIConnectionError: "ModelConnectionError",
    errors.APIError: "ModelError",
    errors.APIResponseValidationError: "ModelError",
    errors.APIStatusError: "ModelError",
    errors.APITimeoutError: "ModelTimeoutError",
    errors.AuthenticationError: "ModelAuthenticationError",
    errors.BadRequestError: "ModelInvalidRequestError",
    errors.ConflictError: "ModelError",
    errors.ConnectTimeout: "ModelTimeoutError",
    errors.ContextLengthExceeded: "ContextOverflowError",
    errors.FirstTokenTimeout: "ModelTimeoutError",
    errors.IdleTimeout: "ModelTimeoutError",
    errors.IncompleteStreamError: "ModelConnectionError",
    errors.InternalServerError: "ModelAPIError",
    errors.LimitExceeded: "ModelError",
    errors.NotFoundError: "ModelNotFoundError",
    errors.PermissionDeniedError: "ModelPermissionDeniedError",
    errors.RateLimitError: "ModelRateLimitError",
    errors.RedirectRefused: "ModelError",
    errors.TotalTimeout: "ModelTimeoutError",
    errors.UnprocessableEntityError: "ModelInvalidRequestError",
}


def reworded(error):
    with pytest.raises(type(error)) as caught, in_langchains_words():
        raise error
    return caught.value


def test_the_table_has_all_errors_of_a_call():
    every = {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.APIError)
    }
    assert set(WORDS) == every


@pytest.mark.parametrize("ours", WORDS, ids=lambda ours: ours.__name__)
def test_an_error_is_langchains_too_and_stays_itself(ours):
    theirs = getattr(exceptions, WORDS[ours], None)
    if theirs is None:
        pytest.skip("this langchain-core has no such error")
    error = ours("no", status_code=418, retry_after=7.0)
    found = reworded(error)
    assert found is error
    assert isinstance(found, theirs)
    assert [base for base in type(found).__bases__ if base is not ours] == [theirs]
    assert (type(found).__name__, type(found).__module__) == (ours.__name__, "rawllm.errors")
    assert (str(found), found.status_code, found.retry_after) == ("no", 418, 7.0)
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is type(found) is type(reworded(found)) is type(found.copy())
    assert (str(again), again.retry_after) == ("no", 7.0)


def test_what_a_call_did_not_raise_stays_as_it_is():
    assert type(reworded(rawllm.ConfigurationError("no"))) is rawllm.ConfigurationError
    assert type(reworded(KeyError("no"))) is KeyError


def test_a_langchain_core_without_the_word_leaves_the_error_alone(monkeypatch):
    class Unheard(errors.ConflictError):
        """So that nobody has asked for it yet."""

    monkeypatch.delattr(exceptions, "ModelError", raising=False)
    assert type(reworded(Unheard("no"))) is Unheard


async def drained(chunks):
    async for _ in chunks:
        pass


#: Each way to an answer, from the address of a server.
WAYS = {
    "invoke": lambda model, _: model.invoke("x"),
    "ainvoke": lambda model, _: asyncio.run(model.ainvoke("x")),
    "stream": lambda model, _: list(model.stream("x")),
    "astream": lambda model, _: asyncio.run(drained(model.astream("x"))),
    "embed_query": lambda _, embeddings: embeddings.embed_query("x"),
    "aembed_query": lambda _, embeddings: asyncio.run(embeddings.aembed_query("x")),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_an_answer_raises_it(way, fake_server):
    body = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    fake_server.default = Reply(status=400, body=body)
    given = {"model": "m", "base_url": fake_server.url, "max_retries": 0}
    with pytest.raises(exceptions.ContextOverflowError) as caught:
        WAYS[way](ChatRawLLM(**given), RawLLMEmbeddings(**given))
    assert isinstance(caught.value, rawllm.ContextLengthExceeded)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_breaks_in_its_midst_raises_it(way, fake_server):
    theirs = getattr(exceptions, "ModelConnectionError", None)
    if theirs is None:
        pytest.skip("this langchain-core has no such error")
    fake_server.default = Stream(["a", "b"], end="eof")
    model = ChatRawLLM(model="m", base_url=fake_server.url, max_retries=0)
    with pytest.raises(theirs) as caught:
        WAYS[way](model, None)
    assert caught.value.partial.text == "ab"
