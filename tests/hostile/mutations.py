"""A fixed list of damages to a file's bytes, each with a name that says how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

SUFFIXES = (
    ".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm", ".mp4", ".mov", ".avi",
    ".jpg", ".png",
)  # fmt: skip
HEAD = 512  # bytes, in which most formats say how they are to be read
LIES = (0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts")
Order = Literal["little", "big"]


def changes(content: bytes, *, large: bool) -> Iterator[tuple[str, bytes]]:
    """Yield (name, damaged content); the small list has some damages of each kind."""
    for share in np.linspace(0, 1, 21 if large else 5)[1:-1]:
        yield f"cut at {share:.3f}", content[: max(1, round(share * len(content)))]
    for seed in range(20 if large else 1):
        for place, end in (("head", min(HEAD, len(content))), ("anywhere", len(content))):
            for many in (1, 8, 64):
                rng = np.random.default_rng([seed, many, end])
                values = np.frombuffer(content, np.uint8).copy()
                values[rng.integers(0, end, many)] = rng.integers(0, 256, many)
                yield f"{many} bytes {place}, seed {seed}", values.tobytes()
    yield from _blocks(content, 16 if large else 2)
    yield from _lies(content, large=large)
    yield from _chunks(content, large=large)
    yield "junk before", bytes(range(256)) + content
    yield "junk behind", content + bytes(range(256)) * 20
    yield "twice", content + content


def suffixes(name: str, *, large: bool) -> Iterator[str]:
    """Yield the other suffixes under which a file is read."""
    start = sum(name.encode()) % len(SUFFIXES)  # different ones for each file
    chosen = SUFFIXES if large else SUFFIXES[start:][:2]
    yield from (suffix for suffix in chosen if not name.endswith(suffix))


def _blocks(content: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    for k in range(count):
        low, high = (n * len(content) // count for n in (k, k + 1))
        block = content[low:high]
        for name, fill in {
            "zeros": bytes(len(block)),
            "noise": np.random.default_rng(len(block)).bytes(len(block)),
            "gone": b"",
            "twice": block + block,
            "reversed": block[::-1],
        }.items():
            yield f"block {k} of {count} {name}", content[:low] + fill + content[high:]


def _lies(content: bytes, *, large: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the content with an impossible value at each place that may hold a length."""
    order: Order = "little" if content[:4] == b"RIFF" else "big"
    places = list(range(0, min(HEAD, len(content) - 4), 2 if large else 256))
    places += [at + k for at, _ in _spans(content) for k in range(-8, 40, 4 if large else 36)]
    for at in sorted({at for at in places if 0 <= at < len(content) - 4}):
        value = LIES[at // 2 % len(LIES)] if large else 0x7FFFFFFF
        yield f"{value:#x} at {at}", content[:at] + value.to_bytes(4, order) + content[at + 4 :]


def _chunks(content: bytes, *, large: bool) -> Iterator[tuple[str, bytes]]:
    spans = list(_spans(content))
    for k, (low, high) in enumerate(spans if large else spans[1::4]):
        before, chunk, after = content[:low], content[low:high], content[high:]
        yield f"chunk {k} gone", before + after
        yield f"chunk {k} twice", before + chunk + chunk + after
        yield f"chunk {k} last", before + after + chunk
        yield f"chunk {k} empty", before + chunk[:8] + after


def _spans(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a RIFF, PNG or MP4 file start and end, also nested ones."""
    if content[:4] == b"RIFF":
        yield from _walk(content, 12, len(content), lambda a: (a + 4, "little", 8))
    elif content[:4] == b"\x89PNG":
        yield from _walk(content, 8, len(content), lambda a: (a, "big", 12))
    elif content[4:8] == b"ftyp":
        yield from _walk(content, 0, len(content), lambda a: (a, "big", 0))


def _walk(
    content: bytes, start: int, end: int, head: Callable[[int], tuple[int, Order, int]]
) -> Iterator[tuple[int, int]]:
    while start + 8 <= end:
        at, order, more = head(start)
        length = int.from_bytes(content[at : at + 4], order) + more
        if length < 8 or start + length > end:
            return
        yield start, start + length
        if content[start + 4 : start + 8] in _CONTAINERS:
            yield from _walk(content, start + 8, start + length, head)
        start += length + (length % 2 if order == "little" else 0)
