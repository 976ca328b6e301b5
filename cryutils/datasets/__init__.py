"""Corpora: the `Corpus` class, and loading DonateACry, synthetic infants or your own folder.

`__init__.pyi` lists the public names, which are imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
