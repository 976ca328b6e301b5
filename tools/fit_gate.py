"""Train the cry gate that comes with the package, and measure its errors.

    python tools/fit_gate.py RECORDINGS

Uses DonateACry with published annotations of its cries (a folder `crstc` of TextGrids in
CRYUTILS_DATA_DIR, from https://github.com/PeterIsDanning/Infant-Cry-Detection-by-CRSTC, MIT
licence), synthetic cries, generated distractors, and recordings without cries: RECORDINGS has the
files that `outputs/reference/gate_sources.csv` lists (source, version, licence), as KIND/SOURCE/...,
and `FILES.csv` with the columns path, kind, folder (the source) and unit (speaker, track, animal).
Nothing is downloaded. A source whose licence forbids commercial use or changes, or is unclear, is
only tested with (column `use`). Writes `cryutils/models/gate.json`, and `gate*.csv` in
`outputs/reference`.

A window is scored by a gate that was trained without its maker: infant, speaker, track or machine.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import cryutils
from cryutils import audio
from cryutils._io.paths import data_dir, project_dir
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.evaluation.intervals import mean_interval
from cryutils.models import gate
from cryutils.models.gate import READY, SR, STEP_S, WINDOW_S, Gate

EACH, SEED = 60, 0  # recordings of each kind of distractor
SECONDS, LONGEST_S = 480, 40  # of each source, and of each of its files
NETWORKS, HIDDEN = 2, 64
FOUND, WITHIN_S = 0.95, 3.0  # share of crying episodes to detect, and how soon
MOSTLY, HARDLY = 0.5, 0.1  # share of a window: a cry from the first up, a pause below the second
STEM = 47  # characters of a TextGrid's name: the uuid, "-" and ten digits of the time
CRY, PAUSE, UNCLEAR = "cry", "pause", "unclear"
Event = tuple[float, float]  # onset and offset in s


def main() -> None:
    """Train and measure the gate, and write its file and its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", type=Path)
    home = project_dir() / "outputs" / "reference"
    sounds = pd.concat([cries(), generated(), recordings(parser.parse_args().recordings, home)])
    sounds = sounds.reset_index(drop=True)
    X = np.stack(sounds.features)
    out_of_fold = scored(X, sounds, folds(sounds))
    threshold = chosen_threshold(sounds, out_of_fold)
    networks = fit(X, sounds)
    note = f"{int(sounds.train.sum())} windows of DonateACry, recordings and generated sounds"
    READY.write_text(json.dumps({
        "note": note, "threshold": threshold,
        "networks": [[rounded(part) for part in network] for network in networks],
    }) + "\n", encoding="utf-8")  # fmt: skip
    kinds = sorted(set(sounds.kind[sounds.train]) - {CRY, PAUSE, UNCLEAR})
    apart = [(np.flatnonzero(sounds.kind != kind), np.flatnonzero(sounds.kind == kind)) for kind in kinds]
    table = pd.concat([
        rates(sounds, out_of_fold, threshold).assign(how="out of fold"),
        rates(sounds, scored(X, sounds, apart), threshold).assign(how="kind left out"),
    ])  # fmt: skip
    table.round(4).to_csv(home / "gate.csv", index=False)
    print(threshold, table.round(3), sep="\n\n")


def cries() -> pd.DataFrame:
    """Return the windows of DonateACry's annotated clips and of synthetic infants."""
    real = cryutils.load("donateacry")
    annotated = annotated_cries(real)
    made = cryutils.load("synthetic", infants=60, clips_per_infant=2, sr=SR, seed=SEED)
    parts = [
        windows_of(audio.read(clip.path, sr=SR), "donateacry", clip.infant, clip.id, annotated[clip.id])
        for clip in real if clip.id in annotated
    ]  # fmt: skip
    for clip, x in zip(made, audio.signals(made, sr=SR), strict=True):
        parts.append(windows_of(x, "synthetic", clip.infant, clip.id, [(0.0, len(x) / SR)]))
    return pd.concat(parts)


def generated() -> pd.DataFrame:
    """Return the windows of generated distractors, `EACH` recordings of 7 s per kind."""
    return pd.concat(
        windows_of(
            distractor(kind, rng=np.random.default_rng([SEED, place, k]), sr=SR),
            f"generated {kind}", f"{kind}/{k}", f"{kind}/{k}", [],
        )
        for place, kind in enumerate(KINDS) for k in range(EACH)
    )  # fmt: skip


def recordings(folder: Path, home: Path) -> pd.DataFrame:
    """Return the loud windows of recordings without cries, at most `SECONDS` of each source."""
    sources = pd.read_csv(home / "gate_sources.csv").set_index(["kind", "folder"]).use
    files = pd.read_csv(folder / "FILES.csv").sample(frac=1, random_state=SEED)
    files["turn"] = files.groupby(["kind", "folder", "unit"]).cumcount()  # each unit in turn
    files = files.sort_values("turn", kind="stable")
    spent = files.seconds.clip(upper=LONGEST_S).groupby([files.kind, files.folder]).cumsum()
    parts = []
    for file in files[spent <= SECONDS].itertuples():
        x = audio.read(folder / file.path, sr=SR)[: LONGEST_S * SR]
        part = windows_of(x, file.kind, f"{file.folder}/{file.unit}", file.path, [])
        loud = part.level >= part.level.max() - QUIETER_DB
        parts.append(part[loud].assign(train=sources[file.kind, file.folder] == "train"))
    return pd.concat(parts)


def fit(X: Any, sounds: pd.DataFrame) -> list[Any]:
    """Return the weights of `NETWORKS` networks, trained on the clear windows of training sources.

    Windows are drawn with a weight, so that cries are half of them, and a kind with four times as
    many windows as another is drawn twice as often.
    """
    clear = np.flatnonzero(sounds.train & (sounds.kind != UNCLEAR))
    part = sounds.iloc[clear]
    group = part.source.where(part.is_cry, part.kind)
    weight = 1 / np.sqrt(group.map(group.value_counts()))
    weight /= weight.groupby(part.is_cry).transform("sum")
    scaler = StandardScaler().fit(X[clear])
    networks = []
    for k in range(NETWORKS):
        rng = np.random.default_rng([SEED, k])
        drawn = rng.choice(clear, len(clear), p=weight / weight.sum())
        model = MLPClassifier(
            (HIDDEN,), alpha=1e-2, early_stopping=True, random_state=k, max_iter=60,
            learning_rate_init=2e-3, batch_size=256,
        )  # fmt: skip
        model.fit(scaler.transform(X[drawn]), sounds.is_cry.to_numpy()[drawn])
        first, last = model.coefs_[0] / scaler.scale_[:, None], model.coefs_[1][:, 0]
        networks.append(
            (first, model.intercepts_[0] - scaler.mean_ @ first, last, float(model.intercepts_[1][0]))
        )
    return networks
