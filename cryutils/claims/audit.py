"""An audit of any table of predictions: what a printed score of infant cries is worth.

`cryutils audit` uses it; no notebook does. The table may come from any program. `read` checks it,
`of_corpus` makes one from a folder of recordings, `audit` measures, `write` shows the results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from cryutils import audio, evaluation
from cryutils._io.parallel import process_map, thread_map
from cryutils._io.paths import writing
from cryutils._io.progress import counting
from cryutils.claims import arithmetic, report
from cryutils.claims.answers import MODEL, Answers, answers, gaps
from cryutils.claims.tables import METRICS, in_percent, portion
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError, near_miss
from cryutils.evaluation import NOT_DRAWN, Interval, Labelled, Split
from cryutils.models import classical
from cryutils.papers import power
from cryutils.papers.ladder import vectors
from cryutils.papers.scored import answer_rows

__all__ = ["SPLITS", "Audit", "Printed", "audit", "of_corpus", "read", "summary", "write"]

SPLITS = {"clip": "random", "infant": "leak-free", "": "not stated"}
_REQUIRED = ("clip", "infant", "truth")
_OPTIONAL: dict[str, str | int] = {"model": "model", "split": "", "repeat": 0, "fold": -1}
_METRICS: tuple[evaluation.Metric, ...] = ("balanced_accuracy", "accuracy", "macro_f1")
_SIGNALS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # standard deviations between classes, for the power


@dataclass(frozen=True)
class Printed:
    """Figures that were printed, in percent, and the clips of each class in their test.

    test: empty if unknown; then the figures are compared with the clips of the table.
    """

    figures: Sequence[float] = ()
    test: Sequence[int] = ()


@dataclass(frozen=True)
class Audit:
    """What an audit found; each part is a table.

    classes: clips and infants of each class. scores: value, low and high by model, split and
    metric, next to what answers without any skill reach (`guess`). leaks: the share of answers from
    a model that was trained on other clips of the same infant (NaN without folds), and the p-value
    of a permutation test. gaps: score of the random split minus the leak-free score. power: share
    of simulated corpora of this structure that a test would tell from chance, by their true score.
    printed: which test sets the printed figures can come from.
    """

    name: str
    classes: pd.DataFrame
    scores: pd.DataFrame
    leaks: pd.DataFrame
    gaps: pd.DataFrame
    power: pd.DataFrame
    enough: float
    printed: pd.DataFrame


def read(path: Path) -> pd.DataFrame:
    """Return the predictions in a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        One row for each clip (and repeat, model and split, if there are several). Columns: clip,
        infant, truth, and prediction or a column p_<class> for each class. Optional: fold, repeat,
        model, and split, which is "clip" (random) or "infant" (leak-free).

    Raises
    ------
    InputError
        The file can't be read, a column is missing, or a clip has two rows.
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
    if unknown := set(table.split) - set(SPLITS):
        raise InputError(f"{path}: split {min(unknown)!r}; give clip or infant.")
    twice = table["clip"][table.duplicated(["model", "split", "repeat", "clip"])]
    if len(twice):
        raise InputError(f"{path}: clip {twice.iloc[0]} has two rows; give one, or number repeats.")
    return table


