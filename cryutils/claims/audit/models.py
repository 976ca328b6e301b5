"""A table of predictions from a scikit-learn model and any division into folds."""

import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils.claims.audit.names import check_classes, plural, word
from cryutils.errors import InputError, printable


def table(model: Any, X: Any, y: Any, groups: Any, *, cv: Any = 5, devices: Any = None) -> pd.DataFrame:
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
    devices : array, list or Series, optional
        The device or site of each row. The report uses a Series' name.

    Returns
    -------
    DataFrame
        A row for each test row of each fold; also `trained`, whether the fold's model was fitted on the
        row's group. `attrs["notes"]` warns of a division that does not keep groups whole.

    Raises
    ------
    InputError
        If lengths differ, a label or group is missing, there are fewer than two of them, `y` is a number
        to estimate, the model is no classifier, `cv` gives no such folds, or a fold trains on a row
        that it tests, or on one class.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> x, y, patient = np.arange(24)[:, None], [0, 1] * 12, np.arange(24) // 4
    >>> table(KNeighborsClassifier(1), x, y, patient, cv=3).groupby("split").size().to_dict()
    {'leak_free': 24, 'random': 24}
    """
    if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
        raise InputError(f"model: {model!r}; give a classifier with fit and predict, such as SVC().")
    rows = X if hasattr(X, "shape") else np.asarray(X)
    truth, whose = _texts("y", y, rows.shape[:1]), _texts("groups", groups, rows.shape[:1])
    sites = np.full(len(truth), "") if devices is None else _texts("devices", devices, rows.shape[:1])
    check_classes("y", pd.Series(truth))
    for name, values in (("y", truth), ("groups", whose)):
        if len(only := np.unique(values)) == 1:
            raise InputError(f"{name}: every row has {str(only[0])!r}; an audit needs two or more.")
    words = {"clip": "row", "infant": _word(groups, "group"), "device": _word(devices, "device")}
    group, notes = words["infant"], []
    parts: list[pd.DataFrame] = []
    for splitter in _splitters(cv, len(np.unique(whose))):
        sides = _sides(splitter, rows, y, groups)
        part = pd.concat(_fold(model, rows, y, truth, whose, *fold) for fold in sides)
        part["repeat"] = part.groupby("clip", sort=False).cumcount()
        part["fold"] = np.repeat(np.arange(len(sides)), [len(test) for _, test in sides])
        known = part.trained.mean()
        if parts and not known:  # each row has its own group, so a random split keeps groups whole as well
            continue
        parts.append(part.assign(split="random" if known else "leak_free"))
        if known and cv is splitter:
            name = type(splitter).__name__ if hasattr(splitter, "split") else "This list of folds"
            what = f"{name} does not keep {plural(group)} whole, so {100 * known:.0f} % of the answers are"
            notes.append(f"{what} from a model trained on the same {group}. StratifiedGroupKFold does.")
    title = type(getattr(model, "steps", [(0, model)])[-1][1]).__name__  # of a pipeline's last step
    result = pd.concat(parts, ignore_index=True).assign(model=title)
    result["device"] = sites[result["clip"].astype(int)]
    read = f"Models of scikit-learn; group: {group}."  # the same for each model, so that concat keeps it
    result.attrs = {"notes": notes, "words": words, "read": read}
    return result


def _word(values: Any, default: str) -> str:
    return "" if values is None else word(str(getattr(values, "name", None) or default))


def _texts(name: str, values: Any, shape: tuple[int, ...]) -> npt.NDArray[np.str_]:
    """Return a value for each row as text. Raises InputError if one is missing."""
    texts = np.asarray(values).astype(str)
    if texts.shape != shape:
        raise InputError(f"{name}: shape {texts.shape} for {shape[0]} rows; give one for each row.")
    if (missing := np.flatnonzero(pd.isna(np.asarray(values, dtype=object)))).size:
        raise InputError(f"{name}: nothing is given for row {missing[0]}; leave such rows out.")
    return texts


def _splitters(cv: Any, groups: int) -> Iterable[Any]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if cv is None or isinstance(cv, Integral):  # None as in scikit-learn
        n = 5 if cv is None else int(cv)
        if not 2 <= n <= groups:
            raise InputError(f"cv={n}: give 2 to {groups} folds; there are {groups} groups.")
        kinds = (StratifiedGroupKFold, StratifiedKFold)
        return [kind(n_splits=n, shuffle=True, random_state=0) for kind in kinds]
    if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise InputError(f"cv={cv!r}: give a number of folds, a splitter, or a list of (train, test).")
    return [cv]


def _sides(splitter: Any, rows: Any, y: Any, groups: Any) -> list[list[npt.NDArray[np.int64]]]:
    """Return the positions of training and test rows of each fold."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")  # a note says so
            folds = [*splitter.split(rows, y, groups)] if hasattr(splitter, "split") else [*splitter]
        sides = [[np.arange(rows.shape[0])[side] for side in (train, test)] for train, test in folds]
    except (IndexError, TypeError, ValueError) as error:
        remedy = "Give (train, test) with positions of rows, not with labels of an index"
        remedy = "Give fewer folds" if hasattr(splitter, "split") else remedy
        raise InputError(printable(f"cv: {str(error).rstrip('.')}. {remedy}.")) from error
    if not sides or not all(len(side) for fold in sides for side in fold):
        raise InputError("cv: there are no folds, or an empty one; give rows to train on and rows to test.")
    return sides


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
