"""Table 3: the windows of its inputs, and its differences."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import corpus as made

import cryutils
from cryutils import audio, evaluation
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.models.inputs import SoundInput, by_clip, pairs
from cryutils.studies import table3
from cryutils.studies.table3 import Streams

times = st.lists(st.floats(0, 60), min_size=1, max_size=40).map(sorted).map(np.array)


@given(times, times)
def test_each_frame_has_one_window_and_no_window_is_without(frames, middles) -> None:
    frame, window = pairs(frames, middles)
    assert set(frame.tolist()) == set(range(len(frames)))
    assert set(window.tolist()) == set(range(len(middles)))
    apart = np.abs(frames[:, None] - middles)
    nearest, empty = window[: len(frames)], window[len(frames) :]
    assert (apart[np.arange(len(frames)), nearest] == apart.min(axis=1)).all()
    assert (apart[frame[len(frames) :], empty] == apart[:, empty].min(axis=0)).all()


def hearing(**other) -> dict[str, SoundInput]:
    shape = {"sr": 8000, "n_fft": 256, "hop_length": 128, "window_s": 0.5, "step_s": 0.5} | other
    return {kind: SoundInput(kind=kind, scaling="recording", **shape) for kind in ("mfcc", "stft")}


SIX = {"classes": ["hug", "hungry", "sleepy"], "infants": 6, "clips_per_infant": 1}
SIX |= {"duration_s": 1.5, "mostly": 1.0}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path))
    return cryutils.load("synthetic", **SIX)


def test_windows_are_those_of_the_sound_with_the_frames_shown_meanwhile(corpus: Corpus) -> None:
    embedded = [np.full((15, 4), k, np.float32) + np.arange(15)[:, None] / 100 for k in range(6)]
    gathered = table3.gather(corpus, hearing(), embedded, fps=10.0)
    assert gathered.names == ("mfcc", "stft", "image")
    assert len(gathered) == 18
    assert gathered.clip.tolist() == np.repeat(np.arange(6), 3).tolist()
    x = audio.read(corpus[2].path, sr=8000)
    for name, sound in hearing().items():
        assert (gathered.windows[name][6:9] == sound.windows(x)).all()
    # The windows of 0.5 s show five frames each: 0-4, 5-9, 10-14.
    mean = by_clip(gathered.frames, gathered.frame_window, len(gathered))
    assert mean[6:9, 0] == pytest.approx([2.02, 2.07, 2.12])
    fewer = table3.gather(corpus, hearing(), embedded, fps=10.0, head_fps=5.0)
    assert fewer.frames[:8] == pytest.approx(embedded[0][::2]), "every second frame"
    labels = np.array(corpus.classes)[gathered.y]
    assert (labels == corpus.labels[gathered.clip]).all()


def test_what_lacks_a_stream_is_left_out(corpus: Corpus) -> None:
    embedded = [np.zeros((0 if k == 4 else 15, 4), np.float32) for k in range(6)]
    gathered = table3.gather(corpus, hearing(), embedded, fps=10.0)
    assert len(gathered.corpus) == 5
    with pytest.raises(InputError, match="no recording has"):
        table3.gather(corpus, hearing(), [np.zeros((0, 4), np.float32)] * 6, fps=10.0)


# Parts

STATES = {"hug": 1, "hungry": 2, "sleepy": 3}  # clips of each infant, who has one state
INFANTS, WINDOWS = 15, 2


@pytest.fixture
def windows() -> Streams:
    """Windows of random numbers, two of each clip, with two frames each."""
    names, rng = list(STATES), np.random.default_rng(0)
    infants = [k for k in range(INFANTS) for _ in range(STATES[names[k % 3]])]
    clips = made([names[k % 3] for k in infants], [f"i{k:02d}" for k in infants])
    clip = np.repeat(np.arange(len(clips)), WINDOWS)
    sound = {name: rng.random((len(clip), 8, n), np.float32) for name, n in (("mfcc", 3), ("stft", 5))}
    frames = rng.random((2 * len(clip), 7), np.float32)
    return Streams(clips, clip, sound, frames, np.repeat(np.arange(len(clip)), 2))


def test_a_row_has_the_windows_and_frames_of_its_states(windows: Streams) -> None:
    row = windows.of_states(table3.ROWS["sleepy_hugging"])
    assert set(row.corpus.labels) == {"sleepy", "hug"}
    assert len(row.corpus) == 5 * (3 + 1) and len(row) == WINDOWS * len(row.corpus)
    inside = np.isin(windows.corpus.labels[windows.clip], ["sleepy", "hug"])
    for name, x in row.windows.items():
        assert (x == windows.windows[name][inside]).all()
    assert (row.faces == windows.faces[inside]).all()
    assert (np.array(row.corpus.classes)[row.y] == row.corpus.labels[row.clip]).all()
    units, unit = row.units(Split.RANDOM_FRAMES)
    assert len(units) == len(row) and unit.tolist() == list(range(len(row)))


# Differences


def test_the_difference_of_two_rows_is_the_jackknife_over_both(windows: Streams) -> None:
    rng, parts = np.random.default_rng(3), []
    for row in ("sleepy_hungry", "hugging_hungry"):  # about a third of the answers are wrong
        clips = windows.of_states(table3.ROWS[row]).corpus
        folds = Split.RANDOM.k_folds(clips, n_splits=3, repeats=1, seed=0)
        wrong = np.where(rng.random(len(clips)) < 0.3, clips.classes[0], clips.labels)
        table = evaluation.answers_table(wrong[None], clips, folds, split="random")
        parts.append(table.assign(condition=row))
    both = pd.concat(parts)

    def difference(without: str) -> float:
        rest = both[both.infant != without]
        right = (rest.truth == rest.predicted).groupby(rest.condition).mean()
        return float(right["sleepy_hungry"] - right["hugging_hungry"])

    left = np.array([difference(infant) for infant in sorted(set(both.infant))])
    se = np.sqrt((len(left) - 1) * left.var())
    row = table3.easier(both, "sleepy_hungry")
    assert row.value == pytest.approx(difference("")) and row.n == 30 and row.n_infants == INFANTS
    assert row.low < row.value - se and row.value + se < row.high < row.value + 4 * se
