"""Compare OpenVINO with Keras: the speed of ResNet-50 from frames to embeddings, on the processor.

    cryutils bench backbone

`keras.Model.predict` with batches of 32 and each engine of `runtimes.ready` take turns in one run,
on the same rendered faces of 224 px, after compiling. The loss is printed next to the speed: the
cosine with Keras' embeddings after subtracting their mean, and the share of equal predictions of a
head trained on Keras' embeddings of other infants. These infants also calibrate the int8 network.

Then the paper's second model (Paper A §3.5) is trained for ten epochs behind the frozen network:
from pixels, where each frame passes the network in each epoch, and from embeddings that are
computed once and cached. Both use Keras in float32, after compiling, and start without a cache.

Exits with 1 if a promise is broken. Engines that aren't installed are left out.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# Let `Model.predict` and `fit` use all cores, as by default.
os.environ["TF_NUM_INTRAOP_THREADS"] = str(os.cpu_count() or 1)

from cryutils.datasets.synthetic import face, voice
from cryutils.errors import InputError
from cryutils.models import backbones, runtimes, second_model

FRAMES, CALIBRATION, ROUNDS, BATCH = 96, 96, 3, 32
STATES = ("hungry", "tired", "pain", "discomfort")
HEAD_FRAMES, EPOCHS = 64, 10
RIVAL, HEAD = "Model.predict", "head with cache"
# Minimum speed-up over the rival, and over training the head from pixels.
PROMISES = {"openvino-bf16": 2.5, "openvino-int8": 4.0, HEAD: 8.0}


def main(frames: int = FRAMES, rounds: int = ROUNDS) -> dict[str, float]:
    """Print the speed-up and agreement of each engine, and return the speed-ups."""
    backbone = backbones.base("ResNet50")
    model = backbones.head_input(backbone)
    calibration, states = faces(CALIBRATION, first=0)
    pixels, _ = faces(frames, first=CALIBRATION)
    ways = {RIVAL: lambda x: model.predict(x, batch_size=BATCH, verbose=0)}
    words = {RIVAL: RIVAL}
    for name in runtimes.ENGINES:
        try:
            engine = runtimes.ready(model, engine=name, calibration=calibration)
        except InputError as error:
            print(f"  {name} is left out: {error}")
            continue
        ways[name], words[name] = engine.run, engine.runtime.words
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    made = {name: np.asarray(run(pixels)) for name, run in ways.items()}  # compiles as well
    for _ in range(rounds):
        for name, run in ways.items():
            begun = time.perf_counter()
            run(pixels)
            seconds[name].append(time.perf_counter() - begun)
    head = trained_head(ways[RIVAL](calibration), states)
    print(f"{backbone.words}, {frames} frames, {os.cpu_count()} cores, medians of {rounds} rounds")
    took = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {name: took[RIVAL] / spent for name, spent in took.items()}
    for name, ratio in ratios.items():
        near = runtimes.agreement(made[RIVAL], made[name], head=head)
        print(
            f"backbone: {words[name]}, {frames / took[name]:.1f} frames a second, {ratio:.2f} "
            f"times as fast as {RIVAL}; centred cosine {near.cosine:.4f} (least "
            f"{near.lowest:.4f}), {100 * near.equal:.1f} % equal predictions"
        )
    with_cache = head_with_cache(backbone, calibration[:HEAD_FRAMES], states[:HEAD_FRAMES])
    ratios[HEAD] = with_cache
    for name, least in PROMISES.items():
        if name in ratios:
            print(f"promised: {least:g} times, {words.get(name, name)}")
    return ratios


def head_with_cache(backbone: backbones.Backbone, pixels: np.ndarray, y: np.ndarray) -> float:
    """Print and return how many times faster ten epochs of the head are with a cache."""
    whole = second_model.network(backbone, len(STATES))
    front = runtimes.ready(backbones.head_input(backbone))
    head = second_model.head(front.run(pixels[:BATCH]).shape[1:], len(STATES))
    whole.fit(pixels[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
    head.fit(front.run(pixels[:BATCH]), y[:BATCH], batch_size=BATCH, verbose=0)

    def without() -> None:
        whole.fit(pixels, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    def with_cache() -> None:
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "kept.npy"), front.run(pixels))
            head.fit(
                np.load(Path(folder, "kept.npy")), y, batch_size=BATCH, epochs=EPOCHS, verbose=0
            )

    spent = []
    for run in (with_cache, without):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    (cached_s, cached_own), (bare_s, bare_own) = spent
    print(
        f"head: {EPOCHS} epochs on {len(pixels)} frames, {bare_s:.1f} s from pixels, "
        f"{cached_s:.1f} s with the cache: {bare_s / cached_s:.1f} times as fast, in time of the "
        f"processor {bare_own / cached_own:.1f} times"
    )
    return bare_s / cached_s


def faces(count: int, *, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rendered faces, one per infant, uint8 (count, 224, 224, 3), and their states."""
    pictures = []
    for infant in range(first, first + count):
        cry = voice.plan(STATES[infant % 4], infant=infant, seed=infant, duration_s=1.0)
        pictures.append(next(face.frames(face.plan(cry, fps=1))))
    return np.stack(pictures), np.arange(first, first + count) % 4


def trained_head(pixels: np.ndarray, states: np.ndarray):
    """Return a function from embeddings to class scores: scaling and logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        .fit(pixels, states)
        .predict_proba
    )


if __name__ == "__main__":
    figures = main()
    sys.exit(any(figures.get(name, least) < least for name, least in PROMISES.items()))
