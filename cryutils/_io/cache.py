"""What was computed before, on disk: written whole, checked, and found again by its key.

Walked by no notebook: it is why the second look at a corpus is quick. `ragged` keeps a list of
arrays of different lengths, memory-mapped, as two files: `<stem>.bin`, the arrays' bytes one after
the other, and `<stem>.json`, their lengths, type and a checksum. The JSON is written last, so bytes
without it do not count. `arrays` keeps named arrays in one `.npz` file. What is damaged is computed
again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from cryutils._io.paths import explain_write_errors, writing
from cryutils.errors import InputError

__all__ = ["arrays", "key", "load", "ragged", "release_pages", "save"]

Array = npt.NDArray[Any]


def key(*parts: Any) -> str:
    """Return what tells `parts` from any others: arrays by their content, the rest as JSON."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


def arrays(path: Path, compute: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """Return the arrays kept at `path` (.npz); where there are none, compute and keep them.

    A file that is damaged, or was kept under another name, doesn't count.
    """
    cached = _read(path)
    if cached is None:
        cached = dict(compute())
        with explain_write_errors(path.parent), writing(path) as part, part.open("wb") as file:
            np.savez(file, key=np.array(path.stem), **cached)  # type: ignore[arg-type]
    return cached


def _read(path: Path) -> dict[str, Array] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:  # reading an array compares its checksum
            cached = dict(file)
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError):
        return None
    return cached if str(cached.pop("key", "")) == path.stem else None


def ragged(
    stem: Path, compute: Callable[[], Iterator[Array]], *, dtype: npt.DTypeLike = np.float32
) -> list[Array]:
    """Return the list kept at `stem`; where there is none, or a damaged one, compute and keep it.

    The arrays are `dtype` views of one memory-mapped file, private to this process: changing
    one changes neither the file nor what others read. `dtype` may be a structured one.
    """
    arrays = load(stem, dtype=dtype)
    if arrays is None:
        save(stem, compute(), dtype=dtype)
        arrays = load(stem, dtype=dtype)
    if arrays is None:
        raise InputError(f"{stem}.bin does not read back as written: check that disk.")
    return arrays


def save(stem: Path, arrays: Iterable[Array], *, dtype: npt.DTypeLike = np.float32) -> None:
    """Write arrays that agree in all axes but the first, as `dtype`, as they come."""
    lengths: list[int] = []
    tail: list[int] = []
    data = stem.with_name(stem.name + ".bin")
    with explain_write_errors(stem.parent):
        with writing(data) as part:
            with part.open("wb") as file:
                for array in arrays:
                    lengths.append(len(array))
                    tail = list(array.shape[1:])
                    _write(file, array, dtype)
            shape = {"lengths": lengths, "tail": tail, "dtype": str(np.dtype(dtype))}
            checksum = _checksum(part, shape)
        with writing(stem.with_name(stem.name + ".json")) as part:
            part.write_text(json.dumps(shape | {"checksum": checksum}), encoding="utf-8")


def load(stem: Path, *, dtype: npt.DTypeLike = np.float32) -> list[Array] | None:
    """Return the list kept at `stem`; None where there is none, or it is damaged or no `dtype`."""
    try:
        about = json.loads(stem.with_name(stem.name + ".json").read_text(encoding="utf-8"))
        checksum = about.pop("checksum")
        lengths, tail = about["lengths"], about["tail"]
        if about["dtype"] != str(np.dtype(dtype)):
            return None
        data = stem.with_name(stem.name + ".bin")
        cells = sum(lengths) * int(np.prod(tail, dtype=np.int64))
        size = cells * np.dtype(dtype).itemsize
        if data.stat().st_size != size or _checksum(data, about) != checksum:
            return None
    except (
        FileNotFoundError,
        NotADirectoryError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        AttributeError,
    ):
        return None
    # No system maps an empty file.
    held = np.asarray(np.memmap(data, np.uint8, mode="c")) if size else np.zeros(0, np.uint8)
    whole = held.view(dtype).reshape(sum(lengths), *tail)
    ends = np.cumsum(lengths)
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def release_pages(array: Array) -> None:
    """Give back the memory that reading `array` took, if `ragged` or `load` returned it.

    Its whole list is read from disk again when it is next looked at; changes to it are lost.
    For who looks at gigabytes one array after the other: else all of them count as in use.
    """
    held: Any = array
    while isinstance(held, np.ndarray):
        held = held.base
    if isinstance(held, mmap.mmap):
        held.madvise(mmap.MADV_DONTNEED)


def _write(file: BinaryIO, array: Array, dtype: npt.DTypeLike) -> None:
    file.write(np.ascontiguousarray(array, dtype=dtype).data)


def _checksum(path: Path, shape: dict[str, Any]) -> str:
    # It sees what was cut, changed, moved or renamed by accident; it guards against no malice.
    digest = xxhash.xxh3_64(f"{path.stem} {json.dumps(shape, sort_keys=True)}".encode())
    if path.stat().st_size:
        digest.update(np.memmap(path, np.uint8, mode="r").data)
    return digest.hexdigest()
