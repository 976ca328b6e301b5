"""Large tests, which `make test` skips and `make test-all` runs."""

import os

import pytest

__all__ = ["LARGE", "large"]

LARGE = os.environ.get("CRYUTILS_TEST_LARGE") == "1"
large = pytest.mark.skipif(not LARGE, reason="large: `make test-all` runs it")
