"""The harness of `benchmarks/`: that what it measures is the right number of right answers.

Asserts no figure: those are on the page, and `benchmarks/gate.py` holds them.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlsplit

import pytest

from benchmarks import __main__ as command
from benchmarks import gate
from benchmarks.peers.chart import bars
from benchmarks.peers.clients import CLIENTS
from benchmarks.peers.environments import PEERS, ROOT, child
from benchmarks.peers.measure import median_ratio
from benchmarks.peers.page import charts, page
from benchmarks.peers.processes import Failure, Server, Worker
from benchmarks.peers.scenarios import LOADS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pins processes to cores")

#: What needs nothing but rawllm's own dependencies.
HERE = ("rawllm", "rawllm+hooks", "aiohttp", "asyncio")

#: Behaviour → whether it streams, and what a call must bring.
WORK = {
    "text=600": (False, 600),
    "text=100000": (False, 100_000),
    "events=40,write=16": (True, 40),
    "events=40,write=1": (True, 40),
    "events=3,write=1,pace=1": (True, 3),
}


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module", params=HERE)
def worker(request):
    with Worker(request.param, sys.executable) as worker:
        yield worker


@pytest.mark.parametrize("behaviour", WORK)
def test_a_client_brings_the_right_number_of_right_answers(server, worker, behaviour):
    stream, wanted = WORK[behaviour]
    task = {"url": server.url(behaviour), "stream": stream, "wanted": wanted}
    result = worker.do(do="load", concurrency=5, seconds=0, **task)
    assert (result["calls"], result["right"]) == (5, 5)
    assert result["cpu"] > 0
    result = worker.do(do="count", calls=3, **task)
    assert (result["calls"], result["right"]) == (3, 3)


@pytest.mark.parametrize("behaviour", ["text=600", "events=40,write=1"])
def test_calls_are_held_in_flight_until_the_last_has_come(server, worker, behaviour):
    stream, wanted = WORK[behaviour]
    url = server.url(f"{behaviour},park=20")
    task = {"stream": stream, "wanted": wanted, "first": server.url(behaviour)}
    result = worker.do(do="hold", url=url, calls=20, **task)
    assert result["right"] == 20
    assert result["peak"] > result["before"] > 0


def test_a_parked_call_waits_for_the_last_one(server):
    address = urlsplit(server.url("text=5,park=2"))
    with (
        socket.create_connection((address.hostname, address.port)) as first,
        socket.create_connection((address.hostname, address.port)) as second,
    ):
        request = f"POST {address.path} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        first.sendall(request)
        server.cpu()  # asked later and answered, so the other request has been read
        first.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.recv(1)
        first.setblocking(True)
        second.sendall(request)
        assert first.recv(8) == second.recv(8) == b"HTTP/1.1"


def test_wrong_answers_have_no_figure(server):
    with Worker("aiohttp", sys.executable) as worker:
        task = {"concurrency": 3, "seconds": 0, "wanted": 599}
        with pytest.raises(Failure, match=r"aiohttp, http.*0 of 3 answers were right"):
            worker.do(do="load", url=server.url("text=600"), stream=False, **task)


def test_a_client_that_dies_says_why():
    with Worker("openai", sys.executable) as worker:
        task = {"stream": False, "concurrency": 1, "seconds": 0, "wanted": 1}
        with pytest.raises(Failure, match="No module named 'openai'"):
            worker.do(do="load", url="http://127.0.0.1:9/v1", **task)


def test_parsing_alone_finds_every_event():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.parse", "rawllm"],
        cwd=ROOT,
        env=child(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert [*found][-1] == "decode"
    assert all(set(times) == {"rawllm", "plain"} for times in found.values())


def test_every_peer_has_a_client_and_every_client_a_peer():
    assert set(PEERS) == set(CLIENTS)
    assert all(name == load.name for name, load in LOADS.items())


RECORDED = {"call": 1.0, "modules": 10.0}


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        ({"call": 1.05, "modules": 10}, []),
        ({"call": 0.5, "modules": 1, "more": 7.0}, []),
        ({"call": 1.06, "modules": 10}, ["call: was 1, is 1.06, 6% more"]),
        ({"call": 1.0, "modules": 11}, ["modules: was 10, is 11, 10% more"]),
        ({"modules": 10}, ["call: was 1, is not measured any more"]),
    ],
)
def test_the_gate_names_what_became_dearer(found, problems):
    assert gate.compare(RECORDED, found) == problems


def test_the_record_has_everything_that_the_gate_measures():
    records = json.loads(gate.RECORD.read_text())
    assert len({tuple(recorded) for recorded in records.values()}) == 1
    assert sum(name.startswith("instructions, ") for name in records["3.11"]) == 3


FIGURES = {"aiohttp": [100.0, 200.0, 400.0], "rawllm": [90.0, 220.0, 200.0], "ry": [1.0, 2.0, 4.0]}

RESULTS = {
    "run": {
        "date": "2026-01-01",
        "machine": "2 cores",
        "python": "3.11.7",
        "rounds": 3,
        "command": "python -m benchmarks",
    },
    "clients": [*FIGURES],
    "versions": {name: f"{name} 1" for name in FIGURES},
    "loads": {"figures": {"call, 32": FIGURES}, "server": 0.123, "failures": {}},
    "holds": {
        "1,000 calls": {"aiohttp": {"each": 17.0, "all": 50.0}, "ry": {"each": 5, "all": 9}},
        "1,000 streams": {"aiohttp": {"each": 20.0, "all": 55.0}},
    },
    "sizes": {"aiohttp": {"MB": 11.8, "packages": 10}},
}


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    assert median_ratio(FIGURES, "rawllm") == 0.9  # of 0.9, 1.1 and 0.5; not 200 by 200
    assert median_ratio({**FIGURES, "rawllm": [150.0]}, "rawllm") == 1.5  # in one round only
    assert median_ratio({"rawllm": [1.0]}, "rawllm") is None


def test_the_page_shows_what_was_measured_and_nothing_else():
    text = page(RESULTS, "folder")
    assert "| rawllm | 200 (0.90×) |" in text
    assert "| aiohttp | 17.0 (50) | 20.0 (55) |" in text
    assert "| ry | 5.0 (9) |  |" in text
    assert "more than 12% of its core" in text
    assert "![Calls](folder/calls.svg)" in text
    assert "## Instructions" not in text
    assert "## Streams" not in text
    assert set(charts(RESULTS)) == {"calls", "memory", "installed"}


def test_bars_grow_from_the_reference_to_both_sides():
    svg = bars("a < b", {"twice": 2.0, "half": 0.5, "one": 1.0}, unit="", reference="one")
    root = ElementTree.fromstring(svg)
    rects = root.findall("{*}rect")
    half, one, twice = ((float(r.get("x")), float(r.get("width"))) for r in rects)
    assert half[1] == pytest.approx(twice[1])
    assert half[0] + half[1] == pytest.approx(twice[0]) == pytest.approx(one[0])
    said = [text.text for text in root.findall("{*}text")]
    assert said == ["a < b", "half", "0.50×", "one", "1.00×", "twice", "2.00×"]


def test_bars_without_a_reference_grow_from_zero():
    root = ElementTree.fromstring(bars("t", {"a": 1.0, "b": 4.0}, unit=" MB"))
    first, second = (float(rect.get("width")) for rect in root.findall("{*}rect"))
    assert second == pytest.approx(4 * first)
    assert root.findall("{*}text")[-1].text == "4.0 MB"


def test_the_command_writes_the_page_and_its_charts_from_recorded_figures(tmp_path, capsys):
    source, target = tmp_path / "results.json", tmp_path / "benchmarks.md"
    source.write_text(json.dumps(RESULTS))
    assert command.main(["--from", str(source), "--write", str(target)]) == 0
    assert target.read_text() == page(RESULTS, "benchmarks")
    written = {path.stem for path in (tmp_path / "benchmarks").iterdir()}
    assert written == {"calls", "memory", "installed"}
    assert "## Calls" in capsys.readouterr().out


def test_the_page_names_no_folder_of_this_machine():
    given = ["--short", "--cache", "/home/me", "--json=/home/me/x.json", "--write", "/home/me/b.md"]
    assert command._command(given) == "python -m benchmarks --short"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clients", "aiohtp"], "no 'aiohtp' among: rawllm; "),
        (["--loads", "call, 1; call, 3"], "no 'call, 3' among: call, 1; "),
        (["--write", "nowhere/benchmarks.md"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_measured(arguments, said, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert said in capsys.readouterr().err
