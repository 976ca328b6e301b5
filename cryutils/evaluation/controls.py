"""What the same features say where there is nothing to learn, or something else.

Walked by notebook 10_leakage_audit. A score above chance means something only beside these: with
labels exchanged between infants or features that never vary it must be chance; if it stays as high
on sound played backwards, on noise with the cry's spectrum, or on the quiet between cries, then it
does not rest on what a cry does over time. And a score at chance means something only if the same
features do tell what is known to be there: one infant from another on another day, a cry from
noise, a state that shapes the voice. Neither paper reports a control.

Each is one logistic regression on a clip's features, tested without an infant on both sides.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils._io import cache
from cryutils.audio.spectral import frame
from cryutils.errors import InputError
from cryutils.evaluation.audit import vectors
from cryutils.evaluation.crossval import out_of_fold
from cryutils.evaluation.intervals import Interval, interval
from cryutils.evaluation.permutation import permute_labels
from cryutils.evaluation.splits import Choice, Fold, Names, class_indices, fold_numbers, folds

if TYPE_CHECKING:
    from cryutils.datasets.corpus import Clip, Corpus

__all__ = [
    "CONTROLS", "Answer", "Control", "Expected", "across_sessions", "background",
    "control", "device",
    "phase_randomised", "time_reversed",
]  # fmt: skip

Samples = NDArray[np.float32]

_QUIET = 0.25  # the share of a recording that counts as background
_LEAST_INFANTS = 5  # of a class that is asked for
_VERSION = 1  # raise it whenever the same sounds give other features


class Expected(StrEnum):
    """What a control should score."""

    CHANCE = "chance"
    ABOVE = "above chance"
    OPEN = "nobody knows"


class Control(Choice):
    """What is changed, or asked for."""

    STATE = "state"
    PERMUTED = "permuted"
    CONSTANT = "constant"
    REVERSED = "reversed"
    PHASES = "phases"
    BACKGROUND = "background"
    INFANT = "infant"
    AGE = "age"
    DEVICE = "device"
    NOISE = "noise"


# What it is, and what it should score on synthetic voices without a state in them and on
# DonateACry. Committed before any control was run; not changed since.
CONTROLS: dict[Control, tuple[str, Expected, Expected]] = {
    Control.STATE: ("the state itself, nothing changed", Expected.CHANCE, Expected.OPEN),
    Control.PERMUTED: ("labels exchanged between infants", Expected.CHANCE, Expected.CHANCE),
    Control.CONSTANT: ("features that never vary", Expected.CHANCE, Expected.CHANCE),
    Control.REVERSED: ("the state, from sound played backwards", Expected.CHANCE, Expected.OPEN),
    Control.PHASES: (
        "the state, from noise with each clip's spectrum", Expected.CHANCE, Expected.OPEN,
    ),
    Control.BACKGROUND: (
        "the state, from the quietest quarter of each clip", Expected.CHANCE, Expected.OPEN,
    ),
    Control.INFANT: ("which infant, on another day", Expected.ABOVE, Expected.ABOVE),
    Control.AGE: ("the infant's age group", Expected.CHANCE, Expected.ABOVE),
    Control.DEVICE: ("iOS or Android", Expected.OPEN, Expected.ABOVE),
    Control.NOISE: ("a cry, or noise with its spectrum", Expected.ABOVE, Expected.ABOVE),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """A control's balanced accuracy with its interval, what guessing has, and what was answered.

    `answers` has columns clip, infant, repeat, fold, truth and predicted, a row a clip and repeat.
    """

    control: Control
    score: Interval
    chance: float
    classes: int
    data: str
    answers: pd.DataFrame

    @property
    def above_chance(self) -> bool:
        """Whether guessing lies below the interval."""
        return self.score.low is not None and self.score.low > self.chance

    def results(self, key: str) -> pd.DataFrame:
        """Return the score as a row for `claims.record_table`."""
        row = self.score.row(f"{key}.balanced_accuracy", protocol="leak_free", data=self.data)
        return pd.DataFrame([row])

    def predictions(self, key: str) -> pd.DataFrame:
        """Return every answer as rows for `claims.record_predictions`."""
        return self.answers.assign(key=key, protocol="leak_free", data=self.data)


def time_reversed(x: Samples) -> Samples:
    """Return the sound played backwards, float32 (samples,)."""
    return x[::-1].copy()


def phase_randomised(x: Samples, rng: np.random.Generator) -> Samples:
    """Return noise with the power spectrum of `x`, float32 (samples,): nothing begins or ends.

    Each frequency keeps its magnitude and gets a random phase, as in surrogate data (Theiler et al.
    1992, doi 10.1016/0167-2789(92)90102-S).
    """
    spectrum = np.fft.rfft(x)
    turned = np.abs(spectrum) * np.exp(2j * np.pi * rng.random(len(spectrum)))
    turned[0] = spectrum[0]  # a mean has no phase, nor has the highest frequency of an even length
    if len(x) % 2 == 0:
        turned[-1] = spectrum[-1]
    return np.fft.irfft(turned, len(x)).astype(np.float32)


def background(x: Samples, *, sr: int) -> Samples:
    """Return the quietest quarter of a sound, its frames of 32 ms in order, float32 (samples,)."""
    length = min(round(0.032 * sr), len(x))
    frames = frame(x, frame_length=length, hop_length=length)
    levels = np.square(frames, dtype=np.float64).mean(axis=1)
    quiet = np.argsort(levels, kind="stable")[: max(1, round(_QUIET * len(frames)))]
    return np.ascontiguousarray(frames[np.sort(quiet)]).ravel()


def device(clip: Clip) -> str | None:
    """Return "iOS" or "Android" where a DonateACry file name tells, by its time in s or ms."""
    time = re.search(r"-(\d{10}|\d{13})(?:\.\d+)?-\d", clip.path.name)
    return None if time is None else {10: "iOS", 13: "Android"}[len(time[1])]


def control(
    name: Control | str,
    corpus: Corpus,
    sounds: Sequence[Samples],
    *,
    sr: int,
    n_folds: int = 4,
    repeats: int = 1,
    seed: int = 0,
) -> Answer:
    """Return what a control scores.

    Parameters
    ----------
    name : Control or str
        Which one.
    corpus : Corpus
        The clips.
    sounds : sequence of ndarray
        One a clip, float32 (samples,), as `audio.signals` gives them.
    sr : int
        Their rate in Hz.
    n_folds, repeats, seed : int
        As in `evaluation.folds`; `infant` is tested in two halves.

    Raises
    ------
    InputError
        The clips do not tell what is asked for, such as a device.
    """
    chosen, rng = Control(name), np.random.default_rng([seed, 2])
    target, clips = _target(chosen, corpus, rng)
    change = _changes(sr, rng).get(chosen, np.asarray)
    X = _features([change(x) for x in sounds], sr)[clips]
    if chosen is Control.CONSTANT:
        X = np.zeros_like(X)
    if chosen is Control.NOISE:
        twins = _features([phase_randomised(sounds[clip], rng) for clip in clips], sr)
        X, clips = np.concatenate([X, twins]), np.tile(clips, 2)
        target = np.repeat(["cry", "noise"], len(clips) // 2)
    infants = np.array([corpus[clip].infant for clip in clips])
    if chosen is Control.INFANT:
        drawn = [across_sessions(infants, [corpus[clip].session for clip in clips])]
    else:
        drawn = folds(target, infants, n_splits=n_folds, repeats=repeats, seed=seed)
    with warnings.catch_warnings():  # infants are many classes of few clips
        warnings.filterwarnings("ignore", "The number of unique classes")
        predicted = out_of_fold(_model(), X, target, drawn, jobs=1)
    y, classes = class_indices(target)
    if chosen is Control.INFANT:  # what would be drawn anew are infants: each is a class
        score = _mean_of_infants((predicted == y).mean(axis=0), infants)
    else:
        score = interval(predicted, target, infants)
    tables = []
    for repeat, (row, parts) in enumerate(zip(predicted, drawn, strict=True)):
        fold = fold_numbers((test for _, test in parts), len(clips))
        table = pd.DataFrame({"infant": infants, "repeat": repeat, "fold": fold, "truth": target})
        tables.append(table.assign(predicted=np.array(classes)[row]))
    answers = pd.concat(tables, ignore_index=True)
    answers.insert(0, "clip", [corpus[clip].id for clip in clips] * len(drawn))
    return Answer(chosen, score, 1 / len(classes), len(classes), corpus.name, answers)


def across_sessions(infants: Names, sessions: Sequence[str]) -> list[Fold]:
    """Return two folds (train, test): each infant's odd sessions are tested, then its even ones."""
    order: dict[tuple[str, str], int] = {}
    for infant, session in sorted(set(zip(infants, sessions, strict=True))):
        order[infant, session] = sum(other == infant for other, _ in order)
    rank = np.array([order[pair] for pair in zip(infants, sessions, strict=True)])
    return [(np.flatnonzero(rank % 2 != half), np.flatnonzero(rank % 2 == half)) for half in (1, 0)]


