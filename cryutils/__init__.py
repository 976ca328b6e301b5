"""Infant-cry classification, rebuilt from two papers and measured honestly.

`load` returns a corpus, and the packages do the rest. TensorFlow, scikit-learn and other slow
libraries are imported by the functions that need them.
"""

from cryutils.datasets.registry import load
from cryutils.errors import InputError

__all__ = ["InputError", "load"]
__version__ = "0.1.0"
