"""What the caregiver application remembers: users, infants, live sessions, readings, corrections.

Paper B §3, step 3: predictions are logged, so that an infant's days can be followed. `open(url)`
gives a `Store`, in SQLite or PostgreSQL through SQLAlchemy, or in MongoDB. It imports no model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
