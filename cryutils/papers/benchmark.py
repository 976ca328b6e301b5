"""Fixed folds of cries for four tasks, and the scores of answers on them.

Used in notebooks 12_beyond_the_papers and appendix_faces. Each task has folds of clips divided at
random and leak-free folds, of the same clips. `docs/benchmark.md` says how to answer on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils._io.paths import project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.evaluation import Interval
from cryutils.evaluation.splits import Fold, fold_numbers, folds
from cryutils.papers.controls import across_sessions, recognised

__all__ = ["TASKS", "by_task", "divide", "divisions", "gains", "scores", "splits_of", "task"]

TASKS = {
    "reason": "why the infant cries",
    "infant": "which infant cries, in another session",
    "age": "the infant's age group",
    "sex": "the infant's sex",
}
_LEAST_CLIPS, _LEAST_INFANTS = 10, 5  # of each class


def splits_of(corpus: Corpus) -> pd.DataFrame:
    """Return the corpus' folds in `data/benchmark`, or new ones; columns as in `divide`."""
    file = project_dir() / "data" / "benchmark" / f"{corpus.name}.csv"
    if not file.is_file():
        return divide(corpus)
    splits = pd.read_csv(file, dtype=str, keep_default_na=False)
    if lacking := set(splits["clip"]) - {clip.id for clip in corpus}:
        raise InputError(f"{file}: {corpus.name} has no clip {min(lacking)}.")
    return splits


