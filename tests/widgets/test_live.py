"""What the live page's messages come to in Python, without a browser."""

import io
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crydecode import store
from crydecode.store.threads import Writer
from cryutils import words
from cryutils.inference.readings import Kind, Reading, actions
from cryutils.models.gate import CRY_PAUSE_S
from cryutils.studies import embeddings, recognition
from cryutils.widgets.listener import Listener
from cryutils.words import ANY, GAP, NO_CRY, UNSURE


class Ear:
    """Stands in for a monitor: one reading for each push, and what was pushed is kept."""

    classes, uses_camera = ("hungry", "tired"), True

    def __init__(self) -> None:
        self.pushed, self.due, self.starts = list[tuple[Any, ...]](), list[Reading](), 0

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
        self.ear, self.now, self.answers = Ear(), 1000.0, list[dict[str, Any]]()
        writer = Writer(log) if log else None
        self.listener = Listener(self.ear, writer=writer)
        self.listener.clock = lambda: self.now
        self.listen(True)

    def listen(self, is_on: bool, **more: bool) -> None:
        self.send("start" if is_on else "stop", **more)

    def send(self, kind: str, *buffers: bytes, **content: Any) -> None:
        message = {"type": kind, "number": len(self.answers), **content}
        self.answers.append(self.listener.receive(message, buffers))

    def hear(self, *seconds: int) -> None:
        for at in seconds:
            self.send("sound", SOUND.tobytes(), at=at, sr=8000)

    def say(self, *readings: Reading, at: float = 0.0) -> None:
        """Let the ear answer with readings."""
        self.ear.due += readings
        self.send("gap", at=at)


SOUND = np.linspace(-32768, 32767, 4000, dtype="<i2")


def test_sound_arrives_as_the_page_heard_it_by_its_own_clock() -> None:
    page = Page()
    page.hear(7, 8)
    samples, sr, _ = page.ear.pushed[0]
    np.testing.assert_array_equal(samples, SOUND / 32768)
    assert sr == 8000
    assert [pushed[2] for pushed in page.ear.pushed] == [999.5, 1000.5], "first samples"
    assert [answer["number"] for answer in page.answers] == [0, 1, 2]
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


def test_only_the_film_of_a_demonstration_shows_a_drawn_face() -> None:
    for film, from_file in product([False, True], repeat=2):
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
    page.say(Reading(1003.0, NO_CRY), at=3.0)
    assert page.answers[-1]["ended"] == "probably hungry, 90 %"

    page.listen(True, file=True)
    page.hear(0, 1)
    page.say(Reading(1003.0, NO_CRY), at=3.0)
    page.hear(4)
    page.say(Reading(1010.0, "tired", {"tired": 0.8}), at=10.0)
    page.listen(False)
    assert page.answers[-1]["ended"] == "probably hungry, 90 %; then probably tired, 80 %", "of each cry"
    for verdict, ended in ((NO_CRY, "no crying in this file"), (GAP, "no sound in this file")):
        page.listen(True, file=True)
        page.say(Reading(1003.0, verdict), at=3.0)
        page.listen(False)
        assert page.answers[-1]["ended"] == ended


def test_a_file_may_come_faster_than_it_is_heard() -> None:
    page = Page()
    page.listen(True, file=True)
    page.hear(*range(600))
    assert np.ptp([time for _, _, time in page.ear.pushed]) == 599


@pytest.mark.parametrize("pause_s", [1, 30, 90])
@pytest.mark.parametrize("second", [{"hungry": 0.6}, {"pain": 0.7}, {"pain": 0.4, "hungry": 0.4}])
def test_the_live_page_and_the_diary_say_the_same_of_a_cry(
    pause_s: int, second: dict[str, float], tmp_path: Path
) -> None:
    mia = store.open(f"sqlite:///{tmp_path / 'store.sqlite'}").add_infant("Mia")
    session, begun = mia.begin("quick"), 1_800_000_000.0
    state = next((state for state, share in second.items() if share > 0.5), UNSURE)
    page = Page(lambda readings: mia.append(session, readings))
    page.now, again = begun, begun + 14 + pause_s
    page.say(
        *(Reading(begun + k / 2, "hungry", {"hungry": 0.8, "pain": 0.2}) for k in range(28)),
        *(Reading(begun + 14 + k / 2, NO_CRY) for k in range(2 * pause_s)),
        *(Reading(again + k / 2, state, second) for k in range(40)),
        Reading(again + 20, NO_CRY),
    )
    page.listen(False)
    *others, newest = mia.lines()
    assert page.answers[-2]["ended"] == newest.answer
    assert len(others) == (pause_s > 60 or (pause_s > CRY_PAUSE_S and state == "pain"))


def test_what_the_page_remarks_follows_from_the_kind_and_not_from_the_words() -> None:
    assert words.remark("hungry", Kind.PLAIN, "no face, unlike the training cries") == ""
    assert len({words.remark("hungry", kind, "") for kind in Kind}) == len(Kind)
    page = Page()
    page.say(*(Reading(1000.0 + k / 2, UNSURE, {"hungry": 0.9}, kind=Kind.UNLIKE) for k in (1, 2)))
    assert page.answers[-1]["readings"][0]["state"] == UNSURE


def test_a_picture_that_takes_long_to_decode_is_refused_at_once() -> None:
    buffer, page = io.BytesIO(), Page()
    Image.new("RGB", (1920, 1920), (200, 100, 50)).save(buffer, "JPEG", progressive=True)
    picture = buffer.getvalue()
    start = picture.rindex(b"\xff\xda")
    begun = time.process_time()
    page.send("frame", picture[:start] + picture[start:-2] * 5000 + picture[-2:], at=0.0)  # many scans
    assert page.answers[-1]["notice"].startswith("The page sent ") and page.ear.pushed == []
    assert time.process_time() - begun < 0.2, "a page can't keep its kernel busy"


def test_every_state_of_the_models_has_advice_with_a_source() -> None:
    advice = actions()
    assert {*recognition.STATES, *embeddings.STATES, "belly_pain", "burping", UNSURE, ANY} == {*advice}
    for action in (action for each in advice.values() for action in each):
        assert action["text"] and action["source"] and action["url"].startswith("https://")
    for state in ("pain", "belly_pain", ANY):
        assert "seek medical help" in advice[state][0]["text"]
