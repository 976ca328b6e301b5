"""The cache: results come back as they were stored, or are computed again."""

import os
from pathlib import Path

import numpy as np
import pytest

from cryutils._io.cache import cached, key, ragged
from cryutils._io.parallel import identity
from cryutils.errors import InputError

ROW = np.dtype([("crop", np.uint8, (3, 3)), ("box", np.float32, 4), ("time_s", np.float64)])


pytestmark = pytest.mark.usefixtures("apart")


def test_arrays_come_back_as_they_were_and_are_computed_once() -> None:
    arrays = [np.ones(n, ROW) for n in (2, 0, 5)]

    for compute in (lambda: iter(arrays), lambda: pytest.fail("it is in the cache")):
        for ours, expected in zip(ragged(compute, "list", 1), arrays, strict=True):
            assert ours.dtype == expected.dtype
            np.testing.assert_array_equal(ours, expected)


def test_everything_that_a_result_depends_on_is_in_its_key(tmp_path: Path) -> None:
    numbers, x = iter(range(9)), np.arange(6.0)
    keys = [("a", x), ("b", x), ("a", x + 1), ("a", x.astype(np.float32)), ("a", x.reshape(2, 3))]
    assert [cached(lambda: next(numbers), *parts) for parts in 2 * keys] == [0, 1, 2, 3, 4] * 2
    recording = tmp_path / "cry.wav"
    recording.write_bytes(b"1234")
    before = key(identity(recording))
    os.utime(recording, (1, 1))
    assert key(identity(recording)) != before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="CRYUTILS_CACHE_DIR"):
        cached(lambda: 1, "some")
