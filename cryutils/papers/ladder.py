"""The ladder of mistakes: an honest recipe, and what each common mistake adds to its score.

Used in notebook 10_leakage_audit. Neither paper says whether any of these mistakes occurred, but we
can measure how much each one would add. The honest recipe divides the clips by infant, draws the
same number of windows of each class everywhere, oversamples, adds noisy copies, scales, selects
features, compresses them, trains a small network, chooses its epoch on other infants, and averages
it with a nearest-neighbour classifier. A `Rung` does one of these steps wrong, or all of them.
Everything else stays the same, random draws included (Ambroise & McLachlan 2002, doi
10.1073/pnas.102102699; Kapoor & Narayanan 2023, doi 10.1016/j.patter.2023.100804). PCA replaces the
autoencoder (Baldi & Hornik 1989, doi 10.1016/0893-6080(89)90014-2).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io.parallel import thread_map
from cryutils._io.progress import counting
from cryutils.audio.spectral import cepstrum, mel_db, summarise
from cryutils.audio.stress import add_noise
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.registry import is_synthetic, load_or_simulate, title
from cryutils.errors import InputError
from cryutils.evaluation.crossval import (
    balanced_accuracy,
    cross_validate,
    majority_baseline,
    one_thread,
)
from cryutils.evaluation.intervals import Interval, Metric, interval, paired_interval
from cryutils.evaluation.splits import (
    Choice,
    Division,
    Indices,
    Split,
    class_indices,
    folds,
    leak_free_split,
    random_split,
)

__all__ = [
    "METRICS", "MISTAKES", "Audit", "Rung", "Windows", "audit", "effects", "expected",
    "load", "vectors", "windows_of",
]  # fmt: skip

# The recipe. No value was chosen by its score: all are small, so that an audit takes seconds.
SELECTED = 20  # features that pass the selection
COMPONENTS = 8  # numbers of the autoencoder's code
HIDDEN = 16  # units of the network
EPOCHS = 10
BATCH, LEARNING_RATE = 64, 0.01
NEIGHBOURS = 5
VALIDATION = 0.25  # share of the training side on which epoch and weights are chosen
WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)  # of the network; of equally likely ones the first is taken
SNR_DB = 20.0  # signal-to-noise ratio of the noisy copies (pink noise), in dB
_HOP_S = 0.016  # frames are twice as long
_N_MELS = 40

METRICS: tuple[Metric, ...] = ("balanced_accuracy", "accuracy")
_MARGIN = 0.05  # a change within five points counts as none, as in `data/claims.csv`

Array = NDArray[Any]


class Rung(Choice):
    """The honest recipe, the same with one mistake each, and with all mistakes together."""

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


# The mistakes that divide by something smaller than the infant.
UNITS = {Rung.WINDOWS: Split.RANDOM_FRAMES, Rung.CLIPS: Split.RANDOM, Rung.SESSIONS: Split.SESSION}


# What a mistake does to a score.
_UP, _NONE, _OPEN = "inflates", "harmless", "not shown either way"


class Expectation(NamedTuple):
    """A mistake, its expected effect on synthetic voices and on DonateACry, and the reason."""

    mistake: str
    synthetic: str
    donateacry: str
    why: str


# The effects were committed before any rung was run on any data, and not changed since.
EXPECTATIONS: Mapping[Rung, Expectation] = {
    Rung.WINDOWS: Expectation("windows of one clip on both sides", _UP, _UP,
        "the same cry, a second earlier, is in training: the largest of the three splits"),
    Rung.CLIPS: Expectation("clips of one session on both sides", _UP, _UP,
        "the same infant minutes earlier, on the same phone, mostly with the same label"),
    Rung.SESSIONS: Expectation("sessions of one infant on both sides", _UP, _NONE,
        "synthetic voices are the same every day; 195 of DonateACry's 221 donors have one"
        " session"),
    Rung.AUGMENT: Expectation("noisy copies made before the split", _UP, _UP,
        "a noisy copy of the tested window is in training: adds as much as `windows`"),
    Rung.OVERSAMPLE: Expectation("rare classes repeated before the split", _UP, _UP,
        "tested windows of rare classes are in training several times"),
    Rung.SCALER: Expectation("scaler fitted on everything", _NONE, _NONE,
        "means and deviations contain no labels"),
    Rung.SELECTION: Expectation("features selected on everything", _UP, _NONE,
        "it uses the test labels, which matters with two dozen infants and less with 221"),
    Rung.AUTOENCODER: Expectation("autoencoder fitted on everything", _NONE, _NONE,
        "it is fitted without labels"),
    Rung.EPOCHS: Expectation("epoch chosen on the test set", _UP, _UP,
        "the best of ten noisy scores is a few points too high"),
    Rung.STACKING: Expectation("ensemble weighted by in-sample outputs", _NONE, _NONE,
        "no test clip is used: one member gets too much weight, but the score stays honest"),
    Rung.MAJORITY: Expectation("no model: always the commonest class", _UP, _UP,
        "only accuracy rises, and without any model"),
    Rung.ALL: Expectation("all of them together", _UP, _UP, "the highest of all"),
}  # fmt: skip
MISTAKES: Mapping[Rung, str] = {rung: row.mistake for rung, row in EXPECTATIONS.items()}


@dataclass(frozen=True)
class Windows:
    """Windows of sound as feature vectors, with the clip that each is cut from.

    `x` float64 (windows, features); `noisy` the same windows with noise added; `clip` int64
    (windows,), the number of each window's clip; `labels`, `infants`, `sessions` str (clips,);
    `phones` the type of phone of each clip, if known.
    """

    x: Array
    noisy: Array
    clip: Indices
    labels: Array
    infants: Array
    sessions: Array
    phones: Array | None = None

    @cached_property
    def y(self) -> Indices:
        """Class index of each window, int64 (windows,)."""
        return class_indices(self.labels)[0][self.clip]

    def units(self, unit: Split) -> Array:
        """Return the infant, session, clip or number of each window, (windows,)."""
        if unit is Split.RANDOM_FRAMES:
            return np.arange(len(self.clip))
        by_clip = {Split.LEAK_FREE: self.infants, Split.SESSION: self.sessions}
        return np.asarray(by_clip.get(unit, np.arange(len(self.labels))))[self.clip]


def load(data: str, *, classes: Sequence[str] = (), **simulation: Any) -> Corpus:
    """Return the clips of the corpus `data` that have sound.

    classes: those to keep; () keeps all. simulation: options of synthetic voices, which other
    corpora don't use. Of synthetic voices, every other infant is left out whose main label is not
    "hungry": the classes are equally large there, which would leave nothing to oversample, and no
    majority. 84 % of DonateACry are hungry.
    """
    corpus = load_or_simulate(data, **simulation).having(sound=True)
    corpus = corpus.select(classes) if classes else corpus
    if data != "synthetic":
        return corpus
    labels = corpus.frame().groupby("infant").label
    main = labels.agg(lambda labels: labels.mode()[0])
    others = main[main != "hungry"]
    kept = others.index[others.groupby(others).cumcount() % 2 == 0]
    left = {*main.index[main == "hungry"], *kept}
    return corpus.where(lambda clip: clip.infant in left)


def windows_of(
    sounds: Sequence[Array],
    corpus: Sequence[Clip],
    *,
    sr: int,
    window_s: float = 1.5,
    seed: int = 0,
) -> Windows:
    """Return the windows of a corpus's sounds, without overlap, as `vectors`.

    The rest of a clip after its last whole window is left out; a shorter clip is one window.

    sounds: for each clip of `corpus`, float32 (samples,) at `sr` Hz. seed: of the noise. Raises
    InputError if `window_s` is shorter than two frames.
    """
    if window_s < 2 * _HOP_S:
        raise InputError(f"window_s={window_s} is too short for two frames; use 0.1 s or more")

    def both(clip: int) -> Array:
        noise = np.random.default_rng([seed, clip])
        noisy = add_noise(sounds[clip], snr_db=SNR_DB, rng=noise)
        return np.stack([vectors(x, sr=sr, window_s=window_s) for x in (sounds[clip], noisy)])

    pairs = list(thread_map(both, range(len(sounds)), what="windows"))
    x, noisy = np.concatenate(pairs, axis=1).astype(np.float64)
    clip = np.repeat(np.arange(len(pairs)), [pair.shape[1] for pair in pairs])
    names = ("label", "infant", "session", "phone")
    of_clips = (np.array([getattr(each, name) for each in corpus]) for name in names)
    return Windows(x, noisy, clip, *of_clips)


def vectors(x: Array, *, sr: int, window_s: float | None = None) -> Array:
    """Return a vector for each window of a sound `x`, float32 (windows, 120).

    It has the mean and standard deviation over time of 40 mel bands in dB and 20 MFCC, from
    frames of 32 ms, one every 16 ms. x: float32 (samples,) at `sr` Hz. window_s: length of a window
    in s; None for the whole sound.
    """
    settings = {"sr": sr, "n_fft": 2 * round(_HOP_S * sr), "hop_length": round(_HOP_S * sr)}
    levels = mel_db(x, n_mels=_N_MELS, **settings)
    frames = np.hstack([levels, cepstrum(levels)])
    length = len(frames) if window_s is None else round(window_s / _HOP_S)
    count = max(1, len(frames) // length)
    return summarise(np.split(frames[: count * length], count))


class Rows(NamedTuple):
    """Vectors, float (rows, features), with their classes, int64 (rows,)."""

    x: Array
    y: Indices


def mistakes(rung: Rung) -> frozenset[Rung]:
    """Return the mistakes of a rung: none, one, or all that a model can make."""
    honest = {Rung.HONEST, Rung.MAJORITY, Rung.ALL}
    return frozenset(set(Rung) - honest if rung is Rung.ALL else {rung} - honest)


def divide(
    windows: Windows, unit: Split, *, n_folds: int, repeats: int = 1, seed: int = 0
) -> list[list[Division]]:
    """Return `repeats` lists of `n_folds` divisions of windows that keep every `unit` whole.

    The windows that a fold doesn't test are divided again in the same way. So divided by infant, a
    class needs three infants; raises InputError if it has fewer.
    """
    by_window = unit is Split.RANDOM_FRAMES
    labels = windows.labels[windows.clip] if by_window else windows.labels
    item = windows.units(unit) if by_window else windows.clip
    groups = {Split.SESSION: windows.sessions, Split.LEAK_FREE: windows.infants}.get(unit)
    drawn = folds(labels, groups, n_splits=n_folds, repeats=repeats, seed=seed)
    seeds = iter(np.random.SeedSequence(seed).generate_state(repeats * n_folds))
    split = random_split if by_window else leak_free_split

    def division(train: Indices, test: Indices) -> Division:
        train, test = (np.flatnonzero(np.isin(item, side)) for side in (train, test))
        labelled = SimpleNamespace(
            labels=windows.labels[windows.clip[train]], infants=windows.units(unit)[train]
        )
        try:
            fit, stop = split(labelled, test_size=VALIDATION, seed=int(next(seeds)))
        except InputError as error:
            raise InputError(f"a training part cannot be divided again: {error}") from error
        return Division(train[fit], train[stop], test)

    return [[division(*sides) for sides in repeat] for repeat in drawn]


def training_rows(
    windows: Windows,
    fit: Indices,
    sizes: Indices,
    wrong: frozenset[Rung] = frozenset(),
    *,
    seed: int | Sequence[int] = 0,
) -> Rows:
    """Return the rows that a model is fitted on, equally many of each class for every rung.

    `sizes` windows of each class are drawn; windows of the rarer classes are repeated until all
    classes are as large as the largest (oversampling); as many noisy copies are added
    (augmentation). With `Rung.OVERSAMPLE` or `Rung.AUGMENT`, repeats or copies are drawn from all
    windows, as if they had been made before the division, so that some are of tested windows.
    """
    y, everything = windows.y, np.arange(len(windows.y))
    streams = np.random.default_rng(seed).spawn(5)
    most = np.full(len(sizes), sizes.max())

    def draw(counts: Indices, pool: Indices, rng: np.random.Generator, again: bool) -> Indices:
        return np.concatenate(
            [rng.choice(pool[y[pool] == k], n, replace=again) for k, n in enumerate(counts)]
        )

    def pool(rung: Rung, rng: np.random.Generator) -> Indices:
        return draw(sizes, everything if rung in wrong else fit, rng, again=False)

    chosen = draw(sizes, fit, streams[0], again=False)
    repeats = draw(most - sizes, pool(Rung.OVERSAMPLE, streams[1]), streams[2], again=True)
    copies = draw(most, pool(Rung.AUGMENT, streams[3]), streams[4], again=True)
    x = np.concatenate([windows.x[chosen], windows.x[repeats], windows.noisy[copies]])
    return Rows(x, y[np.concatenate([chosen, repeats, copies])])


def represent(
    rows: Rows, test: Rows, validation: Rows, wrong: frozenset[Rung] = frozenset()
) -> list[Rows]:
    """Return `rows`, `test` and `validation`, scaled, selected and compressed.

    Each step is fitted on `rows`; a step in `wrong` on rows and test together.
    """
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import SelectKBest
    from sklearn.preprocessing import StandardScaler

    selected = min(SELECTED, rows.x.shape[1])
    steps = {
        Rung.SCALER: StandardScaler(),
        Rung.SELECTION: SelectKBest(k=selected),
        Rung.AUTOENCODER: PCA(min(COMPONENTS, selected), svd_solver="full"),
    }
    parts = [rows, test, validation]
    for rung, step in steps.items():
        seen = parts[: 2 if rung in wrong else 1]
        with warnings.catch_warnings():  # features that never vary, such as a control's
            warnings.filterwarnings("ignore", "Features |invalid value|divide by")
            step.fit(*(np.concatenate(arrays) for arrays in zip(*seen, strict=True)))
        parts = [Rows(step.transform(part.x), part.y) for part in parts]
    return parts


def ensemble(
    rows: Rows, validation: Rows, test: Rows, wrong: frozenset[Rung] = frozenset(), *, seed: int = 0
) -> Array:
    """Return the class probabilities of the tested rows, float64 (test, classes).

    The network's epoch is the best on the validation rows (with `Rung.EPOCHS`, on the test). Its
    probabilities and those of a nearest-neighbour classifier are averaged with the weights that
    give the validation rows the highest likelihood (with `Rung.STACKING`, the training rows).
    """
    from sklearn.metrics import log_loss
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    classes = np.unique(rows.y)
    network = MLPClassifier(
        (HIDDEN,), batch_size=min(BATCH, len(rows.y)), learning_rate_init=LEARNING_RATE,
        random_state=np.random.RandomState(seed),
    )  # fmt: skip
    judge, highest = test if Rung.EPOCHS in wrong else validation, -1.0
    for _ in range(EPOCHS):
        network.partial_fit(*rows, classes=classes)
        score = balanced_accuracy(judge.y, network.predict(judge.x))
        if score > highest:
            best, highest = copy.deepcopy(network), score
    members = best, KNeighborsClassifier(NEIGHBOURS, weights="distance").fit(*rows)
    judge = rows if Rung.STACKING in wrong else validation
    a, b = (member.predict_proba(judge.x) for member in members)
    weight = min(WEIGHTS, key=lambda w: log_loss(judge.y, w * a + (1 - w) * b, labels=classes))
    a, b = (member.predict_proba(test.x) for member in members)
    return weight * a + (1 - weight) * b


@dataclass(frozen=True)
class Audit:
    """The answers of every rung, class indices int64 (repeats, clips) each, and their windows."""

    answers: Mapping[Rung, Indices]
    windows: Windows

    def score(self, rung: Rung, metric: Metric) -> Interval:
        """Return the score of a rung with its interval over infants."""
        windows = self.windows
        return interval(self.answers[rung], windows.labels, windows.infants, metric=metric)

    def added(self, rung: Rung, metric: Metric) -> Interval:
        """Return a rung's score minus the honest one, paired, with its interval over infants."""
        windows, honest = self.windows, self.answers[Rung.HONEST]
        return paired_interval(
            self.answers[rung], honest, windows.labels, windows.infants, metric=metric
        )

    def table(self) -> pd.DataFrame:
        """Return a row for each rung and metric: value, low, high, added, added_low, added_high."""
        rows = []
        for rung, metric in product(self.answers, METRICS):
            score, added = self.score(rung, metric), self.added(rung, metric)
            ends = [score.value, score.low, score.high, added.value, added.low, added.high]
            rows.append([rung.value, metric, *ends])
        columns = ["rung", "metric", "value", "low", "high", "added", "added_low", "added_high"]
        return pd.DataFrame(rows, columns=columns)

    def results(self, data: str) -> pd.DataFrame:
        """Return what each mistake adds as rows for `claims.record_table`. data: the corpus."""
        rows = [
            {
                **self.added(rung, metric).row(), "study": "audit", "condition": str(rung),
                "rival": "honest", "metric": metric, "data": data,
                "split": "leak_free" if rung is Rung.MAJORITY else "random",
            }
            for rung, metric in product(self.answers, METRICS)
            if rung is not Rung.HONEST
        ]  # fmt: skip
        return pd.DataFrame(rows)