def _target(
    chosen: Control, corpus: Sequence[Clip], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return what is asked for, str (clips,), and of which clips of the corpus."""
    labels = np.array([clip.label for clip in corpus])
    infants = np.array([clip.infant for clip in corpus])
    everything = np.arange(len(corpus))
    if chosen is Control.PERMUTED:
        return permute_labels(labels, infants, rng), everything
    if chosen is Control.INFANT:
        days = {
            infant: len({c.session for c in corpus if c.infant == infant})
            for infant in set(infants)
        }
        clips = np.flatnonzero([days[infant] > 1 for infant in infants])
        if len(set(infants[clips])) < 2:
            raise InputError("fewer than two infants have two sessions, so none can be met again")
        return infants[clips], clips
    if chosen not in (Control.AGE, Control.DEVICE):
        return labels, everything
    answers = [clip.age if chosen is Control.AGE else device(clip) for clip in corpus]
    givers: dict[str, set[str]] = {}
    for infant, answer in zip(infants, answers, strict=True):
        if answer is not None:
            givers.setdefault(answer, set()).add(infant)
    asked = {answer for answer, members in givers.items() if len(members) >= _LEAST_INFANTS}
    if len(asked) < 2:
        raise InputError(
            f"these clips tell no {chosen} of {_LEAST_INFANTS} infants or more in two classes"
        )
    clips = np.flatnonzero([answer in asked for answer in answers])
    return np.array([str(answers[clip]) for clip in clips]), clips


def _features(sounds: Sequence[Samples], sr: int) -> NDArray[np.float32]:
    """Return a vector for each sound, (sounds, 120); kept, since most controls share them."""
    stem = cache.at("controls", _VERSION, sr, np.__version__, *sounds)

    def compute() -> dict[str, NDArray[np.float32]]:
        return {"vectors": np.concatenate([vectors(x, sr=sr) for x in sounds])}

    return cache.arrays(stem, compute)["vectors"]


def _changes(sr: int, rng: np.random.Generator) -> dict[Control, Callable[[Samples], Samples]]:
    return {
        Control.REVERSED: time_reversed,
        Control.PHASES: lambda x: phase_randomised(x, rng),
        Control.BACKGROUND: lambda x: background(x, sr=sr),
    }


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    )


def _mean_of_infants(hits: NDArray[np.float64], infants: NDArray[Any]) -> Interval:
    """Return the mean over infants of the share of their clips that are called theirs."""
    from cryutils.evaluation.intervals import mean_interval

    names = np.unique(infants)
    shares = np.array([hits[infants == name].mean() for name in names])
    return mean_interval(shares, names.tolist(), limits=(0, 1))
