"""Sound: read from any file, made into features, resampled, scaled, disturbed on purpose.

The stub beside this file says what is in it; each part is imported when first touched.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
