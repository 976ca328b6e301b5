"""Figures of scores by split, and the style and files of all figures.

Each figure names its data, since synthetic voices are never evidence about infants.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cryutils._io.paths import writing
from cryutils._io.pictures import few_colours
from cryutils.claims.records import run_dir
from cryutils.claims.tables import METRICS, WITHOUT_SOUND
from cryutils.plots.models import scores_by_split
from cryutils.plots.palette import COLOURS, SPLITS

# Fonts of systems and of Debian's packages for scripts that DejaVu Sans lacks.
_OTHER_SCRIPTS = r"Sans (CJK|KR|SC|Devanagari)|NanumGothic$|SD Gothic|PingFang|Malgun|YaHei|Zen Hei"


def style() -> None:
    """Set the course's figure style: quiet axes, readable text, one resolution.

    Examples
    --------
    >>> with plt.rc_context():  # back to the old style afterwards
    ...     style()
    ...     plt.rcParams["axes.titlelocation"]
    'left'
    """
    # matplotlib's own copy of seaborn's style; importing seaborn itself takes two seconds.
    plt.style.use("seaborn-v0_8-whitegrid")
    plt.rc("figure", dpi=100)
    plt.rc("savefig", dpi=150)
    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *sorted(filter(re.compile(_OTHER_SCRIPTS).search, installed))]
    plt.rc("font", size=10, family=families)  # the first one comes with matplotlib
    plt.rc("text", parse_math=False)  # a label may contain dollar signs
    plt.rc("axes", labelsize=11, titlesize=11, titlelocation="left")
    plt.rc("axes.spines", top=False, right=False)
    plt.rc("grid", color="#E6E6E6")


def source(figure: Figure, note: str) -> Figure:
    """Write the data's source below everything in a figure.

    Parameters
    ----------
    figure : Figure
        A figure that is otherwise complete.
    note : str
        Where the data come from, such as `corpus.note`.

    Returns
    -------
    Figure
        `figure`.

    Examples
    --------
    >>> figure = source(plt.figure(), "synthetic infants")
    >>> figure.texts[0].get_text()
    'Data: synthetic infants'
    """
    figure.draw_without_rendering()  # a constrained layout is only applied when drawing
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    below = drawn.x0 / width, drawn.y0 / height - 0.12 / height
    figure.text(*below, f"Data: {note}", fontsize=8, color="#555555", va="top", gid="source")
    return figure


def save(figure: Figure, key: str, data: str, *, caption: str) -> None:
    """Name the data below a figure, write it to the run's folder `figures`, and show it.

    Parameters
    ----------
    figure : Figure
        A figure that is otherwise complete; it is closed in a notebook.
    key : str
        Name of the PNG file.
    data : str
        Where the data come from, such as `corpus.note`.
    caption : str
        A sentence on what the figure shows, which is also its alternative text.

    Examples
    --------
    >>> save(plt.figure(), "empty", "no data", caption="An empty figure.")
    >>> (run_dir() / "figures" / "empty.png").exists()
    True
    """
    from IPython import get_ipython
    from IPython.display import display

    source(figure, data)
    with writing(run_dir() / "figures" / f"{key}.png") as part:
        part.write_bytes(png(figure, caption))
    if get_ipython():
        display(figure, metadata={"image/png": {"alt": caption}})
        plt.close(figure)  # or the notebook shows it a second time


def png(figure: Figure, caption: str) -> bytes:
    """Return `figure` as a PNG file with few colours, which contains its caption."""
    chunks = PngInfo()
    chunks.add_itxt("Description", caption)
    drawn, small = io.BytesIO(), io.BytesIO()
    # Compress only once the colours are reduced.
    figure.savefig(drawn, bbox_inches="tight", pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as picture:
        few_colours(picture).save(small, "PNG", pnginfo=chunks, dpi=picture.info.get("dpi"))
    return small.getvalue()


def scoreboard(board: pd.DataFrame) -> Figure:
    """Draw each printed accuracy: published, measured, and that of the most common class.

    Bars are 95 % intervals over infants. If nothing was printed, all models are drawn.
    board: rows of `claims.tables.scores` on one corpus.
    """
    models = board[~board.name.isin(WITHOUT_SOUND) & (board.metric == "accuracy")]
    printed = models.published.notna()
    rows = _under_headings(models[printed] if printed.any() else models)
    fig, ax = plt.subplots(figsize=(8, 0.32 * len(rows) + 1), layout="constrained")
    heights = scores_by_split(rows, ax, SPLITS, apart=0.28)
    look: dict[str, Any] = {"color": COLOURS["published"], "ms": 5, "mfc": "none", "mew": 1.4}
    ax.plot(rows.published, heights, "D", label="published", **look)
    look = {"color": COLOURS["chance"], "ms": 13, "mew": 1.6, "zorder": 1}
    ax.plot(rows.commonest, heights, "|", label="most common class", **look)
    for label, is_heading in zip(ax.get_yticklabels(), rows.model.isna(), strict=True):
        label.set_fontweight("bold" if is_heading else "normal")
    ax.set(xlim=(0, 1.03), xlabel=METRICS["accuracy"])  # a mark at 1 is drawn whole
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


def _under_headings(models: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a scoreboard by model, below an empty row with their table and group."""
    parts = []
    for (table, group), rows in models.groupby(["table", "group"], sort=False):
        heading = pd.DataFrame({"table": [table]}, index=[f"{table}: {group}"])
        parts += [heading, rows.set_index(rows.model)]
    return pd.concat(parts) if parts else models.set_index(models.model)


def confusion(matrix: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """Draw a confusion matrix, int (classes, classes), as shares of each true class, a row each."""
    import seaborn

    names = [name.replace("_", " ") for name in classes]
    shares = pd.DataFrame(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), names, names)
    colours = {"cmap": "Blues", "vmin": 0, "vmax": 1, "cbar": False}
    seaborn.heatmap(shares, annot=True, fmt=".2f", annot_kws={"fontsize": 9}, square=True, ax=ax, **colours)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(axis="x", rotation=30)
    ax.tick_params(axis="y", rotation=0)
    return ax
