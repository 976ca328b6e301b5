"""Photograph and film the application: Paper B's Figures 1 to 6, the live widget, and a film of 20 s.

    python tools/screenshots.py
    python tools/screenshots.py film

Starts the application for the login, and the demonstration (`cryutils serve --demo`) for the rest, whose
baby is synthetic. Writes `docs/application.png` and `cryutils/widgets/live.png`, or the film of the
site's first page, `docs/front/application.webm`, and its captions `application.vtt`. It needs Chromium
or Chrome, and two minutes.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image
from PIL.Image import Dither
from playwright.sync_api import BrowserContext, Page, sync_playwright

from cryutils._io.paths import project_dir

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-background-networking", "--mute-audio"]
OPTIONS += ["--autoplay-policy=no-user-gesture-required"]
SCREEN: Any = {"width": 390, "height": 640}  # of the film
DAY = f"DAY{datetime.now(UTC).hour - 15:+d}"  # a time zone in which it is afternoon, so that pages are light
STEP_MS = 100  # between its pictures, at least
PHONE, WIDE, GAP = (390, 830), (760, 830), 24  # pixels
# An answer for this reason, by sound and face, while the computer keeps up.
CLEAR = """reason => { const said = name => document.querySelector(`.live-${name}`).textContent;
  return said("answer").includes(`probably ${reason}`) && !said("remark") && !said("notice"); }"""


@contextmanager
def served(*options: str, **environment: str) -> Iterator[str]:
    """Start `cryutils serve`, and give the address that it prints."""
    command = [Path(sys.executable).with_name("cryutils"), "serve", *options, "--port", "0"]
    about = os.environ | {"BROWSER": "true", "TZ": DAY} | environment  # a program that opens nothing
    with subprocess.Popen(command, env=about, stdout=PIPE, stderr=STDOUT, text=True) as server:
        assert server.stdout
        try:
            yield next(filter(None, (re.match(r"Open (\S+)", line) for line in server.stdout)))[1]
        finally:
            server.terminate()


def photograph(page: Page, login: str, link: str) -> tuple[list[Image.Image], Image.Image]:
    """Return Figures 1 to 6, and the live analysis alone."""
    shots: dict[int, Image.Image] = {}
    address = link.partition("login?")[0]
    use(page, PHONE)
    page.goto(login)
    shots[1] = picture(page)
    page.goto(link)
    page.goto(f"{address}about")
    shots[2] = picture(page)
    page.goto(f"{address}live")
    page.get_by_role("button", name="Start listening").click()
    use(page, WIDE)
    page.wait_for_function(CLEAR, arg="hungry")
    alone = live_part(page)
    use(page, PHONE)
    shots[4] = live_part(page)
    page.wait_for_function(CLEAR, arg="tired")
    shots[3] = live_part(page)
    shots[5] = picture(page)
    page.get_by_role("button", name="Stop").dblclick()
    page.get_by_role("link", name="Diary").click()
    page.locator(".line").first.evaluate("node => node.scrollIntoView({ block: 'center' })")
    shots[6] = picture(page)
    return [shots[number] for number in sorted(shots)], alone


def use(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def picture(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot(animations="disabled")))


def live_part(page: Page) -> Image.Image:
    """Return the live analysis with the page's margin."""
    analysis = page.locator(".live")
    analysis.evaluate("node => node.scrollIntoView()")
    box = analysis.bounding_box()
    assert box
    return picture(page).crop((0, 0, page.viewport_size["width"], round(box["height"]) + 8))


