"""The caregiver application's database: users, infants, sessions, readings and corrections.

Paper B §3, step 3. `open(url)` returns a `Store` in SQLite or PostgreSQL (through SQLAlchemy). No
models are imported.
"""

from .database import StoreUnavailable
from .log import Log
from .opening import Store, open
