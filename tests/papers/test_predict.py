"""The trained models on files: their answers, when they give none, and what they remark."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from trained_run import Trained, change_card

from cryutils import audio, video
from cryutils.papers.predict import Prediction, Predictor


@pytest.fixture
def run(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A run with both models in an outputs folder of this test's own."""
    outputs = apart / "outputs"
    shutil.copytree(trained.run, outputs / "quick")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    return replace(trained, outputs=outputs, run=outputs / "quick")


def by_hand(run: Trained, path: Path, used: str) -> np.ndarray:
    """The mean answer of Keras' own models to a file, (classes,)."""
    answers = []
    if used in ("both", "audio"):
        rows = run.hearing.windows(audio.read(path, sr=run.hearing.sr))
        answers.append(run.models["cry2"].predict(rows, verbose=0).mean(axis=0))
    if used in ("both", "image"):
        track = video.track(path, fps=run.seeing.fps, size=run.seeing.size)
        crops = track.crops[track.with_face & ~track.blank]
        answers.append(run.models["image"].predict(crops, verbose=0).mean(axis=0))
    return np.mean(answers, axis=0)


def check(prediction: Prediction, expected: np.ndarray) -> None:
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-4)
    best = list(prediction.probabilities)[int(expected.argmax())]
    assert prediction.state == (best if expected.max() >= 0.5 else "unsure")


@pytest.mark.parametrize(
    ("name", "used", "model", "why"),
    [
        ("cry.mp4", "both", "full", ()),
        ("cry.wav", "audio", "cry2", ("picture: no pictures",)),
        ("dark.mp4", "audio", "cry2", ("picture: black or blank frames",)),
        ("faceless.mp4", "audio", "cry2", ("picture: no face in 4 frames",)),
        ("silent.mp4", "image", "image", ("sound: silence",)),
        ("face.png", "image", "image", ("sound: no sound",)),
    ],
)
def test_what_is_usable_answers_and_the_rest_is_named(
    name: str, used: str, model: str, why: tuple[str, ...], run: Trained, recordings: Path
) -> None:
    prediction = Predictor()(recordings / name)
    check(prediction, by_hand(run, recordings / name, used))
    assert (prediction.used, prediction.model, prediction.why) == (used, model, why)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing.mp4", ("sound: silence", "picture: black or blank frames")),
        ("neither.mp4", ("sound: no sound", "picture: no face in 4 frames")),
        ("short.wav", ("sound: only 0.10 s of sound", "picture: no pictures")),
    ],
)
def test_without_sound_and_face_there_is_no_prediction(
    name: str, why: tuple[str, ...], run: Trained, recordings: Path
) -> None:
    prediction = Predictor()(recordings / name)
    assert (prediction.state, prediction.probabilities, prediction.used) == (None, {}, "none")
    assert prediction.why == why


@pytest.mark.parametrize(
    ("model", "used", "other"), [("cry2", "audio", "face.png"), ("image", "image", "cry.wav")]
)
def test_one_model_alone_does_not_mention_the_other(
    model: str, used: str, other: str, run: Trained, recordings: Path
) -> None:
    predictor = Predictor(model)
    prediction = predictor(recordings / "cry.mp4")
    check(prediction, by_hand(run, recordings / "cry.mp4", used))
    assert (prediction.used, prediction.why) == (used, ())
    nothing = predictor(recordings / other)
    assert nothing.state is None and len(nothing.why) == 1


def test_different_recordings_get_different_answers(run: Trained) -> None:
    # Otherwise a model with one answer for everything would pass every other test here.
    predictor = Predictor()
    answers = [list(predictor(clip.path).probabilities.values()) for clip in run.corpus[:6]]
    assert np.ptp(answers, axis=0).max() > 0.02


def test_a_temperature_calibrates_the_answer(run: Trained, recordings: Path) -> None:
    change_card(run.run / "models", "cry2", temperature=20.0)
    prediction = Predictor("cry2")(recordings / "cry.wav")
    assert prediction.state == "unsure" and max(prediction.probabilities.values()) < 0.35


def test_what_was_changed_in_a_sound_is_a_remark(
    run: Trained, recordings: Path, tmp_path: Path
) -> None:
    x = audio.read(recordings / "cry.wav", sr=16000)
    wavfile.write(tmp_path / "offset.wav", 16000, (x * 16384 + 1638).astype(np.int16))
    prediction = Predictor("cry2")(tmp_path / "offset.wav")
    assert prediction.remarks == ("sound: a constant offset of 0.050 is removed",)


def test_white_noise_is_unlike_the_training_cries_and_a_training_cry_is_not(
    run: Trained, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).normal(0, 3000, 48000).astype(np.int16)
    wavfile.write(tmp_path / "noise.wav", 16000, noise)
    prediction = Predictor()(tmp_path / "noise.wav")
    assert prediction.unlike == prediction.row()["unlike"] == 1
    (remark,) = prediction.remarks
    assert "unlike the training cries" in remark
    cry = Predictor("cry2")(run.corpus[0].path)
    assert cry.remarks == () and cry.unlike is not None and cry.unlike < 0.99
    change_card(run.run / "models", "cry2", reference=None)
    without = Predictor()(tmp_path / "noise.wav")
    assert without.unlike is None and without.probabilities == prediction.probabilities


def test_a_run_without_one_of_the_models_says_so(run: Trained, recordings: Path) -> None:
    (run.run / "models" / "image.tflite").unlink()
    prediction = Predictor()(recordings / "cry.mp4")
    assert prediction.used == "audio"
    assert prediction.why == ("picture: this run has no model for it",)
