import asyncio
import gc
import warnings

import aiohttp
import pytest

pytest.importorskip("langchain_core")

from pydantic import ValidationError

from rawllm import APIConnectionError, Client, ConfigurationError, SyncClient
from rawllm.integrations.langchain import ChatRawLLM, RawLLMEmbeddings

SECRET = "sk-do-not-show"
SHOWN = "http://localhost:8000/v1"


def refused(**arguments):
    with pytest.raises(ValidationError) as caught:
        ChatRawLLM(**arguments)
    return str(caught.value)


def test_both_worlds_use_one_client_and_its_limits(fake_server):
    model = ChatRawLLM(model="m", base_url=fake_server.url)
    asyncio.run(model.ainvoke("hello"))
    model.invoke("hello")
    assert [request.json["model"] for request in fake_server.requests] == ["m", "m"]
    model.close()


@pytest.mark.parametrize("kind", [Client, SyncClient])
def test_a_client_that_is_given_is_used_and_stays_open(fake_server, kind):
    client = kind(fake_server.url, model="its-model", default_headers={"x-team": "red"})
    model = ChatRawLLM(client=client)

    async def main():
        await model.ainvoke("hello")
        await model.aclose()
        await model.ainvoke("hello")

    asyncio.run(main())
    model.invoke("hello")
    model.close()
    assert not client.is_closed()
    assert {request.headers["x-team"] for request in fake_server.requests} == {"red"}
    assert {request.json["model"] for request in fake_server.requests} == {"its-model"}
    closing = client.close()
    if kind is Client:
        asyncio.run(closing)


def test_without_a_model_the_servers_only_one_is_asked(fake_server):
    fake_server.models = ["the-only-one"]
    message = ChatRawLLM(base_url=fake_server.url).invoke("hello")
    assert message.response_metadata["model_name"] == "the-only-one"


def test_the_names_of_langchain_openai_work_too():
    model = ChatRawLLM(
        model_name="m",
        openai_api_base=SHOWN,
        openai_api_key=SECRET,
        openai_organization="o",
        request_timeout=7,
    )
    assert (model.model_name, model.base_url, model.organization) == ("m", SHOWN, "o")
    assert model.timeout == 7
    assert model.api_key.get_secret_value() == SECRET


def test_the_environments_key_is_used_without_the_newline_it_was_pasted_with(
    fake_server, monkeypatch
):
    fake_server.api_key = SECRET
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\n")
    assert ChatRawLLM(model="m", base_url=fake_server.url).invoke("hello").text == "echo: hello"


def test_the_connections_options_reach_the_server(fake_server):
    fake_server.api_key = SECRET
    fake_server.fail(503, times=3)
    model = ChatRawLLM(
        model="m",
        base_url=fake_server.url,
        api_key=lambda: SECRET,
        organization="o",
        max_retries=0,
        default_headers={"x-team": "red"},
        default_query={"v": "1"},
    )
    with pytest.raises(Exception, match="503") as caught:
        model.invoke("hello")
    assert caught.value.attempts == 1
    [request] = fake_server.requests
    assert request.headers["openai-organization"] == "o"
    assert request.headers["x-team"] == "red"
    assert request.query == "v=1"


@pytest.mark.parametrize("make", [ChatRawLLM, RawLLMEmbeddings])
def test_a_misspelt_name_is_refused(make):
    with pytest.raises(ValidationError, match="temprature"):
        make(base_url=SHOWN, temprature=0)


@pytest.mark.parametrize("name", ["base_url", "api_key", "timeout", "max_retries"])
def test_an_option_of_the_client_beside_a_client_is_refused(name):
    given = {"base_url": SHOWN, "api_key": SECRET, "timeout": 3, "max_retries": 1}[name]
    message = refused(client=Client(SHOWN), **{name: given})
    assert f"{name}= belongs to the client" in message


def test_no_message_shows_a_key():
    assert SECRET not in refused(api_key=SECRET, max_retries=-1)  # pydantic cuts a longer input
    assert SECRET not in refused(base_url=SHOWN, api_key=SECRET, client=object())
    assert SECRET not in refused(base_url=f"http://user:{SECRET}@", api_key=SECRET, max_tokens="x")


def test_an_own_connector_is_for_the_asynchronous_methods(fake_server):
    async def main():
        async with (
            aiohttp.TCPConnector() as connector,
            Client(fake_server.url, connector=connector) as client,
        ):
            model = ChatRawLLM(client=client)
            assert (await model.ainvoke("hello")).content == "echo: hello"
            with pytest.raises(ConfigurationError, match="asynchronous methods"):
                model.invoke("hello")
            with pytest.raises(ConfigurationError, match="asynchronous methods"):
                next(model.stream("hello"))

    asyncio.run(main())


def test_a_dropped_model_leaves_no_connection_and_no_warning(fake_server):
    def collected():
        # Again and again: a thread that has just ended its work may still hold the client.
        gc.collect()
        return not fake_server.open_connections

    async def main():
        model = ChatRawLLM(model="m", base_url=fake_server.url)
        await model.ainvoke("hello")
        await asyncio.to_thread(model.invoke, "hello")
        assert fake_server.open_connections == 2
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del model
            await fake_server.wait_for(collected, timeout=3)
        assert caught == []

    asyncio.run(main())


async def test_aclose_closes_the_models_own_connections(fake_server):
    model = ChatRawLLM(model="m", base_url=fake_server.url)
    await model.ainvoke("hello")
    await model.aclose()
    await fake_server.wait_for(lambda: not fake_server.open_connections)
    with pytest.raises((RuntimeError, APIConnectionError), match="closed"):
        await model.ainvoke("hello")
