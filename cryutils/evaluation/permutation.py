"""P-values of scores, by permuting labels in blocks that keep the clips of an infant together.

Used in notebook 03 for every cell of Paper A's Table 2. An infant mostly cries for one reason and
sounds like itself, so labels permuted clip by clip reject a true null far too often
(`benchmarks/intervals.py`: 93 % instead of 5 %, with the random split). So whole label vectors are
exchanged between infants with equally many clips.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io.parallel import process_map
from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.evaluation.crossval import Features, balanced_accuracy, fit_and_predict, one_thread
from cryutils.evaluation.splits import Labelled, Names, Split, class_indices, fold_numbers

__all__ = [
    "PermutationTest", "fixed_prediction_test", "permutation_order", "permutation_test",
    "permute_labels",
]  # fmt: skip

Strata = Sequence[Hashable] | NDArray[Any]

_CHUNK = 10  # permutations per task of a worker process, with one copy of the features
_TIE = 1e-12  # equal scores may differ by rounding; a tie counts against the model


@dataclass(frozen=True)
class PermutationTest:
    """The balanced accuracy of a family of cells, with the true and with permuted labels.

    `observed` is float (cells,), `null` float (permutations, cells).
    """

    cells: tuple[Hashable, ...]
    observed: NDArray[np.float64]
    null: NDArray[np.float64]
    seed: int

    @property
    def p_values(self) -> dict[Hashable, float]:
        """Each cell's own p = (b + 1) / (B + 1), where b permutations score at least as high."""
        return self._shares(self.null)

    @property
    def adjusted(self) -> dict[Hashable, float]:
        """P-values by max-T: b counts the permutations whose best cell scores at least as high.

        Valid for the whole family at once (Westfall & Young 1993, single step).
        """
        return self._shares(self.null.max(axis=1, keepdims=True))

    def words(self, cell: Hashable) -> str:
        """Return a cell's adjusted p as text, and whether it is the smallest possible."""
        p = self.adjusted[cell]
        floor = np.isclose(p, 1 / (len(self.null) + 1))
        least = f", the least that {len(self.null)} permutations can show" if floor else ""
        return f"p = {p:.3g}{least}"

    def joined(self, other: PermutationTest) -> PermutationTest:
        """Return both families as one, for max-T over refitted models and fixed predictions.

        Raises InputError if they did not use the same permutations.
        """
        if self.seed != other.seed or len(self.null) != len(other.null):
            raise InputError(
                "tests must have the same seed and number of permutations to be joined"
            )
        return PermutationTest(
            self.cells + other.cells,
            np.concatenate([self.observed, other.observed]),
            np.hstack([self.null, other.null]),
            self.seed,
        )

    def _shares(self, null: NDArray[np.float64]) -> dict[Hashable, float]:
        as_high = (null >= self.observed - _TIE).sum(axis=0)
        shares = (as_high + 1) / (len(null) + 1)
        return dict(zip(self.cells, shares.tolist(), strict=True))


def permutation_order(
    infants: Names, rng: np.random.Generator, strata: Strata | None = None
) -> NDArray[np.int64]:
    """Return an order of the clips, int64 (clips,), that keeps the clips of an infant together.

    `labels[order]` gives every infant the shuffled labels of an infant with as many clips (perhaps
    its own). All such orders are equally likely.

    strata: for each clip a known influence on the score, such as the type of phone. Labels are then
    exchanged only within a stratum, between infants with as many clips in each. Raises InputError
    if the numbers of clips and strata differ.
    """
    names, group = np.unique(np.asarray(infants), return_inverse=True)
    known = np.zeros(len(group)) if strata is None else np.asarray(strata, dtype=object)
    stratum, _ = pd.factorize(known)
    if len(stratum) != len(group):
        raise InputError(f"{len(stratum)} strata for {len(group)} clips: give one for each clip")
    order = np.empty(len(group), dtype=np.int64)
    by_stratum = np.argsort(stratum, kind="stable")
    alike: dict[tuple[int, ...], list[NDArray[np.int64]]] = {}
    for g in range(len(names)):
        clips = by_stratum[group[by_stratum] == g]
        alike.setdefault(tuple(stratum[clips].tolist()), []).append(clips)
    for _, members in sorted(alike.items(), key=lambda item: (len(item[0]), item[0])):
        for receiver, giver in zip(members, rng.permutation(len(members)), strict=True):
            shuffled = rng.permutation(members[giver])
            order[receiver] = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    return order


def permute_labels(
    labels: Names, infants: Names, rng: np.random.Generator, strata: Strata | None = None
) -> NDArray[Any]:
    """Return the labels in a `permutation_order`.

    The numbers of clips and infants of each class stay the same, so the same folds are allowed.
    """
    return np.asarray(labels)[permutation_order(infants, rng, strata)]


