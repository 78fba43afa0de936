"""A Python function → how a model is told of it, and the model's arguments → the function's.

Calls nothing: tools.py does.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import ConfigurationError
from .loose import loads
from .schema import Unfit, convert, is_strict, schemas_of, strict

__all__ = ["Signature", "result_text"]

_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

#: `Args:` and its kin in Google's style, up to the next section; `:param name:` in Sphinx's.
_SECTION = re.compile(r"^(?:Args|Arguments|Parameters):\s*\n((?:[ \t]+.*\n?|\s*\n)*)", re.M)
_OTHERS = re.compile(r"^(?:Returns?|Raises|Yields|Examples?):|^:(?:param|returns?|raises)\b", re.M)
_GOOGLE = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_SPHINX = re.compile(r"^:param\s+(?:[^:]*\s)?(\w+):\s*(.*(?:\n[ \t]+.*)*)", re.M)


class Signature:
    """What a model must know of a function.

    name: str. param: dict, the element of the request's `tools`.

    Raises ConfigurationError where a parameter has no annotation, or one that JSON cannot be.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = _name(function)
        where = f"the tool {self.name}()"
        parameters = _parameters(function, where)
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise ConfigurationError(f"an annotation of {where} is not defined: {error}") from None
        missing = [name for name in parameters if name not in hints]
        if missing:
            raise ConfigurationError(
                f"the parameter {missing[0]!r} of {where} needs an annotation: the model is told "
                "what to give"
            )
        self._kinds = {name: hints[name] for name in parameters}
        self._required = [
            name for name, given in parameters.items() if given.default is inspect.Parameter.empty
        ]
        description, described = _documented(inspect.getdoc(function) or "")
        schema = self._schema(described)
        told: dict[str, Any] = {"name": self.name, "parameters": schema}
        if description:
            told["description"] = description
        if is_strict(schema):
            told["strict"] = True
        self.param: dict[str, Any] = {"type": "function", "function": told}

    def _schema(self, described: dict[str, str]) -> dict[str, Any]:
        schemas, defs = schemas_of(list(self._kinds.values()))
        properties = {}
        for name, schema in zip(self._kinds, schemas, strict=True):
            if name in described and "description" not in schema:
                schema["description"] = described[name]
            properties[name] = schema
        whole = {
            "type": "object",
            "properties": properties,
            "required": self._required,  # what has a default may be left out
            "additionalProperties": False,
        }
        return strict({**whole, "$defs": defs} if defs else whole)

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote (JSON), each as its annotation says. Raises Unfit."""
        try:
            given = loads(text.encode("utf-8", "surrogatepass")) if text.strip() else {}
        except ValueError:
            raise Unfit("the arguments are no JSON") from None
        if not isinstance(given, dict):
            raise Unfit("the arguments are no JSON object")
        unknown = given.keys() - self._kinds.keys()
        if unknown:
            raise Unfit(f"there is no parameter {sorted(unknown)[0]!r}")
        for name in self._required:
            if name not in given:
                raise Unfit(f"the argument {name!r} is missing")
        found = {}
        for name, value in given.items():
            try:
                found[name] = convert(value, self._kinds[name])
            except Unfit as unfit:
                raise Unfit(f"the argument {name!r}: {unfit}") from unfit
        return found


def _name(function: Any) -> str:
    name = getattr(function, "__name__", None)
    if not callable(function) or isinstance(function, type) or not isinstance(name, str):
        raise ConfigurationError(
            f"a tool is a function or a dict as the API takes it, not {type(function).__name__}"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ConfigurationError(
            f"a tool's name has 1 to 64 letters, digits, _ and -: {name!r} is no such name"
        )
    return name


def _parameters(function: Any, where: str) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(function).parameters)
    for given in found.values():
        if given.kind not in _PLAIN:
            raise ConfigurationError(
                f"{where} takes {str(given).split(':')[0]!r}: a model can only be told of "
                "parameters with names"
            )
    return found


def _documented(doc: str) -> tuple[str, dict[str, str]]:
    """(what stands before the first section, parameter → its words)."""
    described = {name: " ".join(text.split()) for name, text in _SPHINX.findall(doc)}
    section = _SECTION.search(doc)
    if section is not None:
        indent, name = None, ""
        for line in section[1].splitlines():
            match = _GOOGLE.match(line)
            if match and (indent is None or len(match[1]) <= indent):
                indent, name = len(match[1]), match[2]
                described[name] = match[3].strip()
            elif name:
                described[name] = f"{described[name]} {line.strip()}".strip()
    ends = [match.start() for match in (section, _OTHERS.search(doc)) if match is not None]
    return doc[: min(ends, default=len(doc))].strip(), described


def result_text(value: Any) -> str:
    """What a function gave, as a model reads it: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else str(value)
