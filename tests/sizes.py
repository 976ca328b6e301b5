"""How much is tried: what every change must pass, or all of it, as `make test-anywhere` does."""

from __future__ import annotations

import os

import pytest

__all__ = ["LARGE", "large"]

LARGE = os.environ.get("CRYUTILS_TEST_LARGE") == "1"
large = pytest.mark.skipif(not LARGE, reason="large: `make test-anywhere` runs it")
