"""The caregiver application of Paper B: store, login, pages and server (extra `app`).

It imports `cryutils`. Only the commands `cryutils serve`, `users` and `log` import it.
"""
