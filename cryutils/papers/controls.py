"""Control scores: the same features where there is nothing to learn, or a known difference.

Used in notebook 10_leakage_audit. With labels exchanged between infants, or features that never
vary, the score must be chance. If it stays as high on sound played backwards, on noise with the
cry's spectrum, or on the quiet between cries, it does not depend on how a cry changes over time. A
score at chance means something only if the same features distinguish what is known to differ.
Neither paper reports a control. Each control is one logistic regression on a clip's features.
Except in `Control.INFANT`, no infant is in both training and test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryutils.audio.spectral import frame
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.registry import is_synthetic
from cryutils.errors import InputError
from cryutils.evaluation.crossval import cross_predict
from cryutils.evaluation.intervals import Interval, interval, mean_interval
from cryutils.evaluation.permutation import permute_labels
from cryutils.evaluation.splits import Choice, Fold, Names, folds
from cryutils.models.classical import baselines
from cryutils.papers.ladder import vectors
from cryutils.papers.scored import answer_rows

__all__ = [
    "CONTROLS", "Answer", "Control", "across_sessions", "background", "control",
    "controls", "phase_randomised", "recognised", "table",
]  # fmt: skip

Samples = NDArray[np.float32]

_QUIET = 0.25  # the share of a recording that counts as background
_LEAST_INFANTS = 5  # minimum per class of the target


class Control(Choice):
    """What a control changes or predicts."""

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


_CHANCE, _ABOVE, _OPEN = "chance", "above chance", "nobody knows"
# A description, and the score expected on synthetic voices without a state in them and on
# DonateACry. Committed before any control was run, and not changed since.
CONTROLS: dict[Control, tuple[str, str, str]] = {
    Control.STATE: ("the state itself, nothing changed", _CHANCE, _OPEN),
    Control.PERMUTED: ("labels exchanged between infants", _CHANCE, _CHANCE),
    Control.CONSTANT: ("features that never vary", _CHANCE, _CHANCE),
    Control.REVERSED: ("the state, from sound played backwards", _CHANCE, _OPEN),
    Control.PHASES: ("the state, from noise with each clip's spectrum", _CHANCE, _OPEN),
    Control.BACKGROUND: ("the state, from the quietest quarter of each clip", _CHANCE, _OPEN),
    Control.INFANT: ("which infant, in another session", _ABOVE, _ABOVE),
    Control.AGE: ("the infant's age group", _CHANCE, _ABOVE),
    Control.DEVICE: ("iOS or Android", _OPEN, _ABOVE),
    Control.NOISE: ("a cry, or noise with its spectrum", _ABOVE, _ABOVE),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """A control's balanced accuracy with its interval, the score of guessing, and every answer.

    `answers` has a row for each clip and repeat: clip, infant, repeat, fold, truth, predicted.
    """

    control: Control
    score: Interval
    chance: float
    data: str
    answers: pd.DataFrame

    def results(self) -> pd.DataFrame:
        """Return the score as a row for `claims.record_scores`."""
        row = {**self.score.row(), "metric": "balanced_accuracy"}
        return pd.DataFrame([row]).assign(split="leak_free", data=self.data)

    def predictions(self) -> pd.DataFrame:
        """Return every answer as a row for `claims.record_scores`."""
        return self.answers.assign(split="leak_free", data=self.data)


def phase_randomised(x: Samples, rng: np.random.Generator) -> Samples:
    """Return noise with the power spectrum of `x` but not its time course, float32 (samples,).

    Each frequency keeps its magnitude and gets a random phase, as in surrogate data (Theiler et al.
    1992, doi 10.1016/0167-2789(92)90102-S).
    """
    spectrum = np.fft.rfft(x)
    turned = np.abs(spectrum) * np.exp(2j * np.pi * rng.random(len(spectrum)))
    turned[0] = spectrum[0]  # mean, and highest frequency of an even length, have no phase
    if len(x) % 2 == 0:
        turned[-1] = spectrum[-1]
    return np.fft.irfft(turned, len(x)).astype(np.float32)


def background(x: Samples, *, sr: int) -> Samples:
    """Return the quietest quarter of the 32 ms frames of a sound, in order, float32 (samples,)."""
    length = min(round(0.032 * sr), len(x))
    frames = frame(x, frame_length=length, hop_length=length)
    levels = np.square(frames, dtype=np.float64).mean(axis=1)
    quiet = np.argsort(levels, kind="stable")[: max(1, round(_QUIET * len(frames)))]
    return np.ascontiguousarray(frames[np.sort(quiet)]).ravel()


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
    """Return the answers and the score of a control.

    sounds: for each clip of `corpus`, float32 (samples,) at `sr` Hz, such as `audio.signals`
    returns. n_folds, repeats, seed: as in `evaluation.folds`; `Control.INFANT` always has two
    folds, of sessions. Raises InputError if the clips lack what the control predicts, such as a
    device.
    """
    chosen, rng = Control(name), np.random.default_rng([seed, 2])
    target, clips = _target(chosen, corpus, rng)
    changes: dict[Control, Callable[[Samples], Samples]] = {
        Control.REVERSED: lambda x: x[::-1].copy(),
        Control.PHASES: lambda x: phase_randomised(x, rng),
        Control.BACKGROUND: lambda x: background(x, sr=sr),
    }
    change = changes.get(chosen, np.asarray)
    X = np.concatenate([vectors(change(x), sr=sr) for x in sounds])[clips]
    if chosen is Control.CONSTANT:
        X = np.zeros_like(X)
    if chosen is Control.NOISE:
        twins = [vectors(phase_randomised(sounds[clip], rng), sr=sr) for clip in clips]
        X, clips = np.concatenate([X, *twins]), np.tile(clips, 2)
        target = np.repeat(["cry", "noise"], len(clips) // 2)
    infants = np.array([corpus[clip].infant for clip in clips])
    if chosen is Control.INFANT:
        drawn = [across_sessions(infants, [corpus[clip].session for clip in clips])]
    else:
        drawn = folds(target, infants, n_splits=n_folds, repeats=repeats, seed=seed)
    with warnings.catch_warnings():  # infants are many classes of few clips
        warnings.filterwarnings("ignore", "The number of unique classes")
        predicted = cross_predict(baselines()["logistic"], X, target, drawn)
    answers = answer_rows(predicted, drawn, [corpus[clip].id for clip in clips], infants, target)
    if chosen is Control.INFANT:
        score = mean_interval(*recognised(answers), limits=(0, 1))
    else:
        score = interval(predicted, target, infants)
    return Answer(chosen, score, 1 / len(set(target)), corpus.name, answers)


def controls(
    corpus: Corpus, sounds: Sequence[Samples], **settings: Any
) -> dict[Control, Answer | InputError]:
    """Return the answer of each control, or why the clips don't allow it.

    sounds, settings: as in `control`.
    """
    answers: dict[Control, Answer | InputError] = {}
    for name in Control:
        try:
            answers[name] = control(name, corpus, sounds, **settings)
        except InputError as error:
            answers[name] = error
    return answers


def table(answers: Mapping[Control, Answer | InputError], data: str) -> pd.DataFrame:
    """Return what each control asks for, its expected and its measured result, in words.

    data: the corpus of the `answers`, from `controls`.
    """
    rows = {}
    for name, answer in answers.items():
        what, synthetic, real = CONTROLS[name]
        expected = synthetic if is_synthetic(data) else real
        if isinstance(answer, InputError):
            score, guessing, measured = "–", "–", str(answer)
        else:
            low = answer.score.low
            score, guessing = str(answer.score), f"{answer.chance:.2f}"
            is_above = low is not None and low > answer.chance
            measured = "above chance" if is_above else "chance not ruled out"
        rows[name.value] = {
            "asks for": what, "expected": expected,
            "score": score, "guessing": guessing, "measured": measured,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("control")


def recognised(answers: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the share of each infant's clips that are recognised in each repeat, and the infants.

    The shares are float64 (repeats, infants). For predictions of the infant: each infant is a
    class, so the score is the mean over infants.
    """
    right = (answers.predicted == answers.truth).astype(float)
    shares = right.groupby([answers.repeat, answers.infant]).mean().unstack()
    return shares.to_numpy(), shares.columns.to_numpy(str)


