"""The harness of `benchmarks/`: that what it measures is the right number of right answers.

Asserts no figure: those are on the page, and `benchmarks/gate.py` holds them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlsplit

import pytest

from benchmarks import __main__ as command
from benchmarks import gate
from benchmarks.peers import limiter, measure, scale, targets
from benchmarks.peers.causes import CAUSES
from benchmarks.peers.chart import bars
from benchmarks.peers.clients import CLIENTS
from benchmarks.peers.environments import PEERS, ROOT, Environment, child
from benchmarks.peers.measure import median_ratio
from benchmarks.peers.page import charts, page
from benchmarks.peers.processes import Failure, Server, Worker, said
from benchmarks.peers.scenarios import COUNTED, FLIGHTS, HOLDS, LOADS

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
    assert result["peak"] > 0
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


@pytest.mark.parametrize(("asked", "made"), [(100, 80), (1, 40)])
def test_calls_that_go_on_and_on_are_sampled_at_each_tenth(server, worker, asked, made):
    url = server.url("text=600")
    result = worker.do(do="last", url=url, stream=False, concurrency=4, calls=asked, wanted=600)
    assert (result["calls"], result["right"]) == (made, made)  # whole turns of each task
    assert len(result["tenths"]) == 10
    assert all(tenth["memory"] > 0 for tenth in result["tenths"])


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
    with Worker("litellm", sys.executable) as worker:
        task = {"stream": False, "concurrency": 1, "seconds": 0, "wanted": 1}
        with pytest.raises(Failure, match="No module named 'litellm'"):
            worker.do(do="load", url="http://127.0.0.1:9/v1", **task)


def test_parsing_alone_finds_every_event():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.parse", "rawllm", "1"],
        cwd=ROOT,
        env=child(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert [*found][-2:] == ["one event, 1 MiB", "decode"]
    assert all(set(times) == {"rawllm", "plain"} for times in found.values())


def test_the_limiter_serves_its_waiters_in_turn():
    found = asyncio.run(limiter.waiters(tasks=20, times=5))
    assert found["displaced"] == 0
    assert found["rate"] > 0


def test_a_limiter_that_lets_newcomers_pass_is_found_out(monkeypatch):
    """Or the zero on the page would mean nothing."""

    def newest_first(queue, item):
        queue.insert(0, item)

    monkeypatch.setattr("rawllm.net.limiter.heapq.heappush", newest_first)
    monkeypatch.setattr("rawllm.net.limiter.heapq.heappop", lambda queue: queue.pop(0))
    assert asyncio.run(limiter.waiters(tasks=20, times=5))["displaced"] > 0


@pytest.mark.parametrize("way", limiter.WAYS)
def test_each_way_through_the_limiter_can_be_counted(way):
    command = [sys.executable, "-W", "error", "-m", "benchmarks.peers.limiter", way, "3"]
    subprocess.run(command, cwd=ROOT, env=child(), check=True)


ENVIRONMENT = Environment(sys.executable, {"rawllm": "1"}, 0)
PLAIN = {"aiohttp": ENVIRONMENT}


def ignore(text):
    pass


def test_each_load_of_each_round_is_handed_over_as_soon_as_it_is_there():
    steps = measure.loads(PLAIN, ["call, 1", "16 a write, 1"], 2, 0, ignore)
    seen = [
        {load: {name: len(found) for name, found in taken.items()} for load, taken in figures}
        for figures in (step["figures"].items() for step in steps)
    ]
    once, twice = {"aiohttp": 1}, {"aiohttp": 2}
    assert seen == [
        {"call, 1": once, "16 a write, 1": {}},
        {"call, 1": once, "16 a write, 1": once},
        {"call, 1": twice, "16 a write, 1": once},
        {"call, 1": twice, "16 a write, 1": twice},
    ]


def test_the_rounds_of_calls_in_flight_are_kept_apart():
    *_, found = scale.flights(PLAIN, (20,), 2, 0, ignore)
    assert [*found] == ["20"]
    assert [len(figures) for figures in found["20"]["aiohttp"].values()] == [2, 2]


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


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The gate with figures of its own and a record of its own."""
    monkeypatch.setattr(gate, "RECORD", tmp_path / "gate.json")
    monkeypatch.setattr(gate, "_installed", lambda: {"packages": 3})
    monkeypatch.setattr(gate, "_ratios", lambda: {"call": 0.5})
    monkeypatch.setattr(gate, "_modules", len)
    return gate.RECORD


