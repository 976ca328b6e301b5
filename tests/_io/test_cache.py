"""Lists of arrays on disk: they come back as they went in, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryutils._io import cache
from cryutils.errors import InputError


def some_arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 1, 8, 1)]


@pytest.mark.parametrize(
    "arrays",
    [
        some_arrays(),
        [a[:, 0] for a in some_arrays()],
        [np.zeros((0, 3), np.float32), np.ones((1, 3), np.float32)],
        [np.arange(7, dtype=np.float32)],
    ],
)
def test_arrays_come_back_as_they_were(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    cache.save(tmp_path / "list", arrays)
    back = cache.load(tmp_path / "list")
    assert back is not None
    assert [a.shape for a in back] == [a.shape for a in arrays]
    for ours, theirs in zip(back, arrays, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


ROW = np.dtype([("crop", np.uint8, (3, 3)), ("box", np.float32, 4), ("time_s", np.float64)])


def some_rows() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    made = []
    for n in (2, 0, 5):
        rows = np.zeros(n, ROW)
        rows["crop"] = rng.integers(0, 256, (n, 3, 3))
        rows["box"] = rng.normal(size=(n, 4))
        rows["time_s"] = np.arange(n) / 7
        made.append(rows)
    return made


@pytest.mark.parametrize(
    ("dtype", "arrays"),
    [
        (np.uint8, [np.full((n, 2, 2, 3), n, np.uint8) for n in (3, 0, 1)]),
        (np.float64, [np.full((n, 2), 1 / 3) for n in (1, 4)]),
        (ROW, some_rows()),
    ],
    ids=["uint8", "float64", "structured"],
)
def test_other_types_come_back_as_they_were(
    tmp_path: Path, dtype: np.dtype, arrays: list[np.ndarray]
) -> None:
    back = cache.ragged(tmp_path / "list", lambda: iter(arrays), dtype=dtype)
    for ours, theirs in zip(back, arrays, strict=True):
        assert ours.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(ours, theirs)


def test_a_list_of_another_type_does_not_count(tmp_path: Path) -> None:
    cache.save(tmp_path / "list", [np.ones(8, np.float64)], dtype=np.float64)
    assert cache.load(tmp_path / "list") is None


def test_nothing_but_empty_arrays(tmp_path: Path) -> None:
    back = cache.ragged(tmp_path / "list", lambda: iter([np.zeros((0, 3), np.float32)] * 2))
    assert [a.shape for a in back] == [(0, 3), (0, 3)]


def test_what_was_never_saved_is_none(tmp_path: Path) -> None:
    assert cache.load(tmp_path / "list") is None


def test_bytes_without_their_json_do_not_count(tmp_path: Path) -> None:
    cache.save(tmp_path / "list", some_arrays())
    (tmp_path / "list.json").unlink()
    assert cache.load(tmp_path / "list") is None


def flip(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-8],
        lambda data: data + bytes(8),
        lambda data: data[:16] + bytes(16) + data[32:],
        flip,
        lambda data: data[8:16] + data[:8] + data[16:],
    ],
    ids=["emptied", "cut", "grown", "blanked", "one bit", "exchanged"],
)
def test_damaged_bytes_are_none_and_computed_again(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    stem = tmp_path / "list"
    cache.save(stem, some_arrays())
    data = stem.with_name("list.bin")
    data.write_bytes(damage(data.read_bytes()))
    assert cache.load(stem) is None
    for ours, theirs in zip(
        cache.ragged(stem, lambda: iter(some_arrays())), some_arrays(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"lengths": 3}', "\x00\xff"])
def test_a_damaged_json_is_none(tmp_path: Path, text: str) -> None:
    cache.save(tmp_path / "list", some_arrays())
    (tmp_path / "list.json").write_bytes(text.encode("latin-1"))
    assert cache.load(tmp_path / "list") is None


@pytest.mark.parametrize(
    "change",
    [
        {"lengths": [7, 1, 8, 1]},
        {"lengths": [8, 1, 5, 1]},
        {"lengths": [15, 3, 24, 3], "tail": []},
    ],
    ids=["too long", "exchanged", "flat"],
)
def test_a_shape_that_was_changed_is_none(tmp_path: Path, change: dict[str, list[int]]) -> None:
    cache.save(tmp_path / "list", some_arrays())
    about = json.loads((tmp_path / "list.json").read_text())
    (tmp_path / "list.json").write_text(json.dumps(about | change))
    assert cache.load(tmp_path / "list") is None


def test_lists_that_were_exchanged_are_none(tmp_path: Path) -> None:
    cache.save(tmp_path / "first", some_arrays())
    for suffix in (".bin", ".json"):
        (tmp_path / f"first{suffix}").rename(tmp_path / f"other{suffix}")
    assert cache.load(tmp_path / "other") is None


def test_cached_computes_once(tmp_path: Path) -> None:
    calls = []

    def compute() -> Iterator[np.ndarray]:
        calls.append(1)
        yield from some_arrays()

    for _ in range(3):
        cache.ragged(tmp_path / "list", compute)
    assert len(calls) == 1


def test_a_computation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def compute() -> Iterator[np.ndarray]:
        yield np.ones(3, np.float32)
        raise InputError("no.")

    with pytest.raises(InputError):
        cache.ragged(tmp_path / "list", compute)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="CRYUTILS_CACHE_DIR"):
        cache.ragged(tmp_path / "file" / "list", lambda: iter(some_arrays()))


def test_what_is_let_go_takes_no_memory_and_reads_as_before(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    if not hasattr(psutil.Process().memory_info(), "shared"):
        pytest.skip("this system doesn't tell the memory of mapped files")
    values = np.arange(2**23, dtype=np.float32)  # 32 MiB
    (cached,) = cache.ragged(tmp_path / "list", lambda: iter([values]))

    def mapped() -> int:
        return int(psutil.Process().memory_info().shared)

    before = mapped()
    np.testing.assert_array_equal(cached[::2], values[::2])
    assert mapped() - before > 2**24
    cache.release_pages(cached[3:])
    assert abs(mapped() - before) < 2**22
    np.testing.assert_array_equal(cached, values)


def test_any_other_array_is_left_alone() -> None:
    array = np.arange(5)
    cache.release_pages(array[1:])
    assert array.tolist() == [0, 1, 2, 3, 4]
