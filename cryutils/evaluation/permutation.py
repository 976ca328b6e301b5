"""P-values of scores, by permuting labels in blocks that keep the clips of an infant together.

Notebook 03 writes one test by hand; other notebooks use `fixed_prediction_test`. An infant mostly
cries for one reason and sounds like itself, so labels permuted clip by clip reject a true null far
too often (`benchmarks/intervals.py`: 93 % instead of 5 %, with the random split). So whole label
vectors are exchanged between infants with equally many clips.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.splits import Names, class_indices

Strata = Sequence[Hashable] | NDArray[Any]
Blocks = list[NDArray[np.int64]]  # clips by infant (infants, clips), of infants that may exchange labels

_TIE = 1e-12  # equal scores may differ by rounding; a tie counts against the model


@dataclass(frozen=True)
class PermutationTest:
    """The balanced accuracy of a family of cells, with the true and with permuted labels.

    `observed` is float (cells,), `null` float (permutations, cells).
    """

    cells: tuple[Hashable, ...]
    observed: NDArray[np.float64]
    null: NDArray[np.float64]

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

    def _shares(self, null: NDArray[np.float64]) -> dict[Hashable, float]:
        as_high = (null >= self.observed - _TIE).sum(axis=0)
        shares = (as_high + 1) / (len(null) + 1)
        return dict(zip(self.cells, shares.tolist(), strict=True))


def permute_labels(
    labels: Names, infants: Names, rng: np.random.Generator, strata: Strata | None = None
) -> NDArray[Any]:
    """Return the labels in an order that keeps the clips of an infant together, (clips,).

    Every infant gets the shuffled labels of an infant with as many clips (perhaps its own), so the
    same folds are allowed. All such orders are equally likely. strata: for each clip a known
    influence on the score, such as the type of phone. Labels are then exchanged only within a
    stratum, between infants with as many clips in each. Raises InputError if numbers of clips and
    strata differ.
    """
    return np.asarray(labels)[_order(*_exchangeable(infants, strata), rng)]


def _exchangeable(infants: Names, strata: Strata | None) -> tuple[Blocks, NDArray[np.int64]]:
    """Return the infants' clips, ordered by stratum, in lists that may be exchanged; and the strata."""
    _, group = np.unique(np.asarray(infants), return_inverse=True)
    known = np.zeros(len(group)) if strata is None else np.asarray(strata, dtype=object)
    stratum = pd.factorize(known)[0].astype(np.int64)
    if len(stratum) != len(group):
        raise InputError(f"{len(stratum)} strata for {len(group)} clips: give one for each clip")
    ordered = np.lexsort((stratum, group))
    alike: dict[tuple[int, ...], list[NDArray[np.int64]]] = {}
    for clips in np.split(ordered, np.cumsum(np.bincount(group))[:-1]):
        alike.setdefault(tuple(stratum[clips].tolist()), []).append(clips)
    blocks = sorted(alike.items(), key=lambda item: (len(item[0]), item[0]))
    return [np.stack(members) for _, members in blocks], stratum


def _order(blocks: Blocks, stratum: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    order = np.empty(len(stratum), dtype=np.int64)
    for members in blocks:
        shuffled = rng.permuted(members[rng.permutation(len(members))], axis=1)
        by_stratum = np.argsort(stratum[shuffled], axis=1, kind="stable")
        order[members] = np.take_along_axis(shuffled, by_stratum, axis=1)
    return order


def permutation_test(
    predictions: Mapping[Hashable, NDArray[np.integer[Any]]],
    labels: Names,
    infants: Names,
    *,
    strata: Strata | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Return the permutation test of fixed predictions: the models are not trained again.

    The statistic is the balanced accuracy, the mean over the repeats. The model was trained on the
    true labels, so with the random split, recognising an infant from its other clips is enough to
    pass. With the leak-free split the test is approximate, since predictions of one fold depend on
    the labels of the others: with a true null, `benchmarks/intervals.py` finds 7 % of corpora
    rejected at 5 %.

    predictions: by name, indices of the sorted labels, int (repeats, clips) or (clips,).
    permutations: B; the smallest p-value is 1 / (B + 1). strata: as in `permute_labels`. Raises
    InputError if the numbers of clips differ.
    """
    y, names = class_indices(labels)
    shares = []
    for name, predicted in predictions.items():
        rows = np.atleast_2d(np.asarray(predicted))
        if rows.shape[1] != len(y):
            raise InputError(f"{name!r} predicts {rows.shape[1]} clips, the corpus has {len(y)}")
        shares.append(np.stack([(rows == k).mean(axis=0) for k in range(len(names))]))
    called = np.stack(shares)  # (cells, classes, clips): the share of repeats that predict a class

    def score(truth: NDArray[np.int64]) -> NDArray[np.float64]:
        recalls = [called[:, k, truth == k].mean(axis=1) for k in range(len(names))]
        return np.asarray(np.mean(recalls, axis=0))

    streams = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(permutations))
    blocks, stratum = _exchangeable(infants, strata)
    null = [score(y[_order(blocks, stratum, rng)]) for rng in streams]
    return PermutationTest(tuple(predictions), score(y), np.array(null))


def fixed_prediction_test(
    tables: Mapping[Hashable, pd.DataFrame], corpus: Corpus, *, permutations: int = 999, seed: int = 0
) -> PermutationTest:
    """Return the `permutation_test` of models' answers, within the types of phone of a corpus.

    Parameters
    ----------
    tables : dict of DataFrames
        By name, one model's answers on one split, columns of `out_of_fold`. Raises InputError
        unless they answer all clips.
    corpus : Corpus
        The clips, with infants and devices.
    permutations, seed : int
        Their number B, so that the smallest p-value is 1 / (B + 1); seed of their order.

    Returns
    -------
    PermutationTest
        Its `p_values` and, for all models together, `adjusted`.

    Examples
    --------
    >>> from cryutils import evaluation, load
    >>> clips = load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5, progress=False)
    >>> rule = evaluation.group_rule(clips.infants, clips.labels)
    >>> answers = evaluation.out_of_fold(rule, clips, split="leak_free", folds=2)
    >>> fixed_prediction_test({"rule": answers}, clips, permutations=19).p_values["rule"] > 0.05
    True
    """
    predictions = {}
    for name, table in tables.items():
        wide = table.pivot(index="repeat", columns="clip", values="predicted")
        if set(wide.columns) != set(corpus.ids):
            raise InputError(f"the table answers {wide.shape[1]} clips, the corpus has {len(corpus)}")
        codes = pd.Index(corpus.classes).get_indexer(pd.Index(wide[corpus.ids].to_numpy().ravel()))
        predictions[name] = codes.reshape(wide.shape)
    options = {"strata": corpus.devices, "permutations": permutations, "seed": seed}
    return permutation_test(predictions, corpus.labels, corpus.infants, **options)
