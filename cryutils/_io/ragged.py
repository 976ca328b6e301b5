"""A list of arrays of different lengths on disk: written whole, checked, memory-mapped.

Walked by no notebook: it is why the second look at a corpus is quick. One list is two
files: `<stem>.bin`, the arrays' bytes one after the other, and `<stem>.json`, their
lengths, type and a checksum. The JSON is written last, so bytes without it do not count.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import room, writing
from cryutils.errors import InputError

__all__ = ["cached", "let_go", "load", "save"]

Array = npt.NDArray[Any]
_WORD = 8


def cached(
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
    with room(stem.parent):
        with writing(data) as part:
            with part.open("wb") as file:
                for array in arrays:
                    lengths.append(len(array))
                    tail = list(array.shape[1:])
                    _write(file, array, dtype)
                file.write(b"\0" * (-file.tell() % _WORD))
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
        if data.stat().st_size != size + -size % _WORD or _checksum(data, about) != checksum:
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
    whole = held[:size].view(dtype).reshape(sum(lengths), *tail)
    ends = np.cumsum(lengths)
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def let_go(array: Array) -> None:
    """Give back the memory that reading `array` took, if `cached` or `load` returned it.

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


def _checksum(path: Path, shape: dict[str, Any]) -> int:
    # It sees what was cut, changed, moved or renamed by accident; it guards against no malice.
    start = zlib.crc32(f"{path.stem} {json.dumps(shape, sort_keys=True)}".encode())
    if path.stat().st_size == 0:
        return start
    return zlib.crc32(np.memmap(path, np.uint8, mode="r").data, start)
