"""Fit the cry gate that comes with the package, and measure its errors.

    python tools/fit_gate.py

Uses DonateACry with published annotations of its cries (a folder `crstc` of TextGrids in
CRYUTILS_DATA_DIR, from https://github.com/PeterIsDanning/Infant-Cry-Detection-by-CRSTC, MIT
licence), synthetic cries and generated distractors. Writes `cryutils/models/gate.json`, and
`gate*.csv` in `outputs/reference`. Run it after changing features, distractors or exclusions.

A window of a second is scored by a gate that was fitted without its maker: infant, voice, tune or
machine. Rates on generated sounds say nothing about a real home.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

import cryutils
from cryutils import audio
from cryutils._io import extras
from cryutils._io.paths import data_dir, project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.donateacry import exclusions
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.evaluation.intervals import auc_interval, mean_interval
from cryutils.models import sound_embeddings
from cryutils.models.gate import FAINTEST_DB, READY, SR, WINDOW_S, describe, level_db

EACH, SEED = 120, 0  # recordings of each kind of distractor
STEP_S = 0.5
QUIETER_DB = 20.0  # below the recording's loudest window; quieter ones are pauses between cries
RECALL, FALSE_ALARM = 0.95, 0.05  # required of a gate: at least, at most
MOSTLY, HARDLY = 0.5, 0.1  # share of a window: a cry from the first up, a pause below the second
STEM = 47  # characters of a TextGrid's name: the uuid, "-" and ten digits of the time
PAUSE = "pause"
Event = tuple[float, float]  # onset and offset in s


def main() -> None:
    """Fit and measure the gate, and write its file and its tables."""
    real, home = cryutils.load("donateacry"), project_dir() / "outputs" / "reference"
    cries = annotated_cries(real)
    made = cryutils.load("synthetic", infants=60, clips_per_infant=2, sr=SR, seed=SEED)
    annotated = real.where(lambda clip: clip.id in cries)
    windows = pd.concat([of_corpus(annotated, cries), of_corpus(made, {}), distractors()])
    windows = windows.reset_index(drop=True)
    X = np.array([describe(sound) for sound in windows.sound])
    scores = scored(X, windows, folds(X, windows))
    threshold = chosen_threshold(windows, scores)
    coefficients, intercept = fit(X, windows)
    stored = {
        "note": f"{len(windows)} windows of DonateACry, synthetic cries and generated distractors",
        "threshold": threshold, "intercept": intercept,
        "coefficients": [float(f"{value:.6g}") for value in coefficients],
    }  # fmt: skip
    READY.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    sources = windows.source.to_numpy()
    kinds = [(np.flatnonzero(sources != kind), np.flatnonzero(sources == kind)) for kind in KINDS]
    thresholds = np.empty(len(windows))  # each chosen on the training part of a fold
    for train, test in folds(X, windows):
        part = windows.iloc[train]
        inner = scored(X[train], part, folds(X[train], part))
        thresholds[test] = chosen_threshold(part, inner)
    clean = ~windows["clip"].isin(list(exclusions())) & windows.is_cry
    table = pd.concat([
        rates(windows, scores, threshold).assign(how="out of fold"),
        rates(windows, scores, thresholds).assign(how="nested"),
        rates(windows, scored(X, windows, kinds), threshold).assign(how="kind left out"),
        rates(windows[clean], scores[clean], threshold).assign(how="without exclusions"),
    ])  # fmt: skip
    columns = ["how", "metric", "condition", "value", "low", "high", "n", "n_infants"]
    table[columns].round(4).to_csv(home / "gate.csv", index=False)
    is_real, grid = sources != "synthetic", np.linspace(0, 1, 201)
    curve = passing_shares(windows[is_real], scores[is_real], grid)
    long = pd.DataFrame(curve).assign(threshold=grid).melt(
        "threshold", var_name="source", value_name="passing"
    )  # fmt: skip
    long.round(4).to_csv(home / "gate_curve.csv", index=False)
    detectors = {"gate": scores, "level meter": windows.level.to_numpy()}
    if extras.is_installed("pyopen_wakeword"):  # the same classifier on a pretrained network
        speech = sound_embeddings.speech(list(windows.sound), sr=SR).astype(np.float64)
        detectors["speech embedding"] = scored(speech, windows, folds(speech, windows))
    comparison = compare(windows, detectors, cries).round(4)
    comparison.to_csv(home / "gate_comparison.csv", index=False)
    print(f"threshold {threshold}", table[columns].round(3), comparison.T, sep="\n\n")


def annotated_cries(corpus: Corpus) -> dict[str, list[Event]]:
    """Return the annotated cries of DonateACry's clips by clip id."""
    home = data_dir()
    if home is None or not (home / "crstc").is_dir():
        raise SystemExit("CRYUTILS_DATA_DIR has no folder crstc with the annotations.")
    files = {path.stem.lower(): path for path in (home / "crstc").glob("*.TextGrid")}
    cries = {}
    for clip in corpus:
        if path := files.get(clip.path.name.lower()[:STEM]):
            text = path.read_text(encoding="utf-8")
            found = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "cry"', text)
            cries[clip.id] = [(float(onset), float(offset)) for onset, offset in found]
    return cries


