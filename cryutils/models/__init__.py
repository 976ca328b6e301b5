"""Keras models of both papers' networks, classical baselines, and their training.

The stub `__init__.pyi` lists the modules; each is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
