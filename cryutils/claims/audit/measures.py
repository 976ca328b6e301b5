"""What a table of predictions shows: scores over groups and rows, leaks, devices, single groups."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import evaluation
from cryutils.claims.audit.names import plural
from cryutils.claims.audit.report import Audit
from cryutils.claims.tables import METRICS, MODEL, split_gaps
from cryutils.errors import InputError
from cryutils.evaluation import NOT_DRAWN, Interval
from cryutils.evaluation.answers import Answers, answers
from cryutils.evaluation.intervals import combined, part_degrees
from cryutils.words import SPLITS

# The lowest coverage of `benchmarks/audited.py` in such tables.
_UNEVEN = "in simulations of tables with so few or so unequal {} in a class, intervals cover the true score"
_UNEVEN += " as rarely as in 88 % instead of 95 %"
_UNRANKED = "no fold has rows of two classes, and only rows of one fold are ranked"
WORDS = {"clip": "clip", "infant": "infant", "device": "device"}


def audit(table: pd.DataFrame, *, permutations: int = 999) -> Audit:
    """Return what a table of predictions shows, columns and `attrs` as in `read`.

    permutations: of the labels, for the p-values. Raises InputError for one class or one group, for two
    answers of a model to one unit, and for a table that was not read.
    """
    if not {"clip", "infant", "truth", "predicted", "fold"} <= {*table}:
        raise InputError("give a table of audit.read, which takes a file or a DataFrame, or of audit.table.")
    if (again := table[table.duplicated(["model", "split", "repeat", "clip"])]).size:
        what = f"{again.model.iloc[0]}: two answers to {again['clip'].iloc[0]!r}"
        raise InputError(f"{what}; give each model its own name in the column model, or number repeats.")
    words: Mapping[str, str] = WORDS | table.attrs.get("words", {})
    clips = table.drop_duplicates("clip")
    if clips.truth.nunique() < 2 or clips.infant.nunique() < 2:
        have = {"class": clips.truth.nunique(), words["infant"]: clips.infant.nunique()}
        what = " and ".join(f"{n} {name if n == 1 else plural(name)}" for name, n in have.items())
        raise InputError(f"{what}; an audit needs two of each. {table.attrs.get('read', '')}".strip())
    counts = clips.groupby("truth").agg(clips=("clip", "size"), infants=("infant", "nunique"))
    scores, leaks = [], []
    for (model, split), part in table.groupby(["model", "split"], sort=False):
        about = {"model": model, "split": SPLITS.get(str(split), "not stated")}
        arrays = answers(part)
        arrays = arrays._replace(truth=np.unique(part.truth.astype(str))[arrays.truth])
        ranked = ["roc_auc"] * bool(np.isfinite(arrays.strengths).any(axis=(0, 1)).all())
        metrics = [*get_args(evaluation.Metric), *ranked]
        scores += [about | _score(arrays, metric, words["infant"]) for metric in metrics]
        if part.device.any():
            alone = _device_alone(arrays, part.drop_duplicates("clip").device)
            row = _score(alone, "balanced_accuracy", words["infant"])
            scores.append(about | row | {"metric": f"{row['metric']} of the {words['device']} alone"})
        known = _known(part)
        leaks.append(
            about
            | {"shared": np.nan if known is None else float(known.mean())}
            | _apart(part, known)
            | _influence(arrays)
            | {"least": _least(arrays), "p_value": _p_value(part, arrays, permutations)}
        )
    rows = pd.DataFrame(scores).astype(dict.fromkeys(["low", "high", "row_low", "row_high"], float))
    notes = [
        f"No interval of {', '.join(metrics.unique())}: {reason}."
        for reason, metrics in rows[rows.reason != ""].groupby("reason").metric
    ]
    return Audit(
        classes=counts.reset_index(names="class"),
        scores=rows,
        leaks=pd.DataFrame(leaks),
        notes=pd.DataFrame({"note": [*table.attrs.get("notes", []), *notes]}),
        gaps=split_gaps(table.assign(**dict.fromkeys({*MODEL} - {"model"}, ""))),
        words=words,
        read=table.attrs.get("read", ""),
        n_clips=len(clips),
        n_infants=clips.infant.nunique(),
    )


def _score(part: Answers, metric: str, group: str) -> dict[str, Any]:
    """Return a metric: intervals over groups and over rows, and the value without skill."""
    over_groups, over_rows = (
        _interval(part, metric, over, group) for over in (part.infants, np.arange(len(part.truth)))
    )
    if _is_uneven(part):
        over_groups = replace(over_groups, low=None, high=None, reason=_UNEVEN.format(plural(group)))
    shares = np.unique(part.truth, return_counts=True)[1] / len(part.truth)
    commonest = shares.max()
    guess = {
        "balanced_accuracy": 1 / len(shares),
        "accuracy": commonest,
        "macro_f1": 2 * commonest / (1 + commonest) / len(shares),
        "roc_auc": 0.5,
    }
    rows = {"row_low": over_rows.low, "row_high": over_rows.high}
    about = {"guess": guess[metric], "reason": over_groups.reason}
    return {"metric": METRICS[metric], **over_groups.row(), **rows, **about}


def _interval(part: Answers, metric: Any, over: npt.NDArray[Any], group: str) -> Interval:
    """Return a metric with its interval over groups or rows."""
    if metric != "roc_auc":
        return evaluation.interval(part.predicted, part.truth, over, metric=metric, group=group)
    folds = part.folds if all(part.folds) else None
    area = evaluation.auc_interval(part.strengths, part.truth, over, folds, group=group)
    if folds and not any(len({*part.truth[test]}) > 1 for row in folds for _, test in row):
        return replace(area, value=np.nan, low=None, high=None, reason=_UNRANKED)
    return area


def _is_uneven(part: Answers) -> bool:
    """Return whether simulated intervals of such tables cover the true score in less than 93 %.

    Then there are two or three classes and 50 or more groups, of which a few have most rows: the
    effective number of groups of a class is below 40 % of its groups. Or there are more than five
    classes, of two groups each.
    """
    rows = pd.crosstab(part.infants, part.truth).to_numpy(float)
    groups, effective = (rows > 0).sum(axis=0), rows.sum(axis=0) ** 2 / (rows**2).sum(axis=0)
    few = len(groups) > 5 and groups.max() <= 2
    return bool(few or (len(groups) < 4 and len(rows) >= 50 and (effective < 0.4 * groups).any()))


def _known(table: pd.DataFrame) -> "pd.Series[bool] | None":
    """Return which answers are of a model trained on the same group, None if that is not known."""
    known = table.groupby(["repeat", "infant"]).fold.transform("nunique") > 1
    is_unknown = (table.fold < 0).any() or table.groupby("repeat").fold.nunique().min() < 2
    return None if is_unknown and "trained" not in table else known | table.get("trained", False)


def _apart(table: pd.DataFrame, known: "pd.Series[bool] | None") -> dict[str, Any]:
    """Return the balanced accuracy of answers on known and on new groups, NaN unless there are both.

    It is also NaN on a side that lacks a class.
    """
    row: dict[str, Any] = dict.fromkeys(["on_known", "on_new", "new_low", "new_high"], np.nan)
    if known is None or known.all() or not known.any():
        return row
    sides = (table[known], ["on_known"]), (table[~known], ["on_new", "new_low", "new_high"])
    for part, names in sides:
        if part.truth.nunique() == table.truth.nunique():
            arrays = answers(part)
            score = evaluation.interval(arrays.predicted, arrays.truth, arrays.infants)
            row |= zip(names, (score.value, score.low, score.high), strict=False)
    return row


def _influence(part: Answers) -> dict[str, Any]:
    """Return the range of the balanced accuracy without each group in turn, and whose changes it most.

    `without` is this group, `share` its share of the rows. A group with all rows of a class is left out.
    """
    names, group = np.unique(part.infants, return_inverse=True)
    y, classes = evaluation.class_indices(part.truth)
    right, clips = np.zeros((2, len(names), len(classes)))
    np.add.at(right, (group, y), ((part.predicted == y) & (part.predicted != NOT_DRAWN)).mean(axis=0))
    np.add.at(clips, (group, y), (part.predicted != NOT_DRAWN).mean(axis=0))
    left = clips.sum(axis=0) - clips
    usable = (left > 1e-9).all(axis=1)
    if not usable.any():
        return {"lowest": np.nan, "highest": np.nan, "without": "", "share": np.nan}
    scores = ((right.sum(axis=0) - right)[usable] / left[usable]).mean(axis=1)
    change = np.abs(scores - (right.sum(axis=0) / clips.sum(axis=0)).mean())
    most = np.flatnonzero(usable)[change.argmax()]
    about = {"without": names[most], "share": clips[most].sum() / clips.sum()}
    return {"lowest": scores.min(), "highest": scores.max(), **about}


def _least(part: Answers) -> float:
    """Return the lowest balanced accuracy whose interval is above guessing, with these groups; or NaN.

    Half of the variance is taken to be between groups, and every class to be recognised equally often.
    """
    clips = pd.crosstab(part.infants, part.truth).to_numpy(float)
    guess = 1 / clips.shape[1]
    if ((clips > 0).sum(axis=0) < 2).any():
        return np.nan
    df, weights = part_degrees(clips), np.full(clips.shape[1], guess)
    for score in np.arange(np.ceil(100 * guess), 101) / 100:
        if combined(score * clips, clips, weights, df=df).low > guess:
            return float(score)
    return np.nan


def _p_value(table: pd.DataFrame, part: Answers, permutations: int) -> float:
    """Return the p-value of the balanced accuracy, NaN unless a repeat has all rows."""
    complete = part.predicted[(part.predicted != NOT_DRAWN).all(axis=1)]
    if not len(complete):
        return np.nan
    devices = table.drop_duplicates("clip").device.to_numpy()
    test = evaluation.permutation_test(
        {"model": complete}, part.truth, part.infants, strata=devices, permutations=permutations
    )
    return float(test.p_values["model"])


def _device_alone(part: Answers, devices: "pd.Series[Any]") -> Answers:
    """Return the answers from the device alone, by a tree that weights classes equally.

    It is trained in the same folds if these keep groups whole, else on all other groups: of more than
    100 groups, on all but a hundredth.
    """
    infants, (y, _) = part.infants, evaluation.class_indices(part.truth)
    apart = [len(a) and {*infants[a]}.isdisjoint(infants[b]) for row in part.folds for a, b in row]
    held = np.unique(infants, return_inverse=True)[1] % 100
    others = [(np.flatnonzero(held != k), np.flatnonzero(held == k)) for k in range(held.max() + 1)]
    folds = part.folds if apart and all(apart) else [others]
    rule, predicted = evaluation.group_rule(devices.to_numpy(), y), np.full((len(folds), len(y)), NOT_DRAWN)
    for row, repeat in zip(predicted, folds, strict=True):
        for train, test in repeat:
            row[test] = rule(train, test).argmax(axis=1)
    return part._replace(predicted=predicted)
