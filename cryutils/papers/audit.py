"""What each usual mistake adds to a score: one honest recipe, and the same with one step wrong.

Walked by notebook 10_leakage_audit. Both papers stay silent about most of these steps (Paper A,
sections 3.2 to 3.5: scaling, autoencoder, epochs, ensemble; Paper B, section 3), so nobody can say
which of them went wrong where. What can be said is how much each would add. The honest recipe
divides by infant, draws equally many windows of a class everywhere, oversamples, adds noisy copies,
scales, selects features, compresses them, trains a small network, picks its best epoch on other
infants, and joins it with a nearest-neighbour classifier. A `Rung` does one of these steps
wrong, or all of them; everything else, the random draws included, stays the same, so a difference
to `honest` is that mistake's. Ambroise & McLachlan (2002, doi 10.1073/pnas.102102699) did it for
the selection of genes, Kapoor & Narayanan (2023, doi 10.1016/j.patter.2023.100804) count the
sciences where such mistakes were made.

PCA stands for the autoencoder: it is what a linear autoencoder learns (Baldi & Hornik 1989, doi
10.1016/0893-6080(89)90014-2), in a thousandth of the time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryutils._io.parallel import thread_map
from cryutils._io.progress import counting
from cryutils.audio.spectral import cepstrum, mel_db, summarise
from cryutils.audio.stress import add_noise
from cryutils.errors import InputError
from cryutils.evaluation.crossval import balanced_accuracy, majority_baseline, one_thread
from cryutils.evaluation.intervals import Interval, interval, paired_interval
from cryutils.evaluation.permutation import PermutationTest, permute_labels
from cryutils.evaluation.splits import (
    Choice,
    Indices,
    class_indices,
    folds,
    infant_split,
    paper_split,
)

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.datasets.corpus import Clip, Corpus

__all__ = [
    "EXPECTATIONS", "MARGIN", "METRICS", "MISTAKES", "Audit", "Division", "Effect", "Expectation",
    "Rows", "Rung", "Unit", "Windows", "answer", "audit", "divide", "effect", "join",
    "make_imbalanced", "mistakes", "null_test", "out_of_fold", "represent", "training_rows",
    "training_sizes", "unit_of", "vectors", "windows_of",
]  # fmt: skip

# The recipe. No value was tried against another: they are small, so that an audit takes seconds.
SELECTED = 20  # features that pass the selection
COMPONENTS = 8  # numbers of the autoencoder's code
HIDDEN = 16  # units of the network
EPOCHS = 10
BATCH, LEARNING_RATE = 64, 0.01
NEIGHBOURS = 5
VALIDATION = 0.25  # share of the training side on which epoch and weights are chosen
# Of the network in the ensemble; of equally likely ones the first is taken.
WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)
_HOP_S = 0.016  # frames are twice as long
_N_MELS = 40
_EPSILON = np.finfo(
    np.float64
).eps  # no probability counts for less, as in scikit-learn's `log_loss`

METRICS = ("balanced_accuracy", "accuracy")
MARGIN = 0.05  # a change of five points either way is called none, as in `data/claims.csv`

Array = NDArray[Any]


class Rung(Choice):
    """The mistakes, one a rung, between the honest recipe and all of them together."""

    HONEST = "honest"
    WINDOWS = "windows"
    CLIPS = "clips"
    SESSIONS = "sessions"
    AUGMENT = "augment"
    OVERSAMPLE = "oversample"
    SCALER = "scaler"
    SELECTION = "selection"
    AUTOENCODER = "autoencoder"
    EPOCHS = "epochs"
    STACKING = "stacking"
    MAJORITY = "majority"
    ALL = "all"


MISTAKES: Mapping[Rung, str] = {
    Rung.WINDOWS: "windows of one clip on both sides",
    Rung.CLIPS: "clips of one session on both sides",
    Rung.SESSIONS: "sessions of one infant on both sides",
    Rung.AUGMENT: "noisy copies made before the split",
    Rung.OVERSAMPLE: "rare classes repeated before the split",
    Rung.SCALER: "scaler fitted on everything",
    Rung.SELECTION: "features selected on everything",
    Rung.AUTOENCODER: "autoencoder fitted on everything",
    Rung.EPOCHS: "epoch chosen on the test set",
    Rung.STACKING: "ensemble weighted by in-sample outputs",
    Rung.MAJORITY: "no model: always the commonest class",
    Rung.ALL: "all of them together",
}


class Unit(StrEnum):
    """What a division keeps whole; the smaller, the more of an infant lies on both sides."""

    WINDOW = "window"
    CLIP = "clip"
    SESSION = "session"
    INFANT = "infant"


class Effect(StrEnum):
    """What a mistake does to a score."""

    UP = "inflates"
    NONE = "harmless"
    OPEN = "not shown either way"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a mistake was expected to do, on synthetic voices and on DonateACry, and why."""

    synthetic: Effect
    donateacry: Effect
    why: str


