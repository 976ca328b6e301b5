"""Draw two figures and fill the tables of three pages from the results in `outputs/reference`.

    python tools/figures.py            write what differs
    python tools/figures.py --check    write nothing; name differences, and exit with 1 if any

The figures are `docs/table2.png` and `outputs/reference/paper/table3.png`. The bytes of a picture
change with the version of matplotlib, so each picture stores a digest of what is drawn, and the
digests are compared. A table is the text between `<!-- table: NAME -->` and `<!-- end -->`:
`networks` in README.md, `benchmark` in docs/benchmark.md, the others in docs/results.md. All show
real recordings.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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
from cryutils.claims import article, scoreboard, tables
from cryutils.claims.tables import COMMONEST
from cryutils.papers import beyond as ideas
from cryutils.papers.benchmark import by_task

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
SPLITS = {"clip": "random split", "infant": "leak-free"}


def reference(home: Path) -> pd.DataFrame:
    """Return the scoreboard of the runs on both forms of DonateACry and at the paper's size."""
    runs = {
        f"reference/{name}": claims.table(claims.read_results(home / name / "results.json"))
        for name in ("judged", "uploads", "paper")
    }
    return scoreboard.board(runs)


# Figures


def accuracies(board: pd.DataFrame, layout: tables.Layout, data: str) -> pd.DataFrame:
    """Return the board's accuracies in one table on one corpus."""
    return board[
        (board.table == layout.title) & (board.data == data) & (board.metric == "accuracy")
    ]


def table2(board: pd.DataFrame) -> tuple[Figure, str]:
    """Return the figure of Table 2 on DonateACry, and its caption."""
    rows = accuracies(board, tables.TABLE2, "donateacry")
    rows = rows[rows.model != COMMONEST]
    fig, ax = plt.subplots(figsize=(8.4, 5.4))
    plots.protocol_scores(
        rows.set_index(rows.group + " · " + rows.model), ax, chance=rows.commonest.iloc[0],
        xlabel="accuracy, with 95 % interval over infants",
    )  # fmt: skip
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    labels = {plots.NAMES[split]: words for split, words in SPLITS.items()}
    labels["commonest class"] = "always the commonest class"
    handles, names = ax.get_legend_handles_labels()
    ax.legend(
        handles, [labels.get(name, name) for name in names], loc="upper center",
        bbox_to_anchor=(0.45, -0.12), ncols=4,
    )  # fmt: skip
    ax.set_title("Paper A, Table 2: published and measured again under two splits")
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    plots.source(
        fig, f"DonateACry (real recordings); draws of {n} clips, of {infants} infants in all"
    )
    return fig, (
        "Paper A's Table 2: accuracy of each feature and classifier as published, with clips split"
        " at random and leak-free, with 95 % intervals over infants."
    )


def table3(board: pd.DataFrame) -> tuple[Figure, str]:
    """Return the figure of Table 3 in the simulation, and its caption."""
    rows = accuracies(board, tables.TABLE3, "synthetic")
    rows = rows.rename(columns={"condition": "pair"})
    models = rows[rows.model != COMMONEST]
    tidy = pd.concat(
        models[["pair", "name"]].assign(
            split=split, value=models[split], low=models[f"{split}_low"],
            high=models[f"{split}_high"],
        )
        for split in scoreboard.SPLITS
    ).rename(columns={"name": "model"})  # fmt: skip
    fig = plots.table3(tidy, majority=models.groupby("pair").commonest.first().to_dict())
    n, infants = int(rows.n.max()), int(rows.n_infants.max())
    note = "synthetic voices and faces: no evidence about real infants"
    plots.source(fig, f"{note}; {n} clips of {infants} infants")
    return fig, "Paper A's Table 3 in the simulation, at the paper's size, under three splits."


