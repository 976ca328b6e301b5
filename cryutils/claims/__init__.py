"""What was measured: the store of results, published figures, tables and reports.

The stub file next to this one lists the contents; each part is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
