"""Compare OpenVINO with Keras: the speed of ResNet-50 from frames to embeddings, on the processor.

    python benchmarks/backbone.py

`keras.Model.predict` with batches of 32 and OpenVINO in bfloat16 take turns in one run, on the same
rendered faces of 224 px, after compiling. The loss is printed next to the speed: the cosine with
Keras' embeddings after subtracting their mean, and the share of equal predictions of a head trained
on Keras' embeddings of other infants.

Exits with 1 if OpenVINO is less than twice as fast.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from joblib import cpu_count

# Let `Model.predict` and `fit` use all cores, as by default.
os.environ["TF_NUM_INTRAOP_THREADS"] = str(cpu_count())

from cryutils.datasets.synthetic import face, voice
from cryutils.models import backbones, runtimes

FRAMES, OTHERS, ROUNDS, BATCH = 96, 64, 3, 32
STATES = ("hungry", "tired", "pain", "discomfort")
OPENVINO, LEAST = "openvino-bf16", 2.0  # minimum speed-up


def main(frames: int = FRAMES, rounds: int = ROUNDS) -> float:
    """Print the speed-up and the agreement of OpenVINO, and return the speed-up."""
    backbone = backbones.base("ResNet50")
    model = backbones.head_input(backbone)
    others, states = faces(OTHERS, first=0)
    pixels, _ = faces(frames, first=OTHERS)
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "Model.predict": lambda x: model.predict(x, batch_size=BATCH, verbose=0),
        OPENVINO: runtimes.ready(model, engine=OPENVINO),
    }
    print(f"{backbone.words}, {frames} frames, {cpu_count()} cores, medians of {rounds} rounds")
    made = [np.asarray(run(pixels)) for run in ways.values()]  # compiles as well
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            begun = time.perf_counter()
            run(pixels)
            spent[name].append(time.perf_counter() - begun)
    slow, fast = (statistics.median(times) for times in spent.values())
    for name, times in spent.items():
        print(f"{name}: {frames / statistics.median(times):.1f} frames a second")
    words = ", ".join(runtimes.identity(OPENVINO))
    print(f"{words}: {slow / fast:.2f} times as fast, promised {LEAST:g}")
    mean = made[0].mean(axis=0)
    a, b = made[0] - mean, made[1] - mean
    cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    head = trained_head(ways["Model.predict"](others), states)
    equal = np.mean(head(made[0]) == head(made[1]))
    print(f"centred cosine {cosines.mean():.4f} (least {cosines.min():.4f}), {equal:.1%} equal")
    return slow / fast


def faces(count: int, *, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rendered faces, one per infant, uint8 (count, 224, 224, 3), and their states."""
    pictures = []
    for infant in range(first, first + count):
        cry = voice.plan(STATES[infant % 4], infant=infant, seed=infant, duration_s=1.0)
        pictures.append(next(face.frames(face.plan(cry, fps=1))))
    return np.stack(pictures), np.arange(first, first + count) % 4


def trained_head(embeddings: np.ndarray, states: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from embeddings to states: scaling and logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return model.fit(embeddings, states).predict


if __name__ == "__main__":
    sys.exit(main() < LEAST)
