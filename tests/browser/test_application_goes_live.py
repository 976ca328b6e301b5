"""The whole application on a telephone: from camera and microphone to the log and the diary."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from frontends import DEVICES, PHONE, launch, noted_errors
from playwright.sync_api import Page, Playwright, expect
from trained_run import Trained, change_card

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from served import PASSWORD, Served, served

from cryutils import audio, video
from cryutils.video import mp4
from cryutils.words import UNSURE

SR = 48_000


@pytest.fixture
def home(tmp_path: Path, taught: Path) -> Iterator[Served]:
    """The application with models of a family's own, a user and an infant."""
    run = shutil.copytree(taught, tmp_path / "models" / "run")
    for name in ("cry2", "image"):  # others answer for drawn faces and synthetic voices alone
        change_card(run / "models", name, data="my infants")
    with served(tmp_path, CRYUTILS_OUTPUTS_DIR=str(tmp_path / "models")) as server:
        server.store.users.add("ann", PASSWORD)
        server.store.add_infant("Mia")
        yield server


@pytest.fixture
def phone(playwright: Playwright, home: Served, trained: Trained, tmp_path: Path) -> Iterator[Page]:
    """Ann's page on a telephone that hears and sees an infant, then silence.

    Fails if the page asks another site for anything, or anything goes wrong in it.
    """
    clip = trained.corpus[-1]
    sound = audio.read(clip.path, sr=SR)
    quiet = np.random.default_rng(0).normal(0, 0.001, 4 * SR).astype(np.float32)
    (tmp_path / "sound.wav").write_bytes(audio.wav_bytes(np.concatenate([sound, sound, quiet]), SR))
    frames = [cv2.imencode(".jpg", frame[..., ::-1])[1] for frame in video.frames(clip.path, fps=8)]
    (tmp_path / "pictures.mjpeg").write_bytes(b"".join(frame.tobytes() for frame in frames))
    browser = launch(
        playwright,
        *DEVICES,
        f"--use-file-for-fake-audio-capture={tmp_path / 'sound.wav'}",
        f"--use-file-for-fake-video-capture={tmp_path / 'pictures.mjpeg'}",
    )
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page, asked = context.new_page(), set[str]()
    errors = noted_errors(page)
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.goto(home.url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Listen now").click()
    yield page
    browser.close()
    assert asked - {""} == {urlsplit(home.url).netloc}
    assert errors == []


def test_a_crying_infant_is_heard_seen_logged_corrected_and_shown(
    phone: Page, home: Served, trained: Trained, tmp_path: Path
) -> None:
    label, log = trained.corpus[-1].label, home.store.infant("Mia")
    said = re.compile(rf"(probably|perhaps) {label}, \d+ %")
    answer = phone.locator(".live-answer")
    phone.get_by_role("button", name="Start listening").click()
    expect(answer).to_have_text(said)
    assert "Mia" in phone.title()
    until(lambda: len(list(log.entries())) >= 6)
    readings = list(log.entries())
    states = Counter(row["verdict"] for row in readings if row["sound"] or row["face"])
    assert set(states) <= {*trained.corpus.classes, UNSURE}
    assert any(row["face"] for row in readings)

    # After the cry, its line is on the same page, and answering does not stop the listening.
    line = phone.locator("#lines .line").first
    line.get_by_role("button", name="no crying").click()
    expect(line).to_contain_text("You said: no crying")
    line.get_by_role("button", name="Undo").click()
    expect(line).to_contain_text("Was this right?")
    expect(phone.get_by_role("button", name="Stop")).to_be_visible()
    line.get_by_role("button", name="Yes").click()
    expect(line).to_contain_text("this was right")

    phone.evaluate(
        "document.querySelector('.live-preview video').srcObject.getTracks().forEach(track => track.stop())"
    )
    expect(answer).to_have_text("Not listening")
    expect(phone.locator(".live-remark")).to_contain_text("the microphone is gone")
    expect(phone).to_have_title(re.compile("^Not listening"))
    phone.get_by_role("button", name="Stop").click()

    clip = trained.corpus[-1].path
    pictures, sound = video.frames(clip, fps=8), np.tile(audio.read(clip, sr=SR), 2)
    mp4.write(tmp_path / "film.mp4", pictures, fps=8, sound=sound, sr=SR)
    phone.locator("summary", has_text="More").click()
    phone.get_by_label("A recording instead").set_input_files(tmp_path / "film.mp4")
    expect(answer).to_have_text("Listening to the recording …")
    expect(answer).to_have_text(said)
    expect(phone.get_by_role("button", name="Start listening")).to_be_visible()

    phone.get_by_role("link", name="Diary").click()
    expect(phone.get_by_text("this was right")).to_be_visible()
    phone.get_by_role("button", name="Fed just now").click()
    expect(phone.locator(".line", has_text="Fed")).to_be_visible()
