"""Processes that die, and disks that are full, at a chosen file operation."""

import errno
import json
import os
import resource
import signal
import traceback
import warnings
from pathlib import Path

from rawllm.batch import files, journal, lines, manifest
from rawllm.batch.source import Source
from rawllm.errors import InternalServerError

#: What changes files. `mkdir` and its kin are not used.
OPERATIONS = {"open", "write", "ftruncate", "fsync", "replace", "unlink"}
DIED, FULL = 77, 3


class Proxy:
    """`os`, that calls `at(number, name, arguments)` instead of the operations that change files.
    It gives the result, having done as much of it as it likes."""

    def __init__(self, at):
        self._at = at
        self.count = 0

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in OPERATIONS:
            return real

        def operation(*args):
            self.count += 1
            return self._at(self.count, name, real, args)

        return operation


def dies(number, when):
    """Dies at that operation: "before", "mid" (half of what is to be written is) or "after"."""

    def at(count, name, real, args):
        if count != number:
            return real(*args)
        if when == "mid" and name == "write":
            real(args[0], bytes(args[1])[: len(args[1]) // 2])
        try:
            if when == "after":
                real(*args)
        finally:  # an unlink of what is not there raises
            os._exit(DIED)

    return at


def install(proxy):
    for module in (files, journal, manifest):
        module.os = proxy


def child(deed):
    """The exit status (int) of a fork that does it: 0, DIED, FULL (JournalError), 1 (a bug)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that other tests have left
        pid = os.fork()
    if not pid:
        status = 1
        try:
            deed()
            status = 0
        except journal.JournalError as error:
            status = FULL if error.errno == errno.EFBIG else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def limited(size):
    """No file of this process can grow beyond that."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


#: Text that cutters of lines fall over.
TEXTS = ["one", "zwei: \u2028 \x85 \x0b ü", 'trois 😀\r\n{"id": 1}\n', "vier " * 40, ""]


def body(custom_id):
    text = TEXTS[int(custom_id[1:]) % len(TEXTS)]
    content = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return json.dumps(content, ensure_ascii=False).encode()


def good(custom_id):
    return lines.answered(custom_id, body(custom_id), request_id="r\u2028")


def bad(custom_id):
    return lines.failed(custom_id, InternalServerError("no\u2028pe", status_code=500))


def requests(folder, count=5):
    """An input file of `count` plain prompts with the ids k0, k1, …; the path."""
    path = Path(folder) / "in.jsonl"
    rows = [{"custom_id": f"k{i}", "prompt": f"p{i}"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def opened(out, **options):
    options = {"configuration": {"model": None}, **options}
    path = Path(out).parent / "in.jsonl"
    return journal.Journal(out, Source(path).survey(), apart_from=[path], **options)


def ids(out):
    source = Source(Path(out).parent / "in.jsonl")
    return [lines.request(line, number).custom_id for number, line in source]


def work(out, *, acknowledged=lambda custom_id, fine: None, ordered=False, durability="process"):
    """A run in which k1 fails, and one that asks it again. As often as it is called it goes on
    where it was."""
    for retry in (False, True):
        with opened(out, durability=durability, retry_failed=retry) as made:
            for custom_id in ids(out)[: None if retry else 3]:
                if made.done(custom_id):
                    continue
                fails = custom_id == "k1" and not retry
                line = bad(custom_id) if fails else good(custom_id)
                made.append(custom_id, line, failed=fails)
                acknowledged(custom_id, not fails)
            made.copy_failed(Path(out).parent / "errors.jsonl")
            if retry:
                made.finish(ids(out) if ordered else None)
