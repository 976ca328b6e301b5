"""Figures of scores by protocol, split and recipe, and the style and files of all figures.

`save` names the data in a figure, since synthetic voices are never evidence about infants, and
writes it into the run's folder under its key. Used in all notebooks.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cryutils._io.paths import writing
from cryutils._io.pictures import few_colours
from cryutils.claims.store import current, figure_path
from cryutils.claims.tables import COMMONEST, METRICS
from cryutils.datasets.corpus import Corpus
from cryutils.models.classical import CLASSIFIERS
from cryutils.papers.audit import MISTAKES, Rung
from cryutils.plots.models import gains
from cryutils.plots.palette import COLOURS, NAMES, PROTOCOLS
from cryutils.plots.parts import name_rows, scores_by_split, spaced


def style() -> None:
    """Set the course's figure style: quiet axes, readable text, one resolution."""
    # matplotlib's own copy of seaborn's style; importing seaborn itself takes two seconds.
    plt.style.use("seaborn-v0_8-whitegrid")
    plt.rc("figure", dpi=100)
    plt.rc("savefig", dpi=150)
    plt.rc("font", **{"size": 10, "sans-serif": ["DejaVu Sans"]})  # it comes with matplotlib
    plt.rc("axes", labelsize=11, titlesize=11, titlelocation="left")
    plt.rc("axes.spines", top=False, right=False)
    plt.rc("grid", color="#E6E6E6")
    plt.rc("xtick", labelsize=10)
    plt.rc("ytick", labelsize=10)


def source(figure: Figure, note: str) -> Figure:
    """Write the data's source below everything in `figure`, and return the figure."""
    figure.draw_without_rendering()  # a constrained layout is only applied when drawing
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    figure.text(
        drawn.x0 / width, drawn.y0 / height - 0.12 / height, f"Data: {note}",
        fontsize=8, color="#555555", va="top", gid="source",
    )  # fmt: skip
    return figure


def save(figure: Figure, key: str, data: str, *, caption: str) -> None:
    """Name the data below `figure`, write it to the run's `figures/<key>.png`, and show it.

    caption: a sentence on what the figure shows, which is also its alternative text. The file
    contains the caption, the data and the notebook's name for the report.
    """
    from IPython import get_ipython
    from IPython.display import display

    source(figure, data)
    with writing(figure_path(key)) as part:
        part.write_bytes(
            png(figure, Description=caption, Comment=f"Data: {data}", Source=current())
        )
    if get_ipython():
        display(figure, metadata={"image/png": {"alt": caption}})
        plt.close(figure)  # or the notebook shows it a second time


def png(figure: Figure, **texts: str) -> bytes:
    """Return `figure` as a PNG file with few colours, with `texts` stored in it by name."""
    chunks = PngInfo()
    for name, text in texts.items():
        chunks.add_itxt(name, text)
    drawn, small = io.BytesIO(), io.BytesIO()
    # Compress only once the colours are reduced.
    figure.savefig(drawn, bbox_inches="tight", pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as picture:
        few_colours(picture).save(small, "PNG", pnginfo=chunks, dpi=picture.info.get("dpi"))
    return small.getvalue()


def protocol_scores(
    table: pd.DataFrame, ax: Axes, *, chance: float | pd.Series[float], xlabel: str = "accuracy"
) -> Axes:
    """Draw the published figure and the scores under both protocols, one row per classifier.

    table: an index of row names, column `published` (NaN if missing) and, for each protocol,
    `<split>`, `<split>_low` and `<split>_high`. chance: the score of always predicting the
    commonest class, one for all rows or one per row. All are shares 0-1.
    """
    rows = scores_by_split(table, ax, PROTOCOLS, apart=0.28)
    ax.plot(
        table["published"], rows, "D", color=COLOURS["published"], ms=5, mfc="none", mew=1.4,
        label="published",
    )  # fmt: skip
    if isinstance(chance, pd.Series):
        ax.plot(chance, rows, "|", color=COLOURS["chance"], ms=13, mew=1.6, zorder=1,
                label="commonest class")  # fmt: skip
    else:
        ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="commonest class")
    ax.set(xlim=(0, 1), xlabel=xlabel)
    return ax


