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
from collections.abc import Callable, Iterator
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
    ("table3", "sleepy_hungry", "svm"): "Paper A: SVM",
    ("table3", "sleepy_hungry", "svm_unweighted"): "Paper A: SVM, unweighted",
    ("table3", "sleepy_hungry", "ae_dnn"): "Paper A: AE+DNN",
    ("table3", "sleepy_hungry", "ae_dnn_unweighted"): "Paper A: AE+DNN, unweighted",
    ("table3", "sleepy_hungry", "proposed"): "Paper A: ensemble",
    ("table3", "sleepy_hungry", "proposed_unweighted"): "Paper A: ensemble, unweighted",
}
METRICS = ("accuracy", "balanced_accuracy")
SPLITS = plots.NAMES
Table = Iterator[list[str]]


@cache
def scores(data: str = "donateacry") -> pd.DataFrame:
    """Return the scoreboard of the runs that the pages show, on one corpus."""
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}")
            for name in ("judged", "uploads", "paper")}  # fmt: skip
    shown = board.scores(runs)
    return shown[shown.data == data]


# Figures


def accuracies(layout: board.Layout, data: str) -> pd.DataFrame:
    """Return the accuracies of the models in one table on one corpus."""
    shown = scores(data)
    shown = shown[(shown.table == layout.title) & (shown.metric == "accuracy")]
    return shown[shown.model != COMMONEST]


def table2_figure() -> tuple[Figure, str]:
    """Return the figure of Table 2 on DonateACry, and its caption."""
    rows = accuracies(board.TABLE2, "donateacry")
    fig, ax = plt.subplots(figsize=(8.4, 5.4))
    plots.protocol_scores(
        rows.set_index(rows.group + " · " + rows.model), ax, chance=rows.commonest.iloc[0],
        xlabel="accuracy, with 95 % interval over infants",
    )  # fmt: skip
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.12), ncols=4)
    ax.set_title("Paper A, Table 2: published and measured again under two splits")
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    plots.source(
        fig, f"DonateACry (real recordings); draws of {n} clips, of {infants} infants in all"
    )
    return fig, (
        "Paper A's Table 2: accuracy of each feature and classifier as published, with clips split"
        " at random and leak-free, with 95 % intervals over infants."
    )