def test_without_a_record_for_this_python_the_gate_compares_nothing_and_says_so(measured, capsys):
    assert gate.main([]) == 0
    said = capsys.readouterr().out
    assert "nothing was compared" in said
    assert said.count("not recorded") == 4
    assert not measured.exists()


def test_what_was_recorded_for_this_python_is_compared_and_other_records_are_kept(measured, capsys):
    measured.write_text('{"2.7": {"packages": 1}}')
    assert gate.main(["--record"]) == 0
    records = json.loads(measured.read_text())
    (python,) = set(records) - {"2.7"}
    assert gate.main([]) == 0
    measured.write_text(json.dumps({python: {**records[python], "packages": 2}}))
    assert gate.main([]) == 1
    assert "FAILED: packages: was 2, is 3, 50% more" in capsys.readouterr().out


def test_modules_are_counted_whatever_the_environment_imports_by_itself(tmp_path):
    code = "import json.tool"
    before = gate._modules(code)
    (tmp_path / "sitecustomize.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", f"from benchmarks import gate; print(gate._modules({code!r}))"],
        env=child(PYTHONPATH=f"{tmp_path}:{ROOT}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == before > 0


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
    "loads": {"figures": {"call, 32": FIGURES}, "server": {"call, 32": 0.123}, "failures": {}},
    "holds": {
        "1,000 calls": {"aiohttp": {"each": 17.0, "all": 50.0}, "ry": {"each": 5, "all": 9}},
        "1,000 streams": {"aiohttp": {"each": 20.0, "all": 55.0}},
    },
    "flights": {
        "10": {
            "rawllm": {"us": [90.0, 110.0, 80.0], "MB": [40.0, 41.0, 42.0]},
            "aiohttp": {"us": [100.0, 100.0, 100.0], "MB": [30.0, 31.0, 32.0]},
        }
    },
    "lasts": {
        "rawllm": {
            "calls": 1000,
            "us": [float(tenth) for tenth in range(80, 90)],
            "MB": [40.0 + tenth for tenth in range(10)],
        }
    },
    "limiter": {
        "uncontended": {"two buckets": 450.0},
        "waiters": {"rate": 9990.0, "displaced": 0, "ns": 10_000.0},
        "instructions": {"two buckets": 6_000.0},
    },
    "sizes": {"aiohttp": {"MB": 11.8, "packages": 10}},
}


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    assert median_ratio(FIGURES, "rawllm") == 0.9  # of 0.9, 1.1 and 0.5; not 200 by 200
    assert median_ratio({**FIGURES, "rawllm": [150.0]}, "rawllm") == 1.5  # in one round only
    assert median_ratio({"rawllm": [1.0]}, "rawllm") is None
    assert median_ratio(FIGURES, "rawllm", "ry") == 90.0


def test_the_page_shows_what_was_measured_and_nothing_else():
    text = page(RESULTS, "folder")
    assert "| rawllm | 200 (0.90×) |" in text
    assert "| aiohttp | 17.0 (50) | 20.0 (55) |" in text
    assert "| ry | 5.0 (9) |  |" in text
    assert "at most 12% of its core, at `call, 32`" in text
    assert "| 10 | 100 (1.00×) | 31 | 90.0 (0.90×) | 41 |" in text
    assert "| 100 | 80.0 | 40.0 |\n| 500 | 84.0 | 44.0 |\n| 1,000 | 89.0 | 49.0 |" in text
    assert "| two buckets | 450 | 6,000 |" in text
    assert "9,990.0/s, 0 of them out of turn" in text
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


