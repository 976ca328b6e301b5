"""How often the cry gate is right: on cries, on other sounds, and on unknown kinds of sound.

Used in notebook 13_live_and_deployment; the gate itself is in `models.gate`. Each window of one
second is scored by a gate that was fitted without its infant, voice, tune or machine. The threshold
is chosen on those scores (`chosen_threshold`), so rates at this threshold are slightly optimistic.
`nested` chooses it on the training part of each fold instead. `unseen_kinds` leaves a whole kind of
distractor out of the training, since a home has sounds of unknown kinds. Rates on generated sounds
say nothing about a real home.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio
from cryutils._io.parallel import thread_map
from cryutils._io.paths import project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.evaluation.intervals import mean_interval
from cryutils.models.gate import FAINTEST_DB, SR, WINDOW_S, CryGate, Gate, describe, level_db

__all__ = [
    "Windows", "chosen_threshold", "curve", "distractors", "fit", "held_out", "loud_windows",
    "nested", "of_corpus", "out_of_fold", "rates", "reference", "reference_curve", "scored_by",
    "together", "unseen_kinds",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

LEARNT_FROM = ("donateacry", "synthetic")  # corpora that the shipped gate was fitted on
STEP_S = 0.5
QUIETER_DB = 20.0  # below the recording's loudest window; quieter ones are pauses between cries
RECALL, FALSE_ALARM = 0.95, 0.05  # required of a gate: at least, at most


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of sound, `sounds` at `SR` Hz, and their features `x` (`gate.describe`).

    x: float64 (n, 100). source: str (n,), the name of a corpus or a kind of distractor. maker: str
    (n,), the infant, voice, tune or machine. clip: str (n,), the recording.
    """

    x: Scores = field(repr=False)
    sounds: Array = field(repr=False)
    source: npt.NDArray[np.str_]
    maker: npt.NDArray[np.str_]
    clip: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_cry(self) -> npt.NDArray[np.bool_]:
        """Which windows a gate should let pass, bool (n,): all that are not distractors."""
        return ~np.isin(self.source, list(KINDS))

    def where(self, keep: npt.NDArray[np.bool_]) -> Windows:
        """Return the windows for which `keep`, bool (n,), is true."""
        return Windows(
            self.x[keep], self.sounds[keep], self.source[keep], self.maker[keep], self.clip[keep]
        )


def loud_windows(x: Array) -> Array:
    """Return the windows of a recording at `SR` Hz that are loud enough to hear, (n, samples).

    There is one every `STEP_S` whose level is at least `FAINTEST_DB` and at most `QUIETER_DB` below
    the recording's loudest window.
    """
    size, hop = round(WINDOW_S * SR), round(STEP_S * SR)
    if len(x) < size:
        return np.zeros((0, size), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    levels = np.array([level_db(window) for window in windows])
    return windows[(levels >= FAINTEST_DB) & (levels >= levels.max() - QUIETER_DB)]


def of_corpus(corpus: Corpus) -> Windows:
    """Return the loud windows of a corpus of cries; their makers are the infants."""
    sounds = audio.signals(corpus, sr=SR)
    return _windows(sounds, corpus.name, corpus.infants.tolist(), [clip.id for clip in corpus])


def distractors(*, each: int, seed: int) -> Windows:
    """Return the loud windows of generated distractors, `each` recordings of 7 s per kind."""
    parts = []
    for place, kind in enumerate(KINDS):
        rngs = [np.random.default_rng([seed, place, k]) for k in range(each)]
        sounds = [distractor(kind, rng=rng, sr=SR) for rng in rngs]
        names = [f"{kind}/{k}" for k in range(each)]
        parts.append(_windows(sounds, kind, names, names))
    return together(parts)


def together(parts: Sequence[Windows]) -> Windows:
    """Return the windows of several sources as one."""
    return Windows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("x", "sounds", "source", "maker", "clip")
        )
    )


def fit(windows: Windows, *, threshold: float = 0.5, note: str = "") -> Gate:
    """Return a gate fitted to windows: a logistic regression with balanced class weights.

    It is fitted on standardised columns; the gate's coefficients are for the original ones.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(windows.x)
    model = LogisticRegression(class_weight="balanced", max_iter=3000)
    model.fit(scaler.transform(windows.x), windows.is_cry)
    coefficients = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - coefficients @ scaler.mean_)
    return Gate(coefficients, intercept, threshold, note)


def out_of_fold(windows: Windows, *, seed: int = 0) -> Scores:
    """Return each window's score by a gate fitted without its maker, float64 (n,); five folds."""
    scores = np.empty(len(windows))
    for training, test in _folds(windows, seed):
        scores[test] = fit(windows.where(training)).scores(windows.x[test])
    return scores


def chosen_threshold(windows: Windows, scores: Scores) -> float:
    """Return the threshold, in steps of 0.01, that meets the requirements by the largest margin.

    The smallest of all margins counts: recall minus `RECALL` of each source of cries, and
    `FALSE_ALARM` minus the false-alarm rate of each kind of distractor.
    """
    grid = np.arange(1, 100) / 100
    margins = []
    for source in np.unique(windows.source):
        passing = (scores[windows.source == source][:, None] >= grid).mean(axis=0)
        margins.append(passing - RECALL if source not in KINDS else FALSE_ALARM - passing)
    return float(grid[np.min(margins, axis=0).argmax()])


