"""Small files of every format that the library reads, and a fixed list of damages to their bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import made_media
import numpy as np
from PIL import Image, PngImagePlugin

SR = 16000
HEAD = 512  # bytes, in which most formats say how they are to be read
BOXES = (b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"IHDR", b"IDAT", b"data")
LIE = 0x7FFFFFFF  # an impossible length
FILMS: dict[str, tuple[str, dict[str, str]]] = {  # codec of the sound, that of the pictures, if any
    "s16.wav": ("pcm_s16le", {}),
    "a.mp3": ("mp3", {}),
    "opus.ogg": ("libopus", {}),
    "a.flac": ("flac", {}),
    "a.m4a": ("aac", {}),
    "a.caf": ("pcm_s16le", {}),
    "h264.mp4": ("aac", {"video": "libx264"}),
    "mpeg4.mov": ("aac", {"video": "mpeg4"}),
    "vp8.webm": ("libopus", {"video": "libvpx"}),
    "mjpeg.avi": ("pcm_s16le", {"video": "mjpeg", "pix_fmt": "yuvj420p"}),
}


def write(folder: Path, frames: Sequence[np.ndarray], sound: np.ndarray) -> None:
    """Write one file a format into `folder`: `frames` uint8 (h, w, 3), `sound` at 16 kHz."""
    folder.mkdir(parents=True)
    for name, (codec, pictures) in FILMS.items():
        many = 3 if codec == "libopus" else 1  # Opus knows few rates
        track = np.repeat(sound[:SR], many)[None]
        shown = frames[:8] if pictures else ()
        made_media.write(folder / name, shown, [track], codec=codec, sr=many * SR, fps=8, **pictures)
    rgb = Image.fromarray(frames[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    notes = PngImagePlugin.PngInfo()
    notes.add_text("note", "cried at three " * 20, zip=True)
    notes.add_itxt("title", "Weinen", zip=True)
    rgb.save(folder / "a.jpg", exif=exif, dpi=(72, 72), progressive=True, icc_profile=bytes(400))
    rgb.save(folder / "rgb.png", pnginfo=notes, icc_profile=bytes(400), dpi=(72, 72))
    rgb.quantize(16).save(folder / "palette.png", transparency=3, exif=exif)
    for kind in ("avif", "tiff", "webp"):
        rgb.save(folder / f"a.{kind}")


def changes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (how it is damaged, content)."""
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
