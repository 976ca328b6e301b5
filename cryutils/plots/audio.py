"""Figures of sound: waveform, spectrogram and cepstrum.

Used in notebooks 00, 02_audio_features (which rebuilds Paper A's Figure 1) and 09, and by the player.
`sr` is the sampling rate in Hz, `hop_length` the samples from one frame to the next.
"""

from __future__ import annotations

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
    """Draw an STFT's level in dB, float (frames, bins), with the loudest cell at 0 dB."""
    return heat_map(
        level - level.max(),
        ax,
        seconds=len(level) * hop_length / sr,
        span=(0.0, sr / 2000),
        limits=(-FLOOR_DB, 0.0),
        ylabel="frequency in kHz",
        unit="level in dB",
    )


def cepstrogram(coefficients: Array, ax: Axes, *, sr: int, hop_length: int) -> Axes:
    """Draw all MFCC except number 0, the level, whose large range would hide the others.

    coefficients: float (frames, coefficients).
    """
    first = min(1, coefficients.shape[1] - 1)
    shown = coefficients[:, first:]
    limit = max(float(np.percentile(np.abs(shown), 99)), 1e-6)
    heat_map(
        shown,
        ax,
        seconds=len(shown) * hop_length / sr,
        span=(first - 0.5, coefficients.shape[1] - 0.5),
        limits=(-limit, limit),
        cmap="RdBu_r",
        ylabel="MFCC number",
        unit="value in dB",
    )
    ax.locator_params(axis="y", integer=True)
    return ax


def heat_map(
    values: Array,
    ax: Axes,
    *,
    seconds: float,
    span: tuple[float, float],
    limits: tuple[float, float],
    ylabel: str,
    unit: str,
    cmap: str = "magma",
) -> Axes:
    """Draw values over time, float (frames, rows), as a picture with a colour bar.

    span: values of the y axis at the bottom and the top. limits: of the colours, in `unit`.
    """
    image = ax.imshow(
        values.T,
        origin="lower",
        aspect="auto",
        extent=(0.0, seconds, *span),
        vmin=limits[0],
        vmax=limits[1],
        cmap=cmap,
        interpolation="nearest",
    )
    ax.set(xlabel="time in s", ylabel=ylabel)
    ax.grid(visible=False)
    ax.figure.colorbar(image, ax=ax, label=unit, pad=0.02)
    return ax
