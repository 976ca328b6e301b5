"""What a file's own structure states of its sound, against what the file holds: `contradiction`.

WAV, AIFF, CAF and MP4 are lists of chunks, each with its name and its size. A recorder that was
stopped, or files that were joined, leave a size that is too small or too large. FFmpeg says nothing
of either.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["contradiction", "sound_bytes"]

_LEAST_S = 0.1  # less is padding
_SOUND = (b"data", b"SSND", b"mdat")
# First bytes: length of the file's own header, and the form of a chunk's header.
_FORMS = {
    b"RIFF": (12, "<4sI"),
    b"RF64": (12, "<4sI"),
    b"RIFX": (12, ">4sI"),
    b"FORM": (12, ">4sI"),
    b"caff": (8, ">4sQ"),
}
_UNTIL_END = (0, 2**32 - 1, 2**64 - 1)  # sizes of sound that a recorder didn't know yet


class _Sizes(NamedTuple):
    """Bytes of sound: read, not read, and stated but missing."""

    read: int = 0
    unread: int = 0
    missing: int = 0


def contradiction(path: Path, duration_s: float) -> str | None:
    """Return in words how much sound a file has beyond what it states, or lacks, None if neither.

    duration_s: of the sound that is read.
    """
    sizes = _sizes(path)
    unread_s, missing_s = (
        duration_s * bytes_ / max(sizes.read, 1) for bytes_ in (sizes.unread, sizes.missing)
    )
    if sizes.read and unread_s > _LEAST_S:
        return f"{unread_s:.1f} s follow its stated end and are not read"
    if sizes.read and missing_s > _LEAST_S:
        return f"{missing_s:.1f} s of its stated length are missing"
    return None


def sound_bytes(path: Path) -> int:
    """Return the bytes of a WAV's sound if they are complete, else 0."""
    sizes = _sizes(path)
    return 0 if sizes.missing else sizes.read


def _sizes(path: Path) -> _Sizes:
    total = path.stat().st_size
    sizes, is_joined, at = _Sizes(), False, 0
    with path.open("rb") as file:
        magic = file.read(12)
        is_mp4 = magic[4:8] == b"ftyp"
        if magic[8:12] == b"AVI " or not (is_mp4 or magic[:4] in _FORMS):
            return sizes
        first, form = (0, "") if is_mp4 else _FORMS[magic[:4]]
        at = first
        while at < total:
            name, start, end = _mp4_box(file, at, total) if is_mp4 else _chunk(file, at, form, total)
            present = min(end, total) - start
            if name == (b"ftyp" if is_mp4 else magic[:4]) and at:
                is_joined, end = True, end if is_mp4 else at + first
            elif name in _SOUND and (is_joined or (sizes.read and not is_mp4)):
                sizes = sizes._replace(unread=sizes.unread + present)
            elif name in _SOUND:
                # An MP4 states its duration as well, which folders compare.
                missing = 0 if is_mp4 else end - start - present
                sizes = _Sizes(sizes.read + present, sizes.unread, missing)
            elif end > total or not (name.isascii() and name.decode().isprintable()):
                file.seek(at)
                if sizes.read and not is_mp4 and any(file.read(1 << 20)):
                    sizes = sizes._replace(unread=sizes.unread + total - at)
                break
            at = end
    return sizes


def _chunk(file: BinaryIO, at: int, form: str, total: int) -> tuple[bytes, int, int]:
    """Return the name, the start and the end of the chunk whose header is at `at`."""
    file.seek(at)
    header = file.read(struct.calcsize(form)).ljust(struct.calcsize(form), b"\0")
    name, size = struct.unpack(form, header)
    start = at + len(header)
    if name in _SOUND and size in _UNTIL_END:
        return name, start, max(start, total)
    file.seek(min(start + size, total))
    # Some programs leave out the byte that makes the length even.
    is_padded = size % 2 and form[-1] == "I" and file.read(1) == b"\0"
    return name, start, start + size + bool(is_padded)


def _mp4_box(file: BinaryIO, at: int, total: int) -> tuple[bytes, int, int]:
    """Return the name, the start of the content and the end of the box at `at`."""
    file.seek(at)
    size, name, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
    if size == 0:
        return name, at + 8, max(at + 8, total)
    start, end = (at + 16, at + large) if size == 1 else (at + 8, at + size)
    return name, start, max(start, end)
