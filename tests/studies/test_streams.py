"""The windows of a recording: sound, and the frames shown meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cryutils
from cryutils import audio
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError
from cryutils.models import backbones
from cryutils.models.inputs import PictureInput, SoundInput, by_clip
from cryutils.studies import embeddings, streams

times = st.lists(st.floats(0, 60), min_size=1, max_size=40).map(sorted).map(np.array)


@given(times, times)
def test_each_frame_has_one_window_and_no_window_is_without(frames, middles) -> None:
    frame, window = streams.pairs(frames, middles)
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
    gathered = streams.gather(corpus, hearing(), embedded, fps=10.0)
    assert gathered.names == ("mfcc", "stft", "image")
    assert len(gathered) == 18
    assert gathered.clip.tolist() == np.repeat(np.arange(6), 3).tolist()
    x = audio.read(corpus[2].path, sr=8000)
    for name, sound in hearing().items():
        assert (gathered.windows[name][6:9] == sound.windows(x)).all()
    # The windows of 0.5 s show five frames each: 0-4, 5-9, 10-14.
    mean = by_clip(gathered.frames, gathered.frame_window, len(gathered))
    assert mean[6:9, 0] == pytest.approx([2.02, 2.07, 2.12])
    labels = np.array(corpus.classes)[gathered.y]
    assert (labels == corpus.labels[gathered.clip]).all()


@pytest.mark.usefixtures("bare")  # without ImageNet's weights
def test_the_frames_of_a_corpus_are_embedded() -> None:
    films = cryutils.load("synthetic", **SIX, video=True, fps=6.0, size=64)
    gathered = streams.of_corpus(films, hearing(), fps=6.0, head_fps=2.0)
    assert gathered.names == ("mfcc", "stft", "image")
    faces = PictureInput(fps=6.0, size=64, crop="face")
    embedded = embeddings.embed(films, backbones.small(), faces)
    assert gathered.frames[:3] == pytest.approx(embedded[0][::3])


def test_what_lacks_a_stream_is_left_out(corpus: Corpus) -> None:
    embedded = [np.zeros((0 if k == 4 else 15, 4), np.float32) for k in range(6)]
    gathered = streams.gather(corpus, hearing(), embedded, fps=10.0)
    assert len(gathered.corpus) == 5
    with pytest.raises(InputError, match="no recording has"):
        streams.gather(corpus, hearing(), [np.zeros((0, 4), np.float32)] * 6, fps=10.0)
