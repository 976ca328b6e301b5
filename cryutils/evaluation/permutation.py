"""How often chance alone would score as high, when labels hang together by infant.

Notebook 03 gives these p-values for every cell (model x feature x protocol) of Paper A's
Table 2, under both protocols. Labels are not permuted clip by clip: an infant mostly cries for
one reason and sounds like itself, so free shuffling breaks a bond that exists without any
signal. Where a true null should be rejected in 5 % of corpora, `benchmarks/intervals.py` finds
10 % so under the leak-free protocol and 93 % under the paper's (by blocks: 5 and 4 %). Shuffling
within infants alone moves almost nothing. What may be exchanged are whole label vectors of
infants with equally many clips (block permutation), and clips within an infant.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryutils._io.parallel import process_map
from cryutils._io.progress import counting
from cryutils.errors import InputError
from cryutils.evaluation.crossval import Features, balanced_accuracy, fit_and_predict, one_thread
from cryutils.evaluation.splits import (
    Fold,
    Labelled,
    Names,
    Split,
    class_indices,
    fold_numbers,
)

__all__ = [
    "PermutationTest",
    "fixed_prediction_test",
    "permutation_order",
    "permutation_test",
    "permute_labels",
]

# Enough work in a chunk to hide the handing over, few enough chunks for a smooth progress.
_CHUNK = 10
# Two equal scores may differ by rounding; a tie counts against the model.
_TIE = 1e-12


@dataclass(frozen=True)
class PermutationTest:
    """A family of cells, their balanced accuracy, and what permuted labels gave.

    `cells` names the columns, `observed` is float `(cells,)`, `null` float `(permutations, cells)`.
    """

    cells: tuple[Hashable, ...]
    observed: NDArray[np.float64]
    null: NDArray[np.float64]
    seed: int

    @property
    def p_values(self) -> dict[Hashable, float]:
        """Return each cell's own p = (b + 1) / (B + 1), b counting nulls that score as high."""
        return self._shares(self.null)

    @property
    def adjusted(self) -> dict[Hashable, float]:
        """Return p-values by max-T: b counts permutations whose best cell scores as high.

        They hold for the whole family at once (Westfall & Young 1993, single step).
        """
        return self._shares(self.null.max(axis=1, keepdims=True))

    def words(self, cell: Hashable) -> str:
        """Return a cell's adjusted p to print, and whether any could have been smaller."""
        p = self.adjusted[cell]
        floor = np.isclose(p, 1 / (len(self.null) + 1))
        least = f", the least that {len(self.null)} permutations can show" if floor else ""
        return f"p = {p:.3g}{least}"

    def joined(self, other: PermutationTest) -> PermutationTest:
        """Return both families as one, for max-T over refitted and fixed models together.

        Raises
        ------
        InputError
            The tests did not use the same permutations (seed and their number).
        """
        if self.seed != other.seed or len(self.null) != len(other.null):
            raise InputError(
                f"tests of seed {self.seed} with {len(self.null)} permutations and of seed"
                f" {other.seed} with {len(other.null)} are no family; run both alike"
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


def permutation_order(infants: Names, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return an order of the clips, int64 `(clips,)`, that keeps infants' blocks together.

    `labels[order]` gives every infant the label vector of an infant with as many clips (perhaps
    its own), shuffled. Every such arrangement is equally likely.
    """
    names, group = np.unique(np.asarray(infants), return_inverse=True)
    clips = [np.flatnonzero(group == g) for g in range(len(names))]
    sizes = np.array([len(members) for members in clips])
    order = np.empty(len(group), dtype=np.int64)
    for size in np.unique(sizes):
        alike = np.flatnonzero(sizes == size)
        for receiver, giver in zip(alike, rng.permutation(alike), strict=True):
            order[clips[receiver]] = rng.permutation(clips[giver])
    return order


def permute_labels(labels: Names, infants: Names, rng: np.random.Generator) -> NDArray[Any]:
    """Return the labels with whole vectors exchanged between infants with equal clip counts.

    Each vector is then shuffled within its infant. The classes' counts of clips and of infants stay
    as they are, so folds that the labels allow are allowed by every permutation of them.

    Parameters
    ----------
    labels, infants : sequence of str
        One a clip.
    rng : numpy.random.Generator
        The only source of chance.
    """
    return np.asarray(labels)[permutation_order(infants, rng)]


def permutation_test(
    cells: Mapping[Hashable, tuple[Any, Features]],
    corpus: Labelled,
    split: Split | str,
    *,
    permutations: int = 999,
    n_splits: int = 5,
    repeats: int = 1,
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = False,
) -> PermutationTest:
    """Return the test of a family of models, each refitted on folds built from permuted labels.

    The statistic is the balanced accuracy of pooled out-of-fold predictions, averaged over
    `repeats` k-fold divisions, the observed one computed just so. A division depends on labels and
    infants alone, and a permutation carries equal infants onto each other; so the divisions that
    the permuted labels would have been given are the first ones, carried along with the labels: as
    stratified, as leak-free, and drawn from the same distribution, which makes the test exact.

    Parameters
    ----------
    cells : mapping
        By name, (model, features) as in `out_of_fold`; give models a `random_state`.
    corpus : Corpus
        Or anything with `labels` and `infants`, one a clip.
    split : {"clip", "infant"}
        How folds are divided. Labels are permuted alike.
    permutations : int
        B; the smallest p-value is 1 / (B + 1).
    n_splits, repeats : int
        Folds of a division, and divisions.
    seed : int
        Of folds and permutations; the result does not depend on `jobs`.
    jobs : int, optional
        Processes; None for all cores.
    progress : bool
        Count the permutations on a terminal or in a notebook.

    Raises
    ------
    InputError
        No cells, or folds that these labels do not allow.
    """
    if not cells or permutations < 1:
        raise InputError(f"{len(cells)} cells and {permutations} permutations test nothing")
    y, _ = class_indices(corpus.labels)
    divisions = Split(split).k_folds(corpus, n_splits=n_splits, repeats=repeats, seed=seed)
    fold_of = np.array([fold_numbers((test for _, test in folds), len(y)) for folds in divisions])
    members = list(cells.values())
    with one_thread():
        observed = _scores(members, y, fold_of)
    infants = np.asarray(corpus.infants)
    chunks = [
        range(start, min(start + _CHUNK, permutations)) for start in range(0, permutations, _CHUNK)
    ]
    null: list[NDArray[np.float64]] = []
    with counting("Refitting", "permutations", shown=progress) as report:
        shared = (members, y, infants, fold_of, seed)
        for chunk in process_map(_one_chunk, chunks, shared=shared, jobs=jobs):
            null.extend(chunk)
            report(len(null), permutations)
    return PermutationTest(tuple(cells), observed, np.array(null), seed)


def fixed_prediction_test(
    predictions: Mapping[Hashable, NDArray[np.integer[Any]]],
    corpus: Labelled,
    *,
    classes: Sequence[str] | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Return the test of predictions that stay as they are while the labels are permuted.

    For models that take too long to refit: networks and forests. The test asks whether predictions
    and labels agree more than they would if blocks of labels were exchanged at random. That is not
    what a refitted model's test asks: the model was trained on the true labels, so under the
    paper's protocol, recognising an infant from its other clips is enough to pass. A small p-value
    there shows that something was learnt, perhaps only who is crying. Leak-free the test is
    approximate, since predictions of one fold depend on the labels of the others: with a true null,
    `benchmarks/intervals.py` finds 7 % of corpora rejected at 5 %, and 93 % under the paper's
    protocol (refitted: 5 and 4 %).

    Parameters
    ----------
    predictions : mapping
        By name, class indices, int (repeats, clips); the statistic is the balanced accuracy
        averaged over repeats.
    corpus : Corpus
        Or anything with `labels` and `infants`, one a clip.
    classes : sequence of str, optional
        What the indices count in; by default the labels found, sorted.
    permutations : int
        B; the same seed gives the same permutations as in `permutation_test`.
    seed : int
        Of the permutations.

    Raises
    ------
    InputError
        Predictions of another number of clips.
    """
    y, names = class_indices(corpus.labels, classes)
    infants = np.asarray(corpus.infants)
    shares = []
    for name, predicted in predictions.items():
        rows = np.atleast_2d(np.asarray(predicted))
        if rows.shape[1] != len(y):
            raise InputError(f"{name!r} predicts {rows.shape[1]} clips, the corpus has {len(y)}")
        shares.append(np.stack([(rows == k).mean(axis=0) for k in range(len(names))]))
    # (cells, classes, clips): the share of repeats that called this clip that class.
    called = np.stack(shares)
    present = np.flatnonzero(np.bincount(y, minlength=len(names)))

    def score(truth: NDArray[np.int64]) -> NDArray[np.float64]:
        recalls = [called[:, k, truth == k].mean(axis=1) for k in present]
        return np.asarray(np.mean(recalls, axis=0))

    null = [score(y[_order(infants, seed, b)]) for b in range(permutations)]
    return PermutationTest(tuple(predictions), score(y), np.array(null), seed)


def _order(infants: NDArray[Any], seed: int, number: int) -> NDArray[np.int64]:
    """Return permutation `number`: its own stream, whichever process draws it."""
    stream = np.random.SeedSequence(seed, spawn_key=(number,))
    return permutation_order(infants, np.random.default_rng(stream))


def _folds_from(fold_of: NDArray[np.int64]) -> list[Fold]:
    return [
        (np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number))
        for number in range(int(fold_of.max()) + 1)
    ]


def _scores(
    members: Sequence[tuple[Any, Features]], y: NDArray[np.int64], fold_of: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each cell's score, `(cells,)`; the mean over divisions, of which each is a row."""
    each = [_scores_of_division(members, y, _folds_from(row)) for row in fold_of]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def _scores_of_division(
    members: Sequence[tuple[Any, Features]], y: NDArray[np.int64], folds: Sequence[Fold]
) -> list[float]:
    # Cells that share a function of the training part have it called once a fold.
    functions = {id(X): X for _, X in members if callable(X)}
    prepared = {
        (key, train.tobytes()): X(train) for key, X in functions.items() for train, _ in folds
    }
    scores = []
    for model, X in members:
        features = partial(_look_up, prepared, id(X)) if callable(X) else X
        pooled = np.empty_like(y)
        predicted = fit_and_predict(model, features, y, folds, jobs=1)
        for (_, test), part in zip(folds, predicted, strict=True):
            pooled[test] = part
        scores.append(balanced_accuracy(y, pooled))
    return scores


def _look_up(
    prepared: Mapping[tuple[int, bytes], NDArray[Any]], key: int, train: NDArray[np.int64]
) -> NDArray[Any]:
    return prepared[key, train.tobytes()]


def _one_chunk(
    members: Sequence[tuple[Any, Features]],
    y: NDArray[np.int64],
    infants: NDArray[Any],
    fold_of: NDArray[np.int64],
    seed: int,
    numbers: range,
) -> list[NDArray[np.float64]]:
    from sklearn import config_context

    rows = []
    # The observed scores were computed with scikit-learn's checks; once is enough.
    with one_thread(), config_context(assume_finite=True, skip_parameter_validation=True):
        for number in numbers:
            order = _order(infants, seed, number)
            rows.append(_scores(members, y[order], fold_of[:, order]))
    return rows
