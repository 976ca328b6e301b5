"""Measure whether time or peak memory grows faster than the number of clips.

    cryutils bench clips

25, 50, 100 and 200 synthetic videos of 15 s are processed, each number in its own process with an
empty cache. The stages: make the corpus, extract and embed its frames, extract its sound and cut it
into windows, train all networks, score Table 3. To end within minutes, all numbers use fewer frames
per second than the paper's 30, the small backbone, and fewer epochs than the paper's, without early
stopping. Importing libraries and loading the backbone are measured separately. The fit is time =
constant * clips ** exponent, of processor time, which other programs change little. A machine's own
speed may change by a third within minutes, so all numbers take turns, twice, and the shortest time
of each stage counts. Exits with 1 if an exponent, of time or of memory, is larger than promised.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

SIZES = (25, 50, 100, 200)  # clips
ROUNDS = 2
DURATION_S, FPS = 15.0, 2.0
MOST = 1.05  # largest exponent that is allowed


def stages(clips: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield name and function of each stage in order; later ones use results of earlier ones."""
    import cryutils
    from cryutils.evaluation import Split
    from cryutils.models import small_cnn
    from cryutils.models.inputs import SoundInput
    from cryutils.papers import embeddings, ensemble, streams, table3

    made: dict[str, Any] = {}
    backbone = small_cnn.small()  # its quality does not matter here
    frame_input = embeddings.FrameInput(fps=FPS, size=64, crop="centre")
    hearing = {
        kind: SoundInput(
            kind=kind, n_fft=256, hop_length=128, step_s=2.0, scaling="recording"
        )
        for kind in ("mfcc", "stft")
    }  # fmt: skip
    dials = {
        "classes": list(embeddings.STATES), "infants": clips, "clips_per_infant": 1,
        "duration_s": DURATION_S, "fps": FPS, "size": 112, "video": True, "progress": False,
    }  # fmt: skip

    def corpus() -> None:
        made["corpus"] = cryutils.load("synthetic", **dials)

    def frames() -> None:
        made["frames"] = embeddings.embed(made["corpus"], backbone, frame_input)

    def sound() -> None:
        made["streams"] = streams.gather(made["corpus"], hearing, made["frames"], fps=FPS)

    def training() -> None:
        made["ensemble"] = ensemble.fit(
            made["streams"], settings=settings(), splits=(Split.CLIP, Split.INFANT)
        )

    yield "corpus", corpus
    yield "frames", frames
    yield "sound", sound
    yield "training", training
    yield "Table 3", lambda: table3.Table3(made["ensemble"]).tidy()


def settings() -> Any:
    """Return the ensemble's settings with a fixed number of epochs."""
    from cryutils.papers.ensemble import Settings

    return Settings(
        hidden=128, n_inner=2, autoencoder_epochs=4, epochs=8, image_epochs=4, ensemble_epochs=16,
        patience=16,
    )  # fmt: skip


def cost(clips: int) -> dict[str, Any]:
    """Return this process's wall and processor time in s by stage, and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRYUTILS_CACHE_DIR"] = folder
        begun = time.process_time()
        took, setup = {}, None
        for name, stage in stages(clips):
            setup = time.process_time() - begun if setup is None else setup
            wall, cpu = time.perf_counter(), time.process_time()
            stage()
            took[name] = (time.perf_counter() - wall, time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "setup": setup,
        "stages": took,
        "peak_mib": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def exponent(values: list[float]) -> float:
    """Return the slope of log(values) on log(clips)."""
    return float(np.polyfit(np.log(SIZES), np.log(values), 1)[0])


def cost_apart(clips: int) -> dict[str, Any]:
    """Return `cost(clips)`, measured in a new process."""
    command = [sys.executable, __file__, "--clips", str(clips)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    measured: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return measured


def least(costs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the smallest value of each part over repeated costs of one number of clips."""
    stages = {
        name: np.min([cost["stages"][name] for cost in costs], axis=0).tolist()
        for name in costs[0]["stages"]
    }
    setup, peak_mib = np.min([(cost["setup"], cost["peak_mib"]) for cost in costs], axis=0)
    return {"setup": setup, "stages": stages, "peak_mib": peak_mib}


def main() -> int:
    """Print a line for each number of clips, and the exponents; return the exit code."""
    rounds = []
    for number in range(1, ROUNDS + 1):
        rounds.append([cost_apart(clips) for clips in SIZES])
        print(f"round {number} of {ROUNDS} is done", flush=True)
    rows = [least(costs) for costs in zip(*rounds, strict=True)]
    for clips, row in zip(SIZES, rows, strict=True):
        parts = ", ".join(
            f"{name} {spent:.1f} s" for name, (_, spent) in row["stages"].items() if spent > 0.01
        )
        wall = sum(wall for wall, _ in row["stages"].values())
        print(
            f"{clips} clips of {DURATION_S:g} s, {FPS:g} frames a second: {parts} of the "
            f"processor, {wall:.1f} s by the clock on {os.cpu_count()} cores; peak "
            f"{row['peak_mib']:.0f} MiB (before: {row['setup']:.1f} s)"
        )
    names = [name for name in rows[0]["stages"] if rows[-1]["stages"][name][1] > 0.1]
    times_by_stage = {name: [row["stages"][name][1] for row in rows] for name in names}
    times_by_stage["all"] = [sum(times) for times in zip(*times_by_stage.values(), strict=True)]
    times_by_stage["memory"] = [row["peak_mib"] for row in rows]
    exponents = {name: exponent(spent) for name, spent in times_by_stage.items()}
    print("exponents:", ", ".join(f"{name} {slope:.2f}" for name, slope in exponents.items()))
    print(f"promised: {MOST} at most, of each")
    return int(max(exponents.values()) > MOST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, help="measure in this process, with so many")
    clips = parser.parse_args().clips
    if clips:
        print(json.dumps(cost(clips)))
    else:
        sys.exit(main())
