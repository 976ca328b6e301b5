"""Experiments: one loop over folds, one table of answers, and its scores.

An experiment is a function of training and test clips. `out_of_fold` calls it for each fold and
returns a table with a row for each repeat and test clip. `score`, `difference`, `claims.record` and
`cryutils audit` take such tables, and `claims.load_predictions` reads those of a stored run. `linear`
and `group_rule` are experiments that a model is compared with.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cryutils._io.progress import counting
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.intervals import (
    NOT_DRAWN,
    ClassMetric,
    Interval,
    Metric,
    auc_interval,
    interval,
    mean_interval,
)
from cryutils.evaluation.splits import Fold, Indices, Names, Split, class_indices, fold_seed, folds_of

# Returns a row or an answer for each test clip, from positions of training and test clips.
Experiment = Callable[..., NDArray[Any]]

ABOUT = ("study", "condition", "feature", "model", "split", "data")  # columns that name a model


def out_of_fold(
    experiment: Experiment,
    clips: Corpus,
    *,
    split: Split | str,
    folds: int | Sequence[Sequence[Fold]] = 5,
    repeats: int = 1,
    seed: int = 0,
    draws: Sequence[Indices] | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the answers of an experiment to clips that it was not trained on, a row for each.

    Parameters
    ----------
    experiment : function
        Takes the training and the test clips, int64 positions in `clips`, trains a model and returns
        a probability (or other score) of each class, float (test, classes), in the order of
        `clips.classes`, or one class for each test clip, by name or index. A row of NaN is no answer.
        Its parameters `seed`, `repeat`, `fold`, `split` and `groups`, if any, get the fold's own
        seed, the numbers of repeat and fold, the name of the split, and what the split keeps on one
        side (a name for each clip, or None), for `hold_back`.
    clips : Corpus
        The clips that are divided.
    split : str
        A name of `Split`, such as "random" or "leak_free".
    folds : int or list
        The number of folds, or the folds of each repeat.
    repeats, seed : int
        Divisions of all clips; seed of the divisions and of the seeds that the experiment gets.
    draws : list of arrays, optional
        Positions of the clips of each draw; one repeat for each.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        Columns clip, infant, repeat, fold, split, data, truth, predicted (None without an answer)
        and, for scores, `p_<class>`.

    Raises
    ------
    InputError
        If a fold trains on a test clip or on a part of what the split keeps whole (an infant is no
        whole if the labels are the infants), tests a clip twice, if `clips` does not allow the
        split, or if the experiment returns something else.

    Examples
    --------
    >>> from cryutils import load
    >>> clips = load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5, progress=False)
    >>> answers = out_of_fold(lambda train, test: clips.labels[test], clips, split="random", folds=2)
    >>> answers.shape
    (16, 8)
    """
    split = Split(split)
    groups = split.groups(clips)
    if isinstance(folds, int):
        divisions = _divide(clips, split, folds, repeats=repeats, seed=seed, draws=draws)
    else:
        divisions = [list(repeat) for repeat in folds]
    _check(divisions, clips, split)
    wanted, tasks = inspect.signature(experiment).parameters, []
    for repeat, division in enumerate(divisions):
        for fold, sides in enumerate(division):
            options: dict[str, Any] = {"split": str(split), "groups": groups}
            options |= {"seed": fold_seed(seed, repeat, fold), "repeat": repeat, "fold": fold}
            tasks.append((*sides, {name: options[name] for name in options if name in wanted}))
    collected = []
    # With dozens of clips, waking a second thread costs more than it saves.
    with threadpool_limits(limits=1), counting("Training", "folds", shown=progress) as report:
        for train, test, options in tasks:
            collected.append(np.asarray(experiment(train, test, **options)))
            report(len(collected), len(tasks))
    return _table(collected, clips, divisions, split)


def _divide(
    clips: Corpus, split: Split, folds: int, *, repeats: int, seed: int, draws: Sequence[Indices] | None
) -> list[list[Fold]]:
    """Return the folds of each repeat, or of each draw."""
    if split is Split.RANDOM_FRAMES and len({*clips.ids}) == len(clips):
        what = "random_frames needs several frames or windows of a clip; use random for clips"
        raise InputError(f"{clips.name}: {what}")
    if draws is None:
        return split.k_folds(clips, n_splits=folds, repeats=repeats, seed=seed)
    divisions = []
    for number, drawn in enumerate(draws):
        (division,) = split.k_folds(clips.take(drawn), n_splits=folds, repeats=1, seed=seed + number)
        divisions.append([(drawn[train], drawn[test]) for train, test in division])
    return divisions


