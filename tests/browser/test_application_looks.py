"""How the application looks and answers, on a telephone and on a desk, on light and on dark."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from frontends import CONTRAST
from playwright.sync_api import Browser, Locator, Page, Playwright, expect
from trained_run import Trained

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import PASSWORD, Served, served
from visits import DEVICES, SR, as_devices, visit

from cryutils import audio, video
from cryutils.app.readings import Reading

Scheme = Literal["light", "dark"]
SCREENS = ({"width": 390, "height": 664}, {"width": 1280, "height": 720})
screens = pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: f"{screen['width']} px")
schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
# Touch targets below 44 px, letters of fields below 16 px, what can be scrolled sideways, and texts
# (bars) with a contrast below 4.5 (below 3) by WCAG 2's formula.
FAULTS = """() => {
  CONTRAST
  const faults = [];
  const area = (node) => node.getBoundingClientRect();
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) &&
    area(node).width > 1 && !node.closest(".live-spoken");
  const words = (node) => (node.value || node.textContent).trim().slice(0, 40);
  const name = (node) => `${node.tagName} "${words(node)}"`;
  for (const node of document.querySelectorAll("button, input, select, a, [role=tab]")) {
    if (!isShown(node)) continue;
    const { width, height } = area(node.type === "checkbox" ? node.closest("label") : node);
    if (Math.min(width, height) < 44) faults.push(`${name(node)} is ${width} x ${height} px`);
    const size = parseFloat(getComputedStyle(node).fontSize);
    const isField = node.matches("input:not([type=checkbox]), select");
    if (isField && size < 16) faults.push(`${name(node)} has ${size} px letters`);
  }
  for (const node of document.querySelectorAll("*")) {
    if (!node.clientWidth || node.scrollWidth <= node.clientWidth + 1) continue;
    const scrolls = /auto|scroll/.test(getComputedStyle(node).overflowX);
    if (node === document.documentElement || scrolls) faults.push(`${name(node)} scrolls sideways`);
  }
  for (const node of document.querySelectorAll("body *")) {
    const isText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const isField = node.matches("select, input:not([type=checkbox])");
    if (!(isText || isField) || !isShown(node)) continue;
    const ratio = textContrast(node);
    if (ratio < 4.5) faults.push(`${name(node)} has a contrast of ${ratio.toFixed(1)}`);
  }
  for (const bar of document.querySelectorAll(".cry-bar span")) {
    const ratio = contrast(ground(bar), ground(bar.parentElement));
    if (isShown(bar) && ratio < 3) faults.push(`a bar has a contrast of ${ratio.toFixed(1)}`);
  }
  return faults;
}""".replace("CONTRAST", CONTRAST)
# The text of each of these, and whether it is in sight as a whole.
IN_SIGHT = """nodes => nodes.map((node) => {
  const { left, top, right, bottom } = node.getBoundingClientRect();
  const isInside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
  return [node.textContent, isInside && bottom > top];
})"""
FOCUS = """() => {
  const node = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  return isSeen || node === document.body ? "" : node.outerHTML;
}"""
TABS = {"Live": "Live analysis", "Days": "Now", "Infants": "Infants", "Limits": "What this can do"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, taught: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("home")
    outputs = {"CRYUTILS_OUTPUTS_DIR": str(taught.parent)}
    with served(folder, **outputs) as server:
        for name in ("ann", "ben"):
            server.store.users.add(name, PASSWORD)
            log = server.store.infants.add("Mia", user=name)
            for days in range(20 * (name == "ben")):
                start, states = time.time() - 86_400 * days - 900, ("discomfort", "pain", "tired")
                readings = [Reading(start + k / 2, states[k // 40]) for k in range(120)]
                log.append(log.begin("test"), readings)
        yield server


def open_tab(page: Page, title: str) -> None:
    """Open a tab, which has its own heading, a name for every control, and no faults."""
    page.get_by_role("tab", name=title).click()
    page.get_by_role("heading", name=TABS[title], exact=True, level=2).wait_for()
    assert page.evaluate(FAULTS) == []
    controls = "button|checkbox|combobox|textbox|tab|radio|meter|img|link"
    names = re.findall(rf"- ({controls})\b(.*)", page.locator("body").aria_snapshot())
    assert [kind for kind, name in names if not name.startswith(' "')] == []
    assert ("tab", f' "{title}" [selected]') in names


def advice_is_in_sight(page: Page) -> None:
    """Verdict, what can be tried and where help is are in sight without scrolling."""
    parts = page.locator(
        ".live-start, .live-verdict, .live-remark:not(:empty), .live-advice :is(p, a)"
    )
    in_sight = parts.evaluate_all(IN_SIGHT)
    assert len(in_sight) >= 6
    assert [words for words, is_seen in in_sight if not is_seen] == []


def is_answered(page: Page, button: Locator, words: str) -> None:
    """Press a button: its answer is read out and appears right below its row, in sight."""
    button.click()
    answer = page.get_by_role("status").filter(has_text=words)
    expect(answer).to_be_in_viewport(ratio=1)
    pressed, shown = button.bounding_box(), answer.bounding_box()
    assert pressed is not None and shown is not None
    assert 0 <= shown["y"] - pressed["y"] - pressed["height"] < 120
    others = page.locator(".cry-answer:visible").filter(has_text=re.compile(r"\w"))
    expect(others).to_have_count(1)


def focus_is_seen(page: Page) -> None:
    """Go through all controls by keyboard: each shows that it has the focus."""
    page.locator("body").press("Home")
    n = page.locator(":is(button, input, select, a, [role=tab]):visible:enabled").count()
    for _ in range(n):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS) == ""


@screens
@schemes
def test_live_analysis_shows_verdict_and_help_without_scrolling(
    playwright: Playwright, home: Served, trained: Trained, tmp_path: Path,
    screen: dict[str, int], scheme: Scheme,
) -> None:  # fmt: skip
    clip = next(clip for clip in trained.corpus if clip.label == "pain")  # with the longest advice
    sound, pictures = audio.read(clip.path, sr=SR), list(video.frames(clip.path, fps=8))
    devices = as_devices(tmp_path, sound, pictures)
    with visit(playwright, home, "ann", devices, screen, scheme) as page:
        open_tab(page, "Live")
        advice_is_in_sight(page)
        focus_is_seen(page)

        page.get_by_role("button", name="Start").click()
        expect(page.locator(".live-verdict")).to_have_text("pain")
        expect(page.locator(".live-preview video")).to_be_visible()
        expect(page.get_by_label("Infant", exact=True)).to_be_disabled()
        advice_is_in_sight(page)
        assert page.evaluate(FAULTS) == []
        for tracks in ("Video", "Audio"):
            stream = "document.querySelector('.live-preview video').srcObject"
            page.evaluate(f"{stream}.get{tracks}Tracks()[0].stop()")
            expect(page.locator(".live-remark")).to_contain_text("arrives")
            advice_is_in_sight(page)

        open_tab(page, "Days")
        question = page.get_by_role("group", name=re.compile("Was .* right|What was it"))
        is_answered(page, question.get_by_role("button", name="no cry"), "Noted: no cry")
        open_tab(page, "Live")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".live-verdict")).to_have_text("Not listening")
        advice_is_in_sight(page)


@screens
@schemes
def test_every_tab_can_be_read_touched_and_used_by_keyboard(
    playwright: Playwright, home: Served, screen: dict[str, int], scheme: Scheme
) -> None:
    with visit(playwright, home, "ben", DEVICES, screen, scheme) as page:
        open_tab(page, "Days")
        periods = page.get_by_role("group", name="Show by").get_by_role("button")
        for name in ("week", "hour", "day"):
            page.get_by_role("button", name=name, exact=True).click()
            expect(page.get_by_role("button", name=name, exact=True, pressed=True)).to_be_visible()
            pressed = periods.evaluate_all("all => all.map((node) => node.ariaPressed)")
            assert sorted(pressed) == ["false", "false", "true"]
            assert page.evaluate(FAULTS) == []
        focus_is_seen(page)

        open_tab(page, "Infants")
        is_answered(page, page.get_by_role("button", name="Add an infant"), "name")
        others = page.get_by_role("group", name="Who else cares for the infant above")
        others.get_by_label("Caregiver").fill("nobody")
        is_answered(page, others.get_by_role("button").first, "nobody")
        is_answered(page, page.get_by_role("button", name="Remove the infant"), "Tap again")
        password = page.get_by_label("Old password")
        password.fill("a wrong password")
        page.get_by_label("Show passwords").check()
        expect(password).to_have_attribute("type", "text")
        page.get_by_label("Show passwords").uncheck()
        expect(password).to_have_attribute("type", "password")
        is_answered(page, page.get_by_role("button", name="Set my password"), "is wrong")
        assert page.evaluate(FAULTS) == []
        focus_is_seen(page)

        open_tab(page, "Limits")


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


@pytest.mark.parametrize(
    "screen",
    [SCREENS[0], {"width": 1280, "height": 600}],
    ids=lambda screen: f"{screen['width']} px",
)
def test_every_tab_scrolls_to_its_end(
    playwright: Playwright, home: Served, screen: dict[str, int]
) -> None:
    with visit(playwright, home, "ben", DEVICES, screen) as page:
        needed = 0
        for how in ("touch", "wheel", "keyboard"):
            for title, heading in TABS.items():
                page.get_by_role("tab", name=title).tap()
                page.get_by_role("heading", name=heading, exact=True, level=2).wait_for()
                swipes = 0
                while not page.evaluate(LAST_IS_IN_SIGHT):
                    assert swipes < 20, f"{title} does not scroll to its end by {how}"
                    scroll(page, how)
                    swipes += 1
                needed += swipes
                page.evaluate("document.getElementById('rendered_cells').scrollTo(0, 0)")
        assert needed >= 3 * len(TABS) / 2  # else the page fits the screen and nothing is tested


@screens
@schemes
def test_a_wrong_password_leaves_the_name_and_can_be_shown(
    chromium: Browser, home: Served, screen: dict[str, int], scheme: Scheme
) -> None:
    context = chromium.new_context(viewport=screen, color_scheme=scheme, has_touch=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(home.url)
    assert page.evaluate(FAULTS) == []
    focus_is_seen(page)
    name, password = page.get_by_label("Name"), page.get_by_label("Password", exact=True)
    name.fill('ann "& <b>')
    password.fill("a wrong password")
    page.get_by_label("Show password").check()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_in_viewport(ratio=1)
    expect(name).to_have_value('ann "& <b>')
    expect(password).to_have_value("")
    expect(password).to_be_focused()
    expect(password).to_have_attribute("type", "password")
    shown, button = page.get_by_role("alert"), page.get_by_role("button", name="Log in")
    distance = button.bounding_box()["y"] - shown.bounding_box()["y"]  # type: ignore[index]
    assert 0 < distance < 120
    assert page.evaluate(FAULTS) == []
    context.close()


SCREEN_LOCKS: dict[str, Any] = {
    "absent": "delete Navigator.prototype.wakeLock",
    "refused": "() => Promise.reject(new DOMException('low battery', 'NotAllowedError'))",
    "granted": "async () => ({ released: false, release() {} })",
}


@pytest.mark.parametrize(
    ("lock", "before", "after"),
    [("absent", True, True), ("refused", False, True), ("granted", False, False)],
)
def test_a_telephone_that_may_turn_its_screen_off_is_told_to_keep_it_on(
    playwright: Playwright, home: Served, lock: str, before: bool, after: bool
) -> None:
    with visit(playwright, home, "ann", DEVICES, SCREENS[0]) as page:
        request = SCREEN_LOCKS[lock]
        fake = (
            f"Object.defineProperty(navigator, 'wakeLock', {{ value: {{ request: {request} }} }})"
        )
        page.add_init_script(request if lock == "absent" else fake)
        page.reload()
        words = page.get_by_text("Keep this screen on.")
        page.get_by_role("button", name="Start").wait_for()
        expect(words).to_be_visible(visible=before)
        advice_is_in_sight(page)
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Stop").wait_for()
        expect(words).to_be_visible(visible=after)
        advice_is_in_sight(page)
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Start").wait_for()
        expect(words).to_be_visible(visible=after)
