"""The cache: entries come back as they were written, or are computed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils._io import cache
from cryutils.errors import InputError

ROW = np.dtype([("crop", np.uint8, (3, 3)), ("box", np.float32, 4), ("time_s", np.float64)])


def some_arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 1, 8, 1)]


def some_rows() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    tables = [np.zeros(n, ROW) for n in (2, 0, 5)]
    for rows in tables:
        rows["crop"] = rng.integers(0, 256, rows["crop"].shape)
        rows["box"] = rng.normal(size=rows["box"].shape)
        rows["time_s"] = np.arange(len(rows)) / 7
    return tables


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    """A place with the list `some_arrays`."""
    cache.ragged(tmp_path / "list", some_arrays)
    return tmp_path / "list"


def is_kept(stem: Path, dtype: Any = np.float32) -> bool:
    """Whether the list at `stem` is read from the cache; otherwise it is written again."""
    computed = []

    def compute() -> list[np.ndarray]:
        computed.append(stem)
        return some_arrays()

    arrays = cache.ragged(stem, compute, dtype=dtype)
    for ours, expected in zip(arrays, some_arrays(), strict=True):
        np.testing.assert_array_equal(ours, expected.astype(dtype))
    return not computed


# Keys


def test_an_entry_is_named_by_everything_it_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path))
    x = np.arange(6)
    parts: list[tuple[Any, ...]] = [
        (), (1,), ("1",), (1.0,), (None,), (1, 2), (12,), ([1, 2],), ("1", "2"), ("12",),
        ({"a": 1, "b": 2},), (x,), (x.reshape(2, 3),), (x.astype(np.int32),), (x.view(np.float64),),
        (x, x), (np.concatenate([x, x]),), (x[::2],), (x[:3],), (x.tolist(),), (1, x), (x, 1),
        (np.zeros(2, ROW),), (np.zeros(2, [("a", ROW)]),),
    ]  # fmt: skip
    places = [cache.at("kind", *some) for some in parts]
    assert len(set(places)) == len(parts)
    assert {place.parent for place in places} == {tmp_path / "kind"}
    assert cache.at("kind", {"b": 2, "a": 1}) == cache.at("kind", {"a": 1, "b": 2})
    assert cache.at("kind", np.arange(12)[::2]) == cache.at("kind", 2 * x)


# Lists of arrays


@pytest.mark.parametrize(
    ("dtype", "arrays"),
    [
        (np.float32, some_arrays()),
        (np.float32, [a[:, 0] for a in some_arrays()]),
        (np.float32, [np.zeros((0, 3), np.float32), np.ones((1, 3), np.float32)]),
        (np.float32, [np.zeros((0, 3), np.float32)] * 2),
        (np.uint8, [np.full((n, 2, 2, 3), n, np.uint8) for n in (3, 0, 1)]),
        (np.float64, [np.full((n, 2), 1 / 3) for n in (1, 4)]),
        (ROW, some_rows()),
    ],
)
def test_arrays_come_back_as_they_were_and_are_computed_once(
    tmp_path: Path, dtype: Any, arrays: list[np.ndarray]
) -> None:
    def never() -> Iterator[np.ndarray]:
        raise AssertionError("it is in the cache")

    assert not cache.exists(tmp_path / "list")
    for compute in (lambda: iter(arrays), never):
        kept = cache.ragged(tmp_path / "list", compute, dtype=dtype)
        assert [a.shape for a in kept] == [a.shape for a in arrays]
        for ours, expected in zip(kept, arrays, strict=True):
            assert ours.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(ours, expected)
    assert cache.exists(tmp_path / "list")


def in_bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def damage(stem: Path) -> None:
        data = stem.with_suffix(".bin")
        data.write_bytes(change(data.read_bytes()))

    return damage


def in_description(**values: Any) -> Callable[[Path], object]:
    def damage(stem: Path) -> None:
        about = stem.with_suffix(".json")
        about.write_text(json.dumps(json.loads(about.read_text()) | values))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        in_bytes(lambda data: b""),
        in_bytes(lambda data: data[:-8]),
        in_bytes(lambda data: data + bytes(8)),
        in_bytes(lambda data: data[:16] + bytes(16) + data[32:]),
        in_bytes(lambda data: data[8:16] + data[:8] + data[16:]),
        in_description(lengths=[7, 1, 8, 1]),
        in_description(lengths=[8, 1, 5, 1]),
        in_description(lengths=[15, 3, 24, 3], tail=[]),
        in_description(dtype="float64"),
        lambda stem: stem.with_suffix(".json").unlink(),
        *(
            lambda stem, text=text: stem.with_suffix(".json").write_text(text)
            for text in ("", "{", "[]", "null", "{}", "\x00")
        ),
    ],
)
def test_a_damaged_list_is_computed_again(stem: Path, damage: Callable[[Path], object]) -> None:
    damage(stem)
    assert not is_kept(stem)
    assert is_kept(stem)


def test_a_list_of_another_type_or_name_is_computed_again(stem: Path) -> None:
    for suffix in (".bin", ".json"):
        stem.with_suffix(suffix).rename(stem.with_name("other").with_suffix(suffix))
    assert not is_kept(stem.with_name("other"))
    assert not is_kept(stem.with_name("other"), np.float64)


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
        cache.ragged(tmp_path / "file" / "list", some_arrays)
    with pytest.raises(InputError, match="CRYUTILS_CACHE_DIR"):
        cache.arrays(tmp_path / "file" / "named", lambda: {"x": np.arange(3)})


# Named arrays


@pytest.mark.parametrize("damage", ["cut", "emptied", "renamed"])
def test_named_arrays_are_computed_once_and_again_when_damaged(tmp_path: Path, damage: str) -> None:
    numbers = iter(range(9))

    def kept(name: str = "named") -> int:
        arrays = cache.arrays(tmp_path / name, lambda: {"x": np.array([next(numbers)])})
        assert list(arrays) == ["x"]
        return int(arrays["x"][0])

    assert (kept(), kept()) == (0, 0)
    path = tmp_path / "named.npz"
    if damage == "renamed":
        path.rename(tmp_path / "other.npz")
        assert (kept("other"), kept("other")) == (1, 1)
    else:
        path.write_bytes(path.read_bytes()[:-30] if damage == "cut" else b"")
        assert (kept(), kept()) == (1, 1)


# Memory


def test_released_pages_take_no_memory_and_read_as_before(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    if not hasattr(psutil.Process().memory_info(), "shared"):
        pytest.skip("this system doesn't tell the memory of mapped files")
    values = np.arange(2**23, dtype=np.float32)  # 32 MiB
    (cached,) = cache.ragged(tmp_path / "list", lambda: [values])

    def mapped() -> int:
        return int(psutil.Process().memory_info().shared)

    before = mapped()
    np.testing.assert_array_equal(cached[::2], values[::2])
    assert mapped() - before > 2**24
    cache.release_pages(cached[3:])
    assert abs(mapped() - before) < 2**22
    np.testing.assert_array_equal(cached, values)
    cache.release_pages(values)  # which is not a mapped file
    np.testing.assert_array_equal(cached, values)