def across_sessions(infants: Names, sessions: Sequence[str]) -> list[Fold]:
    """Return two folds (train, test), which test each infant's even sessions, then its odd ones."""
    by_infant = pd.Series(sessions).groupby(np.asarray(infants))
    place = by_infant.transform(lambda names: pd.factorize(names, sort=True)[0]).to_numpy()
    odd, even = (np.flatnonzero(place % 2 == side) for side in (0, 1))  # counted from 1
    return [(odd, even), (even, odd)]


def _target(
    chosen: Control, corpus: Sequence[Clip], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return what a control predicts, str (clips,), and the indices of the clips that have it."""
    labels = np.array([clip.label for clip in corpus])
    infants = np.array([clip.infant for clip in corpus])
    everything = np.arange(len(corpus))
    if chosen is Control.PERMUTED:
        return permute_labels(labels, infants, rng), everything
    if chosen is Control.INFANT:
        sessions = pd.Series([clip.session for clip in corpus]).groupby(infants)
        clips = np.flatnonzero(sessions.transform("nunique") > 1)
        if len(set(infants[clips])) < 2:
            raise InputError(
                "fewer than two infants have two sessions, so none can be recognised in another"
            )
        return infants[clips], clips
    if chosen not in (Control.AGE, Control.DEVICE):
        return labels, everything
    answers = pd.Series([clip.age if chosen is Control.AGE else clip.phone for clip in corpus])
    givers = pd.Series(infants).groupby(answers).nunique()
    clips = np.flatnonzero(answers.isin(givers.index[givers >= _LEAST_INFANTS]))
    target = answers[clips].to_numpy(str)
    if len(set(target)) < 2:
        raise InputError(f"no {chosen} is known of {_LEAST_INFANTS} infants or more in two classes")
    return target, clips
