"""The trained models on files: their answers, when they give none, and what they remark."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from trained_run import FEATURES, INPUTS, Trained, add_ensemble, change_card

from cryutils import audio, video
from cryutils.models.inputs import FaceInput, SoundInput
from cryutils.models.model_card import ModelCard
from cryutils.models.novelty import Reference
from cryutils.papers.embeddings import FrameInput
from cryutils.papers.predict import Models, Prediction, Predictor, Timeline

SOUND, FACE = ("mfcc", "stft"), ("image",)
MODELS = pytest.mark.parametrize("model", ["full", "ensemble"])


@pytest.fixture
def run(complete: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A run with all models in an outputs folder of this test's own."""
    outputs = apart / "outputs"
    shutil.copytree(complete.run, outputs / "quick")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    return replace(complete, outputs=outputs, run=outputs / "quick")


# Answers by hand, from Keras' own models


def outputs(run: Trained, name: str, path: Path) -> np.ndarray:
    """What a network gives for each window or usable frame of a file, (n, outputs)."""
    prepared = {"cry2": run.hearing, "image": run.seeing}.get(name)
    prepared = prepared or INPUTS[name.removeprefix("ensemble_")]
    if isinstance(prepared, SoundInput):
        rows = prepared.windows(audio.read(path, sr=prepared.sr))
    elif isinstance(prepared, FaceInput):
        track = video.track(path, fps=prepared.fps, size=prepared.size)
        rows = track.crops[track.with_face & ~track.blank]
    else:
        rows = np.stack(list(prepared.frames(path)))
    return run.models[name].predict(rows, verbose=0)


def shares(run: Trained, stream: str, path: Path) -> np.ndarray:
    """The own probabilities of a submodel of the ensemble over time."""
    return outputs(run, f"ensemble_{stream}", path)[:, FEATURES[stream] :]


def joined(run: Trained, path: Path) -> np.ndarray:
    """The ensemble's answer for each window, with the frames nearest to its middle, if any."""
    features = {stream: outputs(run, f"ensemble_{stream}", path) for stream in SOUND}
    if "ensemble_image" in run.models:
        frames, hearing = outputs(run, "ensemble_image", path), INPUTS["mfcc"]
        middles = hearing.starts_s(len(features["mfcc"])) + hearing.window_s / 2
        times = np.arange(len(frames)) / INPUTS["image"].fps
        nearest = np.abs(times[:, None] - middles).argmin(axis=1)
        means = [frames[nearest == k].mean(axis=0) for k in range(len(middles))]
        features["image"] = np.stack(means)
    x = [rows[:, : FEATURES[stream]] for stream, rows in features.items()]
    return run.models["ensemble"].predict(np.concatenate(x, axis=1), verbose=0)


def by_hand(run: Trained, model: str, path: Path, used: str) -> np.ndarray:
    """The answer to a file whose sound, face or both are usable, (classes,)."""
    if model == "ensemble":
        if used == "both":
            return joined(run, path).mean(axis=0)
        streams = SOUND if used == "audio" else FACE
        return np.mean([shares(run, stream, path).mean(axis=0) for stream in streams], axis=0)
    names = {"both": ("cry2", "image"), "audio": ("cry2",), "image": ("image",)}[used]
    return np.mean([outputs(run, name, path).mean(axis=0) for name in names], axis=0)


def check(prediction: Prediction, expected: np.ndarray) -> None:
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-4)
    best = list(prediction.probabilities)[int(expected.argmax())]
    assert prediction.state == (best if expected.max() >= 0.5 else "unsure")


@MODELS
@pytest.mark.parametrize(
    ("name", "used", "why"),
    [
        ("cry.mp4", "both", ()),
        ("cry.wav", "audio", ("picture: no pictures",)),
        ("dark.mp4", "audio", ("picture: black or blank frames",)),
        ("faceless.mp4", "audio", ("picture: no face in 4 frames",)),
        ("mute.mp4", "image", ("sound: no sound",)),
        ("silent.mp4", "image", ("sound: silence",)),
        ("face.png", "image", ("sound: no sound",)),
    ],
)
def test_what_is_usable_answers_and_the_rest_is_named(
    model: str, name: str, used: str, why: tuple[str, ...], run: Trained, recordings: Path
) -> None:
    prediction = Predictor(model)(recordings / name)
    check(prediction, by_hand(run, model, recordings / name, used))
    assert (prediction.used, prediction.why) == (used, why)
    timelines = prediction.sound, prediction.face, prediction.fused
    assert [line is not None for line in timelines] == [
        used != "image", used != "audio", (used, model) == ("both", "ensemble"),
    ]  # fmt: skip


