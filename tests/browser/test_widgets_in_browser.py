"""The widgets of a notebook in a real browser: the cry player, and the live page that hears a tone."""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from frontends import DEVICES, Notebook, jupyter, launch
from playwright.sync_api import Locator, Playwright, expect

from cryutils.audio import wav_bytes

CLIP_S = 2.0
SR = 48_000
# What the page asks the browser for, and whether the browser refuses.
HANDLES = """
window.streams = [];
window.refused = false;
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (wishes) => {
  if (window.refused) throw new DOMException("refused", "NotAllowedError");
  window.streams.push(await ask(wishes));
  return window.streams.at(-1);
};
"""


@pytest.fixture(scope="module")
def opened(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """The notebook, opened and run in a Chromium whose microphone hears a high tone."""
    root = tmp_path_factory.mktemp("jupyter")
    samples = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4 * SR) / SR)
    (root / "high.wav").write_bytes(wav_bytes(samples.astype(np.float32), SR))
    browser = launch(playwright, *DEVICES, f"--use-file-for-fake-audio-capture={root / 'high.wav'}")
    context = browser.new_context(viewport={"width": 1280, "height": 2400})  # both widgets are in view
    context.add_init_script(HANDLES)
    with jupyter(root) as server:
        yield Notebook(context.new_page(), server)
    browser.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """The opened notebook with the player at 0 s of the first clip, nothing selected."""
    part = parts(opened)
    part("infant").select_option("ada")
    part("class").select_option("")
    expect(part("name")).to_have_text("clip-0 · infant ada")
    part("graph").focus()
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("Home")
    return opened


def parts(notebook: Notebook) -> Callable[[str], Locator]:
    return lambda name: notebook.page.locator(f".cry-player .cry-{name}")


def drag(notebook: Notebook, start: float, stop: float) -> None:
    """Drag over the axes from one fraction of their width to another."""
    part = parts(notebook)
    part("graph").scroll_into_view_if_needed()
    box = part("overlay").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    notebook.page.mouse.move(box["x"] + start * box["width"], y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + stop * box["width"], y, steps=4)
    notebook.page.mouse.up()


def wait(notebook: Notebook, name: str, condition: str) -> None:
    """Wait until an expression in `node`, a part of the player, is true."""
    element = parts(notebook)(name).element_handle()
    notebook.page.wait_for_function(f"node => {condition}", arg=element)


def test_cursor_video_and_answers_follow_the_sound(notebook: Notebook) -> None:
    part, graph, press = parts(notebook), parts(notebook)("graph"), notebook.page.keyboard.press
    wait(notebook, "picture", "node.complete && node.naturalWidth > 500")
    expect(part("now")).to_have_text("sound: hungry 90 % · face: tired 80 %")
    for _ in range(11):
        press("ArrowRight")
    expect(graph).to_have_attribute("aria-valuetext", "1.10 of 2.00 s; sound: tired 70 %; face: tired 80 %")
    press("End")
    expect(part("now")).to_have_text("sound: no answer · face: tired 80 %")
    press("Home")

    part("play").click()
    wait(notebook, "video", "!node.paused && node.currentTime > 0.3")
    part("play").click()
    wait(notebook, "video", "node.paused && !node.seeking")
    at = float(graph.get_attribute("aria-valuenow") or "nan")
    axes, cursor = part("overlay").bounding_box(), part("cursor").bounding_box()
    assert axes and cursor
    shown = (cursor["x"] + cursor["width"] / 2 - axes["x"]) / axes["width"] * CLIP_S
    assert shown == pytest.approx(at, abs=0.02)
    muted, width, seen = part("video").evaluate("v => [v.muted, v.videoWidth, v.currentTime]")
    assert muted and width == 64 and seen == pytest.approx(at, abs=0.1)


def test_a_dragged_selection_is_all_that_plays(notebook: Notebook) -> None:
    part, graph = parts(notebook), parts(notebook)("graph")
    drag(notebook, 0.25, 0.5)
    start, stop = map(float, re.findall(r"\d\.\d+", part("clear").inner_text()))
    graph.evaluate("""node => {
      window.heard = [];
      const note = () => heard.push(Number(node.getAttribute("aria-valuenow")));
      new MutationObserver(note).observe(node, { attributeFilter: ["aria-valuenow"] });
    }""")
    part("play").click()
    wait(notebook, "graph", f"Number(node.getAttribute('aria-valuenow')) >= {stop}")
    expect(part("play")).to_have_attribute("aria-label", "Play")
    assert [start, stop] == pytest.approx([0.5, 1.0], abs=0.02)
    heard = notebook.page.evaluate("heard")
    assert min(heard) >= start - 0.01 and heard[-1] == pytest.approx(stop, abs=0.01)


def test_other_clips_come_by_infant_class_and_keyboard(notebook: Notebook) -> None:
    part, press = parts(notebook), notebook.page.keyboard.press
    classes = ["all classes (3)", "hungry (2)", "tired (1)"]
    assert part("class").locator("option").all_inner_texts() == classes
    expect(part("number")).to_have_text("1 of 1")
    expect(part("data")).to_contain_text("no infant")
    part("class").select_option("tired")
    notebook.until(lambda s: s["index"] == 2, "the only tired clip, of ben")
    expect(part("name")).to_have_text("clip-2 · infant ben")

    part("class").select_option("")
    part("graph").focus()
    press("p")
    expect(part("name")).to_have_text("clip-1 · infant ben")  # a clip that comes clears the selection
    press("l")
    press("n")
    press("Space")  # the next clip is still on its way
    expect(part("name")).to_have_text("clip-2 · infant ben")
    expect(part("loop")).to_have_attribute("aria-pressed", "true")
    expect(part("play")).to_have_attribute("aria-label", "Pause")
    wait(notebook, "graph", "Number(node.getAttribute('aria-valuenow')) > 0.1")
    press("Space")
    expect(part("play")).to_have_attribute("aria-label", "Play")
    press("l")
    drag(notebook, 0.25, 0.5)
    expect(part("clear")).to_be_visible()
    part("graph").focus()
    press("Escape")
    expect(part("clear")).to_be_hidden()
    faults = [fault for fault in notebook.faults if "net::" not in fault]
    assert faults == [], "nothing went wrong and nothing left this machine"


def test_microphone_and_camera_are_heard_and_seen_if_they_are_allowed(opened: Notebook) -> None:
    page, answer = opened.page, opened.page.locator(".live-answer")
    page.evaluate("window.refused = true")
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator(".live-notice")).to_contain_text("Allow it in the address bar")
    expect(answer).to_have_text("Not listening")

    page.evaluate("window.refused = false")
    page.get_by_role("button", name="Start listening").click()
    expect(answer).to_have_text("Crying: probably hungry, 80 %")
    expect(page.locator(".live-row", has_text="tired")).to_contain_text("20 %")
    expect(page.locator(".live-now")).to_contain_text("Offer a feed")
    opened.until(lambda s: s["heard"] > 8 and s["frames"] > 1, "sound and pictures arrive")
    level_db = page.get_by_label("Level in dB").evaluate("meter => meter.value")
    assert level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1), "a tone of half scale"

    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(page.locator(".live-remark")).to_contain_text("this page is hidden")
    page.get_by_role("button", name="Stop").dblclick()
    opened.until(lambda s: not s["listening"], "Python knows that nothing is heard")
    assert page.evaluate("streams.at(-1).getTracks().every(t => t.readyState === 'ended')")
