"""What the tests of several studies share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from graphs import without_graphs


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache for one module, whose networks are trained too briefly for graphs to pay."""
    with pytest.MonkeyPatch.context() as patch, without_graphs():
        patch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
