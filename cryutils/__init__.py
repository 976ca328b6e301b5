"""Infant-cry classification, rebuilt from two papers and measured honestly.

`load` gives a corpus; `audio`, `evaluation`, `models` and `plots` do the rest, each
imported when first touched, so that `import cryutils` costs little more than pandas.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from cryutils.datasets import load
from cryutils.errors import InputError

__all__ = ["InputError", "load"]
__version__ = "0.1.0"

_MODULES = ("app", "audio", "claims", "course", "evaluation", "models", "plots", "synth")


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"cryutils.{name}")
    raise AttributeError(f"module 'cryutils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
