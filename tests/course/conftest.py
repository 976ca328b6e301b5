from __future__ import annotations

from pathlib import Path

import pytest
from course_of_two import made


@pytest.fixture
def project(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two notebooks, 01_first and 02_second, with a profile `quick`."""
    return made(apart, monkeypatch)
