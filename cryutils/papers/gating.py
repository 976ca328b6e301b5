"""How often the cry gate is right: on cries, pauses, other sounds, and unknown kinds of sound.

Used in notebook 13_live_and_deployment; the gate itself is in `models.gate`. Each window of one
second is scored by a gate that was fitted without its infant, voice, tune or machine. The threshold
is chosen on those scores (`chosen_threshold`), so rates at this threshold are slightly optimistic.
`nested` chooses it on the training part of each fold instead. `unseen_kinds` leaves a whole kind of
distractor out of the training, since a home has sounds of unknown kinds. Rates on generated sounds
say nothing about a real home.

When DonateACry's infants cry has been annotated for about half of its clips (`annotated_cries`), by
https://github.com/PeterIsDanning/Infant-Cry-Detection-by-CRSTC (MIT licence). Only with them is a
pause between two cries known to be one, and only with them can `compare` show what a gate adds to a
plain level meter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryutils import audio
from cryutils._io.parallel import thread_map
from cryutils._io.paths import data_dir, project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.errors import InputError
from cryutils.evaluation import events
from cryutils.evaluation.events import Event
from cryutils.evaluation.intervals import auc_interval, mean_interval
from cryutils.models.gate import FAINTEST_DB, SR, WINDOW_S, CryGate, Gate, describe, level_db

__all__ = [
    "PAUSE", "Windows", "annotated_cries", "chosen_threshold", "compare", "curve", "cut",
    "distractors", "fit", "held_out", "is_loud", "nested", "of_corpus", "out_of_fold", "rates",
    "readable", "reference", "reference_comparison", "reference_curve", "scored_by", "together",
    "unseen_kinds",
]  # fmt: skip

Array = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

LEARNT_FROM = ("donateacry", "synthetic")  # corpora that the shipped gate was fitted on
OTHERS = tuple(KINDS)  # sources without cries
STEP_S = 0.5
QUIETER_DB = 20.0  # below the recording's loudest window; quieter ones are pauses between cries
RECALL, FALSE_ALARM = 0.95, 0.05  # required of a gate: at least, at most
PAUSE = "pause"
_WORDS = {
    "donateacry": "cries, DonateACry", "synthetic": "cries, synthetic",
    PAUSE: "pauses between cries",
}  # fmt: skip
_STEM = 47  # characters of a file name: the uuid, "-" and ten digits of the time
MOSTLY, HARDLY = 0.5, 0.1  # share of a window: a cry from the first up, a pause below the second


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of sound, `sounds` at `SR` Hz, and their features `x` (`gate.describe`).

    x: float64 (n, 100). source: str (n,), the name of a corpus or a kind of distractor. maker: str
    (n,), the infant, voice, tune or machine. clip: str (n,), the recording. end_s: float64 (n,),
    the end of the window in its recording. cry: float64 (n,), the share of the window that is cry.
    level: float64 (n,), in dB re full scale.
    """

    x: Scores = field(repr=False)
    sounds: Array = field(repr=False)
    source: npt.NDArray[np.str_]
    maker: npt.NDArray[np.str_]
    clip: npt.NDArray[np.str_]
    end_s: Scores
    cry: Scores
    level: Scores

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_cry(self) -> npt.NDArray[np.bool_]:
        """Which windows a gate should let pass, bool (n,): those that are cry for the most part."""
        return self.cry >= MOSTLY

    @property
    def group(self) -> npt.NDArray[np.str_]:
        """What each window is, str (n,): its source, or "pause" in a recording of cries.

        "" for windows that hold too little cry to be one and too much to be a pause: a gate is
        neither fitted on them nor judged by them.
        """
        is_pause = (self.cry < HARDLY) & ~np.isin(self.source, OTHERS)
        unclear = (self.cry >= HARDLY) & ~self.is_cry
        return np.select([unclear, is_pause], ["", PAUSE], self.source)

    def where(self, keep: npt.NDArray[np.bool_]) -> Windows:
        """Return the windows for which `keep`, bool (n,), is true."""
        return Windows(**{name: getattr(self, name)[keep] for name in _FIELDS})


_FIELDS = tuple(each.name for each in fields(Windows))


def annotated_cries(corpus: Corpus, folder: Path | None = None) -> dict[str, list[Event]]:
    """Return the annotated cries of DonateACry's clips by clip id; empty for other corpora.

    folder: with TextGrids named `<uuid>-<first ten digits of the time>`; None: `crstc` in
    `CRYUTILS_DATA_DIR`; without that the result is empty. Raises InputError if a file can't be
    read, or the folder has none for these clips.
    """
    if folder is None and (home := data_dir()) is not None and (home / "crstc").is_dir():
        folder = home / "crstc"
    if folder is None or corpus.name != "donateacry":
        return {}
    files = {path.stem.lower(): path for path in folder.glob("*.TextGrid")}
    named = {clip.id: clip.path.name.lower()[:_STEM] for clip in corpus}
    cries = {name: events.read(files[stem]) for name, stem in named.items() if stem in files}
    if not cries:
        raise InputError(f"{folder}: no TextGrid named after a clip of DonateACry.")
    return cries