def scoreboard(board: pd.DataFrame) -> Figure:
    """Draw each printed accuracy: published, measured, and that of the commonest class.

    Bars are 95 % intervals over infants. If nothing was printed, all models are drawn.
    board: rows of `claims.scoreboard.board` on one corpus.
    """
    models = board[(board.model != COMMONEST) & (board.metric == "accuracy")]
    printed = models.published.notna()
    rows = _under_headings(models[printed] if printed.any() else models)
    fig, ax = plt.subplots(figsize=(8, 0.32 * len(rows) + 1), layout="constrained")
    protocol_scores(rows, ax, chance=rows.commonest, xlabel=METRICS["accuracy"])
    _embolden(ax, rows.model.isna())
    ax.set_xlim(0, 1.03)  # a mark at 1 is drawn whole
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


def split_gaps(gaps: pd.DataFrame) -> Figure:
    """Draw each model's balanced accuracy under the paper's protocol minus leak-free.

    Bars are paired 95 % intervals over infants; a mark is open if its interval includes 0.
    gaps: columns as in `claims.article.gaps`.
    """
    rows = _under_headings(gaps)
    fig, ax = plt.subplots(figsize=(8, 0.27 * len(rows) + 1), layout="constrained")
    gains(rows, ax, xlabel="balanced accuracy, paper's protocol minus leak-free")
    _embolden(ax, rows.model.isna())
    return fig


