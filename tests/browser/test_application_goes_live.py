"""The whole application on a telephone: from camera and microphone to the log and the days."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from frontends import HANG_S
from playwright.sync_api import Page, Playwright, expect
from trained_run import Trained, change_card

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from served import PASSWORD, Served, served
from visits import SR, as_devices, visit

from crydecode.store.database import Row
from cryutils import audio, video
from cryutils.inference.readings import GAP, NO_CRY, QUIET, UNSURE
from cryutils.models.export import read_card
from cryutils.video import mp4


@contextmanager
def serving(outputs: Path, folder: Path) -> Iterator[Served]:
    """The application with the models in `outputs`, a user and an infant."""
    (folder / "temporary").mkdir()
    variables = {"CRYUTILS_OUTPUTS_DIR": str(outputs), "TMPDIR": str(folder / "temporary")}
    with served(folder, **variables) as server:
        server.store.users.add("ann", PASSWORD)
        server.store.add_infant("Mia")
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, taught: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("home")
    run = shutil.copytree(taught, folder / "models" / "run")
    for name in ("cry2", "image"):  # others answer for drawn faces and synthetic voices alone
        change_card(run / "models", name, data="my infants")
    with serving(folder / "models", folder) as server:
        yield server


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[Served]:
    """The application with a model that only listens, and to which each sound is a new one."""
    folder = tmp_path_factory.mktemp("ear")
    models = shutil.copytree(trained.run, folder / "models" / "run") / "models"
    (models / "image.tflite").unlink()
    far = {**read_card(models, "cry2")["reference"], "distances": [0.0] * 101}
    change_card(models, "cry2", reference=far, data="my infants")
    with serving(folder / "models", folder) as server:
        yield server


def logged(home: Served, page: Page, n: int) -> list[Row]:
    """Return the log in the store once it has `n` readings."""
    with home.store as store:
        log = store.infant("Mia")
        deadline = time.monotonic() + HANG_S
        while len(readings := list(log.entries())) < n:
            assert time.monotonic() < deadline, f"{len(readings)} of {n} readings"
            page.wait_for_timeout(200)
    return readings


def take_away(page: Page, kind: str, how: str) -> None:
    """Do `how` to a live page's track of this kind."""
    stream = "document.querySelector('.live-preview video').srcObject"
    page.evaluate(f"(track => {{ {how} }})({stream}.get{kind}Tracks()[0])")


# Notes what a page asks the browser for, and how many pictures it sends.
NOTES = """() => {
  const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
  Object.assign(window, { asked: [], pictures: 0 });
  devices.getUserMedia = (wishes) => (window.asked.push(...Object.keys(wishes)), ask(wishes));
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    if (data.text) data.text().then((text) => (window.pictures += text.includes('"type":"frame"')));
    return send.call(this, data);
  };
}"""


def test_a_crying_infant_is_heard_seen_logged_corrected_and_shown(
    playwright: Playwright, home: Served, trained: Trained, tmp_path: Path
) -> None:
    clip = trained.corpus[-1]
    sound, pictures = audio.read(clip.path, sr=SR), list(video.frames(clip.path, fps=8))
    quiet = np.random.default_rng(0).normal(0, 0.001, 4 * SR).astype(np.float32)
    devices = as_devices(tmp_path, np.concatenate([sound, sound, quiet]), pictures)
    said = re.compile(rf"(probably|perhaps) {clip.label}, \d+ %")
    with visit(playwright, home, "ann", devices) as page:
        page.evaluate(NOTES)
        page.get_by_role("button", name="Start listening").click()
        expect(page.locator(".live-answer")).to_have_text(said)
        assert "Mia" in page.title()
        readings = logged(home, page, 6)
        states = Counter(row["verdict"] for row in readings if row["sound"] or row["face"])
        assert set(states) <= {*trained.corpus.classes, UNSURE}
        assert any(row["face"] for row in readings)
        assert page.evaluate("[window.asked.join(), window.pictures > 0]") == ["audio,video", True]

        # After the cry, its line is on the same page, and answering does not stop the listening.
        line = page.locator("#lines .line").first
        line.get_by_role("button", name="no crying").click()
        expect(line).to_contain_text("You said: no crying")
        line.get_by_role("button", name="Undo").click()
        expect(line).to_contain_text("Was this right?")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        line.get_by_role("button", name="Yes").click()
        expect(line).to_contain_text("this was right")

        take_away(page, "Audio", "track.stop()")
        take_away(page, "Video", "track.stop()")
        expect(page.locator(".live-answer")).to_have_text("Not listening")
        expect(page.locator(".live-remark")).to_contain_text("the microphone is gone")
        expect(page).to_have_title(re.compile("^Not listening"))
        page.get_by_role("button", name="Stop").click()

        mp4.write(tmp_path / "film.mp4", pictures, fps=8, sound=np.tile(sound, 2), sr=SR)
        page.locator("summary", has_text="More").click()
        page.get_by_label("A recording instead").set_input_files(tmp_path / "film.mp4")
        expect(page.locator(".live-answer")).to_have_text("Listening to the recording …")
        expect(page.locator(".live-answer")).to_have_text(said)
        expect(page.get_by_role("button", name="Start listening")).to_be_visible()

        page.get_by_role("link", name="Diary").click()
        expect(page.get_by_text("this was right")).to_be_visible()
        page.get_by_role("button", name="Fed just now").click()
        expect(page.locator(".line", has_text="Fed")).to_be_visible()


def test_a_model_that_only_listens_gets_no_camera_and_a_dead_microphone_is_a_gap(
    playwright: Playwright, ear: Served, trained: Trained, tmp_path: Path
) -> None:
    clip = trained.corpus[-1]
    sound, pictures = audio.read(clip.path, sr=SR), list(video.frames(clip.path, fps=8))
    dead = np.zeros(5 * SR, np.float32)  # and again after two cries: a file is played in a loop
    devices = as_devices(tmp_path, np.concatenate([dead, sound, sound]), pictures)
    with visit(playwright, ear, "ann", devices) as page:
        page.evaluate(NOTES)
        expect(page.get_by_label("camera", exact=True)).to_have_count(0)
        page.get_by_role("button", name="Start listening").click()
        answer, remark = page.locator(".live-answer"), page.locator(".live-remark")
        for _ in range(2):
            expect(remark).to_contain_text("the microphone gives no sound")
            expect(answer).to_have_text("Not listening")
            expect(answer).to_have_text("Crying: not sure why")
            expect(remark).to_contain_text("different from the cries")
        assert page.evaluate("[window.asked.join(), window.pictures]") == ["audio", 0]
        page.reload()  # it listens again
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("What was it?").first).to_be_visible()
    readings = logged(ear, page, 6)
    assert {row["verdict"] for row in readings} <= {GAP, UNSURE, NO_CRY, QUIET}
    gaps = {row["note"] for row in readings if row["verdict"] == GAP}
    assert "the microphone gives no sound" in gaps
