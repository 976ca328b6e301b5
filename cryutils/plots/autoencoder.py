"""Figures of autoencoders: reconstruction, error by size of the code, denoising, maps of codes.

Used in notebook 08_autoencoder_dnn. Paper A (§3.4.1 and §3.5) has no such figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bottleneck_errors", "code_map", "noise_gains", "reconstruction"]

Array = npt.NDArray[np.float32]

_INK = {"autoencoder": "#0072B2", "principal components": "#D55E00", "spectral gate": "#E69F00"}
_STATES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def reconstruction(
    original: Array, code: Array, back: Array, axes: Sequence[Axes], *, seconds: float
) -> Sequence[Axes]:
    """Draw a window, its code and its reconstruction; the first and last share a colour scale.

    Parameters
    ----------
    original, back : ndarray of float
        (frames, coefficients) in dB.
    code : ndarray of float
        (patches, p).
    axes : sequence of Axes
    seconds : float
        Duration of the window, in s.
    """
    low, high = np.percentile(original, [1, 99])
    panels = (
        (original, "coefficient", "magma", (low, high), "dB"),
        (code, "number in the code", "RdBu_r", (-np.abs(code).max(), np.abs(code).max()), "value"),
        (back, "coefficient", "magma", (low, high), "dB"),
    )
    for ax, (values, ylabel, cmap, limits, label) in zip(axes, panels, strict=True):
        image = ax.imshow(
            values.T, origin="lower", aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1],
            extent=(0.0, seconds, 0.0, values.shape[1]), interpolation="nearest",
        )  # fmt: skip
        ax.set(xlabel="time in s", ylabel=ylabel)
        ax.grid(visible=False)
        ax.figure.colorbar(image, ax=ax, label=label, pad=0.02)
    return axes


def bottleneck_errors(table: pd.DataFrame, ax: Axes, *, unit: str = "dB") -> Axes:
    """Draw the error on unseen patches against the size of the code, one line per method.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `method`, `size` (numbers in the code) and `error` (root mean square).
    ax : Axes
    unit : str
        Unit of the errors.
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

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `method`, `level` (ratio before, in dB), `value`, `low` and `high` (NaN if there is
        no interval).
    ax : Axes
    """
    methods = list(dict.fromkeys(table.method))
    for number, method in enumerate(methods):
        part = table[table.method == method].sort_values("level")
        at = part.level + 0.25 * (2 * number - len(methods) + 1)  # intervals must not overlap
        colour = _INK.get(str(method), _STATES[number % len(_STATES)])
        ax.vlines(
            at, part.low.astype(float), part.high.astype(float), color=colour, lw=3, alpha=0.35
        )
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
    """Draw points coloured by name. Only the `most` frequent names have a colour, others are grey.

    Parameters
    ----------
    points : ndarray of float
        (n, 2).
    names : sequence of str
        One per point.
    ax : Axes
    most : int
    legend : bool
    """
    labels = pd.Series(list(names))
    shown = sorted(labels.value_counts().index[:most])
    rest = ~labels.isin(shown).to_numpy()
    ax.plot(*points[rest].T, ".", color="#CCCCCC", ms=4, label="others" if rest.any() else None)
    from matplotlib import colormaps

    tens = [colormaps["tab10"](number) for number in range(10)]
    palette = _STATES if len(shown) <= len(_STATES) else tens
    for number, name in enumerate(shown):
        inside = points[(labels == name).to_numpy()]
        colour = palette[number % len(palette)]
        ax.plot(
            *inside.T, "o", color=colour, ms=4, alpha=0.7, mew=0, label=str(name).replace("_", " ")
        )
    ax.set(xlabel="first component", ylabel="second component")
    if legend:
        ax.legend(loc="best", fontsize=8)
    return ax
