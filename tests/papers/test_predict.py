"""The trained models on files: what they are given, what they say, and when they say nothing."""

from __future__ import annotations

import json
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from trained_run import Trained

from cryutils import audio, video
from cryutils.errors import InputError
from cryutils.models.inputs import SoundInput
from cryutils.models.model_card import ModelCard
from cryutils.papers.predict import Prediction, Predictor
from cryutils.papers.trained_models import runs_with_models


def by_hand(run: Trained, path: Path, *, with_sound: bool, with_face: bool) -> np.ndarray:
    """What Keras' own models say of a file: each model's mean, and the mean of both."""
    parts = []
    if with_sound:
        rows = run.hearing.windows(audio.read(path, sr=run.hearing.sr))
        parts.append(run.models["cry2"].predict(rows, verbose=0).mean(axis=0))
    if with_face:
        track = video.track(path, fps=run.seeing.fps, size=run.seeing.size)
        crops = track.crops[track.with_face & ~track.blank]
        parts.append(run.models["image"].predict(crops, verbose=0).mean(axis=0))
    return np.mean(parts, axis=0)


def check(prediction: Prediction, expected: np.ndarray) -> None:
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-4)
    best = list(prediction.probabilities)[int(expected.argmax())]
    assert prediction.state == (best if expected.max() >= 0.5 else "unsure")


# What they say


def test_a_video_is_the_mean_of_both_of_keras_models(quick: Trained, recordings: Path) -> None:
    prediction = Predictor()(recordings / "cry.mp4")
    check(prediction, by_hand(quick, recordings / "cry.mp4", with_sound=True, with_face=True))
    assert (prediction.used, prediction.why) == ("both", ())
    assert list(prediction.probabilities) == ["discomfort", "hungry", "pain", "tired"]


def test_the_models_tell_different_clips_apart(quick: Trained) -> None:
    # Else a model that says the same of everything would pass every other test here.
    predictor = Predictor()
    answers = [list(predictor(clip.path).probabilities.values()) for clip in quick.corpus[:6]]
    assert np.ptp(answers, axis=0).max() > 0.05


@pytest.mark.parametrize(
    ("name", "with_sound", "with_face", "used", "why"),
    [
        ("cry.wav", True, False, "audio", ["picture: no pictures"]),
        ("mute.mp4", False, True, "image", ["sound: no sound"]),
        ("silent.mp4", False, True, "image", ["sound: silence"]),
        ("dark.mp4", True, False, "audio", ["picture: black or blank frames"]),
        ("faceless.mp4", True, False, "audio", ["picture: no face in 4 frames"]),
        ("face.png", False, True, "image", ["sound: no sound"]),
    ],
)
def test_without_one_half_the_other_answers_alone_and_says_why(
    name: str, with_sound: bool, with_face: bool, used: str, why: list[str],
    quick: Trained, recordings: Path,
) -> None:  # fmt: skip
    prediction = Predictor()(recordings / name)
    check(prediction, by_hand(quick, recordings / name, with_sound=with_sound, with_face=with_face))
    assert prediction.used == used
    assert list(prediction.why) == why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing.mp4", ["sound: silence", "picture: black or blank frames"]),
        ("neither.mp4", ["sound: no sound", "picture: no face in 4 frames"]),
        ("short.wav", ["sound: only 0.10 s of sound", "picture: no pictures"]),
    ],
)
def test_without_both_there_is_no_prediction_and_never_a_guess(
    name: str, why: list[str], quick: Trained, recordings: Path
) -> None:
    prediction = Predictor()(recordings / name)
    assert (prediction.state, prediction.probabilities, prediction.used) == (None, {}, "none")
    assert list(prediction.why) == why
    assert (prediction.sound, prediction.face) == (None, None)


def test_one_model_alone_says_nothing_of_the_other_half(quick: Trained, recordings: Path) -> None:
    for model, half in (("cry2", "sound"), ("image", "face")):
        prediction = Predictor(model)(recordings / "cry.mp4")
        expected = by_hand(
            quick, recordings / "cry.mp4", with_sound=half == "sound", with_face=half == "face"
        )
        check(prediction, expected)
        assert prediction.why == ()
        assert (prediction.sound is None) == (half != "sound")
        assert (prediction.face is None) == (half != "face")


