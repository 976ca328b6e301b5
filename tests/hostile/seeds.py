"""Small files of every format that the library reads, which `mutations` then damages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_media
import numpy as np
from PIL import Image, PngImagePlugin

Pixels = np.ndarray
SR = 16000

# name: (codec, sample rate in Hz, channels)
SOUNDS = {
    "s16.wav": ("pcm_s16le", SR, 1),
    "stereo.wav": ("pcm_s16le", SR, 2),
    "a.mp3": ("mp3", SR, 1),
    "opus.ogg": ("libopus", 48000, 1),
    "a.flac": ("flac", SR, 1),
    "a.m4a": ("aac", SR, 1),
    "a.3gp": ("aac", SR, 1),
    "a.caf": ("pcm_s16le", SR, 1),
    "sound.webm": ("libopus", 48000, 1),
}
# name: (codec of the pictures, their format, codec of the sound, its rate in Hz)
VIDEOS = {
    "h264.mp4": ("libx264", "yuv420p", "aac", SR),
    "mpeg4.mov": ("mpeg4", "yuv420p", "aac", SR),
    "vp8.webm": ("libvpx", "yuv420p", "libopus", 48000),
    "mjpeg.avi": ("mjpeg", "yuvj420p", "pcm_s16le", SR),
}


def write(folder: Path, frames: Sequence[Pixels], sound: np.ndarray) -> None:
    """Write one file a format into `folder`: `frames` uint8 (h, w, 3), `sound` at 16 kHz."""
    folder.mkdir(parents=True)
    for name, (codec, sr, channels) in SOUNDS.items():
        track = np.tile(np.repeat(sound[: SR // 2], sr // SR), (channels, 1))
        made_media.write(folder / name, (), [track], codec=codec, sr=sr)
    for name, (video, pix_fmt, codec, sr) in VIDEOS.items():
        made_media.write(
            folder / name,
            frames[:8],
            [np.repeat(sound[:SR], sr // SR)[None]],
            video=video,
            pix_fmt=pix_fmt,
            fps=8,
            codec=codec,
            sr=sr,
        )
    for name, (picture, options) in stills(frames[0]).items():
        picture.save(folder / name, **options)


def stills(frame: Pixels) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Pictures and how to save them, with all that Pillow reads in the header of a JPEG or PNG."""
    rgb = Image.fromarray(frame)
    exif = Image.Exif()
    exif[0x0112] = 6
    notes = PngImagePlugin.PngInfo()
    notes.add_text("note", "cried at three " * 20, zip=True)
    notes.add_itxt("title", "Weinen", zip=True)
    return {
        "baseline.jpg": (rgb, {"exif": exif, "dpi": (72, 72)}),
        "progressive.jpg": (rgb, {"progressive": True, "icc_profile": bytes(400)}),
        "rgb.png": (rgb, {"pnginfo": notes, "icc_profile": bytes(400), "dpi": (72, 72)}),
        "palette.png": (rgb.quantize(16), {"transparency": 3, "exif": exif}),
        "deep.png": (Image.fromarray(frame[..., 0].astype(np.uint16) * 257), {}),
        "alpha.png": (rgb.convert("RGBA"), {"gamma": 0.45}),
        **{f"a.{kind}": (rgb, {}) for kind in ("avif", "tiff", "webp")},
    }
