"""The controls that every result of Paper A's ensemble stands on: all to learn, and nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sizes import large

import cryutils
from cryutils.evaluation import Split
from cryutils.models import small_cnn
from cryutils.models.inputs import SoundInput
from cryutils.papers import embeddings, ensemble, streams
from cryutils.papers.ensemble import Plan, Row, Settings, fit_proposed
from cryutils.papers.table3 import Table3


def trained(signal: float, splits: Iterable[Split], *, infants: int) -> Table3:
    corpus = cryutils.load(
        "synthetic", classes=list(embeddings.STATES), signal=signal, identity=1.0, infants=infants,
        clips_per_infant=4, duration_s=4.0, video=True, fps=5.0, size=112, seed=1,
    )  # fmt: skip
    backbone = small_cnn.small()
    embedded = embeddings.embed(
        corpus, backbone, embeddings.FrameInput(fps=5.0, size=64, crop="face")
    )
    hearing = {
        kind: SoundInput(
            kind=kind, sr=8000, n_fft=256, hop_length=128, window_s=2.0, step_s=1.0,
            scaling="recording",
        )
        for kind in ("mfcc", "stft")
    }  # fmt: skip
    windows = streams.gather(corpus, hearing, embedded, fps=5.0)
    sizes = {"n_folds": 3, "n_inner": 2, "seed": 1}
    settings = Settings(hidden=128, autoencoder_epochs=10, **sizes)
    plan = replace(Plan.of(windows, settings, list(splits)), pairs=False)
    return Table3(fit_proposed(plan))


@large
def test_at_full_signal_all_submodels_know_new_infants_and_the_ensemble_is_not_inferior(
    apart: Path,
) -> None:
    scores = trained(1.0, [Split.LEAK_FREE], infants=40)
    proposed, submodels = scores.ensemble.proposed, scores.ensemble.submodels
    values = {
        name: scores.interval(Split.LEAK_FREE, Row.TOTAL, model, "balanced_accuracy")
        for name, model in submodels.items()
    }
    assert len(values) == 3
    for value in values.values():
        assert value.low is not None
        assert value.low > 1 / 3, values
    best = submodels[max(values, key=lambda name: values[name].value)]
    gain = scores.gain(Split.LEAK_FREE, proposed, best, metric="balanced_accuracy")
    assert gain.value >= -0.02, (values, gain)


@large
def test_without_signal_frames_and_clips_of_known_infants_score_and_new_infants_do_not(
    apart: Path,
) -> None:
    scores = trained(0.0, Split, infants=24)
    models = {**scores.ensemble.submodels, "proposed": scores.ensemble.proposed}
    assert len(models) == 4
    for name, model in models.items():
        value = {
            split: scores.interval(split, Row.TOTAL, model, "balanced_accuracy")
            for split in ensemble.SPLITS
        }
        new = value[Split.LEAK_FREE]
        assert new.low is not None
        # New infants may score below chance, since a held-out one depletes its own class.
        assert new.low <= 1 / 3, (name, value)
        for leaky in (value[Split.RANDOM_FRAMES], value[Split.RANDOM]):
            assert leaky.value > new.value + 0.1, (name, value)
            assert leaky.low > 1 / 3, (name, value)
    assert value[Split.RANDOM].value > 0.5, value  # of the ensemble