def test_what_is_changed_in_a_sound_is_said_with_the_answer(
    quick: Trained, recordings: Path, tmp_path: Path
) -> None:
    with wave.open(str(recordings / "cry.wav")) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    path = tmp_path / "offset.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((values // 2 + 1638).astype("<i2").tobytes())
    prediction = Predictor("cry2")(path)
    assert prediction.state is not None
    assert prediction.remarks == ("sound: a constant offset of 0.050 is removed",)


def test_asked_for_what_the_file_lacks_a_single_model_gives_no_answer(
    quick: Trained, recordings: Path
) -> None:
    prediction = Predictor("image")(recordings / "cry.wav")
    assert prediction.state is None
    assert prediction.why == ("picture: no pictures",)


# When it said what


def test_the_timeline_of_sound_starts_each_window_where_it_was_cut(
    quick: Trained, recordings: Path
) -> None:
    timeline = Predictor()(recordings / "cry.mp4").sound
    assert timeline is not None
    # 2 s in windows of 1 s (32 frames of 32 ms), a start each second (31 frames).
    np.testing.assert_allclose(timeline.times_s, [0, 31 * 0.032])
    assert timeline.probabilities.shape == (2, 4)
    assert timeline.boxes is None


def test_the_times_of_a_long_sound_do_not_drift() -> None:
    hearing = SoundInput(window_s=2.0, step_s=1.0)
    long = np.random.default_rng(0).normal(0, 1e-4, 600 * hearing.sr).astype(np.float32)
    long[590 * hearing.sr] = 1  # a click, 590 s after the start
    windows = hearing.windows(long)
    starts = hearing.starts_s(len(windows), len(long))
    loudness = windows.mean(axis=2)
    holding = np.flatnonzero(loudness.max(axis=1) > loudness.max() - 3)
    assert len(holding) >= 2
    clicks = starts[holding] + loudness[holding].argmax(axis=1) * hearing.hop_length / hearing.sr
    np.testing.assert_allclose(clicks, 590, atol=hearing.n_fft / hearing.sr)


def test_the_timeline_of_faces_has_their_boxes(quick: Trained, recordings: Path) -> None:
    timeline = Predictor()(recordings / "cry.mp4").face
    assert timeline is not None and timeline.boxes is not None
    track = video.track(recordings / "cry.mp4", fps=2, size=32)
    np.testing.assert_array_equal(timeline.boxes, track.boxes)
    np.testing.assert_array_equal(timeline.times_s, track.times_s)


def test_a_row_is_json_as_it_stands(quick: Trained, recordings: Path) -> None:
    row = Predictor()(recordings / "cry.wav").row()
    assert json.loads(json.dumps(row)) == row
    assert row["file"] == str(recordings / "cry.wav")
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_bad_files_are_refused_in_one_line(quick: Trained, recordings: Path) -> None:
    predictor = Predictor()
    for name in ("notes.txt", "empty.wav", "gone.mp4", "."):
        with pytest.raises(InputError) as caught:
            predictor(recordings / name)
        assert str(recordings / name) in str(caught.value)
        assert "\n" not in str(caught.value)


# How unlike a cry


