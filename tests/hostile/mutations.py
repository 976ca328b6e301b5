"""A fixed list of damages to a file's bytes, each with a name that says how to make it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Change = Callable[[bytes], bytes]

SUFFIXES = (
    ".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm", ".mp4", ".mov", ".avi",
    ".jpg", ".png",
)  # fmt: skip
HEAD = 512  # bytes; where most formats say how they are to be read
LIES = (0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts")


def changes(content: bytes, *, large: bool) -> Iterator[tuple[str, Change]]:
    """Yield (name, change) for a file of that content; the small list has some of each kind."""
    yield from _cuts(np.linspace(0, 1, 21 if large else 5)[1:-1])
    yield from _flips(20 if large else 1)
    yield from _blocks(16 if large else 2)
    yield from _lies(content, large=large)
    yield from _chunks(content, large=large)
    yield "junk before", lambda data: bytes(range(256)) + data
    yield "junk behind", lambda data: data + bytes(range(256)) * 20
    yield "twice", lambda data: data + data


def suffixes(name: str, *, large: bool) -> Iterator[str]:
    """Yield the other suffixes under which a file is read."""
    start = sum(name.encode()) % len(SUFFIXES)  # each file a few others
    chosen = SUFFIXES if large else SUFFIXES[start:][:2]
    yield from (suffix for suffix in chosen if not name.endswith(suffix))


def _cuts(shares: np.ndarray) -> Iterator[tuple[str, Change]]:
    for share in shares:
        yield (
            f"cut at {share:.3f}",
            lambda data, s=float(share): data[: max(1, round(s * len(data)))],
        )


def _flips(count: int) -> Iterator[tuple[str, Change]]:
    for seed in range(count):
        for place, span in (("head", HEAD), ("anywhere", None)):
            for many in (1, 8, 64):
                yield (
                    f"{many} bytes {place}, seed {seed}",
                    lambda data, s=seed, n=many, e=span: _flipped(data, s, n, e),
                )


def _flipped(data: bytes, seed: int, many: int, end: int | None) -> bytes:
    rng = np.random.default_rng([seed, many, end or 0])
    values = np.frombuffer(data, np.uint8).copy()
    at = rng.integers(0, min(end or len(data), len(data)), many)
    values[at] = rng.integers(0, 256, many)
    return values.tobytes()


def _blocks(count: int) -> Iterator[tuple[str, Change]]:
    for k in range(count):

        def ends(data: bytes, k: int = k) -> tuple[int, int]:
            return k * len(data) // count, (k + 1) * len(data) // count

        def put(data: bytes, fill: Callable[[bytes], bytes], ends: Change = ends) -> bytes:  # type: ignore[assignment]
            low, high = ends(data)  # type: ignore[misc]
            return data[:low] + fill(data[low:high]) + data[high:]

        for name, fill in (
            ("zeros", lambda block: bytes(len(block))),
            ("noise", lambda block: np.random.default_rng(len(block)).bytes(len(block))),
            ("gone", lambda block: b""),
            ("twice", lambda block: block + block),
            ("reversed", lambda block: block[::-1]),
        ):
            yield f"block {k} of {count} {name}", lambda data, put=put, fill=fill: put(data, fill)


def _lies(content: bytes, *, large: bool) -> Iterator[tuple[str, Change]]:
    """Yield each place where a length or a count may stand, with values that can't be."""
    order = "little" if content[:4] == b"RIFF" else "big"
    heads = [start for start, _ in _spans(content)]
    places = list(range(0, min(HEAD, len(content) - 4), 2 if large else 256))
    places += [at + k for at in heads for k in range(-8, 40, 4 if large else 36)]
    for at in sorted({at for at in places if 0 <= at < len(content) - 4}):
        value = LIES[at // 2 % len(LIES)] if large else 0x7FFFFFFF
        lie = value.to_bytes(4, order)  # type: ignore[arg-type]
        yield (
            f"{value:#x} at {at}",
            lambda data, at=at, lie=lie: data[:at] + lie + data[at + 4 :],
        )


def _chunks(content: bytes, *, large: bool) -> Iterator[tuple[str, Change]]:
    spans = list(_spans(content))
    for k, (low, high) in enumerate(spans if large else spans[1::4]):
        yield f"chunk {k} gone", lambda data, a=low, b=high: data[:a] + data[b:]
        yield f"chunk {k} twice", lambda data, a=low, b=high: data[:b] + data[a:b] + data[b:]
        yield (
            f"chunk {k} last",
            lambda data, a=low, b=high: data[:a] + data[b:] + data[a:b],
        )
        yield f"chunk {k} empty", lambda data, a=low, b=high: data[: a + 8] + data[b:]


def _spans(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a RIFF, PNG or MP4 file start and end, nested ones too."""
    if content[:4] == b"RIFF":
        yield from _walk(content, 12, len(content), lambda a: (a + 4, "little", 8))
    elif content[:4] == b"\x89PNG":
        yield from _walk(content, 8, len(content), lambda a: (a, "big", 12))
    elif content[4:8] == b"ftyp":
        yield from _walk(content, 0, len(content), lambda a: (a, "big", 0))


def _walk(
    content: bytes, start: int, end: int, head: Callable[[int], tuple[int, str, int]]
) -> Iterator[tuple[int, int]]:
    while start + 8 <= end:
        at, order, more = head(start)
        length = int.from_bytes(content[at : at + 4], order) + more  # type: ignore[arg-type]
        if length < 8 or start + length > end:
            return
        yield start, start + length
        if content[start + 4 : start + 8] in _CONTAINERS:
            yield from _walk(content, start + 8, start + length, head)
        start += length + (length % 2 if order == "little" else 0)