def of_corpus(corpus: Corpus, annotated: dict[str, list[Event]]) -> pd.DataFrame:
    """Return windows of a corpus; without annotations the loud ones, which all count as cries."""
    sounds = zip(corpus, audio.signals(corpus, sr=SR), strict=True)
    return pd.concat(
        [windows_of(x, corpus.name, c.infant, c.id, annotated.get(c.id)) for c, x in sounds]
    )


def distractors() -> pd.DataFrame:
    """Return the loud windows of generated distractors, `EACH` recordings of 7 s per kind."""
    return pd.concat(
        windows_of(
            distractor(kind, rng=np.random.default_rng([SEED, place, k]), sr=SR),
            kind, f"{kind}/{k}", f"{kind}/{k}",
        )
        for place, kind in enumerate(KINDS) for k in range(EACH)
    )  # fmt: skip


def windows_of(
    x: Any, source: str, maker: str, clip: str, cries: Sequence[Event] | None = None
) -> pd.DataFrame:
    """Return a row for each window of a recording: all of an annotated one, else the loud ones.

    `group` is the source, "pause", or "" for windows with too little cry to be one and too much to
    be a pause: a gate is neither fitted on them nor judged by them.
    """
    size, hop = round(WINDOW_S * SR), round(STEP_S * SR)
    sounds = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    end_s = (np.arange(len(sounds)) * hop + size) / SR
    level = np.array([level_db(sound) for sound in sounds])
    if cries is None:
        kept = (level >= FAINTEST_DB) & (level >= level.max() - QUIETER_DB)
        cry = np.full(len(sounds), 0.0 if source in KINDS else 1.0)
    else:
        kept, cry = np.full(len(sounds), True), np.zeros(len(sounds))
        for onset, offset in cries:
            shared = np.minimum(end_s, offset) - np.maximum(end_s - WINDOW_S, onset)
            cry += np.clip(shared, 0, None) / WINDOW_S
    is_cry, unclear = cry >= MOSTLY, (cry >= HARDLY) & (cry < MOSTLY)
    group = np.where((cry < HARDLY) & (source not in KINDS), PAUSE, np.where(unclear, "", source))
    table = pd.DataFrame({"sound": list(sounds), "end_s": end_s, "level": level, "is_cry": is_cry})
    return table.assign(group=group, source=source, maker=maker, clip=clip)[kept]


def fit(X: Any, windows: pd.DataFrame) -> tuple[Any, float]:
    """Return coefficients and intercept of a logistic regression on the clear windows."""
    clear = (windows.group != "").to_numpy()
    scaler = StandardScaler().fit(X[clear])
    model = LogisticRegression(class_weight="balanced", max_iter=3000)
    model.fit(scaler.transform(X[clear]), windows.is_cry[clear])
    coefficients = model.coef_[0] / scaler.scale_
    return coefficients, float(model.intercept_[0] - coefficients @ scaler.mean_)


def folds(X: Any, windows: pd.DataFrame) -> list[tuple[Any, Any]]:
    """Return (train, test) of five folds of makers."""
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=SEED)
    return list(splitter.split(X, windows.group, windows.maker))


def scored(X: Any, windows: pd.DataFrame, divisions: list[tuple[Any, Any]]) -> Any:
    """Return the scores of the test rows by gates fitted on training rows, NaN for others."""
    scores, silent = np.full(len(windows), np.nan), windows.level.to_numpy() < FAINTEST_DB
    for train, test in divisions:
        coefficients, intercept = fit(X[train], windows.iloc[train])
        logits = np.clip(X[test] @ coefficients + intercept, -50, 50)
        scores[test] = np.where(silent[test], 0.0, 1 / (1 + np.exp(-logits)))
    return scores


def chosen_threshold(windows: pd.DataFrame, scores: Any) -> float:
    """Return the threshold whose smallest margin is largest; nothing is required of pauses."""
    grid = np.arange(1, 100) / 100
    margins = [
        FALSE_ALARM - passing if group in KINDS else passing - RECALL
        for group, passing in passing_shares(windows, scores, grid).items()
        if group != PAUSE
    ]
    return float(grid[np.min(margins, axis=0).argmax()])


