"""Writing MP4 files: `video.frames` and `audio.read` find in them what was given."""

from __future__ import annotations

import numpy as np

from cryutils import audio, video
from cryutils.video import mp4


def test_frames_and_sound_come_back_in_order_and_time(tmp_path) -> None:
    fps, sr = 30, 8000
    t = np.arange(1.5 * sr) / sr
    sound = (0.4 * np.sin(2 * np.pi * 440 * t) * np.hanning(t.size)).astype(np.float32)
    ramp = np.linspace(0, 60, 48)[None, :, None] + np.linspace(0, 30, 32)[:, None, None]
    frames = [np.tile(ramp + 100 * (i % 2) + i, 3).astype(np.uint8) for i in range(45)]
    mp4.write(tmp_path / "a.mp4", frames, fps=fps, sound=sound, sr=sr)
    for shown, frame in zip(video.frames(tmp_path / "a.mp4"), frames, strict=True):
        # Chroma is subsampled and the levels squeezed into 16-235, so not to the last bit.
        assert np.abs(shown.astype(int) - frame).mean() < 3
    heard = audio.read(tmp_path / "a.mp4")
    assert heard.shape == sound.shape
    # A shift by one sample would leave 0.4 * 2 pi 440 / 8000 = 0.14.
    assert np.sqrt(np.mean((heard - sound) ** 2)) < 0.01
