"""Figures of autoencoders: reconstructions, error by size of the code, spectrograms of sounds.

Used in notebook 08_autoencoder_dnn. Paper A (§3.4.1 and §3.5) has no such figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.audio.spectral import stft_db
from cryutils.plots.audio import heat_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bottleneck_errors", "reconstructions", "spectrograms"]

Array = npt.NDArray[np.float32]

_LINES = {"autoencoder": ("#0072B2", "autoencoder"), "pca": ("#D55E00", "principal components")}


def reconstructions(
    examples: Mapping[str, tuple[Array, Array, Array]], *, seconds: float
) -> Figure:
    """Draw windows, their codes and their reconstructions, one row per feature.

    examples: by feature, as returned by `autoencoding.Study.example`. MFCC number 0, the level, is
    left out. A window and its reconstruction share a colour scale. seconds: duration of a window.
    """
    import matplotlib.pyplot as plt

    fig, rows = plt.subplots(len(examples), 3, figsize=(11, 2.6 * len(examples)), squeeze=False)
    for axes, (kind, (window, code, back)) in zip(rows, examples.items(), strict=True):
        first = 1 if kind == "mfcc" else 0
        ylabel = "MFCC number" if first else "frequency bin"
        numbers = window.size // len(code)
        low, high = np.percentile(window[:, first:], [1, 99])
        largest = np.abs(code).max()
        for ax, values, label, cmap, limits, unit, title in (
            (axes[0], window[:, first:], ylabel, "magma", (low, high), "dB",
             f"{kind.upper()}: {numbers} numbers a patch"),
            (axes[1], code, "number in the code", "RdBu_r", (-largest, largest), "value",
             f"code: {code.shape[1]} numbers a patch"),
            (axes[2], back[:, first:], ylabel, "magma", (low, high), "dB", "reconstruction"),
        ):  # fmt: skip
            offset = first if label == ylabel else 0
            heat_map(
                values, ax, seconds=seconds, span=(offset, offset + values.shape[1]),
                limits=limits, cmap=cmap, ylabel=label, unit=unit,
            )  # fmt: skip
            ax.set_title(title)
    fig.tight_layout()
    return fig


def bottleneck_errors(table: pd.DataFrame) -> Figure:
    """Draw the error on unseen patches against the size of the code, one panel per feature.

    table: as returned by `autoencoding.Study.bottleneck_errors`.
    """
    import matplotlib.pyplot as plt

    features = table.groupby("feature", sort=False)
    fig, axes = plt.subplots(1, len(features), figsize=(9.5, 3.2), sharey=True, squeeze=False)
    for ax, (feature, part) in zip(axes[0], features, strict=True):
        for model, curve in part.sort_values("size").groupby("model", sort=False):
            colour, words = _LINES[str(model)]
            ax.plot(curve["size"], curve.error, "o-", color=colour, label=words)
        sizes = sorted(part["size"].unique())
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [f"{n:g}" for n in sizes])
        ax.minorticks_off()
        ax.set(title=str(feature).upper(), xlabel="numbers in the code, p", ylim=(0, None))
    axes[0, 0].set_ylabel("error in standard deviations")
    axes[0, 0].legend(loc="lower left")
    fig.tight_layout()
    return fig


def spectrograms(
    sounds: Mapping[str, Array], *, sr: int, columns: int = 4, floor_db: float = 50.0
) -> Figure:
    """Draw the spectrogram of each sound under its name, each relative to its own loudest cell.

    sounds: float32 (samples,) at `sr` Hz, by name. columns: panels in a row.
    """
    import matplotlib.pyplot as plt

    rows = -(-len(sounds) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(2.9 * columns, 2.3 * rows), sharex=True, sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for ax, (name, x) in zip(axes.flat, sounds.items(), strict=False):
        level = stft_db(x, n_fft=256, hop_length=64)
        image = ax.imshow(
            (level - level.max()).T, origin="lower", aspect="auto", cmap="magma", vmin=-floor_db,
            vmax=0, extent=(0, len(x) / sr, 0, sr / 2000),
        )  # fmt: skip
        ax.set_title(name, fontsize=9.5)
        ax.grid(visible=False)
        ax.label_outer()
    for ax in axes.flat[len(sounds) :]:
        ax.axis("off")
    fig.supxlabel("time in s", fontsize=10)
    fig.supylabel("frequency in kHz", fontsize=10)
    fig.colorbar(image, ax=axes, label="level in dB", pad=0.01)
    return fig