def answers_table(
    predicted: NDArray[Any], clips: Corpus, folds: Sequence[Sequence[Fold]], *, split: Split | str
) -> pd.DataFrame:
    """Return the table of `out_of_fold` from answers that are already computed.

    predicted: for every clip what an experiment returns, (repeats, clips, ...). Only rows of test
    clips are used. folds: of each repeat. Errors: as `out_of_fold`.
    """
    split, rows = Split(split), np.asarray(predicted)
    if rows.shape[:2] != (len(folds), len(clips)):
        raise InputError(f"answers {rows.shape} for {len(folds)} repeats of {len(clips)} clips")
    _check(folds, clips, split)
    results = [row[test] for row, repeat in zip(rows, folds, strict=True) for _, test in repeat]
    return _table(results, clips, folds, split)


def _table(
    results: Sequence[NDArray[Any]], clips: Corpus, divisions: Sequence[Sequence[Fold]], split: Split
) -> pd.DataFrame:
    """Return the answers to the test clips of each fold as one table."""
    ids, infants, labels, classes = clips.ids, clips.infants, clips.labels, clips.classes
    remaining, parts = iter(results), []
    for repeat, division in enumerate(divisions):
        for fold, (_, test) in enumerate(division):
            about = {"clip": ids[test], "infant": infants[test], "repeat": repeat, "fold": fold}
            about |= {"split": str(split), "data": clips.name, "truth": labels[test]}
            parts.append(pd.DataFrame(about | _in_columns(next(remaining), classes, len(test))))
    return pd.concat(parts, ignore_index=True)


def _check(divisions: Sequence[Sequence[Fold]], clips: Corpus, split: Split) -> None:
    """Raise InputError for a fold that trains on what it tests, or for a clip tested twice."""
    if not any(divisions):
        raise InputError("there is no fold to test")
    names, what = split.groups(clips), split.unit
    if names is not None and split is Split.LEAK_FREE and np.array_equal(clips.labels, names):
        what, names = "clip", None  # known infants, in other sessions
        if all(clips.sessions):
            what, names = "session", np.char.add(np.char.add(clips.infants, "/"), clips.sessions)
    names = np.arange(len(clips)) if names is None else names
    for repeat, folds in enumerate(divisions):
        tested = np.concatenate([test for _, test in folds])
        for fold, (train, test) in enumerate(folds):
            if len(np.intersect1d(train, test)) or len(np.unique(tested)) < len(tested):
                raise InputError(f"repeat {repeat} tests a clip twice, or trains on a tested clip")
            if both := {*names[train]} & {*names[test]}:
                where = f"repeat {repeat}, fold {fold}"
                raise InputError(f"{where}: {what} {str(min(both))!r} is in training and in test")


def _in_columns(result: Any, classes: Sequence[str], clips: int) -> dict[str, Any]:
    """Return the columns `predicted` and `p_<class>` of what an experiment returned."""
    rows = np.asarray(result)
    names = np.array([*classes, None], dtype=object)
    if rows.shape == (clips, len(classes)) and rows.dtype.kind == "f":
        missing = np.isnan(rows).any(axis=1)
        best = np.where(missing, -1, np.where(missing[:, None], 0, rows).argmax(axis=1))
        return {"predicted": names[best]} | {f"p_{c}": rows[:, k] for k, c in enumerate(classes)}
    if rows.shape == (clips,):
        if rows.dtype.kind in "iu" and (not clips or -1 <= rows.min() <= rows.max() < len(classes)):
            return {"predicted": names[rows]}
        if set(rows) <= {*classes, None}:
            return {"predicted": rows.astype(object)}
    wanted = f"({clips}, {len(classes)}) probabilities of {', '.join(classes)}"
    what = f"the experiment returned {rows.dtype} {rows.shape}; return {wanted}"
    raise InputError(f"{what}, or one of these classes for each test clip")


