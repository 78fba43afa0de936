"""What users may set: every wrong value is refused where it is given, and no key is ever shown."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import pickle
import traceback
from typing import Any

import pytest

from rawllm.errors import ConfigurationError
from rawllm.options import (
    NOT_GIVEN,
    Environment,
    Limits,
    NotGiven,
    Retry,
    Secret,
    Timeout,
    check_header,
)

KEY = "sk-8d1f00c0ffee"


def refusal(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    shown = "".join(traceback.format_exception(caught.value, chain=True)).splitlines()[-1]
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    assert KEY not in shown
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return str(caught.value)


# ---------------------------------------------------------------- Timeout

NO_NUMBERS: list[Any] = [KEY, "5", b"5", [5], (5,), {}, object(), True, False, 1j, NOT_GIVEN]
NO_SECONDS: list[Any] = [
    0,
    0.0,
    -0.0,
    -1,
    -1e-9,
    math.nan,
    -math.inf,
    10**400,
    10**5_000,
    -(10**5_000),
]


def test_the_four_clocks_have_the_designs_defaults() -> None:
    timeout = Timeout()
    assert (timeout.connect, timeout.first_token) == (10.0, 600.0)
    assert (timeout.idle, timeout.total) == (60.0, None)


@pytest.mark.parametrize("name", ["connect", "first_token", "idle", "total"])
def test_a_timeout_takes_positive_seconds_or_none(name: str) -> None:
    for value in (None, 1, 0.001, 1e9, math.inf):
        assert getattr(Timeout(**{name: value}), name) == value
    for value in NO_NUMBERS:
        message = refusal(Timeout, **{name: value})
        assert f"Timeout({name}=…)" in message
        assert type(value).__name__ in message
    for value in NO_SECONDS:
        message = refusal(Timeout, **{name: value})
        assert f"Timeout({name}=" in message
        assert "positive" in message


@pytest.mark.parametrize(
    ("given", "named", "clocks"),
    [
        ((5,), {}, (5, 5, 5, None)),
        ((5.0,), {"connect": 1}, (1, 5.0, 5.0, None)),
        ((5,), {"read": 2}, (5, 2, 2, None)),
        ((5,), {"idle": 2, "total": 9}, (5, 5, 2, 9)),
        ((None,), {}, (None, None, None, None)),
        ((None,), {"connect": 60.0}, (60.0, None, None, None)),
        ((), {"connect": 1, "read": 2, "write": 3, "pool": 4}, (1, 2, 2, None)),
        ((), {"read": 2, "first_token": 8}, (10.0, 8, 2, None)),
    ],
)
def test_a_timeout_takes_what_openais_takes(
    given: tuple[Any, ...], named: dict[str, Any], clocks: tuple[Any, ...]
) -> None:
    timeout = Timeout(*given, **named)
    assert (timeout.connect, timeout.first_token, timeout.idle, timeout.total) == clocks


@pytest.mark.parametrize("name", ["read", "write", "pool"])
def test_a_timeout_refuses_what_is_no_time_by_openais_names_too(name: str) -> None:
    assert "positive" in refusal(Timeout, **{name: -1})


def test_a_timeout_can_be_compared_copied_and_pickled() -> None:
    timeout = Timeout(5, total=9)
    assert (
        pickle.loads(pickle.dumps(timeout)) == timeout == dataclasses.replace(Timeout(5), total=9)
    )
    assert hash(timeout) == hash(Timeout(5, total=9))
    assert repr(timeout) == "Timeout(connect=5, first_token=5, idle=5, total=9)"


# ---------------------------------------------------------------- Limits


def test_limits_have_the_designs_defaults() -> None:
    limits = Limits()
    assert limits == Limits(None, None, None, None, 64 * 2**20, 16 * 2**20)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("concurrency", [None, 1, 10**6, "auto"], [0, -1, 1.0, 0.5, math.nan, "Auto", ""]),
        ("requests_per_minute", [None, 1, 0.1, 1e9], [0, 0.0, -1, math.nan, math.inf, 10**400]),
        ("tokens_per_minute", [None, 1, 0.1, 1e9], [0, 0.0, -1, math.nan, math.inf, 10**5_000]),
        ("burst", [None, 1, 1.5], [0, 0.99, -1, math.nan, math.inf]),
        ("max_response_bytes", [1, 10**12], [0, -1, 1.5, None, math.inf, 10**400]),
        ("max_event_bytes", [1, 10**12], [0, -1, 1.5, None, math.nan]),
    ],
)
def test_a_limit_takes_what_makes_sense(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(Limits(**{name: value}), name) == value
    for value in bad + NO_NUMBERS:
        assert f"Limits({name}=" in refusal(Limits, **{name: value})


def test_a_limit_that_lets_nothing_go_says_so() -> None:
    assert "never let a request go" in refusal(Limits, requests_per_minute=0)


# ---------------------------------------------------------------- Retry


class Mine(Exception):
    pass


def test_a_retry_has_the_designs_defaults() -> None:
    retry = Retry()
    assert dataclasses.astuple(retry) == (3, 0.5, 8.0, 120.0, 500.0, 0.0, ())


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("attempts", [1, 10**6], [0, -1, 1.5, math.nan, None]),
        ("base", [0, 0.1, 1e9], [-1, -1e-9, math.nan, math.inf, 10**400, None]),
        ("cap", [0, 0.1, 1e9], [-1, math.nan, math.inf, None]),
        ("max_retry_after", [0, 0.1, 1e9], [-1, math.nan, math.inf, None]),
        ("budget", [0, 0.1, 1e9], [-1, math.nan, math.inf, None]),
        ("max_outage", [0, 0.1, 1e9], [-1, math.nan, math.inf, None]),
    ],
)
def test_a_retry_takes_what_makes_sense(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(Retry(**{name: value}), name) == value
    for value in bad + NO_NUMBERS:
        assert f"Retry({name}=" in refusal(Retry, **{name: value})


def test_own_exceptions_come_as_one_or_as_a_tuple() -> None:
    assert Retry(on=Mine).on == (Mine,)  # type: ignore[arg-type]
    assert Retry(on=(Mine, OSError)).on == (Mine, OSError)


@pytest.mark.parametrize(
    "on", [KEY, [Mine], Mine(), (Mine, KEY), BaseException, KeyboardInterrupt, int]
)
def test_what_is_no_exception_class_is_refused(on: Any) -> None:
    assert "Retry(on=…)" in refusal(Retry, on=on)


@pytest.mark.parametrize("options", [Timeout(), Limits(), Retry()])
def test_options_are_values(options: Any) -> None:
    assert options == type(options)()
    assert hash(options) == hash(type(options)())
    assert pickle.loads(pickle.dumps(options)) == copy.deepcopy(options) == options
    for field in dataclasses.fields(options):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, field.name, 1)


# ---------------------------------------------------------------- Secret and NOT_GIVEN


def test_a_secret_shows_itself_to_nobody_but_the_wire() -> None:
    secret = Secret(KEY)
    assert f"Bearer {secret}" == f"Bearer {KEY}"
    assert secret == KEY
    for shown in (
        repr(secret),
        f"{secret!r}",
        f"{[secret]}",
        f"{ {'key': secret} }",
        "%r" % (secret,),  # noqa: UP031
        repr((secret,)),
        ascii(secret),
        repr(Secret(f"Bearer {secret}")),
    ):
        assert KEY not in shown
        assert "***" in shown
    assert not hasattr(secret, "__dict__")


def test_a_secret_stays_hidden_in_a_traceback_with_locals(caplog: pytest.LogCaptureFixture) -> None:
    def fail(key: str) -> None:
        headers = {"Authorization": Secret(f"Bearer {key}")}
        raise KeyError(len(headers))

    with pytest.raises(KeyError) as caught:
        fail(Secret(KEY))
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "***" in "".join(found.format())
    assert KEY not in "".join(found.format())
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("rawllm").debug("%s", {"key": Secret(KEY)})
    assert KEY not in caplog.text


def test_not_given_is_falsy_and_says_its_name() -> None:
    assert not NOT_GIVEN
    assert repr(NOT_GIVEN) == "NOT_GIVEN"
    assert isinstance(NOT_GIVEN, NotGiven)


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {KEY}"),
        ("x-Y_z.1!#$%&'*+^`|~", ""),
        ("a", "a\tb c~!"),
        ("0", "x"),
    ],
)
def test_good_headers_pass(name: str, value: str) -> None:
    check_header("default_headers", name, value)
    check_header("default_headers", name, Secret(value))


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a b", "a:", f"Authorization: Bearer {KEY}", f"{KEY}\n", "a\r\nb", "ä", "a\x00"),
        *("a\n", None, 5, b"a", ("a",)),
    ],
)
def test_what_is_no_header_name_is_refused_unseen(name: Any) -> None:
    message = refusal(check_header, "default_headers", name, "x")
    assert message.startswith("default_headers: a header name")


@pytest.mark.parametrize(
    "value",
    [
        *(f"{KEY}\n", f"{KEY}\r", f"{KEY}\r\nX-Evil: 1", f"{KEY}\x00", f"{KEY}ä", f"{KEY}\u2028"),
        *("\x7f", f"{KEY}\x85", None, 5, KEY.encode(), [KEY]),
    ],
)
def test_a_bad_header_value_is_refused_unseen(value: Any) -> None:
    message = refusal(check_header, "api_key", "Authorization", value)
    assert message.startswith("api_key: the value for 'Authorization'")
    if isinstance(value, str):
        assert "newline" in refusal(check_header, "api_key", "Authorization", Secret(value))


# ---------------------------------------------------------------- the environment

FULL = {
    "OPENAI_API_KEY": KEY,
    "OPENAI_BASE_URL": "http://user:hunter2@localhost:8000/v1",
    "OPENAI_ORG_ID": "org",
    "OPENAI_PROJECT_ID": "proj",
    "OPENAI_CUSTOM_HEADERS": f"X-A: 1\nX-Key: {KEY}",
    "OPENAI_LOG": "debug",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "SSL_CERT_DIR": "/etc/certs",
    "OPENAI_SOMETHING_ELSE": "x",
}


def test_the_environment_is_read_under_openais_names() -> None:
    found = Environment.read(FULL)
    assert isinstance(found.api_key, Secret)
    assert dataclasses.astuple(found) == (
        KEY,
        "http://user:hunter2@localhost:8000/v1",
        "org",
        "proj",
        {"X-A": "1", "X-Key": KEY},
        "debug",
        "/etc/ca.pem",
        "/etc/certs",
    )


def test_the_environment_shows_no_secret() -> None:
    shown = repr(Environment.read(FULL))
    assert KEY not in shown
    assert "hunter2" not in shown
    assert KEY not in repr(Environment.read(FULL).custom_headers)


def test_an_empty_environment_has_nothing() -> None:
    assert Environment.read({}) == Environment()
    assert Environment().custom_headers == {}


@pytest.mark.parametrize("empty", ["", " ", "\n", "\t \r\n"])
def test_set_but_empty_is_not_set(empty: str) -> None:
    assert Environment.read(dict.fromkeys(FULL, empty)) == Environment()


def test_white_space_around_a_value_is_none_of_it() -> None:
    found = Environment.read({"OPENAI_API_KEY": f" {KEY}\n", "OPENAI_BASE_URL": "http://h/v1 "})
    assert found.api_key == KEY
    assert found.base_url == "http://h/v1"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FULL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_ORG_ID", "from outside")
    assert Environment.read() == Environment(organization="from outside")


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("X-A: 1", {"X-A": "1"}),
        ("X-A:1\r\nX-B:  2 : 3 \n\n", {"X-A": "1", "X-B": "2 : 3"}),
        ("X-A:", {"X-A": ""}),
        ("X-A: 1\nX-A: 2", {"X-A": "2"}),
        ("\n \n", {}),
    ],
)
def test_custom_headers_come_one_a_line(text: str, headers: dict[str, str]) -> None:
    found = Environment.read({"OPENAI_CUSTOM_HEADERS": text}).custom_headers
    assert found == headers
    assert all(isinstance(value, Secret) for value in found.values())


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"X-A {KEY}",
        f": {KEY}",
        f"X A: {KEY}",
        f"Authorization Bearer {KEY}: x",
        f"X-A: {KEY}\x01",
    ],
)
def test_custom_headers_that_are_none_are_refused_unseen(text: str) -> None:
    assert "OPENAI_CUSTOM_HEADERS" in refusal(Environment.read, {"OPENAI_CUSTOM_HEADERS": text})
