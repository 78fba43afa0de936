"""The guide's programs as a reader runs them, each in a process and with a server of its own.

    python tests/docs/run_guide.py                         all, on the embedded model
    python tests/docs/run_guide.py 'A hundred articles'    one of them
    python tests/docs/run_guide.py --latency 1             a fake server that takes a second instead

Judges nothing but exit codes: what the programs do is for test_examples.py to check.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from test_examples import BLOCKS, Block, post  # noqa: E402

from rawllm.local import LocalServer  # noqa: E402
from rawllm.testing import FakeServer, Reply  # noqa: E402

PROGRAMS = [block for block in BLOCKS if (block.page, block.language) == ("guide.md", "python")]

PORT = 8001


@contextmanager
def environment(latency: float | None) -> Iterator[dict[str, str]]:
    """With a server behind it."""
    if latency is None:
        with LocalServer() as model:
            yield {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": model.api_key}
    else:
        with FakeServer() as fake:
            fake.default = Reply(first_delay=latency)
            yield {"OPENAI_BASE_URL": fake.url}


def run(block: Block, folder: Path, env: dict[str, str]) -> int:
    """Its exit code."""
    (folder / "service.py").write_text(block.code, "utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    options = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": path, **env}}
    if "app = FastAPI(" not in block.code:
        return subprocess.run([sys.executable, "service.py"], check=False, **options).returncode
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(PORT)]
    with subprocess.Popen([*command, "--log-level", "error"], **options) as service:
        try:
            print(ask(service))
        finally:
            service.terminate()
    written = folder / "answers.jsonl"
    print(written.read_text("utf-8") if written.exists() else "nothing written down")
    return 0 if service.returncode in (0, -15) else service.returncode


def ask(service: subprocess.Popen[bytes]) -> object:
    """What the guide's curl asks, once the service is up."""
    while service.poll() is None:
        try:
            url = f"http://127.0.0.1:{PORT}/generate"
            return post(url, {"prompt": "Name a colour.", "max_tokens": 20})
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service has died")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("headings", nargs="*", help="of the programs; none: all")
    parser.add_argument("--latency", type=float, help="seconds; against a fake server")
    args = parser.parse_args()
    unknown = set(args.headings) - {block.heading for block in PROGRAMS}
    if unknown:
        parser.error(f"the guide has no program {sorted(unknown)[0]!r}")
    failed = []
    for block in PROGRAMS:
        if args.headings and block.heading not in args.headings:
            continue
        print(f"── {block.heading}", flush=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, environment(args.latency) as env:
            if run(block, Path(folder), env):
                failed.append(block.heading)
        print(f"   {time.perf_counter() - began:.1f} s", flush=True)
    for heading in failed:
        print(f"FAILED: {heading}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
