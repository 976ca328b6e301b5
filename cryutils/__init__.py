"""Infant-cry classification, rebuilt from two papers and measured honestly.

`load` gives a corpus; the packages do the rest. Each is imported when first touched, so that a
command or a worker that needs none pays for none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cryutils._io.paths import ensure_writable_caches
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.datasets.loading import load

__all__ = ["InputError", "load"]
__version__ = "0.1.0"

_PACKAGES = (
    "app", "audio", "claims", "course", "datasets", "evaluation", "models", "papers", "plots",
    "video",
)  # fmt: skip

ensure_writable_caches()  # before numba or matplotlib is imported


def __getattr__(name: str) -> Any:
    if name == "load":
        return importlib.import_module("cryutils.datasets.loading").load
    if name in _PACKAGES:
        return importlib.import_module(f"cryutils.{name}")
    raise AttributeError(f"module 'cryutils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "load", *_PACKAGES])
