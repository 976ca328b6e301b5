"""Infant-cry classification, rebuilt from two papers and measured honestly.

`load` returns a corpus, and the packages do the rest. Each is imported when it is first used, so
that a table can be audited without TensorFlow, PyAV and OpenCV.
"""

from importlib import import_module
from typing import Any

from cryutils.datasets.registry import load
from cryutils.errors import InputError

__all__ = ["InputError", "audio", "claims", "datasets", "evaluation", "load", "models", "plots", "video"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a package on its first use."""
    if name in __all__:
        return import_module(f"cryutils.{name}")
    raise AttributeError(f"module 'cryutils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
