"""The live page in a real browser that is fed a tone and a moving picture as its devices."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from frontends import ARGUMENTS, FRONTENDS, Notebook, Server, find_chromium, run_all, watch
from playwright.sync_api import Browser, Playwright, expect

SR = 48_000
# What the script does the same wherever it runs, tried in one frontend.
alike = pytest.mark.parametrize("server", FRONTENDS[-1:], indirect=True)
# What is shown to the page as its microphone, its camera and the time it is in view.
HANDLES = """
window.streams = [];
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (wishes) => {
  if (window.refused) throw new DOMException("refused", "NotAllowedError");
  const stream = await ask(wishes);
  window.streams.push(stream);
  return stream;
};
window.track = (kind) => window.streams.at(-1).getTracks().find((track) => track.kind === kind);
window.hide = (hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
};
"""


def tone(path: Path, hz: float, seconds: float) -> Path:
    samples = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(SR * seconds)) / SR)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SR, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def pictures(path: Path) -> Path:
    """Write the Motion JPEG that Chromium shows as its camera: JPEGs, one after the other."""
    frames = [np.full((240, 320, 3), 40 + 4 * i, np.uint8) for i in range(50)]
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames))
    return path


@pytest.fixture(scope="module")
def equipped(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with a microphone that hears a high tone and a camera."""
    folder = tmp_path_factory.mktemp("devices")
    arguments = [
        *ARGUMENTS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tone(folder / 'high.wav', 1000, 4)}",
        f"--use-file-for-fake-video-capture={pictures(folder / 'grey.mjpeg')}",
    ]
    browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def live(server: Server, equipped: Browser) -> Iterator[Notebook]:
    # As wide as a telephone, and high enough for JupyterLab to keep the mirror below in the page.
    context = equipped.new_context(viewport={"width": 390, "height": 1800})
    context.add_init_script(HANDLES)
    notebook = Notebook(context.new_page(), server)
    watch(notebook)
    run_all(notebook, "live")
    yield notebook
    context.close()


def started(live: Notebook) -> Notebook:
    live.page.locator(".live-start").click()
    live.until(lambda s: s["blocks"] > 4 and s["frames"] > 2, "sound and pictures arrive")
    return live


def verdict(live: Notebook, words: str) -> None:
    expect(live.page.locator(".live-verdict")).to_have_text(words)


def test_microphone_and_camera_are_heard_and_seen(live: Notebook) -> None:
    started(live)

    verdict(live, "hungry")
    expect(live.page.locator(".live-row", has_text="hungry")).to_contain_text("80 %")
    expect(live.page.locator(".live-action")).to_contain_text("Offer a feed")
    state = live.until(lambda s: s["logged"] > 8, "readings in the log")
    assert state["verdicts"] == ["hungry"]
    steps = np.diff(state["times"])
    np.testing.assert_allclose(steps, 0.25, atol=0.02)  # by the sound's own clock
    live.page.locator(".live-start").click()
    verdict(live, "Not listening")
    live.until(lambda s: not s["listening"], "Python knows that nothing is heard")
    assert live.page.evaluate("streams.at(-1).getTracks().every(t => t.readyState === 'ended')")


def test_without_its_camera_it_goes_on_with_sound(live: Notebook) -> None:
    started(live)

    live.page.evaluate("track('video').stop()")
    expect(live.page.locator(".live-remark")).to_contain_text("No picture arrives.")
    blocks = live.state()["blocks"]
    state = live.until(lambda s: s["blocks"] > blocks + 8, "sound goes on")
    verdict(live, "hungry")
    assert state["gaps"] == []


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("hide(true)", "this page is hidden"),
        (
            "for (const track of streams.at(-1).getTracks())"
            " Object.defineProperty(track, 'muted', { value: true });",
            "neither sound nor picture arrives",
        ),
        ("streams.at(-1).getTracks().forEach(t => t.stop())", "neither sound nor picture arrives"),
    ],
    ids=["hidden", "muted", "ended"],
)
@alike
def test_what_is_not_heard_is_a_gap_and_never_a_silence(
    loss: str, reason: str, live: Notebook
) -> None:
    started(live)

    live.page.evaluate(loss)
    verdict(live, "Not listening")
    expect(live.page.locator(".live-remark")).to_contain_text(reason)
    state = live.until(lambda s: len(s["gaps"]) > 0, "the gap is told to Python")
    assert state["gaps"] == [reason]
    assert state["verdicts"] == ["gap", "hungry"]
    blocks = live.state()["blocks"]
    live.page.wait_for_timeout(1500)
    assert live.state()["blocks"] - blocks <= 8, "only what was under way"