def divide(corpus: Corpus, *, n_folds: int = 5, repeats: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return the folds of every task that the corpus allows, a row for each task and clip.

    Columns: task, clip, infant, truth, and for each split the fold that tests the clip in each
    repeat, a text of digits such as "03124": `random`, and `leak_free`, in which all clips of an
    infant are in one fold. For the task `infant`, `leak_free` divides the infant's sessions in two,
    and `random` its clips. Raises InputError if the corpus allows no task.
    """
    clips = corpus.frame().drop(columns="reason").rename(columns={"id": "clip", "label": "reason"})
    tables = []
    for task in TASKS:
        rows = clips.assign(task=task, truth=clips[task]).dropna(subset="truth")
        classes = rows.groupby("truth")
        if task == "infant":
            large = classes.session.transform("nunique") > 1
        else:
            large = classes.infant.transform("nunique") >= _LEAST_INFANTS
            large &= classes.clip.transform("size") >= _LEAST_CLIPS
        rows = rows[large]
        if rows.truth.nunique() < 2:
            continue
        truth, infants = rows.truth.to_numpy(str), rows.infant.to_numpy(str)
        sizes = {"n_splits": 2 if task == "infant" else n_folds, "repeats": repeats, "seed": seed}
        if task == "infant":
            leak_free = [across_sessions(infants, list(rows.session))] * repeats
        else:
            leak_free = folds(truth, infants, **sizes)
        divided = {"random": folds(truth, None, **sizes), "leak_free": leak_free}
        digits = {split: _digits(repeated, len(rows)) for split, repeated in divided.items()}
        tables.append(rows[["task", "clip", "infant", "truth"]].assign(**digits))
    if not tables:
        raise InputError(
            f"{corpus.name}: no task has two classes with {_LEAST_CLIPS} clips of"
            f" {_LEAST_INFANTS} infants each, and no two infants have recordings of two sessions."
        )
    return pd.concat(tables, ignore_index=True)


def _digits(repeated_folds: list[list[Fold]], count: int) -> list[str]:
    numbers = [fold_numbers((test for _, test in repeat), count) for repeat in repeated_folds]
    return ["".join(map(str, of_clip)) for of_clip in np.transpose(numbers)]


def task(
    corpus: Corpus, name: str, repeats: int = 5
) -> tuple[Corpus, npt.NDArray[np.int64], dict[str, list[list[Fold]]]]:
    """Return a task's clips, their positions in `corpus`, and the folds of each repeat by split.

    The clips are labelled with what the task asks for. The folds are for `evaluation.out_of_fold`:
    (train, test), positions in the task's clips, for "random" and "leak_free". name: a key of
    `TASKS`. repeats: at most five. Raises InputError as `splits_of` does, or for another task.
    """
    splits = splits_of(corpus)
    rows = splits[splits.task == name]
    if rows.empty:
        near = near_miss(name, set(splits.task))
        raise InputError(f"{corpus.name} has no task {name!r}.{near}")
    place = {clip.id: k for k, clip in enumerate(corpus)}
    where = np.array([place[clip] for clip in rows["clip"]])
    clips = [
        replace(corpus[k], label=truth) for k, truth in zip(where.tolist(), rows.truth, strict=True)
    ]
    divided = {split: divisions(rows, split)[:repeats] for split in ("random", "leak_free")}
    return Corpus(clips, name=corpus.name, note=corpus.note), where, divided


def divisions(rows: pd.DataFrame, split: str = "leak_free") -> list[list[Fold]]:
    """Return the folds (train, test) of each repeat, as row numbers of a task's `rows`.

    rows: of one task, from `splits_of`. split: "leak_free" or "random".
    """
    repeats = np.array([list(map(int, digits)) for digits in rows[split]]).T
    return [
        [(np.flatnonzero(numbers != k), np.flatnonzero(numbers == k)) for k in np.unique(numbers)]
        for numbers in repeats
    ]


def scores(answers: pd.DataFrame, rival: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return each model's scores as rows for `claims.record_table`; the condition is the task.

    The score is the balanced accuracy; for the task `infant`, the mean over infants of the share
    that is recognised. Each task also has a row of the feature "guessing". With a `rival`, one
    model's answers to the same clips, rows are differences from it, paired over infants.

    answers: columns task, feature, model, split, repeat, clip, infant, truth, predicted.
    """
    rows: list[dict[str, Any]] = []
    for model, part in answers.groupby(["task", "feature", "model", "split"], sort=False):
        about = dict(zip(("condition", "feature", "model", "split"), model, strict=True))
        counts = {"n": part["clip"].nunique(), "trainings": part.repeat.nunique()}
        rows.append({**about, **_interval(part, rival).row(), **counts})
    for task, truth in answers.groupby("task", sort=False).truth if rival is None else ():
        guess = {"feature": "guessing", "model": "", "split": "leak_free"}
        rows.append({"condition": task, **guess, "value": 1 / truth.nunique()})
    return pd.DataFrame(rows).assign(rival="", metric="balanced_accuracy")


def gains(answers: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return the differences of `scores` between features and their baselines.

    answers: as in `scores`, one model a feature. pairs: a feature and its baseline; a pair of which
    one is missing is left out.
    """
    models = dict(iter(answers.groupby("feature")))
    tables = [
        scores(models[feature], models[baseline]).assign(model="", rival=baseline)
        for feature, baseline in pairs
        if {feature, baseline} <= set(models)
    ]
    return pd.concat(tables or [pd.DataFrame()])


def _interval(answers: pd.DataFrame, rival: pd.DataFrame | None) -> Interval:
    """Return the score of a task and split, or that minus a rival's, paired over infants."""
    task, split = answers[["task", "split"]].iloc[0]
    if rival is not None:
        rival = rival[(rival.task == task) & (rival.split == split)]
    if task == "infant":  # each infant is a class
        shares, infants = recognised(answers)
        if rival is None:
            return evaluation.mean_interval(shares, infants, limits=(0, 1))
        return evaluation.mean_interval(shares - recognised(rival)[0], infants)
    clips = answers.drop_duplicates("clip").set_index("clip").sort_index()
    truth, classes = evaluation.class_indices(clips.truth.to_numpy(str))
    infants, predicted = clips.infant.to_numpy(str), _predicted(answers, classes)
    if rival is None:
        return evaluation.interval(predicted, truth, infants)
    return evaluation.paired_interval(predicted, _predicted(rival, classes), truth, infants)


def _predicted(answers: pd.DataFrame, classes: list[str]) -> npt.NDArray[np.int64]:
    """Return the predicted class indices, int64 (repeats, clips), with sorted clips."""
    table = answers.pivot(index="repeat", columns="clip", values="predicted")
    return table.apply(pd.Index(classes).get_indexer, axis=1, result_type="expand").to_numpy()


def by_task(results: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return leak-free scores in percent, such as "26 [12, 40]", a column per task; "–" if missing.

    results: from `scores`, or of a stored run. names: the row's name by feature, in order.
    """
    rows = results[(results.split == "leak_free") & (results.rival == "")]
    ends = 100 * rows[["value", "low", "high"]].astype(float)
    spans = " [" + ends.low.map("{:.0f}".format) + ", " + ends.high.map("{:.0f}".format) + "]"
    texts = ends.value.map("{:.0f}".format) + spans.where(ends.low.notna(), "")
    table = rows.assign(text=texts).pivot(index="feature", columns="condition", values="text")
    tasks = [task for task in TASKS if task in table]
    table = table.reindex(index=list(names), columns=tasks).fillna("–").rename_axis(None)
    return table.rename(index=names, columns=TASKS).rename_axis(columns=None)
