"""Fixed folds of cries for four tasks, and the scores of answers on them.

Used in notebooks 12_beyond_the_papers and appendix_faces. Each task has folds of clips divided at
random and leak-free folds, of the same clips. `docs/benchmark.md` says how to answer on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.paths import project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Interval
from cryutils.evaluation.intervals import mean_interval
from cryutils.evaluation.splits import Fold, fold_numbers, folds
from cryutils.models import sound_embeddings
from cryutils.models.inputs import SoundInput
from cryutils.papers.controls import across_sessions, recognised

__all__ = [
    "TASKS", "by_task", "difference", "divide", "divisions", "gains", "represent", "rows",
    "splits_of",
]  # fmt: skip

TASKS = {
    "reason": "why the infant cries",
    "infant": "which infant cries, on another day",
    "age": "the infant's age group",
    "sex": "the infant's sex",
}
_SR = 8000  # Hz
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
    infant are in one fold. For the task `infant`, `leak_free` divides the infant's days in two, and
    `random` its clips. Raises InputError if the corpus allows no task.
    """
    frame = corpus.frame().drop(columns="reason").rename(columns={"id": "clip", "label": "reason"})
    tables = []
    for task in TASKS:
        rows = frame.assign(truth=frame[task]).dropna(subset="truth")
        by_class = rows.groupby("truth")
        if task == "infant":
            kept = by_class.session.transform("nunique") > 1
        else:
            kept = by_class.infant.transform("nunique") >= _LEAST_INFANTS
            kept &= by_class.clip.transform("size") >= _LEAST_CLIPS
        rows = rows[kept].reset_index(drop=True)
        if rows.truth.nunique() < 2:
            continue
        truth, infants = rows.truth.to_numpy(str), rows.infant.to_numpy(str)
        settings: dict[str, Any] = {"repeats": repeats, "seed": seed}
        if task == "infant":
            random = folds(truth, None, n_splits=2, **settings)
            free = [across_sessions(infants, list(rows.session))] * repeats
        else:
            random = folds(truth, None, n_splits=n_folds, **settings)
            free = folds(truth, infants, n_splits=n_folds, **settings)
        rows = rows.assign(task=task, random=_digits(random, rows), leak_free=_digits(free, rows))
        tables.append(rows[["task", "clip", "infant", "truth", "random", "leak_free"]])
    if not tables:
        raise InputError(
            f"{corpus.name}: no task has two classes with {_LEAST_CLIPS} clips of"
            f" {_LEAST_INFANTS} infants each, and no two infants have recordings of two days."
        )
    return pd.concat(tables, ignore_index=True)


def _digits(repeats: list[list[Fold]], rows: pd.DataFrame) -> list[str]:
    numbers = [fold_numbers((test for _, test in each), len(rows)) for each in repeats]
    return ["".join(map(str, clip)) for clip in np.transpose(numbers)]


def divisions(rows: pd.DataFrame, column: str = "leak_free") -> list[list[Fold]]:
    """Return the folds (train, test) of each repeat, as row numbers of a task's `rows`.

    rows: of one task, from `splits_of`. column: "leak_free" or "random".
    """
    number = np.array([list(map(int, text)) for text in rows[column]]).T  # repeats x clips
    return [
        [(np.flatnonzero(row != k), np.flatnonzero(row == k)) for k in np.unique(row)]
        for row in number
    ]


def represent(name: str, corpus: Corpus) -> npt.NDArray[np.float32]:
    """Return mean and deviation over time of "mfcc", "stft" or "speech", float32 (clips, numbers).

    "speech" is Google's speech embedding, with the extra `embeddings`.
    """
    sounds = audio.signals(corpus, sr=_SR)
    if name == "speech":
        return sound_embeddings.speech(sounds, sr=_SR)
    features = SoundInput(sr=_SR, kind=name, n_fft=256, hop_length=128, scaling="recording")
    return features.summary(sounds)


