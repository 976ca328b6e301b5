"""Table 2 under many recipes: what is certain is certain in each, and a copy of a clip leaks."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils.datasets.corpus import Clip, Corpus
from cryutils.models.classical import CLASSIFIERS
from cryutils.models.inputs import CLIP_SCALINGS
from cryutils.papers import multiverse

SR = 4000
CLASSICAL = [name for name in CLASSIFIERS if name != "dnn"]
SETTINGS = {
    "stft": {"n_fft": 128, "hop_length": 64},
    "mfcc": {"n_fft": 128, "hop_length": 64, "n_mels": 20, "n_mfcc": 5},
}


def corpus_of_tones(folder: Path, pitches: dict[str, list[float]], infants: int) -> Corpus:
    """Return a corpus of noisy tones, one pitch in Hz a clip, the infants in turn."""
    rng = np.random.default_rng(0)
    clips = []
    for label, row in pitches.items():
        for k, pitch in enumerate(row):
            path = folder / f"{label}{k}.wav"
            x = np.sin(2 * np.pi * pitch * np.arange(SR // 2) / SR) + rng.normal(0, 0.05, SR // 2)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, SR, len(x), "NONE", ""))
                file.writeframes((x * 8000).astype("<i2").tobytes())
            who = f"{label}-{k % infants}"
            clips.append(Clip(path.stem, path, label, who, f"{who}/1", None, 0.5, True, False))
    return Corpus(clips, name="made", note="")


@pytest.fixture
def two_pitches(apart: Path) -> Corpus:
    return corpus_of_tones(apart, {"hungry": [400.0] * 10, "tired": [1200.0] * 10}, infants=5)


def test_every_recipe_hears_what_cannot_be_missed(two_pitches: Corpus) -> None:
    counts = {"hungry": 9, "tired": 9}
    table = multiverse.table2(
        two_pitches, counts, SETTINGS, CLASSICAL, sr=SR, scalings=CLIP_SCALINGS, draws=1
    )
    cells = len(SETTINGS) * len(CLASSICAL) * len(CLIP_SCALINGS) * len(multiverse.COPIES)
    assert len(table) == 2 * cells  # splits
    assert set(table.classifier) == set(CLASSICAL)
    # A tree may take another feature that tells a dozen clips apart by chance.
    assert (table[table.classifier != "dt"].accuracy == 1).all()


def test_a_clip_that_is_drawn_twice_is_on_both_sides_unless_infants_are_whole(apart: Path) -> None:
    rng = np.random.default_rng(1)
    pitches = {label: list(rng.uniform(300, 1800, 8)) for label in ("hungry", "tired")}
    corpus = corpus_of_tones(apart, pitches, infants=8)
    settings = {"scalings": ["signal", "none"], "draws": 8, "sr": SR}
    once = multiverse.table2(
        corpus, dict.fromkeys(pitches, 8), SETTINGS, ["dt"],
        copies={"8": None, "copied": 24}, **settings,
    )  # fmt: skip
    again = multiverse.table2(
        corpus, dict.fromkeys(pitches, 24), SETTINGS, ["dt"], copies={"24": None}, **settings
    )
    for score in multiverse.SCORES:
        tree = pd.concat([once, again]).groupby(["clips", "split"])[score].mean()
        for twice in ("24", "copied"):
            assert tree[twice, "random"] > 0.9
            assert tree[twice, "leak_free"] < 0.7
        assert abs(tree["8", "random"] - 0.5) < 0.2


def test_shares_count_the_draws_that_reach_the_published_figure() -> None:
    """Two recipes of three draws; of these 1 and 3 reach two thirds, printed as 0.6667."""
    table = pd.DataFrame({
        "feature": "mfcc", "classifier": "svm", "split": "random",
        "scaling": ["signal"] * 3 + ["none"] * 3, "clips": "76",
        "accuracy": [0.5, 2 / 3, 0.4, 0.7, 0.8, 0.9], "macro_recall": 0.5,
    })  # fmt: skip
    (row,) = multiverse.shares_above(table, {"mfcc.svm": 0.6667}).itertuples()
    assert row.share == pytest.approx(4 / 6)
    assert row.recipes == 1.0
    assert (row.lowest, row.highest) == (0.4, 0.9)
    (row,) = multiverse.shares_above(table, {"mfcc.svm": 0.75}).itertuples()
    assert row.share == pytest.approx(2 / 6)
    assert row.recipes == 0.5
    assert np.isnan(multiverse.shares_above(table, {}).share).all()
    (row,) = multiverse.shares_above(table, {"mfcc.svm": 0.75}, score="macro_recall").itertuples()
    assert row.share == 0 and row.highest == 0.5
