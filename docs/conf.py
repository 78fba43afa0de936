"""How the documentation is built: `sphinx-build -nW docs docs/_build`.

Fetches nothing: no intersphinx, so that a build needs no network.
"""

import re

from rawllm import __version__

project = "rawllm"
project_copyright = "The rawllm founders, Apache-2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"rawllm {release}"
html_copy_source = False

myst_heading_anchors = 3

# The docstrings write `code` with single backquotes.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
# Arguments with their types: the docstrings give the meaning.
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True

# Types of other libraries, type variables and aliases: documented elsewhere, or by their name.
nitpick_ignore_regex = [
    ("py:.*", r"(metrics|prometheus_client|trace)\..*"),
    ("py:.*", r"(aiohttp|asyncio|collections|os|pathlib|ssl|ssl_module|typing)\..*"),
    ("py:.*", r"(contextlib|fastapi)\..*"),
    ("py:.*", r"(rawllm\..*\.)?(P|R|T|ApiKey|Hook|TimeoutLike|End|StreamEnd|Headers)"),
    ("py:.*", r"ChatCompletion\w+Param"),
    ("py:.*", r"(Callable|Mapping|Sequence)\[.*"),
    ("py:.*", r"(BaseTool|Runnable|LanguageModelInput|AIMessage|dict\[str).*"),
]

#: `name: what it is`, or `one, two: …`.
_ITEM = re.compile(r"(\w+(?:, \w+)*): (.*)")

#: What napoleon reads by itself.
_SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:")


def _mend(app, what, name, obj, options, lines):
    """The docstrings are written for readers of the source: fields as `name: text` lines with
    indented continuations, code as an indented block. Make bullets and literal blocks of them."""
    result = []
    section = False  # in one of napoleon's, to be left alone
    base = 0  # the indentation of fields
    item = literal = False
    for number, line in enumerate(lines):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text:
            item = False
        elif indent == 0:
            section = text in _SECTIONS
            literal = False
            base = 0
        if not text or section:
            result.append(line)
            continue
        if indent and not item and not literal and base == 0:
            if number and lines[number - 1].strip():  # "Args; the first six are …:"
                base = indent
                result.append("")
            else:
                literal = True
                result += ["::", ""]
        field = _ITEM.fullmatch(text) if indent == base and not literal else None
        if field:
            if not item and result and result[-1].strip():
                result.append("")
            result.append(f"- **{field[1]}**: {field[2]}")
            item = True
        else:
            result.append(f"  {text}" if item else line)
    if what in ("property", "attribute"):
        result[:0] = ["..", ""]  # or napoleon takes "A thing: more" for a type and a text
    lines[:] = result


#: Pages of integrations are built without what they integrate.
autodoc_mock_imports = [
    *("fastapi", "langchain_core", "opentelemetry", "prometheus_client", "pydantic"),
    *("starlette", "uvicorn"),
]


def setup(app):
    app.connect("autodoc-process-docstring", _mend, priority=400)  # before napoleon, at 500
