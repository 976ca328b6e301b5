"""Measure one server with many caregivers: how soon a page is ready, and whether readings arrive.

    python benchmarks/pages.py

A real server with networks of the notebooks' size and random weights gets clients without a screen,
so a browser's time for drawing is not included. The promises are for two cores; server, pages and
clients get no more if the system allows a limit. First one page is opened alone. Then PAGES pages
at once get a crying synthetic infant in real time, as a browser sends it: sound at 48 kHz and four
pictures a second. Memory is that of the largest kernel and of the server, after a sixth of the time
and at the end; `--seconds 3600` shows whether it is constant over an hour. Exits with 1 if a
promise is broken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import live
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from served import PASSWORD, Page, Served, served

from cryutils.app.readings import HOP_S

PAGES = 8
BLOCK_S = 0.25  # of sound, and a picture
READY_S, KERNEL_MIB, ANSWER_MS = 3.0, 300.0, 1000 * HOP_S  # promised


@dataclass(frozen=True)
class Figures:
    """Results: s until pages are ready, ms until answers with readings, s between readings, MiB."""

    ready_s: float
    together_s: list[float]
    answers_ms: list[float]
    readings: list[int]
    steps_s: list[float]
    kernel_mib: list[float]
    server_mib: list[float]

    def holds(self, expected: int) -> bool:
        """Return whether the promises hold, with at least `expected` readings for each page."""
        return (
            self.ready_s <= READY_S
            and max(self.kernel_mib) <= KERNEL_MIB
            and bool(np.percentile(self.answers_ms, 95) <= ANSWER_MS)
            and min(self.readings) >= expected
            and max(self.steps_s) < 1.5 * HOP_S
        )


def blocks(length_s: float) -> list[tuple[bytes, bytes]]:
    """Return sound and JPEG of each block of a crying infant, repeated for `length_s`."""
    import cv2

    sound, pictures = live.infant()
    images = [cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes() for picture in pictures]
    parts = sound.reshape(len(images), round(live.SR * BLOCK_S))
    samples = [part.astype("<f4").tobytes() for part in parts]
    return [
        (samples[k % len(parts)], images[k % len(parts)]) for k in range(round(length_s / BLOCK_S))
    ]


def heard(page: Page, messages: int) -> list[tuple[float, int, list[float]]]:
    """Return the time, the number and the reading times of each of `messages` answers."""
    answers = []
    for answer in islice(page.answers(), messages):
        times = [reading["time"] for reading in answer["readings"]]
        answers.append((time.perf_counter(), answer["number"], times))
    return answers


def memory(server: Served) -> tuple[float, float]:
    """Return the memory of the largest kernel and of the server, in MiB."""
    processes = [*server.kernels().values(), psutil.Process(server.process.pid)]
    *kernels, itself = (process.memory_info().rss / 2**20 for process in processes)
    return max(kernels), itself


def main(pages: int = PAGES, length_s: float = 60.0) -> Figures:
    """Measure, print, and return the figures."""
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2 * pages) as pool:
        models = Path(place) / "outputs" / "quick"
        # In a separate process, because neither server nor pages use TensorFlow.
        subprocess.run([sys.executable, live.__file__, "--models", str(models)], check=True)
        played = blocks(length_s)
        with served(Path(place)) as server:
            for k in range(pages):
                server.store.users.add(f"caregiver-{k}", PASSWORD)
                server.store.infants.add(f"infant-{k}", user=f"caregiver-{k}")
            alone = Page.opened(server, "caregiver-0")
            others = [pool.submit(Page.opened, server, f"caregiver-{k}") for k in range(1, pages)]
            opened = [alone, *(other.result() for other in others)]
            answers = [pool.submit(heard, page, 2 * len(played)) for page in opened]
            sent = [pool.submit(page.play, played, sr=live.SR, block_s=BLOCK_S) for page in opened]
            time.sleep(length_s / 6)
            sizes = [memory(server)]
            came = [answer.result() for answer in answers]
            sizes.append(memory(server))
    delays, readings, steps = [], [], []
    for went, answered in zip(sent, came, strict=True):
        times = [moment for _, _, moments in answered for moment in moments]
        delays += [1000 * (when - went.result()[n]) for when, n, moments in answered if moments]
        readings.append(len(times))
        steps.append(float(np.diff(times).max(initial=0.0)))
    kernel_mib, server_mib = (list(column) for column in zip(*sizes, strict=True))
    together = [page.ready_s for page in opened[1:]]
    figures = Figures(alone.ready_s, together, delays, readings, steps, kernel_mib, server_mib)
    _say(figures, pages, length_s)
    return figures


def _say(figures: Figures, pages: int, length_s: float) -> None:
    middle, late = np.percentile(figures.answers_ms, [50, 95])
    worst = max(figures.together_s, default=figures.ready_s)
    print(
        f"ready: {figures.ready_s:.2f} s after the login (promised {READY_S:g});"
        f" the slowest of {pages - 1} that log in together {worst:.2f} s"
    )
    print(
        f"{pages} pages for {length_s:g} s: {min(figures.readings)} to {max(figures.readings)}"
        f" readings each, {length_s / HOP_S:.0f} expected; longest step {max(figures.steps_s):.2f}"
        " s"
    )
    print(
        f"answers with readings: median {middle:.0f} ms, 95 % within {late:.0f} ms (promised"
        f" {ANSWER_MS:.0f}), worst {max(figures.answers_ms):.0f} ms"
    )
    for name, (early, end) in {
        "largest kernel": figures.kernel_mib, "server": figures.server_mib,
    }.items():  # fmt: skip
        promised = f" (promised {KERNEL_MIB:.0f})" if name != "server" else ""
        print(f"{name}: {early:.0f} MiB early, {end:.0f} MiB at the end{promised}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="play for so long")
    length_s = parser.parse_args().seconds
    print(f"cores: {live.confined()}")
    sys.exit(not main(length_s=length_s).holds(round(length_s / HOP_S) - 1))
