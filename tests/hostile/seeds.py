"""Small files of every format that the library reads, which `mutations` then damages."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, PngImagePlugin

Pixels = np.ndarray
SR = 16000

# name: (codec, sample rate in Hz, channels)
SOUNDS = {
    "s16.wav": ("pcm_s16le", SR, 1), "stereo.wav": ("pcm_s16le", SR, 2),
    "s24.wav": ("pcm_s24le", SR, 1), "f32.wav": ("pcm_f32le", SR, 1),
    "adpcm.wav": ("adpcm_ms", SR, 1), "a.mp3": ("mp3", SR, 1), "opus.ogg": ("libopus", 48000, 1),
    "a.flac": ("flac", SR, 1), "a.m4a": ("aac", SR, 1), "a.3gp": ("aac", SR, 1),
    "a.caf": ("pcm_s16le", SR, 1), "sound.webm": ("libopus", 48000, 1),
}  # fmt: skip
# name: (codec of the pictures, their format, codec of the sound, its rate in Hz)
VIDEOS = {
    "h264.mp4": ("libx264", "yuv420p", "aac", SR), "mpeg4.mov": ("mpeg4", "yuv420p", "aac", SR),
    "vp8.webm": ("libvpx", "yuv420p", "libopus", 48000),
    "mjpeg.avi": ("mjpeg", "yuvj420p", "pcm_s16le", SR),
}  # fmt: skip


def write(folder: Path, frames: Sequence[Pixels], sound: np.ndarray) -> list[Path]:
    """Write one file a format into `folder`: `frames` uint8 (h, w, 3), `sound` at 16 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (codec, rate, channels) in SOUNDS.items():
        with av.open(str(folder / name), "w") as out:
            write_track(out, codec, rate, sound[: SR // 2], channels)()
    for name, (codec, pix_fmt, sound_codec, rate) in VIDEOS.items():
        with av.open(str(folder / name), "w") as out:
            shown: Any = out.add_stream(codec, rate=8)
            shown.height, shown.width, shown.pix_fmt = *frames[0].shape[:2], pix_fmt
            finish = write_track(out, sound_codec, rate, sound[:SR], 1)
            for k, frame in enumerate(frames[:8]):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts, picture.time_base = k, Fraction(1, 8)
                out.mux(shown.encode(picture))
            out.mux(shown.encode(None))
            finish()
    for name, content in stills(frames[0]).items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


def write_track(
    out: Any, codec: str, rate: int, sound: np.ndarray, channels: int
) -> Callable[[], None]:
    """Add a sound track; return what writes it, once all tracks are there."""
    track = out.add_stream(codec, rate=rate)
    layout = "stereo" if channels == 2 else "mono"
    track.layout = layout

    def finish() -> None:
        block = av.AudioFrame.from_ndarray(np.tile(sound, (channels, 1)), "fltp", layout)
        block.sample_rate, block.pts = SR, 0
        resampler = av.AudioResampler(track.format, layout, rate, track.frame_size or 1024)
        for piece in [*resampler.resample(block), *resampler.resample(None)]:
            out.mux(track.encode(piece))
        out.mux(track.encode(None))

    return finish


def stills(frame: Pixels) -> dict[str, bytes]:
    """Pictures by name, with everything that Pillow reads in the header of a JPEG or PNG."""
    rgb = Image.fromarray(frame)
    exif = Image.Exif()
    exif[0x0112] = 6
    notes = PngImagePlugin.PngInfo()
    notes.add_text("note", "cried at three " * 20, zip=True)
    notes.add_itxt("title", "Weinen", zip=True)
    made: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "baseline.jpg": (rgb, "JPEG", {"exif": exif, "dpi": (72, 72)}),
        "progressive.jpg": (rgb, "JPEG", {"progressive": True, "icc_profile": bytes(400)}),
        "rgb.png": (rgb, "PNG", {"pnginfo": notes, "icc_profile": bytes(400), "dpi": (72, 72)}),
        "palette.png": (rgb.quantize(16), "PNG", {"transparency": 3, "exif": exif}),
        "deep.png": (Image.fromarray(frame[..., 0].astype(np.uint16) * 257), "PNG", {}),
        "alpha.png": (rgb.convert("RGBA"), "PNG", {"gamma": 0.45}),
        **{f"a.{kind.lower()}": (rgb, kind, {}) for kind in ("AVIF", "TIFF", "WEBP")},
    }
    contents = {}
    for name, (picture, kind, options) in made.items():
        place = io.BytesIO()
        picture.save(place, kind, **options)
        contents[name] = place.getvalue()
    return contents
