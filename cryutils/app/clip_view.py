"""What pages show: scripts, and a clip as WAV, envelope, spectrogram, and a still picture.

Pure functions from arrays to bytes, for the cry player (introduced in notebook
01_data_and_playback). A saved notebook shows the still picture when no kernel is running.
"""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils.audio.files import wav_bytes
from cryutils.audio.spectral import normalise_amplitude, resample, stft_db
from cryutils.errors import InputError

if TYPE_CHECKING:
    from IPython.display import Audio

__all__ = ["Sound", "Spectrogram", "asset", "envelope", "listen", "spectrogram", "still_html"]

FLOOR_DB = -70.0
TOP_HZ = 8000.0  # above a cry's formants
STILL_SR = 8000
STILL_S = 8.0


def asset(name: str) -> str:
    """Return a widget's script or style such as "player.js", preceded by what all widgets share."""
    folder, kind = Path(__file__).parent, Path(name).suffix
    parts = (folder / f"shared{kind}", folder / name)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A named sound in memory: `samples` float32 (n,) in [-1, 1] at `sr` Hz.

    Raises InputError for another shape, no samples, NaN or infinity, or an invalid rate.
    """

    name: str
    label: str
    samples: NDArray[np.float32]
    sr: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        if samples.ndim != 1 or samples.size == 0:
            raise InputError(
                f"{self.name}: a sound is one row of samples, not shape {samples.shape}."
            )
        if not np.isfinite(samples).all():
            raise InputError(f"{self.name}: the samples hold NaN or infinity; replace them first.")
        if self.sr <= 0:
            raise InputError(f"{self.name}: sr is {self.sr}; give the sampling rate in Hz.")
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """The length in s."""
        return self.samples.size / self.sr


class Spectrogram(NamedTuple):
    """A grey spectrogram: `pixels` uint8 (rows, columns), row 0 at 0 Hz, the last row at `top_hz`.

    Levels are relative to the clip's loudest point, which is 255; `FLOOR_DB` and below are 0.
    """

    pixels: NDArray[np.uint8]
    top_hz: float


def listen(samples: NDArray[np.float32], *, sr: int) -> Audio:
    """Return an audio element of samples, float32 (n,), at `sr` Hz, scaled to full scale.

    IPython's own scaling divides by the loudest sample and shows a red warning for silence.
    """
    from IPython.display import Audio

    return Audio(wav_bytes(normalise_amplitude(samples), sr))


def envelope(samples: NDArray[np.float32], *, columns: int = 1200) -> NDArray[np.float32]:
    """Return the minimum and maximum of `columns` equal parts of a sound, float32 (columns, 2).

    A sound with fewer samples than `columns` has one column per sample.
    """
    columns = min(columns, samples.size)
    starts = (np.arange(columns) * samples.size) // columns
    low = np.minimum.reduceat(samples, starts)
    high = np.maximum.reduceat(samples, starts)
    return np.stack([low, high], axis=1)


def spectrogram(samples: NDArray[np.float32], sr: int, *, columns: int = 900) -> Spectrogram:
    """Return the level of the STFT in dB as pixels, in at most about `columns` columns.

    Windows of about 32 ms resolve the harmonics of a cry. The axis is linear in Hz, so harmonics
    are evenly spaced. Digital silence is all zeros.
    """
    n_fft = 2 ** max(4, round(np.log2(0.032 * sr)))
    hop_length = max(n_fft // 4, -(-samples.size // columns))
    level = stft_db(samples, n_fft=n_fft, hop_length=hop_length)
    rows = int(min(TOP_HZ, sr / 2) * n_fft / sr) + 1
    if not samples.any():
        return Spectrogram(np.zeros((rows, len(level)), np.uint8), (rows - 1) * sr / n_fft)
    above_floor = (level[:, :rows] - level.max() - FLOOR_DB) / -FLOOR_DB
    grey = np.round(255 * np.clip(above_floor, 0.0, 1.0)).astype(np.uint8)
    return Spectrogram(np.ascontiguousarray(grey.T), (rows - 1) * sr / n_fft)


def still_html(
    sound: Sound, *, caption: str, source: str, frame: NDArray[np.uint8] | None = None
) -> str:
    """Return HTML that shows and plays `sound` without a kernel or network.

    A `frame` of its video, uint8 (height, width, 3) RGB, is shown above the waveform. To keep saved
    notebooks small, the sound is resampled to 8 kHz and cut after 8 s, which the text states.
    """
    samples, sr = sound.samples, sound.sr
    if sr > STILL_SR:
        samples, sr = resample(samples, sr=sr, to=STILL_SR), STILL_SR
    excerpt = samples[: int(STILL_S * sr)]
    cut = f" (the first {STILL_S:g} s)" if excerpt.size < samples.size else ""
    audio = _data_url("audio/wav", wav_bytes(excerpt, sr))
    image = _data_url("image/png", _still_png(excerpt, sr))
    text, above = html.escape(caption), ""
    if frame is not None:
        above = f'<img alt="A frame of {text}" src="{_data_url("image/jpeg", _jpeg(frame))}"/><br/>'
    return (
        f'<div><p><b>{text}</b>{cut}</p>{above}<img alt="Waveform and spectrogram of {text}" '
        f'src="{image}" width="720"/><br/><audio controls src="{audio}"></audio>'
        f"<p><small>{html.escape(source)}</small></p></div>"
    )


def _data_url(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    image, buffer = Image.fromarray(frame), io.BytesIO()
    image.thumbnail((224, 224))
    image.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _still_png(samples: NDArray[np.float32], sr: int) -> bytes:
    from matplotlib.figure import Figure
    from PIL import Image

    from cryutils import plots

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(1, 2))
    plots.waveform(samples, above, sr=sr).set(xlabel="")
    level = stft_db(samples, n_fft=256, hop_length=128)
    plots.spectrogram(level, below, sr=sr, hop_length=128)
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=90)
    Image.open(drawn).convert("RGB").quantize(64).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
