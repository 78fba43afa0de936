"""Headers as bytes."""

from rawllm.net.slot import Headers


def test_headers_are_written_in_their_order_but_for_those_that_others_set_too():
    given = {"A": "1", "hOsT": "llm.example", "b": "zwei", "Proxy-Authorization": "Basic eDp5"}
    head = Headers(given).head()
    assert head.lines == b"A: 1\r\nb: zwei\r\n"
    assert head.apart == {"host": "llm.example", "proxy-authorization": "Basic eDp5"}


def test_they_are_written_once():
    headers = Headers({"A": "1"})
    assert headers.head() is headers.head()


def test_a_copy_that_was_added_to_is_written_anew():
    headers = Headers({"A": "1"})
    headers.head()
    more = Headers(headers)
    more["B"] = "2"
    assert more.head().lines == b"A: 1\r\nB: 2\r\n"


def test_the_credentials_among_them_are_found_once_for_each_key():
    headers = Headers({"api-key": "azure-1234", "A": "1"})
    found = headers.credentials("sk-zebra")
    assert set(found) == {"azure-1234", "sk-zebra"}
    assert headers.credentials("sk-zebra") is found
    assert set(headers.credentials("sk-other")) == {"azure-1234", "sk-other"}


def test_their_repr_is_a_dicts_and_shows_no_bytes():
    headers = Headers({"A": "1"})
    headers.head()
    assert repr(headers) == "{'A': '1'}"
