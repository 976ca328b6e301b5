"""The whole application on a telephone: from camera and microphone to the log and the diary."""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from frontends import DEVICES, PHONE, launch, watched
from playwright.sync_api import Playwright, expect
from sizes import large
from trained_run import Trained, change_card

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from served import PASSWORD, served

from cryutils import audio, video
from cryutils.video import mp4
from cryutils.words import UNSURE

SR = 48_000


def test_a_crying_infant_is_heard_seen_logged_corrected_and_shown(
    playwright: Playwright, trained: Trained, taught: Path, tmp_path: Path
) -> None:
    # A family's own models, and a telephone that hears and sees an infant, then silence.
    run = shutil.copytree(taught, tmp_path / "models" / "run")
    for name in ("cry2", "image"):  # others answer for drawn faces and synthetic voices alone
        change_card(run / "models", name, data="my infants")
    clip = trained.corpus[-1]
    sound = np.tile(audio.read(clip.path, sr=SR), 2)
    quiet = np.random.default_rng(0).normal(0, 0.001, 4 * SR).astype(np.float32)
    (tmp_path / "sound.wav").write_bytes(audio.wav_bytes(np.concatenate([sound, quiet]), SR))
    frames = [cv2.imencode(".jpg", frame[..., ::-1])[1] for frame in video.frames(clip.path, fps=8)]
    (tmp_path / "pictures.mjpeg").write_bytes(b"".join(frame.tobytes() for frame in frames))
    mp4.write(tmp_path / "film.mp4", video.frames(clip.path, fps=8), fps=8, sound=sound, sr=SR)
    browser = launch(
        playwright,
        *DEVICES,
        f"--use-file-for-fake-audio-capture={tmp_path / 'sound.wav'}",
        f"--use-file-for-fake-video-capture={tmp_path / 'pictures.mjpeg'}",
    )
    phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    faults, answer = watched(phone), phone.locator(".live-answer")
    said = re.compile(rf"(probably|perhaps) {clip.label}, \d+ %")
    with served(tmp_path, CRYUTILS_OUTPUTS_DIR=str(tmp_path / "models")) as home:
        home.store.users.add("ann", PASSWORD)
        log = home.store.add_infant("Mia")
        phone.goto(home.url)
        phone.get_by_label("Name").fill("ann")
        phone.get_by_label("Password", exact=True).fill(PASSWORD)
        phone.keyboard.press("Enter")
        phone.get_by_role("link", name="Listen now").click()
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

        tracks = "document.querySelector('.live-preview video').srcObject.getTracks()"
        phone.evaluate(f"{tracks}.forEach(track => track.stop())")
        expect(answer).to_have_text("Not listening")
        expect(phone.locator(".live-remark")).to_contain_text("the microphone is gone")
        expect(phone).to_have_title(re.compile("^Not listening"))
        phone.get_by_role("button", name="Stop").click()

        phone.locator("summary", has_text="More").click()
        phone.get_by_label("A recording instead").set_input_files(tmp_path / "film.mp4")
        expect(answer).to_have_text("Listening to the recording …")
        expect(answer).to_have_text(said)
        expect(phone.get_by_role("button", name="Start listening")).to_be_visible()

        phone.get_by_role("link", name="Diary").click()
        expect(phone.get_by_text("this was right")).to_be_visible()
        phone.get_by_role("button", name="Fed just now").click()
        expect(phone.locator(".line", has_text="Fed")).to_be_visible()
        browser.close()
        assert faults == []


@large
def test_one_command_shows_the_application_to_a_browser_without_devices_and_leaves_nothing(
    playwright: Playwright, tmp_path: Path, taught: Path
) -> None:
    shutil.copytree(taught, tmp_path / "outputs" / "quick")
    for name in ("cache", "data", "temporary"):
        (tmp_path / name).mkdir()
    opened, program = tmp_path / "opened", tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$1\" > '{opened}'\n")
    program.chmod(0o755)
    files = {*tmp_path.rglob("*")}
    variables = {"BROWSER": program, "TMPDIR": tmp_path / "temporary", "XDG_CACHE_HOME": tmp_path / "cache"}
    with served(tmp_path, "--demo", **{name: str(path) for name, path in variables.items()}) as server:
        until(lambda: opened.is_file() and opened.read_text())
        browser = launch(playwright)
        page = browser.new_page(viewport=PHONE)
        faults, answer = watched(page), page.locator(".live-answer")
        page.goto(opened.read_text().strip())
        expect(page.get_by_role("note")).to_contain_text("Demonstration.")
        page.get_by_role("link", name="Listen now").click()
        page.get_by_role("button", name="Start listening").click()
        expect(answer).to_have_text("Listening: no crying")
        expect(answer).to_have_text(re.compile("(discomfort|hungry|pain|tired), \\d+ %$"))
        expect(page.locator(".live-preview video")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("link", name="Diary").click()
        expect(page.locator(".line", has_text="Was this right?").first).to_be_visible()
        browser.close()
        assert faults == []
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0 and "Traceback" not in server.log
    assert {*tmp_path.rglob("*")} - files == {opened, tmp_path / "server.log"}
