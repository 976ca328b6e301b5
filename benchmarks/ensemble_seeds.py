"""Compare ways to train Paper A's ensemble, with intervals over corpora instead of infants.

    cryutils bench ensemble_seeds              ten corpora; an interrupted run resumes
    python benchmarks/ensemble_seeds.py --seeds 3

Notebook 09_ensemble trains the ensemble in two ways: on its submodels' predictions for their own
training clips, as the paper is read here (`in_sample`), and on predictions for clips that they have
not seen (`out_of_fold`). It may join last hidden layers instead of probabilities (`features`).
An SVM is trained on the clips that the networks are fitted on (`svm`), or also on those used for
early stopping (`svm_stop`). One corpus cannot show which is better: another seed gives other
infants, divisions and initial weights. So each seed makes a corpus of synthetic voices and faces of
the notebook's default size, and everything is trained on it leak-free by the notebook's recipe. The
paired differences are averaged over seeds, with a 95 % t interval. They are no evidence about real
infants. The scores of each seed are cached.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import cryutils
from cryutils._io import cache
from cryutils._io.progress import counting
from cryutils.evaluation import Split
from cryutils.models import small_cnn
from cryutils.models.inputs import SoundInput
from cryutils.models.stacked import STACKED_VERSION
from cryutils.papers import embeddings, ensemble, streams
from cryutils.papers.table3 import Table3

LEVEL = 0.95
CORPUS = {
    "signal": 0.75, "identity": 1.0, "infants": 18, "clips_per_infant": 5, "duration_s": 4.0,
    "video": True, "fps": 6.0, "size": 112,
}  # fmt: skip
SOUND = {
    "sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 40, "n_mfcc": 20, "window_s": 2.0,
    "step_s": 1.0,
}  # fmt: skip
SETTINGS = ensemble.Settings(n_folds=3, n_inner=3)
MODELS = ("in_sample", "out_of_fold", "features", "ae_dnn", "ae_dnn_patches", "svm", "svm_stop")
PAIRS = (
    ("out_of_fold", "in_sample"), ("in_sample", "features"), ("svm_stop", "svm"),
    ("ae_dnn_patches", "ae_dnn"),
    *((ours, rival) for ours in MODELS[:2] for rival in MODELS[3:]),
)  # fmt: skip
VERSION = 2  # raise it when the same seed gives different numbers


def main() -> int:
    """Measure missing seeds and print the table of differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    places, rows = [_place(seed) for seed in range(seeds)], []
    with tempfile.TemporaryDirectory() as scratch, counting("Ensembles", "seeds") as report:
        os.environ["CRYUTILS_CACHE_DIR"] = scratch  # corpora and networks are not kept
        for seed, place in enumerate(places):
            stored = cache.arrays(place, lambda seed=seed: {"scores": measured(seed)})
            rows.append(stored["scores"])
            report(seed + 1, seeds)
    scores = np.array(rows)
    table = differences(scores)
    print(f"{len(scores)} corpora of synthetic voices and faces: no evidence about infants")
    print("leak-free balanced accuracy, mean over corpora:")
    for name, value in zip(MODELS, scores.mean(axis=0), strict=True):
        print(f"  {name:16}{value:.3f}")
    print(f"paired differences, with {LEVEL:.0%} intervals over corpora:")
    print(table.to_string(float_format="{:+.3f}".format))
    return 0


def _place(seed: int) -> Path:
    recipe = {field.name: repr(getattr(SETTINGS, field.name)) for field in fields(SETTINGS)}
    versions = [VERSION, STACKED_VERSION, np.__version__]
    return cache.at("benchmarks", "ensemble", *versions, CORPUS, SOUND, recipe, MODELS, seed)


def measured(seed: int) -> np.ndarray:
    """Return the leak-free balanced accuracy of each of `MODELS` on one corpus, (models,)."""
    corpus = cryutils.load(
        "synthetic", classes=list(embeddings.STATES), **CORPUS, seed=seed, progress=False
    )
    fps: Any = CORPUS["fps"]
    seeing = embeddings.FrameInput(fps=fps, size=64, crop="face")
    embedded = embeddings.embed(corpus, small_cnn.small(), seeing)
    hearing = {
        kind: SoundInput(kind=kind, scaling="recording", **SOUND)  # type: ignore[arg-type]
        for kind in ("mfcc", "stft")
    }
    windows = streams.gather(corpus, hearing, embedded, fps=fps)
    fitted = ensemble.fit(windows, settings=replace(SETTINGS, seed=seed), splits=[Split.INFANT])
    scores = Table3(fitted)
    models = {**scores.models, **fitted.variants, "in_sample": fitted.proposed}
    values = [
        scores.interval(Split.INFANT, scores.main, models[name], "balanced_accuracy").value
        for name in MODELS
    ]
    return np.array(values)


def differences(scores: np.ndarray) -> pd.DataFrame:
    """Return the mean difference of each of `PAIRS` over seeds, with its interval.

    scores: float64 (seeds, models). `low` and `high` are the t interval of paired differences, NaN
    for a single seed; `ahead` counts the seeds in which the first model is better.
    """
    rows = {}
    for a, b in PAIRS:
        d = scores[:, MODELS.index(a)] - scores[:, MODELS.index(b)]
        low = high = np.nan
        if len(d) > 1:
            low, high = stats.ttest_1samp(d, 0).confidence_interval(LEVEL)
        rows[f"{a} minus {b}"] = {
            "mean": d.mean(), "low": low, "high": high, "ahead": f"{int((d > 0).sum())} of {len(d)}"
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("difference")


if __name__ == "__main__":
    raise SystemExit(main())
