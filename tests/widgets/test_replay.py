"""A recording in place of microphone and camera."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained_run import Trained

from cryutils.inference.readings import UNSURE, Kind
from cryutils.widgets.monitor import Monitor, replay


@pytest.fixture(scope="module")
def monitor(trained: Trained) -> Monitor:
    return Monitor(trained.run)


def test_a_film_is_answered_by_sound_and_face(monitor: Monitor, recordings: Path) -> None:
    readings = list(replay(recordings / "cry.mp4", monitor))
    assert [reading.time for reading in readings] == [0.5, 1.0, 1.5, 2.0]
    assert all(reading.sound and reading.face for reading in readings[1:])


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("mute.mp4", {"by face alone: no sound"}),
        ("faceless.mp4", {"by sound alone: no face: it may be too small or lying sideways"}),
    ],
)
def test_a_recording_of_one_half_is_answered_by_it(
    name: str, notes: set[str], monitor: Monitor, recordings: Path
) -> None:
    readings = list(replay(recordings / name, monitor))
    assert {reading.note for reading in readings[1:]} == notes
    kind = Kind.NO_FACE if name == "faceless.mp4" else Kind.PLAIN
    assert {reading.kind for reading in readings[1:]} == {kind}


def test_a_recording_that_is_not_marked_as_synthetic_gets_no_reason_from_synthetic_models(
    monitor: Monitor, recordings: Path
) -> None:
    readings = list(replay(recordings / "cry.wav", monitor))[1:]
    assert {(reading.verdict, bool(reading.probabilities)) for reading in readings} == {(UNSURE, False)}
