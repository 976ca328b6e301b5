"""Measure the live analysis of sound and face: latency of readings, speed, memory, and pages.

    python benchmarks/live.py
    python benchmarks/live.py --pages 8

A synthetic crying infant, sound at 48 kHz and four pictures a second, is replayed twice: in real
time, where each reading is timed from the end of its window, and without waiting for a simulated
hour, where the peak memory is compared with that after the first minute. The networks have the
notebooks' size and random weights, which does not change their speed. Exits with 1 if a promise is
broken. Promised, on two cores: 100 ms from a window's end to its reading (95th percentile), 10
times real time, and constant memory.

`--pages` starts `cryutils serve` and opens some pages at once, each with sound and four pictures a
second for a minute. It prints the memory of the server without and with pages, how long the login,
a page and the first reading take, and the latency of the answers.

`--watch` starts `cryutils serve` without models. For each of some infants, one page plays noise and
then a synthetic cry, another watches, and then the first one is cut off. It prints the time from the
answer "crying" on the first page, and from the start of the cry, to the ring on the second; from the
cut to the alarm; and the memory of the server for a watching page. Exits with 1 if a promise is
broken: 2 s, 6 s (95th percentiles) and 2 MB.
"""

import argparse
import asyncio
import io
import json
import os
import re
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
RING_S, LOST_S, WATCHER_MB = 2.0, 6.0, 2.0
CORES = 2  # for which the promises are made
SR, FPS, CLIP_S = 48000, 4, 30.0
STATES = ("discomfort", "hungry", "pain", "tired")


def main(paced_s: float = 60.0, simulated_s: float = 3600.0) -> dict[str, float]:
    """Measure, print, and return the figures by their result keys."""
    from cryutils.widgets.monitor import Monitor

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
    from cryutils.models.inputs import PictureInput, SoundInput

    for builder, settings in ((cry2, SoundInput(kind="mel+mfcc")), (image, PictureInput(size=48))):
        with seeded(0):
            model = builder.build(settings.shape, len(STATES))
        card = {
            "classes": list(STATES),
            "input": asdict(settings),
            "data": "none",
            "note": "networks drawn at random",
            "temperature": 1.0,
        }
        name = builder.__name__.rpartition(".")[2]
        export.save(model, folder / "models", name, card)


