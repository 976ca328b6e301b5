"""Measure the live analysis of sound and face: latency of readings, speed, and memory.

    python benchmarks/live.py

A synthetic crying infant, sound at 48 kHz and four pictures a second, is replayed twice: in real
time, where each reading is timed from the end of its window, and without waiting for a simulated
hour, where the peak memory is compared with that after the first minute. The networks have the
notebooks' size and random weights, which does not change their speed. Exits with 1 if a promise is
broken. Promised, on two cores: 100 ms from a window's end to its reading (95th percentile), 10
times real time, and constant memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

LATENCY_MS, FACTOR, GROWTH_MB = 100.0, 10.0, 20.0
CORES = 2  # for which the promises are made
SR, FPS, CLIP_S = 48000, 4, 30.0
STATES = ("discomfort", "hungry", "pain", "tired")


def main(paced_s: float = 60.0, simulated_s: float = 3600.0) -> dict[str, float]:
    """Measure, print, and return the figures by their result keys."""
    from cryutils.app.monitor import Monitor

    with tempfile.TemporaryDirectory() as folder:
        # In a separate process, so that this one does not load TensorFlow into its memory.
        subprocess.run([sys.executable, __file__, "--models", folder], check=True)
        monitor = Monitor(Path(folder))
        sound, pictures = infant()
        latency_ms, begun = [], time.perf_counter()
        for end in pushes(monitor, sound, pictures, paced_s, begun):
            for reading in monitor.readings(end):
                latency_ms.append(1000 * (time.perf_counter() - begun - reading.time))
        early_mb, begun = 0.0, time.perf_counter()
        for end in pushes(monitor, sound, pictures, simulated_s, None):
            list(monitor.readings(end))
            if end >= min(60.0, simulated_s / 2):
                early_mb = early_mb or peak_mb()
        factor = simulated_s / (time.perf_counter() - begun)
    figures = {
        "live.latency_p95_ms": float(np.percentile(latency_ms, 95)),
        "live.realtime_factor": factor,
        "live.memory_growth_mb": peak_mb() - early_mb,
    }
    print(
        f"latency: median {np.median(latency_ms):.0f} ms, 95 % within"
        f" {figures['live.latency_p95_ms']:.0f} ms (promised {LATENCY_MS:.0f});"
        f" {factor:.0f} times real time (promised {FACTOR:.0f}); memory after the first minute"
        f" {figures['live.memory_growth_mb']:+.1f} MB (promised {GROWTH_MB:.0f} at most)"
    )
    return figures


def infant() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return `CLIP_S` of crying at `SR` Hz, and its face, `FPS` pictures per second."""
    from cryutils.datasets.synthetic import face, voice

    plan = voice.plan("hungry", infant=1, seed=1, duration_s=CLIP_S)
    frames = face.frames(face.plan(plan, fps=FPS), size=320)
    return voice.render(plan, SR), [frame.copy() for frame in islice(frames, round(FPS * CLIP_S))]


def pushes(monitor, sound, pictures, length_s, begun) -> Iterator[float]:  # type: ignore[no-untyped-def]
    """Push blocks of 50 ms and the pictures between them; yield the end of each block in s."""
    monitor.restart()
    size = SR // 20
    for k in range(round(length_s * 20)):
        end = (k + 1) / 20
        if begun is not None:
            time.sleep(max(0.0, begun + end - time.perf_counter()))
        if k % 5 == 4:
            monitor.push_frame(pictures[k // 5 % len(pictures)], end)
        start = k * size % (len(sound) - size)
        monitor.push_audio(sound[start : start + size], SR, k / 20)
        yield end


def peak_mb() -> float:
    """Return the peak memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def make_models(folder: Path) -> None:
    """Write both networks as notebooks 04 and 05 do, but untrained."""
    from cryutils.models import cry2, export, image
    from cryutils.models.backend import seeded
    from cryutils.models.inputs import FaceInput, SoundInput

    for builder, settings in ((cry2, SoundInput(kind="mel+mfcc")), (image, FaceInput(size=48))):
        with seeded(0):
            model = builder.build(settings.shape, len(STATES))
        card = {
            "classes": list(STATES), "input": asdict(settings), "data": "none",
            "note": "networks drawn at random", "temperature": 1.0,
        }  # fmt: skip
        name = builder.__name__.rpartition(".")[2]
        export.save(model, folder / "models", name, card)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--models"]:
        make_models(Path(sys.argv[2]))
    else:
        if hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
        figures = main()
        sys.exit(
            figures["live.latency_p95_ms"] > LATENCY_MS
            or figures["live.realtime_factor"] < FACTOR
            or figures["live.memory_growth_mb"] > GROWTH_MB
        )
