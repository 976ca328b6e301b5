"""Fixed folds of cries for four tasks.

Used in notebooks 12_beyond_the_papers, 14_scoreboard and appendix_faces. Each task has folds of
clips divided at random and folds that keep infants whole (for the task `infant`, which asks for the
phone or home: sessions), of the same clips. `docs/benchmark.md` says how to answer on them.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils._io.paths import project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.splits import Fold, Names, fold_numbers, folds, folds_of

TASKS = {
    "reason": "why the infant cries",
    "infant": "phone or home, in another session",
    "age": "the infant's age group",
    "sex": "the infant's sex",
}
_LEAST_CLIPS, _LEAST_INFANTS = 10, 5  # of each class
_REPEATS = 5


def file_of(name: str) -> Path:
    """Return the path of the fixed folds of a corpus, whether or not there are any."""
    return project_dir() / "data" / "benchmark" / f"{name}.csv"


def divide(corpus: Corpus) -> pd.DataFrame:
    """Return the folds of every task that the corpus allows, a row for each task and clip.

    Columns: task, clip, infant, truth, and for each split the fold that tests the clip in each
    repeat, a text of digits such as "03124": `random`, and `leak_free`, which keeps infants whole.
    For the task `infant`, `leak_free` divides the infant's sessions in two, and `random` its clips:
    the same phone and home are on both sides, so there `leak_free` is only the column's name.
    Raises InputError if the corpus allows no task.
    """
    clips = corpus.frame().drop(columns="reason").rename(columns={"id": "clip", "label": "reason"})
    tables = []
    for name in TASKS:
        rows = clips.assign(task=name, truth=clips[name]).dropna(subset="truth")
        classes = rows.groupby("truth")
        if name == "infant":
            large = classes.session.transform("nunique") > 1
        else:
            large = classes.infant.transform("nunique") >= _LEAST_INFANTS
            large &= classes.clip.transform("size") >= _LEAST_CLIPS
        rows = rows[large]
        if rows.truth.nunique() < 2:
            continue
        truth, infants = rows.truth.to_numpy(str), rows.infant.to_numpy(str)
        known = name == "infant"
        divide_by = partial(folds, truth, n_splits=2 if known else 5, repeats=_REPEATS)
        sessions = [across_sessions(infants, list(rows.session))] * _REPEATS
        divided = {"random": divide_by(None), "leak_free": sessions if known else divide_by(infants)}
        digits = {}
        for split, repeated in divided.items():
            numbers = [fold_numbers((test for _, test in repeat), len(rows)) for repeat in repeated]
            digits[split] = ["".join(map(str, of_clip)) for of_clip in np.transpose(numbers)]
        tables.append(rows[["task", "clip", "infant", "truth"]].assign(**digits))
    if not tables:
        raise InputError(
            f"{corpus.name}: no task has two classes with {_LEAST_CLIPS} clips of"
            f" {_LEAST_INFANTS} infants each, and no two infants have recordings of two sessions."
        )
    return pd.concat(tables, ignore_index=True)


def across_sessions(infants: Names, sessions: Sequence[str]) -> list[Fold]:
    """Return two folds (train, test), which test each infant's even sessions, then its odd ones."""
    by_infant = pd.Series(sessions).groupby(np.asarray(infants))
    place = by_infant.transform(lambda names: pd.factorize(names, sort=True)[0]).to_numpy()
    odd, even = (np.flatnonzero(place % 2 == side) for side in (0, 1))  # counted from 1
    return [(odd, even), (even, odd)]


def task(
    corpus: Corpus, name: str, repeats: int = 5
) -> tuple[Corpus, npt.NDArray[np.int64], dict[str, list[list[Fold]]]]:
    """Return a task's clips, their positions in `corpus`, and the folds of each repeat by split.

    The clips are labelled with what the task asks for. The folds are for `evaluation.out_of_fold`:
    positions in the task's clips, for "random" and "leak_free". They are those in `data/benchmark`,
    or of `divide`. name: a key of `TASKS`. repeats: at most five. Raises InputError for another task,
    or if the corpus lacks a clip of its folds or allows no task.
    """
    file, place = file_of(corpus.name), {clip.id: k for k, clip in enumerate(corpus)}
    splits = pd.read_csv(file, dtype=str, keep_default_na=False) if file.is_file() else divide(corpus)
    if lacking := set(splits["clip"]) - set(place):
        raise InputError(f"{file}: {corpus.name} has no clip {min(lacking)}.")
    rows = splits[splits.task == name]
    if rows.empty:
        near = near_miss(name, set(splits.task))
        raise InputError(f"{corpus.name} has no task {name!r}.{near}")
    where = np.array([place[clip] for clip in rows["clip"]])
    divided = {
        split: folds_of(np.array([list(map(int, text)) for text in rows[split]]).T)[:repeats]
        for split in ("random", "leak_free")
    }
    return corpus.take(where).relabel(rows.truth), where, divided
