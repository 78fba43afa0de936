"""A slow reading of WHATWG HTML §9.2.6, in its order and words, to compare the fast parser with.

Takes the whole stream at once, decodes first, and looks at one character at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: (event, data, id)
Triple = tuple[str, str, str]


@dataclass
class Reading:
    events: list[Triple] = field(default_factory=list)
    last_event_id: str = ""
    retry: int | None = None
    #: Beyond WHATWG: the block that the end of the file cut off, where it has data.
    pending: Triple | None = None
    #: Beyond WHATWG: the last `error` field.
    error: str | None = None


def read(stream: bytes) -> Reading:
    # "UTF-8 decode": strips one leading byte order mark, replaces what is not UTF-8.
    text = stream.decode("utf-8", "replace")
    if text.startswith("\ufeff"):
        text = text[1:]
    lines, incomplete = _lines(text)

    reading = Reading()
    data = event_type = ""
    event_id = ""
    for number, line in enumerate([*lines, incomplete]):
        at_the_end = number == len(lines)
        if line == "":
            if at_the_end:
                break
            reading.last_event_id = event_id
            if data != "":
                reading.events.append(_event(data, event_type, event_id))
            data = event_type = ""
            continue
        if line[0] == ":":
            continue
        name, value = line, ""
        if ":" in line:
            colon = line.index(":")
            name, value = line[:colon], line[colon + 1 :]
            if value[:1] == " ":
                value = value[1:]
        if name == "event":
            event_type = value
        elif name == "data":
            data = data + value + "\n"
        elif name == "id":
            if "\0" not in value:
                event_id = value
        elif name == "retry":
            digits = value != "" and all(c in "0123456789" for c in value)
            if digits and not at_the_end and len(value) <= 640:
                reading.retry = int(value)
        elif name == "error":
            reading.error = value
    if data != "":
        reading.pending = _event(data, event_type, event_id)
    return reading


def _event(data: str, event_type: str, event_id: str) -> Triple:
    assert data.endswith("\n")
    return (event_type or "message", data[:-1], event_id)


def _lines(text: str) -> tuple[list[str], str]:
    """The lines that have an end (CR LF, LF or CR), and what follows the last of them."""
    lines = []
    line = ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\r":
            if text[position : position + 1] == "\n":
                position += 1
            lines.append(line)
            line = ""
        elif character == "\n":
            lines.append(line)
            line = ""
        else:
            line += character
    return lines, line