def cut(x: Array) -> tuple[Array, Scores]:
    """Return a window of a recording every `STEP_S`, (n, samples), and the end of each in s, (n,).

    x: float32 (samples,) at `SR` Hz.
    """
    size, hop = round(WINDOW_S * SR), round(STEP_S * SR)
    if len(x) < size:
        return np.zeros((0, size), np.float32), np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    return windows, (np.arange(len(windows)) * hop + size) / SR


def is_loud(level: Scores) -> npt.NDArray[np.bool_]:
    """Return which windows of a recording are loud enough to hear, bool (n,), by their `level_db`.

    The level is at least `FAINTEST_DB` and at most `QUIETER_DB` below the loudest window's.
    """
    return (level >= FAINTEST_DB) & (level >= level.max(initial=-np.inf) - QUIETER_DB)


def of_corpus(corpus: Corpus, annotated: Mapping[str, Sequence[Event]] | None = None) -> Windows:
    """Return windows of a corpus of cries; their makers are the infants.

    annotated: from `annotated_cries`; all windows of these clips are returned. Without any, the
    loud windows of all clips are, and each counts as a cry.
    """
    if annotated:
        corpus = corpus.where(lambda clip: clip.id in annotated)
    ids = [clip.id for clip in corpus]
    sounds = audio.signals(corpus, sr=SR)
    return _windows(sounds, corpus.name, corpus.infants.tolist(), ids, annotated)


def distractors(*, each: int, seed: int) -> Windows:
    """Return the loud windows of generated distractors, `each` recordings of 7 s per kind."""
    parts = []
    for place, kind in enumerate(KINDS):
        rngs = [np.random.default_rng([seed, place, k]) for k in range(each)]
        sounds = [distractor(kind, rng=rng, sr=SR) for rng in rngs]
        names = [f"{kind}/{k}" for k in range(each)]
        parts.append(_windows(sounds, kind, names, names, None))
    return together(parts)


def together(parts: Sequence[Windows]) -> Windows:
    """Return the windows of several sources as one."""
    return Windows(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS}
    )


def fit(windows: Windows, *, threshold: float = 0.5, note: str = "") -> Gate:
    """Return a gate fitted to windows: a logistic regression with balanced class weights.

    Unclear windows are left out. It is fitted on standardised columns; the gate's coefficients are
    for the original ones.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    windows = windows.where(windows.group != "")
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
        scores[test] = _scores(fit(windows.where(training)), windows.where(test))
    return scores


def chosen_threshold(windows: Windows, scores: Scores) -> float:
    """Return the threshold, in steps of 0.01, that meets the requirements by the largest margin.

    The smallest of all margins counts: recall minus `RECALL` of each source of cries, and
    `FALSE_ALARM` minus the false-alarm rate of each kind of distractor. Nothing is required of
    pauses.
    """
    grid = np.arange(1, 100) / 100
    margins = [
        FALSE_ALARM - passing if group in OTHERS else passing - RECALL
        for group, passing in _passing(windows, scores, grid).items()
        if group != PAUSE
    ]
    return float(grid[np.min(margins, axis=0).argmax()])


def _passing(windows: Windows, scores: Scores, grid: Scores) -> dict[str, Scores]:
    """Return the share of each group's windows that pass at each threshold of `grid`."""
    groups = dict.fromkeys(windows.group[windows.group != ""].tolist())
    return {g: (scores[windows.group == g][:, None] >= grid).mean(axis=0) for g in groups}


def nested(windows: Windows, *, seed: int = 0) -> tuple[Scores, Scores]:
    """Return out-of-fold scores, and the thresholds chosen on the folds' training parts, (n,)."""
    scores, thresholds = np.empty(len(windows)), np.empty(len(windows))
    for training, test in _folds(windows, seed):
        part = windows.where(training)
        thresholds[test] = chosen_threshold(part, out_of_fold(part, seed=seed))
        scores[test] = _scores(fit(part), windows.where(test))
    return scores, thresholds


def unseen_kinds(windows: Windows) -> Scores:
    """Return each distractor's score by a gate fitted without its whole kind; otherwise NaN."""
    scores = np.full(len(windows), np.nan)
    for kind in set(windows.source.tolist()) & set(OTHERS):
        left_out = windows.source == kind
        scores[left_out] = _scores(fit(windows.where(~left_out)), windows.where(left_out))
    return scores