@MODELS
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing.mp4", ("sound: silence", "picture: black or blank frames")),
        ("neither.mp4", ("sound: no sound", "picture: no face in 4 frames")),
        ("short.wav", ("sound: only 0.10 s of sound", "picture: no pictures")),
    ],
)
def test_without_sound_and_face_there_is_no_prediction(
    model: str, name: str, why: tuple[str, ...], run: Trained, recordings: Path
) -> None:
    prediction = Predictor(model)(recordings / name)
    assert (prediction.state, prediction.probabilities, prediction.used) == (None, {}, "none")
    assert prediction.why == why
    assert (prediction.sound, prediction.face, prediction.fused) == (None, None, None)


@pytest.mark.parametrize(
    ("model", "used", "other"), [("cry2", "audio", "face.png"), ("image", "image", "cry.wav")]
)
def test_one_model_alone_does_not_mention_the_other(
    model: str, used: str, other: str, run: Trained, recordings: Path
) -> None:
    predictor = Predictor(model)
    prediction = predictor(recordings / "cry.mp4")
    check(prediction, by_hand(run, model, recordings / "cry.mp4", used))
    assert (prediction.used, prediction.why) == (used, ())
    nothing = predictor(recordings / other)
    assert nothing.state is None and len(nothing.why) == 1


@MODELS
def test_different_recordings_get_different_answers(model: str, run: Trained) -> None:
    # Otherwise a model with one answer for everything would pass every other test here.
    predictor = Predictor(model)
    answers = [list(predictor(clip.path).probabilities.values()) for clip in run.corpus[:6]]
    assert np.ptp(answers, axis=0).max() > 0.02


# Over time


def test_each_window_of_sound_and_each_face_has_its_time(run: Trained, recordings: Path) -> None:
    prediction = Predictor()(recordings / "cry.mp4")
    assert prediction.sound is not None and prediction.face is not None
    # 2 s in windows of 1 s (32 frames of 32 ms), a start each second (31 frames).
    np.testing.assert_allclose(prediction.sound.times_s, [0, 31 * 0.032])
    assert prediction.sound.probabilities.shape == (2, 4) and prediction.sound.boxes is None
    track = video.track(recordings / "cry.mp4", fps=2, size=32)
    np.testing.assert_array_equal(prediction.face.boxes, track.boxes)
    np.testing.assert_array_equal(prediction.face.times_s, track.times_s)