# Committed before any rung was run on any data; the effects have not been changed since.
EXPECTATIONS: Mapping[Rung, Expectation] = {
    Rung.WINDOWS: Expectation(
        Effect.UP, Effect.UP, "the same cry a second earlier is in training: the most of the splits"
    ),
    Rung.CLIPS: Expectation(
        Effect.UP, Effect.UP, "the infant minutes earlier, same telephone, mostly the same label"
    ),
    Rung.SESSIONS: Expectation(
        Effect.UP, Effect.NONE,
        "synthetic voices are the same every day; 195 of DonateACry's 221 donors have one session",
    ),
    Rung.AUGMENT: Expectation(
        Effect.UP, Effect.UP, "a noisy copy of the tested window itself: as much as `windows`"
    ),
    Rung.OVERSAMPLE: Expectation(
        Effect.UP, Effect.UP, "the rare classes' tested windows are in training, many times over"
    ),
    Rung.SCALER: Expectation(
        Effect.NONE, Effect.NONE, "a mean and a deviation of more windows say nothing of labels"
    ),
    Rung.SELECTION: Expectation(
        Effect.UP, Effect.NONE,
        "it looks at labels, and two dozen infants share them; with 221 donors it matters less",
    ),
    Rung.AUTOENCODER: Expectation(
        Effect.NONE, Effect.NONE, "a code that never sees a label can't carry one over"
    ),
    Rung.EPOCHS: Expectation(
        Effect.UP, Effect.UP, "the best of ten noisy scores, a few points"
    ),
    Rung.STACKING: Expectation(
        Effect.NONE, Effect.NONE, "no test clip is seen: it flatters a member, not the score"
    ),
    Rung.MAJORITY: Expectation(
        Effect.UP, Effect.UP, "in accuracy alone, and without any model"
    ),
    Rung.ALL: Expectation(Effect.UP, Effect.UP, "the highest of all rungs"),
}  # fmt: skip


@dataclass(frozen=True)
class Windows:
    """Windows of sound as feature vectors, and whose they are.

    `x` float64 (windows, features); `noisy` the same windows with noise added; `clip` int64
    (windows,), each one's clip; `labels`, `infants`, `sessions` str (clips,). It can be divided
    by `evaluation.folds` and its like, being labelled as a corpus is.
    """

    x: Array
    noisy: Array
    clip: Indices
    labels: Array
    infants: Array
    sessions: Array

    def __post_init__(self) -> None:
        clips = {len(self.labels), len(self.infants), len(self.sessions)}
        if self.x.shape != self.noisy.shape or len(self.x) != len(self.clip) or len(clips) > 1:
            raise InputError(
                f"windows {self.x.shape}, noisy ones {self.noisy.shape}, {len(self.clip)} clip"
                f" numbers and {sorted(clips)} clips do not belong together"
            )
        if not np.array_equal(np.unique(self.clip), np.arange(len(self.labels))):
            raise InputError(f"of {len(self.labels)} clips some have no window")

    @cached_property
    def y(self) -> Indices:
        """Class index of each window, int64 (windows,), the classes being sorted."""
        return class_indices(self.labels)[0][self.clip]

    @cached_property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return class_indices(self.labels)[1]

    def units(self, unit: Unit) -> Array:
        """Return what each window may be divided by, (windows,): equal values stay together."""
        by_clip = {Unit.INFANT: self.infants, Unit.SESSION: self.sessions}
        if unit in by_clip:
            return np.asarray(by_clip[unit])[self.clip]
        return self.clip if unit is Unit.CLIP else np.arange(len(self.clip))


