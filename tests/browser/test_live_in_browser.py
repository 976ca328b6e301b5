"""The live page in a real browser that is fed a tone and a moving picture as its devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frontends import FRONTENDS, Notebook, Server, in_first, launch, run_all
from playwright.sync_api import Browser, Playwright, expect
from sizes import large

from cryutils.audio import wav_bytes

SR = 48_000
# What the script does the same wherever it runs, tried in one frontend.
alike = pytest.mark.parametrize("server", FRONTENDS[-1:], indirect=True)
# A gap where the machine was too slow for the page, which no test is about.
SLOW = "the server doesn't answer"
# What is shown to the page as its microphone, its camera and the time it is in view; what it asks
# for, and how many messages it sends.
HANDLES = """
window.streams = [];
window.asked = [];
window.refused = (wishes) => false;
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (wishes) => {
  window.asked.push(wishes);
  if (window.refused(wishes)) throw new DOMException("refused", "NotAllowedError");
  const stream = await ask(wishes);
  window.streams.push(stream);
  return stream;
};
window.sent = 0;
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (data) { window.sent++; return send.call(this, data); };
window.track = (kind) => window.streams.at(-1).getTracks().find((track) => track.kind === kind);
window.hide = (hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
};
"""


def tone(path: Path, hz: float, seconds: float) -> Path:
    samples = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(SR * seconds)) / SR)
    path.write_bytes(wav_bytes(samples.astype(np.float32), SR))
    return path


@pytest.fixture(scope="module")
def equipped(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with microphones that hear a high tone and two cameras."""
    high = tone(tmp_path_factory.mktemp("devices") / "high.wav", 1000, 4)
    browser = launch(
        playwright,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream=device-count=2",
        f"--use-file-for-fake-audio-capture={high}",
    )
    yield browser
    browser.close()


def _opened(server: Server, equipped: Browser, *, ticks: bool = True) -> Iterator[Notebook]:
    """The notebook, opened and run; unless it `ticks`, a test may set its page's clock forward."""
    # High enough for JupyterLab to keep the mirror below in the page.
    context = equipped.new_context(viewport={"width": 1024, "height": 1800})
    context.add_init_script(HANDLES)
    notebook = Notebook(context.new_page(), server, look_ms=100)
    run_all(notebook, "live")
    if not ticks:
        notebook.page.clock.install()
    yield notebook
    context.close()


@pytest.fixture(scope="module")
def opened(server: Server, equipped: Browser) -> Iterator[Notebook]:
    yield from _opened(server, equipped)


@pytest.fixture(scope="module")
def opened_to_forward(server: Server, equipped: Browser) -> Iterator[Notebook]:
    yield from _opened(server, equipped, ticks=False)


def stop(live: Notebook) -> None:
    live.page.get_by_role("button", name="Stop").click()
    live.until(lambda s: not s["listening"], "Python knows that nothing is heard")


def start(live: Notebook) -> None:
    live.page.get_by_role("button", name="Start listening").click()
    live.until(lambda s: s["blocks"] > 1 and s["frames"] > 1, "sound and pictures arrive")


def _fresh(live: Notebook) -> Iterator[Notebook]:
    """The page as new, nothing heard or logged; stopped in the end."""
    starts = live.state()["starts"]
    live.page.get_by_role("button", name="start over").click()
    live.until(lambda s: s["starts"] > starts, "the ear starts over")
    yield live
    live.page.evaluate("window.refused = () => false; hide(false)")
    if live.state()["listening"]:
        stop(live)


@pytest.fixture
def live(opened: Notebook) -> Iterator[Notebook]:
    yield from _fresh(opened)


@pytest.fixture
def forwarded(opened_to_forward: Notebook) -> Iterator[Notebook]:
    """The page whose clock a test sets forward."""
    yield from _fresh(opened_to_forward)


def verdict(live: Notebook, words: str) -> None:
    expect(live.page.locator(".live-answer")).to_have_text(words)


def gaps(state: dict[str, Any]) -> list[str]:
    return [reason for reason in state["gaps"] if reason != SLOW]


@in_first
def test_microphone_and_camera_are_heard_and_seen(live: Notebook) -> None:
    start(live)

    verdict(live, "Crying: probably hungry, 80 %")
    live.page.locator("summary", has_text="More").click()
    expect(live.page.locator(".live-row", has_text="tired")).to_contain_text("20 %")
    expect(live.page.locator(".live-now")).to_contain_text("Offer a feed")
    state = live.until(lambda s: s["logged"] > 8, "readings in the log")
    assert set(state["verdicts"]) - {"gap"} == {"hungry"}
    assert gaps(state) == []
    if not state["gaps"]:
        steps = np.diff(state["times"])
        np.testing.assert_allclose(steps, 0.25, atol=0.02)  # by the sound's own clock
    level_db = live.page.get_by_label("Level in dB").evaluate("meter => meter.value")
    assert level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1), "a tone of half scale"
    stop(live)
    verdict(live, "Not listening")
    assert live.page.evaluate("streams.at(-1).getTracks().every(t => t.readyState === 'ended')")


@large
@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("hide(true)", "this page is hidden"),
        ("streams.at(-1).getTracks().forEach(t => t.stop())", "the microphone is gone"),
    ],
    ids=["hidden", "ended"],
)
@alike
def test_what_is_not_heard_is_a_gap_and_never_a_silence(
    loss: str, reason: str, forwarded: Notebook
) -> None:
    live = forwarded
    start(live)

    live.page.evaluate(loss)
    live.page.clock.run_for(2000)  # by the page's own clock, however slow the machine
    assert live.page.locator(".live-answer").text_content() == "Not listening"
    expect(live.page.locator(".live-remark")).to_contain_text(reason)
    state = live.until(lambda s: s["gaps"], "the gap is told to Python")
    assert set(state["gaps"]) <= {reason, SLOW}
    assert state["verdicts"] == ["gap", "hungry"]
    under_way = 8 if SLOW in state["gaps"] else 2
    live.page.wait_for_timeout(1000)
    assert live.state()["blocks"] - state["blocks"] <= under_way


# A screen that notes who keeps it on. As in any browser, a page that is hidden keeps it no longer.
@large
@alike
def test_a_refusal_says_what_to_do_and_a_file_is_a_way_on(live: Notebook, tmp_path: Path) -> None:
    live.page.evaluate("void (window.refused = () => true)")
    live.page.locator(".live-start").click()
    expect(live.page.locator(".live-notice")).to_contain_text("Allow it in the address bar")
    verdict(live, "Not listening")

    path = tone(tmp_path / "low.wav", 300, 30)
    live.page.get_by_label("A recording instead").set_input_files(path)
    verdict(live, "Listening to the recording …")
    expect(live.page.locator(".live-notice")).to_contain_text("nothing is written")
    live.page.get_by_role("button", name="Stop").click()
    verdict(live, "probably tired, 80 %")
    assert live.state()["logged"] == 0
