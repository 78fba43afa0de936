"""What code written for openai-python reads off a client, with `await` and without."""

from __future__ import annotations

import pytest

from rawllm import Client, ConfigurationError, Retry, SyncClient, Timeout

URL = "http://127.0.0.1:1/v1"


@pytest.fixture(params=[Client, SyncClient])
def make(request):
    return request.param


def test_settings_are_what_was_given(make):
    client = make(
        URL,
        api_key="sk-1",
        organization="org",
        project="proj",
        max_retries=5,
        timeout=3,
        default_headers={"X-A": "1"},
        default_query={"q": 2},
    )
    assert (client.api_key, client.organization, client.project) == ("sk-1", "org", "proj")
    assert (client.max_retries, client.timeout) == (5, 3)
    assert (client.default_headers, client.default_query) == ({"X-A": "1"}, {"q": 2})
    assert "sk-1" not in repr(client.api_key)


def test_settings_have_openais_defaults_and_the_environments(make, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-e")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-e")
    client = make(URL, retry=Retry(attempts=7))
    assert (client.organization, client.project, client.max_retries) == ("org-e", "proj-e", 6)
    assert make(URL).max_retries == 2
    assert make(URL).timeout == Timeout()
    assert make(URL).api_key is None
    assert make(URL, api_key=lambda: "sk-1").api_key is None
    assert (client.default_headers, client.default_query) == ({}, {})


def test_settings_cannot_be_set(make):
    client = make(URL)
    for name in ("api_key", "timeout", "max_retries", "default_headers"):
        with pytest.raises(AttributeError):
            setattr(client, name, None)
    client.default_headers["X-A"] = "1"
    assert client.default_headers == {}


def test_defaults_are_added_to_or_replaced(make):
    client = make(URL, default_headers={"X-A": "1"}, default_query={"q": "1"})
    more = client.with_options(default_headers={"X-B": "2"}, default_query={"r": "2"})
    assert more.default_headers == {"X-A": "1", "X-B": "2"}
    assert more.default_query == {"q": "1", "r": "2"}
    other = client.copy(set_default_headers={"X-B": "2"}, set_default_query={})
    assert (other.default_headers, other.default_query) == ({"X-B": "2"}, {})
    assert client.copy(set_default_headers=None).default_headers == {"X-A": "1"}
    for name in ("default_headers", "default_query"):
        with pytest.raises(ConfigurationError, match="exclude each other"):
            client.copy(**{name: {"a": "1"}, f"set_{name}": {"b": "2"}})


def test_beta_has_what_the_client_has(make):
    client = make(URL)
    assert client.beta.chat.completions.parse == client.chat.completions.parse


async def test_a_client_says_whether_it_is_closed():
    client = Client(URL)
    assert client.is_closed() is False
    await client.close()
    assert client.is_closed() is True


def test_a_synchronous_client_says_whether_it_is_closed():
    with SyncClient(URL) as client:
        assert client.is_closed() is False
    assert client.is_closed() is True