def rows(answers: pd.DataFrame, *, data: str) -> pd.DataFrame:
    """Return every score as a row for `claims.record_table`; the condition is the task.

    The score is the balanced accuracy; for the task `infant`, the mean over infants of the share
    that is recognised. Each task also has a row of the feature "guessing".

    answers: columns task, feature, model, split, repeat, clip, infant, truth, predicted. data: the
    corpus.
    """
    names = ["task", "feature", "model", "split"]
    table: list[dict[str, Any]] = []
    for about, part in answers.groupby(names, sort=False):
        score = _difference(str(about[0]), part).row()
        counts = {"n": part["clip"].nunique(), "trainings": part.repeat.nunique()}
        table.append({**dict(zip(names, about, strict=True)), **score, **counts})
    for task, truth in answers.groupby("task", sort=False).truth:
        guess = {"feature": "guessing", "model": "", "split": "leak_free"}
        table.append({"task": task, **guess, "value": 1 / truth.nunique()})
    scores = pd.DataFrame(table).rename(columns={"task": "condition"})
    return scores.assign(rival="", metric="balanced_accuracy", data=data)


def difference(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return a model's score minus another one's, paired over infants, for each task and split.

    first, second: answers of one model each to the same clips, columns as in `rows`. Columns: task,
    split, value, low, high, n and n_infants.
    """
    parts = second.groupby(["task", "split"], sort=False)
    return pd.DataFrame(
        [
            {"task": task, "split": split}
            | _difference(str(task), part, parts.get_group((task, split))).row()
            | {"n": part["clip"].nunique()}
            for (task, split), part in first.groupby(["task", "split"], sort=False)
        ]
    )


def gains(answers: pd.DataFrame, pairs: Iterable[tuple[str, str]], *, data: str) -> pd.DataFrame:
    """Return paired differences as rows for `claims.record_table`.

    answers, data: as in `rows`, one model a feature. pairs: a feature and its baseline; a pair of
    which one is missing is left out.
    """
    of = dict(iter(answers.groupby("feature")))
    parts = [
        difference(of[feature], of[rival]).assign(
            feature=feature, rival=rival, trainings=of[feature].repeat.nunique()
        )
        for feature, rival in pairs
        if feature in of and rival in of
    ]
    table = pd.concat(parts or [pd.DataFrame()]).rename(columns={"task": "condition"})
    return table.assign(metric="balanced_accuracy", data=data)


def _difference(task: str, first: pd.DataFrame, second: pd.DataFrame | None = None) -> Interval:
    """Return a score, or a score minus another one on the same clips, paired over infants."""
    if task == "infant":  # each infant is a class
        shares, infants = recognised(first)
        if second is None:
            return mean_interval(shares, infants, limits=(0, 1))
        return mean_interval(shares - recognised(second)[0], infants)
    truth, infants, predicted = _indices(first)
    if second is None:
        return evaluation.interval(predicted, truth, infants)
    return evaluation.paired_interval(predicted, _indices(second)[2], truth, infants)


def _indices(part: pd.DataFrame) -> tuple[npt.NDArray[Any], ...]:
    """Return truth and infants (clips,), and predicted (repeats, clips), as class indices."""
    wide = part.pivot(index="clip", columns="repeat", values="predicted")
    about = part.drop_duplicates("clip").set_index("clip").loc[wide.index]
    classes, truth = np.unique(about.truth.to_numpy(str), return_inverse=True)
    predicted = [pd.Index(classes).get_indexer(pd.Index(wide[repeat])) for repeat in wide]
    return truth, about.infant.to_numpy(str), np.array(predicted)


def by_task(results: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return leak-free scores in percent, such as "26 [12, 40]", a column per task; "–" if missing.

    results: from `rows`, or of a stored run. names: the row's name by feature, in order.
    """
    scores = results[(results.split == "leak_free") & (results.rival == "")]
    ends = scores.set_index(["feature", "condition"])[["value", "low", "high"]].astype(float)
    numbers = (100 * ends).T.to_dict("list")

    def cell(feature: str, task: str) -> str:
        value, low, high = numbers.get((feature, task), [nan] * 3)
        span = "" if np.isnan(low) else f" [{low:.0f}, {high:.0f}]"
        return "–" if np.isnan(value) else f"{value:.0f}{span}"

    columns = [task for task in TASKS if task in set(scores.condition)]
    return pd.DataFrame(
        {TASKS[task]: [cell(feature, task) for feature in names] for task in columns},
        index=list(names.values()),
    )