def passing_shares(windows: pd.DataFrame, scores: Any, grid: Any) -> dict[str, Any]:
    """Return the share of each group's windows that pass at each threshold of `grid`."""
    groups = windows.group.to_numpy()
    names = dict.fromkeys(groups[groups != ""])
    return {name: (scores[groups == name][:, None] >= grid).mean(axis=0) for name in names}


def rates(windows: pd.DataFrame, scores: Any, threshold: Any) -> pd.DataFrame:
    """Return the share of each group's windows that pass, with its interval over makers."""
    passing = windows.assign(passing=np.where(np.isnan(scores), np.nan, scores >= threshold))
    rows = []
    for group, part in passing[np.isfinite(scores)].groupby("group", sort=False):
        if group:
            share = mean_interval(part.passing, part.maker.tolist(), limits=(0.0, 1.0))
            metric = "recall" if part.is_cry.iloc[0] else "false_alarm"
            rows.append({"condition": group, "metric": metric, **share.row()})
    return pd.DataFrame(rows)


def compare(
    windows: pd.DataFrame, detectors: dict[str, Any], annotated: dict[str, list[Event]]
) -> pd.DataFrame:
    """Return how well detectors find annotated cries, each at the threshold that 95 % pass.

    auc: of cries against pauses. pauses, distractors: share that passes. difference: of pauses,
    minus the first detector's.
    """
    of_clips = windows["clip"].isin(list(annotated)).to_numpy()
    cries = of_clips & windows.is_cry.to_numpy()
    pauses = (windows.group == PAUSE).to_numpy()
    clear, others = cries | pauses, windows.source.isin(list(KINDS)).to_numpy()
    truth = np.where(cries, "cry", "pause")[clear].tolist()
    makers, of_pauses = windows.maker[clear].tolist(), windows.maker[pauses].tolist()
    rows: list[dict[str, Any]] = []
    for name, scores in detectors.items():
        passes = scores >= np.quantile(scores[cries], 1 - RECALL, method="lower")
        ranks = np.stack([scores, -scores], axis=1)[clear]
        shares = {
            "auc": auc_interval(ranks, truth, makers),
            "pauses": mean_interval(passes[pauses], of_pauses, limits=(0.0, 1.0)),
        }
        if not rows:
            first = passes[pauses].astype(float)
        else:
            difference = passes[pauses] - first
            shares["difference"] = mean_interval(difference, of_pauses, limits=(-1.0, 1.0))
        row = {"detector": name, "distractors": passes[others].mean()}
        for column, share in shares.items():
            row |= {column: share.value, f"{column}_low": share.low, f"{column}_high": share.high}
        rows.append(row | agreement(windows[of_clips].assign(passes=passes[of_clips]), annotated))
    return pd.DataFrame(rows)


def agreement(windows: pd.DataFrame, annotated: dict[str, list[Event]]) -> dict[str, float]:
    """Return the agreement of detected with annotated cries over all clips.

    A passing window detects a cry in its last half second. met: share of annotated cries detected
    in part. false_alarms: detected cries without annotated time, per hour without cries.
    """
    shared = detected_s = known_s = free_s = 0.0
    met, false_alarms = [], 0
    for clip, part in windows.groupby("clip", sort=False):
        heard_s = part.end_s.max()
        cries = [(on, min(off, heard_s)) for on, off in annotated[str(clip)] if on < heard_s]
        known = union(cries)
        detected = union([(end - STEP_S, end) for end in part.end_s[part.passes]], STEP_S / 100)
        overlap = [[max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for b in known] for a in detected]
        shared += sum(map(sum, overlap))
        met += [any(row[k] > 0 for row in overlap) for k in range(len(known))]
        false_alarms += sum(not any(row) for row in overlap)
        detected_s += sum(off - on for on, off in detected)
        known_s += sum(off - on for on, off in known)
        free_s += heard_s - sum(off - on for on, off in cries)
    return {
        "recall": shared / known_s, "precision": shared / detected_s, "met": float(np.mean(met)),
        "false_alarms": false_alarms / (free_s / 3600), "hours": free_s / 3600,
    }  # fmt: skip


def union(events: Sequence[Event], apart_s: float = 0.0) -> list[Event]:
    """Return events in order, merged if at most `apart_s` apart."""
    merged: list[Event] = []
    for onset, offset in sorted(events):
        if merged and onset - merged[-1][1] <= apart_s:
            merged[-1] = (merged[-1][0], max(merged[-1][1], offset))
        else:
            merged.append((onset, offset))
    return merged


if __name__ == "__main__":
    main()