class Answers(NamedTuple):
    """A model's answers as arrays: arguments of `evaluation.interval` and `auc_interval`.

    A unit is a clip or a window. predicted: int64 (repeats, units), -1 without an answer, and
    `NOT_DRAWN` in a repeat without the unit. truth: int64 (units,). Both are indices of the classes
    in alphabetical order. infants, units (ids of clips): str (units,). strengths: float64 (repeats,
    units, classes), NaN if only answers are stored. folds: of each repeat.
    """

    predicted: np.ndarray
    truth: np.ndarray
    infants: np.ndarray
    units: np.ndarray
    strengths: np.ndarray
    folds: list[list[Fold]]


def answers(table: pd.DataFrame) -> Answers:
    """Return a model's answers on one split and corpus as arrays, from columns of `out_of_fold`."""
    number = table.groupby(["repeat", "clip"]).cumcount()  # of a clip's windows
    unit, names = pd.factorize(pd.MultiIndex.from_arrays([table["clip"], number]))
    repeat = pd.factorize(table["repeat"], sort=True)[0]  # named by numbers, seeds or texts
    _, first = np.unique(unit, return_index=True)
    classes, truth = np.unique(table.truth.astype(str).to_numpy()[first], return_inverse=True)
    shape = repeat.max() + 1, len(first)
    predicted, fold = np.full(shape, NOT_DRAWN), np.full(shape, -1)
    predicted[repeat, unit] = pd.Index(classes).get_indexer(pd.Index(table.predicted))
    fold[repeat, unit] = table.fold
    strengths = np.full((*shape, len(classes)), np.nan)
    strengths[repeat, unit] = table.reindex(columns=[f"p_{name}" for name in classes])
    infants = table.infant.astype(str).to_numpy()[first]
    clips = np.array([str(clip) for clip, _ in names])
    return Answers(predicted, truth, infants, clips, strengths, folds_of(fold))


ScoreName = Metric | Literal["roc_auc"]


def score(answered: pd.DataFrame, *metrics: ScoreName) -> pd.DataFrame:
    """Return scores with 95 % intervals over infants, a row for each model, split and metric.

    Parameters
    ----------
    answered : DataFrame
        Columns of `out_of_fold`, and any of `ABOUT` that tell models apart.
    *metrics : str
        "accuracy", "balanced_accuracy", "macro_f1" and "roc_auc" (if the table has probabilities);
        all by default.

    Returns
    -------
    DataFrame
        Columns value, low, high, n (clips of a repeat, however many windows they have) and
        n_infants. The index names what the table tells apart, and the metric. There is no interval
        if a class comes from one infant, or the answer is always the same. If the truth is the
        infant itself, the balanced accuracy is the mean over infants of the share that is
        recognised.

    Examples
    --------
    >>> from cryutils import load
    >>> clips = load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5, progress=False)
    >>> answers = out_of_fold(lambda train, test: clips.labels[test], clips, split="random", folds=2)
    >>> score(answers, "accuracy").value.item()  # it has read the test labels
    1.0
    """
    by = [name for name in ABOUT if name in answered]
    rows: list[dict[str, Any]] = []
    for about, part in answered.groupby(by, sort=False):
        arrays = answers(part)
        ranked = np.isfinite(arrays.strengths).any()
        clips = round(part.groupby("repeat")["clip"].nunique().mean())
        for metric in metrics or ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc"):
            if metric != "roc_auc" or ranked or metrics:
                row = dict(zip(by, about, strict=True)) | {"metric": metric}
                rows.append(row | _interval(part, arrays, metric).row() | {"n": clips})
    table = pd.DataFrame(rows)
    index = [name for name in by if name == "split" or table[name].nunique() > 1]
    index += ["metric"] if len(metrics) != 1 else []
    return table.set_index(index) if index else table


