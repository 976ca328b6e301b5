"""Measure trained networks in three precisions: score, size, latency and memory.

    cryutils bench export                      four networks on 20 synthetic infants
    python benchmarks/export.py --infants 40 --repeats 3

Paper B's two networks are trained leak-free as in notebooks 04 and 05 (three folds). The ensemble's
sound submodels, Paper A's encoder and DNN on MFCC and on STFT, are trained as in notebook 08, but
on Paper B's four states. All are exported to LiteRT and, if the extra is installed, to OpenVINO;
int8 is calibrated with each fold's training infants. The output is the size, the time per example
on one and two threads, the peak memory of a separate process, and macro F1 on new infants with its
change from the float file, paired, 95 % over infants. Synthetic voices and faces are no evidence
about real infants.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

import numpy as np
import pandas as pd

import cryutils
from cryutils import audio, video
from cryutils.errors import InputError
from cryutils.evaluation import Split, class_indices
from cryutils.evaluation.splits import Fold
from cryutils.models import autoencoders, cry2, image, runtimes
from cryutils.models.export import FORMATS
from cryutils.models.inputs import Examples, FaceInput, SoundInput
from cryutils.models.training import CrossFit, Fitted, Settings, cross_fit, validation_split
from cryutils.papers import quantisation
from cryutils.papers.recognition import STATES

CALLS, FOLDS = 500, 3
MODELS = ("cry2", "image", "mfcc", "stft")
CORPUS = {"signal": 0.75, "clips_per_infant": 5, "duration_s": 4.0, "fps": 6.0, "size": 112}
HEARING, SEEING = SoundInput(kind="mel+mfcc"), FaceInput(size=48, limit=3)
SETTINGS = Settings(epochs=25, learning_rate=3e-3, patience=6)


def main(
    infants: int = 20, repeats: int = 1, calls: int = CALLS, settings: Settings = SETTINGS
) -> pd.DataFrame:
    """Train, export and measure; print a table per format and return all rows."""
    corpus = cryutils.load("synthetic", classes=list(STATES), infants=infants, video=True, **CORPUS)
    networks = trained(corpus, repeats, settings)
    print(f"{corpus.note}; {len(corpus)} clips of {infants} infants, {os.cpu_count()} cores")
    tables = []
    for name in FORMATS:
        try:
            if name == "openvino":
                runtimes.runtime_of("openvino-int8")
        except InputError as error:
            print(f"{name} is left out: {error}")
            continue
        table = quantisation.assess(networks, corpus, format=name, calls=calls, progress=True)
        print(f"\nexport: {name}")
        print(shown(table).to_string(index=False))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def trained(
    corpus: cryutils.Corpus, repeats: int, settings: Settings
) -> dict[str, tuple[CrossFit, Examples]]:
    """Return `MODELS`, trained leak-free, with the examples that they were trained on."""
    folds = Split.INFANT.k_folds(corpus, n_splits=FOLDS, repeats=repeats, seed=0)
    return {
        name: (network if name in ("cry2", "image") else submodel)(name, corpus, folds, settings)
        for name in MODELS
    }


def network(
    name: str, corpus: cryutils.Corpus, folds: list[list[Fold]], settings: Settings
) -> tuple[CrossFit, Examples]:
    """Return a network of Paper B for each fold, and its examples."""
    if name == "cry2":
        builder, shape = cry2, HEARING.shape
        examples = HEARING.examples(audio.signals(corpus, sr=HEARING.sr))
    else:
        builder, shape = image, SEEING.shape
        crops = video.crops(corpus, fps=SEEING.fps, size=SEEING.size, limit=SEEING.limit)
        examples = SEEING.examples(crops)

    def build(s: Settings):
        return builder.build(shape, len(STATES), learning_rate=s.learning_rate)

    networks = cross_fit(
        build, examples, corpus.labels, corpus.infants, folds, split="infant",
        settings=settings, progress=True,
    )  # fmt: skip
    return networks, examples


def submodel(
    kind: str, corpus: cryutils.Corpus, folds: list[list[Fold]], settings: Settings
) -> tuple[CrossFit, Examples]:
    """Return Paper A's encoder and DNN as one network for each fold, and its examples."""
    hearing = SoundInput(kind=kind, scaling="recording")
    examples = hearing.examples(audio.signals(corpus, sr=hearing.sr))
    y, classes = class_indices(corpus.labels)
    answers, fits, stopping = [], [], []
    for repeat in folds:
        divisions = [
            (*validation_split(train, corpus.labels, corpus.infants, split="infant"), test)
            for train, test in repeat
        ]
        parts = autoencoders.cross_fit(
            examples, y, divisions, classes=len(classes), progress=True,
            autoencoder=replace(autoencoders.AUTOENCODER, epochs=settings.epochs),
            dnn=replace(autoencoders.DNN, epochs=settings.epochs),
        )  # fmt: skip
        answers.append(parts.probabilities)
        stopping += [stop for _, stop, _ in divisions]
        dnn = parts.classifiers
        for k in range(len(divisions)):
            model = autoencoders.keras_classifier(parts.autoencoders, k, dnn, k, hearing.shape)
            history = dnn.history[dnn.history.task == k]
            fits.append(Fitted(model, history, int(dnn.best_epoch[k])))
    return CrossFit(np.stack(answers), fits, folds, classes, stopping), examples


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table for printing: a score or a change with its interval in one column."""

    def between(value: str, low: str, high: str) -> list[str]:
        rows = table[[value, low, high]].astype(float).to_numpy()
        return [f"{v:+.3f} [{a:+.3f}, {b:+.3f}]" for v, a, b in rows]

    return pd.DataFrame(
        {
            "model": table.model, "precision": table.precision,
            "kB": table.size_kb.round(1),
            "ms": table.latency_ms.round(3), "p95": table.latency_p95_ms.round(3),
            "ms, 2 threads": table.latency_2_ms.round(3), "p95 ": table.latency_2_p95_ms.round(3),
            "MB": table.memory_mb.round(),
            "macro F1": between("macro_f1", "low", "high"),
            "change": between("change", "change_low", "change_high"),
            "same answer": [f"{share:.1%}" for share in table.same],
        }
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infants", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    main(options.infants, options.repeats)
