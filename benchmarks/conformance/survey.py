"""The public names of one library: of openai-python or of rawllm, by the same walk.

Judges nothing. Runs in the Python where that library is, and imports nothing else of this
repository:

    python survey.py openai        # one JSON object on stdout
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import types
import typing
import warnings
from typing import Any

#: What a client needs to be made; nothing is sent.
GIVEN = {"api_key": "none", "base_url": "http://localhost:1/v1"}


SET = re.compile(r"self\.(\w+)(?:: [^=]+)? = ")


def public(owner: Any) -> list[str]:
    return sorted(name for name in dir(owner) if not name.startswith("_"))


def parameters(function: Any) -> list[str]:
    """Their names; "**" among them where any other name is taken too."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        "**" if one.kind is one.VAR_KEYWORD else one.name for one in found if one.name != "self"
    ]


def is_resource(value: Any, library: str) -> bool:
    home = type(value).__module__
    if library == "openai":
        return home.startswith("openai.resources.")
    return home.startswith(("rawllm.resources.", "rawllm.sync.resources", "rawllm.sync.responses"))


def methods(owner: Any, path: str, library: str, found: dict[str, list[str]]) -> None:
    """Path → parameters, of the methods of `owner` and of the resources below it; of what is
    neither, none."""
    held = set() if path else {*vars(owner), *inspect.get_annotations(type(owner))}
    for name in sorted({*public(type(owner)), *(one for one in held if one[0] != "_")}):
        if name in ("with_raw_response", "with_streaming_response"):
            found[f"{path}{name}"] = []
            continue
        there = inspect.getattr_static(type(owner), name, None)
        if not callable(there) and hasattr(there, "func"):
            try:
                value = getattr(owner, name)
            except Exception:  # a resource that needs what is not installed
                found[f"{path}{name}"] = []
                continue
            if is_resource(value, library):
                methods(value, f"{path}{name}.", library, found)
                continue
        member = getattr(type(owner), name, None)
        found[f"{path}{name}"] = parameters(member) if callable(member) else []


def type_names(library: str) -> dict[str, list[str]]:
    """Module below `types`, or "" for itself → its names."""
    root = importlib.import_module(f"{library}.types")
    found = {}
    for module in (
        root,
        *(
            importlib.import_module(info.name)
            for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
        ),
    ):
        names = list(getattr(module, "__all__", ()))
        if not names or library == "openai":
            # Of a package all names, of a module those of its own: aliases are not in __all__.
            own = f"{library}.types"
            names += [
                name
                for name, value in vars(module).items()
                if name[0].isupper()
                and name not in names
                and (
                    getattr(value, "__module__", "").startswith(own)
                    or (not hasattr(value, "__module__") or typing.get_origin(value) is not None)
                )
                and (hasattr(module, "__path__") or getattr(value, "__module__", own) == own)
            ]
        found[module.__name__.removeprefix(f"{library}.types").removeprefix(".")] = names
    return found


def errors(library: Any) -> dict[str, list[str]]:
    """Name → the attributes that its instances have: declared, or set when they are made."""
    found = {}
    for name in public(library):
        value = getattr(library, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            declared = set()
            for cls in value.__mro__:
                if cls.__module__.startswith(library.__name__):
                    declared |= {*inspect.get_annotations(cls), *vars(cls)}
                    if "__init__" in vars(cls):
                        declared |= set(SET.findall(inspect.getsource(cls.__init__)))
            found[name] = sorted(one for one in declared if not one.startswith("_"))
    return found


def main(name: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    library = importlib.import_module(name)
    top = [
        one for one in public(library) if not isinstance(getattr(library, one), types.ModuleType)
    ]
    found: dict[str, Any] = {
        "version": f"{name} {library.__version__}",
        "top": top,
        "errors": errors(library),
        "types": type_names(name),
        "clients": {},
    }
    for client in ("AsyncOpenAI", "OpenAI"):
        made = getattr(library, client)(**GIVEN)
        reached: dict[str, list[str]] = {"(constructor)": parameters(type(made))}
        methods(made, "", name, reached)
        found["clients"][client] = reached
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
