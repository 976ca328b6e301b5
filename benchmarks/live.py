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
cut to the alarm; and the memory of a fresh server for each of 24 watching pages. Exits with 1 if a
promise is broken: 2 s, 6 s (95th percentiles) and 2 MB.

`--night` plays a simulated night of so many hours to a page that listens, while another watches: the
page sends the same sound as in a real night, as fast as it is answered, and sets the server's clock.
It prints the server's memory after ten minutes and at the end; 20 MB more break the promise.

`--listener` opens the listening page in Chromium with a fake microphone, and prints the processor
time of a minute, and what the page sends. Promised: 8 % of a core.
"""

import argparse
import asyncio
import io
import json
import mmap
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

import numpy as np

LATENCY_MS, FACTOR, GROWTH_MB = 100.0, 10.0, 20.0
RING_S, LOST_S, WATCHER_MB = 2.0, 6.0, 2.0
LISTENER, WATCHERS = 0.08, 24  # cores, pages
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


_COMMAND = """
import mmap, sys, time

def ahead(clock):
    return lambda: clock() + skew[0]

if path := sys.argv.pop(1):  # in it is by how many seconds the clocks are ahead
    with open(path, "r+b") as file:
        skew = memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
    time.time, time.monotonic = ahead(time.time), ahead(time.monotonic)