def test_a_moment_has_the_mean_of_the_latest_answers(run: Trained, recordings: Path) -> None:
    face = Timeline(np.array([0.5]), np.array([[0.2, 0.4, 0.4, 0.0]], np.float32))
    sound = Timeline(
        np.array([0.0, 1.0]), np.array([[0.8, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], np.float32)
    )
    both = replace(Predictor()(recordings / "cry.mp4"), sound=sound, face=face)
    for at_s in (0.0, 0.96):
        assert [*both.at(at_s).values()] == pytest.approx([0.5, 0.3, 0.2, 0])
    for at_s in (1.0, 9.0):
        assert [*both.at(at_s).values()] == pytest.approx([0.1, 0.2, 0.2, 0.5])
    assert [*replace(both, sound=None).at(1.0).values()] == pytest.approx([0.2, 0.4, 0.4, 0])
    joined = replace(both, fused=replace(face, probabilities=sound.probabilities[:1]))
    assert [*joined.at(1.0).values()] == pytest.approx([0.8, 0.2, 0, 0])
    assert replace(both, sound=None, face=None).at(1.0) == {}


def test_a_recording_of_several_pieces_is_heard_to_its_end(run: Trained, tmp_path: Path) -> None:
    hearing, samples = INPUTS["mfcc"], np.zeros(1300 * 1000, "<i2")
    samples[700_000:] = np.random.default_rng(0).integers(-3000, 3000, 600_000)
    write(tmp_path / "long.wav", samples, sr=1000)
    prediction = Predictor("ensemble")(tmp_path / "long.wav")
    assert prediction.sound is not None and prediction.why == ("picture: no pictures",)
    times = prediction.sound.times_s
    assert (np.diff(times) > 0).all()
    assert times[0] == 600, "the first piece is silence"
    assert times[-1] == pytest.approx(1300 - hearing.window_s, abs=hearing.step_s)


def test_the_ensemble_answers_for_each_window_and_rolls_the_frames(
    run: Trained, recordings: Path
) -> None:
    path = recordings / "cry.mp4"
    prediction = Predictor("ensemble")(path)
    assert prediction.fused is not None and prediction.face is not None
    assert len(prediction.fused.times_s) == 4  # 2 s in windows of half a second
    np.testing.assert_allclose(prediction.fused.probabilities, joined(run, path), atol=1e-4)
    np.testing.assert_allclose(prediction.fused.times_s, np.arange(4) * 0.5, atol=0.02)
    frames = shares(run, "image", path)
    rolled = [frames[max(0, k - 2) : k + 1].mean(axis=0) for k in range(len(frames))]
    np.testing.assert_allclose(prediction.face.probabilities, rolled, atol=1e-4)
    np.testing.assert_allclose(prediction.face.times_s, np.arange(8) / 4)


def test_a_rolling_average_of_all_frames_ends_with_the_mean(run: Trained, recordings: Path) -> None:
    change_card(run.run / "models", "ensemble", rolling=None)
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    assert prediction.face is not None
    last = prediction.face.probabilities[-1]
    np.testing.assert_allclose(last, list(prediction.probabilities.values()), atol=1e-6)


def test_an_ensemble_may_follow_the_face(run: Trained, recordings: Path) -> None:
    change_image_input(run, FrameInput(fps=4, size=32, crop="face"))
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    track = video.track(recordings / "mute.mp4", fps=4, size=32)
    rows = run.models["ensemble_image"].predict(track.crops[track.usable], verbose=0)
    check(prediction, rows[:, FEATURES["image"] :].mean(axis=0))
    assert prediction.face is not None and prediction.face.boxes is not None
    np.testing.assert_array_equal(prediction.face.boxes, track.boxes[track.usable])
    np.testing.assert_allclose(prediction.face.times_s, track.times_s[track.usable])
    none = Predictor("ensemble")(recordings / "faceless.mp4")
    assert (none.used, none.why) == ("audio", ("picture: no face in 8 frames",))


def test_more_frames_than_one_batch_are_judged(run: Trained, recordings: Path) -> None:
    seeing = FrameInput(fps=25, size=32)
    change_image_input(run, seeing, rolling=1)
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    rows = np.stack(list(seeing.frames(recordings / "mute.mp4")))
    frames = run.models["ensemble_image"].predict(rows, verbose=0)[:, FEATURES["image"] :]
    assert len(frames) == 50 and prediction.face is not None
    np.testing.assert_allclose(prediction.face.probabilities, frames, atol=1e-4)
    np.testing.assert_allclose(prediction.face.times_s, np.arange(50) / 25)


def change_image_input(run: Trained, seeing: FrameInput, **changes: object) -> None:
    parts = ModelCard.read(run.run / "models", "ensemble").content["parts"]
    image = parts["image"] | {"input": asdict(seeing)}
    change_card(run.run / "models", "ensemble", parts={**parts, "image": image}, **changes)


# Remarks


def write(path: Path, samples: np.ndarray, *, sr: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sr, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_what_was_changed_in_a_sound_is_a_remark(
    run: Trained, recordings: Path, tmp_path: Path
) -> None:
    x = audio.read(recordings / "cry.wav", sr=16000)
    prediction = Predictor("cry2")(write(tmp_path / "offset.wav", x * 16384 + 1638))
    assert prediction.state is not None
    assert prediction.remarks == ("sound: a constant offset of 0.050 is removed",)


def test_white_noise_is_unlike_the_training_cries_and_a_training_cry_is_not(
    run: Trained, tmp_path: Path
) -> None:
    noise = write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 3000, 48000))
    prediction = Predictor()(noise)
    assert prediction.unlike == prediction.row()["unlike"] == 1
    assert prediction.remarks == (
        "sound: unlike the training cries: farther from them than any of them is from the rest",
    )
    predictor = Predictor("cry2")
    for clip in run.corpus[::4]:
        cry = predictor(clip.path)
        assert cry.remarks == () and cry.unlike is not None and cry.unlike < 0.99
    change_card(run.run / "models", "cry2", reference=None)
    without = Predictor()(noise)
    assert without.unlike is None and without.probabilities == prediction.probabilities


