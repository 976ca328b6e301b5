"""An audit as one HTML file with three figures."""

from html import escape
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryutils.claims.audit.names import plural
from cryutils.claims.audit.report import Audit, lines, main_rows, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
figure { margin: 2rem 0; overflow-x: auto }
pre { overflow-x: auto; background: #f4f4f4; padding: 1rem }
"""
_GROUPS, _ROWS, _GUESS = "#1b5e8c", "#d08a2e", "#666666"


def page(result: Audit, table: pd.DataFrame, *, title: str) -> str:
    """Return an HTML page with the report and three figures, which needs no other file.

    Figures: the scores with both intervals; the answers to each class; the share of right answers of
    each group. The last two are of the first model, leak-free if there is such a split. table: what
    was audited.
    """
    from cryutils.words import SPLITS

    units, group = plural(result.words["clip"]), result.words["infant"]
    cell = main_rows(result).iloc[0]
    named = table.split.map(SPLITS).fillna("not stated")
    part = table[(table.model == cell.model) & (named == cell.split)]
    of = f" {cell.model}, {cell.split}." if len(result.leaks) > 1 else ""
    bars = f"95 % intervals over {plural(group)} (blue) and over {units} (orange)"
    figures = {
        f"Scores in percent, with {bars}. A grey line is what answers without skill reach.": _scores(result),
        f"Answers to each class, in percent of its {units}.{of}": _confusions(part),
        f"The number of {units} of each {group}, and the share of right answers; larger"
        f" dots are several {plural(group)}.{of}": _groups(part, cell, units),
    }
    shown = "".join(
        f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>" for text, svg in figures.items()
    )
    report = escape("\n".join(lines(result)))
    name = f"Audit of {escape(title)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{name}</h1><p>{escape(sentence(result))}</p>{shown}"
        f"<h2>The report</h2><pre>{report}</pre></body></html>\n"
    )


def _empty(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: "Figure", label: str) -> str:
    from matplotlib import rc_context

    file = StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    return svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _scores(result: Audit) -> str:
    table = result.scores
    several = [name for name in ("model", "split") if table[name].nunique() > 1]
    figure, axes = _empty(6.5, 0.8 + 0.42 * len(table))
    for place, (_, row) in enumerate(table.iterrows()):
        for low, high, shift, colour in (
            (row.low, row.high, -0.1, _GROUPS),
            (row.row_low, row.row_high, 0.14, _ROWS),
        ):
            axes.plot([100 * low, 100 * high], [place + shift] * 2, color=colour, lw=4)
        axes.plot(100 * row.value, place, "o", color="#222222")
        axes.plot([100 * row.guess] * 2, [place - 0.35, place + 0.35], color=_GUESS, lw=2)
    labels = table[[*several, "metric"]].agg(", ".join, axis=1)
    axes.set(xlim=(0, 100), xlabel="%", yticks=range(len(table)), ylim=(len(table) - 0.5, -0.5))
    axes.set_yticklabels(labels)
    return _svg(figure, "Scores with their intervals")


def _confusions(part: pd.DataFrame) -> str:
    shares = pd.crosstab(part.truth, part.predicted, normalize="index") * 100
    figure, axes = _empty(2.2 + 0.9 * shares.shape[1], 1.4 + 0.6 * len(shares))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (i, j), share in np.ndenumerate(shares.to_numpy()):
        axes.text(j, i, f"{share:.0f}", ha="center", va="center", color="white" if share > 60 else "black")
    axes.set(xlabel="answer", ylabel="truth", xticks=range(shares.shape[1]), yticks=range(len(shares)))
    axes.set_xticklabels(shares.columns, rotation=30, ha="right")
    axes.set_yticklabels(shares.index)
    return _svg(figure, "Answers to each class")


def _groups(part: pd.DataFrame, cell: "pd.Series[float]", units: str) -> str:
    from matplotlib.ticker import MaxNLocator

    right = (part.predicted == part.truth).groupby(part.infant).mean() * 100
    sizes = part.groupby("infant")["clip"].nunique()
    points = pd.DataFrame({"x": sizes, "y": right}).value_counts().reset_index()
    figure, axes = _empty(6.5, 3.6)
    axes.scatter(points.x, points.y, s=30 * np.sqrt(points["count"]), color=_GROUPS, alpha=0.6)
    if cell.without in right:
        place = (sizes[cell.without], right[cell.without])
        axes.annotate(f"{cell.without:.16}", place, (6, 6), textcoords="offset points")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 1.15 * sizes.max())
    axes.set(xlabel=units, ylabel="right answers in %", ylim=(-6, 108))
    return _svg(figure, "Right answers and size of each group")
