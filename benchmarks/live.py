"""Measure the live analysis of sound and face: latency of readings, speed, and memory.

    python benchmarks/live.py

A synthetic crying infant, sound at 48 kHz and four pictures a second, is replayed twice: in real
time, where each reading is timed from the end of its window, and without waiting for a simulated
hour, where the peak memory is read every minute. The networks have the notebooks' size and random
weights, which does not change their speed. The infant cries throughout, so nearly every window goes
through both networks. Exits with 1 if a promise is broken.

Promised: 100 ms from a window's end to its reading (95th percentile), 10 times real time, and
constant memory. The promises are for two cores; no more are used if the system allows a limit.
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
from pathlib import Path

import numpy as np
import numpy.typing as npt

LATENCY_MS, FACTOR, GROWTH_MB = 100.0, 10.0, 20.0
CORES = 2  # for which the promises are made
SR = 48000
CLIP_S = 30.0
STATES = ("discomfort", "hungry", "pain", "tired")


def main(paced_s: float = 60.0, simulated_s: float = 3600.0) -> dict[str, float]:
    """Measure, print, and return the figures by their result keys."""
    from cryutils.app.monitor import Monitor

    with tempfile.TemporaryDirectory() as folder:
        # In a separate process, so that this one does not load TensorFlow into its memory.
        subprocess.run([sys.executable, __file__, "--models", folder], check=True)
        monitor = Monitor(Path(folder))
        sound, pictures = infant()
        latency_ms = 1000 * np.array(list(paced(monitor, sound, pictures, paced_s)))
        seconds, memory = simulated(monitor, sound, pictures, simulated_s)
    figures = {
        "live.latency_p95_ms": float(np.percentile(latency_ms, 95)),
        "live.realtime_factor": simulated_s / seconds,
        "live.memory_growth_mb": memory[-1] - memory[0],
    }
    print(
        f"latency: median {np.median(latency_ms):.0f} ms, 95 % within"
        f" {figures['live.latency_p95_ms']:.0f} ms (promised {LATENCY_MS:.0f}),"
        f" {len(latency_ms)} readings"
    )
    print(
        f"without waiting: {simulated_s:.0f} s in {seconds:.0f} s,"
        f" {figures['live.realtime_factor']:.0f} times real time (promised {FACTOR:.0f})"
    )
    print(
        f"memory: {memory[0]:.0f} MB after the first minute, {memory[-1]:.0f} MB at the end:"
        f" {figures['live.memory_growth_mb']:+.1f} MB (promised {GROWTH_MB:.0f} at most)"
    )
    return figures


def holds(figures: dict[str, float]) -> bool:
    """Return whether the promises hold."""
    return (
        figures["live.latency_p95_ms"] <= LATENCY_MS
        and figures["live.realtime_factor"] >= FACTOR
        and figures["live.memory_growth_mb"] <= GROWTH_MB
    )


def confined() -> int:
    """Limit this process and its children to `CORES` cores if possible; return how many they have.

    macOS and Windows do not support this, so there every core is used.
    """
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    return len(os.sched_getaffinity(0))


def infant() -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.uint8]]]:
    """Return `CLIP_S` of crying at `SR` Hz, and its face, four pictures per second."""
    from itertools import islice

    from cryutils.datasets.synthetic import face, voice

    plan = voice.plan("hungry", infant=1, seed=1, duration_s=CLIP_S)
    frames = face.frames(face.plan(plan, fps=4), size=320)
    return voice.render(plan, SR), [frame.copy() for frame in islice(frames, round(4 * CLIP_S))]


def paced(monitor, sound, pictures, length_s: float) -> Iterator[float]:  # type: ignore[no-untyped-def]
    """Yield the latency of each reading in s, with input in real time."""
    monitor.restart()
    begun = time.perf_counter()
    for end in pushes(monitor, sound, pictures, length_s, begun):
        for reading in monitor.readings(end):
            yield time.perf_counter() - begun - reading.time


def simulated(monitor, sound, pictures, length_s: float) -> tuple[float, list[float]]:  # type: ignore[no-untyped-def]
    """Return the seconds that `length_s` of input take, and the peak memory in MB every minute."""
    monitor.restart()
    memory, spent, begun = [], 0.0, time.perf_counter()
    for end in pushes(monitor, sound, pictures, length_s, None):
        for _ in monitor.readings(end):
            pass
        if end >= min(60.0, length_s / 2) * (len(memory) + 1):
            spent, memory = time.perf_counter() - begun, [*memory, peak_mb()]
    return spent or time.perf_counter() - begun, [*memory, peak_mb()]


def pushes(monitor, sound, pictures, length_s, begun) -> Iterator[float]:  # type: ignore[no-untyped-def]
    """Push blocks of 50 ms and the pictures between them; yield the end of each block in s."""
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
    from cryutils.models import checkpoints, cry2, image
    from cryutils.models.backend import seeded
    from cryutils.models.inputs import FaceInput, SoundInput

    for name, builder, settings in (
        ("cry2", cry2, SoundInput(kind="mel+mfcc")), ("image", image, FaceInput(size=48)),
    ):  # fmt: skip
        with seeded(0):
            model = builder.build(settings.shape, len(STATES))
        card = {
            "classes": list(STATES), "input": asdict(settings), "data": "none",
            "note": "networks drawn at random", "temperature": 1.0,
        }  # fmt: skip
        checkpoints.save(model, folder / "models", name, card)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--models"]:
        make_models(Path(sys.argv[2]))
    else:
        print(f"cores: {confined()}")
        sys.exit(not holds(main()))
