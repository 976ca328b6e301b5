"""Compare the speed of our features with a plain librosa script: `python benchmarks/features.py`.

Each measurement runs in its own process, in turns (librosa, cold, warm, librosa, ...), and the
medians are compared:

- librosa: import, then `load(sr=None)`, `stft`, `amplitude_to_db` and `feature.mfcc` per file;
- cold: ours with an empty cache: import, reading, STFT in dB and MFCC;
- warm: ours with the cache that cold has filled, every value read, against librosa's work on the
  same files, both without imports.

Exits with 1 if a promise is broken.
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
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from joblib import cpu_count

ROUNDS = 5
PROMISES = {"cold_ratio": 2.0, "warm_ratio": 20.0}  # minimum speed-up over librosa


def main(rounds: int = ROUNDS) -> dict[str, float]:
    """Measure, print the results, and return the figures by name."""
    files, name = find_files()
    print(f"{len(files)} files of {name}, {cpu_count()} cores, {rounds} rounds", flush=True)
    rows_by_way: dict[str, list[dict[str, float]]] = {"librosa": [], "cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            cache = Path(folder, str(turn))
            for way, rows in rows_by_way.items():
                rows.append(run(way, files, cache=cache))

    def median(way: str, what: str) -> float:
        return statistics.median(measured[what] for measured in rows_by_way[way])

    result = {
        "files": len(files),
        "librosa_s": median("librosa", "process_s"),
        "cold_s": median("cold", "process_s"),
        "librosa_work_s": median("librosa", "work_s"),
        "warm_work_s": median("warm", "work_s"),
        "cold_peak_mib": median("cold", "peak_mib"),
    }
    result["cold_ratio"] = result["librosa_s"] / result["cold_s"]
    result["warm_ratio"] = result["librosa_work_s"] / result["warm_work_s"]
    print(
        f"  librosa {result['librosa_s']:.2f} s, of which work {result['librosa_work_s']:.2f} s; "
        f"ours cold {result['cold_s']:.2f} s ({result['cold_peak_mib']:.0f} MiB at most), "
        f"warm {1000 * result['warm_work_s']:.0f} ms"
    )
    print(
        f"features: cold {result['cold_ratio']:.1f} times, warm {result['warm_ratio']:.0f} times "
        f"faster than librosa on {len(files)} files of {name}; promised "
        f"{PROMISES['cold_ratio']:.0f} and {PROMISES['warm_ratio']:.0f}"
    )
    return result


def find_files() -> tuple[list[str], str]:
    """Return files and name of the corpus: DonateACry if available, else synthetic voices."""
    import cryutils

    try:
        corpus, name = cryutils.load("donateacry"), "DonateACry"
    except cryutils.InputError as error:
        print(f"DonateACry cannot be had ({error}), so these are synthetic voices.")
        corpus, name = cryutils.load("synthetic"), "synthetic voices"
    return [str(clip.path) for clip in corpus], name


def run(way: str, files: Sequence[str], *, cache: Path) -> dict[str, float]:
    """Return the measurements of a fresh process that does the work one way, and its total time."""
    environment = {**os.environ, "CRYUTILS_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    child = subprocess.run(
        [sys.executable, __file__, way],
        input=json.dumps(files),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    process_s = time.perf_counter() - start
    return {"process_s": process_s, **json.loads(child.stdout)}


def plain_librosa(files: Sequence[str]) -> dict[str, float]:
    """Measure the script that a reader would write with librosa."""
    import librosa
    import numpy as np

    def stft_and_mfcc(path: str) -> tuple[np.ndarray, np.ndarray]:
        x, sr = librosa.load(path, sr=None)
        return librosa.amplitude_to_db(np.abs(librosa.stft(x))), librosa.feature.mfcc(y=x, sr=sr)

    first = stft_and_mfcc(files[0])  # librosa imports most of its modules here
    start = time.perf_counter()
    everything = [stft_and_mfcc(path) for path in files[1:]]
    work_s = (time.perf_counter() - start) * len(files) / (len(files) - 1)
    return {"work_s": work_s, "clips": len([first, *everything])}


def ours(files: Sequence[str]) -> dict[str, float]:
    """Measure STFT and MFCC of all files with the present cache, reading each value."""
    from cryutils import audio

    clips = [SimpleNamespace(path=Path(path)) for path in files]
    features = audio.features  # import NumPy and the rest before timing
    start = time.perf_counter()
    stft, mfcc = (features(clips, kind=kind) for kind in ("stft", "mfcc"))
    total = sum(float(feature.sum()) for feature in [*stft, *mfcc])
    work_s = time.perf_counter() - start
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"work_s": work_s, "peak_mib": peak_kib / 1024, "total": total}


WAYS = {"librosa": plain_librosa, "cold": ours, "warm": ours}

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(WAYS[sys.argv[1]](json.load(sys.stdin))))
    else:
        figures = main()
        sys.exit(any(figures[name] < least for name, least in PROMISES.items()))
