"""Figures of scores by split, and the style and files of all figures.

Each figure names its data, since synthetic voices are never evidence about infants.
"""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from cryutils._io.paths import writing
from cryutils.claims.records import run_dir

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
        figure.savefig(part, bbox_inches="tight", metadata={"Description": caption})
    if get_ipython():
        display(figure, metadata={"image/png": {"alt": caption}})
        plt.close(figure)  # or the notebook shows it a second time


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
