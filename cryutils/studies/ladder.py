"""The ladder of mistakes: an honest recipe, and what each common mistake adds to its score.

Lesson 7 makes four of the mistakes by hand; notebook 10_leakage_audit makes all twelve here. Neither
paper says whether any of them occurred, but we can measure how much each one would add. The honest
recipe divides the clips by infant, draws as many windows of each class everywhere, oversamples, adds
noisy copies, scales, selects and compresses features, trains a small network, chooses its epoch on
other infants, and averages it with a nearest-neighbour classifier. A mistake does one of these steps
wrong, "all" all of them. Everything else stays the same, random draws included (Ambroise & McLachlan
2002, doi 10.1073/pnas.102102699; Kapoor & Narayanan 2023, doi 10.1016/j.patter.2023.100804). PCA
replaces the autoencoder (Baldi & Hornik 1989, doi 10.1016/0893-6080(89)90014-2).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from cryutils._io.progress import counting
from cryutils.audio.spectral import cepstrum, mel_db, summarise
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.registry import is_synthetic, title
from cryutils.errors import InputError, near_miss
from cryutils.evaluation.answers import clip_means, out_of_fold
from cryutils.evaluation.splits import Indices, Split, class_indices, single_split

# The recipe. No value was chosen by its score: all are small, so that an audit takes seconds.
SELECTED = 20  # features that pass the selection
COMPONENTS = 8  # numbers of the autoencoder's code
HIDDEN = 16  # units of the network
EPOCHS = 10
BATCH, LEARNING_RATE = 64, 0.01
NEIGHBOURS = 5
VALIDATION = 0.25  # share of the training side on which epoch and weights are chosen
WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)  # of the network; of equally likely ones the first is taken
_HOP_S = 0.016  # frames are twice as long
_N_MELS = 40
_MARGIN = 0.05  # a change within five points counts as none, as in `data/claims.csv`

Array = NDArray[Any]

_UP, _NONE, _OPEN = "inflates", "harmless", "undecided"
# Each mistake in words, and its expected effect on synthetic voices and on DonateACry. The effects
# were committed before any mistake was run on any data, and not changed since.
_EXPECTED: Mapping[str, tuple[str, str, str]] = {
    "windows": ("windows of one clip on both sides", _UP, _UP),
    "clips": ("clips of one session on both sides", _UP, _UP),
    "sessions": ("sessions of one infant on both sides", _UP, _NONE),
    "augment": ("noisy copies made before the split", _UP, _UP),
    "oversample": ("rare classes repeated before the split", _UP, _UP),
    "scaler": ("scaler fitted on everything", _NONE, _NONE),
    "selection": ("features selected on everything", _UP, _NONE),
    "autoencoder": ("autoencoder fitted on everything", _NONE, _NONE),
    "epochs": ("epoch chosen on the test set", _UP, _UP),
    "stacking": ("ensemble weighted by in-sample outputs", _NONE, _NONE),
    "majority": ("no model: always the most common class", _UP, _UP),  # only accuracy rises
    "all": ("all of them together", _UP, _UP),
}
MISTAKES: Mapping[str, str] = {name: row[0] for name, row in _EXPECTED.items()}
MADE = tuple(name for name in MISTAKES if name != "majority")  # by a model
# The mistakes that divide by something smaller than the infant.
UNITS = {"windows": Split.RANDOM_FRAMES, "clips": Split.RANDOM, "sessions": Split.SESSION}


@dataclass(frozen=True)
class Windows:
    """Windows of sound as features, with the clip that each is cut from.

    `x` float64 (windows, features); `noisy` the same windows with noise added; `clip` int64
    (windows,), the position of each window's clip in `corpus`.
    """

    x: Array
    noisy: Array
    clip: Indices
    corpus: Corpus

    @cached_property
    def y(self) -> Indices:
        """Class index of each window, int64 (windows,)."""
        return class_indices(self.corpus.labels)[0][self.clip]


class Division(NamedTuple):
    """Windows to train on, to choose the epoch, and to predict, int64 positions."""

    fit: Indices
    stop: Indices
    test: Indices


class Rows(NamedTuple):
    """Vectors, float (rows, features), with their classes, int64 (rows,)."""

    x: Array
    y: Indices


def vectors(x: Array, *, sr: int, window_s: float | None = None) -> Array:
    """Return a vector for each window of a sound `x`, float32 (windows, 120).

    It has the mean and standard deviation over time of 40 mel bands in dB and 20 MFCC, from
    frames of 32 ms, one every 16 ms. Windows do not overlap; the rest after the last whole one is
    left out. x: float32 (samples,) at `sr` Hz. window_s: in s; None, or more than the sound: one
    window.
    """
    settings = {"sr": sr, "n_fft": 2 * round(_HOP_S * sr), "hop_length": round(_HOP_S * sr)}
    levels = mel_db(x, n_mels=_N_MELS, **settings)
    frames = np.hstack([levels, cepstrum(levels)])
    length = len(frames) if window_s is None else round(window_s / _HOP_S)
    count = max(1, len(frames) // length)
    return summarise(np.split(frames[: count * length], count))


def divide(
    windows: Windows, unit: Split, *, n_folds: int, repeats: int = 1, seed: int = 0
) -> list[list[Division]]:
    """Return `repeats` lists of `n_folds` divisions of windows that keep every `unit` whole.

    The windows that a fold doesn't test are divided again in the same way. So divided by infant, a
    class needs three infants; raises InputError if it has fewer.
    """
    corpus = windows.corpus
    labels, item = corpus.labels[windows.clip], windows.clip
    if unit is Split.RANDOM_FRAMES:
        corpus, item, groups = corpus.take(item), np.arange(len(item)), None
    else:
        names = unit.groups(corpus)
        groups = item if names is None else names[item]
    seeds = iter(np.random.SeedSequence(seed).generate_state(repeats * n_folds))

    def division(train: Indices, test: Indices) -> Division:
        train, test = (np.flatnonzero(np.isin(item, side)) for side in (train, test))
        whole = None if groups is None else groups[train]
        fit, stop = single_split(labels[train], whole, test_size=VALIDATION, seed=int(next(seeds)))
        return Division(train[fit], train[stop], test)

    drawn = unit.k_folds(corpus, n_splits=n_folds, repeats=repeats, seed=seed)
    return [[division(*sides) for sides in repeat] for repeat in drawn]


def training_rows(
    windows: Windows, fit: Indices, sizes: Indices, wrong: frozenset[str], *, seed: Sequence[int]
) -> Rows:
    """Return the rows that a model is fitted on, equally many of each class for every mistake.

    `sizes` windows of each class are drawn; windows of the rarer classes are repeated until all
    classes are as large as the largest (oversampling); as many noisy copies are added
    (augmentation). With "oversample" or "augment" in `wrong`, repeats or copies are of all windows,
    tested ones included.
    """
    y, everything = windows.y, np.arange(len(windows.y))
    streams = np.random.default_rng(seed).spawn(5)
    most = np.full(len(sizes), sizes.max())

    def draw(counts: Indices, pool: Indices, rng: np.random.Generator, again: bool) -> Indices:
        rows = [rng.choice(pool[y[pool] == k], n, replace=again) for k, n in enumerate(counts)]
        return np.concatenate(rows)

    def pool(mistake: str, rng: np.random.Generator) -> Indices:
        return draw(sizes, everything if mistake in wrong else fit, rng, again=False)

    chosen = draw(sizes, fit, streams[0], again=False)
    repeats = draw(most - sizes, pool("oversample", streams[1]), streams[2], again=True)
    copies = draw(most, pool("augment", streams[3]), streams[4], again=True)
    x = np.concatenate([windows.x[chosen], windows.x[repeats], windows.noisy[copies]])
    return Rows(x, y[np.concatenate([chosen, repeats, copies])])


def represent(parts: list[Rows], wrong: frozenset[str]) -> list[Rows]:
    """Return training, test and validation rows, scaled, selected and compressed.

    Each step is fitted on the training rows; a step in `wrong` on training and test together.
    """
    steps = {
        "scaler": StandardScaler(),
        "selection": SelectKBest(k=SELECTED),
        "autoencoder": PCA(COMPONENTS, svd_solver="full"),
    }
    for mistake, step in steps.items():
        seen = parts[: 2 if mistake in wrong else 1]
        step.fit(*(np.concatenate(arrays) for arrays in zip(*seen, strict=True)))
        parts = [Rows(step.transform(part.x), part.y) for part in parts]
    return parts


def ensemble(rows: Rows, test: Rows, validation: Rows, wrong: frozenset[str], *, seed: int) -> Array:
    """Return the class probabilities of the tested rows, float64 (test, classes).

    The network's epoch is the best on the validation rows (with "epochs", on the test). It is
    averaged with nearest neighbours by the weights that give the validation rows (with "stacking",
    the training rows) the highest likelihood.
    """
    classes = np.unique(rows.y)
    size, draws = min(BATCH, len(rows.y)), np.random.RandomState(seed)
    network = MLPClassifier((HIDDEN,), batch_size=size, learning_rate_init=LEARNING_RATE, random_state=draws)
    judge, highest = test if "epochs" in wrong else validation, -1.0
    for _ in range(EPOCHS):
        network.partial_fit(*rows, classes=classes)
        score = balanced_accuracy_score(judge.y, network.predict(judge.x))
        if score > highest:
            best, highest = copy.deepcopy(network), score
    members = best, KNeighborsClassifier(NEIGHBOURS, weights="distance").fit(*rows)
    judge = rows if "stacking" in wrong else validation
    a, b = (member.predict_proba(judge.x) for member in members)
    weight = min(WEIGHTS, key=lambda w: log_loss(judge.y, w * a + (1 - w) * b, labels=classes))
    a, b = (member.predict_proba(test.x) for member in members)
    return weight * a + (1 - weight) * b


def audit(
    windows: Windows,
    mistakes: Sequence[str] = MADE,
    *,
    folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the answers to every clip of the honest recipe and of each mistake.

    A clip's answer is the class with the highest mean probability over its windows, each predicted
    by a model that was not fitted on it. Columns: condition ("honest", then the mistakes) and those
    of `evaluation.out_of_fold`. Raises InputError for an unknown mistake, and if the labels allow no
    division by infant.
    """
    for name in mistakes:
        if name not in MADE:
            raise InputError(f"no mistake {name!r} to make.{near_miss(name, MADE)}")
    divisions = {unit: divide(windows, unit, n_folds=folds, repeats=repeats, seed=seed) for unit in Split}
    # As many training windows of each class as all divisions allow. Otherwise mistakes would differ
    # in the amount of training data as well.
    every = chain.from_iterable(chain.from_iterable(divisions.values()))
    counts = [np.bincount(windows.y[d.fit], minlength=int(windows.y.max()) + 1) for d in every]
    sizes, tables = np.min(counts, axis=0).astype(np.int64), []
    with counting("Audit", "mistakes", shown=progress) as report:
        for done, name in enumerate(["honest", *mistakes]):
            report(done, len(mistakes) + 1)
            wrong = frozenset(MADE if name == "all" else [name])
            unit = next((unit for key, unit in UNITS.items() if key in wrong), Split.LEAK_FREE)
            table = _answers(windows, divisions[unit], sizes, wrong, seed)
            split = "leak_free" if name == "honest" else "random"
            tables.append(table.assign(condition=name, split=split))
    return pd.concat(tables, ignore_index=True)


