"""A Python type, or a JSON schema → the schema that a server is asked to follow, and the answer's
text → a value of the type.

Imports no pydantic: a class with `model_json_schema` and `model_validate_json` is one of its
models, wherever it stands in a type. Everything else is what msgspec takes: Structs, dataclasses,
TypedDicts, NamedTuples, lists, unions, Literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from ..errors import ConfigurationError
from .conform import problem_of, resolved
from .jsontext import json_in
from .loose import loads

__all__ = ["Form", "Unfit", "convert", "form_of", "schemas_of", "strict"]

#: The only property of the object that stands around a type whose JSON is no object: servers that
#: enforce a schema want an object at its root.
VALUE = "value"

_REF = "#/$defs/"

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


class Unfit(ValueError):
    """Text that cannot be read as the type; says what is wrong, and where in it."""


class Form:
    """What a typed answer must look like.

    name: str, under which the schema is sent. schema: dict, the JSON schema that is sent.
    response_format: dict, the request's argument of that name.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._wrapped = False
        if isinstance(kind, dict):
            self.name = _name(kind.get("title"))
            self.schema = strict(kind)
            _check_schema(self.schema)
        else:
            self.name = _name(getattr(kind, "__name__", None))
            [found], defs = schemas_of([kind])
            if isinstance(found.get("$ref"), str):
                found = {**defs[found["$ref"].removeprefix(_REF)], **found}
                del found["$ref"]
            if found.get("type") != "object":
                found = {"type": "object", "properties": {VALUE: found}}
                self._wrapped = True
            self.schema = strict(_with_defs(found, defs), all_required=True)
        self.response_format: dict[str, Any] = {
            "type": "json_schema",
            "json_schema": {
                "name": self.name,
                "schema": self.schema,
                "strict": is_strict(self.schema),
            },
        }

    def read(self, text: str) -> Any:
        """The value that an answer's text holds, around which there may be a fence, reasoning or
        prose. Raises Unfit."""
        document = json_in(text)
        if isinstance(self._kind, dict):
            value = _loads(document)
            if (problem := problem_of(value, self.schema)) is not None:
                raise Unfit(problem)
            return value
        if _is_model(self._kind):
            try:
                return self._kind.model_validate_json(document)
            except ValueError as error:  # pydantic's are
                raise Unfit(str(error)) from error
        value = _loads(document)
        # A server that takes no schema may give what was meant, without the object around it.
        if self._wrapped and isinstance(value, dict) and value.keys() == {VALUE}:
            value = value[VALUE]
        return convert(value, self._kind)

    def follows(self, text: str) -> bool:
        """Whether an answer has the shape of the schema. A server that enforces it never sends one
        that has not."""
        try:
            return problem_of(_loads(json_in(text)), self.schema) is None
        except Unfit:
            return False

    def part(self, value: Any) -> Any:
        """What of a half-read document is the answer's."""
        return value.get(VALUE) if self._wrapped and isinstance(value, dict) else value


def form_of(kind: Any) -> Form:
    """Raises ConfigurationError where `kind` is neither a type that JSON can be read as nor a JSON
    schema."""
    try:
        return _known(kind)
    except TypeError:  # not hashable: a schema
        return Form(kind)


@lru_cache(maxsize=64)
def _known(kind: Any) -> Form:
    return Form(kind)


