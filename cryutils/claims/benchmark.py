"""Scores of the benchmark's answers, predictions of other programs, and the page of results.

Used by `cryutils benchmark` and in notebook 12_beyond_the_papers; `papers.benchmark` makes the
answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from cryutils import evaluation
from cryutils._io.paths import writing
from cryutils.claims import report, store
from cryutils.claims.answers import answers
from cryutils.claims.tables import in_percent
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError
from cryutils.evaluation import Interval
from cryutils.evaluation.intervals import mean_interval
from cryutils.papers.benchmark import HEADS, SPLITS, TASKS
from cryutils.papers.controls import recognised

__all__ = [
    "by_task", "curve", "difference", "record", "rows", "score", "summary", "with_predictions",
    "with_share", "write",
]  # fmt: skip


def with_predictions(
    answers: pd.DataFrame, table: pd.DataFrame, splits: pd.DataFrame, task: str
) -> pd.DataFrame:
    """Return `answers` of `predict` and, below them, a table of predictions by any program.

    table: columns as in `claims.audit.read`, with the splits "clip", "infant" or both.

    Raises
    ------
    InputError
        The table's clips, truths or infants differ from the task's, an infant is in two test folds
        of a leak-free split, or no split is stated.
    """
    wanted = splits[splits.task == task].set_index("clip")
    for split, part in table.groupby("split"):
        if split not in SPLITS.values():
            raise InputError("the predictions name no split; add the column split.")
        clips = part.drop_duplicates("clip").set_index("clip")
        if other := set(clips.index) ^ set(wanted.index):
            raise InputError(f"{task}: the predictions and the task differ in clip {min(other)}.")
        for column in ("truth", "infant"):
            differs = clips[column] != wanted[column].reindex(clips.index)
            if differs.any():
                raise InputError(f"{task}: another {column} of clip {clips.index[differs][0]}.")
        used = part[part.fold >= 0].groupby(["model", "repeat", "infant"]).fold.nunique()
        if task != "infant" and split == "infant" and (used > 1).any():
            infant = used.index[used > 1][0][-1]
            raise InputError(f"{task}: infant {infant} is in two folds of the leak-free split.")
    return pd.concat([answers, table.assign(task=task, feature="predictions")], ignore_index=True)


# Scores


def score(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the balanced accuracy of each head with both splits, and the paired difference.

    predictions: columns as `predict` returns them. Columns: task, feature, model; clip (random
    split), infant (leak-free) and gap (their difference), each with `_low` and `_high` (95 %
    intervals over infants); chance, n and n_infants. For
    the task `infant`, a score is the mean over infants of the share that is recognised.
    """
    rows = []
    for about, part in predictions.groupby(["task", "feature", "model"], sort=False):
        task = str(about[0])
        by_split = {str(split): each for split, each in part.groupby("split")}
        scores = {split: _interval(task, each) for split, each in by_split.items()}
        if len(by_split) == 2:
            scores["gap"] = _difference(task, by_split["clip"], by_split["infant"])
        row = dict(zip(("task", "feature", "model"), about, strict=True))
        for name, interval in scores.items():
            ends = interval.row()
            row |= {name: ends["value"], f"{name}_low": ends["low"], f"{name}_high": ends["high"]}
        clips = part.drop_duplicates("clip")
        chance = 1 / clips.truth.nunique()
        rows.append({**row, "chance": chance, "n": len(clips), "n_infants": clips.infant.nunique()})
    return pd.DataFrame(rows)