def _answers(
    windows: Windows,
    divisions: Sequence[Sequence[Division]],
    sizes: Indices,
    wrong: frozenset[str],
    seed: int,
) -> pd.DataFrame:
    """Return the answers of one recipe, which has the mistakes `wrong`, to every clip."""

    def answer(_: Indices, test: Indices, repeat: int, fold: int) -> Array:
        division, place = divisions[repeat][fold], [seed, repeat, fold]
        rows = training_rows(windows, division.fit, sizes, wrong, seed=place)
        parts = [Rows(windows.x[part], windows.y[part]) for part in (test, division.stop)]
        draw = int(np.random.SeedSequence(place).generate_state(1)[0])
        rows, tested, validation = represent([rows, *parts], wrong)
        return ensemble(rows, tested, validation, wrong, seed=draw)

    pairs = [[(part.fit, part.test) for part in repeat] for repeat in divisions]
    pieces = windows.corpus.take(windows.clip)
    return clip_means(out_of_fold(answer, pieces, split="random_frames", folds=pairs))


def effects(results: pd.DataFrame) -> pd.DataFrame:
    """Return what each mistake adds to the honest score, in words, for each corpus in `results`.

    Columns for each corpus: the effect that was expected, what the mistake adds to the balanced
    accuracy (for `majority`: accuracy), and the effect that this shows. results: columns as in
    `claims.results`, also of a stored run.
    """
    rows = results[(results.study == "audit") & (results.rival == "honest")]
    metric = np.where(rows.condition == "majority", "accuracy", "balanced_accuracy")
    expected = pd.DataFrame.from_dict(dict(_EXPECTED), orient="index")
    columns = {}
    for data, part in rows[rows.metric == metric].groupby("data", sort=False):
        name, ends = title(str(data)), part.set_index("condition")[["value", "low", "high"]]
        words = ends.map("{:+.2f}".format)
        is_none = (ends.low >= -_MARGIN) & (ends.high <= _MARGIN)
        columns[name, "expected"] = expected[1 if is_synthetic(str(data)) else 2]
        columns[name, "adds"] = words.value + " [" + words.low + ", " + words.high + "]"
        measured = np.select([ends.low > 0, is_none], [_UP, _NONE], _OPEN)
        columns[name, "measured"] = pd.Series(measured, ends.index)
    return pd.DataFrame(columns).reindex(list(MISTAKES)).dropna().rename(index=dict(MISTAKES))
