"""Sliders and the upload button in a real browser, kernel and all."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from frontends import Notebook, in_first
from playwright.sync_api import expect

pytestmark = in_first


def blank_size() -> int:
    """Return how large the picture of `controls.py`'s figure is at most with its axes empty."""
    from matplotlib import pyplot as plt

    from cryutils.app.knobs import figure_png

    return len(figure_png(plt.subplots(1, 2, figsize=(12, 3.2), layout="constrained")[0]))


def test_sliders_that_move_on_while_a_picture_is_drawn_never_leave_it_blank(
    controls: Notebook,
) -> None:
    handles = controls.page.locator(".noUi-handle")
    for key in ("ArrowRight", "ArrowLeft"):
        for number in (0, 1):
            handles.nth(number).focus()
            for _ in range(3):
                controls.page.keyboard.press(key)
    handles.nth(0).focus()
    controls.page.keyboard.press("End")
    handles.nth(1).focus()
    controls.page.keyboard.press("Home")
    controls.until(lambda s: s["values"] == [2048, 2], "the sliders' last values")
    last = controls.until(lambda s: len(s["sizes"]) > 0, "a new picture")["sizes"]
    while len(last) < len(last := controls.state()["sizes"]):
        controls.page.wait_for_timeout(1500)

    assert min(last) > 1.5 * blank_size()
    shown = "() => [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    controls.page.wait_for_function(shown)


def upload(controls: Notebook, name: str, content: bytes) -> None:
    """Press the button and choose a file, as a person does."""
    with controls.page.expect_file_chooser() as chooser:
        controls.page.locator(".widget-upload").click()
    chooser.value.set_files({"name": name, "mimeType": "", "buffer": content})


def tone(seconds: int = 1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 8000 * seconds, "NONE", ""))
        file.writeframes(bytes([0, 32, 0, 224]) * 4000 * seconds)
    return buffer.getvalue()


def test_an_upload_is_seen_and_heard_without_a_second_run(controls: Notebook) -> None:
    upload(controls, "tone.wav", tone())
    expect(controls.page.get_by_text("tone.wav: 1.0 s")).to_be_visible()
    audio = controls.page.locator("audio")
    controls.page.wait_for_function("a => a.duration === 1", arg=audio.element_handle())


@pytest.mark.parametrize("mib", [9, 11])
def test_a_file_may_be_larger_than_the_servers_messages(
    mib: int, controls: Notebook, tmp_path: Path
) -> None:
    """Above 10 MiB in one message, tornado closes the connection without a word."""
    seconds = mib * 2**20 // 16_000
    path = tmp_path / f"long-{mib}.wav"  # on disk, since Playwright's own messages are limited
    path.write_bytes(tone(seconds))
    with controls.page.expect_file_chooser() as chooser:
        controls.page.locator(".widget-upload").click()
    chooser.value.set_files(path)
    expect(controls.page.get_by_text(f"{path.name}: {seconds}.0 s")).to_be_visible()
