import pytest

pytest.importorskip("langchain_core")

from langchain_core.messages import AIMessage

from rawllm import ConfigurationError, RateLimitError
from rawllm.integrations.langchain import RawLLMEmbeddings


def test_many_texts_go_out_in_requests_of_chunk_size_and_come_back_in_order(fake_server):
    texts = [f"text {n}" for n in range(7)]
    model = RawLLMEmbeddings(model="e", base_url=fake_server.url, chunk_size=3)
    vectors = model.embed_documents(texts)
    assert vectors == [model.embed_query(text) for text in texts]
    sizes = [len(request.json["input"]) for request in fake_server.requests[:3]]
    assert sorted(sizes) == [1, 3, 3]


async def test_the_arguments_on_the_wire(fake_server):
    model = RawLLMEmbeddings(
        model="e", base_url=fake_server.url, dimensions=4, model_kwargs={"truncate": True}
    )
    [vector] = await model.aembed_documents(["a text"])
    assert len(vector) == 4
    [request] = fake_server.requests
    assert request.json == {"model": "e", "input": ["a text"], "dimensions": 4, "truncate": True}


def test_the_text_of_a_message_can_be_embedded(fake_server):
    model = RawLLMEmbeddings(model="e", base_url=fake_server.url)
    assert model.embed_query(AIMessage("a text").text) == model.embed_query("a text")


def test_no_texts_are_no_request(fake_server):
    assert RawLLMEmbeddings(base_url=fake_server.url).embed_documents([]) == []
    assert fake_server.requests == []


def test_a_failure_is_rawllms(fake_server):
    fake_server.fail(429)
    with pytest.raises(RateLimitError):
        RawLLMEmbeddings(model="e", base_url=fake_server.url, max_retries=0).embed_query("text")


def test_a_chunk_size_that_cannot_be_is_refused(fake_server):
    with pytest.raises(ConfigurationError, match="batch_size"):
        RawLLMEmbeddings(model="e", base_url=fake_server.url, chunk_size=0).embed_query("text")