def test_an_interrupted_run_keeps_what_was_measured(tmp_path, monkeypatch, capsys):
    def interrupted(asked, command):
        yield {"clients": []}
        yield RESULTS
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_measure", interrupted)
    kept = tmp_path / "results.json"
    given = ["--json", str(kept), "--parts", "sizes"]
    assert command.main(given) == 130
    assert json.loads(kept.read_text()) == RESULTS
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert f"--from {kept}" in capsys.readouterr().err
    assert command.main(["--from", str(kept)]) == 0


def test_a_part_that_fails_takes_no_other_with_it(tmp_path, monkeypatch, capsys):
    def failing(*given, **options):
        yield {"rawllm": {"call": 1.0}}
        raise Failure("first line\nit died")

    monkeypatch.setattr(command, "environment", lambda peer, cache, fresh: ENVIRONMENT)
    monkeypatch.setattr(measure, "counts", failing)
    monkeypatch.setattr(command.shutil, "which", lambda name: name)
    kept = tmp_path / "results.json"
    assert command.main(["--clients=rawllm", "--json", str(kept), "--parts=counts,sizes"]) == 1
    results = json.loads(kept.read_text())
    assert results["failures"] == {"counts": "it died"}
    assert results["sizes"] == {"rawllm": {"MB": 0.0, "packages": 1}}
    assert "FAILED: counts: it died" in capsys.readouterr().err


def test_a_command_that_fails_says_why():
    with pytest.raises(Failure, match="ZeroDivisionError: division by zero"):
        said([sys.executable, "-c", "1/0"])


def test_the_command_measures_each_part_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "environment", lambda peer, cache, fresh: ENVIRONMENT)
    kept = tmp_path / "results.json"
    parts = ["loads", "holds", "flights", "lasts", "limiter", "sizes"]
    given = ["--short", "--clients=rawllm", "--loads=call, 32", "--seconds=0.001"]
    given += [f"--parts={','.join(parts)}", "--flight=40", "--calls=320", f"--json={kept}"]
    assert command.main(given) == 0
    results = json.loads(kept.read_text())
    assert [*results] == ["run", "clients", "versions", *parts]
    assert [*results["flights"]] == ["1", "40"]
    assert [*results["holds"]] == ["40 calls", "40 streams"]
    assert results["lasts"]["rawllm"]["calls"] == 320
    assert results["limiter"]["waiters"]["displaced"] == 0
    assert "instructions" not in results["limiter"]  # which would take valgrind


def test_every_part_has_its_steps_and_nothing_is_measured_before_it_is_asked_for():
    asked = command._parser().parse_args([])
    assert tuple(command._steps(asked, {}, ignore)) == command.PARTS


def test_no_more_calls_are_held_than_the_machine_has_files_and_ports_for(monkeypatch):
    said = []
    monkeypatch.setattr(scale, "room", lambda: 500)
    monkeypatch.setattr(scale, "holds", lambda environments, numbers, most, say: numbers)
    monkeypatch.setattr(scale, "flights", lambda environments, numbers, *rest: numbers)
    asked = command._parser().parse_args([])
    steps = command._steps(asked, {}, said.append)
    assert "no more than 500 calls" in said[0]
    assert (steps["holds"], steps["flights"]) == ([500], [1, 100, 500])


