"""Draw two figures and fill the tables of four pages from the results in `outputs/reference`.

    python tools/figures.py            write what differs
    python tools/figures.py --check    write nothing; name differences, and exit with 1 if any

The figures are `docs/table2.png` and `outputs/reference/paper/table3.png`. The bytes of a picture
change with the version of matplotlib, so each picture stores a digest of what is drawn, and the
digests are compared. A table is the text between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from cryutils import claims, plots
from cryutils._io.paths import project_dir, writing
from cryutils.claims import board, ledger
from cryutils.claims.board import COMMONEST, in_percent
from cryutils.papers import beyond as ideas
from cryutils.papers.benchmark import by_task
from cryutils.papers.ladder import MISTAKES

NETWORKS = {  # by study, condition (the row of Table 3 that real recordings allow) and name
    ("cry2", "", "cry2"): "Paper B: `cry2`",
    ("cry2", "", "cry2_unweighted"): "Paper B: `cry2`, unweighted",
    **{("table3", "sleepy_hungry", name + end): f"Paper A: {board.ENSEMBLES[name + end]}"
       for name in ("svm", "ae_dnn", "proposed") for end in ("", "_unweighted")},
}  # fmt: skip
METRICS = ("accuracy", "balanced_accuracy")
SPLITS = plots.NAMES
TABLE3 = "table == 'Paper A, Table 3'"


@cache
def scores(data: str = "donateacry") -> pd.DataFrame:
    """Return the scoreboard of the runs that the pages show, on one corpus."""
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}")
            for name in ("judged", "uploads", "paper")}  # fmt: skip
    shown = board.scores(runs)
    return shown[shown.data == data]


def accuracies(layout: board.Layout, data: str = "donateacry") -> pd.DataFrame:
    """Return the accuracies of the models in one table on one corpus."""
    shown = scores(data).query("metric == 'accuracy' and model != @COMMONEST")
    return shown[shown.table == layout.title]


# Figures: each with its caption


def table2_figure() -> tuple[Figure, str]:
    """Draw Table 2 on DonateACry."""
    rows = accuracies(board.TABLE2)
    fig, ax = plt.subplots(figsize=(8.4, 5.4))
    plots.protocol_scores(
        rows.set_index(rows.group + " · " + rows.model), ax, chance=rows.commonest.iloc[0],
        xlabel="accuracy, with 95 % interval over infants",
    )  # fmt: skip
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.12), ncols=4)
    ax.set_title("Paper A, Table 2: published and measured again under two splits")
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    words = f"draws of {n} clips, of {infants} infants in all"
    plots.source(fig, f"DonateACry (real recordings); {words}")
    return fig, (
        "Paper A's Table 2: accuracy of each feature and classifier as published, with clips split"
        " at random and leak-free, with 95 % intervals over infants."
    )


def table3_figure() -> tuple[Figure, str]:
    """Draw Table 3 in the simulation."""
    models = accuracies(board.TABLE3, "synthetic")
    models = models.drop(columns="model").rename(columns={"condition": "pair", "name": "model"})
    parts = []
    for split in claims.SPLITS:
        ends = {split: "value", f"{split}_low": "low", f"{split}_high": "high"}
        parts.append(models[["pair", "model", *ends]].rename(columns=ends).assign(split=split))
    tidy = pd.concat(parts)
    fig = plots.table3(tidy, majority=dict(zip(models.pair, models.commonest, strict=True)))
    n, infants = int(models.n.max()), int(models.n_infants.max())
    note = "synthetic voices and faces: no evidence about real infants"
    plots.source(fig, f"{note}; {n} clips of {infants} infants")
    return fig, "Paper A's Table 3 in the simulation, at the paper's size, under three splits."


FIGURES: dict[str, Callable[[], tuple[Figure, str]]] = {
    "docs/table2.png": table2_figure,
    "outputs/reference/paper/table3.png": table3_figure,
}


def digest(figure: Figure) -> str:
    """Return a digest of the marks, bars and texts of `figure`, whatever their style."""

    def rounded(places: Any) -> list[Any]:
        return (np.round(np.asarray(places, float), 4) + 0.0).tolist()  # -0 as 0

    parts: list[Any] = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        parts += [ax.get_title("left"), ax.get_xlabel(), rounded([*ax.get_xlim(), *ax.get_ylim()])]
        parts += [text.get_text() for text in (*ax.get_yticklabels(), *ax.texts)]
        parts += [rounded(line.get_xydata()) for line in ax.lines]
        bars = [c for c in ax.collections if isinstance(c, LineCollection)]
        parts += [rounded(segment) for bar in bars for segment in bar.get_segments()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# Tables: texts, with the index as the first column


def measured(shown: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return a row of texts for each model in rows of the scoreboard.

    names: the heading of each column to show, such as accuracy_random or accuracy_commonest.
    """
    rows = {}
    for key, part in shown.groupby(["study", "condition", "feature", "name"], sort=False):
        about, by_metric = part.iloc[0], part.set_index("metric").reindex(METRICS)
        cells = {"table": about.table, "model": named(about)}
        cells["published"] = in_percent(by_metric.published["accuracy"])
        cells["p"] = "–" if pd.isna(about.p_value) else f"{about.p_value:.3f}"
        for metric, row in by_metric.iterrows():
            cells |= {f"{metric}_{split}": score(row, split) for split in SPLITS}
            cells[f"{metric}_commonest"] = in_percent(row.commonest)
        rows[key] = cells
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table[list(names)].set_axis(list(names.values()), axis=1)