def make_imbalanced(corpus: Corpus, commonest: str) -> Corpus:
    """Return the corpus with every second of the infants that mostly cry for something else.

    Real corpora hold mostly one label, DonateACry to 84 % hungry; the synthetic one is even, and
    would leave nothing to oversample, and no majority.

    Parameters
    ----------
    corpus : Corpus
    commonest : str
        The label whose infants all stay; of the others', every second of each main label does.
    """
    table = corpus.frame()
    main = table.groupby("infant").label.agg(lambda labels: labels.mode()[0])
    others = main[main != commonest]
    place = others.groupby(others).cumcount()
    left = {*main.index[main == commonest], *others.index[place % 2 == 0]}
    return corpus.where(lambda clip: clip.infant in left)


def windows_of(
    sounds: Sequence[Array],
    corpus: Sequence[Clip],
    *,
    sr: int,
    window_s: float = 1.5,
    snr_db: float = 20.0,
    seed: int = 0,
    progress: bool = False,
) -> Windows:
    """Return the windows of a corpus' sounds, without overlap, and whose they are.

    A window's vector is the mean and deviation over time of 40 mel bands in dB and 20 MFCC,
    which are 120 numbers; frames last 32 ms, one every 16 ms.

    Parameters
    ----------
    sounds : sequence of ndarray
        One a clip, float32 (samples,), as `audio.signals` gives them, or changed.
    corpus : sequence of Clip
        The clips that they are of, in the same order.
    sr : int
        Their rate in Hz.
    window_s : float
        Seconds of a window; what remains at a clip's end is left out, and a shorter clip is one
        window.
    snr_db : float
        Signal to noise of the noisy copies (pink noise), in dB.
    seed : int
        Of the noise.
    progress : bool
        Show a bar on a terminal or in a notebook.

    Raises
    ------
    InputError
        Another number of sounds than of clips, or windows shorter than a frame.
    """
    if len(sounds) != len(corpus):
        raise InputError(f"{len(sounds)} sounds of {len(corpus)} clips; give one a clip")
    if window_s < 2 * _HOP_S:
        raise InputError(f"window_s={window_s} holds no two frames; use 0.1 s or more")

    def both(clip: int) -> Array:
        noise = np.random.default_rng([seed, clip])
        noisy = add_noise(sounds[clip], snr_db=snr_db, rng=noise)
        return np.stack([vectors(x, sr=sr, window_s=window_s) for x in (sounds[clip], noisy)])

    pairs = list(thread_map(both, range(len(sounds)), what="windows", progress=progress))
    x, noisy = np.concatenate(pairs, axis=1).astype(np.float64)
    return Windows(
        x=x,
        noisy=noisy,
        clip=np.repeat(np.arange(len(pairs)), [pair.shape[1] for pair in pairs]),
        labels=np.array([clip.label for clip in corpus]),
        infants=np.array([clip.infant for clip in corpus]),
        sessions=np.array([clip.session for clip in corpus]),
    )


