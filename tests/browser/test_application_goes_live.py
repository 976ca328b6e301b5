"""The whole application on a telephone: from camera and microphone to the log and the days."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from frontends import HANG_S
from playwright.sync_api import Locator, Page, Playwright, expect
from trained_run import Trained

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import PASSWORD, Served, served, until
from visits import DEVICES, SR, as_devices, visit

import cryutils
from cryutils import audio, video
from cryutils.app.readings import GAP, NO_CRY, UNSURE, Reading
from cryutils.datasets.synthetic.distractors import distractor
from cryutils.video import mp4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, taught: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("home") / "server"
    temporary = folder / "temporary"
    temporary.mkdir(parents=True)
    variables = {"CRYUTILS_OUTPUTS_DIR": str(taught.parent), "TMPDIR": str(temporary)}
    with served(folder, "--clips", str(folder.parent / "ours"), **variables) as server:
        for name in ("ann", "ben", "cleo"):
            server.store.users.add(name, PASSWORD)
            server.store.infants.add("Mia", user=name)
        yield server


def logged(home: Served, page: Page, name: str, n: int) -> list[Reading]:
    """Return the readings in the store once there are `n`."""
    with home.store as store:
        log = store.infants.infant("Mia", user=name)
        deadline = time.monotonic() + HANG_S
        while len(readings := list(log.readings())) < n:
            assert time.monotonic() < deadline, f"{len(readings)} of {n} readings"
            page.wait_for_timeout(200)
    return readings


def take_away(page: Page, kind: str, how: str) -> None:
    """Do `how` to a live page's track of this kind."""
    stream = "document.querySelector('.live-preview video').srcObject"
    page.evaluate(f"(track => {{ {how} }})({stream}.get{kind}Tracks()[0])")


# How files of images and sound begin.
RECORDING = re.compile(rb"(?s)\xff\xd8\xff|\x89PNG|RIFF|OggS|fLaC|ID3|\x1aE\xdf\xa3|....ftyp")


def is_recording(path: Path) -> bool:
    return path.is_file() and RECORDING.match(path.read_bytes()) is not None


# The page names this state, and not "by sound alone".
BY_BOTH = """state => {
  const [verdict, remark] = [".live-verdict", ".live-remark"].map(
    (name) => document.querySelector(name).textContent);
  return verdict === state && !remark.includes("alone");
}"""


def test_a_crying_infant_is_heard_seen_logged_and_shown(
    playwright: Playwright, home: Served, trained: Trained, tmp_path: Path
) -> None:
    clip = trained.corpus[-1]
    sound, pictures = audio.read(clip.path, sr=SR), list(video.frames(clip.path, fps=8))
    with visit(playwright, home, "ann", as_devices(tmp_path, sound, pictures)) as page:
        page.get_by_label("Keep the sound").check()
        page.get_by_role("button", name="Start").click()
        expect(page.locator(".live-verdict")).to_have_text(clip.label)
        readings = logged(home, page, "ann", 6)
        states = Counter(reading.verdict for reading in readings if reading.probabilities)
        assert set(states) <= {*trained.corpus.classes, UNSURE}
        assert states.most_common(1)[0][0] == clip.label
        assert any(reading.face for reading in readings)

        take_away(page, "Video", "track.stop()")
        expect(page.locator(".live-remark")).to_contain_text("No picture arrives.")

        def latest() -> list[Reading]:
            return logged(home, page, "ann", len(readings) + 4)[-4:]

        until(lambda: all(reading.face is None for reading in latest()), "no face is seen")
        assert any(reading.sound for reading in latest()), "it goes on with sound"

        page.get_by_role("button", name="Stop").click()
        page.get_by_role("tab", name="Days").click()
        page.get_by_role("button", name="Look again").click()
        expect(page.get_by_role("rowheader")).to_have_count(1)
        expect(page.locator(".cry-table")).to_contain_text(clip.label)
        page.get_by_role("button", name="no cry").click()
        expect(page.get_by_text("Its sound is kept.")).to_be_visible()

        mp4.write(tmp_path / "film.mp4", 10 * pictures, fps=8, sound=np.tile(sound, 10), sr=SR)
        page.get_by_role("tab", name="Live").click()
        page.get_by_label("A file instead").set_input_files(tmp_path / "film.mp4")
        page.wait_for_function(BY_BOTH, arg=clip.label)
    corrected = cryutils.load(home.folder.parent / "ours")
    assert list(corrected.classes) == ["no cry"] and len(set(corrected.infants)) == 1
    assert max(np.abs(audio.read(clip.path)).max() for clip in corrected) > 0.05


