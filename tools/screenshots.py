"""Photograph the application: Paper B's Figures 1 to 6, and the picture of the live widget.

    python tools/screenshots.py

Starts the application for the login, and the demonstration (`cryutils serve --demo`) for the rest, whose
film is of a synthetic infant. Writes
`docs/application.png` and `cryutils/widgets/live.png`. It needs Chromium or Chrome, and two minutes.
"""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory

from PIL import Image
from PIL.Image import Dither
from playwright.sync_api import Page, sync_playwright

from cryutils._io.paths import project_dir

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-background-networking", "--mute-audio"]
OPTIONS += ["--autoplay-policy=no-user-gesture-required"]
PHONE, WIDE, GAP = (390, 830), (760, 830), 24  # pixels
# An answer for this reason, by sound and face, while the computer keeps up.
CLEAR = """reason => { const said = name => document.querySelector(`.live-${name}`).textContent;
  return said("answer").includes(`probably ${reason}`) && !said("remark") && !said("notice"); }"""


@contextmanager
def served(*options: str, **environment: str) -> Iterator[str]:
    """Start `cryutils serve`, and give the address that it prints."""
    command = [Path(sys.executable).with_name("cryutils"), "serve", *options, "--port", "0"]
    about = os.environ | {"BROWSER": "true"} | environment  # a program that opens nothing
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


def main() -> None:
    """Write both pictures."""
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