@alike
def test_a_page_in_view_again_listens_again(live: Notebook) -> None:
    started(live)
    live.page.evaluate("hide(true)")
    verdict(live, "Not listening")

    live.page.evaluate("hide(false)")
    verdict(live, "hungry")
    blocks = live.state()["blocks"]
    live.until(lambda s: s["blocks"] > blocks + 4, "sound arrives again")


@alike
def test_a_refusal_says_what_to_do_and_a_file_is_a_way_on(live: Notebook, tmp_path: Path) -> None:
    live.page.evaluate("window.refused = true")
    live.page.locator(".live-start").click()
    expect(live.page.locator(".live-notice")).to_contain_text("Allow it in the address bar")
    verdict(live, "Not listening")

    path = tone(tmp_path / "low.wav", 300, 30)
    live.page.get_by_label("A file instead").set_input_files(path)
    verdict(live, "tired")
    expect(live.page.locator(".live-notice")).to_have_text("A file is judged, and not logged.")
    assert live.state()["logged"] == 0


@alike
def test_a_refused_camera_leaves_the_microphone(live: Notebook) -> None:
    live.page.evaluate(
        """() => {
          const ask = navigator.mediaDevices.getUserMedia;
          navigator.mediaDevices.getUserMedia = async (wishes) => {
            if (wishes.video) throw new DOMException("none", "NotFoundError");
            return ask(wishes);
          };
        }"""
    )
    live.page.locator(".live-start").click()
    expect(live.page.locator(".live-notice")).to_have_text(
        "No camera was found. The microphone alone is used."
    )
    verdict(live, "hungry")
    assert live.state()["frames"] == 0


@alike
def test_a_page_that_may_not_use_devices_says_why(server: Server, equipped: Browser) -> None:
    context = equipped.new_context()
    context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined});")
    live = Notebook(context.new_page(), server)
    watch(live)
    run_all(live, "live")
    live.page.locator(".live-start").click()
    expect(live.page.locator(".live-notice")).to_contain_text("only on this computer or over HTTPS")
    context.close()


@alike
def test_a_kernel_that_is_busy_is_sent_no_more_than_it_takes(live: Notebook) -> None:
    started(live)

    live.page.get_by_role("button", name="be busy").click()
    verdict(live, "Not listening")
    expect(live.page.locator(".live-remark")).to_contain_text("the server doesn't answer")
    verdict(live, "hungry")
    live.until(
        lambda s: "the server doesn't answer" in s["gaps"] and np.diff(s["times"]).max() > 3,
        "what was not heard is a gap and has no reading",
    )
    assert [text for text in live.errors if "net::" not in text] == []  # Voilà's own icons


@alike
def test_readings_that_cannot_be_written_wait_for_the_log(live: Notebook) -> None:
    started(live)

    live.page.get_by_role("button", name="fill the disk").click()
    expect(live.page.locator(".live-notice")).to_contain_text("the disk is full")
    expect(live.page.locator(".live-notice")).to_contain_text("readings that wait for it")
    live.page.get_by_role("button", name="empty the disk").click()
    expect(live.page.locator(".live-notice")).to_be_empty()
    state = live.until(lambda s: s["logged"] >= s["blocks"] - 8, "all readings are written")
    np.testing.assert_allclose(np.diff(state["times"]), 0.25, atol=0.02)
