"""The whole application: a crying synthetic infant before camera and microphone, to the log."""

from __future__ import annotations

import time
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from frontends import ARGUMENTS, HANG_S, find_chromium
from playwright.sync_api import Page, Playwright, expect
from trained_run import Trained

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from served import PASSWORD, Served, served

import cryutils
from cryutils import audio, video
from cryutils.app.monitor import Monitor
from cryutils.app.readings import GAP, NO_CRY, UNSURE
from cryutils.app.replay import replay
from cryutils.datasets.synthetic.distractors import distractor

SR = 48_000


def as_devices(folder: Path, sound: np.ndarray, pictures: list[np.ndarray]) -> list[str]:
    """Write what Chromium gives a page as microphone and camera; return the options for it."""
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, SR, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    frames = [cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes() for picture in pictures]
    (folder / "pictures.mjpeg").write_bytes(b"".join(frames))
    return [
        *ARGUMENTS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'sound.wav'}",
        f"--use-file-for-fake-video-capture={folder / 'pictures.mjpeg'}",
    ]


@pytest.fixture
def home(tmp_path: Path, trained: Trained) -> Iterator[Served]:
    clips, outputs = str(tmp_path / "ours"), str(trained.outputs)
    with served(tmp_path, "--clips", clips, CRYUTILS_OUTPUTS_DIR=outputs) as server:
        server.store.users.add("ann", PASSWORD)
        server.store.infants.add("Mia", user="ann")
        yield server


@contextmanager
def visit(playwright: Playwright, home: Served, arguments: list[str]) -> Iterator[Page]:
    """A page of Ann's, logged in, in a browser with these devices."""
    browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=arguments)
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    page.set_default_timeout(1000 * HANG_S)
    page.goto(home.url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start").wait_for()
    yield page
    browser.close()


def logged(home: Served, page: Page, n: int) -> list:
    """Return the readings in the store once there are `n`."""
    with home.store as store:
        log = store.infants.infant("Mia", user=None)
        deadline = time.monotonic() + HANG_S
        while len(readings := list(log.readings())) < n:
            assert time.monotonic() < deadline, f"{len(readings)} of {n} readings"
            page.wait_for_timeout(200)
    return readings


def test_a_crying_infant_is_heard_seen_logged_and_shown(
    playwright: Playwright, home: Served, trained: Trained, tmp_path: Path
) -> None:
    clip = trained.corpus[0]
    sound, pictures = audio.read(clip.path, sr=SR), list(video.frames(clip.path, fps=8))
    expected = Counter(
        max(each.reading.sound, key=each.reading.sound.get)
        for each in replay(clip.path, Monitor(trained.run))
        if each.reading.sound
    )
    with visit(playwright, home, as_devices(tmp_path, sound, pictures)) as page:
        page.get_by_label("Keep the sound").check()
        page.get_by_role("button", name="Start").click()
        readings = logged(home, page, 16)
        verdicts = {reading.verdict for reading in readings}
        assert verdicts <= {*trained.corpus.classes, UNSURE, NO_CRY, GAP}
        heard = Counter(
            max(reading.sound, key=reading.sound.get) for reading in readings if reading.sound
        )
        assert heard.most_common(1)[0][0] == expected.most_common(1)[0][0]
        assert any(reading.face for reading in readings)

        page.evaluate(
            "document.querySelector('.live-preview video').srcObject.getVideoTracks()[0].stop()"
        )
        expect(page.locator(".live-remark")).to_contain_text("No picture arrives.")
        later = logged(home, page, len(readings) + 16)[-6:]
        assert all(reading.face is None for reading in later)
        assert any(reading.sound for reading in later), "it goes on with sound"

        page.get_by_role("button", name="Stop").click()
        page.get_by_role("tab", name="Days").click()
        page.get_by_role("button", name="Look again").click()
        expect(page.get_by_role("rowheader")).to_have_count(1)
        named = Counter(each.verdict for each in later) - Counter({NO_CRY: len(later)})
        for verdict in named:
            expect(page.locator(".cry-table")).to_contain_text(verdict)

        page.get_by_role("button", name="no cry").click()
        expect(page.get_by_text("Its sound is kept.")).to_be_visible()
    corrected = cryutils.load(tmp_path / "ours")
    assert list(corrected.classes) == ["no cry"] and len(set(corrected.infants)) == 1
    assert max(np.abs(audio.read(clip.path)).max() for clip in corrected) > 0.05


def test_noise_is_no_cry(playwright: Playwright, home: Served, tmp_path: Path) -> None:
    noise = distractor("noise", rng=np.random.default_rng(0), sr=SR)
    nobody = [np.full((240, 320, 3), 90, np.uint8)] * 10
    with visit(playwright, home, as_devices(tmp_path, noise, nobody)) as page:
        page.get_by_role("button", name="Start").click()
        expect(page.locator(".live-verdict")).to_have_text("no cry")
        wrong = [reading for reading in logged(home, page, 8) if reading.verdict != NO_CRY]
        assert wrong == []
