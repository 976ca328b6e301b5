"""The caregiver application's database: users, infants, sessions, readings and corrections.

Paper B §3, step 3. `open(url)` returns a `Store` in SQLite or PostgreSQL (through SQLAlchemy) or in
MongoDB. No models are imported.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
