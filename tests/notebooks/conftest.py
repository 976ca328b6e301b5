"""The notebook tool, which is a script and no module."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "notebooks.py"


@pytest.fixture(scope="session")
def tool() -> ModuleType:
    """`tools/notebooks.py`, imported."""
    spec = importlib.util.spec_from_file_location("notebooks_tool", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