def named(row: Any) -> str:
    """Return a model's name in words, after its group if it has one."""
    answer = f"always the {COMMONEST}" if row.model == COMMONEST else row.model
    return f"{row.group}: {answer}" if row.group else answer


def score(row: Any, name: str) -> str:
    """Return a score with its interval, in percent. name: of its column, such as a split."""
    return in_percent(*(row[f"{name}{end}"] for end in ("", "_low", "_high")))


def in_points(row: Any) -> str:
    """Return a difference of shares with its interval in points, such as "+15 [-4, +33]"."""
    value, low, high = (f"{round(100 * row[end]):+d}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def every_score(shown: pd.DataFrame) -> pd.DataFrame:
    """Return both metrics under both splits for each model."""
    heads = {f"{metric}_{split}": f"{board.METRICS[metric]}, {words} (%)"
             for metric in METRICS for split, words in SPLITS.items()}  # fmt: skip
    names = {"model": "model", "published": "published accuracy (%)", **heads, "p": "p, leak-free"}
    return measured(shown, {"table": "table", **names}).set_index("table")


def networks() -> pd.DataFrame:
    """Return the table of both papers' main models on real recordings."""
    heads: dict[str, str] = {}
    for metric, short in zip(METRICS, ("accuracy", "balanced"), strict=True):
        heads |= {f"{metric}_{split}": f"{short}, {words}" for split, words in SPLITS.items()}
        heads[f"{metric}_commonest"] = "always *hungry*" if short == "accuracy" else "chance"
    table = measured(scores(), {"published": "published", **heads}).droplevel(2)
    return table.loc[list(NETWORKS)].set_axis(list(NETWORKS.values())).rename_axis("model")


def table2() -> pd.DataFrame:
    """Return Table 2's accuracies, for the article."""
    heads = {f"accuracy_{split}": f"{words} (%)" for split, words in SPLITS.items()}
    names = {"model": "model", "published": "published (%)", **heads, "p": "p, leak-free"}
    return measured(accuracies(board.TABLE2), names).set_index("model")


def gaps(shown: pd.DataFrame) -> pd.DataFrame:
    """Return the difference between the two splits for every model, in points."""
    rows = board.gaps(shown)
    cells = [[named(row), in_points(row)] for _, row in rows.iterrows()]
    heads = ["model", "random split minus leak-free (points)"]
    return pd.DataFrame(cells, pd.Index(rows.table, name="table"), heads)


def readings() -> pd.DataFrame:
    """Return the mean accuracy of Table 2's single random splits for each selection of clips."""
    means = claims.load_results("reference/judged", metric="reading_accuracy", split="random")
    means = means.rename(columns={"model": "name"})
    means = means.pivot(index=["feature", "name"], columns="condition", values="value")
    copied = [str(name) for name in means if str(name).startswith("copied")]
    means = means[["no_copies", *copied, "augmented_to_38", "windows"]]
    rows = accuracies(board.TABLE2).set_index(["feature", "name"])
    table = rows[["published"]].join(means).map(in_percent)
    table.index = pd.Index([named(row) for _, row in rows.iterrows()], name="model")
    return table.rename(columns=lambda name: name.replace("_", " "))


def counts() -> pd.DataFrame:
    """Return the clips of each class in Paper A's Table 1 and in the corpus."""
    heads = ["published, corpus", "ours, corpus", "published, used", "ours, used"]
    results = claims.load_results("reference/judged", study="table1", data="donateacry")
    table = board.table1(results).map(lambda count: "–" if pd.isna(count) else f"{count:.0f}")
    table = table.rename(index=lambda label: label.replace("_", " "))
    return table.set_axis(heads, axis=1).rename_axis("class")


def leaks() -> pd.DataFrame:
    """Return what each mistake of the audit adds on both forms of DonateACry, in points."""
    table = {}
    for run, words in {"judged": "cleaned corpus", "uploads": "original uploads"}.items():
        rows = claims.load_results(
            f"reference/{run}", study="audit", rival="honest", metric="balanced_accuracy"
        ).set_index("condition")
        table[words] = {name: in_points(rows.loc[str(rung)]) for rung, name in MISTAKES.items()}
    return pd.DataFrame(table).rename_axis("mistake")


def verdicts() -> pd.DataFrame:
    """Return how many rows of the ledger have which verdict, with all stored runs."""
    home = project_dir() / "outputs" / "reference"
    table = ledger.summary(ledger.of_runs(claims.every_run(home)))
    heads = [", ".join(filter(None, map(str, heading))) for heading in table.columns.to_list()]
    return table.set_axis(heads, axis=1).rename_axis("verdict")


def benchmark() -> pd.DataFrame:
    """Return the stored scores of frozen representations on the benchmark's folds."""
    heads = {"linear": "logistic regression", "network": "one hidden layer"}
    columns = {"random": "random (%)", "leak_free": "leak-free (%)", "gap": "difference (points)"}
    path = project_dir() / "outputs/reference/benchmarks/donateacry.csv"
    rows = pd.read_csv(path).set_index("task")
    cells = {words: [score(row, name) for _, row in rows.iterrows()]
             for name, words in columns.items()}  # fmt: skip
    return pd.DataFrame(
        {"representation": rows.feature, "head": rows.model.map(heads), **cells,
         "guessing (%)": rows.chance.map(in_percent)}
    )  # fmt: skip


def beyond() -> pd.DataFrame:
    """Return the leak-free scores of notebook 12."""
    names = {"guessing": "guessing", **ideas.NAMES}
    results = claims.load_results("reference/judged", study="beyond")
    return by_task(results, names).rename_axis(index="idea", columns=None)


TABLES: dict[str, dict[str, Callable[[], pd.DataFrame]]] = {
    "README.md": {"networks": networks},
    "docs/article.md": {"counts": counts, "table2": table2, "leaks": leaks, "verdicts": verdicts},
    "docs/benchmark.md": {"benchmark": benchmark},
    "docs/results.md": {
        "scores": lambda: every_score(scores()),
        "gaps": lambda: gaps(scores()),
        "readings": readings,
        "uploads": lambda: every_score(scores("donateacry-uploads").query(TABLE3)),
        "uploads_gaps": lambda: gaps(scores("donateacry-uploads").query(TABLE3)),
        "beyond": beyond,
    },
}


def filled(text: str, path: str) -> str:
    """Return the text of a page with its tables made from the stored results."""
    for name, made in TABLES[path].items():
        table = made().reset_index()
        rows = [list(table), *table.to_numpy().tolist()]
        lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
        lines.insert(1, "|---" * len(table.columns) + "|")
        block = "\n".join([f"<!-- table: {name} -->", *lines, "<!-- end -->"])
        pattern = re.compile(rf"<!-- table: {name} -->(?:(?!<!--).)*<!-- end -->", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"{path}: the block {name} must occur once.")
        text = pattern.sub(block.replace("\\", r"\\"), text)
    return text


def main(arguments: list[str]) -> int:
    """Write what differs, or name it with `--check`; see the module docstring."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    root, changes = project_dir(), {}
    for name in TABLES:
        before = (root / name).read_text(encoding="utf-8")
        if (after := filled(before, name)) != before:
            changes[name] = after.encode()
    plots.style()
    for name, draw in FIGURES.items():
        figure, caption = draw()
        with Image.open(root / name) as picture:
            if picture.info.get("Digest") != digest(figure):
                changes[name] = plots.png(figure, Description=caption, Digest=digest(figure))
        plt.close(figure)
    for name, content in changes.items():
        print(f"{name}: {'differs from outputs/reference' if arguments else 'written'}")
        if not arguments:
            with writing(root / name) as part:
                part.write_bytes(content)
    return 1 if changes and arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