def serve_pages(n: int, seconds: float = 60.0) -> dict[str, float]:
    """Measure a server with `n` pages, print, and return the figures."""
    import psutil
    import requests

    from crydecode import store

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--models", f"{folder}/run"], check=True)
        url = f"sqlite:///{folder}/store.sqlite"
        with store.open(url) as home:
            home.users.add("ann", "four words nobody guesses")
            infant = home.add_infant("Mia").id
        environment = os.environ | {"CRYUTILS_OUTPUTS_DIR": folder, "CRYUTILS_STORE": url}
        command = [sys.executable, "-m", "cryutils.course.cli", "serve", "--port", "0", "--run", "run"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = re.findall(r"Open (\S+)/", server.stdout.readline())[0]
            with requests.Session() as browser:
                browser.get(address + "/login")
                time.sleep(5)  # the models are opened
                fields = {"name": "ann", "password": "four words nobody guesses"}
                begun = time.perf_counter()
                browser.post(address + "/login", data=fields, headers={"Origin": address})
                browser.get(address + "/live")
                login_s = time.perf_counter() - begun
            port = address.rpartition(":")[2]
            with store.open(url) as home:  # a user has at most eight pages
                others = (home.users.add(f"ann{k}", fields["password"]) for k in range(8, n, 8))
                tickets = [home.logins.begin(user) for user in ("ann", *others)]
            cookies = [f"login-{port}={tickets[k // 8]}" for k in range(n)]
            memory = psutil.Process(server.pid).memory_info
            empty = memory().rss
            listen = f"{address.replace('http', 'ws', 1)}/listen?infant={infant}"
            answers = asyncio.run(_pages(listen, address, cookies, seconds))
            full = memory().rss
        finally:
            server.terminate()
            server.wait()
    late = np.concatenate([latencies for _, latencies in answers])
    figures = {
        "server_mb": empty / 2**20,
        "page_mb": (full - empty) / n / 2**20,
        "login_s": login_s,
        "first_s": max(first for first, _ in answers),
        "p95_ms": float(np.percentile(late, 95)),
    }
    print(
        f"server: {figures['server_mb']:.0f} MiB; {n} pages: {figures['page_mb']:.1f} MiB each;"
        f" login to page {login_s:.2f} s; start to first reading {figures['first_s']:.2f} s;"
        f" answers: median {np.median(late):.0f} ms, 95 % within {figures['p95_ms']:.0f} ms;"
        f" {len(late) / n:.0f} readings each"
    )
    return figures


async def _pages(
    url: str, origin: str, cookies: list[str], seconds: float
) -> list[tuple[float, list[float]]]:
    """Run pages; return for each the time of its first reading in s, and latencies in ms."""
    sound, pictures = infant()
    jpegs = [_jpeg(picture) for picture in pictures[:16]]
    blocks = [(32767 * sound[k : k + SR // 4]).astype("<i2").tobytes() for k in range(0, len(sound), SR // 4)]
    pages = (_page(url, origin, cookie, blocks, jpegs, seconds) for cookie in cookies)
    return await asyncio.gather(*pages)


async def _page(
    url: str, origin: str, cookie: str, blocks: list[bytes], jpegs: list[bytes], seconds: float
) -> tuple[float, list[float]]:
    from websockets.asyncio.client import connect

    headers, sent, late, first = {"Cookie": cookie}, dict[int, float](), list[float](), 0.0
    async with connect(url, origin=origin, additional_headers=headers, proxy=None) as socket:  # type: ignore[arg-type]
        await socket.recv()
        begun = time.perf_counter()

        async def hear() -> None:
            nonlocal first
            async for text in socket:
                answer = json.loads(text)
                if answer.get("readings"):
                    late.append(1000 * (time.perf_counter() - sent[answer["number"]]))
                    first = first or time.perf_counter() - begun

        hearing = asyncio.create_task(hear())
        await socket.send(json.dumps({"type": "start", "number": -1}))
        for k in range(round(4 * seconds)):
            at = (k + 1) / 4
            await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
            for kind, data in (("frame", jpegs[k % len(jpegs)]), ("sound", blocks[k % 100])):
                number = 2 * k + (kind == "sound")
                head = json.dumps({"type": kind, "number": number, "at": at, "sr": SR}).encode()
                sent[number] = time.perf_counter()
                await socket.send(len(head).to_bytes(4, "little") + head + data)
        await asyncio.sleep(1)
        hearing.cancel()
    return first, late


def watch_pages(n: int) -> dict[str, float]:
    """Measure `n` pairs of a listening and a watching page, print, and return the figures."""
    import psutil

    from crydecode import store

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.sqlite"
        environment = os.environ | {"CRYUTILS_OUTPUTS_DIR": folder, "CRYUTILS_STORE": url}
        with store.open(url) as home:
            users = [home.users.add(f"ann{k}", "four words nobody guesses") for k in range(4)]
            tickets = [home.logins.begin(user) for user in users]
            infants = [home.add_infant(f"infant {k}").id for k in range(n)]
        command = [sys.executable, "-m", "cryutils.course.cli", "serve", "--port", "0"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = re.findall(r"Open (\S+)/", server.stdout.readline())[0]
            port = address.rpartition(":")[2]
            place = address.replace("http", "ws", 1)
            cookies = [{"Cookie": f"login-{port}={ticket}"} for ticket in tickets]
            memory = psutil.Process(server.pid).memory_info
            options = {"origin": address, "proxy": None}
            times, before, after = asyncio.run(_watch(place, infants, cookies, options, lambda: memory().rss))
        finally:
            server.terminate()
            server.wait()
    shown, heard, lost = np.percentile(times, 95, axis=0)
    figures = {"ring_s": shown, "heard_s": heard, "lost_s": lost, "watcher_mb": (after - before) / 16e6}
    print(
        f"{n} cries: ring {np.median(times[:, 0]):.2f} s after the listening page said so, 95 % within"
        f" {shown:.2f} s (promised {RING_S:.0f}); {np.median(times[:, 1]):.2f} s after the cry began, 95 %"
        f" within {heard:.2f} s; alarm {np.median(times[:, 2]):.2f} s after a page was killed, 95 % within"
        f" {lost:.2f} s (promised {LOST_S:.0f}); {figures['watcher_mb']:.2f} MB a watching page (promised"
        f" {WATCHER_MB:.0f} at most)"
    )
    return figures


async def _watch(place, infants, cookies, options, memory):  # type: ignore[no-untyped-def]
    """Return the times of each pair in s, float (n, 3), and the memory without and with 16 watching pages."""
    from websockets.asyncio.client import connect

    def page(path: str, infant: int, cookie: dict[str, str]):  # type: ignore[no-untyped-def]
        return connect(f"{place}/{path}infant={infant}", additional_headers=cookie, **options)

    times = []
    for k in range(0, len(infants), 4):  # four pairs at once
        pairs = zip(infants[k : k + 4], cookies, strict=False)
        times += await asyncio.gather(*(_pair(page, infant, cookie) for infant, cookie in pairs))
    before = memory()
    pages = [await page("watch?", infants[0], cookies[k // 8]) for k in range(16)]
    await asyncio.sleep(5)
    after = memory()
    for each in pages:
        await each.close()
    return np.array(times), before, after


async def _pair(page, infant: int, cookie: dict[str, str]) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    """Play noise and a cry on a page, and cut it off; return when another page rang, in s."""
    rate, told = 16_000, dict[str, float]()
    cry = np.concatenate([np.random.default_rng(infant).normal(0, 0.003, 4 * rate), infant_sound(rate)])
    blocks = (32767 * cry).astype("<i2").reshape(-1, rate // 4)

    async def hear(socket, **due) -> None:  # type: ignore[no-untyped-def]
        async for text in socket:
            message, now = json.loads(text), time.perf_counter()
            told.update({name: now for name, is_due in due.items() if name not in told and is_due(message)})

    def cries(answer) -> bool:  # type: ignore[no-untyped-def]
        return any(reading["cries"] for reading in answer.get("readings", []))

    def is_lost(state) -> bool:  # type: ignore[no-untyped-def]
        return "cut" in told and state[0]["kind"] == "lost"

    nursery = await page("listen?", infant, cookie)
    parent = await page("watch?delay=0&again=60&", infant, cookie)
    rings = hear(parent, ring=lambda state: state[0]["rings"], lost=is_lost)
    hearing = [asyncio.create_task(each) for each in (hear(nursery, crying=cries), rings)]
    begun = time.perf_counter()
    await nursery.send(json.dumps({"type": "start", "number": -1}))
    for k, block in enumerate(blocks):
        await asyncio.sleep(max(0.0, begun + (k + 1) / 4 - time.perf_counter()))
        head = json.dumps({"type": "sound", "number": k, "at": (k + 1) / 4, "sr": rate}).encode()
        await nursery.send(len(head).to_bytes(4, "little") + head + block.tobytes())
    told["cut"] = time.perf_counter()
    nursery.transport.abort()  # without a word, as a killed page
    while "lost" not in told:
        await asyncio.sleep(0.05)
    for task in hearing:
        task.cancel()
    await parent.close()
    return told["ring"] - told["crying"], told["ring"] - begun - 4, told["lost"] - told["cut"]


def infant_sound(rate: int) -> np.ndarray:
    """Return 6 s of crying."""
    from cryutils.datasets.synthetic import voice

    return voice.render(voice.plan("hungry", infant=1, seed=1, duration_s=6.0), rate)


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the live analysis.")
    parser.add_argument("--pages", type=int, metavar="N", help="of a server, at once")
    parser.add_argument("--watch", type=int, metavar="N", help="pairs of a listening and a watching page")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = _arguments()
    if options.models:
        make_models(options.models)
        sys.exit()
    if hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if options.watch:
        measured = watch_pages(options.watch)
        too_late = measured["ring_s"] > RING_S or measured["lost_s"] > LOST_S
        sys.exit(too_late or measured["watcher_mb"] > WATCHER_MB)
    if options.pages:
        serve_pages(options.pages)
        sys.exit()
    figures = main()
    sys.exit(
        figures["live.latency_p95_ms"] > LATENCY_MS
        or figures["live.realtime_factor"] < FACTOR
        or figures["live.memory_growth_mb"] > GROWTH_MB
    )