def scored_by(gate: CryGate, windows: Windows) -> Scores:
    """Return the scores of any gate, such as `gate.Yamnet`, float64 (n,)."""
    return np.array([gate.score(sound, SR) for sound in windows.sounds])


def held_out(gate: CryGate, windows: Windows, *, seed: int = 0) -> tuple[Scores, float | Scores]:
    """Return scores (n,) of a gate that was not fitted on any window's maker, and its threshold.

    For your own recordings these are the scores and the threshold of `gate`. The shipped gate was
    fitted on DonateACry and synthetic voices; if `windows` include any of those, `nested` is used.
    seed: of its folds.
    """
    if np.isin(windows.source, LEARNT_FROM).any():
        return nested(windows, seed=seed)
    return scored_by(gate, windows), gate.threshold


def rates(windows: Windows, scores: Scores, threshold: float | Scores) -> pd.DataFrame:
    """Return the share of each group's windows that pass, as rows for `claims.record_table`.

    The metric is "recall" for cries and "false_alarm" for pauses and other sounds. The interval is
    over infants (or voices, tunes and machines, which `n_infants` then counts).

    scores: (n,), from gates that were not fitted on a window's maker, since the split of the rows
    is "infant"; NaN leaves a window out. threshold: one for all windows, or one for each, (n,).
    """
    passing = np.where(np.isnan(scores), np.nan, scores >= threshold)
    rows = []
    for group in dict.fromkeys(windows.group[np.isfinite(scores)].tolist()):
        if group:
            of_group = windows.group == group
            makers = windows.maker[of_group].tolist()
            share = mean_interval(passing[of_group], makers, limits=(0.0, 1.0))
            source = str(windows.source[of_group][0])
            metric = "recall" if windows.is_cry[of_group][0] else "false_alarm"
            data = "synthetic" if source in KINDS else source
            rows.append({"condition": group, "metric": metric, "data": data, **share.row()})
    return pd.DataFrame(rows).assign(study="gate", split="infant")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return `rates` or `reference` as text, a row per kind of sound and a column per `how`.

    The column `aim` is what is required of the gate.
    """
    aims = {"recall": f"at least {RECALL:.0%}", "false_alarm": f"at most {FALSE_ALARM:.0%}"}
    rows = [
        {
            "sound": _WORDS.get(row["condition"], row["condition"]),
            "aim": "none" if row["condition"] == PAUSE else aims[row["metric"]],
            "how": row.get("how", "pass"),
            "share": f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]",
        }
        for metric in ("recall", "false_alarm")
        for row in table[table.metric == metric].to_dict("records")
    ]
    wide = pd.DataFrame(rows).pivot(index=["sound", "aim"], columns="how", values="share")
    order = dict.fromkeys((row["sound"], row["aim"]) for row in rows)
    return wide.reindex([*order]).reset_index("aim").rename_axis(columns=None).fillna("–")


def compare(
    windows: Windows, detectors: Mapping[str, Scores], annotated: Mapping[str, Sequence[Event]]
) -> pd.DataFrame:
    """Return how well detectors find the annotated cries, each at its own 95 % recall.

    A detector's threshold is the highest that 95 % of the annotated windows of cries pass. So the
    detectors differ only in what else passes.

    windows: all windows of the annotated clips, and distractors. detectors: scores (n,) by name;
    the first one is compared with each of the others. annotated: from `annotated_cries`.

    The table has one row per detector. `auc`: area under the ROC curve of cries against pauses.
    `pauses`: the share of pauses that pass. `difference`: that share minus the first detector's,
    NaN for the first. Each has columns with `_low` and `_high`, over infants. `distractors`: share
    of their windows that pass. `recall`, `precision`, `met`: as in `events.Agreement`, of all clips
    together. `false_alarms`: per hour without cries. `hours`: the length of that time.
    """
    of_clips = np.isin(windows.clip, list(annotated))
    cries, pauses = of_clips & windows.is_cry, windows.group == PAUSE
    clear = cries | pauses
    truth, infants = np.where(cries, "cry", "pause")[clear], windows.maker[clear].tolist()
    of_pauses, others = windows.maker[pauses].tolist(), np.isin(windows.source, OTHERS)
    passing = {
        name: scores >= np.quantile(scores[cries], 1 - RECALL, method="lower")
        for name, scores in detectors.items()
    }
    first = next(iter(passing.values()))[pauses].astype(float)
    rows: list[dict[str, object]] = []
    for name, passes in passing.items():
        ranks = np.stack([detectors[name], -detectors[name]], axis=1)[clear]
        shares = {
            "auc": auc_interval(ranks, truth.tolist(), infants),
            "pauses": mean_interval(passes[pauses], of_pauses, limits=(0.0, 1.0)),
        }
        if rows:
            shares["difference"] = mean_interval(
                passes[pauses] - first, of_pauses, limits=(-1.0, 1.0)
            )
        row: dict[str, object] = {"detector": name, "distractors": passes[others].mean()}
        for column, share in shares.items():
            row |= {column: share.value, f"{column}_low": share.low, f"{column}_high": share.high}
        rows.append(row | _events_found(windows.where(of_clips), passes[of_clips], annotated))
    return pd.DataFrame(rows)


def _events_found(
    windows: Windows, passing: npt.NDArray[np.bool_], annotated: Mapping[str, Sequence[Event]]
) -> dict[str, float]:
    """Return the agreement of detected with annotated cries, over all clips placed end to end."""
    detected, known, offset = [], [], 0.0
    for clip in dict.fromkeys(windows.clip.tolist()):
        of_clip = windows.clip == clip
        cries = events.joined(windows.end_s[of_clip], passing[of_clip], hop_s=STEP_S)
        heard_s = float(windows.end_s[of_clip].max())
        detected += [(start + offset, end + offset) for start, end in cries]
        known += [
            (start + offset, min(end, heard_s) + offset)
            for start, end in annotated[clip]
            if start < heard_s
        ]
        offset += heard_s + 1.0  # so that cries of different clips are never joined
    found = events.compare(detected, known)
    clips = len(set(windows.clip.tolist()))
    hours = (offset - clips - sum(end - start for start, end in known)) / 3600
    return {
        "recall": found.recall, "precision": found.precision, "met": found.met,
        "false_alarms": found.false_alarms / hours, "hours": hours,
    }  # fmt: skip


def curve(windows: Windows, scores: Scores) -> pd.DataFrame:
    """Return recall and false alarms at each threshold: columns threshold, source, passing."""
    grid = np.linspace(0, 1, 201)
    parts = [
        pd.DataFrame({"threshold": grid, "source": group, "passing": passing})
        for group, passing in _passing(windows, scores, grid).items()
    ]
    return pd.concat(parts, ignore_index=True)


def reference(name: str = "gate") -> pd.DataFrame:
    """Return a table on the shipped gate by `tools/fit_gate.py`, from `outputs/reference`.

    "gate" has the `rates`; `how` is "out of fold", "nested", "kind left out" or "without
    exclusions".
    """
    return pd.read_csv(project_dir() / "outputs" / "reference" / f"{name}.csv")


def reference_curve() -> pd.DataFrame:
    """Return the shipped gate's out-of-fold `curve` on DonateACry and the distractors."""
    return reference("gate_curve")


