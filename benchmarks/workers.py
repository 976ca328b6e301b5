"""Measure the speed-up of two Dask workers over one, and the overhead per task.

    python benchmarks/workers.py

A cluster of one worker and one of two run the same work on this machine, with empty caches: random
forests on shuffled labels (forests), and embeddings of videos by ResNet-50. Each
worker has one core. The overhead is measured with tasks that compute for one second. Promised: two
workers on two cores are at least 1.6 times faster than one, and the overhead is below 15 %.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from distributed import LocalCluster
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import cryutils
from cryutils._io import parallel
from cryutils.datasets.corpus import Corpus
from cryutils.models import backbones
from cryutils.models.inputs import PictureInput
from cryutils.studies.embeddings import embed

LEAST, MOST = 1.6, 0.15
TASKS, FORESTS = 12, 480
CLIPS, CLASSES = 76, 4


def one_second(_: int) -> None:
    """Compute for one second of processor time."""
    end = time.process_time() + 1
    while time.process_time() < end:
        pass


def tasks() -> None:
    """Run tasks of one second."""
    list(parallel.process_map(one_second, range(TASKS), shared=(), jobs=None))


def score(X: np.ndarray, seed: int) -> float:
    """Return the mean score of a forest on shuffled labels in four folds."""
    labels = np.random.default_rng(seed).permutation(np.arange(CLIPS) % CLASSES)
    forest = RandomForestClassifier(30, random_state=0)
    return float(cross_val_score(forest, X, labels, cv=4).mean())


def forests() -> None:
    """Score forests on shuffled labels."""
    X = np.random.default_rng(0).normal(size=(CLIPS, 40))
    list(parallel.process_map(score, range(FORESTS), shared=(X,), jobs=None))


def embeddings(videos: Corpus) -> None:
    """Embed the frames of videos with ResNet-50, whose speed does not depend on its weights."""
    network = backbones.base("ResNet50", size=112)
    embed(videos, network, PictureInput(fps=6.0, size=112, crop="frame"))


def use_cache(folder: str) -> None:
    """Keep what this process computes in `folder`."""
    os.environ["CRYUTILS_CACHE_DIR"] = folder


def pin(core: int) -> None:
    """Keep every thread of this process on one core, as a scheduler such as SLURM does."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def seconds(work: Callable[[], None], workers: int) -> float:
    """Return the wall time of `work` on a new cluster after a first run, in s.

    Each worker has one core. Without this, a worker that decodes the next video while its network
    computes uses almost two.
    """
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        cluster.get_client() as client,
        tempfile.TemporaryDirectory() as warm,
        tempfile.TemporaryDirectory() as cold,
    ):
        for core, worker in zip(sorted(os.sched_getaffinity(0)), cluster.workers.values(), strict=False):
            client.run(pin, core, workers=[worker.worker_address])
        os.environ[parallel.SCHEDULER] = cluster.scheduler_address
        for folder in (warm, cold):  # imports and models are loaded the first time
            use_cache(folder)
            client.run(use_cache, folder)
            begun = time.perf_counter()
            work()
            duration_s = time.perf_counter() - begun
        parallel.connect(cluster.scheduler_address).close()
    return duration_s


def main() -> int:
    """Print the speed-up of two workers; return 1 if a promise is broken."""
    videos = cryutils.load(
        "synthetic",
        video=True,
        infants=6,
        clips_per_infant=4,
        duration_s=4.0,
        fps=6,
        size=112,
        classes=["hungry", "tired"],
    )
    overhead = seconds(tasks, 2) / (TASKS / 2) - 1
    print(f"{TASKS} tasks of 1 s on 2 workers: {overhead:.0%} overhead (promised: below {MOST:.0%})")
    failed = overhead >= MOST
    for name, work in (("forests", forests), ("embeddings", partial(embeddings, videos))):
        one_s, two_s = seconds(work, 1), seconds(work, 2)
        ratio = one_s / two_s
        failed |= ratio < LEAST
        print(
            f"{name}: 1 worker {one_s:.1f} s, 2 workers {two_s:.1f} s:"
            f" {ratio:.2f} times faster (promised: {LEAST:g})"
        )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