def test_noise_is_no_cry(playwright: Playwright, home: Served, tmp_path: Path) -> None:
    noise = distractor("noise", rng=np.random.default_rng(0), sr=SR)
    nobody = [np.full((240, 320, 3), 90, np.uint8)] * 10
    with visit(playwright, home, "ben", as_devices(tmp_path, noise, nobody)) as page:
        page.get_by_role("button", name="Start").click()
        expect(page.locator(".live-verdict")).to_have_text("no cry")
        verdicts = {reading.verdict for reading in logged(home, page, "ben", 6)}
        assert verdicts - {GAP} == {NO_CRY}  # gaps where the machine is slow

        take_away(page, "Audio", "Object.defineProperty(track, 'muted', { value: true })")
        expect(page.locator(".live-verdict")).to_have_text("Not listening")
        expect(page.locator(".live-remark")).to_have_text(
            "no sound, no face in the picture. No sound arrives."
        )
        assert logged(home, page, "ben", 1)[-1].verdict == GAP, (
            "a room without a face is no silence"
        )
    assert [path for path in home.folder.rglob("*") if is_recording(path)] == []


# What is wider than its place on the page, and could be scrolled sideways.
SIDEWAYS = """() => [...document.querySelectorAll("*")].filter((node) =>
  node.clientWidth && node.scrollWidth > node.clientWidth + 1 &&
  (node === document.documentElement || /auto|scroll/.test(getComputedStyle(node).overflowX))
).map((node) => `${node.tagName} ${node.className}`)"""
# By what factor each text, or each bar, stands out from what is behind it (WCAG 2's formula).
CONTRAST = """selector => {
  const nodes = [...document.querySelectorAll(selector)].filter((node) => node.offsetWidth);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
  const ground = (at) => {
    const rgb = at ? colour(getComputedStyle(at).backgroundColor) : [255, 255, 255];
    return (rgb[3] ?? 1) === 1 ? rgb : ground(at.parentElement);
  };
  return nodes.map((node) => {
    const pair = node.textContent
      ? [colour(getComputedStyle(node).color), ground(node)]
      : [ground(node), ground(node.parentElement)];
    const [dark, bright] = pair.map(light).sort((a, b) => a - b);
    return bright / dark;
  });
}"""
WORDS = ".live-start, .live-verdict, .live-controls label, .live-value, .live-foot, .live-advice a"
TABS = {
    "Live": WORDS,
    "Days": ".cry-table",
    "Infants": "text=Add an infant",
    "Limits": "text=What this can do",
}


def reach(page: Page, control: Locator) -> None:
    """Go to a control with the Tab key."""
    presses = 0
    while not control.evaluate("node => node === document.activeElement"):
        assert presses < 80, f"{control} can't be reached"
        page.keyboard.press("Tab")
        presses += 1


def press(page: Page, name: str) -> None:
    """Press a button by keyboard."""
    reach(page, page.get_by_role("button", name=name, exact=True))
    page.keyboard.press("Enter")


def contrasts(page: Page, selector: str) -> list[float]:
    page.locator(f"{selector}:visible").first.wait_for()
    return page.evaluate(CONTRAST, selector)


def can_be_read(page: Page, scheme: str, *, bar: float) -> None:
    """Listen, and look at texts and at the bars of the days: each stands out as it must."""
    press(page, "Start")
    page.get_by_role("button", name="Stop").wait_for()
    expect(page.locator(".live")).to_have_attribute("data-theme", scheme)
    assert min(contrasts(page, WORDS)) >= 4.5
    page.get_by_role("tab", name="Days").click()
    assert min(contrasts(page, ".cry-bar span")) >= bar
    page.get_by_role("tab", name="Live").click()


