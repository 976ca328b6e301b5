"""Figures of sound: waveform, spectrogram, cepstrum and the steps between them.

Used in notebooks 00, 02_audio_features (which rebuilds Paper A's Figure 1) and 08. Features are
time first, as everywhere in the library: `(frames, coefficients)`. `sr` is the sampling rate in Hz,
`hop_length` the samples from one frame to the next.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryutils.audio.spectral import frame, hz_to_mel, mel_to_hz, window
from cryutils.plots.palette import INK

Array = NDArray[np.float32]

FLOOR_DB = 70.0  # cells further below the loudest one look like background
TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)
FRAMES = 4  # drawn by `framing`


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


def mel_spectrogram(level: Array, ax: Axes, *, sr: int, hop_length: int) -> Axes:
    """Draw the level of mel bands in dB, float (frames, bands), with the axis labelled in Hz."""
    ticks = [hz for hz in TICKS_HZ if hz <= sr / 2]
    heat_map(
        level - level.max(),
        ax,
        seconds=len(level) * hop_length / sr,
        span=(0.0, float(hz_to_mel(sr / 2))),
        limits=(-FLOOR_DB, 0.0),
        ylabel="frequency in Hz, mel scale",
        unit="level in dB",
    )
    ax.set_yticks(hz_to_mel(ticks), [f"{hz:g}" for hz in ticks])
    return ax


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


def spectra(named: Mapping[str, Array], ax: Axes, *, sr: int) -> Axes:
    """Draw spectra in dB by name, float (bins,) from 0 to `sr` / 2 Hz, over frequency."""
    for number, (name, level) in enumerate(named.items()):
        khz = np.linspace(0, sr / 2000, len(level))
        ax.plot(khz, level, color=INK[number % len(INK)], lw=1.3, label=name)
    ax.set(xlim=(0, sr / 2000), xlabel="frequency in kHz", ylabel="level in dB")
    ax.legend(loc="best")
    return ax


def framing(x: Array, ax: Axes, *, sr: int, frame_length: int, hop_length: int) -> Axes:
    """Draw the first frames of a signal, float (samples,), each with its Hann window.

    frame_length: samples in a frame.
    """
    pieces = frame(x, frame_length=frame_length, hop_length=hop_length)[:FRAMES]
    used = x[: (len(pieces) - 1) * hop_length + frame_length]
    scale = float(np.abs(used).max()) or 1.0
    ax.plot(1000 * np.arange(len(used)) / sr, used / scale, color="#B0B0B0", lw=0.8)
    for number, piece in enumerate(pieces):
        start = number * hop_length
        time_ms = 1000 * (start + np.arange(len(piece))) / sr
        ax.plot(
            time_ms,
            window(len(piece)),
            color=INK[number % len(INK)],
            lw=1.8,
            label=f"window of frame {number}",
        )
    ax.set(
        xlim=(0, 1000 * len(used) / sr),
        ylim=(-1.05, 1.5),
        xlabel="time in ms",
        ylabel="amplitude, loudest = 1",
    )
    ax.legend(loc="upper center", ncols=len(pieces))
    return ax


def mel_filter_bank(filters: Array, ax: Axes, *, sr: int, every: int) -> Axes:
    """Draw every `every`-th triangle of `audio.mel_filters`, float (bands, bins), peak 1."""
    khz = np.linspace(0, sr / 2000, filters.shape[1])
    for number, triangle in enumerate(filters[every - 1 :: every]):
        colour = INK[number % 2]
        ax.fill_between(khz, triangle / triangle.max(), color=colour, alpha=0.25, lw=0)
        ax.plot(khz, triangle / triangle.max(), color=colour, lw=1.2)
    ax.set(xlim=(0, sr / 2000), ylim=(0, 1.05), xlabel="frequency in kHz", ylabel="weight, peak = 1")
    return ax


def mel_lines(named: Mapping[str, Array], ax: Axes, *, sr: int, ylabel: str) -> Axes:
    """Draw lines by name, float (bands,), over the mel bands from 0 to `sr` / 2 Hz.

    Ticks are labelled with the bands' centres.
    """
    for number, (name, line) in enumerate(named.items()):
        ax.plot(np.arange(len(line)), line, color=INK[number % len(INK)], lw=1.6, label=name)
    bands = len(next(iter(named.values())))
    centres = mel_to_hz(np.linspace(0, float(hz_to_mel(sr / 2)), bands + 2)[1:-1])
    ticks = np.linspace(0, bands - 1, 6).astype(int)
    ax.set_xticks(ticks, [f"{t}\n{centres[t]:.0f} Hz" for t in ticks])
    ax.set(xlabel="mel band and its centre", ylabel=ylabel)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
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


def reconstructions(examples: Mapping[str, tuple[Array, Array, Array]], *, seconds: float) -> Figure:
    """Draw windows, their codes and their reconstructions, one row per feature.

    examples: by feature a window, its code and its reconstruction, float (frames, coefficients),
    (patches, p) and (frames, coefficients). MFCC number 0, the level, is left out. A window and its
    reconstruction share a colour scale. seconds: duration of a window.
    """
    fig, rows = plt.subplots(len(examples), 3, figsize=(11, 2.6 * len(examples)), squeeze=False)
    for axes, (kind, (original, code, back)) in zip(rows, examples.items(), strict=True):
        first, ylabel = (1, "MFCC number") if kind == "mfcc" else (0, "frequency bin")
        low, high = np.percentile(original[:, first:], [1, 99])
        for ax, values in ((axes[0], original), (axes[2], back)):
            heat_map(
                values[:, first:],
                ax,
                seconds=seconds,
                span=(first, values.shape[1]),
                limits=(low, high),
                ylabel=ylabel,
                unit="dB",
            )
        largest = np.abs(code).max()
        heat_map(
            code,
            axes[1],
            seconds=seconds,
            span=(0, code.shape[1]),
            limits=(-largest, largest),
            cmap="RdBu_r",
            ylabel="number in the code",
            unit="value",
        )
        axes[0].set_title(f"{kind.upper()}: {original.size // len(code)} numbers a patch")
        axes[1].set_title(f"code: {code.shape[1]} numbers a patch")
        axes[2].set_title("reconstruction")
    fig.tight_layout()
    return fig