def difference(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return a model's score minus another one's, paired over infants, for each task and split.

    first, second: answers of one model each to the same clips, columns as `predict` returns them.
    Columns: task, split, value, low, high, n and n_infants.
    """
    parts = second.groupby(["task", "split"], sort=False)
    return pd.DataFrame(
        [
            {"task": task, "split": split}
            | _difference(str(task), rows, parts.get_group((task, split))).row()
            | {"n": rows["clip"].nunique()}
            for (task, split), rows in first.groupby(["task", "split"], sort=False)
        ]
    )


def rows(predictions: pd.DataFrame, *, data: str) -> pd.DataFrame:
    """Return every score as a row for `claims.record_table`; the condition is the task.

    Each task also has a row of the feature "guessing", one divided by its number of classes.

    predictions: columns as `predict` returns them. data: the corpus.
    """
    table = [
        {
            **dict(zip(("condition", "feature", "model", "split"), about, strict=True)),
            **_interval(str(about[0]), part).row(),
            "n": part["clip"].nunique(),
            "trainings": part.repeat.nunique(),
        }
        for about, part in predictions.groupby(["task", "feature", "model", "split"], sort=False)
    ]
    for task, truth in predictions.groupby("task", sort=False).truth:
        guess = {"condition": task, "feature": "guessing", "value": 1 / truth.nunique()}
        table.append({**guess, "model": "", "split": "infant"})
    return pd.DataFrame(table).assign(rival="", metric="balanced_accuracy", data=data)


def record(
    predictions: pd.DataFrame, pairs: Iterable[tuple[str, str]], *, study: str, data: str
) -> None:
    """Collect scores, paired differences and predictions for `claims.write`.

    predictions: columns as `predict` returns them, one model a feature. pairs: a feature and its
    baseline; a pair of which one is missing is left out. study, data: of the rows.
    """
    about = {"study": study, "data": data}
    store.record_table(rows(predictions, data=data), study=study)
    of = dict(iter(predictions.groupby("feature")))
    for feature, rival in pairs:
        if feature in of and rival in of:
            gain = difference(of[feature], of[rival]).rename(columns={"task": "condition"})
            gain = gain.assign(feature=feature, rival=rival, metric="balanced_accuracy")
            store.record_table(gain, trainings=of[feature].repeat.nunique(), **about)
    store.record_predictions(predictions.rename(columns={"task": "condition"}), **about)


def by_task(results: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return leak-free scores in percent, such as "26 [12, 40]", a column per task; "–" if missing.

    results: from `rows`, or of a stored run. names: the row's name by feature, in order.
    """
    scores = results[(results.split == "infant") & (results.rival == "")]
    ends = scores.set_index(["feature", "condition"])[["value", "low", "high"]].astype(float)
    numbers: dict[Any, list[float]] = ends.T.to_dict("list")
    return pd.DataFrame(
        {
            TASKS[task]: {
                name: in_percent(*numbers.get((feature, task), [nan]))
                for feature, name in names.items()
            }
            for task in TASKS
            if task in set(scores.condition)
        }
    )


def with_share(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return `rows` whose condition also names the share of infants with labels, unless it is 1."""
    words = "" if share == 1 else f"_labels_{100 * share:g}"
    return rows.assign(condition=rows.condition + words)


def curve(results: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the scores of a task by the share of infants with labels, from `with_share`.

    results: of `rows`, or of a stored run. Columns of `results`, and labelled (0 to 1).
    """
    shares = results.condition.str.extract(rf"^{task}(?:_labels_(?P<share>[\d.]+))?$")
    is_task = results.condition.str.match(rf"{task}(_labels_[\d.]+)?$") & (results.rival == "")
    labelled = shares.share.astype(float).fillna(100) / 100
    return results.assign(labelled=labelled)[is_task]


def _interval(task: str, part: pd.DataFrame) -> Interval:
    """Return the score of a head with one split."""
    if task == "infant":  # each infant is a class
        return mean_interval(*recognised(part), limits=(0, 1))
    each = answers(part)
    return evaluation.interval(each.predicted, each.truth, each.infants)


def _difference(task: str, a: pd.DataFrame, b: pd.DataFrame) -> Interval:
    """Return a score minus another one on the same clips, paired over infants."""
    if task == "infant":
        (shares, infants), (others, _) = recognised(a), recognised(b)
        return mean_interval(shares - others, infants)
    first, second = (answers(part.sort_values("clip", kind="stable")) for part in (a, b))
    return evaluation.paired_interval(first.predicted, second.predicted, first.truth, first.infants)


# Results


def summary(scores: pd.DataFrame) -> list[str]:
    """Return a line for each row of `score`."""
    lines = []
    for row in scores.to_dict("records"):
        parts = [
            f"{words} {in_percent(row[name], row[f'{name}_low'], row[f'{name}_high'])}"
            for name, words in (("clip", "random"), ("infant", "leak-free"))
            if not pd.isna(row.get(name))
        ]
        head = HEADS.get(str(row["model"]), row["model"])
        about = f"{row['task']}, {row['feature']}, {head}"
        lines.append(f"{about}: {', '.join(parts)}; guessing {in_percent(row['chance'])} %")
    return lines


def write(
    scores: pd.DataFrame, predictions: pd.DataFrame, splits: pd.DataFrame, folder: Path, name: str
) -> Path:
    """Write a benchmark to `folder`, and return the path of the page.

    `<name>.html` and `<name>.csv` have the scores, `<name>_predictions.parquet` the answers, and
    `<name>_splits.csv` the folds, for others to use.
    """
    gaps = scores.reindex(columns=["gap", "gap_low", "gap_high"]).to_numpy(float)
    shown = scores.assign(commonest=scores.chance, difference=[in_percent(*gap) for gap in gaps])
    page = report.rendered(
        "benchmark.html", data=name, scores=shown, tasks=TASKS, heads=HEADS,
        splits={"clip": "clips split at random", "infant": "leak-free"},
        synthetic=is_synthetic(name),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / f"{name}.html") as part:
        part.write_text(page, encoding="utf-8")
    for suffix, table in (("", scores), ("_splits", splits)):
        with writing(folder / f"{name}{suffix}.csv") as part:
            table.to_csv(part, index=False)
    with writing(folder / f"{name}_predictions.parquet") as part:
        predictions.to_parquet(part, index=False)
    return folder / f"{name}.html"
