"""HDR films are shown within the range of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cryutils import video

PQ, HLG, BT709 = 16, 18, 1  # transfer functions of ITU-T H.273
BT2020 = 9


def write(path: Path, luma: np.ndarray, transfer: int) -> Path:
    """Write three grey frames of the luma codes (height, width), uint16 of 10 bits."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx265", rate=5)
        stream.height, stream.width = luma.shape
        stream.pix_fmt = "yuv420p10le"
        stream.codec_context.color_trc = transfer
        stream.codec_context.color_primaries = stream.codec_context.colorspace = BT2020
        stream.codec_context.color_range = 1
        stream.codec_context.options = {"x265-params": "log-level=none", "crf": "5"}
        for k in range(3):
            frame = av.VideoFrame(luma.shape[1], luma.shape[0], "yuv420p10le")
            for plane, values in zip(frame.planes, (luma, 512, 512), strict=True):
                rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1).copy()
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.pts, frame.color_trc = k, transfer
            frame.color_primaries = frame.colorspace = BT2020
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("transfer", "signal", "white"),
    # of 203 cd/m2, the white of a page by ITU-R BT.2408, Table 1
    [(PQ, 0.5807, 255), (HLG, 0.75, 255), (BT709, 0.75, 191)],
    ids=["PQ", "HLG", "ordinary"],
)
def test_the_white_of_a_page_is_white_in_hdr(tmp_path, transfer, signal, white) -> None:
    luma = np.full((64, 128), round(64 + 876 * signal), np.uint16)
    luma[:, 64:] -= round(876 * 0.2)
    frame = next(video.frames(write(tmp_path / "a.mp4", luma, transfer)))
    assert frame[32, 32].mean() == pytest.approx(white, abs=10 if white == 255 else 3)
    assert 60 < frame[32, 96].mean() < 200
