"""The chat page in a headless Chromium, against a FakeServer and through the real gateway.

What the page shows is read off the screen's text; how it looks is a person's to judge.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from integrations.browser import NAMES, Page, launched, opened

import rawllm.integrations
from rawllm.testing import FakeServer, Reply, Request

# Most need neither; but a browser is run once, where the gateway's libraries are.
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

HTML: Final = (Path(rawllm.integrations.__path__[0]) / "fastapi" / "chat.html").read_text("utf-8")
LAST: Final = ".turn:last-child"
ENDED: Final = "!document.querySelector('#send').hidden"

HOSTILE: Final = (
    '<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>'
    '<a href="javascript:pwned=1">a</a> `<b>code</b>` **<i>bold</i>**\n'
    "```<svg/onload=pwned=1>\n</code></pre><script>window.pwned = 1</script>\n```\n"
    "# <iframe srcdoc='<script>parent.pwned = 1</script>'>\n- <style>* { display: none }</style>"
)

PROSE: Final = (
    "\n \nTwo **bold *words*** and `co**d**e`, 2 * 3 * 4, snake_case, *slanted*.\nNext line.\n\n"
    "# A heading\ntext right under it\n1. one\n  - nested\n2) two\nafter the list\n"
    "```py\ndef f():\n\n    return '```'\n```\n~~~\n# no heading\n~~~\n   ```\n  indented\n   ```\n"
    "| a | b |\n|---|---|\n\n\n\nThe end, and a fence that never closes:\n````x y\n```\nz"
)


class Show(Protocol):
    """Opens the page that a server serves; failures and streams are scripted after that, since
    the requests for the page and for the models would get them."""

    def __call__(
        self, server: FakeServer | str, path: str = "/", **screen: Any
    ) -> AbstractAsyncContextManager[Page]: ...


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = next(filter(None, map(shutil.which, NAMES)), None)
    if command is None:
        pytest.skip("no Chromium here")
    with launched(command, tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
def show(browser: str) -> Show:
    """Every page that is shown must have complained of nothing and asked nobody else."""

    @asynccontextmanager
    async def show(server: FakeServer | str, path: str = "/", **screen: Any) -> AsyncIterator[Page]:
        if isinstance(server, FakeServer):
            server.handler = served
            server = server.url.removesuffix("/v1")
        async with opened(browser, **screen) as page:
            await page.open(server + path)
            await page.until("!document.querySelector('#model').disabled")
            yield page
            assert page.complaints == []
            elsewhere = [url for url in page.requests if not url.startswith((server, "data:"))]
            assert elsewhere == []

    return show


def served(request: Request) -> Reply | None:
    """The page itself, at any path that ends with a slash."""
    if request.method == "GET" and request.path.endswith("/"):
        return Reply(body=HTML, headers={"Content-Type": "text/html; charset=utf-8"})
    if request.method == "GET" and request.path.endswith("/proxied/v1/models"):
        return Reply(body={"object": "list", "data": [{"id": "behind"}]})
    return None


def asked(server: FakeServer) -> list[dict[str, Any]]:
    return [request.json for request in server.requests if request.method == "POST"]


async def ask(page: Page, question: str) -> None:
    await page.click("#prompt")
    await page.type(question)
    await page.press("Enter")


async def answered(page: Page, question: str) -> str:
    """Asks, waits for the end, and gives the answer as it is shown."""
    await ask(page, question)
    await page.until(f"{ENDED} && document.querySelector('{LAST} .facts:not([hidden])')")
    return await page.text(f"{LAST} .prose")


# The file


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_policy_names_the_hash_of_what_is_in_the_file(tag: str) -> None:
    (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", HTML, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in HTML


def test_the_file_names_no_other_place_and_makes_no_markup_of_text() -> None:
    """An SVG's namespace is a name and not an address."""
    assert set(re.findall(r"https?://[^'\"\s]+", HTML)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|Storage", HTML)


async def test_an_event_stream_reads_the_same_wherever_it_is_cut(
    show: Show, server: FakeServer
) -> None:
    wire = (
        "\ufeff: comment\ndata: a\n\ndata:b\r\n\r\ndata: c1\rdata:  c2\r\rid: 1\nevent: x\n"
        'data: {"é": "日本🙂"}\n\n: ping\n\n\ndata\n\ndatabase: no\n'
        "data: d: e\r\ndata: f\r\n\r\ndata: no end"
    ).encode()
    expected = ["a", "b", "c1\n c2", '{"é": "日本🙂"}', "d: e\nf"]
    read = """((wire, size) => {
        const events = new Events(), found = [], none = new Uint8Array();
        for (let at = 0; at < wire.length; at += size) {
            found.push(...events.feed(wire.slice(at, at + size)), ...events.feed(none));
        }
        return found;
    })"""
    async with show(server) as page:
        read_all = f"(sizes => sizes.map(size => {read}(new Uint8Array({list(wire)}), size)))"
        sizes = list(range(1, len(wire) + 1))
        found = await page.js(f"{read_all}({sizes})")
    assert found == [expected] * len(sizes)


async def test_text_that_grows_ends_as_text_that_came_at_once(
    show: Show, server: FakeServer
) -> None:
    painted = f"""((text, size) => {{
        const element = document.createElement("div"), prose = new Prose(element);
        for (let at = 0; at < text.length; at += size) prose.paint(text.slice(at, at + size));
        prose.paint("", true);
        return element.innerHTML;
    }})({json.dumps(PROSE)}, """
    async with show(server) as page:
        whole = await page.js(painted + "1e9)")
        pieces = [await page.js(f"{painted}{size})") for size in (1, 2, 3, 7)]
    assert pieces == [whole] * 4
    text = re.sub("<button.*?</button>", "", whole)
    assert "<strong>bold <em>words</em></strong> and <code>co**d**e</code>, 2 * 3 * 4," in text
    assert "<h3>A heading</h3><p>text right under it<span" in text
    assert re.findall(r"<pre><code>(.*?)</code>", text, re.DOTALL) == [
        "def f():\n\n    return '```'",
        "# no heading",
        "  indented",
        "```\nz",
    ]
    assert "<pre>| a | b |\n|---|---|</pre>" in text
    assert "<p></p>" not in text


# The conversation


async def test_text_appears_while_the_answer_is_under_way(show: Show, server: FakeServer) -> None:
    async with show(server) as page:
        server.stream(["Hel", "lo **wor"], end="hang")
        await ask(page, "Hi")
        await page.until(f"document.querySelector('{LAST} .prose').innerText == 'Hello **wor'")
        assert server.in_flight == 1
        assert await page.text("#welcome") == ""
        assert await page.js("[byId('send').hidden, byId('stop').hidden]") == [True, False]
        assert await page.js("document.activeElement.id") == "prompt"


@pytest.mark.parametrize("end", ["button", "Escape", "New conversation"])
@pytest.mark.parametrize("parts", [["Hel"], []], ids=["mid-stream", "before the first byte"])
async def test_stopping_closes_the_connection(
    show: Show, server: FakeServer, end: str, parts: list[str]
) -> None:
    async with show(server) as page:
        if parts:
            server.stream(parts, end="hang")
        else:
            server.raw(end="hang")
        await ask(page, "Hi")
        await server.wait_for(lambda: server.in_flight == 1)
        await page.until(f"document.querySelector('{LAST} .prose').innerText == '{''.join(parts)}'")
        match end:
            case "button":
                await page.click("#stop")
            case "Escape":
                await page.press("Escape")
            case _:
                await page.click("#fresh")
        await server.wait_for(lambda: server.aborted == 1)
        await page.until(ENDED)
        if end == "New conversation":
            assert "What would you like to know?" in await page.text("#log")
            assert await page.js("document.querySelectorAll('.turn').length") == 0
        else:
            assert await page.text(f"{LAST} .prose") == "".join(parts)
            assert (await page.text(f"{LAST} .facts")).startswith("stopped")
            assert await page.text(f"{LAST} .problem") == ""
            assert await page.js("document.activeElement.id") == "prompt"
        assert await answered(page, "Again") == "echo: Again"
        earlier = [] if end == "New conversation" or not parts else ["Hi", "Hel"]
        assert [m["content"] for m in asked(server)[-1]["messages"]] == [*earlier, "Again"]


async def test_every_turn_sends_the_turns_before_it(show: Show, server: FakeServer) -> None:
    server.reply("One.")
    server.reply("Two.")
    async with show(server) as page:
        assert await answered(page, "first?") == "One."
        assert await answered(page, "second?") == "Two."
        await answered(page, "third?")
        assert asked(server)[-1] == {
            "model": "fake",
            "messages": [
                {"role": "user", "content": "first?"},
                {"role": "assistant", "content": "One."},
                {"role": "user", "content": "second?"},
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "third?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }


async def test_what_is_set_goes_with_the_request(show: Show, server: FakeServer) -> None:
    server.models = ["small", "large"]
    async with show(server) as page:
        await page.js("document.querySelector('#model').value = 'large'")
        await page.click("#settings summary")
        for field, value in {
            "system": "Be brief.",
            "temperature": "3",
            "longest": "7",
            "key": "sk-secret",
        }.items():
            await page.click(f"#{field}")
            await page.type(value)
        await page.press("Escape")
        assert await page.text("#options") == ""  # folded

        await ask(page, "Hi")  # a temperature of 3: shown, and not sent
        await page.until("document.querySelector('#settings').open")
        assert await page.js("document.querySelector('#prompt').value") == "Hi"
        assert asked(server) == []

        await page.js("document.querySelector('#temperature').value = '0.5'")
        await page.click("#prompt")
        await page.press("Enter")
        await page.until(f"document.querySelector('{LAST} .facts:not([hidden])')")
        body = asked(server)[-1]
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("large", 0.5, 7)
        assert server.requests[-1].headers["authorization"] == "Bearer sk-secret"
        kept = await page.js("[localStorage.length, sessionStorage.length, document.cookie]")
        assert kept == [0, 0, ""]


async def test_only_enter_alone_sends(show: Show, server: FakeServer) -> None:
    async with show(server) as page:
        await page.click("#prompt")
        await page.press("Enter")  # nothing to send
        await page.type("one")
        await page.press("Enter", shift=True)
        await page.type("two")
        composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true})"
        await page.js(f"promptBox.dispatchEvent({composing})")
        assert asked(server) == []
        await page.press("Enter")
        await page.until(f"document.querySelector('{LAST} .facts:not([hidden])')")
        assert [message["content"] for message in asked(server)[-1]["messages"]] == ["one\ntwo"]
        assert await page.js("document.querySelector('#prompt').value") == ""


async def test_reasoning_is_folded_and_the_figures_are_told(show: Show, server: FakeServer) -> None:
    server.reply("It is 42.", reasoning="Six times seven.", delay=0.02)
    async with show(server) as page:
        assert await answered(page, "Six times seven?") == "It is 42."
        assert re.fullmatch(r"Reasoned for \d\.\d\d s", await page.text(f"{LAST} .reasoning"))
        await page.click(f"{LAST} .reasoning summary")
        assert await page.text(f"{LAST} .reasoning div") == "Six times seven."
        facts = await page.text(f"{LAST} .facts")
        assert re.match(r"6 tokens · first after \d\.\d\d s · [\d.]+ tokens/s\s", facts), facts
        await answered(page, "And now?")
        assert "Six times" not in json.dumps(asked(server)[-1]["messages"][1])


async def test_copy_takes_the_text_and_not_its_looks(show: Show, server: FakeServer) -> None:
    server.reply("Use **this**:\n```sh\nls -l\n```")
    async with show(server) as page:
        await page.js("navigator.clipboard.writeText = async text => { window.copied = text }")
        await answered(page, "How?")
        await page.click(f"{LAST} .copy")
        await page.until("window.copied == 'Use **this**:\\n```sh\\nls -l\\n```'")
        await page.click(f"{LAST} .code button")
        await page.until("window.copied == 'ls -l'")
        await page.until("announcer.innerText == 'Copied.'")


# What goes wrong


FAILURES: Final[dict[str, tuple[Callable[[FakeServer], None], str, str]]] = {
    "429": (
        lambda server: server.fail(429, headers={"Retry-After": "7"}),
        "",
        "Too many requests. Try again in 7\u00a0s.\n\nThe fake server was told to answer 429.",
    ),
    "503": (lambda server: server.fail(503, body=b"<b>nginx</b>"), "", "busy.\n\n<b>nginx</b>"),
    "418": (lambda server: server.fail(418), "", "The server answered 418."),
    "422": (lambda server: server.fail(422, body={"detail": [1]}), "", "answered 422.\n\n[1]"),
    "cut": (lambda server: server.stream(["Hel"], end="eof"), "Hel", "The answer was cut off."),
    "reset": (
        lambda server: server.stream(["Hel", 0.05], end="reset"),
        "Hel",
        "The answer was cut off.",
    ),
    "an error event": (
        lambda server: server.stream(
            ["Hel", {"error": {"message": "<b>GPU</b> lost"}}], end="hang"
        ),
        "Hel",
        "The server reported an error.\n\n<b>GPU</b> lost",
    ),
    "no JSON": (lambda server: server.stream(["Hel", b"data: {]\n\n"]), "Hel", "answer.\n\n{]"),
    "no object": (lambda server: server.stream([b"data: null\n\n"]), "", "answer.\n\nnull"),
    "refused": (lambda server: server.refuse(), "", "The server could not be reached."),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_goes_wrong_is_shown_and_can_be_tried_again(
    show: Show, server: FakeServer, name: str
) -> None:
    script, kept, told = FAILURES[name]
    async with show(server) as page:
        script(server)
        assert await answered(page, "Hi") == kept
        assert told in await page.text(f"{LAST} .problem")
        await server.wait_for(lambda: server.in_flight == 0)
        server.accept()
        server.reply("Better.")
        await page.click(f"{LAST} .retry")
        await page.until(f"document.querySelector('{LAST} .prose').innerText == 'Better.'")
        assert await page.js("document.activeElement.id") == "prompt"
        await page.until(ENDED)
        assert await page.text(f"{LAST} .problem") == ""
        assert asked(server)[-1]["messages"] == [{"role": "user", "content": "Hi"}]


async def test_a_question_without_an_answer_is_not_sent_again(
    show: Show, server: FakeServer
) -> None:
    async with show(server) as page:
        server.fail(500)
        await answered(page, "lost")
        await answered(page, "found")
        assert asked(server)[-1]["messages"] == [{"role": "user", "content": "found"}]


async def test_done_is_the_end_although_the_connection_stays(
    show: Show, server: FakeServer
) -> None:
    async with show(server) as page:
        server.stream(["All.", b"data: [DONE]\n\n"], end="hang")
        assert await answered(page, "Hi") == "All."
        assert await page.text(f"{LAST} .problem") == ""


async def test_markup_in_an_answer_stays_text(show: Show, server: FakeServer) -> None:
    server.models = ["<b>fake</b>"]
    server.reply(HOSTILE, reasoning=HOSTILE, split=5)
    async with show(server) as page:
        tags = "document.querySelectorAll('img, script, a, b, i, iframe, style, svg').length"
        before = await page.js(tags)
        shown = await answered(page, HOSTILE)
        await page.click(f"{LAST} .reasoning summary")
        for piece in (
            '<img src=x onerror="window.pwned = 1">',
            "</code></pre><script>",
            "<svg/onload",
        ):
            assert piece in shown
            assert piece in await page.text(f"{LAST} .question")
            assert piece in await page.text(f"{LAST} .reasoning")
        server.fail(400, body={"error": {"message": HOSTILE}})
        await answered(page, "Again")
        assert "<img src=x" in await page.text(f"{LAST} .problem")
        assert await page.js(tags) == before
        assert await page.js("window.pwned ?? null") is None
        assert await page.js("document.querySelector('#model').value") == "<b>fake</b>"


async def test_a_key_that_is_wanted_is_asked_for(browser: str, server: FakeServer) -> None:
    server.handler = served
    async with opened(browser) as page:
        await page.open(server.url.removesuffix("v1"))
        await page.until("!document.querySelector('#model').disabled")
        server.api_key = "sk-right"
        await page.js("listModels()")
        assert "wants an API key" in await page.text("#unlisted")
        await page.click("#settings summary")
        await page.click("#key")
        await page.type("sk-right")
        await page.press("Tab")
        await page.until("document.querySelector('#unlisted').hidden")
        await page.press("Escape")
        assert await answered(page, "Hi") == "echo: Hi"


# Where it is shown


async def test_it_works_under_a_prefix(show: Show, server: FakeServer) -> None:
    async with show(server, "/a/proxied/") as page:
        server.stream(["Behind a proxy."])
        assert await answered(page, "Where?") == "Behind a proxy."
        assert server.requests[-1].path == "/a/proxied/v1/chat/completions"


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_nothing_is_wider_than_the_screen(show: Show, server: FakeServer, width: int) -> None:
    long = "x" * 300
    server.models = [f"organisation/{long}"]
    server.reply(
        f"{long}\n`{long}`\n- {long}\n# {long}\n```\n{long}\n```\n|{long}|", reasoning=long
    )
    async with show(server, width=width, touch=width < 600) as page:
        await page.click("#prompt")
        await page.type(long)
        await page.click("#send")
        await page.until(f"document.querySelector('{LAST} .facts:not([hidden])')")
        await page.click(".reasoning summary")
        assert await too_wide(page) == []
        server.fail(400, body={"error": {"message": long}})
        await page.click(".retry")
        await page.until(f"document.querySelector('{LAST} .problem:not([hidden])')")
        await page.click("#settings summary")
        assert await too_wide(page) == []


async def too_wide(page: Page) -> Any:
    """What the reader would have to scroll sideways for; code and tables may."""
    return await page.js(
        """[...document.querySelectorAll("html, body, body *")].filter(element =>
            !element.closest("pre, option, .unseen, .wide, select, input")
            && (element.getBoundingClientRect().right > innerWidth
                || element.scrollWidth > element.clientWidth && element.clientWidth)
        ).map(element => element.outerHTML.slice(0, 200))"""
    )


async def test_it_scrolls_with_the_answer_until_the_reader_scrolls_up(
    show: Show, server: FakeServer
) -> None:
    going = ["first\n" * 60]

    def parts() -> Iterator[str | float]:
        while True:
            yield going.pop() if going else 0.01

    bottom = "log.scrollHeight - log.clientHeight - log.scrollTop < 2"
    async with show(server) as page:
        server.stream(parts(), end="hang")
        await ask(page, "Count")
        await page.until(f"log.scrollTop > 100 && {bottom}")
        await page.js("log.scrollBy(0, -200)")
        await page.until("!latest.hidden")
        at = await page.js("log.scrollTop")
        going.append("second\n" * 60)
        await page.until("log.innerText.includes('second')")
        assert await page.js("log.scrollTop") == at
        await page.click("#latest")
        await page.until(f"{bottom} && latest.hidden")
        going.append("third\n" * 60)
        await page.until(f"log.innerText.includes('third') && {bottom}")


async def test_every_control_has_a_name(show: Show, server: FakeServer) -> None:
    async with show(server) as page:
        await answered(page, "Hi")
        await page.click("#settings summary")
        tree = await page.send("Accessibility.getFullAXTree")
        roles = {"button", "combobox", "textbox", "spinbutton", "region", "DisclosureTriangle"}
        named = [
            (node["role"]["value"], node["name"]["value"])
            for node in tree["nodes"]
            if not node["ignored"] and node["role"]["value"] in roles
        ]
        assert {"Model", "Message", "Send", "Settings", "New conversation", "Temperature"} <= {
            name for _, name in named
        }
        assert [role for role, name in named if not name] == []
        assert await page.js("announcer.innerText") == "echo: Hi"


async def test_it_is_dark_where_the_reader_wants_dark(show: Show, server: FakeServer) -> None:
    grounds = []
    for dark in (False, True):
        async with show(server, dark=dark) as page:
            ground = await page.js("getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(map(int, re.findall(r"\d+", ground))))
    assert grounds[0] > 700 > 100 > grounds[1]


# Through the gateway


@pytest.fixture
def gateway(server: FakeServer) -> Iterator[str]:
    """`rawllm serve --upstream` before the server: its address."""
    command = [sys.executable, "-m", "rawllm", "serve", "--upstream", server.url, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        yield line.removeprefix("OPENAI_BASE_URL=").removesuffix("/v1")
        process.terminate()


async def test_the_gateway_serves_it_and_answers_it(
    show: Show, server: FakeServer, gateway: str
) -> None:
    async with show(gateway) as page:
        assert await page.js("byId('model').value") == "fake"
        assert await answered(page, "Grüße 🙂") == "echo: Grüße 🙂"
        assert re.match(r"\d tokens · first after", await page.text(f"{LAST} .facts"))

        server.stream(["Hel"], end="eof")
        assert await answered(page, "Hi") == "Hel"
        assert await page.text(f"{LAST} .problem") != ""

        server.stream(["Hel"], end="hang")
        await ask(page, "Hi")
        await page.until(f"document.querySelector('{LAST} .prose').innerText == 'Hel'")
        await page.press("Escape")
        await server.wait_for(lambda: server.aborted == 1)

        await page.until(ENDED)
        server.fail(429, headers={"Retry-After": "1000"})
        await answered(page, "More")
        assert "Too many requests. Try again in 1000\u00a0s." in await page.text(LAST)
