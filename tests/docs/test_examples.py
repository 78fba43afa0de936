"""Every code block of README.md and docs/*.md runs: Python against FakeServer, commands in process.

How a page says what the server answers and what a block prints stands in docs/contributing.md.
Starts no real model but where a block asks for one, and that only with the file at hand.
"""

from __future__ import annotations

import ast
import asyncio
import configparser
import inspect
import io
import json
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import pytest
import real_model

from rawllm import cli
from rawllm.testing import FakeServer, Reply

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: What the pages call a server's address.
ADDRESS = "http://localhost:8000/v1"

#: Fences that hold nothing to run: output, other programs' files, and Sphinx's own.
PASSIVE = {"text", "yaml", "{toctree}", "{eval-rst}"}


class Block(NamedTuple):
    """A fenced block. script: Python that sets `server` up. output: what the block must print."""

    page: str
    line: int
    heading: str
    language: str
    code: str
    script: str
    output: str | None

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


FENCE = re.compile(
    r"^(?:<!-- (?P<script>server\..*?) -->\n)?"
    r"^```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<output>.*?)^```$)?",
    re.M | re.S,
)


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start("code")]
        headings = re.findall(r"^#+ (.*)$", before, re.M)
        python = match["language"] == "python"
        found.append(
            Block(
                page=path.name,
                line=before.count("\n") + 1,
                heading=headings[-1] if headings else "",
                language=match["language"],
                code=match["code"],
                script=match["script"] or "",
                output=match["output"] if python else None,
            )
        )
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


#: What a block that imports one of our integrations needs besides rawllm.
NEEDED = {
    "rawllm.integrations.fastapi": "fastapi",
    "rawllm.integrations.langchain": "langchain_core",
    "rawllm.integrations.otel": "opentelemetry",
    "rawllm.integrations.prometheus": "prometheus_client",
}


def marks_of(block: Block) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.real_model] if "LocalServer(" in block.code else []
    for module, package in NEEDED.items():
        if module in block.code and find_spec(package) is None:
            marks.append(pytest.mark.skip(f"{package} is not installed"))
    return marks


def params(language: str) -> list[Any]:
    return [
        pytest.param(
            block,
            id=block.id,
            marks=marks_of(block),
        )
        for block in BLOCKS
        if block.language == language
    ]