def test_the_ensembles_most_surprised_stream_tells_how_unlike_a_sound_is(
    run: Trained, recordings: Path
) -> None:
    parts = dict(ModelCard.read(run.run / "models", "ensemble").content["parts"])
    expected = []
    for name in SOUND:
        hearing = INPUTS[name]
        sounds = [audio.read(clip.path, sr=hearing.sr) for clip in run.corpus]
        reference = Reference.of(hearing.examples(sounds), run.corpus.infants)
        assert reference is not None
        parts[name] = {**parts[name], "reference": reference.as_json()}
        x = audio.read(recordings / "cry.wav", sr=hearing.sr)
        expected.append(reference.share(hearing.windows(x)))
    assert Predictor("ensemble")(recordings / "cry.wav").unlike is None
    change_card(run.run / "models", "ensemble", parts=parts)
    predictor = Predictor("ensemble")
    assert predictor(recordings / "cry.wav").unlike == pytest.approx(max(expected), abs=1e-3)
    assert predictor(recordings / "mute.mp4").unlike is None


def test_a_row_is_json(run: Trained, recordings: Path) -> None:
    row = Predictor()(recordings / "cry.wav").row()
    assert json.loads(json.dumps(row)) == row
    assert row["file"] == str(recordings / "cry.wav")
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)


# Who answers


def test_the_prediction_names_the_run_and_the_models_that_answered(
    run: Trained, recordings: Path
) -> None:
    note, predictor = run.corpus.note, Predictor()
    assert predictor.note == f"{note}; sound model, face model: not calibrated"
    for name, model, label in (
        ("cry.mp4", "full", "sound model, face model"), ("cry.wav", "cry2", "sound model"),
        ("face.png", "image", "face model"),
    ):  # fmt: skip
        prediction = predictor(recordings / name)
        answered = prediction.run, prediction.model, prediction.data
        assert answered == ("quick", model, "synthetic")
        assert prediction.note == f"{note}; {label}: not calibrated"


@pytest.mark.parametrize(
    ("missing", "used", "why"),
    [
        ("image", "audio", ("picture: this run has no model for it",)),
        ("cry2", "image", ("sound: this run has no model for it",)),
    ],
)
def test_a_run_without_one_of_the_models_says_so(
    missing: str, used: str, why: tuple[str, ...], run: Trained, recordings: Path
) -> None:
    (run.run / "models" / f"{missing}.tflite").unlink()
    prediction = Predictor()(recordings / "cry.mp4")
    assert (prediction.used, prediction.why) == (used, why)


def test_an_ensemble_of_sound_alone_does_not_use_pictures(run: Trained, recordings: Path) -> None:
    models = run.outputs / "sound" / "models"
    models.mkdir(parents=True)
    deaf = add_ensemble(models, run.corpus, streams=SOUND)
    prediction = Predictor("ensemble", run="sound")(recordings / "cry.mp4")
    check(prediction, joined(replace(run, models=deaf), recordings / "cry.mp4").mean(axis=0))
    assert prediction.used == "audio"
    assert prediction.why == ("picture: this run has no model for it",)


@MODELS
def test_a_synthetic_run_answers_what_the_run_on_real_infants_has_no_model_for(
    model: str, run: Trained, recordings: Path
) -> None:
    models = run.outputs / "real" / "models"
    if model == "ensemble":
        models.mkdir(parents=True)
        add_ensemble(models, run.corpus, streams=SOUND)
    else:
        pictures = shutil.ignore_patterns("image.*", "ensemble*")
        shutil.copytree(run.run / "models", models, ignore=pictures)
    change_card(models, "ensemble" if model == "ensemble" else "cry2", data="donateacry")
    ask = Models(model)
    sound = ask(recordings / "cry.mp4")
    assert (sound.run, sound.used, sound.data) == ("real", "audio", "donateacry")
    picture = ask(recordings / "mute.mp4")
    assert (picture.run, picture.used, picture.data) == ("quick", "image", "synthetic")
    # A named run answers alone, and a silent sound has no answer anywhere.
    assert Models(model, run="real")(recordings / "mute.mp4").state is None
    assert ask(recordings / "short.wav").run == "real"


def test_no_tensorflow_is_needed(run: Trained, recordings: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cryutils.papers.predict import Models;"
        f" prediction = Models('ensemble')(Path({str(recordings / 'cry.mp4')!r}));"
        " assert prediction.used == 'both'; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