def of_corpus(corpus: Corpus, *, n_folds: int = 5, repeats: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return predictions of a corpus's labels by logistic regression, with both splits.

    The features are mean and standard deviation over time of mel bands and MFCC
    (`papers.ladder.vectors`). Columns as in `read`.

    Parameters
    ----------
    corpus : Corpus
        Recordings with sound.
    n_folds, repeats : int
        Folds of the cross-validation, and its repeats.
    seed : int
        Of the folds.
    """
    sr, clips = 8000, [clip.id for clip in corpus]
    rows = thread_map(lambda x: vectors(x, sr=sr)[0], audio.signals(corpus, sr=sr), what="clips")
    x, model = np.array(list(rows)), classical.baselines(seed)["logistic"]
    parts = []
    for split in (Split.CLIP, Split.INFANT):
        folds = split.k_folds(corpus, n_splits=n_folds, repeats=repeats, seed=seed)
        predicted = evaluation.out_of_fold(model, x, corpus.labels, folds)
        table = answer_rows(predicted, folds, clips, corpus.infants, corpus.labels)
        parts.append(table.assign(model="logistic regression", split=str(split)))
    return pd.concat(parts, ignore_index=True)


def audit(
    table: pd.DataFrame,
    name: str,
    *,
    printed: Printed | None = None,
    permutations: int = 999,
    simulations: int = 20,
    seed: int = 0,
) -> Audit:
    """Return what a table of predictions shows, and what it can't show.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns as in `read`.
    name : str
        Of the table, for the report.
    printed : Printed, optional
        Published figures, to be compared with the sizes of test sets.
    permutations : int
        Of the labels, for the p-values.
    simulations : int
        Corpora simulated for each true signal, for the power.
    seed : int
        Of permutations and simulations.

    Raises
    ------
    InputError
        There is only one class, or only one infant.
    """
    clips = table.drop_duplicates("clip")
    if clips.truth.nunique() < 2 or clips.infant.nunique() < 2:
        raise InputError(f"{name}: an audit needs two classes and two infants.")
    counts = clips.groupby("truth").agg(clips=("clip", "size"), infants=("infant", "nunique"))
    shape = SimpleNamespace(labels=clips.truth.to_numpy(), infants=clips.infant.to_numpy())
    scores, leaks = [], []
    for (model, split), part in table.groupby(["model", "split"], sort=False):
        about = {"model": model, "split": SPLITS[str(split)]}
        part_answers = answers(part)
        scores += [about | row for row in _scores(part_answers)]
        leaks.append(about | _leak(part, part_answers, permutations, seed))
    orders = [(place, k) for place in range(len(_SIGNALS)) for k in range(simulations)]
    with counting("power", "corpora") as report_progress:
        trials = []
        for trial in process_map(_trial, orders, shared=(shape, seed), jobs=None):
            trials.append(trial)
            report_progress(len(trials), len(orders))
    points = power.curve(pd.DataFrame(trials))
    reached = power.at_power(points)
    return Audit(
        name=name,
        classes=counts.reset_index(names="class"),
        scores=pd.DataFrame(scores),
        leaks=pd.DataFrame(leaks),
        gaps=gaps(table.assign(**dict.fromkeys({*MODEL} - {"model"}, ""))),
        power=points,
        enough=reached[1] if reached else np.nan,
        printed=_printed(printed or Printed(), counts.clips.tolist()),
    )


def _trial(corpus: Labelled, seed: int, order: tuple[int, int]) -> dict[str, float]:
    """Return one simulated corpus's score and whether the test rejects, with its signal."""
    signal = _SIGNALS[order[0]]
    return {"signal": signal, **asdict(power.trial(corpus, signal, seed=(seed, *order)))}


def _scores(part: Answers) -> list[dict[str, Any]]:
    """Return a row for each metric: its interval over infants, and its value without any skill."""
    found: dict[str, Interval] = {
        metric: evaluation.interval(part.predicted, part.truth, part.infants, metric=metric)
        for metric in _METRICS
    }
    if np.isfinite(part.strengths).any():
        folds = part.folds if all(part.folds) else None
        found["roc_auc"] = evaluation.auc_interval(part.strengths, part.truth, part.infants, folds)
    shares = np.bincount(part.truth) / len(part.truth)
    commonest = shares.max()
    guess = {
        "balanced_accuracy": 1 / len(shares),
        "accuracy": commonest,
        "macro_f1": 2 * commonest / (1 + commonest) / len(shares),
        "roc_auc": 0.5,
    }
    return [
        {"metric": metric, **interval.row(), "guess": guess[metric]}
        for metric, interval in found.items()
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


def _printed(printed: Printed, clips: Sequence[int]) -> pd.DataFrame:
    """Return which printed figures a test can give, as accuracy and as mean of class recalls."""
    sizes = list(printed.test or clips)
    tests: dict[str, int | Sequence[int]] = {"accuracy": sum(sizes), "mean of class recalls": sizes}
    table = arithmetic.fitting({f"{figure:g}": figure for figure in printed.figures}, tests)
    table.attrs["chance"] = {test: arithmetic.chance_of_fit(n) for test, n in tests.items()}
    table.attrs["sizes"] = sizes
    return table.reset_index(drop=True)


def _words(result: Audit) -> dict[str, Any]:
    """Return the values for the template, all as text."""
    chance = result.printed.attrs["chance"]
    return {
        "name": result.name,
        "clips": result.scores.n.max(),
        "infants": result.scores.n_infants.max(),
        "classes": result.classes.to_dict("records"),
        "scores": [
            row | {"score": in_percent(row["value"], row["low"], row["high"]),
                   "guess": in_percent(row["guess"]), "level": row["guess"],
                   "metric": METRICS[row["metric"]]}
            for row in result.scores.to_dict("records")
        ],
        "leaks": [
            row | {"shared": in_percent(row["shared"]), "p": _p_value(row["p_value"])}
            for row in result.leaks.to_dict("records")
        ],
        "gaps": [
            row | {"difference": in_percent(row["value"], row["low"], row["high"])}
            for row in result.gaps.to_dict("records")
        ],
        "power": [
            row | {"score": in_percent(row["balanced_accuracy"]), "power": in_percent(row["power"])}
            for row in result.power.to_dict("records")
        ],
        "enough": in_percent(result.enough) if np.isfinite(result.enough) else "",
        "printed": result.printed.to_dict("records"),
        "caption": f"For a test of {' + '.join(map(str, result.printed.attrs['sizes']))} clips."
        f" Of all figures with two decimals, {portion(chance['accuracy'])} are a possible accuracy"
        f" and {portion(chance['mean of class recalls'])} a possible mean of class recalls.",
    }  # fmt: skip


def _p_value(p: float) -> str:
    return "–" if np.isnan(p) else f"{p:.3f}"


def summary(result: Audit) -> list[str]:
    """Return the main findings, a line each."""
    words, lines = _words(result), []
    main = (row for row in words["scores"] if row["metric"] == METRICS["balanced_accuracy"])
    for row, leak in zip(main, result.leaks.shared, strict=True):
        knew = "" if np.isnan(leak) else f"; {portion(leak)} knew the infant"
        about = f"{row['model']}, {row['split']} split"
        lines.append(f"{about}: {row['score']} %, no skill {row['guess']} %{knew}")
    for row in words["gaps"]:
        lines.append(f"{row['model']}, random minus leak-free: {row['difference']} points")
    if enough := words["enough"]:
        lines.append(
            f"A study like this one would tell {enough} % from guessing in four of five cases."
        )
    for row in result.printed.to_dict("records"):
        possible = [name for name in result.printed.attrs["chance"] if row[name] != "none"]
        lines.append(f"{row['percent']:g} %: {' or '.join(possible) or 'impossible'}")
    return lines


def write(result: Audit, folder: Path) -> tuple[Path, Path]:
    """Write an audit to `<name>.html` and `<name>.json` in `folder`; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        field: part.astype(object).where(part.notna(), None).to_dict("records")
        if isinstance(part, pd.DataFrame)
        else part
        for field, part in vars(result).items()
    }
    stored["enough"] = None if np.isnan(result.enough) else result.enough
    page = report.rendered("audit.html", **_words(result))
    targets = folder / f"{result.name}.html", folder / f"{result.name}.json"
    for target, text in zip(targets, (page, json.dumps(stored, indent=1)), strict=True):
        with writing(target) as part:
            part.write_text(f"{text}\n", encoding="utf-8")
    return targets
