"""How unlike a training's cries a sound is."""

import numpy as np

from cryutils import audio, load
from cryutils.models import novelty
from cryutils.models.inputs import Examples, SoundInput


def test_cries_of_one_infant_are_no_reference_and_a_sound_like_them_is_near() -> None:
    x = np.random.default_rng(0).normal(size=(12, 5, 3)).astype(np.float32)
    examples = Examples(x, np.repeat(np.arange(6), 2))
    assert novelty.reference(examples, ["a"] * 6) is None
    stored = novelty.reference(examples, [*"aabccd"])
    assert novelty.share(stored, x[:2]) < 0.9 and novelty.share(stored, x[:2] + 9) == 1


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
