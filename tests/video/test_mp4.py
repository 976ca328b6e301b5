"""Writing MP4 files: what OpenCV, PyAV and `audio.read` find in them is what was given."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cryutils import audio
from cryutils.errors import InputError
from cryutils.video import mp4

Frames = Iterator[np.ndarray]


def ramps(count: int, height: int = 64, width: int = 96) -> Frames:
    """Smooth pictures, each of its own brightness, so that none passes for its neighbour."""
    slope = np.linspace(0, 60, width)[None, :, None] + np.linspace(0, 30, height)[:, None, None]
    for i in range(count):
        yield np.broadcast_to(slope + 100 * (i % 2) + i, (height, width, 3)).astype(np.uint8)


def tone(seconds: float, sr: int) -> np.ndarray:
    t = np.arange(round(seconds * sr)) / sr
    return (0.4 * np.sin(2 * np.pi * 440 * t) * np.hanning(t.size)).astype(np.float32)


def decoded(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [frame.pts * frame.time_base for frame in frames]
        return times, [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("fps", [12.5, Fraction(30000, 1001)])
def test_frames_come_back_in_number_size_order_and_time(tmp_path, fps, height=33, width=47) -> None:
    mp4.write(tmp_path / "a.mp4", ramps(21, height, width), fps=fps)
    times, frames = decoded(tmp_path / "a.mp4")
    assert times == [i / Fraction(fps) for i in range(21)]
    for read, ramp in zip(frames, ramps(21, height, width), strict=True):
        assert read.shape == (height + height % 2, width + width % 2, 3)
        # Chroma is subsampled and the levels squeezed into 16-235, so not to the last bit.
        assert np.abs(read[:height, :width].astype(int) - ramp).mean() < 3


@pytest.mark.parametrize(("fps", "sr"), [(30, 8000), (7, 22050)])
def test_sound_has_every_sample_where_it_was(tmp_path, fps, sr) -> None:
    count = 3 * fps // 2
    sound = tone(count / fps, sr)
    mp4.write(tmp_path / "a.mp4", ramps(count), fps=fps, sound=sound, sr=sr)
    heard = audio.read(tmp_path / "a.mp4", sr=sr)
    assert heard.shape == sound.shape
    # A shift by one sample at 8 kHz would leave 0.4 * 2 pi 440 / 8000 = 0.14.
    assert np.sqrt(np.mean((heard - sound) ** 2)) < 0.01


GREY = np.full((32, 32, 3), 99, np.uint8)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"frames": []}, "no frame"), ({"frames": [GREY, GREY[:16]]}, r"frame 1 is \(16, 32, 3\)")],
)
def test_bad_values_are_named_in_one_line(values, message, tmp_path) -> None:
    arguments = {"frames": [GREY] * 3, "fps": 10, **values}
    with pytest.raises(InputError, match=message) as caught:
        mp4.write(tmp_path / "a.mp4", **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
