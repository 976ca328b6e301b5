"""The live analysis: its readings of cries, noise and gaps, and that no input breaks it."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sizes import LARGE
from trained_run import Trained

from cryutils import audio, video
from cryutils.inference.predict import Predictor
from cryutils.inference.readings import HOP_S, Kind, Reading
from cryutils.inference.trained_models import DEMO
from cryutils.widgets.monitor import DEAD_S, KEPT_S, Models, Monitor, replay
from cryutils.words import GAP, NO_CRY, QUIET, UNSURE

SR = 16000
FPS = 4


@pytest.fixture(scope="module")
def shared(trained: Trained) -> Monitor:
    return Monitor(trained.run)


@pytest.fixture
def monitor(shared: Monitor) -> Monitor:
    shared.restart(synthetic=True)
    return shared


@pytest.fixture(scope="module")
def cry(trained: Trained) -> np.ndarray:
    """Six seconds of synthetic crying."""
    return np.concatenate([audio.read(clip.path, sr=SR) for clip in trained.corpus[:3]])


@pytest.fixture(scope="module")
def pictures(trained: Trained) -> list[np.ndarray]:
    """Six seconds of a face, four pictures a second."""
    return [f for clip in trained.corpus[:3] for f in video.frames(clip.path, fps=FPS)]


def noise(db: float, seconds: float) -> np.ndarray:
    """White noise of this level re full scale."""
    return np.random.default_rng(0).normal(0, 10 ** (db / 20), round(seconds * SR)).astype(np.float32)


def pushed(
    monitor: Monitor, x: np.ndarray, pictures: list[np.ndarray] | None = None, start_s: float = 0.0
) -> list[Reading]:
    """Push a sound in blocks of a hop and pictures at their times; return what is said."""
    readings, block = [], round(HOP_S * SR)
    for start in range(0, len(x), block):
        at = start_s + start / SR
        for k, frame in enumerate(pictures or []):
            if start / SR < (k + 1) / FPS <= start / SR + HOP_S:
                monitor.push_frame(frame, start_s + (k + 1) / FPS)
        monitor.push_audio(x[start : start + block], SR, at)
        readings += list(monitor.readings())
    return readings


def test_a_crying_infant_gets_the_state_that_the_models_say_of_the_file(trained: Trained) -> None:
    """By the shipped models, which have not been trained on these infants."""
    # A file's answer is the mean over its windows, the monitor's that over its last readings, the
    # first of which have heard a second: a probability may differ by a fifth, no state may.
    monitor, predictor = Monitor(DEMO), Predictor(run=DEMO)
    for clip in trained.corpus[::2]:
        (expected,) = predictor(clip.path)
        last = list(replay(clip.path, monitor))[-1]
        assert last.verdict == expected.verdict == clip.label
        assert last.probabilities == pytest.approx(expected.probabilities, abs=0.2)
    assert {*trained.corpus.labels[::2]} == {*trained.corpus.classes}


def test_a_reading_is_the_mean_of_both_models_over_the_last_three_seconds(
    monitor: Monitor, cry: np.ndarray, pictures: list[np.ndarray]
) -> None:
    first, *readings = pushed(monitor, cry, pictures)
    assert first.verdict == NO_CRY, "two windows make a cry"
    halves = [[list(reading.sound.values()), list(reading.face.values())] for reading in readings]
    for k, reading in enumerate(readings):
        mean = np.mean(halves[max(0, k - 5) : k + 1], axis=(0, 1))
        np.testing.assert_allclose(list(reading.probabilities.values()), mean, atol=1e-6)
        assert reading.note == "" and reading.cry is not None


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("cry.mp4", ""),
        ("mute.mp4", "by face alone: no sound"),
        ("faceless.mp4", "by sound alone: no face: it may be too small or lying sideways"),
    ],
)
def test_a_film_is_answered_by_the_halves_that_it_has(
    name: str, note: str, monitor: Monitor, recordings: Path
) -> None:
    readings = list(replay(recordings / name, monitor))
    assert [reading.time for reading in readings[:3]] == [0.5, 1.0, 1.5]
    kind = Kind.NO_FACE if name == "faceless.mp4" else Kind.PLAIN
    assert {(reading.note, reading.kind) for reading in readings[1:]} == {(note, kind)}


@pytest.mark.parametrize(("threshold", "verdict"), [(0.5, UNSURE), (0.7, NO_CRY)])
def test_another_gate_decides_without_networks(threshold: float, verdict: str) -> None:
    monitor = Monitor(models=Models(None))
    monitor.gate = SimpleNamespace(threshold=threshold, scores=lambda x, sr, newest: [0.6])
    assert pushed(monitor, noise(-30, 3))[-1].verdict == verdict


def test_a_gap_is_never_a_silence_and_a_night_is_one_gap(monitor: Monitor, cry: np.ndarray) -> None:
    readings = pushed(monitor, cry[: 2 * SR])
    readings += list(monitor.readings(now=8.0))
    readings += pushed(monitor, cry[: 2 * SR], start_s=8.0)
    verdicts = [reading.verdict == GAP for reading in readings]
    assert [reading.time for reading in readings] == [HOP_S * k for k in range(1, 21)]
    assert verdicts == 4 * [False] + 12 * [True] + 4 * [False]

    first, *rest = pushed(monitor, cry, start_s=8 * 3600.0)
    assert (first.verdict, first.note[:15]) == (GAP, "nothing judged ")
    assert len(rest) <= (KEPT_S + 6) / HOP_S
    assert rest[-1].time == 8 * 3600.0 + 6 and rest[-1].sound


def test_a_microphone_that_gives_no_sound_is_a_gap_until_sound_comes_back(
    monitor: Monitor, cry: np.ndarray, pictures: list[np.ndarray]
) -> None:
    dead = noise(-82, 6) + np.float32(0.01)
    readings = pushed(monitor, dead, pictures)
    notes = {(reading.verdict, reading.note) for reading in readings}
    assert notes == {(GAP, "the microphone gives no sound")}

    monitor.restart()
    readings = pushed(monitor, np.concatenate([cry, dead, cry]))
    gaps = [reading.time for reading in readings if reading.verdict == GAP]
    assert gaps == [6 + DEAD_S + HOP_S * k for k in range(len(gaps))]
    assert gaps[-1] == 12, "it goes on by itself"

    monitor.restart(synthetic=True)
    for k in range(12):
        monitor.push_frame(np.full((96, 96, 3), 90, np.uint8), k / FPS)
    notes = {(reading.verdict, reading.note) for reading in monitor.readings()}
    assert notes == {(GAP, "no sound, no face: it may be too small or lying sideways")}, "an empty room"


@settings(max_examples=12 if LARGE else 6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([8000, 44100]), st.lists(st.floats(0.001, 3.0), max_size=8), st.booleans())
def test_readings_do_not_depend_on_how_the_sound_was_cut(
    shared: Monitor, cry: np.ndarray, sr: int, lengths_s: list[float], at_once: bool
) -> None:
    x = audio.spectral.resample(cry[: 3 * SR], sr=SR, to=sr)

    def cut(ends: list[int]) -> list[Reading]:
        shared.restart(synthetic=True)
        readings = []
        for start, end in pairwise([0, *ends, len(x)]):
            shared.push_audio(x[start:end], sr, start / sr)
            if not at_once:
                readings += list(shared.readings())
        return readings + list(shared.readings())

    ends = np.minimum(np.cumsum([round(s * sr) for s in lengths_s] or [0]), len(x))
    assert cut(ends.tolist()) == cut([])


BLOCKS = [np.zeros(SR), np.full(9, np.nan), np.full(40 * SR, 1e300), np.zeros(10, bool), np.zeros((0, 3))]
FRAMES = [np.zeros(shape, np.uint8) for shape in [(8, 8, 3), (2, 3000, 3), (0, 0, 3), (8, 8), (8, 8, 4)]]
TIMES = st.one_of(st.floats(), st.floats(0, 100), st.sampled_from([0.0, 1e9, 9e10, 1.7e9]))
STEPS = st.one_of(
    st.tuples(st.just("push_audio"), st.sampled_from(BLOCKS), st.sampled_from([SR, 48000, 0, -1]), TIMES),
    st.tuples(st.just("push_frame"), st.sampled_from([*FRAMES, np.zeros((8, 8, 3))]), TIMES),
    st.tuples(st.just("readings"), st.one_of(st.none(), st.floats(0, 1e10))),
)


@settings(max_examples=15)
@given(st.lists(STEPS, max_size=12))
def test_nothing_that_comes_breaks_it(shared: Monitor, steps: list[tuple[Any, ...]]) -> None:
    shared.restart(synthetic=True)
    for what, *arguments in steps:
        readings = list(getattr(shared, what)(*arguments) or [])
        assert len(readings) <= KEPT_S / HOP_S + 5
        for reading in readings:
            assert reading.verdict in {GAP, NO_CRY, QUIET, UNSURE, *shared.classes}
            if reading.probabilities:
                assert sum(reading.probabilities.values()) == pytest.approx(1, abs=1e-3)
