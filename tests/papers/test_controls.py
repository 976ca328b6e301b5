"""The controls that every result of Paper B stands on: all to learn, and nothing to learn.

At `signal=1` both networks must read the state of infants that they have never met, and fusion
must not be shown to lose; at `signal=0` the leak-free test must not find what isn't there.
"""

from __future__ import annotations

from pathlib import Path

from sizes import large

import cryutils
from cryutils import audio, video
from cryutils.models import cry2, image, training
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.papers import pairs, recognition


@large
def test_at_full_signal_both_networks_know_new_infants_and_fusion_is_not_shown_to_lose(
    apart: Path,
) -> None:
    corpus = cryutils.load(
        "synthetic", video=True, classes=list(recognition.STATES), signal=1.0, identity=1.0,
        infants=24, clips_per_infant=5, duration_s=4.0, fps=2, size=128, seed=1,
    )  # fmt: skip
    hearing, seeing = SoundInput(kind="mel+mfcc"), FaceInput(fps=2, size=48, limit=4)
    examples = {
        "audio": hearing.examples(audio.signals(corpus, sr=8000)),
        "image": seeing.examples(video.crops(corpus, fps=2, size=48, limit=4)),
    }
    build = {
        "audio": lambda s: cry2.build(hearing.shape, 4, learning_rate=s.learning_rate),
        "image": lambda s: image.build(seeing.shape, 4, learning_rate=s.learning_rate),
    }
    settings = training.Settings(epochs=20, learning_rate=3e-3, seed=1)
    pair = pairs.train(build, examples, corpus, split="leak_free", n_folds=3, settings=settings)
    scored = pair.scored()
    scores = {k: s.scores.balanced_accuracy for k, s in scored.items()}
    # The image network scores between 0.76 and 0.87 by its seed alone, so what is asked
    # for is the interval: twice what guessing gets.
    for name in ("audio", "image"):
        low = scored[name].interval().low
        assert low is not None and low > 0.5, (name, scores)
    best = max(("audio", "image"), key=lambda k: scores[k])
    gain = scored["fused"].minus(scored[best])
    assert gain.high is not None and gain.high >= 0, (scores, gain)
