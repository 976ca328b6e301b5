"""An audit of any table of predictions: what a printed score of infant cries is worth.

`cryutils audit` uses it; no notebook does. The table may come from any program. `read` checks it,
`of_corpus` makes one from a folder of recordings, `audit` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.parallel import thread_map
from cryutils.claims.answers import MODEL, Answers, answers, gaps
from cryutils.claims.board import METRICS
from cryutils.claims.result_store import SPLITS
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.evaluation import NOT_DRAWN, Interval, Split
from cryutils.models import classical
from cryutils.papers.ladder import vectors
from cryutils.papers.scored import answer_rows

__all__ = ["Audit", "audit", "of_corpus", "read"]

_REQUIRED = ("clip", "infant", "truth")
_OPTIONAL: dict[str, str | int] = {"model": "model", "split": "", "repeat": 0, "fold": -1}
_METRICS: tuple[evaluation.Metric, ...] = ("balanced_accuracy", "accuracy", "macro_f1")


@dataclass(frozen=True)
class Audit:
    """What an audit found; each part is a table.

    classes: clips and infants of each class. scores: value, low and high by model, split and
    metric, next to what answers without any skill reach (`guess`). leaks: the share of answers from
    a model that was trained on other clips of the same infant (NaN without folds), and the p-value
    of a permutation test. gaps: score of the random split minus the leak-free score.
    """

    classes: pd.DataFrame
    scores: pd.DataFrame
    leaks: pd.DataFrame
    gaps: pd.DataFrame


def read(path: Path) -> pd.DataFrame:
    """Return the predictions in a CSV or Parquet file.

    There is one row for each clip (and repeat, model and split, if there are several). Columns:
    clip, infant, truth, and prediction or p_<class> for each class. Optional: fold, repeat, model,
    and split, which is "random" or "leak_free". Raises InputError if the file can't
    be read, a column is missing, or a clip has two rows.
    """
    try:
        text = {name: str for name in (*_REQUIRED, "prediction", "predicted", "model", "split")}
        is_parquet = path.suffix.lower() == ".parquet"
        table = pd.read_parquet(path) if is_parquet else pd.read_csv(path, dtype=text)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV or Parquet file of predictions.") from error
    table = table.rename(columns={"prediction": "predicted"})
    for name in _REQUIRED:
        if name not in table:
            hint = near_miss(name, list(map(str, table.columns)))
            raise InputError(f"{path}: no column {name!r}.{hint}")
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0])
            raise InputError(f"{path}: no {name} in row {row + 2}.")
        table[name] = table[name].astype(str)
    classes = sorted(set(table.truth))
    columns = [f"p_{name}" for name in classes]
    if "predicted" not in table:
        if lacking := [name for name in columns if name not in table]:
            raise InputError(
                f"{path}: no column prediction, and no probabilities in {', '.join(lacking)}."
            )
        table["predicted"] = np.asarray(classes)[table[columns].to_numpy(float).argmax(axis=1)]
    for name, default in _OPTIONAL.items():
        table[name] = table[name].fillna(default) if name in table else default
    if unknown := set(table.split) - {"", "random", "leak_free"}:
        raise InputError(f"{path}: split {min(unknown)!r}; give random or leak_free.")
    twice = table["clip"][table.duplicated(["model", "split", "repeat", "clip"])]
    if len(twice):
        raise InputError(f"{path}: clip {twice.iloc[0]} has two rows; give one, or number repeats.")
    return table


def of_corpus(corpus: Corpus, *, n_folds: int = 5, repeats: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return predictions of a corpus's labels by logistic regression, with both splits.

    The features are mean and standard deviation over time of mel bands and MFCC
    (`papers.ladder.vectors`). Columns as in `read`. n_folds, repeats, seed: of the folds.
    """
    sr, clips = 8000, [clip.id for clip in corpus]
    rows = thread_map(lambda x: vectors(x, sr=sr)[0], audio.signals(corpus, sr=sr), what="clips")
    x, model = np.array(list(rows)), classical.baselines(seed)["logistic"]
    parts = []
    for split in (Split.RANDOM, Split.LEAK_FREE):
        folds = split.k_folds(corpus, n_splits=n_folds, repeats=repeats, seed=seed)
        predicted = evaluation.out_of_fold(model, x, corpus.labels, folds)
        table = answer_rows(predicted, folds, clips, corpus.infants, corpus.labels)
        parts.append(table.assign(model="logistic regression", split=str(split)))
    return pd.concat(parts, ignore_index=True)


def audit(table: pd.DataFrame, *, permutations: int = 999, seed: int = 0) -> Audit:
    """Return what a table of predictions shows, columns as in `read`.

    permutations: of the labels, for the p-values; seed: of these. Raises InputError if there is
    only one class, or only one infant.
    """
    clips = table.drop_duplicates("clip")
    if clips.truth.nunique() < 2 or clips.infant.nunique() < 2:
        raise InputError("an audit needs two classes and two infants.")
    counts = clips.groupby("truth").agg(clips=("clip", "size"), infants=("infant", "nunique"))
    scores, leaks = [], []
    for (model, split), part in table.groupby(["model", "split"], sort=False):
        about = {"model": model, "split": SPLITS.get(str(split), "not stated")}
        arrays = answers(part)
        scores += [about | row for row in _scores(arrays)]
        leaks.append(about | _leak(part, arrays, permutations, seed))
    return Audit(
        classes=counts.reset_index(names="class"),
        scores=pd.DataFrame(scores),
        leaks=pd.DataFrame(leaks),
        gaps=gaps(table.assign(**dict.fromkeys({*MODEL} - {"model"}, ""))),
    )


def _scores(part: Answers) -> list[dict[str, Any]]:
    """Return a row for each metric: its interval over infants, and its value without any skill."""
    intervals: dict[str, Interval] = {
        metric: evaluation.interval(part.predicted, part.truth, part.infants, metric=metric)
        for metric in _METRICS
    }
    if np.isfinite(part.strengths).any():
        folds = part.folds if all(part.folds) else None
        intervals["roc_auc"] = evaluation.auc_interval(
            part.strengths, part.truth, part.infants, folds
        )
    shares = np.bincount(part.truth) / len(part.truth)
    commonest = shares.max()
    guess = {
        "balanced_accuracy": 1 / len(shares),
        "accuracy": commonest,
        "macro_f1": 2 * commonest / (1 + commonest) / len(shares),
        "roc_auc": 0.5,
    }
    return [
        {"metric": METRICS[metric], **interval.row(), "guess": guess[metric]}
        for metric, interval in intervals.items()
    ]


def _leak(table: pd.DataFrame, part: Answers, permutations: int, seed: int) -> dict[str, float]:
    """Return the share of answers with the infant in the training part, and a p-value."""
    folds = table.groupby(["repeat", "infant"]).fold
    shared = np.nan if (table.fold < 0).any() else (folds.transform("nunique") > 1).mean()
    complete = part.predicted[(part.predicted != NOT_DRAWN).all(axis=1)]
    if not len(complete):
        return {"shared": float(shared), "p_value": np.nan}
    labelled = SimpleNamespace(labels=part.truth, infants=part.infants)
    test = evaluation.fixed_prediction_test(
        {"model": complete}, labelled, permutations=permutations, seed=seed
    )
    return {"shared": float(shared), "p_value": float(test.p_values["model"])}
