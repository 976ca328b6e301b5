"""A benchmark of frozen representations of cries: fixed splits, four tasks, two heads.

Used by `cryutils benchmark` and in notebook 12_beyond_the_papers. A *representation* is a row of
numbers for each clip that is not trained here. A *head* is trained on it for a *task*. Each is
evaluated with clips split at random and leak-free, on the same clips; `claims.benchmark` scores the
answers. `docs/benchmark.md` says how to add a representation or predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.paths import project_dir
from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.splits import Fold, fold_numbers, folds
from cryutils.models import classical, sound_embeddings
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import DenseSettings
from cryutils.papers.controls import across_sessions
from cryutils.papers.scored import answer_rows

__all__ = [
    "COMMITTED", "HEADS", "SPLITS", "TASKS", "divide", "divisions", "predict", "read_splits",
    "represent", "splits_of",
]  # fmt: skip

Array = npt.NDArray[np.float32]

COMMITTED = "data/benchmark"  # folder of the splits in git, in the project
TASKS = {
    "reason": "why the infant cries",
    "infant": "which infant cries, on another day",
    "age": "the infant's age group",
    "sex": "the infant's sex",
}
HEADS = {"linear": "logistic regression", "network": "one hidden layer"}
_SR = 8000  # Hz
_SUMMARIES = {
    kind: SoundInput(sr=_SR, kind=kind, n_fft=256, hop_length=128, scaling="recording")
    for kind in ("mfcc", "stft")
}
_NETWORK = DenseSettings(units=(64,), epochs=30)
_LEAST_CLIPS, _LEAST_INFANTS = 10, 5  # of each class
SPLITS = {"random": "clip", "leak_free": "infant"}  # columns of the file of splits
_COLUMNS = ["task", "clip", "infant", "truth", *SPLITS]


# Splits


def divide(corpus: Corpus, *, n_folds: int = 5, repeats: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return the folds of every task that the corpus allows, a row for each task and clip.

    Columns: task, clip, infant, truth, and for each split the fold that tests the clip in each
    repeat, a text of digits such as "03124": `random`, and `leak_free`, in which all clips of an
    infant are in one fold. For the task `infant`, `leak_free` divides the infant's days in two, and
    `random` its clips.

    Raises InputError if the corpus allows no task.
    """
    frame = pd.DataFrame(
        {
            "clip": [clip.id for clip in corpus],
            "infant": corpus.infants,
            "session": [clip.session for clip in corpus],
            "reason": corpus.labels,
            "age": [clip.age for clip in corpus],
            "sex": [clip.sex for clip in corpus],
        }
    )
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
        truth, settings = rows.truth.to_numpy(str), {"repeats": repeats, "seed": seed}
        if task == "infant":
            free = [across_sessions(rows.infant.to_numpy(str), list(rows.session))] * repeats
            random = folds(truth, None, n_splits=2, **settings)
        else:
            free = folds(truth, rows.infant.to_numpy(str), n_splits=n_folds, **settings)
            random = folds(truth, None, n_splits=n_folds, **settings)
        digits = {
            name: ["".join(map(str, row)) for row in np.transpose([
                fold_numbers((test for _, test in division), len(rows)) for division in divisions
            ])]
            for name, divisions in zip(SPLITS, (random, free), strict=True)
        }  # fmt: skip
        tables.append(rows.assign(task=task, **digits)[_COLUMNS])
    if not tables:
        raise InputError(
            f"{corpus.name}: no task has two classes with {_LEAST_CLIPS} clips of"
            f" {_LEAST_INFANTS} infants each, and no two infants have recordings of two days."
        )
    return pd.concat(tables, ignore_index=True)


def read_splits(path: Path) -> pd.DataFrame:
    """Return the folds in a CSV file. Raises InputError if it has other columns."""
    splits = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(splits.columns) != _COLUMNS:
        raise InputError(f"{path}: give the columns {', '.join(_COLUMNS)}.")
    return splits