def sheet(shots: list[Image.Image]) -> Image.Image:
    """Return pictures side by side, three in a row, each cut to a telephone's screen."""
    width, height = PHONE[0] + GAP, PHONE[1] + GAP
    whole = Image.new("RGB", (3 * width + GAP, 2 * height + GAP), "#7F7F7F")
    for k, shot in enumerate(shots):
        screen = Image.new("RGB", PHONE, "white")
        screen.paste(shot)
        whole.paste(screen, (GAP + k % 3 * width, GAP + k // 3 * height))
    return whole


def save(shot: Image.Image, path: str) -> None:
    shot.convert("RGB").quantize(64, dither=Dither.NONE).save(project_dir() / path, optimize=True)


class Film:
    """Pictures with their times, and captions from one time to another, all in ms."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, Image.Image]] = []
        self.captions: list[tuple[int, int, str]] = []
        self.end = 0

    def scene(self, page: Page, seconds: float, caption: str) -> None:
        """Add what a page shows for some seconds from now."""
        start, end = self.end, self.end + 1000 * seconds
        began = time.monotonic() - start / 1000
        while self.end < end:
            self.shown.append((self.end, picture(page)))
            self.end = max(self.end + STEP_MS, round(1000 * (time.monotonic() - began)))
        self.captions.append((start, self.end, caption))

    def save(self, path: Path) -> None:
        """Write the film (VP9), with the suffix .vtt its captions, and as .webp a picture of it."""
        poster = [shot for at, shot in self.shown if at < self.captions[2][1]][-1]
        poster.convert("RGB").save(path.with_suffix(".webp"), quality=60, method=6)
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libvpx-vp9", rate=25, options={"crf": "34", "b": "0"})
            stream.width, stream.height = self.shown[0][1].size
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
            for at, shot in self.shown:
                frame = av.VideoFrame.from_image(shot.convert("RGB"))
                frame.pts, frame.time_base = at, Fraction(1, 1000)
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
        times = [[f"00:{ms // 1000:02d}.{ms % 1000:03d}" for ms in row[:2]] for row in self.captions]
        cues = [f"{a} --> {b}\n{row[2]}\n" for (a, b), row in zip(times, self.captions, strict=True)]
        path.with_suffix(".vtt").write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8")


def film(context: BrowserContext, link: str) -> Film:
    """Return the film of the demonstration: it listens, rings in another room, and keeps a diary."""
    film, address = Film(), link.partition("login?")[0]
    page, night = context.new_page(), context.new_page()
    page.goto(link)
    night.goto(f"{address}night")
    night.get_by_role("button", name="Switch the ring on").click()
    page.goto(f"{address}live")
    start = page.get_by_role("button", name="Start listening")
    start.wait_for()
    page.locator(".live").evaluate("node => scrollBy(0, node.getBoundingClientRect().top - 12)")
    film.scene(page, 2, "A demonstration: a program made this baby.")
    start.click()
    page.wait_for_function(CLEAR, arg="hungry")
    film.scene(page, 4, "It hears crying. The demonstration also names a reason.")
    film.scene(night, 3, "The parents' phone shows it in another room, and rings.")
    page.locator(".live-answer", has_text="Quiet").wait_for()
    film.scene(page, 3, "Afterwards, the demonstration says what that cry was.")
    page.get_by_role("button", name="Stop").dblclick()
    page.get_by_role("link", name="Diary").click()
    page.locator(".line").first.evaluate("node => node.scrollIntoView({ block: 'center' })")
    film.scene(page, 3, "The diary keeps the cry, and asks what helped.")
    page.goto(f"{address}about")
    film.scene(page, 2, "It says what it can do …")
    page.get_by_text("What it can't do").evaluate("node => node.scrollIntoView({ block: 'center' })")
    film.scene(page, 3, "… and what it can't do: tell why a baby cries.")
    return film


def main() -> None:
    """Write both pictures, or the film."""
    if sys.argv[1:] == ["film"]:
        with served("--demo") as link, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
            context = browser.new_context(
                viewport=SCREEN, device_scale_factor=1.5, permissions=["notifications"]
            )
            context.set_default_timeout(120_000)
            film(context, link).save(project_dir() / "docs" / "front" / "application.webm")
        return
    with (
        TemporaryDirectory() as folder,
        served(CRYUTILS_STORE=f"sqlite:///{folder}/store.sqlite") as login,
        served("--demo") as link,
        sync_playwright() as playwright,
    ):
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS).new_page()
        page.set_default_timeout(120_000)
        shots, alone = photograph(page, login, link)
    save(sheet(shots), "docs/application.png")
    save(alone, "cryutils/widgets/live.png")


if __name__ == "__main__":
    main()
