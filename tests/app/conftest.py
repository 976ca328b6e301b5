"""What tests of stores share, wherever they are."""

from __future__ import annotations

import pytest


@pytest.fixture
def fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little; how much the real ones cost is argon2's concern."""
    from argon2 import PasswordHasher

    from cryutils.app.store import accounts

    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(accounts, "HASHER", hasher)