def look_through(page: Page) -> None:
    """Open tab after tab by keyboard: nothing is too wide, and every control has a name."""
    for title, content in TABS.items():
        reach(page, page.locator("[role=tab][aria-selected=true]"))
        if title != "Live":
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
        page.locator(content).first.wait_for()
        assert page.evaluate(SIDEWAYS) == []
        controls = "button|checkbox|combobox|textbox|tab|radio|meter|img|link"
        names = re.findall(rf"- ({controls})\b(.*)", page.locator("body").aria_snapshot())
        assert [kind for kind, name in names if not name.startswith(' "')] == []
        assert ("tab", f' "{title}" [selected]') in names


def test_it_fits_a_telephone_and_is_used_by_keyboard_on_light_and_dark(
    playwright: Playwright, home: Served
) -> None:
    with home.store as store:
        log, states = store.infants.infant("Mia", user="cleo"), ("discomfort", "pain", "tired")
        for days in range(14):
            start = time.time() - 86_400 * days - 900
            readings = [Reading(start + k / 2, states[k // 40]) for k in range(120)]
            log.append(log.begin("test"), readings)
    with visit(playwright, home, "cleo", DEVICES) as page:
        can_be_read(page, "light", bar=3.0)
        look_through(page)
        page.get_by_role("tab", name="Days").click()
        press(page, "Yes")
        expect(page.get_by_text("Noted: tired")).to_be_visible()
        page.get_by_role("tab", name="Live").click()
        press(page, "Stop")
        expect(page.locator(".live-verdict")).to_have_text("Not listening")

        page.emulate_media(color_scheme="dark")
        page.reload()
        can_be_read(page, "dark", bar=4.5)


SCREENS = ({"width": 390, "height": 664}, {"width": 1280, "height": 600})
# The lowest thing on the page: whether it is in sight, and nothing else lies over it.
LAST_IS_IN_SIGHT = """() => {
  const parts = [...document.querySelectorAll("button, input, select, a, td, p, li")]
    .filter((part) => part.checkVisibility() && part.getBoundingClientRect().height);
  const last = parts.reduce((low, part) =>
    part.getBoundingClientRect().bottom > low.getBoundingClientRect().bottom ? part : low);
  const { left, right, top, bottom } = last.getBoundingClientRect();
  if (bottom > innerHeight) return false;
  const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return last.contains(seen) || seen.contains(last);
}"""


def scroll(page: Page, how: str) -> None:
    """Move down by one swipe, by one turn of the wheel, or by one key."""
    size = page.viewport_size
    assert size is not None
    x, low, high = size["width"] / 2, round(0.8 * size["height"]), round(0.3 * size["height"])
    if how == "keyboard":
        page.keyboard.press("PageDown")
    elif how == "wheel":
        page.mouse.move(x, low)
        page.mouse.wheel(0, low - high)
    else:
        finger = page.context.new_cdp_session(page)
        for y in range(low, high, -20):
            kind = "touchStart" if y == low else "touchMove"
            event = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            finger.send("Input.dispatchTouchEvent", event)
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        finger.detach()
    page.wait_for_timeout(200)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: f"{screen['width']} px wide")
def test_every_tab_scrolls_to_its_end(
    playwright: Playwright, home: Served, screen: dict[str, int]
) -> None:
    with home.store as store:
        log = store.infants.infant("Mia", user="ann")
        for days in range(20):
            start = time.time() - 86_400 * days - 900
            log.append(log.begin("test"), [Reading(start, "hungry"), Reading(start + 1, "tired")])
    with visit(playwright, home, "ann", DEVICES, screen) as page:
        needed = 0
        for how in ("touch", "wheel", "keyboard"):
            for title, content in TABS.items():
                page.get_by_role("tab", name=title).tap()
                page.locator(content).first.wait_for()
                swipes = 0
                while not page.evaluate(LAST_IS_IN_SIGHT):
                    assert swipes < 20, f"{title} does not scroll to its end by {how}"
                    scroll(page, how)
                    swipes += 1
                needed += swipes
                page.evaluate("document.getElementById('rendered_cells').scrollTo(0, 0)")
        assert needed >= 3 * len(TABS) / 2  # else the page fits the screen and nothing is tested