@pytest.fixture
def server(fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The server that the environment names, and no waiting between tries."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setattr("random.random", lambda: 0.0)  # full jitter: 0 is its shortest wait
    return fake_server


@pytest.fixture(autouse=True)
def _metrics_of_a_program_of_its_own() -> Iterator[None]:
    """prometheus-client's registry takes rawllm's metrics once a process."""
    yield
    client = sys.modules.get("prometheus_client")
    if client is None:
        return
    for collector, names in list(client.REGISTRY._collector_to_names.items()):
        if any(name.startswith("rawllm_") for name in names):
            client.REGISTRY.unregister(collector)


def run(block: Block, server: FakeServer) -> dict[str, Any]:
    """Run the block as a program of its own; its names at the end."""
    exec(block.script, {"server": server})
    code = compile(
        "\n" * block.line + block.code.replace(ADDRESS, server.url),
        str(ROOT / block.page),
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    names: dict[str, Any] = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:

        async def main() -> None:
            await eval(code, names)

        asyncio.run(main())
    else:
        exec(code, names)
    return names


@pytest.mark.parametrize("block", params("python"))
def test_a_python_block_runs_and_prints_what_the_page_says(
    block: Block,
    server: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "def test_" in block.code:
        run_as_tests(block, tmp_path)
        return
    monkeypatch.chdir(tmp_path)  # a block may write files
    if "LocalServer(" in block.code:
        monkeypatch.setenv("RAWLLM_GGUF", str(real_model.gguf()))
        monkeypatch.delenv("OPENAI_BASE_URL")
    run(block, server)
    if block.output is not None:
        assert capsys.readouterr().out == block.output


def run_as_tests(block: Block, folder: Path) -> None:
    file = folder / "test_block.py"
    file.write_text(block.code, "utf-8")
    installed = any(point.name == "rawllm" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "rawllm.pytest_plugin"]
    options = "-q -W error -p no:cacheprovider -o asyncio_mode=auto"
    options += " -o asyncio_default_fixture_loop_scope=function"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), *plugin, str(file)],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = len(re.findall(r"^(?:async )?def test_", block.code, re.M))
    assert f"{expected} passed" in done.stdout


COMMANDS = [
    pytest.param(line, id=f"{block.id}: {line}")
    for block in BLOCKS
    if block.language == "bash"
    for line in block.code.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_line_is_one_that_exists(
    line: str,
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = shlex.split(line, comments=True)
    while words:
        end = next((i for i, word in enumerate(words) if word in ("&&", "|")), len(words))
        command, words = words[:end], words[end + 1 :]
        match command:
            case ["rawllm", *arguments]:
                run_command(arguments, monkeypatch)
                assert capsys.readouterr().err == ""
            case ["pip", "install", *options, what]:
                assert set(options) <= {"-e"}
                extras = what.removeprefix(".[").removesuffix("]").split(",")
                assert set(extras) <= set(known_extras())
            case ["sphinx-build", "-nW", folder, _]:
                assert (ROOT / folder / "conf.py").exists()
            case ["uvicorn", app, "--port", _] | ["curl", app, *_]:
                assert app in {"service:app", "http://127.0.0.1:8001/generate"}
            case [script] if script.startswith("."):
                assert (ROOT / script).exists()
            case _:
                assert shlex.join(command) in {
                    "python3 -m venv .venv",
                    ". .venv/bin/activate",
                    "pytest",
                    "pytest -n 2",
                    "ruff check",
                    "ruff format",
                    "mypy",
                    "echo 'Summarise: …'",
                }


def run_command(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The real command against the fake server; with the real model .ci/run does it."""
    if "--local" in arguments or arguments[0] == "serve":
        cli._parser().parse_args(arguments)
        return
    piped = SimpleNamespace(buffer=io.BytesIO(b"Summarise: \xe2\x80\xa6\n"))
    monkeypatch.setattr(sys, "stdin", piped)
    assert cli.main(arguments) == 0


def known_extras() -> list[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    return list(config["options.extras_require"])


def test_every_block_says_what_it_is() -> None:
    assert {block.language for block in BLOCKS} <= {"python", "bash", *PASSIVE}


def test_every_fence_of_a_page_was_read() -> None:
    for page in PAGES:
        fences = len(re.findall(r"^```", page.read_text("utf-8"), re.M))
        outputs = sum(block.output is not None for block in blocks_of(page))
        text_after_other = sum(
            bool(match["output"]) and match["language"] != "python"
            for match in FENCE.finditer(page.read_text("utf-8"))
        )
        assert fences == 2 * (len(blocks_of(page)) + outputs + text_after_other), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_readme_and_the_errors_page_show_the_tree_of_the_code() -> None:
    import rawllm.errors

    tree = inspect.cleandoc(rawllm.errors.__doc__ or "").partition("::\n\n")[2]
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert inspect.cleandoc(tree) in page


# ── the guide's programs do what they say ─────────────────────────────────────────────────────


def program(heading: str) -> Block:
    wanted = ("guide.md", heading, "python")
    (block,) = [b for b in BLOCKS if (b.page, b.heading, b.language) == wanted]
    return block


def last_word(request: Any) -> str:
    """ "" for the look-up of the model, which a handler leaves to the server."""
    return request.prompts[0].split()[-1] if request.generates else ""


def test_the_guides_programs_run_as_its_readers_run_them() -> None:
    script = str(ROOT / "tests" / "docs" / "run_guide.py")
    arguments = [sys.executable, script, "--latency", "0", "One call"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "echo: What is the capital of France?" in done.stdout


def test_the_guides_gather_keeps_the_order_of_the_prompts(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {"France?": 0.03, "Japan?": 0.015, "Peru?": 0.0, "": 0.0}
    server.handler = lambda r: Reply(f"<{last_word(r)}>", first_delay=slow[last_word(r)])
    names = run(program("Three prompts at once"), server)
    answers = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert answers == [f"<{prompt.split()[-1]}>" for prompt in names["PROMPTS"]]
    assert server.max_in_flight == 3


def test_the_guides_articles_go_one_by_one_and_then_all_at_once(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    beside: list[int] = []
    all_there = asyncio.Event()

    async def handler(request: Any) -> str | None:
        if not request.generates:
            return None
        beside.append(server.in_flight)
        if len(beside) == 200:
            all_there.set()
        if len(beside) > 100:
            await all_there.wait()
        return request.prompts[0].partition(": ")[2]

    server.handler = handler
    names = run(program("A hundred articles"), server)
    assert beside[:100] == [1] * 100
    assert server.max_in_flight == 100
    assert names["summaries"] == names["ARTICLES"]
    assert len(set(names["ARTICLES"])) == 100
    shown = r"one_after_another: [\d.]+ s\nall_at_once: [\d.]+ s\n"
    assert re.fullmatch(shown, capsys.readouterr().out)


def test_the_guides_batches_are_ten_at_once_and_no_more(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.handler = lambda r: Reply(last_word(r), first_delay=0.005)
    answers = run(program("Batches of ten"), server)["answers"]
    assert [answer.text for answer in answers] == [f"{n}." for n in range(100)]
    assert server.max_in_flight == 10
    assert capsys.readouterr().out.splitlines() == [f"{n} of 100" for n in range(10, 101, 10)]


def test_the_guides_map_keeps_ten_under_way_and_loses_none_to_a_failure(
    server: FakeServer,
) -> None:
    def handler(request: Any) -> Reply:
        word = last_word(request)
        return Reply(status=400) if word == "7." else Reply(word, first_delay=0.005)

    server.handler = handler
    texts = run(program("Without batches"), server)["texts"]
    assert texts.pop(7).startswith("Failed: ")
    assert texts == {n: f"{n}." for n in range(100) if n != 7}
    assert server.max_in_flight == 10


def test_the_guides_limit_lets_five_go(server: FakeServer) -> None:
    server.handler = lambda r: Reply(last_word(r), first_delay=0.005)
    texts = run(program("The client's own limit"), server)["texts"]
    assert texts == [f"{n}." for n in range(20)]
    assert server.max_in_flight == 5


def test_the_guides_semaphore_lets_five_go(server: FakeServer) -> None:
    server.handler = lambda r: Reply(last_word(r), first_delay=0.005)
    texts = run(program("At most five at once"), server)["texts"]
    assert texts == [f"{n}." for n in range(20)]
    assert server.max_in_flight == 5


def test_the_guides_retries_end_in_answers_and_in_texts_for_what_failed(
    server: FakeServer,
) -> None:
    seen: dict[str, int] = {}

    def handler(request: Any) -> Reply:
        word = last_word(request)
        seen[word] = seen.get(word, 0) + 1
        if word == "3.":  # fails once, in a way that may pass
            return Reply("three") if seen[word] == 2 else Reply(status=500)
        if word == "5.":  # empty twice
            return Reply("five") if seen[word] == 3 else Reply("")
        if word == "7.":  # empty for ever
            return Reply("")
        if word == "9.":  # refused for good
            return Reply(status=403)
        return Reply(word)

    server.handler = handler
    texts = run(program("Retries, and a text for what failed"), server)["texts"]
    prompt = "Failed: Write one sentence about the number"
    assert texts[3] == "three"
    assert texts[5] == "five"
    assert texts[7] == f"{prompt} 7. (the answer is empty)"
    assert texts[9].startswith(f"{prompt} 9. (HTTP 403: ")
    others = [n for n in range(20) if n not in (3, 5, 7, 9)]
    assert [texts[n] for n in others] == [f"{n}." for n in others]
    assert {"3.": 2, "5.": 3, "7.": 4, "9.": 1}.items() <= seen.items()


def test_the_guides_stream_is_shown_and_returned_whole(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.reply(tokens=["Once", " upon", " a", " time."])
    names = run(program("Streaming to the terminal"), server)
    assert names["story"] == "Once upon a time."
    assert capsys.readouterr().out == "Once upon a time.\n"


def test_the_guides_chain_shows_the_tokens_of_its_first_answer(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("langchain_core")
    server.handler = lambda r: Reply(tokens=["On ", last_word(r)]) if r.generates else None
    texts = run(program("A chain"), server)["texts"]
    assert texts == ["On sea.", "On rain.", "On snow."]
    assert capsys.readouterr().out == "On sea.\n"
    assert [request.json["stream"] for request in server.requests if request.generates] == [
        True
    ] * 3


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of an ASGI app under uvicorn, in a thread."""
    uvicorn = pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=serving.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            serving.should_exit = True
            thread.join()


def post(url: str, body: dict[str, Any], **headers: str) -> Any:
    headers["Content-Type"] = "application/json"
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        return json.loads(answer.read())


def test_the_guides_service_answers_and_writes_down_what_it_said(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.chdir(tmp_path)
    server.default = "Blue."
    asked = {"prompt": "Name a colour.", "max_tokens": 20}
    with served(run(program("A service"), server)["app"]) as url:
        answer = post(f"{url}/generate", asked)
        messages = [{"role": "user", "content": "Name a colour."}]
        chat = post(f"{url}/v1/chat/completions", {"messages": messages})
    assert answer["text"] == chat["choices"][0]["message"]["content"] == "Blue."
    sent = [request.arguments for request in server.requests if request.generates]
    assert [arguments.get("max_tokens") for arguments in sent] == [20, None]
    written = (tmp_path / "answers.jsonl").read_text("utf-8")
    assert json.loads(written) == {"prompt": "Name a colour.", "answer": "Blue."}


def test_the_guides_watched_service_counts_its_calls(server: FakeServer) -> None:
    for package in ("fastapi", "opentelemetry", "prometheus_client"):
        pytest.importorskip(package)
    server.default = "Blue."
    with served(run(program("The service, watched"), server)["app"]) as url:
        post(f"{url}/generate", {"prompt": "Name a colour."})
        with urlopen(f"{url}/metrics", timeout=60) as answer:
            shown = answer.read().decode()
    [calls] = re.findall(r"^rawllm_calls_total\{.*operation=\"chat\".*$", shown, re.M)
    assert calls.endswith(" 1.0")
    assert "Blue" not in shown
    assert "colour" not in shown
