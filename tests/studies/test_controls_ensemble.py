"""The controls that every result of Paper A's ensemble stands on: all to learn, and nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from sizes import large

import cryutils
from cryutils import evaluation
from cryutils.evaluation import Split
from cryutils.models import backbones
from cryutils.models.inputs import PictureInput, SoundInput
from cryutils.models.stacked import DenseSettings
from cryutils.studies import embeddings, streams, table3

NETWORKS = {
    "autoencoder": DenseSettings(
        units=(128, 32, 128), linear=(1,), dropout=0.0, epochs=10, batch_size=16, patience=5
    ),
    "dnn": DenseSettings(units=(64,), epochs=40, patience=10),
    "image": DenseSettings(units=(64,), epochs=10, patience=10, batch_size=64),
    "ensemble": DenseSettings(units=(32,), epochs=100, patience=10),
}


def answers(signal: float, splits: Sequence[Split], *, infants: int) -> pd.DataFrame:
    corpus = cryutils.load(
        "synthetic",
        classes=list(embeddings.STATES),
        signal=signal,
        identity=1.0,
        infants=infants,
        clips_per_infant=4,
        duration_s=4.0,
        video=True,
        fps=5.0,
        size=112,
        seed=1,
    )
    backbone = backbones.small()
    embedded = embeddings.embed(corpus, backbone, PictureInput(fps=5.0, size=64, crop="face"))
    hearing = {
        kind: SoundInput(
            kind=kind, sr=8000, n_fft=256, hop_length=128, window_s=2.0, step_s=1.0, scaling="recording"
        )
        for kind in ("mfcc", "stft")
    }
    windows = streams.gather(corpus, hearing, embedded, fps=5.0)
    rows = {"total": table3.ROWS["total"]}
    return table3.fit(windows, rows, NETWORKS, folds=3, seed=1, splits=splits)


@large
def test_at_full_signal_all_submodels_know_new_infants_and_the_ensemble_is_not_inferior(apart: Path) -> None:
    table = answers(1.0, [Split.LEAK_FREE], infants=40)
    alone = table[table.feature.isin(["mfcc", "stft", "image"])]
    scores = evaluation.score(alone, "balanced_accuracy").droplevel("split")
    assert len(scores) == 3
    assert (scores.low > 1 / 3).all(), scores
    best = alone[alone.feature == scores.value.astype(float).idxmax()]
    gain = evaluation.difference(table[table.model == "proposed"], best)
    assert gain.value >= -0.02, (scores, gain)


@large
def test_without_signal_frames_and_clips_of_known_infants_score_and_new_infants_do_not(apart: Path) -> None:
    table = answers(0.0, table3.SPLITS, infants=24)
    scores = evaluation.score(table[table.model.isin(["proposed", "ae_dnn_patches"])], "balanced_accuracy")
    for name, value in scores.groupby("model"):
        new = value.loc[name, "leak_free"]
        # New infants may score below chance, since a held-out one depletes its own class.
        assert new.low <= 1 / 3, value
        for split in ("random_frames", "random"):
            leaky = value.loc[name, split]
            assert leaky.value > new.value + 0.1, value
            assert leaky.low > 1 / 3, value
    assert scores.value["proposed", "random"] > 0.5, scores