def vectors(x: Array, *, sr: int, window_s: float | None = None) -> Array:
    """Return a vector for each window of a sound, float32 (windows, 120), as in `windows_of`.

    x: float32 (samples,) at `sr` Hz. window_s: seconds of a window; None for the whole sound.
    """
    settings = {"sr": sr, "n_fft": 2 * round(_HOP_S * sr), "hop_length": round(_HOP_S * sr)}
    levels = mel_db(x, n_mels=_N_MELS, **settings)
    frames = np.hstack([levels, cepstrum(levels)])
    length = len(frames) if window_s is None else round(window_s / _HOP_S)
    count = max(1, len(frames) // length)
    return summarise(np.split(frames[: count * length], count))


class Division(NamedTuple):
    """Windows to fit on, to choose an epoch and weights on, and to test, int64 indices each."""

    fit: Indices
    validation: Indices
    test: Indices


class Rows(NamedTuple):
    """What a model is fitted on: vectors float (rows, features) and classes int64 (rows,)."""

    x: Array
    y: Indices


def mistakes(rung: Rung) -> frozenset[Rung]:
    """Return the mistakes that a rung makes: none, one, or all that a model can make."""
    honest = {Rung.HONEST, Rung.MAJORITY, Rung.ALL}
    return frozenset(set(Rung) - honest if rung is Rung.ALL else {rung} - honest)


def unit_of(wrong: frozenset[Rung]) -> Unit:
    """Return what the division of a recipe with these mistakes keeps whole."""
    for rung, unit in (
        (Rung.WINDOWS, Unit.WINDOW), (Rung.CLIPS, Unit.CLIP), (Rung.SESSIONS, Unit.SESSION),
    ):  # fmt: skip
        if rung in wrong:
            return unit
    return Unit.INFANT


def divide(
    windows: Windows, unit: Unit, *, n_folds: int, repeats: int = 1, seed: int = 0
) -> list[list[Division]]:
    """Return `repeats` lists of `n_folds` divisions that keep every `unit` whole.

    What is not tested is divided once more, in the same way, for choosing an epoch and weights:
    divided by infant, a class needs three infants.

    Parameters
    ----------
    windows : Windows
    unit : Unit
    n_folds, repeats, seed : int
        As in `evaluation.folds`.

    Raises
    ------
    InputError
        The labels allow no such division, as in `evaluation.folds`.
    """
    seeds = np.random.SeedSequence(seed).generate_state(repeats * n_folds)
    divisions = [
        _with_validation(windows, unit, train, test, int(s))
        for (train, test), s in zip(
            _folds(windows, unit, n_folds, repeats, seed), seeds, strict=True
        )
    ]
    return [divisions[start : start + n_folds] for start in range(0, len(divisions), n_folds)]


def _folds(
    windows: Windows, unit: Unit, n_folds: int, repeats: int, seed: int
) -> list[tuple[Indices, Indices]]:
    """Return (train, test) windows of every fold of every repeat."""
    if unit is Unit.WINDOW:
        drawn = folds(
            windows.labels[windows.clip], None, n_splits=n_folds, repeats=repeats, seed=seed
        )
        return [fold for repeat in drawn for fold in repeat]
    groups = {Unit.CLIP: None, Unit.SESSION: windows.sessions, Unit.INFANT: windows.infants}[unit]
    drawn = folds(windows.labels, groups, n_splits=n_folds, repeats=repeats, seed=seed)
    return [
        (np.flatnonzero(np.isin(windows.clip, train)), np.flatnonzero(np.isin(windows.clip, test)))
        for repeat in drawn
        for train, test in repeat
    ]


def _with_validation(
    windows: Windows, unit: Unit, train: Indices, test: Indices, seed: int
) -> Division:
    labelled = SimpleNamespace(
        labels=windows.labels[windows.clip[train]], infants=windows.units(unit)[train]
    )
    split = paper_split if unit is Unit.WINDOW else infant_split
    try:
        fit, validation = split(labelled, test_size=VALIDATION, seed=seed)
    except InputError as error:
        raise InputError(f"a training part cannot be divided again: {error}") from error
    return Division(train[fit], train[validation], test)


def training_sizes(divisions: Mapping[Unit, Sequence[Sequence[Division]]], y: Indices) -> Indices:
    """Return how many windows of each class every fit draws, int64 (classes,): what all can give.

    Divisions by infant leave fewer to fit on than divisions by window, and unevenly; whoever
    takes all that is there compares sizes along with mistakes.

    Parameters
    ----------
    divisions : mapping
        By unit, as `divide` gives them.
    y : ndarray of int
        Class of each window (windows,).
    """
    counts = [
        np.bincount(y[division.fit], minlength=int(y.max()) + 1)
        for repeats in divisions.values()
        for repeat in repeats
        for division in repeat
    ]
    return np.min(counts, axis=0).astype(np.int64)


def training_rows(
    windows: Windows,
    fit: Indices,
    sizes: Indices,
    wrong: frozenset[Rung] = frozenset(),
    *,
    seed: int | Sequence[int] = 0,
) -> Rows:
    """Return what a model is fitted on: as many rows of each class, whatever is wrong.

    `sizes` windows of each class are drawn; repeats of windows of the rarer classes make all
    classes as large as the largest (oversampling), and as many noisy copies come along
    (augmentation). Repeats and copies come from windows to fit on. With `Rung.OVERSAMPLE` or
    `Rung.AUGMENT` in `wrong` they come from all windows, as if they had been made before the
    division, so that repeats or copies of tested windows are among them.

    Parameters
    ----------
    windows : Windows
    fit : ndarray of int
        Numbers of the windows to fit on.
    sizes : ndarray of int
        Of `training_sizes` (classes,).
    wrong : frozenset of Rung
        As `mistakes` gives it.
    seed : int or sequence of int
        Of all that is drawn.
    """
    y, everything = windows.y, np.arange(len(windows.y))
    streams = np.random.default_rng(seed).spawn(5)
    most = np.full(len(sizes), sizes.max())

    def pool(rung: Rung, stream: np.random.Generator) -> Indices:
        return _drawn(everything if rung in wrong else fit, y, sizes, stream)

    chosen = _drawn(fit, y, sizes, streams[0])
    repeats = _drawn(pool(Rung.OVERSAMPLE, streams[1]), y, most - sizes, streams[2], again=True)
    copies = _drawn(pool(Rung.AUGMENT, streams[3]), y, most, streams[4], again=True)
    x = np.concatenate([windows.x[chosen], windows.x[repeats], windows.noisy[copies]])
    return Rows(x, y[np.concatenate([chosen, repeats, copies])])


def _drawn(
    pool: Indices, y: Indices, counts: Indices, rng: np.random.Generator, *, again: bool = False
) -> Indices:
    """Return `counts` windows of each class out of `pool`, with replacement if `again`."""
    members = [pool[y[pool] == label] for label in range(len(counts))]
    return np.concatenate(
        [
            rng.choice(part, count, replace=again)
            for part, count in zip(members, counts, strict=True)
        ]
    )


def represent(
    rows: Rows, test: Rows, others: Sequence[Array], wrong: frozenset[Rung] = frozenset()
) -> list[Array]:
    """Return `rows`, `test` and `others` scaled, selected and compressed, float64 (rows, numbers).

    Each step is fitted on `rows`; one that is in `wrong` on rows and test together.

    Parameters
    ----------
    rows, test : Rows
    others : sequence of ndarray
        Float (rows, features).
    wrong : frozenset of Rung
        As `mistakes` gives it.
    """
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import SelectKBest
    from sklearn.preprocessing import StandardScaler

    features = rows.x.shape[1]
    selected = min(SELECTED, features)
    steps = {
        Rung.SCALER: StandardScaler(),
        Rung.SELECTION: SelectKBest(k=selected),
        Rung.AUTOENCODER: PCA(min(COMPONENTS, selected), svd_solver="full"),
    }
    # In single precision probabilities would sum to 1 for some, and not for others.
    parts = [np.asarray(part, dtype=np.float64) for part in (rows.x, test.x, *others)]
    for rung, step in steps.items():
        with warnings.catch_warnings():  # features that never vary, such as a control's
            warnings.filterwarnings("ignore", "Features |invalid value|divide by")
            if rung in wrong:
                step.fit(np.concatenate(parts[:2]), np.concatenate([rows.y, test.y]))
            else:
                step.fit(parts[0], rows.y)
        parts = [step.transform(part) for part in parts]
    return parts


def join(
    rows: Rows,
    validation: Rows,
    test: Rows,
    wrong: frozenset[Rung] = frozenset(),
    *,
    classes: int,
    seed: int = 0,
) -> Array:
    """Return how likely each class is in each tested row, float64 (test, classes).

    A network's epoch is the best on validation rows (on the test, if `Rung.EPOCHS` is wrong).
    Its probabilities and a nearest-neighbour classifier's are averaged with the weights that are
    likeliest on validation rows (on the very rows that both learnt from, if `Rung.STACKING` is).
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    # Rows to learn from are the most by far, so they are asked about only where they judge.
    parts = [validation, test, *[rows] * (Rung.STACKING in wrong)]
    x = np.concatenate([part.x for part in parts])
    ends = np.cumsum([len(part.y) for part in parts[:-1]])
    network = MLPClassifier(
        (HIDDEN,), batch_size=min(BATCH, len(rows.y)), learning_rate_init=LEARNING_RATE,
        random_state=np.random.RandomState(seed),
    )  # fmt: skip
    epochs = []
    for _ in range(EPOCHS):
        network.partial_fit(rows.x, rows.y, classes=np.arange(classes))
        epochs.append(np.split(network.predict_proba(x), ends))
    judge = 1 if Rung.EPOCHS in wrong else 0
    sure = max(epochs, key=lambda answers: _score(parts[judge].y, answers[judge]))

    neighbours = KNeighborsClassifier(NEIGHBOURS, weights="distance").fit(rows.x, rows.y)
    near = np.zeros((len(x), classes))
    near[:, neighbours.classes_] = neighbours.predict_proba(x)
    alike = np.split(near, ends)
    judge = 2 if Rung.STACKING in wrong else 0
    truth = (np.arange(len(parts[judge].y)), parts[judge].y)
    a, b = sure[judge][truth], alike[judge][truth]
    weight = max(WEIGHTS, key=lambda w: np.log(np.maximum(w * a + (1 - w) * b, _EPSILON)).sum())
    return np.asarray(weight * sure[1] + (1 - weight) * alike[1], dtype=np.float64)


def _score(y: Indices, probabilities: Array) -> float:
    return balanced_accuracy(y, probabilities.argmax(axis=1))


def out_of_fold(
    windows: Windows,
    rung: Rung | str = Rung.HONEST,
    *,
    n_folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
) -> Indices:
    """Return the class answered for each clip, int64 (repeats, clips), by the recipe of a rung.

    A clip's answer is the class with the highest mean probability over its windows, each judged
    by a model that it was not fitted on.

    Parameters
    ----------
    windows : Windows
        Whose clips are judged.
    rung : Rung or str
        What is done wrong.
    n_folds, repeats, seed : int
        Of the divisions; equal ones make rungs comparable.

    Raises
    ------
    InputError
        No such rung, or labels that no division by infant allows.
    """
    return audit(windows, [rung], n_folds=n_folds, repeats=repeats, seed=seed).answers[Rung(rung)]


@dataclass(frozen=True)
class Audit:
    """The answers of every rung, int64 (repeats, clips) each, and what they are about."""

    answers: Mapping[Rung, Indices]
    windows: Windows

    def score(self, rung: Rung, metric: str) -> Interval:
        """Return the score of a rung with its interval over infants.

        Parameters
        ----------
        rung : Rung
        metric : {"balanced_accuracy", "accuracy", "macro_f1"}
        """
        windows = self.windows
        return interval(self.answers[rung], windows.labels, windows.infants, metric=metric)  # type: ignore[arg-type]

    def added(self, rung: Rung, metric: str) -> Interval:
        """Return what a rung's score has more than the honest one's, paired over infants.

        Parameters
        ----------
        rung, metric : as in `score`
        """
        answers, windows = self.answers, self.windows
        return paired_interval(
            answers[rung],
            answers[Rung.HONEST],
            windows.labels,
            windows.infants,
            metric=metric,  # type: ignore[arg-type]
        )

    def table(self) -> pd.DataFrame:
        """Return a row for each rung and metric: value, low, high, added, added_low, added_high."""
        import pandas as pd

        rows = []
        for rung in self.answers:
            for metric in METRICS:
                score, added = self.score(rung, metric), self.added(rung, metric)
                rows.append([rung.value, metric, score.value, score.low, score.high,
                             added.value, added.low, added.high])  # fmt: skip
        columns = ["rung", "metric", "value", "low", "high", "added", "added_low", "added_high"]
        return pd.DataFrame(rows, columns=columns)


def audit(
    windows: Windows,
    rungs: Sequence[Rung | str] = tuple(Rung),
    *,
    n_folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> Audit:
    """Return the answers of every rung, on divisions and draws that are alike where they can be.

    Parameters
    ----------
    windows : Windows
        Whose clips are judged.
    rungs : sequence of Rung or str
        Which ones; `honest` always comes along.
    n_folds, repeats, seed : int
        Of the divisions.
    progress : bool
        Count the rungs on a terminal or in a notebook.

    Raises
    ------
    InputError
        No such rung, or labels that no division by infant allows.
    """
    from sklearn import config_context

    chosen = list(dict.fromkeys([Rung.HONEST, *map(Rung, rungs)]))
    divisions = {
        unit: divide(windows, unit, n_folds=n_folds, repeats=repeats, seed=seed) for unit in Unit
    }
    sizes = training_sizes(divisions, windows.y)
    answers: dict[Rung, Indices] = {}
    # Checks of arguments would take longer than fits so small.
    fast = config_context(assume_finite=True, skip_parameter_validation=True)
    with counting("Audit", "rungs", shown=progress) as report, one_thread(), fast:
        for done, rung in enumerate(chosen):
            report(done, len(chosen))
            drawn = divisions[unit_of(mistakes(rung))]
            if rung is Rung.MAJORITY:
                answers[rung] = _commonest(windows, drawn)
            else:
                answers[rung] = _answers(windows, drawn, sizes, mistakes(rung), seed)
    return Audit(answers, windows)


def _answers(
    windows: Windows,
    divisions: Sequence[Sequence[Division]],
    sizes: Indices,
    wrong: frozenset[Rung],
    seed: int,
) -> Indices:
    """Return the class answered for each clip, int64 (repeats, clips)."""
    answers = []
    for number, repeat in enumerate(divisions):
        likely = np.zeros((len(windows.y), len(windows.classes)))
        for fold, division in enumerate(repeat):
            place = [seed, number, fold]
            likely[division.test] = answer(windows, division, sizes, wrong, seed=place)
        by_clip = np.zeros((len(windows.labels), len(windows.classes)))
        np.add.at(by_clip, windows.clip, likely)
        answers.append(by_clip.argmax(axis=1))
    return np.array(answers)


def answer(
    windows: Windows,
    division: Division,
    sizes: Indices,
    wrong: frozenset[Rung] = frozenset(),
    *,
    seed: int | Sequence[int] = 0,
) -> Array:
    """Return how likely each class is in each tested window of a division, float64 (test, classes).

    Parameters
    ----------
    windows : Windows
    division : Division
    sizes, wrong, seed : as in `training_rows`
    """
    rows = training_rows(windows, division.fit, sizes, wrong, seed=seed)
    test, validation = (
        Rows(windows.x[part], windows.y[part]) for part in (division.test, division.validation)
    )
    fitted, tested, held = represent(rows, test, [validation.x], wrong)
    return join(
        Rows(fitted, rows.y), Rows(held, validation.y), Rows(tested, test.y), wrong,
        classes=len(sizes), seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
    )  # fmt: skip


def _commonest(windows: Windows, divisions: Sequence[Sequence[Division]]) -> Indices:
    """Return the commonest class of each training side for all that is tested, (repeats, clips)."""
    of_clips = [
        [
            (np.unique(windows.clip[np.concatenate(part[:2])]), np.unique(windows.clip[part.test]))
            for part in repeat
        ]
        for repeat in divisions
    ]
    return majority_baseline(windows.labels, of_clips)


def null_test(
    windows: Windows,
    *,
    n_folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
    permutations: int = 99,
    progress: bool = False,
) -> PermutationTest:
    """Return the test of the honest recipe: how high it scores where labels mean nothing.

    Whole label vectors are exchanged between infants with as many clips (`permute_labels`), and
    everything is done anew with them: sizes, divisions, every fit. The statistic is the
    balanced accuracy of `out_of_fold` itself, over the same repeats.

    Parameters
    ----------
    windows : Windows
    n_folds, repeats, seed : int
        Of the divisions, as in `out_of_fold`.
    permutations : int
        How many corpora with other labels.
    progress : bool
        Count them on a terminal or in a notebook.
    """
    rng = np.random.default_rng([seed, 1])
    scores = []
    with counting("Permuting labels", "corpora", shown=progress) as report:
        for number in range(permutations + 1):
            labels = (
                permute_labels(windows.labels, windows.infants, rng) if number else windows.labels
            )
            drawn = replace(windows, labels=labels)
            answers = out_of_fold(drawn, n_folds=n_folds, repeats=repeats, seed=seed)
            y = class_indices(labels)[0]
            scores.append(np.mean([balanced_accuracy(y, row) for row in answers]))
            report(number + 1, permutations + 1)
    observed, null = np.array(scores[:1]), np.array(scores[1:])[:, None]
    return PermutationTest((Rung.HONEST,), observed, null, seed)


def effect(added: Interval) -> Effect:
    """Return what a paired interval shows: above 0, within `MARGIN` of it (harmless), or neither.

    Parameters
    ----------
    added : Interval
        Of a difference of shares, such as `Audit.added`.
    """
    if added.low is None or added.high is None:
        return Effect.OPEN
    if added.low > 0:
        return Effect.UP
    return Effect.NONE if added.low >= -MARGIN and added.high <= MARGIN else Effect.OPEN
