import importlib
import subprocess
import sys

import pytest

PACKAGE = "rawllm.integrations.langchain"


def test_without_langchain_core_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rawllm\[langchain\]'") as caught:
        importlib.import_module(PACKAGE)
    assert caught.value.name == "langchain_core"


def test_nothing_else_of_ours_loads_langchain():
    code = "import sys, rawllm, rawllm.integrations; rawllm.Client; rawllm.SyncClient; "
    code += "sys.exit(any(name.split('.')[0] == 'langchain_core' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
