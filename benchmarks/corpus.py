"""Measure the synthetic videos: time and size of 800 clips, and how often their faces are found.

`python benchmarks/corpus.py` builds a few clips at the papers' size, and the `quick` corpus, in a
temporary folder. It prints the time per clip on all cores, and in processor time, which other
programs don't change. Then it prints how often OpenCV's frontal-face cascade finds exactly one
face, and how often in the right place. `--clips N` builds N clips instead of 20.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PAPER = {"duration_s": 15.0, "fps": 30, "size": 224}
QUICK = {"duration_s": 4.0, "fps": 15, "size": 128}
CLIPS = 800
FACES = 160  # infants whose frames the cascade searches, half of them without signal


def build(clips: int, **shape: Any) -> str:
    """Build about `clips` videos and return a line about their time, extrapolated, and size."""
    from cryutils.datasets.synthetic import corpus, voice

    voice.cry("hungry", infant=0, seed=0)  # import SciPy before timing
    infants = max(8, clips // 5)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRYUTILS_CACHE_DIR"] = folder
        wall, cpu = time.perf_counter(), time.process_time()
        clips = corpus.load(
            infants=infants, clips_per_infant=max(clips // infants, 1), video=True, **shape
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = np.mean([clip.path.stat().st_size for clip in clips])
    made = len(clips)
    return (
        f"{made} clips of {shape['duration_s']:g} s, {shape['fps']} fps, {shape['size']} px: "
        f"{wall:.1f} s, {made / wall:.2f} clips a second; "
        f"{cpu / made:.2f} s of one core and {size / 1000:.0f} kB a clip. "
        f"{CLIPS} would take {wall / made * CLIPS:.0f} s on {os.cpu_count()} cores as busy as now, "
        f"{cpu / made * CLIPS / 2:.0f} s on 2 idle ones, and {size * CLIPS / 1e6:.0f} MB."
    )


def faces(size: int) -> str:
    """Return a line about the faces that the cascade finds in frames of `size` pixels."""
    import cv2

    from cryutils.datasets.synthetic import face, voice
    from cryutils.datasets.synthetic.dials import Dials

    detector = cv2.CascadeClassifier(
        str(Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml"))
    )
    least, states = round(0.375 * size), list(voice.STATES)
    counts, overlaps, seconds = [], [], 0.0
    for i in range(FACES):
        dials = Dials(signal=float(i % 2))
        state = states[i // 2 % len(states)]
        cry = voice.plan(state, infant=i, seed=1000 + i, duration_s=4.0, dials=dials)
        plan = face.plan(cry, fps=2, dials=dials)
        for frame, box in zip(face.frames(plan, size=size), plan.boxes(size=size), strict=True):
            start = time.process_time()
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            boxes = detector.detectMultiScale(grey, 1.1, 3, minSize=(least, least))
            seconds += time.process_time() - start
            counts.append(len(boxes))
            overlaps.append(_overlap(np.array(boxes[0]), box) if len(boxes) == 1 else 0.0)
    single, none = np.array(counts) == 1, np.array(counts) == 0
    right, median = np.array(overlaps) > 0.5, np.median(np.array(overlaps)[single])
    return (
        f"cascade, {size} px, {single.size} frames of {FACES} infants in {len(states)} states:"
        f" one face in {single.mean():.1%}, in the right place in {right.mean():.1%} (overlap above"
        f" 0.5, median {median:.2f}), none in {none.mean():.1%}; "
        f"{1000 * seconds / single.size:.1f} ms a frame"
    )


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(np.prod(a[2:])) + float(np.prod(b[2:])) - shared)


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20, metavar="N")
    print("paper:", build(parser.parse_args().clips, **PAPER), flush=True)
    print("quick:", build(120, **QUICK), flush=True)
    for size in (128, 224):
        print(faces(size), flush=True)


if __name__ == "__main__":
    main()
