import pytest
from yarl import URL

from rawllm import ConfigurationError
from rawllm.net.address import base_address, check_proxy, join, meets_tls, with_query


@pytest.mark.parametrize(
    ("text", "url", "unix"),
    [
        ("http://h:8000/v1", "http://h:8000/v1", None),
        ("http://h/v1/", "http://h/v1", None),
        ("https://h", "https://h", None),
        ("http://h/v1?a=b#c", "http://h/v1?a=b", None),
        ("http://[::1]:8/v1", "http://[::1]:8/v1", None),
        ("http://bücher.test/v1", "http://xn--bcher-kva.test/v1", None),
        ("unix:///run/llm.sock", "http://unix/v1", "/run/llm.sock"),
    ],
)
def test_a_base_url_is_read(text, url, unix):
    assert base_address(text) == (URL(url), unix)


@pytest.mark.parametrize(
    "text",
    [
        *("", "sk-zebra", "zebra:80/v1", "ftp://zebra/v1", "http://", "http:///zebra"),
        *("http://zebra:99999/v1", "http://h:zebra", "http://zebra:0/v1", "http://[::zebra/v1"),
        *("http://u:zebra@h/v1", "http://zebra@h/v1", "http://zebra/a b", "http://zebra\r\n/v1"),
        *("http://zebra/\x7f", "http://zebra/\udc80", "unix://zebra", "unix://"),
        *(None, 5, b"http://zebra/v1"),
    ],
)
def test_what_is_no_base_url_is_refused_without_being_shown(text):
    with pytest.raises(ConfigurationError) as caught:
        base_address(text)
    assert "\n" not in str(caught.value)
    assert "zebra" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://proxy:3128", "https://me:secret@proxy:1"])
def test_a_proxy_may_hold_a_password(text):
    check_proxy(text)


@pytest.mark.parametrize(
    ("url", "proxy", "met"),
    [
        ("http://h/v1", None, False),
        ("https://h/v1", None, True),
        ("http://h/v1", "http://me:secret@p:1", False),
        ("http://h/v1", "HTTPS://p:1", True),
        ("https://h/v1", "http://p:1", True),
    ],
)
def test_tls_is_met_at_the_server_or_at_the_proxy(url, proxy, met):
    assert meets_tls(URL(url), proxy) is met


@pytest.mark.parametrize("text", ["proxy:3128", "socks5://p:1", "http://", "http://p:x", 5, ""])
def test_what_is_no_proxy_is_refused(text):
    with pytest.raises(ConfigurationError, match="proxy"):
        check_proxy(text)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://h/v1", "/models", "http://h/v1/models"),
        ("http://h", "/models", "http://h/models"),
        ("http://h/v1?k=1", "/models", "http://h/v1/models?k=1"),
        ("http://h/a%2Fb/v1", "/models", "http://h/a%2Fb/v1/models"),
        ("http://h/v1", "/models/a b?c#d%20", "http://h/v1/models/a%20b%3Fc%23d%2520"),
        ("http://h/v1", "/models//data/x.gguf", "http://h/v1/models//data/x.gguf"),
    ],
)
def test_a_path_is_joined_and_quoted(base, path, url):
    assert str(join(URL(base), path)) == str(URL(url, encoded=True))


@pytest.mark.parametrize(
    ("query", "url"),
    [
        (None, "http://h/?a=1"),
        ({}, "http://h/?a=1"),
        ({"a": 2}, "http://h/?a=2"),
        ({"b": [1, "x"]}, "http://h/?a=1&b=1&b=x"),
        ({"b": True, "c": [False]}, "http://h/?a=1&b=true&c=false"),
        ({"b": None}, "http://h/?a=1"),
        ({"b": "ü &="}, "http://h/?a=1&b=%C3%BC+%26%3D"),
    ],
)
def test_a_query_comes_on_top(query, url):
    assert str(with_query("extra_query", URL("http://h/?a=1"), query)) == url


@pytest.mark.parametrize(
    "query", [{"a": float("nan")}, {"a": {}}, {"a": "\ud800"}, {"\udc80": 1}, {"a": b"x"}, 5, "a=b"]
)
def test_a_query_that_cannot_be_sent_is_refused(query):
    with pytest.raises(ConfigurationError, match="extra_query= takes a dict"):
        with_query("extra_query", URL("http://h/"), query)