def noise(path: Path) -> Path:
    x = np.random.default_rng(0).normal(0, 3000, 48000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(x.tobytes())
    return path


def test_white_noise_is_called_unlike_the_cries_and_a_training_cry_is_not(
    quick: Trained, apart: Path
) -> None:
    prediction = Predictor()(noise(apart / "noise.wav"))
    assert prediction.unlike == 1
    assert prediction.remarks == (
        "sound: unlike the training cries: farther from them than any of them is from the rest",
    )
    assert prediction.row()["unlike"] == 1.0 and prediction.why == ("picture: no pictures",)
    cries = [Predictor("cry2")(clip.path) for clip in quick.corpus[::4]]
    assert [prediction.remarks for prediction in cries] == [()] * 4
    assert all(prediction.unlike is not None and prediction.unlike < 0.99 for prediction in cries)


def test_it_changes_no_answer(runs: Path, apart: Path) -> None:
    before = Predictor(run="new")(noise(apart / "noise.wav"))
    written(runs / "new", "cry2", reference=None)
    after = Predictor(run="new")(apart / "noise.wav")
    assert after.unlike is None and after.probabilities == before.probabilities


# Which models


@pytest.fixture
def runs(quick: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outputs folder of this test's own: "old" holds both models, "new" the sound's alone."""
    outputs = apart / "outputs"
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    shutil.copytree(quick.run, outputs / "old")
    (outputs / "new" / "models").mkdir(parents=True)
    for suffix in (".tflite", ".json"):
        shutil.copy(quick.run / "models" / f"cry2{suffix}", outputs / "new" / "models")
    for k, run in enumerate(("old", "new")):
        for path in (outputs / run / "models").iterdir():
            os.utime(path, (1e9 + k, 1e9 + k))
    return outputs


def test_a_run_that_has_the_whole_model_is_asked_and_of_these_the_newest(runs: Path) -> None:
    assert Predictor().run == runs / "old"
    assert Predictor("cry2").run == runs / "new"
    assert Predictor("image").run == runs / "old"
    assert Predictor(run="old").run == runs / "old"
    assert Predictor(run=runs / "old").run == runs / "old"
    assert runs_with_models("full") == [runs / "old", runs / "new"]


def test_a_run_on_real_infants_is_asked_before_any_on_synthetic_ones(runs: Path) -> None:
    written(runs / "new", "cry2", data="donateacry", note="DonateACry (real recordings)")
    assert Predictor().run == runs / "new"
    assert Predictor("image").run == runs / "old"
    assert runs_with_models("full") == [runs / "new", runs / "old"]


def test_who_answered_stands_in_the_prediction(runs: Path, recordings: Path) -> None:
    written(runs / "new", "cry2", data="donateacry", note="DonateACry (real recordings)")
    prediction = Predictor()(recordings / "cry.wav")
    assert (prediction.run, prediction.model, prediction.data) == ("new", "cry2", "donateacry")
    assert prediction.note == "DonateACry (real recordings); sound model: not calibrated"
    for name, model in (("cry.mp4", "full"), ("cry.wav", "cry2"), ("face.png", "image")):
        row = Predictor(run="old")(recordings / name).row()
        assert (row["run"], row["model"], row["data"]) == ("old", model, "synthetic")


@pytest.mark.parametrize("run", ["../outputs/old", "sub/old", "/old", ".", "..", ""])
def test_a_runs_name_holds_no_folder(run: str, runs: Path) -> None:
    with pytest.raises(InputError, match="give a run's name alone, without a folder") as caught:
        Predictor(run=run)
    assert repr(run) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_run_on_real_infants_is_not_passed_over(runs: Path) -> None:
    (runs / "new" / "models" / "cry2.json").write_text("{")
    with pytest.raises(InputError, match=r"new/models/cry2\.json: damaged"):
        Predictor()


def test_a_run_without_a_picture_model_says_so(runs: Path, recordings: Path) -> None:
    predictor = Predictor(run="new")
    prediction = predictor(recordings / "cry.mp4")
    assert (prediction.used, prediction.why) == ("audio", ("picture: no model of it in this run",))
    still = predictor(recordings / "face.png")
    assert still.state is None
    assert still.why == ("sound: no sound", "picture: no model of it in this run")


def test_a_run_without_a_sound_model_says_so(runs: Path, recordings: Path) -> None:
    (runs / "old" / "models" / "cry2.tflite").unlink()
    prediction = Predictor(run="old")(recordings / "cry.mp4")
    assert (prediction.used, prediction.why) == ("image", ("sound: no model of it in this run",))


def test_what_the_models_were_trained_on_is_said_once(quick: Trained) -> None:
    uncalibrated = "sound model, face model: not calibrated"
    assert Predictor().note == f"{quick.corpus.note}; {uncalibrated}"


def test_before_any_run_one_line_says_how_to_start_one(apart: Path) -> None:
    with pytest.raises(InputError, match="no run has trained 'full' yet; start one with"):
        Predictor()


def test_near_misses_of_models_and_runs(runs: Path) -> None:
    with pytest.raises(InputError, match="Did you mean image"):
        Predictor("imag")
    with pytest.raises(InputError, match=r"no models here\. Did you mean old"):
        Predictor(run="odl")
    with pytest.raises(InputError, match="no model 'image' here"):
        Predictor("image", run="new")


def written(run: Path, name: str, **changes: object) -> Path:
    """Write the card of a model anew, with its digests; None takes a part of it away."""
    path = run / "models" / f"{name}.json"
    content = {k: v for k, v in json.loads(path.read_text()).items() if k != "digests"} | changes
    content = {k: v for k, v in content.items() if v is not None}
    return ModelCard.write(path.parent, name, content, [path.with_suffix(".tflite")])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": None}, "doesn't tell how to use cry2.tflite"),
        ({"input": [8000]}, "doesn't tell how to use cry2.tflite"),
        ({"input": {"sampling": 8000}}, "doesn't tell how to use cry2.tflite"),
        ({"input": {"sr": "8000"}}, "sr='8000'"),
        ({"input": {"sr": True}}, "sr=True"),
        ({"input": {"n_fft": 0}}, "n_fft=0"),
        ({"input": {"window_s": float("nan")}}, "window_s=nan"),
        ({"input": {"kind": "mell"}}, "Did you mean mel"),
        ({"note": None}, "doesn't tell how to use cry2.tflite"),
        ({"data": 3}, "data is no text"),
        ({"classes": "pain"}, "classes is no list"),
        ({"classes": ["pain", "tired", "pain", "hungry"]}, "holds none, or one twice"),
        ({"classes": ["pain", "tired"]}, "isn't of the models beside it"),
        ({"input": {"kind": "mfcc"}}, "isn't of the models beside it"),
        ({"reference": {"mean": [1.0]}}, "doesn't tell how to use cry2.tflite"),
        ({"reference": {"mean": [], "deviation": [], "distances": []}}, "is of no training"),
    ],
)
def test_settings_that_are_not_the_models_are_refused_at_once(
    changes: dict[str, object], words: str, runs: Path
) -> None:
    path = written(runs / "new", "cry2", **changes)
    with pytest.raises(InputError, match=words) as caught:
        Predictor(run="new")
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert message.endswith("run 04_cry2 again.")


def test_damaged_files_of_a_model_are_named(runs: Path) -> None:
    about = runs / "new" / "models" / "cry2.json"
    for content in ("", "{", "[]", "null", "[" * 100_000):
        about.write_text(content)
        with pytest.raises(InputError, match=r"cry2\.json: damaged.*run 04_cry2 again"):
            Predictor(run="new")
    about.write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match=r"cry2\.json: damaged"):
        Predictor(run="new")
    about.unlink()
    with pytest.raises(InputError, match=r"cry2\.json: missing"):
        Predictor(run="new")
    about.mkdir()
    with pytest.raises(InputError, match=r"cry2\.json: it can't be read"):
        Predictor(run="new")


def test_a_model_from_before_there_were_digests_cannot_be_checked(runs: Path) -> None:
    path = runs / "new" / "models" / "cry2.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "digests"}))
    with pytest.raises(InputError, match=r"older than the digests.*run 04_cry2 again") as caught:
        Predictor(run="new")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["cry2.tflite", "image.tflite", "cry2.json", "image.json"])
def test_a_model_that_was_damaged_since_never_answers(file: str, runs: Path) -> None:
    path = runs / "old" / "models" / file
    whole = path.read_bytes()
    size = len(whole)
    # A bit anywhere, in what the network has learned too, and a file cut or grown.
    mutated = [whole[: size // 2], whole[:-3], whole + b"\0", b""]
    for place in (0, 30, size // 7, size // 3, size // 2, size * 2 // 3, size - 3):
        mutated.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert Predictor(run="old")
    for content in mutated:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"run 0(4_cry2|5_image) again") as caught:
            Predictor(run="old")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_number_that_was_changed_by_hand_is_noticed(runs: Path) -> None:
    path = runs / "new" / "models" / "cry2.json"
    path.write_text(path.read_text().replace('"sr": 8000', '"sr": 8001'))
    with pytest.raises(InputError, match="changed since its model was trained; run 04_cry2 again"):
        Predictor(run="new")


def test_two_models_of_different_states_are_not_fused(runs: Path) -> None:
    about = json.loads((runs / "old" / "models" / "cry2.json").read_text())
    written(runs / "old", "cry2", classes=about["classes"][::-1])
    with pytest.raises(InputError, match="know different states"):
        Predictor(run="old")
