"""The live page in a notebook, in a real browser that is fed a tone and a moving picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from frontends import DEVICES, Notebook, launch
from playwright.sync_api import Playwright, expect

from cryutils.audio import wav_bytes

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


@pytest.fixture
def live(server: str, playwright: Playwright, tmp_path: Path) -> Iterator[Notebook]:
    """The notebook, opened and run in a Chromium whose microphone hears a high tone."""
    samples = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4 * SR) / SR)
    (tmp_path / "high.wav").write_bytes(wav_bytes(samples.astype(np.float32), SR))
    browser = launch(playwright, *DEVICES, f"--use-file-for-fake-audio-capture={tmp_path / 'high.wav'}")
    # High enough for JupyterLab to keep the mirror below in the page.
    context = browser.new_context(viewport={"width": 1024, "height": 1800})
    context.add_init_script(HANDLES)
    yield Notebook(context.new_page(), server, "live")
    browser.close()


def test_microphone_and_camera_are_heard_and_seen_if_they_are_allowed(live: Notebook) -> None:
    page, answer = live.page, live.page.locator(".live-answer")
    page.evaluate("window.refused = true")
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator(".live-notice")).to_contain_text("Allow it in the address bar")
    expect(answer).to_have_text("Not listening")

    page.evaluate("window.refused = false")
    page.get_by_role("button", name="Start listening").click()
    expect(answer).to_have_text("Crying: probably hungry, 80 %")
    page.locator("summary", has_text="More").click()
    expect(page.locator(".live-row", has_text="tired")).to_contain_text("20 %")
    expect(page.locator(".live-now")).to_contain_text("Offer a feed")
    live.until(lambda s: s["heard"] > 8 and s["frames"] > 1, "sound and pictures arrive")
    level_db = page.get_by_label("Level in dB").evaluate("meter => meter.value")
    assert level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1), "a tone of half scale"

    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(page.locator(".live-remark")).to_contain_text("this page is hidden")
    page.get_by_role("button", name="Stop").click()
    live.until(lambda s: not s["listening"], "Python knows that nothing is heard")
    assert page.evaluate("streams.at(-1).getTracks().every(t => t.readyState === 'ended')")