def recognised(answered: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the shares of infants' clips that are right, float64 (repeats, infants), and the infants."""
    right = (answered.predicted == answered.truth).astype(float)
    shares = right.groupby([answered["repeat"], answered.infant]).mean().unstack()
    return shares.to_numpy(), shares.columns.to_numpy(str)


def _asks_who(table: pd.DataFrame) -> bool:
    """Return whether the answers are infants: each is a class, and comes from one infant."""
    return bool((table.truth == table.infant).all())


def _interval(table: pd.DataFrame, part: Answers, metric: ScoreName) -> Interval:
    """Return one score with its interval; none if the answer is always the same."""
    if metric == "balanced_accuracy" and _asks_who(table):
        return mean_interval(*recognised(table), limits=(0, 1))
    drawn = part.predicted != NOT_DRAWN
    scored = part.strengths[drawn & np.isfinite(part.strengths).all(axis=-1)]
    if metric == "roc_auc":
        if not len(scored):
            raise InputError("roc_auc: these answers have no probabilities")
        measured = auc_interval(part.strengths, part.truth, part.infants, part.folds)
        constant = not np.ptp(scored, axis=1).any()
    else:
        measured = interval(part.predicted, part.truth, part.infants, metric=metric)
        constant = np.ptp(part.predicted[drawn]) == 0
    reason = "always the same answer"
    return replace(measured, low=None, high=None, se=None, reason=reason) if constant else measured


def per_class(answered: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall, F1 and number of clips (times repeats) of each class, and means.

    A class that is never predicted has precision and F1 0. answered: of one model on one split.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = sorted(set(answered.truth))
    predicted = answered.predicted.astype(object).fillna("")
    columns = precision_recall_fscore_support(answered.truth, predicted, labels=classes, zero_division=0)
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1", "clips"), columns, strict=True)))
    table.index = pd.Index(classes)
    table.loc["macro mean"] = [*table.mean()[:3], table.clips.sum()]
    return table.astype({"clips": int})


def class_scores(answered: pd.DataFrame, rival: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return precision, recall and F1 of each class with 95 % intervals over infants.

    Parameters
    ----------
    answered : DataFrame
        Columns of `out_of_fold`, one model and split.
    rival : DataFrame, optional
        Of another model on the same clips; the values are then differences, as in `difference`.

    Returns
    -------
    DataFrame
        A row for each class (condition) and metric. Columns condition, metric, value, low, high, n
        and n_infants. There is no interval if the class is that of one infant, or is predicted for
        one infant or none.

    Examples
    --------
    >>> from cryutils import load
    >>> clips = load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5, progress=False)
    >>> answers = out_of_fold(lambda train, test: clips.labels[test], clips, split="random", folds=2)
    >>> class_scores(answers).value.tolist() == [1.0] * 3 * len(clips.classes)
    True
    """
    arrays, rows = answers(answered), list[dict[str, Any]]()
    for (k, name), metric in product(enumerate(sorted({*answered.truth})), get_args(ClassMetric)):
        if rival is None:
            measured = interval(arrays.predicted, arrays.truth, arrays.infants, metric=metric, of=k)
        else:
            measured = difference(answered, rival, metric, of=name)
        rows.append({"condition": name, "metric": metric, **measured.row()})
    return pd.DataFrame(rows)


def difference(
    answered: pd.DataFrame,
    rival: pd.DataFrame,
    metric: Metric | ClassMetric = "balanced_accuracy",
    *,
    of: str | None = None,
) -> Interval:
    """Return one model's score minus a rival's on the same clips, with its interval over infants.

    Parameters
    ----------
    answered, rival : DataFrame
        Columns of `out_of_fold`, one model and split each; the rival may be the same model with the
        other split.
    metric : str
        "accuracy", "balanced_accuracy" or "macro_f1"; "precision", "recall" or "f1" of a class.
    of : str, optional
        This class.

    Returns
    -------
    Interval
        The difference, -1 to 1; above 0 if the first model is better.

    Raises
    ------
    InputError
        If the two tables answer different clips, or a clip several times in a repeat.

    Examples
    --------
    >>> from cryutils import load
    >>> clips = load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5, progress=False)
    >>> right = out_of_fold(lambda train, test: clips.labels[test], clips, split="random", folds=2)
    >>> difference(right, right).value
    0.0
    """
    first, other = answers(answered), answers(rival)
    if sorted(first.units) != sorted(other.units):
        raise InputError("the two tables answer different clips; compare models on the same ones")
    if metric == "balanced_accuracy" and _asks_who(answered):
        shares, infants = recognised(answered)
        gain = mean_interval(shares - recognised(rival)[0], infants)
        return replace(gain, n=len(first.units))
    place = pd.Index(first.units).get_indexer(other.units)
    if len(set(first.units)) < len(first.units):
        raise InputError("a clip has several answers in a repeat; average its windows: clip_means")
    aligned = np.full((len(other.predicted), len(first.units)), NOT_DRAWN)
    aligned[:, place] = other.predicted
    which = None if of is None else sorted({*answered.truth}).index(of)
    return interval(first.predicted, first.truth, first.infants, metric=metric, of=which, rival=aligned)


def with_scores(answered: pd.DataFrame, strengths: NDArray[np.floating[Any]]) -> pd.DataFrame:
    """Return a table of answers with other scores, such as fused or calibrated probabilities.

    Parameters
    ----------
    answered : DataFrame
        Columns of `out_of_fold`, with `p_<class>`.
    strengths : array
        Float (rows, classes), in the order of the columns `p_<class>`; raises InputError for another
        shape. A row of NaN is no answer.

    Returns
    -------
    DataFrame
        The table with these scores, and with the class of the highest one as `predicted`.

    Examples
    --------
    >>> table = pd.DataFrame({"predicted": ["pain"], "p_hungry": [0.4], "p_pain": [0.6]})
    >>> with_scores(table, np.array([[0.7, 0.3]])).predicted.item()
    'hungry'
    """
    names = map(str, answered.columns)
    classes = [name.removeprefix("p_") for name in names if name.startswith("p_")]
    return answered.assign(**_in_columns(strengths, classes, len(answered)))


def mean_over_infants(
    answered: pd.DataFrame,
    values: "NDArray[Any] | pd.Series[Any]",
    *,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Return the mean of a number for each answer, with its 95 % interval over infants.

    Parameters
    ----------
    answered : DataFrame
        Columns of `out_of_fold`, one model on one split.
    values : array
        Of each answer, such as whether it is right. A clip with NaN in a repeat is left out.
    limits : tuple, optional
        Lowest and highest possible value, see `mean_interval`.

    Returns
    -------
    Interval
        The mean.

    Examples
    --------
    >>> about = {"repeat": 0, "clip": [*"abcd"], "infant": ["i1", "i1", "i2", "i3"]}
    >>> str(mean_over_infants(pd.DataFrame(about), [1, 0, 1, 0], limits=(0, 1)))
    '0.50 [0.02, 0.98]'
    """
    table = answered.assign(value=np.asarray(values, float))
    wide = table.pivot(index="repeat", columns="clip", values="value")
    infant = answered.drop_duplicates("clip").set_index("clip").infant
    return mean_interval(wide.to_numpy(), infant[wide.columns].tolist(), limits=limits)


def clip_means(answered: pd.DataFrame) -> pd.DataFrame:
    """Return one answer for each clip and repeat: the mean of the scores of its windows.

    answered: with `p_<class>`, a row for each window. Windows without an answer are left out. The
    fold is -1 if the windows of a clip are in several folds.
    """
    columns = [name for name in answered if str(name).startswith("p_")]
    about = [name for name in (*ABOUT, "clip", "infant", "repeat", "truth") if name in answered]
    windows = answered.groupby(about, sort=False)
    fold = windows.fold.agg(lambda numbers: numbers.iloc[0] if numbers.nunique() == 1 else -1)
    means = windows[columns].mean()
    return with_scores(means.assign(fold=fold).reset_index(), means.to_numpy(float))


def linear(x: NDArray[Any], labels: Names) -> Experiment:
    """Return logistic regression of standardised features, with classes weighted equally.

    It answers a class for each test clip. x: (clips, features). labels: one for each clip.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = np.asarray(labels)

    def experiment(train: Indices, test: Indices) -> NDArray[Any]:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
        return np.asarray(model.fit(x[train], y[train]).predict(x[test]))

    return experiment


def group_rule(groups: Names, labels: Names) -> Experiment:
    """Return a rule that knows a clip's group alone, such as the type of phone.

    Its answer is the most common training class of the group, with classes weighted equally, as a
    probability of each class. groups, labels: one for each clip.
    """
    from sklearn.tree import DecisionTreeClassifier

    kinds, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    x, (y, names) = np.eye(len(kinds))[codes], class_indices(labels)

    def experiment(train: Indices, test: Indices) -> NDArray[Any]:
        tree = DecisionTreeClassifier(class_weight="balanced", random_state=0).fit(x[train], y[train])
        p = np.zeros((len(test), len(names)))  # also of a class that is not in training
        p[:, tree.classes_] = tree.predict_proba(x[test])
        return p

    return experiment
