"""A recording in place of microphone and camera."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained_run import Trained

from cryutils.app.monitor import Monitor, replay


@pytest.fixture(scope="module")
def monitor(trained: Trained) -> Monitor:
    return Monitor(trained.run)


def test_the_readings_are_the_same_at_either_pace(monitor: Monitor, recordings: Path) -> None:
    in_time = list(replay(recordings / "cry.mp4", monitor, realtime=True))
    assert all(replayed.latency_s > 0 for replayed in in_time), "none before its window ends"
    at_once = [replayed.reading for replayed in replay(recordings / "cry.mp4", monitor)]
    assert [reading.time for reading in at_once] == [0.5, 1.0, 1.5, 2.0]
    assert at_once == [replayed.reading for replayed in in_time]
    assert all(reading.sound and reading.face for reading in at_once[1:])


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("cry.wav", {"by sound alone: no picture"}),
        ("mute.mp4", {"by face alone: no sound"}),
        ("faceless.mp4", {"by sound alone: no face: it may be too small or lying sideways"}),
    ],
)
def test_a_recording_of_one_half_is_answered_by_it(
    name: str, notes: set[str], monitor: Monitor, recordings: Path
) -> None:
    readings = [replayed.reading for replayed in replay(recordings / name, monitor)]
    assert {reading.note for reading in readings[1:]} == notes