FIGURES: dict[str, Callable[[pd.DataFrame], tuple[Figure, str]]] = {
    "docs/table2.png": table2,
    "outputs/reference/paper/table3.png": table3,
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


def networks(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the table of both papers' main models on real recordings."""
    splits = list(SPLITS.values())
    yield [
        "model", "published", *(f"accuracy, {split}" for split in splits), "always *hungry*",
        *(f"balanced, {split}" for split in splits), "chance",
    ]  # fmt: skip
    for model, name in NETWORKS.items():
        about = board[["study", "condition", "name"]].apply(tuple, axis=1)
        _, accuracy, balanced = scores(board[about == model])
        yield [
            name, tables.in_percent(accuracy.published),
            *(score(accuracy, split) for split in SPLITS), tables.in_percent(accuracy.commonest),
            *(score(balanced, split) for split in SPLITS), tables.in_percent(balanced.commonest),
        ]  # fmt: skip


def every_score(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the table of every model that was measured on real recordings."""
    scored = [f"{tables.METRICS[m]}, {words} (%)" for m in METRICS for words in SPLITS.values()]
    yield ["table", "model", "published accuracy (%)", *scored, "p, leak-free"]
    for _, rows in board.groupby(["study", "condition", "feature", "name"], sort=False):
        about, accuracy, balanced = scores(rows)
        yield [
            about.table, named(about), tables.in_percent(accuracy.published),
            *(score(row, split) for row in (accuracy, balanced) for split in SPLITS),
            "–" if pd.isna(about.p_value) else f"{about.p_value:.3f}",
        ]  # fmt: skip


def scores(rows: pd.DataFrame) -> tuple[Any, Any, Any]:
    """Return a row about a model, then its accuracy and balanced accuracy, NaN if not measured."""
    rows = rows.set_index("metric")
    accuracy, balanced = (rows.reindex(METRICS).loc[metric] for metric in METRICS)
    return rows.iloc[0], accuracy, balanced


def named(row: Any) -> str:
    """Return a model's name in words, after its group if it has one."""
    answer = f"always the {COMMONEST}" if row.model == COMMONEST else row.model
    return f"{row.group}: {answer}" if row.group else answer


def score(row: Any, split: str) -> str:
    """Return a score under a split with its interval, in percent."""
    return tables.in_percent(*(row[f"{split}{end}"] for end in ("", "_low", "_high")))


def gaps(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the difference between the two splits for every model, in points."""
    yield ["table", "model", "random split minus leak-free (points)"]
    for _, row in article.gaps(board).iterrows():
        value, low, high = (f"{round(100 * row[end]):+d}" for end in ("value", "low", "high"))
        yield [row.table, named(row), f"{value} [{low}, {high}]"]


def readings(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the mean accuracy of Table 2's single random splits for each selection of clips."""
    results = claims.load_results(project_dir() / "outputs" / board.run.iloc[0])
    shares = article.readings(board, results)
    columns = list(shares.columns[3:])
    yield ["model", *columns]
    for _, row in shares.iterrows():
        yield [named(row), *map(tables.in_percent, row[columns])]


def uploads(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield Table 3 on the original uploads."""
    return every_score(board[board.table == tables.TABLE3.title])


def uploads_gaps(board: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the difference between the two splits for Table 3 on the original uploads."""
    return gaps(board[board.table == tables.TABLE3.title])


def benchmark(_: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the stored scores of frozen representations on the benchmark's folds."""
    heads = {"linear": "logistic regression", "network": "one hidden layer"}
    yield ["task", "representation", "head", "random (%)", "leak-free (%)", "difference (points)",
           "guessing (%)"]  # fmt: skip
    path = project_dir() / "outputs/reference/benchmarks/donateacry.csv"
    for row in pd.read_csv(path).to_dict("records"):
        cells = [score(row, name) for name in ("clip", "infant", "gap")]
        head, chance = heads[row["model"]], tables.in_percent(row["chance"])
        yield [row["task"], row["feature"], head, *cells, chance]


def beyond(_: pd.DataFrame) -> Iterator[list[str]]:
    """Yield the leak-free scores of notebook 12."""
    names = {"guessing": "guessing", **ideas.NAMES}
    table = by_task(claims.reference("judged", study="beyond"), names)
    yield ["idea", *table.columns]
    for name, row in table.iterrows():
        yield [str(name), *row]


CORPORA = dict.fromkeys(
    ("uploads", "uploads_gaps"), "donateacry-uploads"
)  # of a table; others are of DonateACry's cleaned form
TABLES: dict[str, dict[str, Callable[[pd.DataFrame], Iterator[list[str]]]]] = {
    "README.md": {"networks": networks},
    "docs/benchmark.md": {"benchmark": benchmark},
    "docs/results.md": {
        "scores": every_score,
        "gaps": gaps,
        "readings": readings,
        "uploads": uploads,
        "uploads_gaps": uploads_gaps,
        "beyond": beyond,
    },
}


def filled(text: str, path: str, board: pd.DataFrame) -> str:
    """Return the text of a page with its tables made from the board."""
    for name, table in TABLES[path].items():
        of_corpus = board[board.data == CORPORA.get(name, "donateacry")]
        text = with_table(text, path, name, table(of_corpus))
    return text


def with_table(text: str, path: str, name: str, cells: Iterator[list[str]]) -> str:
    """Return the text of a page with one table replaced."""
    head, *rows = (" | ".join(row) for row in cells)
    rule = "|---" * (head.count("|") + 1) + "|"
    lines = [f"| {head} |", rule, *(f"| {row} |" for row in rows)]
    block = "\n".join([f"<!-- table: {name} -->", *lines, "<!-- end -->"])
    pattern = rf"<!-- table: {name} -->(?:(?!<!--).)*<!-- end -->"
    text, times = re.subn(pattern, lambda _: block, text, flags=re.DOTALL)
    if times != 1:
        raise SystemExit(f"{path}: the block {name} occurs {times} times; it must occur once.")
    return text


def main(arguments: list[str]) -> int:
    """Write what differs, or name it with `--check`; see the module docstring."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    root, differing = project_dir(), []
    board = reference(root / "outputs" / "reference")
    before = {name: (root / name).read_text(encoding="utf-8") for name in TABLES}
    after = {name: filled(text, name, board) for name, text in before.items()}
    for name, text in after.items():
        if text != before[name]:
            differing.append(name)
            if not arguments:
                with writing(root / name) as part:
                    part.write_text(text, encoding="utf-8")
    plots.style()
    for name, draw in FIGURES.items():
        figure, caption = draw(board)
        with Image.open(root / name) as picture:
            same = picture.info.get("Digest") == digest(figure)
        if not same:
            differing.append(name)
        if not same and not arguments:
            with writing(root / name) as part:
                part.write_bytes(plots.png(figure, Description=caption, Digest=digest(figure)))
        plt.close(figure)
    for name in differing:
        print(f"{name}: {'differs from outputs/reference' if arguments else 'written'}")
    return 1 if differing and arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
