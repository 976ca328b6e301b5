"""A table of predictions from a scikit-learn model and any division into folds."""

import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.claims.audit.names import check_classes, plural, word
from cryutils.errors import InputError


def table(model: Any, X: Any, y: Any, groups: Any, *, cv: Any = 5) -> pd.DataFrame:
    """Return a model's answers to test rows, with columns and `attrs` as `read` returns them, to audit.

    Parameters
    ----------
    model : estimator
        A classifier with `fit` and `predict`. A clone of it is fitted for each fold.
    X : array, sparse matrix, DataFrame or list
        The rows, of any kind that the model takes.
    y, groups : array, list or Series
        The label of each row, and its group, such as the patient. The report uses a Series' name.
    cv : int, splitter or iterable of (train, test)
        With a number, the rows are divided twice into as many folds: with groups kept whole, and at
        random, which shows what a random split adds. Of other divisions, those in which a group is in
        training and in test count as random. A row that is tested again begins a new repeat.

    Returns
    -------
    DataFrame
        A row for each test row of each fold; also `trained`, whether the fold's model was fitted on the
        row's group. `attrs["notes"]` warns of a division that does not keep groups whole.

    Raises
    ------
    InputError
        If lengths differ, a label or group is missing, `y` is a number to estimate, the model is no
        classifier, there are no folds, or a fold trains on a row that it tests, or on one class.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> x, y, patient = np.arange(24)[:, None], [0, 1] * 12, np.arange(24) // 4
    >>> table(KNeighborsClassifier(1), x, y, patient, cv=3).groupby("split").size().to_dict()
    {'leak_free': 24, 'random': 24}
    """
    rows, truth, whose = _arrays(X, y, groups)
    group = word(str(getattr(groups, "name", None) or "group"))
    parts, notes = [], []
    for splitter in _splitters(cv):
        sides = _sides(splitter, rows, y, groups)
        part = pd.concat(_fold(model, rows, y, truth, whose, *fold) for fold in sides)
        part["repeat"] = part.groupby("clip", sort=False).cumcount()
        part["fold"] = np.repeat(np.arange(len(sides)), [len(test) for _, test in sides])
        known = part.trained.mean()
        parts.append(part.assign(split="random" if known else "leak_free"))
        if known and cv is splitter:
            name = type(splitter).__name__ if hasattr(splitter, "split") else "This list of folds"
            what = f"{name} does not keep {plural(group)} whole, so {100 * known:.0f} % of the answers are"
            notes.append(f"{what} from a model trained on the same {group}. StratifiedGroupKFold does.")
    title = type(getattr(model, "steps", [(0, model)])[-1][1]).__name__  # of a pipeline's last step
    result = pd.concat(parts, ignore_index=True).assign(model=title, device="")
    read = f"Models of scikit-learn; group: {group}."  # the same for each model, so that concat keeps it
    result.attrs = {"notes": notes, "words": {"clip": "row", "infant": group}, "read": read}
    return result


def _arrays(X: Any, y: Any, groups: Any) -> tuple[Any, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Return the rows, and the labels and groups as texts. Raises InputError as `table` does."""
    truth, whose = np.asarray(y).astype(str), np.asarray(groups).astype(str)
    rows = X if hasattr(X, "shape") else np.asarray(X)
    for name, values in (("y", truth), ("groups", whose)):
        if values.shape != rows.shape[:1]:
            raise InputError(f"{name}: shape {values.shape} for {rows.shape[0]} rows; give one for each row.")
    for name, values in (("y", y), ("groups", groups)):
        if (missing := np.flatnonzero(pd.isna(np.asarray(values, dtype=object)))).size:
            raise InputError(f"{name}: nothing is given for row {missing[0]}; leave such rows out.")
    check_classes("y", pd.Series(truth))
    return rows, truth, whose


def _splitters(cv: Any) -> Iterable[Any]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if cv is None or isinstance(cv, Integral):  # None as in scikit-learn
        kinds = (StratifiedGroupKFold, StratifiedKFold)
        return [kind(n_splits=int(cv or 5), shuffle=True, random_state=0) for kind in kinds]
    if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise InputError(f"cv={cv!r}: give a number of folds, a splitter, or a list of (train, test).")
    return [cv]


def _sides(splitter: Any, rows: Any, y: Any, groups: Any) -> list[list[npt.NDArray[np.int64]]]:
    """Return the positions of training and test rows of each fold."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored")  # a note says so
        folds = [*splitter.split(rows, y, groups)] if hasattr(splitter, "split") else [*splitter]
    if not folds:
        raise InputError("cv: there are no folds; give at least one pair of (train, test).")
    return [[np.arange(rows.shape[0])[side] for side in fold] for fold in folds]


def _fold(model: Any, rows: Any, y: Any, truth: Any, whose: Any, train: Any, test: Any) -> pd.DataFrame:
    """Return the answers of a model fitted on a fold's training rows."""
    from sklearn.base import clone

    if shared := {*train} & {*test}:
        raise InputError(f"a fold trains on row {min(shared)}, which it also tests.")
    if len(only := np.unique(truth[train])) == 1:
        what = f"a fold has only the class {str(only[0])!r} to train on"
        raise InputError(f"{what}; use StratifiedGroupKFold, or fewer or other folds.")
    take = getattr(rows, "iloc", rows)
    fitted = clone(model).fit(take[train], np.asarray(y)[train])
    answers = {"clip": test.astype(str), "infant": whose[test], "truth": truth[test]}
    answers |= {"predicted": np.asarray(fitted.predict(take[test])).astype(str)}
    if other := {*answers["predicted"]} - {*truth}:
        what = f"{type(model).__name__} answers {min(other)!r}, which is no label"
        raise InputError(f"{what}; give a classifier that is trained on these labels.")
    answers |= {"trained": np.isin(whose[test], whose[train])}
    if hasattr(fitted, "predict_proba"):
        chances = fitted.predict_proba(take[test])
        for name in np.unique(truth):
            column = np.flatnonzero(np.asarray(fitted.classes_).astype(str) == name)
            answers[f"p_{name}"] = chances[:, column[0]] if len(column) else 0.0
    return pd.DataFrame(answers)
