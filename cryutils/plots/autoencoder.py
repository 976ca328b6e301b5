"""Figures of autoencoders: reconstruction, error by size of the code, denoising, maps of codes.

Used in notebook 08_autoencoder_dnn. Paper A (§3.4.1 and §3.5) has no such figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.plots.audio import heat_map
from cryutils.plots.palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bottleneck_errors", "code_map", "noise_gains", "reconstruction"]

Array = npt.NDArray[np.float32]

_INK = {"autoencoder": "#0072B2", "principal components": "#D55E00", "spectral gate": "#E69F00"}


def reconstruction(
    original: Array, code: Array, back: Array, axes: Sequence[Axes], *, seconds: float
) -> Sequence[Axes]:
    """Draw a window, its code and its reconstruction; the first and last share a colour scale.

    original, back: float (frames, coefficients) in dB. code: float (patches, p). seconds: duration
    of the window.
    """
    low, high = np.percentile(original, [1, 99])
    largest = np.abs(code).max()
    for ax, values, ylabel, cmap, limits, unit in (
        (axes[0], original, "coefficient", "magma", (low, high), "dB"),
        (axes[1], code, "number in the code", "RdBu_r", (-largest, largest), "value"),
        (axes[2], back, "coefficient", "magma", (low, high), "dB"),
    ):
        heat_map(
            values, ax, seconds=seconds, span=(0.0, values.shape[1]), limits=limits, cmap=cmap,
            ylabel=ylabel, unit=unit,
        )  # fmt: skip
    return axes


def bottleneck_errors(table: pd.DataFrame, ax: Axes, *, unit: str) -> Axes:
    """Draw the error on unseen patches against the size of the code, one line per method.

    table: columns `method`, `size` (numbers in the code) and `error` (root mean square, in `unit`).
    """
    for method, part in table.groupby("method", sort=False):
        curve = part.sort_values("size")
        ax.plot(curve["size"], curve.error, "o-", color=_INK.get(str(method)), label=str(method))
    sizes = sorted(table["size"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{n:g}" for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="numbers in the code, p", ylabel=f"error in {unit}", ylim=(0, None))
    ax.legend(loc="best")
    return ax


def noise_gains(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw each method's gain, with intervals, against the signal-to-noise ratio before denoising.

    table: columns `method`, `level` (ratio before), `value`, `low` and `high` (NaN if there is no
    interval), in dB.
    """
    methods = list(dict.fromkeys(table.method))
    for number, method in enumerate(methods):
        part = table[table.method == method].sort_values("level")
        at = part.level + 0.25 * (2 * number - len(methods) + 1)  # intervals must not overlap
        colour = _INK.get(str(method), INK[number % len(INK)])
        low, high = part.low.astype(float), part.high.astype(float)
        ax.vlines(at, low, high, color=colour, lw=3, alpha=0.35)
        ax.plot(at, part.value, "o-", color=colour, lw=1.3, label=str(method))
    ax.axhline(0, color="#000000", lw=1)
    ax.set(
        xticks=sorted(table.level.unique()), ylabel="gain in dB",
        xlabel="signal-to-noise ratio before, in dB",
    )  # fmt: skip
    ax.legend(loc="best")
    return ax


def code_map(
    points: Array, names: Sequence[str], ax: Axes, *, most: int = 8, legend: bool = True
) -> Axes:
    """Draw points, float (n, 2), coloured by name, or grey if not among the `most` frequent."""
    from matplotlib import colormaps

    labels = pd.Series(list(names))
    shown = sorted(labels.value_counts().index[:most])
    rest = ~labels.isin(shown).to_numpy()
    ax.plot(*points[rest].T, ".", color="#CCCCCC", ms=4, label="others" if rest.any() else None)
    tens = [colormaps["tab10"](number) for number in range(10)]
    palette = INK if len(shown) <= len(INK) else tens
    for number, name in enumerate(shown):
        inside = points[(labels == name).to_numpy()]
        colour, words = palette[number % len(palette)], str(name).replace("_", " ")
        ax.plot(*inside.T, "o", color=colour, ms=4, alpha=0.7, mew=0, label=words)
    ax.set(xlabel="first component", ylabel="second component")
    if legend:
        ax.legend(loc="best", fontsize=8)
    return ax
