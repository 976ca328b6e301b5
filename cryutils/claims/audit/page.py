"""An audit as one HTML file with three figures."""

from html import escape
from io import StringIO
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryutils.claims.audit.names import plural
from cryutils.claims.audit.report import Audit, main_rows, paragraphs, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 66rem; margin: 1rem auto; padding: 0 1rem }
h1 { overflow-wrap: anywhere }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)) }
.figures { gap: 2rem 1rem; margin: 2rem 0 }
figure { margin: 0; overflow-x: auto; break-inside: avoid }
figcaption, .report { max-width: 40rem }
.report { overflow-x: auto }
.report p { margin: 0.4rem 0; overflow-wrap: anywhere; white-space: pre-wrap }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 0.2rem 0.4rem; text-align: right; border-bottom: 1px solid #8888 }
td:nth-last-child(-n+3) { white-space: nowrap }
td:nth-last-child(n+6) { overflow-wrap: anywhere }
@media (max-width: 30rem) { table { font-size: 0.75rem; width: 100% } th, td { padding: 0.2rem 0.1rem } }
@media screen and (prefers-color-scheme: dark) { svg { filter: invert(1) hue-rotate(180deg) } }
@media print { :root { color-scheme: light } }
"""
_WIDTH = 3.4  # inches; a page on a telephone of 360 pixels has room for 328
_GROUPS, _ROWS, _GUESS = "#1b5e8c", "#d08a2e", "#666666"


def page(result: Audit, table: pd.DataFrame, *, title: str) -> str:
    """Return an HTML page with the report and three figures, which needs no other file.

    Figures: the scores with both intervals; the answers to each class; the share of right answers of
    each group. The last two are of the first model, leak-free if there is such a split. table: what
    was audited.
    """
    from matplotlib import style

    from cryutils.words import SPLITS

    units, group = plural(result.words["clip"]), result.words["infant"]
    cell = main_rows(result).iloc[0]
    named = table.split.map(SPLITS).fillna("not stated")
    part = table[(table.model == cell.model) & (named == cell.split)]
    of = f" {cell.model}, {cell.split}." if len(result.leaks) > 1 else ""
    bars = f"95 % intervals over {plural(group)} (blue) and over {units} (orange)"
    with style.context(["default", {"text.parse_math": False}]):  # names may have dollar signs
        figures = {
            f"Scores in percent, with {bars}. A grey line is what answers without skill reach.": _scores(
                result
            ),
            f"Answers to each class, in percent of its {units}.{of}": _confusions(part),
            f"The number of {units} of each {group}, and the share of right answers; larger"
            f" dots are several {plural(group)}.{of}": _groups(part, cell, units),
        }
    shown = "".join(
        f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>" for text, svg in figures.items()
    )
    report = "".join(
        text.to_html(index=False, border=0) if isinstance(text, pd.DataFrame) else f"<p>{escape(text)}</p>"
        for text in paragraphs(result)
    )
    name = f"Audit of {escape(title)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<main><h1>{name}</h1><p>{escape(sentence(result))}</p><div class="figures">{shown}</div>'
        f'<h2>The report</h2><div class="report" tabindex="0" role="group" aria-label="Report">'
        f"{report}</div></main></body></html>\n"
    )


def _empty(height: float, width: float = _WIDTH) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: "Figure", label: str) -> str:
    from matplotlib import rc_context

    file = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):  # the same bytes every time
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    svg = file.getvalue()
    return svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _scores(result: Audit) -> str:
    table = result.scores
    several = [name for name in ("model", "split") if table[name].nunique() > 1]
    figure, axes = _empty(0.6 + 0.55 * len(table))
    for place, (_, row) in enumerate(table.iterrows()):
        for low, high, shift, colour in (
            (row.low, row.high, -0.08, _GROUPS),
            (row.row_low, row.row_high, 0.1, _ROWS),
        ):
            axes.plot([100 * low, 100 * high], [place + shift] * 2, color=colour, lw=4)
        axes.plot(100 * row.value, place, "o", color="#222222")
        axes.plot([100 * row.guess] * 2, [place - 0.17, place + 0.25], color=_GUESS, lw=2)
        label = ", ".join(row[[*several, "metric"]])
        axes.text(0, place - 0.3, label, fontsize=9 if len(label) < 45 else 7)
    axes.set(xlim=(0, 100), xlabel="%", yticks=[], ylim=(len(table) - 0.5, -0.7))
    axes.spines["left"].set_visible(False)
    return _svg(figure, "Scores with their intervals")


def _confusions(part: pd.DataFrame) -> str:
    shares = pd.crosstab(part.truth, part.predicted, normalize="index") * 100
    several = max(shares.shape)
    figure, axes = _empty(1.3 + max(0.33, 1.8 / several) * len(shares), max(_WIDTH, 1.1 + 0.32 * several))
    names = [
        [fill(name, 14, break_long_words=False) for name in side] for side in (shares.columns, shares.index)
    ]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (i, j), share in np.ndenumerate(shares.to_numpy()):
        axes.text(j, i, f"{share:.0f}", ha="center", va="center", color="white" if share > 60 else "black")
    axes.set(xlabel="answer", ylabel="truth", xticks=range(shares.shape[1]), yticks=range(len(shares)))
    size = 10 if several < 5 else 8
    axes.set_xticklabels(names[0], rotation=90 if several > 3 else 0, fontsize=size)
    axes.set_yticklabels(names[1], fontsize=size)
    return _svg(figure, "Answers to each class")


def _groups(part: pd.DataFrame, cell: "pd.Series[float]", units: str) -> str:
    from matplotlib.ticker import MaxNLocator

    right = (part.predicted == part.truth).groupby(part.infant).mean() * 100
    sizes = part.groupby("infant")["clip"].nunique()
    points = pd.DataFrame({"x": sizes, "y": right}).value_counts().reset_index()
    figure, axes = _empty(2.8)
    axes.scatter(points.x, points.y, s=30 * np.sqrt(points["count"]), color=_GROUPS, alpha=0.6)
    if cell.without in right:
        x, side = sizes[cell.without], "right" if sizes[cell.without] > sizes.max() / 2 else "left"
        offset = (-6 if side == "right" else 6, 6)
        place = (x, right[cell.without])
        axes.annotate(f"{cell.without:.16}", place, offset, textcoords="offset points", ha=side)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 1.15 * sizes.max())
    axes.set(xlabel=units, ylabel="right answers in %", ylim=(-6, 108))
    return _svg(figure, "Right answers and size of each group")
