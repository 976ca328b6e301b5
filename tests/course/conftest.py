import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from course_of_two import made


@pytest.fixture
def project(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two notebooks, 01_first and 02_second, with a profile `quick`."""
    return made(apart, monkeypatch)


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C, also where tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
