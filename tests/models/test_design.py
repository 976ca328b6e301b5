"""Features that know their training set: scaled by it alone, computed once, as librosa has them."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.models.design import FoldFeatures

SR = 8000
SETTINGS = {"n_fft": 512, "hop_length": 256, "n_mfcc": 13}


@pytest.fixture
def corpus(apart, sound) -> Corpus:
    """Six sounds of different loudness; the loudest is the fourth."""
    clips = []
    for i, gain in enumerate((0.3, 0.5, 0.4, 1.0, 0.2, 0.6)):
        path = sound(apart / f"{i}.wav", sr=SR, seconds=0.4 + 0.1 * (i % 3), seed=i)
        x = np.frombuffer(path.read_bytes()[44:], "<i2")
        path.write_bytes(path.read_bytes()[:44] + (x * gain).astype("<i2").tobytes())
        clips.append(Clip(f"{i}", path, "tired", f"{i}", f"{i}/1", None, len(x) / SR, True, False))
    return Corpus(clips, name="made", note="")


def features(corpus: Corpus, **options) -> FoldFeatures:
    return FoldFeatures(corpus, "mfcc", SR, settings=SETTINGS, **options)


@pytest.mark.parametrize("scaling", ["signal", "none"])
def test_a_row_is_mean_and_deviation_of_librosas_mfcc(corpus, scaling) -> None:
    train = np.array([0, 1, 2])
    table = features(corpus, scaling=scaling)(train)
    signals = [librosa.load(clip.path, sr=SR)[0] for clip in corpus]
    low = min(signals[i].min() for i in train)
    high = max(signals[i].max() for i in train)
    for row, x in zip(table, signals, strict=True):
        if scaling == "signal":
            x = (x - low) / (high - low)
        mfcc = librosa.feature.mfcc(y=x, sr=SR, **SETTINGS)
        wanted = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])
        np.testing.assert_allclose(row, wanted, atol=2e-3, rtol=1e-4)
    assert table.dtype == np.float32
    assert table.shape == (6, 26)


def test_test_clips_do_not_move_the_features_of_others(corpus) -> None:
    """The loudest clip is on the test side; without it in the corpus nothing changes."""
    train = np.array([0, 1, 2])
    others = [0, 1, 2, 4, 5]
    whole = features(corpus)(train)[others]
    without = features(corpus.take(others))(train)
    np.testing.assert_array_equal(whole, without)


def test_training_sets_with_equal_extremes_share_one_matrix(corpus) -> None:
    made = features(corpus)
    first = made(np.array([0, 3]))
    assert made(np.array([1, 2, 3, 5])) is first
    assert not np.array_equal(made(np.array([0, 1])), first)


@pytest.mark.parametrize("scaling", ["features", "none"])
def test_without_scaling_the_signal_no_training_set_matters(corpus, scaling) -> None:
    made = features(corpus, scaling=scaling)
    assert made(np.array([0])) is made(np.array([3, 4]))
    plain = features(corpus, scaling="none")(np.array([0]))
    np.testing.assert_array_equal(made(np.array([0])), plain)


def test_an_unknown_scaling_or_kind_is_a_near_miss(corpus) -> None:
    with pytest.raises(InputError, match=r"no scaling 'signals'. Did you mean signal\?"):
        features(corpus, scaling="signals")
    with pytest.raises(InputError, match="Did you mean mfcc"):
        FoldFeatures(corpus, "mfc", SR)(np.array([0, 1]))
