"""A caregiver's visit to the application: camera, microphone, and a page that is logged in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
from frontends import launch, noted_errors
from playwright.sync_api import Page, Playwright
from served import PASSWORD, Served

from cryutils.audio import wav_bytes

SR = 48_000
PHONE = {"width": 390, "height": 844}
DEVICES = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def as_devices(folder: Path, sound: np.ndarray, pictures: list[np.ndarray]) -> list[str]:
    """Write what Chromium gives a page as microphone and camera; return the options for it."""
    (folder / "sound.wav").write_bytes(wav_bytes(sound, SR))
    frames = [cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes() for picture in pictures]
    (folder / "pictures.mjpeg").write_bytes(b"".join(frames))
    return [
        *DEVICES,
        f"--use-file-for-fake-audio-capture={folder / 'sound.wav'}",
        f"--use-file-for-fake-video-capture={folder / 'pictures.mjpeg'}",
    ]


@contextmanager
def visit(playwright: Playwright, home: Served, name: str, devices: list[str]) -> Iterator[Page]:
    """A caregiver's page, logged in, in a telephone's browser with these devices.

    Fails if the page asks another site for anything, or anything goes wrong in it.
    """
    asked, browser = set(), launch(playwright, *devices)
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    errors = noted_errors(page)
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.goto(home.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Listen now").click()
    page.get_by_role("button", name="Start listening").wait_for()
    yield page
    browser.close()
    assert asked - {""} == {urlsplit(home.url).netloc}
    assert errors == []
