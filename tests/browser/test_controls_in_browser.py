"""A slider in a real browser, kernel and all."""

from __future__ import annotations

from frontends import Notebook, in_first

pytestmark = in_first


def test_a_picture_follows_its_slider(controls: Notebook) -> None:
    picture = controls.page.locator("img.widget-image")
    wide = "image => image.complete && image.naturalWidth > 1.2 * {}"
    before = picture.evaluate("image => image.naturalWidth")
    controls.page.locator(".noUi-handle, .ui-slider-handle").focus()  # ipywidgets 8, 7
    controls.page.keyboard.press("End")
    controls.until(lambda s: s["value"] == 6, "the slider's last value")
    controls.page.wait_for_function(wide.format(before), arg=picture.element_handle())
