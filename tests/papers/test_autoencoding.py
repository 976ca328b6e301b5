"""Paper A's submodel for sound from recordings to scores, and the noise that it removes."""

from __future__ import annotations

from dataclasses import replace

import made_corpus
import numpy as np
import pytest

from cryutils.evaluation import Split
from cryutils.models import autoencoders
from cryutils.models.inputs import SoundInput
from cryutils.papers import autoencoding

SR = 4000
SILENT = 5


def tones() -> list[np.ndarray]:
    """One second of each of 24 clips, with another pitch for each state; one is silent."""
    rng = np.random.default_rng(0)
    t = np.arange(SR) / SR
    pitch = [400 + 300 * (k % 2) + rng.uniform(-30, 30) for k in range(24)]
    loud = np.sin(2 * np.pi * 3 * t) > 0
    sounds = [(0.3 * loud * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in pitch]
    sounds[SILENT] = np.zeros(SR, np.float32)
    return sounds


@pytest.fixture(scope="module", name="study")
def small(brief: None):
    labels = [("hungry", "sleepy")[k % 2] for k in range(24)]
    corpus = made_corpus.corpus(labels, [f"i{k // 4}" for k in range(24)])
    shape = {"sr": SR, "n_fft": 64, "hop_length": 32, "n_mels": 12, "n_mfcc": 8, "window_s": 0.5}
    hearing = {
        kind: SoundInput(kind=kind, step_s=0.5, scaling="recording", **shape)
        for kind in ("mfcc", "stft")
    }
    return autoencoding.Study(
        corpus=corpus, sounds=tones(), hearing=hearing, patch=4, n_folds=2,
        autoencoder=replace(autoencoders.sized(4, hidden=8), epochs=2),
        dnn=replace(autoencoders.DNN, epochs=3),
    )  # fmt: skip


def test_divisions_keep_infants_apart_and_cover_all_clips(study) -> None:
    divisions = study.divisions()
    infants = study.corpus.infants
    for train, stop, test, _ in divisions:
        for one, other in ((train, stop), (train, test), (stop, test)):
            assert not {*infants[one]} & {*infants[other]}
    tested = np.concatenate([division.test for division in divisions])
    assert sorted(tested) == list(range(24))
    assert SILENT not in study.usable
    assert study.example_clip == divisions[0][2][0]


def test_errors_are_of_every_size_and_pca_of_full_size_is_exact(study) -> None:
    errors = study.bottleneck_errors([2, 32])
    assert len(errors) == 2 * 3 * 2 and set(errors["size"]) == {2, 4, 32}
    table = errors.set_index(["feature", "model", "size"]).error
    assert table["mfcc", "pca", 32] < 1e-4, "a patch of MFCC has 32 numbers"
    assert table["mfcc", "pca", 2] > table["mfcc", "pca", 4]
    assert study.sized("mfcc", 2).settings.units == (8, 2, 8)


def test_an_example_is_a_window_its_code_and_its_reconstruction(study) -> None:
    for kind, (window, code, back) in study.example().items():
        frames = 4 * (study.hearing[kind].frames // 4)
        assert window.shape == back.shape == (frames, study.hearing[kind].shape[1])
        assert code.shape == (frames // 4, 4)


def test_every_way_and_svm_are_scored_on_the_same_folds(study) -> None:
    result = study.cross_validate(["random", "leak_free", "largest_codes"])
    assert set(result.first) == {
        (kind, way) for kind in study.hearing for way in ("random", "leak_free", "largest_codes")
    }
    assert result.first["mfcc", "leak_free"].codes.shape[2] == 8
    assert result.first["mfcc", "largest_codes"].codes.shape[2] == 4
    for (_, _, way), scored in result.scored.items():
        assert scored.split == autoencoding.WAYS[way][1]
        assert scored.predicted[0, SILENT] == -1
        assert scored.folds is study.folds[Split(scored.split)] or way == "leak_free"
    assert result.scored["mfcc", "svm", "random"].scores.accuracy > 0.8, "pitch tells the states"
    assert list(result.table().index) == [
        "MFCC: AE+DNN", "MFCC: SVM on clips", "MFCC: SVM on windows",
        "STFT: AE+DNN", "STFT: SVM on clips", "STFT: SVM on windows",
    ]  # fmt: skip
    assert set(result.commonest) == {Split.RANDOM, Split.LEAK_FREE}