def reference_comparison() -> pd.DataFrame:
    """Return `compare` of the shipped gate."""
    return reference("gate_comparison")


def _windows(
    sounds: Sequence[Array],
    source: str,
    makers: Sequence[str],
    clips: Sequence[str],
    annotated: Mapping[str, Sequence[Event]] | None,
) -> Windows:
    """Return the windows of recordings: all of `annotated` ones, otherwise the loud ones."""
    parts = []
    for x, clip in zip(sounds, clips, strict=True):
        windows, end_s = cut(x)
        level = np.array([level_db(window) for window in windows])
        if annotated:
            parts.append((windows, end_s, _share_of_cry(end_s, annotated[clip]), level))
        else:
            loud = is_loud(level)
            cry = np.full(loud.sum(), 0.0 if source in OTHERS else 1.0)
            parts.append((windows[loud], end_s[loud], cry, level[loud]))
    counts = [len(part[0]) for part in parts]
    each, ends, cries, levels = map(np.concatenate, zip(*parts, strict=True))
    rows = list(thread_map(describe, list(each), what="windows"))
    return Windows(
        np.array(rows), each, np.full(len(each), source, dtype="U64"),
        np.repeat(np.asarray(makers, dtype="U64"), counts),
        np.repeat(np.asarray(clips, dtype="U128"), counts), ends, cries, levels,
    )  # fmt: skip


def _scores(gate: Gate, windows: Windows) -> Scores:
    """Return the scores of windows by `gate`, as `Gate.score` does, float64 (n,)."""
    return np.where(windows.level < FAINTEST_DB, 0.0, gate.scores(windows.x))


def _share_of_cry(end_s: Scores, cries: Sequence[Event]) -> Scores:
    """Return the share of each window of `WINDOW_S` that is cry, float64 (n,)."""
    shares = np.zeros(len(end_s))
    for onset, offset in cries:
        shares += np.clip(np.minimum(end_s, offset) - np.maximum(end_s - WINDOW_S, onset), 0, None)
    return shares / WINDOW_S


def _folds(
    windows: Windows, seed: int
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Yield (training, test), bool (n,): five folds of makers, each group in all of them."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for _, rows in splitter.split(windows.x, windows.group, windows.maker):
        test = np.zeros(len(windows), bool)
        test[rows] = True
        yield ~test, test