def permutation_test(
    cells: Mapping[Hashable, tuple[Any, Features]],
    corpus: Labelled,
    split: Split | str,
    *,
    permutations: int = 999,
    n_splits: int = 5,
    repeats: int = 1,
    seed: int = 0,
    strata: Strata | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> PermutationTest:
    """Return the permutation test of a family of models, refitted for each permutation.

    The statistic is the balanced accuracy of pooled out-of-fold predictions, averaged over
    `repeats` k-fold divisions. The division is permuted along with the labels, which makes the test
    exact.

    cells: (model, features) by name, as in `cross_predict`; give models a `random_state`. split:
    "random" or "leak_free", how folds are divided. permutations: B; the smallest p-value is
    1 / (B + 1). seed: of folds and permutations. strata: as in `permutation_order`; None: the types
    of phone of a `Corpus`. jobs: worker processes (None: one for each core), without influence on
    the result. Raises InputError for no cells, or folds that these labels do not allow.
    """
    if not cells or permutations < 1:
        raise InputError(f"{len(cells)} cells, {permutations} permutations: give 1 or more of each")
    y, _ = class_indices(corpus.labels)
    divisions = Split(split).k_folds(corpus, n_splits=n_splits, repeats=repeats, seed=seed)
    fold_of = np.array([fold_numbers((test for _, test in folds), len(y)) for folds in divisions])
    members, numbers = list(cells.values()), range(permutations)
    with one_thread():
        observed = _scores(members, y, fold_of)
    chunks = [numbers[start : start + _CHUNK] for start in numbers[::_CHUNK]]
    null: list[NDArray[np.float64]] = []
    with counting("Refitting", "permutations", shown=progress) as report:
        infants = np.asarray(corpus.infants)
        shared = (members, y, infants, fold_of, seed, _strata(corpus, strata))
        for chunk in process_map(_one_chunk, chunks, shared=shared, jobs=jobs):
            null.extend(chunk)
            report(len(null), permutations)
    return PermutationTest(tuple(cells), observed, np.array(null), seed)


def fixed_prediction_test(
    predictions: Mapping[Hashable, NDArray[np.integer[Any]] | pd.DataFrame],
    corpus: Labelled,
    *,
    permutations: int = 999,
    seed: int = 0,
    strata: Strata | None = None,
) -> PermutationTest:
    """Return the permutation test of fixed predictions, for models that take too long to refit.

    The model was trained on the true labels, so with the random split, recognising an infant from
    its other clips is enough to pass. With the leak-free split the test is approximate, since
    predictions of one fold depend on the labels of the others: with a true null,
    `benchmarks/intervals.py` finds 7 % of corpora rejected at 5 %.

    predictions: by name, class indices, int (repeats, clips), or one model's answers on one split,
    a table of `out_of_fold` for all clips. Other arguments as in `permutation_test`; the same seed
    gives the same permutations. Raises InputError if the clips are not those of the corpus.
    """
    y, names = class_indices(corpus.labels)
    infants = np.asarray(corpus.infants)
    shares = []
    for name, predicted in predictions.items():
        if isinstance(predicted, pd.DataFrame):
            predicted = _of_table(predicted, [clip.id for clip in cast("Any", corpus)], names)
        rows = np.atleast_2d(np.asarray(predicted))
        if rows.shape[1] != len(y):
            raise InputError(f"{name!r} predicts {rows.shape[1]} clips, the corpus has {len(y)}")
        shares.append(np.stack([(rows == k).mean(axis=0) for k in range(len(names))]))
    called = np.stack(shares)  # (cells, classes, clips): the share of repeats that predict a class

    def score(truth: NDArray[np.int64]) -> NDArray[np.float64]:
        recalls = [called[:, k, truth == k].mean(axis=1) for k in range(len(names))]
        return np.asarray(np.mean(recalls, axis=0))

    strata = _strata(corpus, strata)
    null = [score(y[_order(infants, seed, b, strata)]) for b in range(permutations)]
    return PermutationTest(tuple(predictions), score(y), np.array(null), seed)


def _of_table(table: pd.DataFrame, clips: list[str], names: list[str]) -> NDArray[np.int64]:
    """Return the predictions of a table of answers as class indices, int64 (repeats, clips)."""
    wide = table.pivot(index="repeat", columns="clip", values="predicted")
    if set(wide.columns) != set(clips):
        raise InputError(f"the table answers {wide.shape[1]} clips, the corpus has {len(clips)}")
    codes = pd.Index(names).get_indexer(pd.Index(wide[clips].to_numpy().ravel()))
    return codes.reshape(wide.shape)


def _strata(corpus: Labelled, strata: Strata | None) -> Strata | None:
    return getattr(corpus, "phones", None) if strata is None else strata


def _order(
    infants: NDArray[Any], seed: int, number: int, strata: Strata | None
) -> NDArray[np.int64]:
    """Return permutation `number`, the same in every process."""
    stream = np.random.SeedSequence(seed, spawn_key=(number,))
    return permutation_order(infants, np.random.default_rng(stream), strata)


def _scores(
    members: Sequence[tuple[Any, Features]], y: NDArray[np.int64], fold_of: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each cell's score, float64 (cells,), from the folds of clips (divisions, clips)."""
    divisions = [
        [(np.flatnonzero(row != k), np.flatnonzero(row == k)) for k in range(row.max() + 1)]
        for row in fold_of
    ]
    return np.array([
        np.mean([balanced_accuracy(y, row) for row in fit_and_predict(model, X, y, divisions)])
        for model, X in members
    ])  # fmt: skip


def _one_chunk(
    members: Sequence[tuple[Any, Features]],
    y: NDArray[np.int64],
    infants: NDArray[Any],
    fold_of: NDArray[np.int64],
    seed: int,
    strata: Strata | None,
    numbers: range,
) -> list[NDArray[np.float64]]:
    from sklearn import config_context

    rows = []
    # Without scikit-learn's checks, which the observed scores have already passed.
    with one_thread(), config_context(assume_finite=True, skip_parameter_validation=True):
        for number in numbers:
            order = _order(infants, seed, number, strata)
            rows.append(_scores(members, y[order], fold_of[:, order]))
    return rows
