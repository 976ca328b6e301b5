"""Sound: reading files, features, resampling, scaling and artificial disturbances.

`__init__.pyi` lists what is in it. Each part is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
