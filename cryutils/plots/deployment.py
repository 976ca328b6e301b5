"""The figure of quantised networks: size, latency and change of score at each precision.

Used in notebook 13_live_and_deployment. Paper B §3 (deployment strategy) has no such figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cryutils.plots.models import gains
from cryutils.plots.palette import MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["quantisation"]

_COLOURS = {"cry2": MODALITIES["audio"], "image": MODALITIES["image"]}
_MARKERS = {"float": "o", "float16": "s", "int8": "^"}


def quantisation(table: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw latency against size, and the change of macro F1 from "float" with its interval.

    A change is drawn as an open marker if its interval contains 0.

    table: as returned by `papers.quantisation.assess`, for one format. axes: two.
    """
    cost, worth = axes
    for name, part in table.groupby("model", sort=False):
        colour = _COLOURS.get(str(name), MODALITIES["fused"])
        cost.plot(part.size_kb, part.latency_ms, color=colour, lw=0.8, zorder=1)
        for row in part.to_dict("records"):
            precision = str(row["precision"])
            cost.plot(
                [row["size_kb"]], [row["latency_ms"]], _MARKERS[precision], color=colour, ms=7,
                label=f"{name}, {precision}",
            )  # fmt: skip
    cost.set(
        xlabel="size (kB)", ylabel="one example, one thread (ms)", xlim=(0, None), ylim=(0, None)
    )
    cost.legend(fontsize=8)
    columns = {"change": "value", "change_low": "low", "change_high": "high"}
    changes = table[table.precision != "float"].rename(columns=columns)
    changes = changes.set_index(changes.model + ", " + changes.precision)[[*columns.values()]]
    gains(changes, worth, xlabel='macro F1, less that of "float"')
    worth.locator_params(axis="x", nbins=5)
    return axes
