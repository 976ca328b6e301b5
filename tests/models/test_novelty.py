"""How unlike a training's cries a sound is: by hand, and on real recordings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cryutils import audio, load
from cryutils.models.inputs import Examples, SoundInput
from cryutils.models.novelty import Reference, caution

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
    reference = Reference.of(examples, OWNERS)
    assert reference is not None
    owners = np.repeat(OWNERS, 2)
    apart = [
        by_hand(examples.x[2 * k : 2 * k + 2], examples.x[owners != OWNERS[k]]) for k in range(6)
    ]
    np.testing.assert_allclose(reference.distances, np.percentile(apart, np.arange(101)), rtol=1e-5)
    sound = windows().x[:2] * 1.3
    place = np.interp(by_hand(sound, examples.x), reference.distances, np.linspace(0, 1, 101))
    assert reference.share(sound) == pytest.approx(place, abs=1e-4)


def test_it_comes_back_from_json() -> None:
    reference = Reference.of(windows(), OWNERS)
    assert reference is not None
    back = Reference.from_json(json.loads(json.dumps(reference.as_json())))
    assert back is not None
    for sound in (windows().x[:3], windows().x * 4, np.zeros((1, 5, 3), np.float32)):
        assert back.share(sound) == pytest.approx(reference.share(sound), abs=1e-3)
    assert Reference.from_json(None) is None


def test_recordings_of_one_infant_or_without_windows_are_no_reference() -> None:
    assert Reference.of(windows(), ["a"] * 6) is None
    part = Examples(windows().x[:4], np.array([0, 0, 5, 5]))
    reference = Reference.of(part, OWNERS)
    assert reference is not None and np.isfinite(reference.mean).all()


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, None), (0.5, None), (0.98, None),
        (0.99, "unlike the training cries: farther from them than 99% of them are from the rest"),
        (0.999, "unlike the training cries: farther from them than 99% of them are from the rest"),
        (1.0, "unlike the training cries: farther from them than any of them is from the rest"),
    ],
)  # fmt: skip
def test_only_a_sound_at_the_end_of_the_scale_is_remarked_on(share, words) -> None:
    assert caution(share) == words


@pytest.mark.parametrize("kind", ["mel", "mel+mfcc"])
def test_noise_and_tones_are_unlike_real_cries_and_those_of_other_infants_are_not(
    kind, donateacry
) -> None:
    corpus = load("donateacry").among(("hungry", "tired", "discomfort"))
    corpus = corpus.take(range(0, len(corpus), 3))
    hearing = SoundInput(kind=kind, step_s=2.0)
    sounds = audio.signals(corpus, sr=hearing.sr)
    infants = np.asarray(corpus.infants)
    in_reference = np.isin(infants, sorted(set(infants))[::2])
    learned = hearing.examples([x for x, is_in in zip(sounds, in_reference, strict=True) if is_in])
    reference = Reference.of(learned, infants[in_reference])
    assert reference is not None
    rng = np.random.default_rng(0)
    t = np.arange(5 * hearing.sr) / hearing.sr
    for x in (
        rng.normal(0, 0.1, t.size), rng.normal(0, 0.003, t.size), 0.5 * np.sin(880 * np.pi * t),
        np.sign(np.sin(100 * np.pi * t)), (rng.random(t.size) < 5e-4).astype(float),
    ):  # fmt: skip
        assert reference.share(hearing.windows(x.astype(np.float32))) == 1
    strangers = [
        reference.share(hearing.windows(x))
        for x, is_in in zip(sounds, in_reference, strict=True)
        if not is_in
    ]
    assert len(strangers) > 40
    assert np.mean([caution(share) is not None for share in strangers]) < 0.1
