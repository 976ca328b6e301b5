"""Table 2 under many recipes: what is certain is certain in each, and a copy of a clip leaks."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils import audio
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.models.classical import CLASSIFIERS
from cryutils.models.inputs import CLIP_SCALINGS, SUMMARIES
from cryutils.papers import multiverse
from cryutils.papers.multiverse import Selection

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
    sizes = {"9 + 9": Selection({"hungry": 9, "tired": 9})}
    table = multiverse.table2(
        two_pitches, sizes, multiverse.recipes(SETTINGS), CLASSICAL, sr=SR, draws=1
    )
    cells = len(SETTINGS) * len(CLASSICAL) * len(CLIP_SCALINGS) * len(SUMMARIES)
    assert len(table) == 2 * cells  # protocols
    assert set(table.classifier) == set(CLASSICAL)
    # A tree may take another feature that tells a dozen clips apart by chance.
    assert (table[table.classifier != "dt"].accuracy == 1).all()


def test_a_clip_that_is_drawn_twice_is_on_both_sides_unless_infants_are_whole(apart: Path) -> None:
    rng = np.random.default_rng(1)
    pitches = {label: list(rng.uniform(300, 1800, 8)) for label in ("hungry", "tired")}
    corpus = corpus_of_tones(apart, pitches, infants=8)
    drawn = Selection(dict.fromkeys(pitches, 8))
    sizes = {"8": drawn, "24": Selection(dict.fromkeys(pitches, 24)),
             "copied": replace(drawn, copied_to=24)}  # fmt: skip
    recipes = multiverse.recipes(SETTINGS, scalings=["signal", "none"])
    table = multiverse.table2(corpus, sizes, recipes, ["dt"], sr=SR, draws=8)
    for score in multiverse.SCORES:
        tree = table[table.classifier == "dt"].groupby(["clips", "split"])[score].mean()
        for twice in ("24", "copied"):
            assert tree[twice, "clip"] > 0.9
            assert tree[twice, "infant"] < 0.7
        assert abs(tree["8", "clip"] - 0.5) < 0.2


def test_copies_and_windows_go_with_their_clips_and_none_is_copied_more_often(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pitches = {"hungry": [400.0] * 6, "tired": [1200.0] * 4}
    corpus = corpus_of_tones(apart, pitches, infants=2)
    counts = {"hungry": 5, "tired": 4}
    monkeypatch.setattr(multiverse, "WINDOW_S", 0.2)  # two windows in half a second
    copies, augmented, windows = (
        Selection(counts, copied_to=11), Selection(counts, copied_to=11, augmented=True),
        Selection(counts, windows=True),
    )  # fmt: skip
    pool = multiverse._Pool.of(corpus, [copies, augmented, windows], SR)
    assert len(pool.clips) == 10 * (1 + multiverse.AUGMENTED + 2)
    assert pool.clips.infants.tolist() == corpus.infants[pool.parent].tolist()
    for selection, kinds in (
        (copies, {"clip"}), (augmented, {"clip", "augmented"}), (windows, {"window"}),
    ):  # fmt: skip
        ((train, test),) = multiverse._holdouts(pool, selection, Split.CLIP, 1, 0.3, 0)
        both = np.concatenate([train, test])
        assert set(pool.kind[both]) == kinds
        times = pd.Series(pool.parent[both]).value_counts()
        if selection.windows:
            assert set(times) == {2} and len(times) == 9
            continue
        assert pd.Series(pool.clips.labels[both]).value_counts().to_dict() == {
            "hungry": 11, "tired": 11,
        }  # fmt: skip
        for label, n in counts.items():
            mine = times[corpus.labels[times.index] == label]
            assert len(mine) == n and mine.max() - mine.min() <= 1
        train, test = multiverse._holdouts(pool, selection, Split.INFANT, 1, 0.3, 0)[0]
        assert not set(pool.clips.infants[train]) & set(pool.clips.infants[test])


def test_an_augmented_copy_is_its_clip_shifted_with_noise_and_windows_join_to_their_clip(
    apart: Path,
) -> None:
    (clip,) = corpus_of_tones(apart, {"hungry": [400.0]}, infants=1)
    x = audio.read(clip.path)
    for copy in multiverse._augmented(x, 0):
        # The best of all circular shifts leaves the noise, 20 dB below the sound.
        products = np.fft.irfft(np.fft.rfft(copy) * np.conj(np.fft.rfft(x)), len(x))
        shift = int(products.argmax())
        noise = copy - np.roll(x, shift)
        assert 10 * np.log10(np.mean(x**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.01)
        assert min(shift, len(x) - shift) <= len(x) / 4
    np.testing.assert_array_equal(np.concatenate([*multiverse._windows(x, SR)]), x)


def test_what_is_done_is_not_done_again(
    two_pitches: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"6 + 6": Selection({"hungry": 6, "tired": 6})}
    stft = {"stft": SETTINGS["stft"]}
    one = multiverse.recipes(stft, scalings=["none"], summaries=["mean"])
    first = multiverse.table2(two_pitches, sizes, one, sr=SR, draws=1, seed=3)
    assert set(first.classifier) == set(CLASSIFIERS)  # the network, too
    monkeypatch.setattr(multiverse, "fit_and_predict", None)
    again = multiverse.table2(two_pitches, sizes, one, sr=SR, draws=1, seed=3)
    pd.testing.assert_frame_equal(first, again)


def test_a_class_that_cannot_be_divided_is_named(two_pitches: Corpus) -> None:
    with pytest.raises(InputError, match="'tired'"):
        one = {"6 + 1": Selection({"hungry": 6, "tired": 1})}
        multiverse.table2(two_pitches, one, multiverse.recipes(SETTINGS), sr=SR, draws=1)


def test_shares_count_the_draws_that_reach_the_published_figure() -> None:
    """Two recipes of three draws; of these 1 and 3 reach two thirds, printed as 0.6667."""
    table = pd.DataFrame({
        "feature": "mfcc", "classifier": "svm", "split": "clip",
        "scaling": ["signal"] * 3 + ["none"] * 3, "summary": "mean", "clips": "76",
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
