"""Writing MP4 files: what PyAV and `audio.read` find in them is what was given."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from cryutils import audio
from cryutils.video import mp4


@pytest.mark.parametrize(("fps", "sr"), [(30, 8000), (Fraction(30000, 1001), 22050)])
def test_frames_and_sound_come_back_in_size_order_and_time(tmp_path, fps, sr) -> None:
    t = np.arange(round(45 / fps * sr)) / sr
    sound = (0.4 * np.sin(2 * np.pi * 440 * t) * np.hanning(t.size)).astype(np.float32)
    ramp = np.linspace(0, 60, 47)[None, :, None] + np.linspace(0, 30, 33)[:, None, None]
    frames = [np.tile(ramp + 100 * (i % 2) + i, 3).astype(np.uint8) for i in range(45)]
    mp4.write(tmp_path / "a.mp4", frames, fps=fps, sound=sound, sr=sr)
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in shown] == [i / Fraction(fps) for i in range(45)]
    for frame, given in zip(shown, frames, strict=True):
        values = frame.to_ndarray(format="rgb24")
        assert values.shape == (34, 48, 3)
        # Chroma is subsampled and the levels squeezed into 16-235, so not to the last bit.
        assert np.abs(values[:33, :47].astype(int) - given).mean() < 3
    heard = audio.read(tmp_path / "a.mp4", sr=sr)
    assert heard.shape == sound.shape
    # A shift by one sample at 8 kHz would leave 0.4 * 2 pi 440 / 8000 = 0.14.
    assert np.sqrt(np.mean((heard - sound) ** 2)) < 0.01
