"""What the live page's messages come to in Python, without a browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cryutils.app.actions import ANY, actions
from cryutils.app.live import LiveAnalysis
from cryutils.app.readings import GAP, Reading
from cryutils.errors import InputError
from cryutils.papers import embeddings, recognition


class Ear:
    """Stands in for a monitor: one reading for each push, and what was pushed is kept."""

    classes = ("hungry", "tired")

    def __init__(self) -> None:
        self.pushed: list[tuple[Any, ...]] = []
        self.due: list[Reading] = []
        self.starts = 0

    def restart(self) -> None:
        self.starts += 1

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
        self.live = LiveAnalysis(self.ear, log=log, source="An ear.", clock=lambda: self.now)
        self.answers: list[dict[str, Any]] = []
        self.live.send = lambda content, buffers=None: self.answers.append(content)
        self.live.listening = True

    def send(self, content: dict[str, Any], *buffers: bytes) -> None:
        self.live._handle_custom_msg(content, [memoryview(buffer) for buffer in buffers])


class Disk:
    """A log that is full at first: what was written, and how many readings it was asked to."""

    def __init__(self) -> None:
        self.full, self.log, self.asked = True, list[Reading](), list[int]()

    def write(self, readings: list[Reading]) -> None:
        self.asked.append(len(readings))
        if self.full:
            raise InputError("/log: the disk is full.")
        self.log.extend(readings)


def jpeg(height: int, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(buffer, "JPEG")
    return buffer.getvalue()


SOUND = np.linspace(-1, 1, 4000, dtype="<f4")


def test_sound_arrives_as_the_page_heard_it_by_its_own_clock() -> None:
    page = Page()
    page.send({"type": "sound", "number": 0, "at": 7.0, "sr": 8000}, SOUND.tobytes())
    page.send({"type": "sound", "number": 1, "at": 7.5, "sr": 8000}, SOUND.tobytes())

    samples, sr, _ = page.ear.pushed[0]
    np.testing.assert_array_equal(samples, SOUND)
    assert sr == 8000
    assert [pushed[2] for pushed in page.ear.pushed] == [999.5, 1000.0], "first samples"
    assert [answer["number"] for answer in page.answers] == [0, 1]
    assert page.answers[0]["readings"][0]["verdict"] == "hungry"


def test_a_page_that_starts_again_has_a_clock_of_its_own() -> None:
    page = Page()
    page.send({"type": "sound", "number": 0, "at": 50.0, "sr": 8000}, SOUND.tobytes())
    page.live.listening = False
    page.live.listening = True
    page.send({"type": "sound", "number": 1, "at": 0.0, "sr": 8000}, SOUND.tobytes())

    assert [pushed[2] for pushed in page.ear.pushed] == [999.5, 999.5]
    assert page.ear.starts == 2, "what was heard before colours nothing"


def test_a_page_whose_clock_stood_still_is_set_right() -> None:
    page = Page()
    page.send({"type": "sound", "number": 0, "at": 1.0, "sr": 8000}, SOUND.tobytes())
    page.now += 3600  # its device slept
    page.send({"type": "sound", "number": 1, "at": 1.5, "sr": 8000}, SOUND.tobytes())

    assert [pushed[2] for pushed in page.ear.pushed] == [999.5, 4599.5]


def test_a_picture_arrives_as_rgb() -> None:
    page = Page()
    page.send({"type": "frame", "number": 0, "at": 0.0}, jpeg(24, 32))

    rgb, _ = page.ear.pushed[0]
    assert rgb.shape == (24, 32, 3) and rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb[12, 16], (200, 100, 50), atol=4)


def test_a_gap_is_written_down_with_its_reason() -> None:
    log: list[Reading] = []
    page = Page(log.extend)
    page.send({"type": "gap", "number": 0, "at": 0.0, "reason": "the server doesn't answer"})

    (reading,) = log
    assert (reading.verdict, reading.note) == (GAP, "the server doesn't answer")


CONTENTS = st.dictionaries(
    st.sampled_from(["type", "at", "sr", "reason", "number"]),
    st.one_of(
        st.sampled_from(["sound", "frame", "gap"]), st.floats(), st.integers(), st.none(), st.text()
    ),
)


@given(CONTENTS, st.lists(st.binary(max_size=64), max_size=2))
def test_whatever_a_page_sends_is_answered_and_breaks_nothing(
    content: dict[str, Any], buffers: list[bytes]
) -> None:
    page = Page()
    page.send(content, *buffers)

    (answer,) = page.answers
    assert answer["number"] is content.get("number")
    assert page.live.notice or content["type"] in ("sound", "gap")


@pytest.mark.parametrize(
    ("content", "buffer"),
    [
        ({"type": "sound", "at": 0.0, "sr": 1}, SOUND.tobytes()),
        ({"type": "sound", "at": 0.0, "sr": 8000}, SOUND.tobytes()[:-1]),
        ({"type": "sound", "at": 0.0, "sr": 8000}, bytes(8000 * 4 * 11)),
        ({"type": "sound", "at": float("nan"), "sr": 8000}, SOUND.tobytes()),
        ({"type": "frame", "at": 0.0}, jpeg(2000, 10)),
        ({"type": "frame", "at": 0.0}, jpeg(24, 32)[:200]),
        ({"type": "frame", "at": 0.0}, b"GIF89a"),
        ({"type": "order", "at": 0.0}, b""),
    ],
)
def test_a_message_that_means_nothing_is_refused_in_a_sentence(
    content: dict[str, Any], buffer: bytes
) -> None:
    page = Page()
    page.send(content, buffer)

    assert page.live.notice.startswith("The page sent ")
    assert page.ear.pushed == []


def test_readings_wait_until_the_log_takes_them_and_keep_their_order() -> None:
    disk = Disk()
    page = Page(disk.write)
    for number in range(3):
        page.send({"type": "sound", "number": number, "at": number, "sr": 8000}, SOUND.tobytes())
    assert "the disk is full" in page.live.notice
    assert page.live.waiting == 3

    disk.full, page.now = False, 1005.0
    page.send({"type": "sound", "number": 3, "at": 3, "sr": 8000}, SOUND.tobytes())
    assert page.live.waiting == 0
    assert [reading.time for reading in disk.log] == [999.5, 1000.5, 1001.5, 1002.5]
    assert page.live.notice == ""


def test_a_log_that_says_no_is_asked_again_later_and_not_at_each_reading() -> None:
    disk = Disk()
    page = Page(disk.write)
    for number in range(4):
        page.send({"type": "sound", "number": number, "at": number, "sr": 8000}, SOUND.tobytes())
        page.now += 2
    assert disk.asked == [1, 4], "at 1000 and at 1006 s"


def test_what_waits_is_tried_once_more_when_the_page_stops() -> None:
    disk = Disk()
    page = Page(disk.write)
    page.send({"type": "sound", "number": 0, "at": 0, "sr": 8000}, SOUND.tobytes())
    disk.full = False
    page.live.listening = False
    assert len(disk.log) == 1 and page.live.waiting == 0


def test_a_file_is_judged_and_not_logged() -> None:
    log: list[Reading] = []
    page = Page(log.extend)
    page.live.listening = False
    page.live.from_file = True
    page.live.listening = True
    page.send({"type": "sound", "number": 0, "at": 0, "sr": 8000}, SOUND.tobytes())

    assert page.answers[-1]["readings"] and log == []
    assert page.live.notice == "A file is judged, and not logged."


def test_every_state_of_the_models_has_advice_with_a_source() -> None:
    advice = actions()

    assert {*recognition.STATES, *embeddings.STATES, "belly_pain", "burping", ANY} == {*advice}
    for action in (action for each in advice.values() for action in each):
        assert action.text and action.source and action.url.startswith("https://")


@pytest.mark.parametrize("state", ["pain", "belly_pain", ANY])
def test_pain_and_crying_that_does_not_stop_mean_seek_help(state: str) -> None:
    assert "seek medical help" in actions()[state][0].text