def full():
    """Figures for everything that a whole run measures, all of them good ones."""
    loads = {load: {name: [10.0] for name in CLIENTS} for load in LOADS}
    for figures in loads.values():
        figures.update({"rawllm": [1.0], "rawllm+hooks": [1.0]})
        figures["openai"] = figures["openai[aiohttp]"] = [100.0]
    parsed = ("64 KB a piece", "one event a piece", "64 bytes a piece")
    each = {"rawllm": 1.0, "plain": 1.0}
    lines = (*measure._IMPORTS, *CLIENTS)
    imported = {"ms": [1.0], "modules": [1.0], "MB": [1.0], "aiohttp": [0.0]}
    return {
        "loads": {"figures": loads},
        "counts": {"rawllm": {task["name"]: 1.0 for task in COUNTED}},
        "holds": {
            f"{number:,} {what}": {"rawllm": {"each": 1.0, "all": 1.0}}
            for number in HOLDS
            for what in ("calls", "streams")
        },
        "flights": {
            f"{number:,}": {name: {"us": [1.0], "MB": [1.0]} for name in scale.BOTH}
            for number in FLIGHTS
        },
        "lasts": {"rawllm": {"us": [1.0] * 10, "MB": [1.0] * 10}},
        "limiter": {
            "uncontended": dict.fromkeys(limiter.WAYS, 100.0),
            "waiters": {"rate": 10_000.0, "displaced": 0},
        },
        "imports": dict.fromkeys(lines, imported),
        "sizes": {"rawllm": {"MB": 1.0, "packages": 1}},
        "parses": {
            "rawllm": {
                **{f"parse, {name}": each for name in parsed},
                "one event, 1 MiB": each,
                "one event, 16 MiB": each,
            }
        },
    }


@pytest.mark.parametrize("target", targets.TARGETS, ids=lambda target: target.what)
def test_a_target_finds_its_figure_in_a_whole_run(target):
    met = "met, and the stretch" if target.must is not None and target.stretch is not None else ""
    assert target.verdict(full()) == (met or ("stretch met" if target.must is None else "met"))
    assert target.verdict({}) == "not measured"


@pytest.mark.parametrize(
    ("figure", "must", "stretch", "least", "verdict"),
    [
        (0.90, 1.0, 0.95, False, "met, and the stretch"),
        (0.97, 1.0, 0.95, False, "met"),
        (1.004, 1.0, 0.95, False, "met"),  # it reads 1.00
        (1.006, 1.0, 0.95, False, "**missed**"),
        (0.97, None, 0.95, False, "stretch missed"),
        (0.97, 1.0, None, False, "met"),
        (16.0, 15.0, 18.0, True, "met"),
        (14.0, 15.0, 18.0, True, "**missed**"),
        (19.0, 15.0, 18.0, True, "met, and the stretch"),
        (0.0, 0.0, None, False, "met"),
    ],
)
def test_a_target_is_met_or_missed(figure, must, stretch, least, verdict):
    target = targets.Target("it", must, stretch, lambda results: figure, least=least)
    assert target.verdict({}) == verdict


def test_a_miss_is_named_with_its_cause_or_as_one_without(monkeypatch):
    results = full()
    results["sizes"]["rawllm"] = {"MB": 14.0, "packages": 14}
    monkeypatch.setattr(targets, "CAUSES", {"installed": "It is large.", "call": "not missed"})
    assert targets.misses(results) == ["installed", "installed packages"]
    assert targets.unexplained(results) == ["installed packages"]
    text = targets.section(results)
    assert "| installed | ≤ 13.0 MB |  | 14.0 MB | **missed** |" in text
    assert "- **installed**: It is large.\n" in text
    assert "- **installed packages**: no cause is recorded.\n" in text
    assert "not missed" not in text


def test_every_cause_is_that_of_a_target():
    assert set(CAUSES) <= {target.what for target in targets.TARGETS}


def test_the_page_names_no_folder_of_this_machine():
    given = ["--short", "--cache", "/home/me", "--json=/home/me/x.json", "--write", "/home/me/b.md"]
    assert command._command(given) == "python -m benchmarks --short"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clients", "aiohtp"], "no 'aiohtp' among: rawllm; "),
        (["--loads", "call, 1; call, 3"], "no 'call, 3' among: call, 1; "),
        (["--write", "nowhere/benchmarks.md"], "there is no folder nowhere"),
        (["--flight", "0"], "not above zero"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_measured(arguments, said, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert said in capsys.readouterr().err
