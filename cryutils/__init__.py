"""Infant-cry classification, rebuilt from two papers and measured honestly.

`load` returns a corpus, and the packages do the rest. TensorFlow, scikit-learn and other slow
libraries are imported by the functions that need them.
"""

from cryutils._io.paths import ensure_writable_caches

ensure_writable_caches()  # before numba or matplotlib is imported

from cryutils.datasets.registry import load  # noqa: E402
from cryutils.errors import InputError  # noqa: E402

__all__ = ["InputError", "load"]
__version__ = "0.1.0"