def table3_figure() -> tuple[Figure, str]:
    """Return the figure of Table 3 in the simulation, and its caption."""
    models = accuracies(board.TABLE3, "synthetic").rename(columns={"condition": "pair"})
    tidy = pd.concat(
        models[["pair", "name"]].assign(
            split=split, value=models[split], low=models[f"{split}_low"],
            high=models[f"{split}_high"],
        )
        for split in claims.SPLITS
    ).rename(columns={"name": "model"})  # fmt: skip
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
    parts: list[Any] = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        parts += [ax.get_title("left"), ax.get_xlabel(), rounded([*ax.get_xlim(), *ax.get_ylim()])]
        parts += [label.get_text() for label in ax.get_yticklabels()]
        parts += [text.get_text() for text in ax.texts]
        parts += [rounded(line.get_xydata()) for line in ax.lines]
        bars = [c for c in ax.collections if isinstance(c, LineCollection)]
        parts += [rounded(segment) for bar in bars for segment in bar.get_segments()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def rounded(places: Any) -> list[Any]:
    """Return coordinates in a figure rounded to four digits, with -0 as 0."""
    return (np.round(np.asarray(places, float), 4) + 0.0).tolist()


# Tables


def every_score(shown: pd.DataFrame) -> Table:
    """Yield a row of both metrics under both splits for each model."""
    scored = [f"{board.METRICS[m]}, {words} (%)" for m in METRICS for words in SPLITS.values()]
    yield ["table", "model", "published accuracy (%)", *scored, "p, leak-free"]
    for _, rows in shown.groupby(["study", "condition", "feature", "name"], sort=False):
        accuracy, balanced = by_metric(rows)
        about = rows.iloc[0]
        yield [
            about.table, named(about), in_percent(accuracy.published),
            *(score(row, split) for row in (accuracy, balanced) for split in SPLITS),
            "–" if pd.isna(about.p_value) else f"{about.p_value:.3f}",
        ]  # fmt: skip


def networks() -> Table:
    """Yield the table of both papers' main models on real recordings."""
    words = SPLITS.values()
    yield ["model", "published", *(f"accuracy, {split}" for split in words), "always *hungry*",
           *(f"balanced, {split}" for split in words), "chance"]  # fmt: skip
    by_model = scores().set_index(["study", "condition", "name"]).sort_index()
    for model, name in NETWORKS.items():
        accuracy, balanced = by_metric(by_model.loc[[model]])
        yield [
            name, in_percent(accuracy.published),
            *(score(accuracy, split) for split in SPLITS), in_percent(accuracy.commonest),
            *(score(balanced, split) for split in SPLITS), in_percent(balanced.commonest),
        ]  # fmt: skip


def table2() -> Table:
    """Yield Table 2's accuracies, for the article."""
    yield ["model", "published (%)", *(f"{words} (%)" for words in SPLITS.values()), "p, leak-free"]
    for _, row in accuracies(board.TABLE2, "donateacry").iterrows():
        measured = [score(row, split) for split in SPLITS]
        yield [named(row), in_percent(row.published), *measured, f"{row.p_value:.3f}"]


def by_metric(rows: pd.DataFrame) -> list[Any]:
    """Return a model's accuracy and balanced accuracy, NaN if not measured."""
    return [rows.set_index("metric").reindex(METRICS).loc[metric] for metric in METRICS]


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


def gaps(shown: pd.DataFrame) -> Table:
    """Yield the difference between the two splits for every model, in points."""
    yield ["table", "model", "random split minus leak-free (points)"]
    for _, row in board.gaps(shown).iterrows():
        yield [row.table, named(row), in_points(row)]


def readings() -> Table:
    """Yield the mean accuracy of Table 2's single random splits for each selection of clips."""
    means = claims.load_results("reference/judged", metric="reading_accuracy", split="random")
    means = means.pivot(index=["feature", "model"], columns="condition", values="value")
    copied = [str(name) for name in means if str(name).startswith("copied")]
    selections = ["no_copies", *copied, "augmented_to_38", "windows"]
    yield ["model", "published", *(name.replace("_", " ") for name in selections)]
    for _, row in accuracies(board.TABLE2, "donateacry").iterrows():
        shares = [row.published, *means.loc[(row.feature, row["name"]), selections]]
        yield [named(row), *map(in_percent, shares)]


def uploads() -> pd.DataFrame:
    """Return the scores of Table 3 on the original uploads."""
    shown = scores("donateacry-uploads")
    return shown[shown.table == board.TABLE3.title]


def counts() -> Table:
    """Yield the clips of each class in Paper A's Table 1 and in the corpus."""
    yield ["class", "published, corpus", "ours, corpus", "published, used", "ours, used"]
    results = claims.load_results("reference/judged", study="table1", data="donateacry")
    for label, row in board.table1(results).iterrows():
        cells = ["–" if pd.isna(count) else f"{count:.0f}" for count in row]
        yield [str(label).replace("_", " "), *cells]


def leaks() -> Table:
    """Yield what each mistake of the audit adds on both forms of DonateACry, in points."""
    yield ["mistake", "cleaned corpus", "original uploads"]
    runs = [claims.load_results(f"reference/{run}", study="audit", rival="honest",
                                metric="balanced_accuracy").set_index("condition")
            for run in ("judged", "uploads")]  # fmt: skip
    for rung, words in MISTAKES.items():
        yield [words, *(in_points(run.loc[str(rung)]) for run in runs)]


def verdicts() -> Table:
    """Yield how many rows of the ledger have which verdict, with all stored runs."""
    home = project_dir() / "outputs" / "reference"
    table = ledger.summary(ledger.of_runs(claims.every_run(home)))
    yield [
        "verdict",
        *(", ".join(filter(None, map(str, heading))) for heading in table.columns.to_list()),
    ]
    for verdict, row in table.iterrows():
        yield [str(verdict), *map(str, row)]


def benchmark() -> Table:
    """Yield the stored scores of frozen representations on the benchmark's folds."""
    heads = {"linear": "logistic regression", "network": "one hidden layer"}
    yield ["task", "representation", "head", "random (%)", "leak-free (%)", "difference (points)",
           "guessing (%)"]  # fmt: skip
    path = project_dir() / "outputs/reference/benchmarks/donateacry.csv"
    for row in pd.read_csv(path).to_dict("records"):
        cells = [score(row, name) for name in ("random", "leak_free", "gap")]
        head, chance = heads[row["model"]], in_percent(row["chance"])
        yield [row["task"], row["feature"], head, *cells, chance]


def beyond() -> Table:
    """Yield the leak-free scores of notebook 12."""
    names = {"guessing": "guessing", **ideas.NAMES}
    table = by_task(claims.load_results("reference/judged", study="beyond"), names)
    yield ["idea", *table.columns]
    for name, row in table.iterrows():
        yield [str(name), *row]


TABLES: dict[str, dict[str, Callable[[], Table]]] = {
    "README.md": {"networks": networks},
    "docs/article.md": {"counts": counts, "table2": table2, "leaks": leaks, "verdicts": verdicts},
    "docs/benchmark.md": {"benchmark": benchmark},
    "docs/results.md": {
        "scores": lambda: every_score(scores()),
        "gaps": lambda: gaps(scores()),
        "readings": readings,
        "uploads": lambda: every_score(uploads()),
        "uploads_gaps": lambda: gaps(uploads()),
        "beyond": beyond,
    },
}


def filled(text: str, path: str) -> str:
    """Return the text of a page with its tables made from the stored results."""
    for name, table in TABLES[path].items():
        head, *rows = (" | ".join(row) for row in table())
        rule = "|---" * (head.count("|") + 1) + "|"
        lines = [f"| {head} |", rule, *(f"| {row} |" for row in rows)]
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
