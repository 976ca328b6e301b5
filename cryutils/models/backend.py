"""Keras, imported when it is first needed and without TensorFlow's start-up lines: `keras`.

Walked by no notebook: importing TensorFlow takes seconds, so whatever builds, trains or
exports a network asks here, inside the function that needs it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["keras", "quiet_stderr"]


def keras() -> Any:
    """Return Keras, imported without the lines that TensorFlow's C++ writes at start-up."""
    if "keras" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with quiet_stderr():
            importlib.import_module("tensorflow")
    return importlib.import_module("keras")


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """While this is open, what the process writes to stderr is dropped, C++ code's lines too.

    Exceptions pass as always. TensorFlow's lines come before any log level is read, so the
    file descriptor itself is turned away.
    """
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
