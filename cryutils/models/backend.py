"""Keras, imported when it is first needed and without TensorFlow's start-up lines: `keras`.

Walked by no notebook: importing TensorFlow takes seconds, so whatever builds, trains or
exports a network asks here, inside the function that needs it.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["keras", "quiet_stderr", "seeded"]


def keras() -> Any:
    """Return Keras, imported without the lines that TensorFlow's C++ writes at start-up.

    An operation is computed by a single thread, so that no number depends on how many cores there
    are; notebooks side by side and batches side by side use the others. The environment variable
    TF_NUM_INTRAOP_THREADS sets another number.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        # oneDNN's own pool never gives back what the largest network took.
        os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
        with quiet_stderr():
            importlib.import_module("tensorflow")
            importlib.import_module("keras")
        # A fold's network is a new one, which TensorFlow takes for a function traced again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return importlib.import_module("keras")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights, dropout, augmentation and batches from `seed`, as `set_random_seed` does.

    What Python's and NumPy's own generators draw afterwards is what they would have drawn.
    """
    python, numpy = random.getstate(), np.random.get_state()
    keras().utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """While this is open, what the process writes to stderr is dropped, C++ code's lines too.

    Exceptions pass as always. TensorFlow's lines come before any log level is read, so the
    file descriptor itself is turned away.
    """
    stderr = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
