"""Pictures as they are meant to be seen: square pixels, and HDR within the range of a screen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cryutils import video

PQ, HLG, BT709 = 16, 18, 1  # transfer functions of ITU-T H.273
BT2020 = 9


def write(
    path: Path,
    luma: np.ndarray,
    *,
    pixel_format: str = "yuv420p10le",
    transfer: int = BT709,
    aspect: Fraction | None = None,
) -> Path:
    """Write three grey frames of the luma codes (height, width), uint16 of 10 bits."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx265", rate=5)
        stream.height, stream.width = luma.shape
        stream.pix_fmt = pixel_format
        stream.codec_context.color_trc = transfer
        stream.codec_context.color_primaries = stream.codec_context.colorspace = BT2020
        stream.codec_context.color_range = 1
        stream.codec_context.options = {"x265-params": "log-level=none", "crf": "5"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for k in range(3):
            frame = av.VideoFrame(luma.shape[1], luma.shape[0], pixel_format)
            for plane, values in zip(frame.planes, (luma, 512, 512), strict=True):
                rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1).copy()
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.pts, frame.color_trc = k, transfer
            frame.color_primaries = frame.colorspace = BT2020
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def grey(signal: float) -> np.ndarray:
    return np.full((64, 64), round(64 + 876 * signal), np.uint16)


@pytest.mark.parametrize(
    ("transfer", "signal"),
    [(PQ, 0.5807), (HLG, 0.75)],  # of 203 cd/m2, the white of a page by ITU-R BT.2408, Table 1
    ids=["PQ", "HLG"],
)
def test_the_white_of_a_page_is_white_in_hdr(tmp_path, transfer, signal) -> None:
    luma = np.hstack([grey(signal), grey(signal - 0.2)])
    frame = next(video.frames(write(tmp_path / "a.mp4", luma, transfer=transfer)))
    assert frame[32, 32].min() >= 245
    assert 60 < frame[32, 96].mean() < 200


def test_an_ordinary_film_is_left_as_it_is(tmp_path) -> None:
    frame = next(video.frames(write(tmp_path / "a.mp4", grey(0.75))))
    assert frame[32, 32].mean() == pytest.approx(0.75 * 255, abs=3)


def test_a_circle_is_a_circle(tmp_path) -> None:
    aspect = Fraction(16, 11)
    y, x = np.mgrid[:64, :64] - 31.5
    luma = np.where((x * float(aspect)) ** 2 + y**2 < 20**2, 900, 100).astype(np.uint16)
    frame = next(video.frames(write(tmp_path / "a.mp4", luma, aspect=aspect)))
    assert frame.shape[:2] == (64, 93)
    bright = frame.mean(axis=2) > 128
    height, width = (int(np.ptp(np.flatnonzero(bright.any(axis=k)))) for k in (1, 0))
    assert height == pytest.approx(width, abs=3)
