"""Compare our reading of videos and faces with a plain OpenCV script: `cryutils bench video`.

Each measurement runs in its own process, in turns (opencv, track, crops, opencv, ...), on synthetic
videos of 15 s, 30 frames a second, 224 px, with an empty cache. Medians are compared:

- opencv: `VideoCapture`, then `detectMultiScale` on every frame, the largest face cut out and
  resized: what a reader would write;
- track: `video.track` of every frame, on one core if the system lets a process choose;
- crops: `video.crops` of several clips, every frame, on all cores.

Then the peak memory while reading 1 and 10 minutes (128 px) is measured, each in its own process.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
SECONDS, FPS, SIDE, CLIPS = 15, 30, 224, 4


def main(rounds: int = ROUNDS) -> dict[str, float]:
    """Measure, print the result, and return the figures by name."""
    print(f"{CLIPS} clips of {SECONDS} s, {os.cpu_count()} cores, {rounds} rounds", flush=True)
    rows_by_way: dict[str, list[dict[str, float]]] = {"opencv": [], "track": [], "crops": []}
    with tempfile.TemporaryDirectory() as folder:
        run("write", folder)
        for turn in range(rounds):
            for way, rows in rows_by_way.items():
                rows.append(run(way, folder, cache=Path(folder, f"cache {way} {turn}")))
        agreement = run("agreement", folder)
        peaks = {minutes: run(f"read {minutes}", folder) for minutes in (1, 10)}

    result = {
        f"{way}_times_real_time": statistics.median(row["media_s"] / row["work_s"] for row in rows)
        for way, rows in rows_by_way.items()
    }
    result["ratio"] = result["track_times_real_time"] / result["opencv_times_real_time"]
    result |= agreement
    result |= {f"peak_mib_{minutes}_min": row["peak_mib"] for minutes, row in peaks.items()}
    print(
        f"  face found in {result['found_share']:.1%} of the frames (opencv "
        f"{result['opencv_found_share']:.1%}); the middle of the box {result['offset']:.1%} of its "
        f"width from opencv's (median), at most {result['offset_p99']:.1%} in 99 of 100 frames"
    )
    print(
        f"  reading every frame: peak {result['peak_mib_1_min']:.0f} MiB for 1 minute, "
        f"{result['peak_mib_10_min']:.0f} MiB for 10"
    )
    print(
        f"video: decode, face and crop {result['track_times_real_time']:.1f} times faster than "
        f"real time on one core, {result['crops_times_real_time']:.1f} on {os.cpu_count()}, plain "
        f"OpenCV {result['opencv_times_real_time']:.1f} on {os.cpu_count()}"
    )
    return result


def run(way: str, folder: str, *, cache: Path | None = None) -> dict[str, float]:
    """Return the measurements of a fresh process."""
    environment = {**os.environ, "CRYUTILS_CACHE_DIR": str(cache or Path(folder, "cache"))}
    child = subprocess.run(
        [sys.executable, __file__, *way.split(), folder],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(child.stdout))


def write(folder: str) -> dict[str, float]:
    """Draw the videos."""
    from cryutils.datasets.synthetic import face, voice
    from cryutils.video import mp4

    def draw(name: str, seed: int, seconds: float, side: int) -> None:
        cry = voice.plan("hungry", infant=seed, seed=seed, duration_s=seconds)
        mp4.write(Path(folder, name), face.frames(face.plan(cry, fps=FPS), size=side), fps=FPS)

    for seed in range(CLIPS):
        draw(f"{seed}.mp4", seed, SECONDS, SIDE)
    for minutes in (1, 10):
        draw(f"{minutes} min.mp4", 0, 60 * minutes, 128)
    return {}


def opencv(folder: str) -> dict[str, float]:
    """Measure the alternative on one clip, with OpenCV's default number of threads."""
    start = time.perf_counter()
    boxes, _ = plain_opencv(Path(folder, "0.mp4"))
    return {"work_s": time.perf_counter() - start, "media_s": SECONDS, "frames": len(boxes)}


def plain_opencv(path: Path) -> tuple[list, list]:
    """Return the largest face (or None) and its crop (or the frame) of every frame."""
    import cv2
    import cv2.data

    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    video = cv2.VideoCapture(str(path))
    boxes, crops = [], []
    while True:
        success, frame = video.read()
        if not success:
            return boxes, crops
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        faces = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5)
        largest = max(faces, key=lambda face: face[2] * face[3]) if len(faces) else None
        boxes.append(largest)
        if largest is not None:
            x, y, width, height = largest
            frame = frame[y : y + height, x : x + width]
        crops.append(cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA))


def track(folder: str) -> dict[str, float]:
    """Measure `video.track` on every frame of one clip, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from cryutils import video

    start = time.perf_counter()
    face_track = video.track(Path(folder, "0.mp4"), fps=None)
    return {"work_s": time.perf_counter() - start, "media_s": SECONDS, "frames": len(face_track)}


def crops(folder: str) -> dict[str, float]:
    """Measure `video.crops` on every frame of several clips, on all cores, with caching."""
    from cryutils import video
    from cryutils.datasets.corpus import Clip

    clips = [
        Clip(
            id=str(i), path=Path(folder, f"{i}.mp4"), label="hungry", infant=str(i), session="",
            start_s=None, duration_s=SECONDS, has_audio=False, has_video=True,
        )
        for i in range(CLIPS)
    ]  # fmt: skip
    start = time.perf_counter()
    tracks = video.crops(clips, fps=None)
    frames = sum(len(track) for track in tracks)
    return {"work_s": time.perf_counter() - start, "media_s": SECONDS * CLIPS, "frames": frames}


def agreement(folder: str) -> dict[str, float]:
    """Return how often each method finds a face, and how far apart their boxes are."""
    import numpy as np

    from cryutils import video

    ours, theirs, offsets = [], [], []
    for i in range(CLIPS):
        path = Path(folder, f"{i}.mp4")
        face_track = video.track(path, fps=None)
        boxes, _ = plain_opencv(path)
        ours += face_track.with_face.tolist()
        theirs += [box is not None for box in boxes]
        for mine, box in zip(face_track.boxes, boxes, strict=True):
            if box is not None:
                apart = mine[:2] + mine[2:] / 2 - (box[:2] + box[2:] / 2)
                offsets.append(float(np.hypot(*apart) / box[2]))
    return {
        "found_share": float(np.mean(ours)),
        "opencv_found_share": float(np.mean(theirs)),
        "offset": float(np.median(offsets)),
        "offset_p99": float(np.quantile(offsets, 0.99)),
    }


def read(minutes: str, folder: str) -> dict[str, float]:
    """Return the peak memory of reading every frame of a video, and how many there were."""
    from cryutils import video

    count = sum(1 for _ in video.frames(Path(folder, f"{minutes} min.mp4")))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mib": peak_kib / 1024, "frames": count}


WAYS: dict[str, Callable[..., dict[str, float]]] = {
    "write": write, "opencv": opencv, "track": track, "crops": crops, "agreement": agreement,
    "read": read,
}  # fmt: skip

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(WAYS[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
