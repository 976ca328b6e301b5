"""A slider and the upload button in a real browser, kernel and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from frontends import Notebook, in_first
from playwright.sync_api import expect

from cryutils.audio import wav_bytes

pytestmark = in_first


def test_a_picture_follows_its_slider(controls: Notebook) -> None:
    picture = controls.page.locator("img.widget-image")
    wide = "image => image.complete && image.naturalWidth > 1.2 * {}"
    before = picture.evaluate("image => image.naturalWidth")
    controls.page.locator(".noUi-handle, .ui-slider-handle").focus()  # ipywidgets 8, 7
    controls.page.keyboard.press("End")
    controls.until(lambda s: s["value"] == 6, "the slider's last value")
    controls.page.wait_for_function(wide.format(before), arg=picture.element_handle())


def test_a_file_may_be_larger_than_the_servers_messages(controls: Notebook, tmp_path: Path) -> None:
    """Above 10 MiB in one message, tornado closes the connection without a word."""
    seconds = 11 * 2**20 // 16_000
    path = tmp_path / "long.wav"  # on disk, since Playwright's own messages are limited
    path.write_bytes(wav_bytes(np.tile([0.25, -0.25], 4000 * seconds), 8000))
    with controls.page.expect_file_chooser() as chooser:
        controls.page.locator(".widget-upload").click()
    chooser.value.set_files(path)
    expect(controls.page.get_by_text(f"long.wav: {seconds}.0 s")).to_be_visible()
    audio = controls.page.locator("audio")
    controls.page.wait_for_function(f"a => a.duration === {seconds}", arg=audio.element_handle())
