"""The trained models on files: their answers, when they give none, and what they remark."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from trained_run import Trained, change_card

from cryutils import audio, video
from cryutils.datasets.synthetic.distractors import distractor
from cryutils.inference.predict import DRAWN, Predictor
from cryutils.inference.readings import Kind, Reading
from cryutils.models.export import read_card
from cryutils.video import mp4
from cryutils.words import GAP

SR = 8000
# A minute of a quiet room.
ROOM = np.random.default_rng(0).normal(0, 10 ** (-65 / 20), 60 * SR).astype(np.float32)


@pytest.fixture
def run(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A run with both models in an outputs folder of this test's own."""
    shutil.copytree(trained.run, apart / "outputs" / "quick")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(apart / "outputs"))
    return replace(trained, outputs=apart / "outputs", run=apart / "outputs" / "quick")


def by_hand(run: Trained, path: Path, used: str) -> np.ndarray:
    """The mean answer of Keras' own models to a file, (classes,)."""
    answers = []
    if used in ("both", "audio"):  # all of these clips are an episode
        rows = run.hearing.windows(audio.read(path, sr=run.hearing.sr))
        answers.append(run.models["cry2"].predict(rows, verbose=0).mean(axis=0))
    if used in ("both", "image"):
        track = video.track(path, fps=run.seeing.fps, size=run.seeing.size)
        crops = track.crops[track.with_face & ~track.blank]
        answers.append(run.models["image"].predict(crops, verbose=0).mean(axis=0))
    return np.mean(answers, axis=0)


def only(predictor: Predictor, path: Path) -> Reading:
    """The single answer to a file."""
    (prediction,) = predictor(path)
    return prediction


def check(prediction: Reading, expected: np.ndarray) -> None:
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-4)
    best = list(prediction.probabilities)[int(expected.argmax())]
    assert prediction.verdict == (best if expected.max() >= 0.5 else "unsure")


@pytest.mark.parametrize(
    ("model", "name", "used", "note"),
    [
        ("full", "cry.mp4", "both", ""),
        ("full", "cry.wav", "audio", ""),
        ("full", "dark.mp4", "audio", "picture: black or blank frames"),
        ("full", "faceless.mp4", "audio", "picture: no face in 4 frames"),
        ("full", "silent.mp4", "image", "sound: silence"),
        ("full", "nothing.mp4", "none", "sound: silence; picture: black or blank frames"),
        ("full", "neither.mp4", "none", "sound: no sound; picture: no face in 4 frames"),
        ("cry2", "face.png", "none", "sound: no sound"),
        ("image", "cry.wav", "none", "picture: no pictures"),
    ],
)
def test_what_is_usable_answers_and_the_rest_is_named(
    model: str, name: str, used: str, note: str, run: Trained, recordings: Path
) -> None:
    prediction = only(Predictor(model), recordings / name)
    assert (prediction.used, prediction.note) == (used, note)
    if used == "none":
        assert (prediction.verdict, prediction.probabilities) == (GAP, {})
    else:
        check(prediction, by_hand(run, recordings / name, used))


def test_a_model_trained_on_drawn_faces_answers_for_synthetic_videos_only(
    run: Trained, recordings: Path, tmp_path: Path
) -> None:
    mine, cry = tmp_path / "mine.mp4", recordings / "cry.mp4"  # the same, without the comment
    sound = audio.read(cry, sr=16000)
    mp4.write(mine, video.frames(cry), fps=8, sound=sound, sr=16000, crf=12)
    real = only(Predictor(), mine)
    assert (real.used, real.note) == ("audio", f"picture: {DRAWN}")
    check(real, by_hand(run, mine, "audio"))
    assert f"picture: {DRAWN}" in only(Predictor(), recordings / "face.png").note

    change_card(run.run / "models", "image", data="my infants")
    assert only(Predictor(), mine).used == "both"
    photo = only(Predictor(), recordings / "face.png")
    check(photo, by_hand(run, recordings / "face.png", "image"))
    assert (photo.used, photo.note) == ("image", "")


def test_a_cry_unlike_the_training_cries_and_calibrated_doubt_are_unsure(
    run: Trained, recordings: Path
) -> None:
    cry = only(Predictor("cry2"), run.corpus[0].path)
    assert (cry.note, cry.kind) == ("", Kind.PLAIN)
    far = {**read_card(run.run / "models", "cry2")["reference"], "distances": [0.0] * 101}
    change_card(run.run / "models", "cry2", reference=far)
    prediction = only(Predictor(), recordings / "cry.mp4")
    assert (prediction.verdict, prediction.kind, prediction.used) == ("unsure", Kind.UNLIKE, "both")
    assert "unlike the training cries" in prediction.note

    change_card(run.run / "models", "cry2", temperature=20.0, reference=None)
    (run.run / "models" / "image.tflite").unlink()
    flat = only(Predictor(), recordings / "cry.mp4")
    assert (flat.used, flat.note) == ("audio", "picture: this run has no model for it")
    assert flat.verdict == "unsure" and max(flat.probabilities.values()) < 0.35


@pytest.mark.parametrize(("kind", "state"), [("speech", "no cry"), ("quiet", "quiet")])
def test_a_sound_without_crying_gets_no_state(kind: str, state: str, run: Trained, tmp_path: Path) -> None:
    x = ROOM[: 8 * SR] if kind == "quiet" else distractor(kind, rng=np.random.default_rng(0), sr=SR)
    wavfile.write(tmp_path / "x.wav", SR, x)
    prediction = only(Predictor(), tmp_path / "x.wav")
    assert (prediction.verdict, prediction.used, prediction.start) == (state, "none", None)
    assert prediction.probabilities == {}


def test_the_one_cry_of_a_long_recording_is_found(
    run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio.files, "PIECE_S", 60)
    cry, night = audio.read(run.corpus[0].path, sr=SR), np.tile(ROOM, 3)
    night[59 * SR :][: len(cry)] += cry  # over the end of the first piece
    wavfile.write(tmp_path / "night.wav", SR, night)
    prediction = only(Predictor(), tmp_path / "night.wav")
    assert prediction.start == pytest.approx(59, abs=1)
    assert prediction.time == pytest.approx(59 + len(cry) / SR, abs=1)
    expected = only(Predictor(), run.corpus[0].path).probabilities
    assert prediction.probabilities == pytest.approx(expected, abs=0.2)
    assert prediction.note.startswith("sound: too quiet to judge for 0:02:5")
