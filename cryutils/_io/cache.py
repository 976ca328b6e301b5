"""A cache of computed arrays on disk, with keys made of everything that the arrays depend on.

`at` returns the path of an entry: `at("features", version, settings, files)`. `arrays` stores named
arrays (`.npz`). `ragged` stores a list of arrays of different lengths, memory-mapped: `.bin` has
their bytes, `.json` their lengths, type and a checksum. Entries are written atomically, and damaged
ones are computed again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from cryutils._io.paths import cache_dir, explain_write_errors, writing
from cryutils.errors import InputError

__all__ = ["arrays", "at", "exists", "key", "ragged", "release_pages"]

Array = npt.NDArray[Any]


def at(kind: str, *parts: Any) -> Path:
    """Return the path of a cache entry, without suffix: `<cache>/<kind>/<key of parts>`.

    `parts` are everything that the content depends on: the version of the code, settings, inputs. A
    file is given by its `parallel.identity`.
    """
    return cache_dir() / kind / key(*parts)


def key(*parts: Any) -> str:
    """Return a digest of `parts`: arrays by dtype, shape and values, everything else as JSON."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"array {part.dtype.descr} {part.shape}\n".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(f"{json.dumps(part, sort_keys=True)}\n".encode())
    return digest.hexdigest()


def exists(stem: Path) -> bool:
    """Return whether a list is stored at `stem`. It is not read, so a damaged list counts."""
    return stem.with_suffix(".json").is_file()


def arrays(stem: Path, compute: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """Return the named arrays stored at `stem`; compute and store them if there are none.

    A damaged or renamed file does not count.
    """
    path = stem.with_suffix(".npz")
    try:
        with np.load(path) as file:  # reading an array checks its checksum
            cached = dict(file)
        if str(cached.pop("key", "")) == stem.name:
            return cached
    except (zipfile.BadZipFile, EOFError, ValueError, OSError):
        pass
    cached = dict(compute())
    with explain_write_errors(path.parent), writing(path) as part, part.open("wb") as file:
        np.savez(file, key=np.array(stem.name), **cached)  # type: ignore[arg-type]
    return cached


def ragged(
    stem: Path, compute: Callable[[], Iterable[Array]], *, dtype: npt.DTypeLike = np.float32
) -> list[Array]:
    """Return the list of arrays stored at `stem`; compute and store it if there is none.

    The arrays that `compute` yields agree in all axes except the first. Each is written when it is
    yielded, as `dtype`, which may be structured. A damaged list is computed again. The result is a
    list of views of one memory-mapped file; changes to them stay in this process.
    """
    cached = _load(stem, dtype)
    if cached is None:
        with explain_write_errors(stem.parent):
            _save(stem, compute(), dtype)
        cached = _load(stem, dtype)
    if cached is None:
        raise InputError(f"{stem}.bin does not read back as written: check that disk.")
    return cached


def _save(stem: Path, arrays: Iterable[Array], dtype: npt.DTypeLike) -> None:
    lengths: list[int] = []
    tail: list[int] = []
    with writing(stem.with_suffix(".bin")) as part:
        with part.open("wb") as file:
            for array in arrays:
                lengths.append(len(array))
                tail = list(array.shape[1:])
                file.write(np.ascontiguousarray(array, dtype=dtype).data)
        about = {"lengths": lengths, "tail": tail, "dtype": str(np.dtype(dtype))}
        checksum = _checksum(part, about)
    # Written last: without it the bytes don't count.
    with writing(stem.with_suffix(".json")) as part:
        part.write_text(json.dumps(about | {"checksum": checksum}), encoding="utf-8")


def _load(stem: Path, dtype: npt.DTypeLike) -> list[Array] | None:
    """Return the list stored at `stem`; None if it is missing, damaged or of another type."""
    data = stem.with_suffix(".bin")
    try:
        about = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        checksum = about.pop("checksum")
        if about["dtype"] != str(np.dtype(dtype)) or _checksum(data, about) != checksum:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    lengths, tail = about["lengths"], about["tail"]
    whole = _mapped(data, "c").view(dtype).reshape(sum(lengths), *tail)
    ends = np.cumsum(lengths)
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _checksum(path: Path, about: dict[str, Any]) -> str:
    # Detects accidental truncation, changes and renaming, not malicious ones.
    digest = xxhash.xxh3_64(f"{path.stem} {json.dumps(about, sort_keys=True)}".encode())
    digest.update(_mapped(path, "r").data)
    return digest.hexdigest()


def _mapped(path: Path, mode: Any) -> Array:
    if not path.stat().st_size:  # an empty file can't be mapped
        return np.zeros(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, mode=mode))


def release_pages(array: Array) -> None:
    """Free the memory used by reading `array`, if it comes from `ragged`; changes are lost.

    Without this function, a loop over gigabytes keeps all of them in memory.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
