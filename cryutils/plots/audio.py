"""Figures of sound: waveform, spectrogram and cepstrum.

Used in lessons 1 and 3, 02_audio_features (which rebuilds Paper A's Figure 1) and 09, and by the player.
`sr` is the sampling rate in Hz, `hop_length` the samples from one frame to the next.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cryutils.plots.palette import INK

Array = NDArray[np.float32]

FLOOR_DB = 70.0  # cells further below the loudest one look like background


def waveform(x: Array, ax: Axes, *, sr: int) -> Axes:
    """Draw a signal, float (samples,) at `sr` Hz, over time."""
    ax.plot(np.arange(len(x)) / sr, x, color=INK[0], lw=0.5)
    ax.set(xlim=(0, len(x) / sr), xlabel="time in s", ylabel="amplitude")
    return ax


def spectrogram(level: Array, ax: Axes, *, sr: int, hop_length: int) -> Axes:
    """Draw an STFT's level over time and frequency, with the loudest cell at 0 dB.

    Parameters
    ----------
    level : array
        In dB, float (frames, bins), such as from `audio.spectral.stft_db`.
    ax : Axes
        Where to draw.
    sr, hop_length : int
        The sampling rate in Hz, and the samples from one frame to the next.

    Returns
    -------
    Axes
        `ax`, time in s over frequency in kHz.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> spectrogram(np.random.rand(250, 129), plt.gca(), sr=8000, hop_length=64).get_ylabel()
    'frequency in kHz'
    """
    extent = (0.0, len(level) * hop_length / sr, 0.0, sr / 2000)
    colours = {"cmap": "magma", "vmin": -FLOOR_DB, "vmax": 0.0}
    return heat_map(level - level.max(), ax, extent, "frequency in kHz", "level in dB", **colours)


def cepstrogram(coefficients: Array, ax: Axes, *, sr: int, hop_length: int) -> Axes:
    """Draw all MFCC except number 0, the level, whose large range would hide the others.

    coefficients: float (frames, coefficients).
    """
    first = min(1, coefficients.shape[1] - 1)
    shown = coefficients[:, first:]
    limit = max(float(np.percentile(np.abs(shown), 99)), 1e-6)
    extent = (0.0, len(shown) * hop_length / sr, first - 0.5, coefficients.shape[1] - 0.5)
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    heat_map(shown, ax, extent, "MFCC number", "value in dB", **colours)
    ax.locator_params(axis="y", integer=True)
    return ax


def heat_map(
    values: Array, ax: Axes, extent: tuple[float, ...], ylabel: str, unit: str, **colours: Any
) -> Axes:
    """Draw values over time, float (frames, rows), as a picture with a colour bar in `unit`.

    extent: first and last second, and the values of the y axis at the bottom and the top. colours:
    of `Axes.imshow`.
    """
    shape: dict[str, Any] = {"origin": "lower", "aspect": "auto", "extent": extent}
    image = ax.imshow(values.T, interpolation="nearest", **shape, **colours)
    ax.set(xlabel="time in s", ylabel=ylabel)
    ax.grid(visible=False)
    ax.figure.colorbar(image, ax=ax, label=unit, pad=0.02)
    return ax
