"""The course's widgets and the caregiver application.

The stub beside this file says what is in it; each part is imported when first touched, so a page
that only logs in or only plays a clip pays for nothing else. Of the library only the commands in
`course` import it. Notebook 01 walks `player`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
