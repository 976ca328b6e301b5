"""The controls that every result of Paper B stands on: all to learn, and nothing to learn.

At `signal=1` both networks must read the state of infants that they have never met, and fusion
must not be shown to lose; at `signal=0` the leak-free test must not find what isn't there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from sizes import large

import cryutils
from cryutils import audio, evaluation, video
from cryutils.models import cry2, image, training
from cryutils.models.inputs import PictureInput, SoundInput
from cryutils.studies import recognition


@large
def test_at_full_signal_both_networks_know_new_infants_and_fusion_is_not_shown_to_lose(apart: Path) -> None:
    corpus = cryutils.load(
        "synthetic",
        video=True,
        classes=list(recognition.STATES),
        signal=1.0,
        identity=1.0,
        infants=24,
        clips_per_infant=5,
        duration_s=4.0,
        fps=2,
        size=128,
        seed=1,
    )
    hearing, seeing = SoundInput(kind="mel+mfcc"), PictureInput(fps=2, size=48, limit=4)
    examples = {
        "audio": hearing.examples(audio.signals(corpus, sr=8000)),
        "image": seeing.examples(video.crops(corpus, fps=2, size=48, limit=4)),
    }
    build = {
        "audio": lambda rows: cry2.adapt(cry2.build(hearing.shape, 4, learning_rate=3e-3), rows),
        "image": lambda _: image.build(seeing.shape, 4, learning_rate=3e-3),
    }
    settings = training.Settings(epochs=20, seed=1)
    y, answers = evaluation.class_indices(corpus.labels)[0], {}
    for name, made in build.items():

        def experiment(train, test, seed, groups, name=name, made=made):
            train = train[np.isin(train, examples[name].clip)]
            fit, stop = evaluation.hold_back(corpus.labels, train, groups, seed=seed)
            own = replace(settings, seed=seed)
            fitted = training.fit(made, examples[name], y, train=fit, validation=stop, settings=own)
            return fitted.predict_clips(examples[name], test)

        answers[name] = evaluation.out_of_fold(experiment, corpus, split="leak_free", folds=3, seed=1)
    columns = [f"p_{name}" for name in corpus.classes]
    both = [table[columns].to_numpy() for table in answers.values()]
    fused = evaluation.with_scores(answers["audio"], np.nanmean(both, axis=0))
    scores = {m: evaluation.score(t, "balanced_accuracy").iloc[0] for m, t in answers.items()}
    # The image network scores between 0.76 and 0.87 by its seed alone, so what is asked
    # for is the interval: twice what guessing gets.
    for name, row in scores.items():
        assert row.low > 0.5, (name, scores)
    best = max(answers, key=lambda name: scores[name]["value"])
    gain = evaluation.difference(fused, answers[best])
    assert gain.high is not None and gain.high >= 0, (scores, gain)
