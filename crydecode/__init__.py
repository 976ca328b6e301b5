"""The caregiver application of Paper B: store, login, pages and server (extra `app`).

It imports `cryutils`; only the command `cryutils serve` and its relatives import it.
"""
