"""A list of arrays of different lengths on disk: written whole, checked, memory-mapped.

Walked by no notebook: it is why the second look at a corpus is quick. One list is two
files: `<stem>.bin`, the arrays' bytes one after the other, and `<stem>.json`, their
lengths and a checksum. The JSON is written last, so bytes without it do not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError
from cryutils.locations import writing

__all__ = ["cached", "load", "save"]

Array = npt.NDArray[np.float32]
_WORD = 8


def cached(stem: Path, compute: Callable[[], Iterator[Array]]) -> list[Array]:
    """Return the list kept at `stem`; where there is none, or a damaged one, compute and keep it.

    The arrays are float32 views of one memory-mapped file, private to this process: changing
    one changes neither the file nor what others read.
    """
    arrays = load(stem)
    if arrays is None:
        save(stem, compute())
        arrays = load(stem)
    if arrays is None:
        raise InputError(f"{stem}.bin does not read back as written: check that disk.")
    return arrays


def save(stem: Path, arrays: Iterable[Array]) -> None:
    """Write float32 arrays that agree in all axes but the first, as they come."""
    lengths: list[int] = []
    tail: list[int] = []
    data = stem.with_name(stem.name + ".bin")
    try:
        with writing(data) as part:
            with part.open("wb") as file:
                for array in arrays:
                    lengths.append(len(array))
                    tail = list(array.shape[1:])
                    _write(file, array)
                file.write(b"\0" * (-file.tell() % _WORD))
            checksum = _checksum(part)
        with writing(stem.with_name(stem.name + ".json")) as part:
            about = {"lengths": lengths, "tail": tail, "checksum": checksum}
            part.write_text(json.dumps(about), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write to {stem.parent} ({error.strerror}): "
            "set CRYUTILS_CACHE_DIR to a folder that you can write to and that has room."
        ) from error


def load(stem: Path) -> list[Array] | None:
    """Return the list kept at `stem`, or None where there is none or it is damaged."""
    try:
        about = json.loads(stem.with_name(stem.name + ".json").read_text(encoding="utf-8"))
        lengths, tail, checksum = about["lengths"], about["tail"], about["checksum"]
        data = stem.with_name(stem.name + ".bin")
        cells = sum(lengths) * int(np.prod(tail, dtype=np.int64))
        size = cells * np.dtype(np.float32).itemsize
        if data.stat().st_size != size + -size % _WORD or _checksum(data) != checksum:
            return None
    except (
        FileNotFoundError,
        NotADirectoryError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
    ):
        return None
    flat = np.asarray(np.memmap(data, np.float32, mode="c"))[:cells]
    whole = flat.reshape(sum(lengths), *tail)
    ends = np.cumsum(lengths)
    return [whole[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _write(file: BinaryIO, array: Array) -> None:
    file.write(np.ascontiguousarray(array, dtype=np.float32).data)


def _checksum(path: Path) -> int:
    # A sum of 64-bit words runs at memory speed, ten times faster than a CRC, and no cut,
    # blanked block or changed byte keeps it; it guards against accidents, not against malice.
    if path.stat().st_size == 0:
        return 0
    return int(np.add.reduce(np.memmap(path, np.uint64, mode="r")))