def splits_of(corpus: Corpus, path: Path | None) -> pd.DataFrame:
    """Return the folds in the file at `path`, those in git for this corpus, or new ones.

    Raises InputError if the folds have a clip that the corpus lacks.
    """
    committed = project_dir() / COMMITTED / f"{corpus.name}.csv"
    file = path or (committed if committed.is_file() else None)
    splits = read_splits(file) if file else divide(corpus)
    if lacking := set(splits["clip"]) - {clip.id for clip in corpus}:
        raise InputError(f"{file}: {corpus.name} has no clip {min(lacking)}.")
    return splits


def divisions(rows: pd.DataFrame, column: str = "leak_free") -> list[list[Fold]]:
    """Return the folds (train, test) of each repeat, as row numbers of a task's `rows`.

    rows: of one task, from `splits_of`. column: "leak_free" or "random".
    """
    number = np.array([list(map(int, text)) for text in rows[column]]).T  # repeats x clips
    return [
        [(np.flatnonzero(row != k), np.flatnonzero(row == k)) for k in np.unique(row)]
        for row in number
    ]


# Representations


def represent(name: str, corpus: Corpus) -> Array:
    """Return a representation of each clip, float32 (clips, numbers).

    name: "mfcc" or "stft" (mean and deviation over time), a network of `sound_embeddings` such as
    "speech" or "yamnet=FILE", or the path of a CSV or Parquet file with a column clip and one for
    each number.

    Raises
    ------
    InputError
        The file lacks a clip, has a text or a missing number, or the network does not run.
    """
    path = Path(name)
    if path.suffix in (".csv", ".parquet") and "=" not in name:
        return _from_file(path, corpus)
    sounds = audio.signals(corpus, sr=_SR)
    if name in _SUMMARIES:
        return _SUMMARIES[name].summary(sounds)
    return sound_embeddings.embeddings(name, sounds, sr=_SR)


def _from_file(path: Path, corpus: Corpus) -> Array:
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV or Parquet file.") from error
    if "clip" not in table:
        raise InputError(f"{path}: no column clip.")
    rows = table.drop_duplicates("clip").set_index("clip").reindex([clip.id for clip in corpus])
    numbers = rows.apply(pd.to_numeric, errors="coerce")
    incomplete = numbers.isna().any(axis=1)
    if incomplete.any() or not len(numbers.columns):
        clip = numbers.index[incomplete][0] if incomplete.any() else "any clip"
        raise InputError(f"{path}: no complete row of numbers for {clip}.")
    return numbers.to_numpy(np.float32)


# Predictions


def predict(
    splits: pd.DataFrame, corpus: Corpus, representations: Mapping[str, Array], *, seed: int = 0
) -> pd.DataFrame:
    """Return the answers of every head on every representation, task and split.

    Each head is trained in each fold of each repeat; the network starts from other weights in each
    repeat. representations: for each clip of `corpus`, by name. Columns: task, feature,
    model (head), split ("clip" or "infant"), repeat, fold, clip, infant, truth, predicted.
    """
    place = {clip.id: k for k, clip in enumerate(corpus)}
    heads = {
        "linear": classical.baselines(seed)["logistic"],
        "network": classical.DeepNeuralNetwork(_NETWORK),
    }
    jobs = [
        (task, rows, feature, head)
        for task, rows in splits.groupby("task", sort=False)
        for feature in representations
        for head in heads
    ]
    tables = []
    with counting("benchmark", "heads") as report_progress:
        for done, (task, rows, feature, head) in enumerate(jobs):
            x = representations[feature][[place[clip] for clip in rows["clip"]]]
            for column, split in SPLITS.items():
                table = _answers(heads[head], x, rows, column)
                about = {"task": task, "feature": feature, "model": head, "split": split}
                tables.append(table.assign(**about))
            report_progress(done + 1, len(jobs))
    return pd.concat(tables, ignore_index=True)


def _answers(head: Any, x: Array, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the answers of a head to all clips of a task, in each repeat of a split."""
    drawn, truth = divisions(rows, column), rows.truth.to_numpy(str)
    predicted = evaluation.out_of_fold(head, x, truth, drawn)
    return answer_rows(predicted, drawn, list(rows["clip"]), list(rows.infant), truth)
