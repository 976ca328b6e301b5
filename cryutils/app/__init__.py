"""The course's widgets and the caregiver application.

`__init__.pyi` lists the public names, which are imported on first use. Within the library, only
the commands in `course` import this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
