"""Corpora: what one is, and how a folder, DonateACry or synthetic infants become one.

The stub beside this file says what is in it; each part is imported when first touched.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
