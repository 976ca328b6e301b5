"""A fixed list of damages to a file's bytes, each with a name that says how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

HEAD = 512  # bytes, in which most formats say how they are to be read
BOXES = (b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"IHDR", b"IDAT", b"data")
LIE = 0x7FFFFFFF  # an impossible length


def changes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name, damaged content)."""
    for share in (0.25, 0.5, 0.75):
        yield f"cut at {share}", content[: round(share * len(content))]
    for place, end in (("head", min(HEAD, len(content))), ("anywhere", len(content))):
        for many in (1, 8, 64):
            rng = np.random.default_rng([many, end])
            values = np.frombuffer(content, np.uint8).copy()
            values[rng.integers(0, end, many)] = rng.integers(0, 256, many)
            yield f"{many} bytes {place}", values.tobytes()
    half = len(content) // 2
    for name, fill in (("zeros", bytes(half)), ("noise", np.random.default_rng(0).bytes(half))):
        yield f"first half {name}", fill + content[half:]
        yield f"second half {name}", content[:half] + fill
    order: Literal["little", "big"] = "little" if content[:4] == b"RIFF" else "big"
    places = {0, HEAD // 2} | {content.find(box) + k for box in BOXES for k in (-4, 16, 36)}
    for at in sorted(at for at in places if 0 <= at < len(content) - 4):
        yield f"a lie at {at}", content[:at] + LIE.to_bytes(4, order) + content[at + 4 :]
    yield "junk before", bytes(range(256)) + content
    yield "twice", content + content
