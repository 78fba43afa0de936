"""Whether a JSON value has the shape that a schema asks for.

Looks at types, properties, items, enum, const and the ways to combine schemas. Checks neither
bounds nor patterns nor formats: this is here to see whether a server followed a schema at all, and
for schemas that come without a Python type.
"""

from __future__ import annotations

from typing import Any

__all__ = ["problem_of", "resolved"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def problem_of(value: Any, schema: Any, *, root: Any = None, path: str = "$") -> str | None:
    """One line that says what does not fit and where, or None."""
    if not isinstance(schema, dict):
        return f"nothing is allowed at {path}" if schema is False else None
    root = schema if root is None else root

    def inner(item: Any, part: Any, place: str) -> str | None:
        return problem_of(item, part, root=root, path=place)

    if (ref := schema.get("$ref")) is not None:
        return inner(value, resolved(root, ref), path)
    for name in ("anyOf", "oneOf"):
        if name in schema and all(inner(value, option, path) for option in schema[name]):
            return f"none of the allowed forms at {path}"
    for part in schema.get("allOf", ()):
        if problem := inner(value, part, path):
            return problem
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r:.40} is none of {schema['enum']} at {path}"
    if "const" in schema and value != schema["const"]:
        return f"{value!r:.40} is not {schema['const']!r} at {path}"
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted or []
    if names and not any(_is(value, name) for name in names):
        return f"expected {' or '.join(names)} at {path}"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                return f"{name!r} is missing at {path}"
        others = schema.get("additionalProperties", True)
        for name, item in value.items():
            if problem := inner(item, properties.get(name, others), f"{path}.{name}"):
                return problem
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        for i, item in enumerate(value):
            if problem := inner(item, first[i] if i < len(first) else rest, f"{path}[{i}]"):
                return problem
    return None


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and name == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))


def resolved(root: Any, ref: str) -> Any:
    """What a `$ref` of this document means; {}, which allows everything, where it means nothing."""
    for name in ref.removeprefix("#").split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        root = root.get(name, {}) if isinstance(root, dict) else {}
    return root