def schemas_of(kinds: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(the JSON schema of each, the definitions that they refer to), not yet strict."""
    try:
        found, defs = msgspec.json.schema_components(
            kinds, schema_hook=_model_schema, ref_template=_REF + "{name}"
        )
    except (TypeError, NameError, NotImplementedError) as error:
        raise ConfigurationError(
            "a typed answer or argument is a msgspec Struct, dataclass, TypedDict, NamedTuple, "
            "pydantic model, a list, dict, union or Literal of such, or a plain JSON type; "
            + str(error).splitlines()[-1].strip()
        ) from None
    schemas = [dict(schema) for schema in found]
    hoisted = dict(defs)
    for schema in [*schemas, *defs.values()]:
        _hoist(schema, hoisted)
    return schemas, hoisted


def _hoist(schema: Any, into: dict[str, Any]) -> None:
    """pydantic puts definitions into each model's own schema; the references mean the root's."""
    if isinstance(schema, dict):
        into.update(schema.pop("$defs", {}))
    for item in _children(schema):
        _hoist(item, into)


def _children(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        yield from schema.values()
    elif isinstance(schema, list):
        yield from schema


def _with_defs(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Only those that are needed: the root's own, inlined, mostly is not."""
    needed: dict[str, Any] = {}
    waiting: list[Any] = [schema]
    while waiting:
        item = waiting.pop()
        waiting.extend(_children(item))
        if isinstance(item, dict) and isinstance(ref := item.get("$ref"), str):
            name = ref.removeprefix(_REF)
            if name in defs and name not in needed:
                needed[name] = defs[name]
                waiting.append(defs[name])
    return {**schema, "$defs": needed} if needed else schema


def strict(schema: dict[str, Any], *, all_required: bool = False) -> dict[str, Any]:
    """A copy as OpenAI's strict mode wants it: `additionalProperties: false` on every object that
    names its properties, every property required, a type beside every enum, no defaults, and
    nothing beside a `$ref`.

    all_required: also what the schema says is optional; else only where it says nothing.
    """
    root = schema

    def walk(part: Any, inside: tuple[str, ...] = ()) -> Any:
        if isinstance(part, list):
            return [walk(item, inside) for item in part]
        if not isinstance(part, dict):
            return part
        ref = part.get("$ref")
        if isinstance(ref, str):
            beside = {name: item for name, item in part.items() if name != "$ref"}
            if not beside or ref in inside:  # it refers to itself: inlined, it would never end
                return {"$ref": ref}
            return walk({**_meant(root, ref), **beside}, (*inside, ref))
        done: dict[str, Any] = {}
        for name, value in part.items():
            if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
                done[name] = {key: walk(item, inside) for key, item in value.items()}
            elif name in ("enum", "const", "examples"):
                done[name] = value  # values, in which nothing is a schema
            elif name not in ("default", "discriminator"):
                done[name] = walk(value, inside)
        values = [done["const"]] if "const" in done else done.get("enum")
        if values and "type" not in done:
            kinds = sorted({_JSON_TYPES.get(type(value), "object") for value in values})
            done["type"] = kinds[0] if len(kinds) == 1 else kinds
        if isinstance(done.get("properties"), dict):
            done.setdefault("additionalProperties", False)
            if all_required or "required" not in done:
                done["required"] = list(done["properties"])
        return done

    found: dict[str, Any] = walk(schema)
    return found


def _meant(root: dict[str, Any], ref: str) -> dict[str, Any]:
    found = resolved(root, ref)
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(f"the schema refers to {ref!r}, which it does not hold")
    return found


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode would take it: an object of any properties is none of its."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            if schema.get("additionalProperties") is not False:
                return False
            if set(schema.get("required", ())) != set(properties):
                return False
        elif schema.get("type") == "object":
            return False
        return all(is_strict(item) for item in _children({**schema, "enum": None, "const": None}))
    return not isinstance(schema, list) or all(is_strict(item) for item in schema)


def convert(value: Any, kind: Any) -> Any:
    """A JSON value as `kind`; text that reads as the number or truth value wanted passes too.
    Raises Unfit."""
    try:
        return msgspec.convert(value, kind, str_keys=True, dec_hook=_model)
    except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
        try:
            return msgspec.convert(value, kind, strict=False, str_keys=True, dec_hook=_model)
        except (ValueError, RecursionError):
            raise Unfit(str(error)) from error


def _loads(document: str) -> Any:
    try:
        return loads(document.encode("utf-8", "surrogatepass"))
    except ValueError:
        raise Unfit("it is no JSON" if document else "it is empty") from None


def _is_model(kind: Any) -> bool:
    return hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate_json")


def _model_schema(kind: Any) -> dict[str, Any]:
    if _is_model(kind):
        found: dict[str, Any] = kind.model_json_schema()
        return found
    raise NotImplementedError(f"{kind!r} is none of these")


def _model(kind: Any, value: Any) -> Any:
    return kind.model_validate_json(msgspec.json.encode(value))


def _name(given: Any) -> str:
    """As OpenAI's API takes names."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", str(given or ""))[:64] or "answer"


def _check_schema(schema: dict[str, Any]) -> None:
    if "json_schema" in schema or schema.get("type") in ("json_schema", "json_object"):
        raise ConfigurationError(
            "response_type= takes the JSON schema alone; a whole response_format goes into "
            "response_format="
        )
    if schema.get("type") != "object":
        raise ConfigurationError(
            "a schema for an answer must have 'type': 'object' at its root: servers refuse others"
        )
