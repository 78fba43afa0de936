"""Who may import whom, read from the sources: nothing is run."""

import ast
import functools
import sys
from pathlib import Path

import pytest

import rawllm

ROOT = Path(rawllm.__file__).parent
SOURCES = {
    ".".join(("rawllm", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(ROOT.rglob("*.py"))
}

#: From the top down. A module imports from its own layer and from those below.
LAYERS = (
    ("rawllm.__main__", "rawllm.pytest_plugin", "rawllm.cli", "rawllm.integrations"),
    ("rawllm.bench", "rawllm.batch", "rawllm.journal"),
    ("rawllm.sync",),
    ("rawllm.client", "rawllm.local"),
    ("rawllm.resources",),
    (
        "rawllm.stream",
        "rawllm.mapping",
        "rawllm.pagination",
        "rawllm.requester",
        "rawllm.settings",
        "rawllm.tools",
        "rawllm.types",
    ),
    ("rawllm.net",),
    ("rawllm.sansio",),
    (
        "rawllm.arguments",
        "rawllm.content",
        "rawllm.errors",
        "rawllm.options",
        "rawllm.hooks",
        "rawllm._version",
    ),
)

#: These stand beside the layers: the lazy names of all of them, and a server that knows none.
BESIDE = {"rawllm", "rawllm.testing"}


def layer(module):
    for height, members in enumerate(reversed(LAYERS)):
        if any(module == member or module.startswith(f"{member}.") for member in members):
            return height
    raise AssertionError(f"{module} belongs to no layer: give it one in {__file__}")


@functools.cache
def parsed(module):
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def imports(module, *, types=False):
    """The modules it imports, wherever in the file: (name, line). `types`: also those that only a
    type checker imports."""
    tree = parsed(module)
    is_package = SOURCES[module].name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    found = []
    skipped = set()
    for node in ast.walk(tree):
        if not types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped.update(id(inner) for part in node.body for inner in ast.walk(part))
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            found += [(name if name in SOURCES else base, node.lineno) for name in names]
    return found


def importers(*packages, types=False):
    return {
        module
        for module in SOURCES
        for name, _ in imports(module, types=types)
        if name.split(".")[0] in packages
    }


def beside(module):
    return module in BESIDE or module.startswith("rawllm.testing.")


@pytest.mark.parametrize("module", [name for name in SOURCES if not beside(name)])
def test_imports_point_downward(module):
    upward = [
        f"{name} in line {line}"
        for name, line in imports(module)
        if name.startswith("rawllm") and not beside(name) and layer(name) > layer(module)
    ]
    assert upward == []


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("rawllm.testing")])
def test_the_fake_server_needs_nothing_else_of_ours(module):
    ours = {name for name, _ in imports(module) if name.startswith("rawllm")}
    assert all(name.startswith("rawllm.testing") for name in ours)


def test_only_the_pytest_plugin_imports_the_fake_server():
    users = {
        module
        for module in SOURCES
        if not beside(module)
        and any(beside(name) and name != "rawllm" for name, _ in imports(module))
    }
    assert users == {"rawllm.pytest_plugin"}


PURE = [name for name in SOURCES if name.startswith("rawllm.sansio") or name == "rawllm.errors"]
IMPURE = {
    *("aiohttp", "asyncio", "backoff", "contextvars", "io", "logging", "multiprocessing"),
    *("os", "pathlib", "queue", "random", "secrets", "select", "signal", "socket", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "weakref", "yarl"),
}


@pytest.mark.parametrize("module", PURE)
def test_what_decides_touches_neither_clock_nor_network_nor_files(module):
    roots = {name.split(".")[0] for name, _ in imports(module, types=True)}
    assert roots & IMPURE == set()
    calls = {
        ast.unparse(node.func) for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)
    }
    assert calls & {"open", "input", "print", "exec", "eval"} == set()
    assert not [call for call in calls if call.endswith((".now", ".utcnow", ".today"))]


def test_only_net_imports_aiohttp_and_yarl():
    users = importers("aiohttp", "yarl", "multidict")
    assert users
    assert all(module.startswith("rawllm.net.") for module in users)


def test_backoff_is_imported_in_one_file():
    assert importers("backoff", types=True) == {"rawllm.net.retrying"}


def test_errors_imports_nothing_of_ours():
    assert not [name for name, _ in imports("rawllm.errors") if name.startswith("rawllm")]


def test_only_the_standard_library_and_three_packages_are_needed():
    allowed = {*sys.stdlib_module_names, "rawllm", "aiohttp", "multidict", "yarl"}
    allowed |= {"backoff", "msgspec"}
    extras = {
        "fastapi": ("rawllm.integrations.fastapi",),
        "langchain_core": ("rawllm.integrations.langchain",),
        "opentelemetry": ("rawllm.integrations.fastapi", "rawllm.integrations.otel"),
        "prometheus_client": ("rawllm.integrations.prometheus",),
        "pydantic": ("rawllm.integrations.fastapi", "rawllm.integrations.langchain"),
        "pytest": ("rawllm.pytest_plugin",),
        "starlette": ("rawllm.integrations.fastapi",),
        "typing_extensions": ("rawllm.types.dicts.typed_dict",),
        "uvicorn": ("rawllm.integrations.fastapi",),
        "xllamacpp": ("rawllm.local",),
    }
    for module in SOURCES:
        for name, line in imports(module, types=True):
            root = name.split(".")[0]
            homes = extras.get(root, ())
            assert root in allowed or module.startswith(homes), f"{module}:{line} {root}"


@pytest.mark.parametrize("module", SOURCES)
def test_only_the_commands_print(module):
    if module.startswith("rawllm.cli") or module == "rawllm.__main__":
        return
    printing = [
        node.lineno
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert printing == []