def audit(
    windows: Windows,
    rungs: Sequence[Rung | str] = tuple(Rung),
    *,
    n_folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> Audit:
    """Return the answers of every rung, with the same divisions and draws wherever possible.

    A clip's answer is the class with the highest mean probability over its windows, each predicted
    by a model that was not fitted on it. `honest` is always among the rungs. Raises InputError for
    an unknown rung, and if the labels allow no division by infant.
    """
    chosen = list(dict.fromkeys([Rung.HONEST, *map(Rung, rungs)]))
    options = {"repeats": repeats, "seed": seed}
    divisions = {unit: divide(windows, unit, n_folds=n_folds, **options) for unit in Split}
    # As many training windows of each class as all divisions allow. Otherwise rungs would differ in
    # the amount of training data as well.
    every = chain.from_iterable(chain.from_iterable(divisions.values()))
    counts = [np.bincount(windows.y[d.fit], minlength=int(windows.y.max()) + 1) for d in every]
    sizes = np.min(counts, axis=0).astype(np.int64)
    answers: dict[Rung, Indices] = {}
    with counting("Audit", "rungs", shown=progress) as report, one_thread():
        for done, rung in enumerate(chosen):
            report(done, len(chosen))
            if rung is Rung.MAJORITY:
                by_infant = folds(windows.labels, windows.infants, n_splits=n_folds, **options)
                answers[rung] = majority_baseline(windows.labels, by_infant)
            else:
                wrong = mistakes(rung)
                unit = next(
                    (unit for each, unit in UNITS.items() if each in wrong), Split.LEAK_FREE
                )
                answers[rung] = _answers(windows, divisions[unit], sizes, wrong, seed)
    return Audit(answers, windows)


def _answers(
    windows: Windows,
    divisions: Sequence[Sequence[Division]],
    sizes: Indices,
    wrong: frozenset[Rung],
    seed: int,
) -> Indices:
    """Return the class answered for each clip, int64 (repeats, clips)."""
    places = iter(
        [(r, k, part) for r, repeat in enumerate(divisions) for k, part in enumerate(repeat)]
    )

    def answer(_: Indices, test: Indices) -> Array:
        number, fold, division = next(places)
        place = [seed, number, fold]
        rows = training_rows(windows, division.fit, sizes, wrong, seed=place)
        tested, validation = (
            Rows(windows.x[part], windows.y[part]) for part in (test, division.stop)
        )
        rows, tested, validation = represent(rows, tested, validation, wrong)
        draw = int(np.random.SeedSequence(place).generate_state(1)[0])
        return ensemble(rows, validation, tested, wrong, seed=draw)

    folds_of_windows = [[(part.fit, part.test) for part in repeat] for repeat in divisions]
    p = cross_validate(answer, folds_of_windows, len(windows.clip))
    sums = [pd.DataFrame(repeat).groupby(windows.clip).sum().to_numpy() for repeat in p]
    return np.argmax(sums, axis=2)


def _effect(low: float | None, high: float | None) -> str:
    """Return the effect that an interval shows: above 0, within `_MARGIN` of 0, or neither."""
    if low is None or high is None:
        return _OPEN
    if low > 0:
        return _UP
    return _NONE if low >= -_MARGIN and high <= _MARGIN else _OPEN


def expected(data: str) -> pd.DataFrame:
    """Return each mistake with its expected effect on the corpus `data`, and the reason."""
    rows = [
        (row.mistake, (row.synthetic if is_synthetic(data) else row.donateacry), row.why)
        for row in EXPECTATIONS.values()
    ]
    names = pd.Index([rung.value for rung in EXPECTATIONS], name="rung")
    return pd.DataFrame(rows, columns=["mistake", "expected", "because"], index=names)


def effects(results: pd.DataFrame) -> pd.DataFrame:
    """Return what each mistake adds to the honest score, in words, for each corpus in `results`.

    The index is the mistake in words. Columns for each corpus: the effect that was expected, what
    the mistake adds to the balanced accuracy (for `majority`: accuracy), and the effect that this
    shows. results: as from `Audit.results`, also of a stored run.
    """
    rows = results[(results.study == "audit") & (results.rival == "honest")]
    metric = np.where(rows.condition == Rung.MAJORITY, "accuracy", "balanced_accuracy")
    columns = {}
    for data, part in rows[rows.metric == metric].groupby("data", sort=False):
        name, ends = title(str(data)), part.set_index("condition")[["value", "low", "high"]]
        words = ends.map("{:+z.2f}".format)
        columns[name, "expected"] = expected(str(data)).expected
        columns[name, "adds"] = words.value + " [" + words.low + ", " + words.high + "]"
        columns[name, "measured"] = pd.Series(
            {rung: _effect(low, high) for rung, _, low, high in ends.itertuples()}
        )
    order = [rung.value for rung in MISTAKES]
    return pd.DataFrame(columns).reindex(order).dropna().rename(index=dict(MISTAKES))