def nested(windows: Windows, *, seed: int = 0) -> tuple[Scores, Scores]:
    """Return out-of-fold scores, and the thresholds chosen on the folds' training parts, (n,)."""
    scores, thresholds = np.empty(len(windows)), np.empty(len(windows))
    for training, test in _folds(windows, seed):
        part = windows.where(training)
        thresholds[test] = chosen_threshold(part, out_of_fold(part, seed=seed))
        scores[test] = fit(part).scores(windows.x[test])
    return scores, thresholds


def unseen_kinds(windows: Windows) -> Scores:
    """Return each distractor's score by a gate fitted without its whole kind; NaN for cries."""
    scores = np.full(len(windows), np.nan)
    for kind in np.unique(windows.source[~windows.is_cry]):
        left_out = windows.source == kind
        scores[left_out] = fit(windows.where(~left_out)).scores(windows.x[left_out])
    return scores


def scored_by(gate: CryGate, windows: Windows) -> Scores:
    """Return the scores of any gate, such as `gate.Yamnet`, float64 (n,)."""
    return np.array([gate.score(sound, SR) for sound in windows.sounds])


def held_out(gate: CryGate, windows: Windows, *, seed: int = 0) -> Scores:
    """Return the scores of a gate that was not fitted on any window's maker, float64 (n,).

    For your own recordings these are the scores of `gate`. The shipped gate was fitted on
    DonateACry and synthetic voices; if `windows` include any of those, `out_of_fold` is used.

    Parameters
    ----------
    gate : CryGate
        The shipped one or another.
    windows : Windows
    seed : int
        Of the folds of `out_of_fold`.
    """
    met = np.isin(windows.source, LEARNT_FROM).any()
    return out_of_fold(windows, seed=seed) if met else scored_by(gate, windows)


def rates(windows: Windows, scores: Scores, threshold: float | Scores) -> pd.DataFrame:
    """Return the share of each source's windows that pass, as rows for `claims.record_table`.

    The metric is "recall" for cries and "false_alarm" for other sounds. The interval is over
    infants (or voices, tunes and machines, which `n_infants` then counts).

    Parameters
    ----------
    windows : Windows
    scores : ndarray of float64
        (n,), from gates that were not fitted on a window's maker, since the split of the rows is
        "infant". NaN leaves a window out.
    threshold : float or ndarray
        One for all windows, or one for each, (n,).
    """
    passing = np.where(np.isnan(scores), np.nan, scores >= threshold)
    rows = []
    for source in dict.fromkeys(windows.source[np.isfinite(scores)].tolist()):
        of_source = windows.source == source
        share = mean_interval(
            passing[of_source], windows.maker[of_source].tolist(), limits=(0.0, 1.0)
        )
        metric, data = ("false_alarm", "synthetic") if source in KINDS else ("recall", source)
        rows.append({"condition": source, "metric": metric, "data": data, **share.row()})
    return pd.DataFrame(rows).assign(study="gate", split="infant")


def curve(windows: Windows, scores: Scores) -> pd.DataFrame:
    """Return recall and false alarms at each threshold: columns threshold, source, passing."""
    grid = np.linspace(0, 1, 201)
    parts = []
    for source in dict.fromkeys(windows.source.tolist()):
        passing = (scores[windows.source == source][:, None] >= grid).mean(axis=0)
        parts.append(pd.DataFrame({"threshold": grid, "source": source, "passing": passing}))
    return pd.concat(parts, ignore_index=True)


def reference() -> pd.DataFrame:
    """Return the shipped gate's rates by `tools/fit_gate.py`, from `outputs/reference/gate.csv`.

    `how` is "out of fold", "nested", "kind left out" or "without exclusions"; others as in `rates`.
    """
    return pd.read_csv(project_dir() / "outputs" / "reference" / "gate.csv")


def reference_curve() -> pd.DataFrame:
    """Return the shipped gate's out-of-fold `curve`, from `outputs/reference/gate_curve.csv`.

    The windows are those of DonateACry and the distractors.
    """
    return pd.read_csv(project_dir() / "outputs" / "reference" / "gate_curve.csv")


def _windows(
    sounds: Sequence[Array], source: str, makers: Sequence[str], clips: Sequence[str]
) -> Windows:
    cut = [loud_windows(x) for x in sounds]
    counts = [len(part) for part in cut]
    each = np.concatenate(cut)
    rows = list(thread_map(describe, list(each), what="windows"))
    return Windows(
        np.array(rows), each, np.full(len(each), source),
        np.repeat(np.asarray(makers, dtype="U64"), counts),
        np.repeat(np.asarray(clips, dtype="U128"), counts),
    )  # fmt: skip


def _folds(
    windows: Windows, seed: int
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Yield (training, test), bool (n,): five folds of makers, each source in all of them."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for _, rows in splitter.split(windows.x, windows.source, windows.maker):
        test = np.zeros(len(windows), bool)
        test[rows] = True
        yield ~test, test
