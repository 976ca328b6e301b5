"""The demonstration by itself: its film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from trained_run import Trained

from crydecode import demo
from cryutils.inference.episodes import Episodes
from cryutils.inference.readings import CALM, NO_CRY, QUIET
from cryutils.widgets.monitor import Monitor, replay


def test_the_film_goes_from_no_cry_to_a_cry_and_back(tmp_path: Path, quick: Trained) -> None:
    path = tmp_path / "film.mp4"
    demo.make_film(path)
    readings = list(replay(path, Monitor(quick.run)))
    # Scenes of 4, 14, 6, 14, 6, 14, 6 and 14 s. A cry begins with its second window, and ends 2 s
    # after its last one. The gate is wrong about a few seconds.
    quiet = [(1, 4), (21, 24), (41, 44), (61, 64)]
    cries = [(5.5, 18), (25.5, 38), (45.5, 58), (65.5, 78)]
    for scenes, least, most in ((quiet, 0.9, 1.0), (cries, 0.0, 0.1)):
        inside = [r for r in readings if any(start <= r.time <= end for start, end in scenes)]
        assert least <= np.mean([reading.verdict in (NO_CRY, QUIET) for reading in inside]) <= most
    assert np.mean([bool(reading.face) for reading in inside]) > 0.9

    heard, states = Episodes(), ["hungry", "pain", "tired", "discomfort"]
    for reading in readings:
        if reading.verdict not in CALM:
            heard.add(reading.time, reading.kind, {states[int(reading.time - 4) // 20]: 1.0})
    assert [cry.answer()[0] for cry in heard.all()] == states, "four right answers, four lines"
