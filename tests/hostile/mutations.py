"""A fixed list of damages to a file's bytes, each with a name that says how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

SUFFIXES = (
    ".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm", ".mp4", ".mov", ".avi",
    ".jpg", ".png",
)  # fmt: skip
HEAD = 512  # bytes, in which most formats say how they are to be read
LIES = (0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
BOXES = (b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"IHDR", b"IDAT", b"data")


def changes(content: bytes, *, large: bool) -> Iterator[tuple[str, bytes]]:
    """Yield (name, damaged content); the small list has some damages of each kind."""
    for share in np.linspace(0, 1, 11 if large else 5)[1:-1]:
        yield f"cut at {share:.3f}", content[: max(1, round(share * len(content)))]
    for seed in range(3 if large else 1):
        for place, end in (("head", min(HEAD, len(content))), ("anywhere", len(content))):
            for many in (1, 8, 64):
                rng = np.random.default_rng([seed, many, end])
                values = np.frombuffer(content, np.uint8).copy()
                values[rng.integers(0, end, many)] = rng.integers(0, 256, many)
                yield f"{many} bytes {place}, seed {seed}", values.tobytes()
    yield from _blocks(content, 4 if large else 2)
    yield from _lies(content, large=large)
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
    order: Literal["little", "big"] = "little" if content[:4] == b"RIFF" else "big"
    places = {*range(0, HEAD, 32 if large else 256)}
    for box in BOXES:
        at = content.find(box)
        places |= {at + k for k in range(-4, 40, 8 if large else 20) if at >= 0}
    for number, at in enumerate(sorted(at for at in places if 0 <= at < len(content) - 4)):
        value = LIES[number % len(LIES)] if large else 0x7FFFFFFF
        yield f"{value:#x} at {at}", content[:at] + value.to_bytes(4, order) + content[at + 4 :]