from cryutils.course.cli import main
main()
"""


@contextmanager
def _served(folder: str, *options: str, skew: str = "") -> Iterator[tuple[str, int]]:
    """Start `cryutils serve` with its files in a folder; yield its address and process number.

    skew: a file of 8 bytes, a float, by which the server's clocks are ahead, in s.
    """
    store = f"sqlite:///{folder}/store.sqlite"
    environment = os.environ | {"CRYUTILS_OUTPUTS_DIR": folder, "CRYUTILS_STORE": store}
    command = [sys.executable, "-c", _COMMAND, skew, "serve", "--port", "0", *options]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield re.findall(r"Open (\S+)/", server.stdout.readline())[0], server.pid
    finally:
        server.terminate()
        server.wait()


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
        with _served(folder, "--run", "run") as (address, pid):
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
            memory = psutil.Process(pid).memory_info
            empty = memory().rss
            listen = f"{address.replace('http', 'ws', 1)}/listen?infant={infant}"
            answers = asyncio.run(_pages(listen, address, cookies, seconds))
            full = memory().rss
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
        with store.open(url) as home:
            users = [home.users.add(f"ann{k}", "four words nobody guesses") for k in range(4)]
            tickets = [home.logins.begin(user) for user in users]
            infants = [home.add_infant(f"infant {k}").id for k in range(n)]
        with _served(folder) as (address, pid):
            memory = psutil.Process(pid).memory_full_info
            times, watcher = asyncio.run(_watch(_opener(address, tickets), infants, lambda: memory().uss))
    shown, heard, lost = np.percentile(times, 95, axis=0)
    figures = {"ring_s": shown, "heard_s": heard, "lost_s": lost, "watcher_mb": watcher / 1e6}
    print(
        f"{n} cries: ring {np.median(times[:, 0]):.2f} s after the listening page said so, 95 % within"
        f" {shown:.2f} s (promised {RING_S:.0f}); {np.median(times[:, 1]):.2f} s after the cry began, 95 %"
        f" within {heard:.2f} s; alarm {np.median(times[:, 2]):.2f} s after a page was killed, 95 % within"
        f" {lost:.2f} s (promised {LOST_S:.0f}); {figures['watcher_mb']:.2f} MB a watching page (promised"
        f" {WATCHER_MB:.0f} at most)"
    )
    return figures


def _opener(address: str, tickets: list[str]):  # type: ignore[no-untyped-def]
    """Return a function that opens the WebSocket of a path, an infant and the k-th login."""
    from websockets.asyncio.client import connect

    place, port = address.replace("http", "ws", 1), address.rpartition(":")[2]

    def page(path: str, infant: int, k: int = 0):  # type: ignore[no-untyped-def]
        cookie = {"Cookie": f"login-{port}={tickets[k]}"}
        url = f"{place}/{path}infant={infant}"
        return connect(url, additional_headers=cookie, origin=address, proxy=None)  # type: ignore[arg-type]

    return page


async def _watch(page, infants, memory):  # type: ignore[no-untyped-def]
    """Return the times of each pair in s, float (n, 3), and the bytes that a watching page takes."""
    # First, while the server has no memory that other pages have left.
    async with page("watch?", infants[0]) as first:
        await first.recv()
        before = memory()
        pages = [await page("watch?", infants[0], 1 + k // 8) for k in range(WATCHERS)]
        await asyncio.sleep(5)
        watcher = (memory() - before) / WATCHERS
    for each in pages:
        await each.close()
    times = []
    for start in range(0, len(infants), 4):  # four pairs at once
        pairs = enumerate(infants[start : start + 4])
        times += await asyncio.gather(*(_pair(page, infant, k) for k, infant in pairs))
    return np.array(times), watcher


async def _pair(page, infant: int, k: int) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
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

    nursery = await page("listen?", infant, k)
    parent = await page("watch?delay=0&again=60&", infant, k)
    rings = hear(parent, ring=lambda state: state[0]["rings"], lost=is_lost)
    hearing = [asyncio.create_task(each) for each in (hear(nursery, crying=cries), rings)]
    begun = time.perf_counter()
    await nursery.send(json.dumps({"type": "start", "number": -1}))
    for at, message in _sounds(blocks):
        await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
        await nursery.send(message)
    told["cut"] = time.perf_counter()
    nursery.transport.abort()  # without a word, as a killed page
    while "lost" not in told:
        await asyncio.sleep(0.05)
    for task in hearing:
        task.cancel()
    await parent.close()
    return told["ring"] - told["crying"], told["ring"] - begun - 4, told["lost"] - told["cut"]


def _sounds(blocks: Iterable[np.ndarray]) -> Iterator[tuple[float, bytes]]:
    """Yield the messages of a page with blocks of 0.25 s at 16 kHz, and when each is sent, in s."""
    for k, block in enumerate(blocks, 1):
        head = json.dumps({"type": "sound", "number": k, "at": k / 4, "sr": 16_000}).encode()
        yield k / 4, len(head).to_bytes(4, "little") + head + block.tobytes()


def night(hours: float) -> float:
    """Play a simulated night to a server, print, and return how much its memory grew, in MB."""
    import psutil

    from crydecode import store

    with tempfile.TemporaryDirectory() as folder:
        with store.open(f"sqlite:///{folder}/store.sqlite") as home:
            tickets = [home.logins.begin(home.users.add("ann", "four words nobody guesses"))]
            infant = home.add_infant("Mia").id
        skew = Path(folder, "skew")
        skew.write_bytes(bytes(8))
        with skew.open("r+b") as file:
            ahead = memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
        with _served(folder, skew=str(skew)) as (address, pid):
            memory = psutil.Process(pid).memory_full_info
            page = _opener(address, tickets)
            begun = time.perf_counter()
            played = _night(page, infant, round(14_400 * hours), lambda: memory().uss / 1e6, ahead)
            sizes, readings, rings = asyncio.run(played)
            took = time.perf_counter() - begun
    print(
        f"{hours:g} h simulated in {took / 60:.0f} min: {readings} readings, {rings} rings; the server's"
        f" memory is {sizes[1]:.1f} MB after ten minutes, {sizes[-1]:.1f} MB at the end,"
        f" {max(sizes):.1f} MB at most"
    )
    return sizes[-1] - sizes[1]


async def _night(page, infant: int, n: int, memory, ahead):  # type: ignore[no-untyped-def]
    """Send `n` blocks; return the memory every ten minutes in MB, and the numbers of readings and rings."""
    noise = np.random.default_rng(0).normal(0, 0.003, 114 * 16_000)
    blocks = (32767 * np.concatenate([noise, infant_sound(16_000)])).astype("<i2").reshape(-1, 4000)
    sizes, readings, rings = [memory()], 0, 0

    async def watch(socket) -> None:  # type: ignore[no-untyped-def]
        nonlocal rings
        rang = False
        async for text in socket:
            (state,) = json.loads(text)
            rings, rang = rings + (state["loud"] and not rang), state["loud"]

    async with page("listen?", infant) as nursery, page("watch?delay=0&again=60&", infant) as parent:
        watching, begun = asyncio.create_task(watch(parent)), time.perf_counter()
        await nursery.recv()
        await nursery.send(json.dumps({"type": "start", "number": 0}))
        await nursery.recv()
        for at, message in islice(_sounds(cycle(blocks)), n):
            ahead[0] = max(ahead[0], at - (time.perf_counter() - begun))  # no clock goes back
            await nursery.send(message)
            readings += len(json.loads(await nursery.recv())["readings"])
            if at % 600 == 0:
                sizes.append(memory())
                print(f"{at / 3600:.1f} h: {sizes[-1]:.1f} MB", flush=True)
        assert not watching.done(), "the watching page was closed"
        watching.cancel()
    return sizes, readings, rings


# Counts the bytes that a page sends.
_COUNT = """
const { send } = WebSocket.prototype;
window.sent = 0;
WebSocket.prototype.send = function (data) {
  window.sent += data.size ?? data.length;
  return send.call(this, data);
};
"""


def listening_page(seconds: float = 60.0) -> float:
    """Measure the listening page in Chromium, print, and return its share of a core."""
    import psutil
    from playwright.sync_api import sync_playwright

    from crydecode import store
    from cryutils.audio import wav_bytes

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        sound = np.concatenate([np.random.default_rng(0).normal(0, 0.003, 24 * SR), infant_sound(SR)])
        Path(folder, "sound.wav").write_bytes(wav_bytes(sound.astype(np.float32), SR))
        with store.open(f"sqlite:///{folder}/store.sqlite") as home:
            link = home.logins.link(home.users.add("ann", "four words nobody guesses"), 600)
            infant = home.add_infant("Mia").id
        with _served(folder) as (address, _):
            options = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
            options += [f"--use-file-for-fake-audio-capture={folder}/sound.wav"]
            path = shutil.which("chromium") or playwright.chromium.executable_path
            browser = playwright.chromium.launch(executable_path=path, args=options)
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(f"{address}/login?link={link}")
            page.get_by_role("button", name="Log in").first.click()
            page.add_init_script(_COUNT)
            page.goto(f"{address}/live?infant={infant}")
            page.get_by_role("button", name="Start listening").click()
            page.wait_for_timeout(10_000)  # the page is drawn, and its script compiled
            own = psutil.Process().children(recursive=True)
            everything = [each for each in own if "chrom" in each.name()]
            renderers = [each for each in everything if "--type=renderer" in each.cmdline()]

            def used() -> list[float]:
                """Return the processor time of the renderers and of all, in s, and the bytes sent."""
                spent = (sum(sum(each.cpu_times()[:2]) for each in some) for some in (renderers, everything))
                return [*spent, page.evaluate("window.sent")]

            before = used()
            page.wait_for_timeout(1000 * seconds)
            share, whole, sent = (np.array(used()) - before) / seconds
            browser.close()
    print(
        f"listening page: {100 * share:.1f} % of a core (promised {100 * LISTENER:.0f} at most), the whole"
        f" browser {100 * whole:.1f} %, without a screen; it sends {sent / 1000:.0f} kB/s"
    )
    return float(share)


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
    parser.add_argument("--night", type=float, metavar="HOURS", help="of a simulated night")
    parser.add_argument("--listener", action="store_true", help="the listening page in Chromium")
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
    if options.night:
        sys.exit(night(options.night) > GROWTH_MB)
    if options.listener:
        sys.exit(listening_page() > LISTENER)
    if options.pages:
        serve_pages(options.pages)
        sys.exit()
    figures = main()
    sys.exit(
        figures["live.latency_p95_ms"] > LATENCY_MS
        or figures["live.realtime_factor"] < FACTOR
        or figures["live.memory_growth_mb"] > GROWTH_MB
    )
