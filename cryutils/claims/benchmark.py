"""A benchmark of frozen representations of cries: fixed splits, four tasks, two heads.

`cryutils benchmark` uses it; no notebook does. A *representation* is a row of numbers for each clip
that is not trained here. A *head* is trained on it for a *task*. Each is scored with clips split at
random and leak-free, on the same clips, so their difference is paired. `docs/benchmark.md` says how
to add a representation or predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.paths import project_dir, writing
from cryutils._io.progress import counting
from cryutils.claims import report
from cryutils.claims.answers import answers
from cryutils.claims.tables import in_percent
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError
from cryutils.evaluation import Interval
from cryutils.evaluation.intervals import mean_interval
from cryutils.evaluation.splits import fold_numbers, folds
from cryutils.models import classical, sound_embeddings
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import DenseSettings
from cryutils.papers.controls import across_sessions, recognised
from cryutils.papers.scored import answer_rows

__all__ = [
    "COMMITTED", "HEADS", "TASKS", "differences", "divide", "predict", "read_splits", "represent",
    "score", "splits_of", "summary", "with_predictions", "write",
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
_SPLITS = {"random": "clip", "leak_free": "infant"}  # columns of the file of splits
_COLUMNS = ["task", "clip", "infant", "truth", *_SPLITS]


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
            for name, divisions in zip(_SPLITS, (random, free), strict=True)
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
            for column, split in _SPLITS.items():
                table = _answers(heads[head], x, rows, column)
                about = {"task": task, "feature": feature, "model": head, "split": split}
                tables.append(table.assign(**about))
            report_progress(done + 1, len(jobs))
    return pd.concat(tables, ignore_index=True)


def _answers(head: Any, x: Array, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the answers of a head to all clips of a task, in each repeat of a split."""
    number = np.array([list(map(int, text)) for text in rows[column]]).T  # repeats x clips
    divisions = [
        [(np.flatnonzero(row != k), np.flatnonzero(row == k)) for k in np.unique(row)]
        for row in number
    ]
    truth = rows.truth.to_numpy(str)
    predicted = evaluation.out_of_fold(head, x, truth, divisions, jobs=1)
    return answer_rows(predicted, divisions, list(rows["clip"]), list(rows.infant), truth)


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
        if split not in _SPLITS.values():
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


def differences(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the network's score minus the linear head's, paired over infants.

    predictions: columns as `predict` returns them. Columns: task, feature, split, value, low, high,
    n and n_infants.
    """
    rows = []
    for about, part in predictions.groupby(["task", "feature", "split"], sort=False):
        network, linear = (part[part.model == head] for head in ("network", "linear"))
        row = dict(zip(("task", "feature", "split"), about, strict=True))
        rows.append({**row, **_difference(str(about[0]), network, linear).row()})
    return pd.DataFrame(rows)


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