def _under_headings(models: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a scoreboard by model, below an empty row with their table and group."""
    parts = []
    for (table, group), rows in models.groupby(["table", "group"], sort=False):
        heading = pd.DataFrame({"table": [table]}, index=[f"{table}: {group}"])
        parts += [heading, rows.set_index(rows.model)]
    return pd.concat(parts) if parts else models.set_index(models.model)


def _embolden(ax: Axes, headings: pd.Series[bool]) -> None:
    for label, is_heading in zip(ax.get_yticklabels(), headings, strict=True):
        label.set_fontweight("bold" if is_heading else "normal")


def rungs(table: pd.DataFrame) -> Figure:
    """Draw the balanced accuracy and the accuracy of each rung of the audit, `honest` on top.

    Bars are 95 % intervals over infants. A rung that is shown to inflate the score has the colour
    of the paper's protocol, the honest one that of leak-free scores; others are grey. A dashed line
    marks the score of the rung `majority`, which always answers the commonest class.
    table: columns as in `papers.audit.Audit.table`.
    """
    names = {Rung.HONEST: "no mistake", **MISTAKES}
    fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), sharey=True, layout="constrained")
    for ax, metric in zip(axes, ("balanced_accuracy", "accuracy"), strict=True):
        part = table[table.metric == metric].set_index("rung")
        part = part.loc[[rung for rung in Rung if rung in part.index]]
        rows = name_rows(ax, [names[rung] for rung in part.index])
        for row, (rung, scores) in zip(rows, part.iterrows(), strict=True):
            inflated = scores.added_low > 0
            kind = "infant" if rung == Rung.HONEST else "clip" if inflated else "chance"
            ax.hlines(row, scores.low, scores.high, color=COLOURS[kind], lw=3, alpha=0.4)
            ax.plot(scores.value, row, "o", color=COLOURS[kind], ms=6)
        if Rung.MAJORITY in part.index:
            always = part.value[Rung.MAJORITY]
            ax.axvline(always, color=COLOURS["chance"], ls="--", lw=1, zorder=0)
        ax.set(xlim=(0, 1), xlabel=METRICS[metric])
    return fig


def holdout_panels(table: pd.DataFrame, printed: pd.Series[float], *, chance: float) -> Figure:
    """Draw the distribution of accuracy over single hold-outs, one panel per feature.

    table: one row per hold-out, `feature`, `classifier`, `split` and `accuracy`. printed: the
    published figures by (feature, classifier), drawn on top. chance: the share of the commonest
    class. All scores are shares 0-1.
    """
    import seaborn

    features, names = table.feature.unique(), table.classifier.unique()
    named = table.assign(classifier=table.classifier.map(CLASSIFIERS))
    figure, axes = plt.subplots(
        1, len(features), figsize=(10, 4.6), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, feature in zip(axes[0], features, strict=True):
        seaborn.boxenplot(
            named[named.feature == feature], x="accuracy", y="classifier", hue="split", ax=ax,
            order=[CLASSIFIERS[name] for name in names], hue_order=["clip", "infant"],
            palette=COLOURS, showfliers=False, linewidth=0.5,
        )  # fmt: skip
        published = [printed.get((feature, name), np.nan) for name in names]
        ax.plot(published, range(len(names)), "D", color=COLOURS["published"], ms=6, mfc="white",
                mew=1.4, label="published", zorder=5)  # fmt: skip
        ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="commonest class")
        ax.set(xlim=(0, 1), ylabel="", xlabel="accuracy on one 70/30 split", title=feature.upper())
        handles, words = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    words = [NAMES.get(word, word) for word in words]
    figure.legend(handles, words, loc="outside upper center", ncols=4)
    return figure


def specification_curves(
    table: pd.DataFrame, printed: pd.Series[float], *, choices: Sequence[str]
) -> Figure:
    """Return a figure with a `specification_curve` for each feature (row) and classifier.

    table: one row per hold-out, `feature`, `classifier` and the columns of `specification_curve`.
    printed: the published figures by (feature, classifier), shares 0-1.
    """
    features, names = table.feature.unique(), table.classifier.unique()
    figure, axes = plt.subplots(
        len(features), len(names), figsize=(2 * len(names), 5.4), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax, (feature, name) in zip(axes.flat, product(features, names), strict=True):
        rows = table[(table.feature == feature) & (table.classifier == name)]
        published = printed.get((feature, name), np.nan)
        specification_curve(rows, ax, choices=choices, published=published)
        ax.set_title(f"{feature.upper()} · {CLASSIFIERS[name]}", fontsize=9)
    for row in axes:
        row[0].set_ylabel("accuracy, one split")
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper center", ncols=3)
    return figure


def specification_curve(
    table: pd.DataFrame, ax: Axes, *, choices: Sequence[str], published: float
) -> Axes:
    """Draw single hold-outs by recipe, in the order of their medians, and the published figure.

    Lines are medians, bands the middle 90 %. The commonest class of the training part is rarer in
    the test part of a leak-free split, so each split has its own dashed line.

    table: one row per hold-out of one cell: `split`, `accuracy`, `majority`, and the columns
    `choices`, which together identify a recipe. Scores and `published` are shares 0-1.
    """
    levels = (
        table.groupby(["split", *choices]).accuracy.quantile(np.array([0.05, 0.5, 0.95])).unstack()
    )
    order = levels.loc["clip"][0.5].sort_values().index
    places = np.arange(len(order))
    for split in ("clip", "infant"):
        part, colour = levels.loc[split].reindex(order), COLOURS[split]
        ax.fill_between(places, part[0.05], part[0.95], color=colour, alpha=0.2, lw=0)
        ax.plot(places, part[0.5], color=colour, label=NAMES[split])
        commonest = table.majority[table.split == split].mean()
        ax.axhline(commonest, color=colour, ls="--", lw=1, label=f"commonest class, {NAMES[split]}")
    ax.plot(places.mean(), published, "D", color=COLOURS["published"], ms=6, mfc="white", mew=1.4,
            ls="none", label="published")  # fmt: skip
    ax.set(ylim=(0, 1), xticks=[], xlabel=f"{len(order)} recipes")
    ax.grid(axis="x", visible=False)
    return ax


def split_accuracies(
    accuracies: Mapping[str, NDArray[np.float64]], ax: Axes, *, chance: float
) -> Axes:
    """Draw the accuracy of many random splits, one point each, and their mean, by protocol.

    accuracies: of "clip" and "infant", float (splits,), 0-1. chance: the share of the commonest
    class.
    """
    rng = np.random.default_rng(0)  # spreads points that would hide each other
    for row, split in enumerate(("infant", "clip")):
        values = accuracies[split]
        height = row + rng.uniform(-0.16, 0.16, len(values))
        ax.plot(values, height, "o", color=COLOURS[split], ms=5, alpha=0.45, mew=0)
        ax.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=COLOURS[split], lw=3)
    ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1)
    ax.annotate("commonest class", (chance, 1.55), xytext=(4, 0), textcoords="offset points",
                color=COLOURS["chance"], va="top", fontsize=9)  # fmt: skip
    ax.set(
        xlim=(0, 1), ylim=(-0.5, 1.6), xlabel="accuracy on the test clips", yticks=[0, 1],
        yticklabels=["no infant\non both sides", "clips split\nat random"],
    )  # fmt: skip
    ax.grid(axis="y", visible=False)
    return ax


def donors(corpus: Corpus, ax: Axes) -> Axes:
    """Draw the clips of each class as a row of blocks, one block per infant, largest first."""
    shades = ["#4C6A92", "#9DB2D0"]
    order = list(corpus.classes)[::-1]
    for row, label in enumerate(order):
        counts = pd.Series(corpus.infants[corpus.labels == label]).value_counts().sort_values()
        left = 0
        for number, count in enumerate(counts[::-1]):
            ax.barh(row, count, left=left, color=shades[number % 2], edgecolor="white", lw=0.8)
            left += count
    ax.set(yticks=range(len(order)), yticklabels=map(spaced, order))
    ax.set_xlabel("clips")
    ax.locator_params(axis="x", integer=True)
    ax.grid(axis="y", visible=False)
    return ax


def with_and_without(table: pd.DataFrame, ax: Axes, *, chance: float) -> Axes:
    """Draw each cell's balanced accuracy with (filled) and without (open) a donor.

    table: columns `cell`, `split`, `with` and `without`; scores are shares 0-1 like `chance`.
    """
    cells = table.cell.unique()[::-1]
    for split, offset in (("clip", 0.16), ("infant", -0.16)):
        part = table[table.split == split].set_index("cell").loc[cells]
        rows = np.arange(len(cells)) + offset
        colour = COLOURS[split]
        ax.hlines(rows, part["with"], part["without"], color=colour, lw=1.2, alpha=0.6)
        ax.plot(part["with"], rows, "o", color=colour, label=f"{NAMES[split]}, with")
        ax.plot(part["without"], rows, "o", color=colour, mfc="white", label="without")
    ax.axvline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
    ax.set(yticks=range(len(cells)), yticklabels=cells, xlim=(0, 1), xlabel="balanced accuracy")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right", fontsize=8)
    return ax


def confusion(matrix: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """Draw a confusion matrix, int (classes, classes), as shares of each true class, a row each."""
    import seaborn

    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(totals > 0, totals, 1)
    labels = [spaced(name) for name in classes]
    seaborn.heatmap(
        shares, annot=True, fmt=".2f", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True,
        xticklabels=labels, yticklabels=labels, ax=ax, annot_kws={"fontsize": 9},
    )  # fmt: skip
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(axis="x", rotation=30)
    ax.tick_params(axis="y", rotation=0)
    return ax


def dial_panels(tables: Mapping[str, pd.DataFrame], *, chance: float) -> Figure:
    """Draw scores and intervals against the simulation's parameter `signal`, a line per protocol.

    tables: four, by title: columns `signal`, `split`, `score`, `low` and `high`; numbers 0-1 like
    `chance`.
    """
    figure, axes = plt.subplots(
        2, 2, figsize=(9, 6.4), sharex=True, sharey=True, layout="constrained"
    )
    for ax, (name, table) in zip(axes.flat, tables.items(), strict=True):
        for split, part in table.groupby("split"):
            colour = COLOURS[str(split)]
            ax.fill_between(part.signal, part.low, part.high, color=colour, alpha=0.15, lw=0)
            ax.plot(part.signal, part.score, "o-", color=colour, label=NAMES[str(split)])
        ax.axhline(chance, color=COLOURS["chance"], ls="--", lw=1, label="chance")
        ax.set(title=name, ylim=(0, 1.02), ylabel="balanced accuracy")
        ax.set_xlabel("signal: how much the label shapes the voice (0-1)")
        ax.label_outer()
    axes[1, 0].legend(loc="upper left")  # where no line runs below it
    return figure
