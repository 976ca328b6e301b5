"""What the live page's messages come to in Python, without a browser."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crydecode import store
from crydecode.store import Log
from crydecode.writer import Writer
from cryutils import words
from cryutils.inference.readings import Kind, Reading, actions
from cryutils.models.gate import CRY_PAUSE_S
from cryutils.studies import embeddings, recognition
from cryutils.widgets.listener import Listener
from cryutils.widgets.live import LiveAnalysis
from cryutils.words import ANY, NO_CRY, UNSURE


class Ear:
    """Stands in for a monitor: one reading for each push, and what was pushed is kept."""

    classes, uses_camera, every = ("hungry", "tired"), True, 1

    def __init__(self) -> None:
        self.pushed: list[tuple[Any, ...]] = []
        self.due: list[Reading] = []
        self.starts = 0

    def restart(self, *, synthetic: bool) -> None:
        self.starts, self.synthetic = self.starts + 1, synthetic

    def push_audio(self, samples: np.ndarray, sr: int, time: float) -> None:
        self.pushed.append((samples, sr, time))
        self.due.append(Reading(time, "hungry", {"hungry": 0.9, "tired": 0.1}))

    def push_frame(self, rgb: np.ndarray, time: float) -> None:
        self.pushed.append((rgb, time))

    def readings(self) -> Iterator[Reading]:
        while self.due:
            yield self.due.pop(0)


class Page:
    """A live page whose messages are written here, with the answers that it is sent."""

    def __init__(self, log: Any = None) -> None:
        self.ear = Ear()
        self.now = 1000.0
        clock = lambda: self.now  # noqa: E731
        self.live = LiveAnalysis(self.ear, source="An ear.", clock=clock)
        if log is not None:
            self.live.listener = Listener(self.ear, writer=Writer(log), clock=clock)
        self.answers: list[dict[str, Any]] = []
        self.live.send = lambda content, buffers=None: self.answers.append(content)
        self.listen(True)

    @property
    def notice(self) -> str:
        return str(self.answers[-1]["notice"])

    def listen(self, is_on: bool) -> None:
        self.send({"type": "start" if is_on else "stop", "number": 0})

    def send(self, content: dict[str, Any], *buffers: bytes) -> None:
        self.live._handle_custom_msg(content, [memoryview(buffer) for buffer in buffers])

    def hear(self, *seconds: int) -> None:
        for at in seconds:
            self.send({"type": "sound", "number": at, "at": at, "sr": 8000}, SOUND.tobytes())


def jpeg(height: int, width: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.fixture
def mia(tmp_path: Path) -> Iterator[Log]:
    with store.open(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened.add_infant("Mia")


SOUND = np.linspace(-1, 1, 4000, dtype="<f4")


def test_sound_arrives_as_the_page_heard_it_by_its_own_clock() -> None:
    page = Page()
    page.hear(7, 8)
    samples, sr, _ = page.ear.pushed[0]
    np.testing.assert_array_equal(samples, SOUND)
    assert sr == 8000
    assert [pushed[2] for pushed in page.ear.pushed] == [999.5, 1000.5], "first samples"
    assert [answer["number"] for answer in page.answers] == [0, 7, 8]
    reading = page.answers[1]["readings"][0]
    assert (reading["verdict"], reading["words"]) == ("hungry", "Crying: probably hungry, 90 %")

    page.now += 3600  # its device slept, and the page's clock stood still
    page.hear(9)
    assert page.ear.pushed[-1][2] == 4599.5
    before = page.ear.starts
    page.listen(False)
    page.listen(True)  # the page's clock starts again
    page.hear(0)
    assert page.ear.pushed[-1][2] == 4599.5
    assert page.ear.starts == before + 1, "what was heard before colours nothing"


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize("from_file", [False, True])
def test_only_the_film_of_a_demonstration_shows_a_drawn_face(film: bool, from_file: bool) -> None:
    ear = Ear()
    ear.uses_camera = False
    listener = Listener(ear, film=film)
    listener.receive({"type": "start", "file": from_file}, [])
    assert ear.synthetic == (film and not from_file)
    assert listener.about()["camera"] == film


def test_a_cry_and_a_file_have_one_answer_at_their_ends() -> None:
    page = Page()
    page.hear(0, 1, 2)
    assert page.answers[-1]["ended"] is None
    page.ear.due = [Reading(1003.0, NO_CRY)]
    page.send({"type": "gap", "number": 0, "at": 3.0})
    assert page.answers[-1]["ended"] == "probably hungry, 90 %"

    page.send({"type": "start", "file": True})
    page.hear(0, 1)
    page.ear.due = [Reading(1003.0, NO_CRY)]
    page.send({"type": "gap", "number": 0, "at": 3.0})
    page.hear(4)
    page.ear.due.append(Reading(1010.0, "tired", {"tired": 0.8}))
    page.send({"type": "frame", "number": 0, "at": 10.0}, jpeg(24, 32))
    page.listen(False)
    assert page.answers[-1]["ended"].split("; then ") == ["probably hungry, 90 %", "probably tired, 80 %"], (
        "of each cry in it"
    )
    page.send({"type": "start", "file": True})
    page.listen(False)
    assert page.answers[-1]["ended"] == "no crying in this file"


@pytest.mark.parametrize("pause_s", [1, 30, 90])
@pytest.mark.parametrize("second", [{"hungry": 0.6}, {"pain": 0.7}, {"hungry": 0.4, "pain": 0.4}])
def test_the_live_page_and_the_diary_say_the_same_of_a_cry(
    pause_s: int, second: dict[str, float], mia: Log
) -> None:
    session = mia.begin("quick")
    page = Page(lambda readings: mia.append(session, readings))
    page.now = 1_800_000_000.0
    for k in range(28):
        page.ear.due.append(Reading(page.now + k / 2, "hungry", {"hungry": 0.8, "pain": 0.2}))
    page.ear.due += [Reading(page.now + 14 + k / 2, NO_CRY) for k in range(2 * pause_s)]
    begun, most = page.now + 14 + pause_s, max(second, key=lambda state: second[state])
    state = most if second[most] > 0.5 else UNSURE
    page.ear.due += [Reading(begun + k / 2, state, second) for k in range(40)]
    page.ear.due.append(Reading(begun + 20, NO_CRY))
    page.send({"type": "gap", "number": 1, "at": 0.0})
    page.listen(False)
    *others, newest = mia.lines()
    assert page.answers[-2]["ended"] == newest.answer
    splits = pause_s > 60 or (pause_s > CRY_PAUSE_S and state == "pain")
    assert len(others) == splits


def test_what_the_page_remarks_follows_from_the_kind_and_not_from_the_words() -> None:
    named = "no face, unlike the training cries"
    assert words.remark("hungry", Kind.PLAIN, named) == ""
    remarks = {words.remark("hungry", kind, "") for kind in Kind}
    assert len(remarks) == len(Kind)
    page = Page()
    page.ear.due = [Reading(1000.0 + k / 2, UNSURE, {"hungry": 0.9}, kind=Kind.UNLIKE) for k in (1, 2)]
    page.send({"type": "gap", "number": 0, "at": 1.0})
    assert page.answers[-1]["readings"][0]["state"] == UNSURE


def test_a_picture_that_takes_long_to_decode_is_refused_at_once() -> None:
    picture = jpeg(1920, 1920, progressive=True)
    start = picture.rindex(b"\xff\xda")
    bomb = picture[:start] + picture[start:-2] * 5000 + picture[-2:]  # its last scan 5000 times
    page = Page()
    begun = time.process_time()
    page.send({"type": "frame", "at": 0.0}, bomb)
    assert page.notice.startswith("The page sent ") and page.ear.pushed == []
    assert time.process_time() - begun < 0.2, "a page can't keep its kernel busy"


def test_every_state_of_the_models_has_advice_with_a_source() -> None:
    advice = actions()

    assert {*recognition.STATES, *embeddings.STATES, "belly_pain", "burping", UNSURE, ANY} == {*advice}
    for action in (action for each in advice.values() for action in each):
        assert action["text"] and action["source"] and action["url"].startswith("https://")
    for state in ("pain", "belly_pain", ANY):
        assert "seek medical help" in advice[state][0]["text"]
