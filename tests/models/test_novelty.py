"""How unlike a training's cries a sound is: by hand, and on real recordings."""

from __future__ import annotations

import numpy as np
import pytest

from cryutils import audio, load
from cryutils.models import novelty
from cryutils.models.inputs import Examples, SoundInput

OWNERS = ["a", "a", "b", "c", "c", "d"]


def windows() -> Examples:
    """Two windows of each of six recordings, 5 frames of 3 coefficients."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 5, 3)).astype(np.float32)
    x += rng.normal(size=(6, 1, 3)).repeat(2, axis=0).astype(np.float32)
    return Examples(x, np.repeat(np.arange(6), 2))


def by_hand(x: np.ndarray, others: np.ndarray) -> float:
    """How far a recording's two windows are from those of others, in deviations."""

    def row(pair: np.ndarray) -> np.ndarray:
        return np.mean([[*w.mean(axis=0), *w.std(axis=0)] for w in pair], axis=0)

    rows = np.stack([row(others[k : k + 2]) for k in range(0, len(others), 2)])
    z = (row(x) - rows.mean(axis=0)) / rows.std(axis=0)
    return float(np.sqrt(np.mean(z**2)))


def test_each_recording_is_compared_with_those_of_the_other_infants() -> None:
    examples = windows()
    stored = novelty.reference(examples, OWNERS)
    assert stored is not None
    owners = np.repeat(OWNERS, 2)
    apart = [by_hand(examples.x[2 * k : 2 * k + 2], examples.x[owners != OWNERS[k]]) for k in range(6)]
    expected = np.percentile(apart, np.arange(101))
    np.testing.assert_allclose(stored["distances"], expected, rtol=1e-5)
    sound = examples.x[:2] * 1.3
    place = np.interp(by_hand(sound, examples.x), expected, np.linspace(0, 1, 101))
    assert novelty.share(stored, sound) == pytest.approx(place, abs=1e-4)


def test_recordings_of_one_infant_or_without_windows_are_no_reference() -> None:
    assert novelty.reference(windows(), ["a"] * 6) is None
    part = Examples(windows().x[:4], np.array([0, 0, 5, 5]))
    stored = novelty.reference(part, OWNERS)
    assert stored is not None and np.isfinite(stored["mean"]).all()


def test_noise_and_tones_are_unlike_real_cries_and_those_of_other_infants_are_not(donateacry) -> None:
    corpus = load("donateacry").select(("hungry", "tired", "discomfort"))
    corpus = corpus.take(range(0, len(corpus), 3))
    hearing = SoundInput(kind="mel+mfcc", step_s=2.0)
    sounds = audio.signals(corpus, sr=hearing.sr)
    infants = np.asarray(corpus.infants)
    known = np.isin(infants, sorted(set(infants))[::2])
    learned = hearing.examples([x for x, is_in in zip(sounds, known, strict=True) if is_in])
    stored = novelty.reference(learned, infants[known])
    assert stored is not None
    rng = np.random.default_rng(0)
    t = np.arange(5 * hearing.sr) / hearing.sr
    for x in (rng.normal(0, 0.1, t.size), rng.normal(0, 0.003, t.size), np.sin(880 * np.pi * t)):
        far = novelty.share(stored, hearing.windows(x.astype(np.float32)))
        assert far == 1 and novelty.caution(far) is not None
    others = [
        novelty.share(stored, hearing.windows(x)) for x, is_in in zip(sounds, known, strict=True) if not is_in
    ]
    assert np.mean([novelty.caution(far) is not None for far in others]) < 0.1
