"""Paper A's ensemble on files: what each submodel looks at, and what they say together."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained_run import Trained

from cryutils import audio, video
from cryutils.course import cli
from cryutils.errors import InputError
from cryutils.models import export
from cryutils.models.inputs import SoundInput
from cryutils.models.model_card import ModelCard
from cryutils.models.novelty import Reference
from cryutils.papers.embeddings import STATES, FrameInput
from cryutils.papers.predict import Models, Prediction, Predictor
from cryutils.papers.trained_models import runs_with_models

FEATURES = {"mfcc": 4, "stft": 3, "image": 5}
ROLLING = 3


@dataclass(frozen=True)
class Made:
    """A run with an ensemble, and what it was made from."""

    run: Path
    prepared: dict[str, Any]
    models: dict[str, Any]


def network(shape: tuple[int, ...], features: int, *, seed: int) -> Any:
    """Return an untrained submodel, [features | probabilities], whose answers vary clearly."""
    import keras

    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(shape)
    if len(shape) == 3:
        x = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 64, -1.0)(x))
    elif len(shape) == 2:
        x = keras.layers.AveragePooling1D(4)(keras.layers.Rescaling(1 / 40)(x))
    x = keras.layers.Flatten()(x)
    hidden = keras.layers.Dense(features, activation="relu")(x)
    shares = keras.layers.Dense(len(STATES), activation="softmax")(hidden)
    return keras.Model(inputs, keras.layers.Concatenate()([hidden, shares]))


def ensemble(width: int, *, seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense(len(STATES), activation="softmax")
    return keras.Sequential([keras.Input((width,)), dense])


def write(folder: Path, made: dict[str, Any], prepared: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [
        export.litert(model, folder / f"{'' if n == 'ensemble' else 'ensemble_'}{n}.tflite")
        for n, model in made.items()
    ]
    about = {
        "classes": list(STATES), "data": "numbers", "note": "nothing", "rolling": ROLLING,
        "engine": None,
        "parts": {
            name: {"input": asdict(part), "features": FEATURES[name]}
            for name, part in prepared.items()
        },
    }  # fmt: skip
    ModelCard.write(folder, "ensemble", about, paths)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run called "three" with all three parts, whose ensemble takes their features."""
    hearing = {
        kind: SoundInput(sr=8000, kind=kind, n_fft=256, hop_length=128, window_s=0.5, step_s=0.5,
                         scaling="recording")
        for kind in ("mfcc", "stft")
    }  # fmt: skip
    prepared: dict[str, Any] = {**hearing, "image": FrameInput(fps=4.0, size=32)}
    models = {
        name: network(part.shape, FEATURES[name], seed=k)
        for k, (name, part) in enumerate(prepared.items())
    }
    models["ensemble"] = ensemble(sum(FEATURES.values()), seed=7)
    run = tmp_path_factory.mktemp("ensemble") / "outputs" / "three"
    write(run / "models", models, prepared)
    return Made(run, prepared, models)


@pytest.fixture
def three(built: Made, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """That run, in an outputs folder of this test's own."""
    outputs = apart / "outputs"
    shutil.copytree(built.run, outputs / "three")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    return Made(outputs / "three", built.prepared, built.models)


def outputs(made: Made, name: str, path: Path) -> np.ndarray:
    """What Keras gives for each window or frame of a file, (n, features + states)."""
    prepared = made.prepared[name]
    if name == "image":
        rows = np.stack(list(prepared.frames(path)))
    else:
        rows = prepared.windows(audio.read(path, sr=prepared.sr))
    return made.models[name].predict(rows, verbose=0)


def by_window(made: Made, path: Path) -> np.ndarray:
    """The image submodel's output at each window: the mean of the frames nearest to its middle."""
    frames, windows = outputs(made, "image", path), outputs(made, "mfcc", path)
    times = np.arange(len(frames)) / made.prepared["image"].fps
    hearing = made.prepared["mfcc"]
    middles = hearing.starts_s(len(windows)) + hearing.window_s / 2
    nearest = np.abs(times[:, None] - middles).argmin(axis=1)
    return np.stack([frames[nearest == k].mean(axis=0) for k in range(len(middles))])


def shares(output: np.ndarray, name: str) -> np.ndarray:
    return output[:, FEATURES[name] :]


def check(prediction: Prediction, expected: np.ndarray) -> None:
    assert list(prediction.probabilities) == list(STATES)
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-4)
    best = STATES[int(expected.argmax())]
    assert prediction.state == (best if expected.max() >= 0.5 else "unsure")


# What it says


def test_a_video_is_the_mean_of_the_ensembles_windows(three: Made, recordings: Path) -> None:
    path = recordings / "cry.mp4"
    prediction = Predictor("ensemble")(path)
    parts = [outputs(three, "mfcc", path), outputs(three, "stft", path), by_window(three, path)]
    x = np.concatenate(
        [rows[:, : FEATURES[name]] for name, rows in zip(FEATURES, parts, strict=True)], axis=1
    )
    answers = three.models["ensemble"].predict(x, verbose=0)
    assert len(answers) == 4  # 2 s in windows of half a second
    check(prediction, answers.mean(axis=0))
    assert (prediction.used, prediction.why) == ("both", ())
    assert prediction.fused is not None
    np.testing.assert_allclose(prediction.fused.probabilities, answers, atol=1e-4)
    np.testing.assert_allclose(prediction.fused.times_s, np.arange(4) * 0.5, atol=0.02)


def test_different_recordings_get_different_answers(three: Made, quick: Trained) -> None:
    predictor = Predictor("ensemble", run=three.run)
    answers = [list(predictor(clip.path).probabilities.values()) for clip in quick.corpus[:6]]
    assert np.ptp(answers, axis=0).max() > 0.02


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cry.wav", "picture: no pictures"),
        ("dark.mp4", "picture: black or blank frames"),
        ("faceless.mp4", "picture: no face in 4 frames"),
    ],
)
def test_without_pictures_the_submodels_of_sound_answer_in_the_mean(
    name: str, why: str, three: Made, recordings: Path
) -> None:
    prediction = Predictor("ensemble")(recordings / name)
    both = [shares(outputs(three, kind, recordings / name), kind) for kind in ("mfcc", "stft")]
    check(prediction, np.mean(both, axis=(0, 1)))
    assert (prediction.used, prediction.why) == ("audio", (why,))
    assert prediction.fused is None and prediction.face is None
    assert prediction.sound is not None
    np.testing.assert_allclose(prediction.sound.probabilities, np.mean(both, axis=0), atol=1e-4)


def test_a_long_recording_is_heard_to_its_end(three: Made, tmp_path: Path) -> None:
    hearing, samples = three.prepared["mfcc"], np.zeros(1300 * 1000, "<i2")
    samples[700_000:] = np.random.default_rng(0).integers(-3000, 3000, 600_000)
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    prediction = Predictor("ensemble")(tmp_path / "long.wav")
    assert prediction.sound is not None and prediction.why == ("picture: no pictures",)
    times = prediction.sound.times_s
    assert (np.diff(times) > 0).all()
    assert times[0] == 600, "the first piece is silence"
    assert times[-1] == pytest.approx(1300 - hearing.window_s, abs=hearing.step_s)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("mute.mp4", "sound: no sound"), ("silent.mp4", "sound: silence"),
        ("face.png", "sound: no sound"),
    ],
)  # fmt: skip
def test_without_sound_the_submodel_of_pictures_answers(
    name: str, why: str, three: Made, recordings: Path
) -> None:
    prediction = Predictor("ensemble")(recordings / name)
    frames = shares(outputs(three, "image", recordings / name), "image")
    check(prediction, frames.mean(axis=0))
    assert (prediction.used, prediction.why) == ("image", (why,))
    assert prediction.fused is None and prediction.sound is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing.mp4", ("sound: silence", "picture: black or blank frames")),
        ("neither.mp4", ("sound: no sound", "picture: no face in 4 frames")),
        ("short.wav", ("sound: only 0.10 s of sound", "picture: no pictures")),
    ],
)
def test_without_both_there_is_no_prediction(
    name: str, why: tuple[str, ...], three: Made, recordings: Path
) -> None:
    prediction = Predictor("ensemble")(recordings / name)
    assert (prediction.state, prediction.probabilities) == (None, {})
    assert (prediction.used, prediction.why) == ("none", why)
    assert (prediction.sound, prediction.face, prediction.fused) == (None, None, None)


def test_the_pictures_timeline_is_their_rolling_average(three: Made, recordings: Path) -> None:
    prediction = Predictor("ensemble")(recordings / "cry.mp4")
    frames = shares(outputs(three, "image", recordings / "cry.mp4"), "image")
    expected = [frames[max(0, k - ROLLING + 1) : k + 1].mean(axis=0) for k in range(len(frames))]
    assert prediction.face is not None
    np.testing.assert_allclose(prediction.face.probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(prediction.face.times_s, np.arange(8) / 4)


def test_a_rolling_average_of_everything_ends_with_the_mean(three: Made, recordings: Path) -> None:
    changed(three, rolling=None)
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    assert prediction.face is not None
    last = prediction.face.probabilities[-1]
    np.testing.assert_allclose(last, list(prediction.probabilities.values()), atol=1e-6)


def test_an_ensemble_of_sound_alone_says_nothing_of_pictures(
    built: Made, apart: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(apart / "outputs"))
    prepared = {name: built.prepared[name] for name in ("mfcc", "stft")}
    models = {name: built.models[name] for name in prepared} | {"ensemble": ensemble(7, seed=3)}
    write(apart / "outputs" / "real" / "models", models, prepared)
    prediction = Predictor("ensemble")(recordings / "cry.mp4")
    rows = [outputs(built, n, recordings / "cry.mp4")[:, : FEATURES[n]] for n in prepared]
    answers = models["ensemble"].predict(np.concatenate(rows, axis=1), verbose=0)
    check(prediction, answers.mean(axis=0))
    assert (prediction.used, prediction.why) == ("audio", ("picture: no model of it in this run",))


def test_a_face_that_is_followed_is_judged_and_drawn_where_it_is(
    three: Made, recordings: Path
) -> None:
    changed(three, **part(three, "image", input=asdict(FrameInput(fps=4, size=32, crop="face"))))
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    track = video.track(recordings / "mute.mp4", fps=4, size=32)
    rows = three.models["image"].predict(track.crops[track.usable], verbose=0)
    check(prediction, shares(rows, "image").mean(axis=0))
    assert prediction.face is not None and prediction.face.boxes is not None
    np.testing.assert_array_equal(prediction.face.boxes, track.boxes[track.usable])
    np.testing.assert_allclose(prediction.face.times_s, track.times_s[track.usable])
    none = Predictor("ensemble")(recordings / "faceless.mp4")
    assert (none.used, none.why) == ("audio", ("picture: no face in 8 frames",))


def test_more_frames_than_are_judged_at_once_are_judged_to_the_last(
    three: Made, recordings: Path
) -> None:
    seeing = FrameInput(fps=25, size=32)
    changed(three, **part(three, "image", input=asdict(seeing)), rolling=1)
    prediction = Predictor("ensemble")(recordings / "mute.mp4")
    rows = np.stack(list(seeing.frames(recordings / "mute.mp4")))
    frames = shares(three.models["image"].predict(rows, verbose=0), "image")
    assert len(frames) == 50 and prediction.face is not None
    np.testing.assert_allclose(prediction.face.probabilities, frames, atol=1e-4)
    np.testing.assert_allclose(prediction.face.times_s, np.arange(50) / 25)


def test_the_stream_that_finds_a_sound_strangest_says_how_strange(
    three: Made, recordings: Path, quick: Trained
) -> None:
    parts = dict(ModelCard.read(three.run / "models", "ensemble").content["parts"])
    shares = []
    for name in ("mfcc", "stft"):
        hearing = three.prepared[name]
        sounds = [audio.read(clip.path, sr=hearing.sr) for clip in quick.corpus]
        reference = Reference.of(hearing.examples(sounds), quick.corpus.infants)
        assert reference is not None
        parts[name] |= {"reference": reference.as_json()}
        x = audio.read(recordings / "cry.wav", sr=hearing.sr)
        shares.append(reference.share(hearing.windows(x)))
    assert Predictor("ensemble", run=three.run)(recordings / "cry.wav").unlike is None
    changed(three, parts=parts)
    predictor = Predictor("ensemble", run=three.run)
    assert predictor(recordings / "cry.wav").unlike == pytest.approx(max(shares), abs=1e-3)
    assert predictor(recordings / "mute.mp4").unlike is None


# The command


def test_the_command_asks_it_and_draws_its_answer(
    three: Made, recordings: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [str(recordings / name) for name in ("cry.mp4", "cry.wav")]
    drawn = tmp_path / "drawn"
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", *files, "--model", "ensemble", "--json", "--annotate", str(drawn)])
    out, err = capfd.readouterr()
    assert not ended.value.code
    video, sound = json.loads(out)
    expected = Predictor("ensemble")(recordings / "cry.mp4").row()
    assert {name: video[name] for name in expected} == expected
    assert (sound["used"], sound["why"]) == ("audio", ["picture: no pictures"])
    assert video["annotated"] == str(drawn / "cry.mp4") and (drawn / "cry.mp4").is_file()
    assert err.startswith("Models: three, trained on nothing; ensemble: not calibrated. No ")


def test_no_tensorflow_is_needed(three: Made, recordings: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cryutils.papers.predict import Models;"
        f" prediction = Models('ensemble')(Path({str(recordings / 'cry.mp4')!r}));"
        " assert prediction.used == 'both'; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Which models


def test_what_a_run_on_real_infants_has_no_model_for_is_answered_by_a_synthetic_one(
    three: Made, built: Made, recordings: Path
) -> None:
    changed(three, data="synthetic", note="made of numbers")
    prepared = {name: built.prepared[name] for name in ("mfcc", "stft")}
    models = {name: built.models[name] for name in prepared} | {"ensemble": ensemble(7, seed=3)}
    write(three.run.parent / "real" / "models", models, prepared)
    ask = Models("ensemble")
    sound = ask(recordings / "cry.mp4")
    assert (sound.run, sound.used) == ("real", "audio")
    picture = ask(recordings / "mute.mp4")
    assert (picture.run, picture.used, picture.data) == ("three", "image", "synthetic")
    # A run that is named answers alone, and a silent sound has no answer anywhere.
    assert Models("ensemble", run="real")(recordings / "mute.mp4").state is None
    assert ask(recordings / "short.wav").run == "real"


def test_the_newest_run_with_an_ensemble_is_asked(three: Made, quick: Trained) -> None:
    with pytest.raises(InputError, match=r"no run has trained 'ensemble' yet.*09_ensemble"):
        Predictor("ensemble")
    assert Predictor("ensemble", run=three.run).run == three.run
    assert runs_with_models("ensemble") == []


def changed(made: Made, **changes: Any) -> Path:
    """Write the ensemble's card anew; None takes a part away unless it is the deque."""
    folder = made.run / "models"
    content = dict(ModelCard.read(folder, "ensemble").content) | changes
    card = {k: v for k, v in content.items() if v is not None or k == "rolling"}
    return ModelCard.write(folder, "ensemble", card, folder.glob("*.tflite"))


def part(made: Made, name: str, **changes: Any) -> dict[str, Any]:
    parts = json.loads((made.run / "models" / "ensemble.json").read_text())["parts"]
    return {"parts": parts | {name: parts[name] | changes}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda m: {"classes": None}, "doesn't tell how to use ensemble.tflite"),
        (lambda m: {"parts": ["mfcc"]}, "doesn't tell how to use ensemble.tflite"),
        (lambda m: part(m, "mfcc", features=9), "isn't of the models beside it"),
        (lambda m: part(m, "image", input={"size": 64}), "isn't of the models beside it"),
        (lambda m: part(m, "image", input={"side": 64}), "doesn't tell how to use"),
        (lambda m: part(m, "image", input={"crop": "faces"}), "Did you mean face"),
        (lambda m: {"classes": ["hungry", "tired"]}, "isn't of the models beside it"),
        (lambda m: {"rolling": "all"}, "doesn't tell how to use"),
    ],
)
def test_settings_that_are_not_the_models_are_refused_in_one_line(
    changes: Callable[[Made], dict[str, Any]], words: str, three: Made
) -> None:
    path = changed(three, **changes(three))
    with pytest.raises(InputError, match=words) as caught:
        Predictor("ensemble")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_windows_that_do_not_start_together_are_refused(three: Made) -> None:
    hop = {**asdict(three.prepared["stft"]), "step_s": 0.25}
    changed(three, **part(three, "stft", input=hop))
    with pytest.raises(InputError, match="isn't of the models beside it"):
        Predictor("ensemble")


def test_a_part_that_is_missing_is_named(three: Made) -> None:
    (three.run / "models" / "ensemble_stft.tflite").unlink()
    with pytest.raises(InputError, match=r"ensemble_stft\.tflite: no such file"):
        Predictor("ensemble")
    (three.run / "models" / "ensemble.json").unlink()
    with pytest.raises(InputError, match=r"ensemble\.json: missing"):
        Predictor("ensemble")


# Files of one training


@pytest.mark.parametrize("name", ["ensemble", "ensemble_mfcc", "ensemble_stft", "ensemble_image"])
def test_a_network_of_another_training_is_refused_though_its_shape_fits(
    name: str, three: Made
) -> None:
    path = three.run / "models" / f"{name}.tflite"
    part = name.removeprefix("ensemble_")
    other = (
        ensemble(sum(FEATURES.values()), seed=8)
        if part == "ensemble"
        else network(three.prepared[part].shape, FEATURES[part], seed=8)
    )
    export.litert(other, path)
    with pytest.raises(InputError, match=r"isn't the network that.*run 09_ensemble again") as error:
        Predictor("ensemble")
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_the_command_refuses_a_mixed_set_in_one_line(
    three: Made, recordings: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export.litert(
        network(three.prepared["mfcc"].shape, FEATURES["mfcc"], seed=8),
        three.run / "models" / "ensemble_mfcc.tflite",
    )
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(recordings / "cry.wav"), "--model", "ensemble"])
    out, err = capfd.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert "ensemble_mfcc.tflite" in err


def test_a_network_without_a_digest_is_refused(three: Made) -> None:
    folder = three.run / "models"
    others = [path for path in folder.glob("*.tflite") if path.stem != "ensemble_stft"]
    ModelCard.write(folder, "ensemble", ModelCard.read(folder, "ensemble").content, others)
    with pytest.raises(InputError, match=r"ensemble_stft\.tflite: it isn't the network"):
        Predictor("ensemble")


def test_files_from_before_there_were_digests_cannot_be_checked(three: Made) -> None:
    path = three.run / "models" / "ensemble.json"
    content = ModelCard.read(path.parent, "ensemble").content
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"older than the digests.*run 09_ensemble again") as error:
        Predictor("ensemble")
    assert str(path) in str(error.value) and "\n" not in str(error.value)


# What it learned from


def engine(precision: str, words: str) -> dict[str, str]:
    return {"engine": "any", "precision": precision, "version": "1", "words": words}


def test_it_says_that_it_computes_otherwise_than_it_was_scored(
    three: Made, recordings: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(three, engine=engine("int8", "OpenVINO int8"))
    clause = "pictures learned and scored with OpenVINO int8, computed here in float32"
    assert Predictor("ensemble").note == f"nothing; {clause}; ensemble: not calibrated"
    capfd.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["predict", str(recordings / "cry.wav"), "--model", "ensemble"])
    assert capfd.readouterr().err.startswith(f"Models: three, trained on nothing; {clause}; ")


@pytest.mark.parametrize(
    "learned",
    [engine("float32", "Keras float32"), engine("float32 gpu", "Keras float32 on a GPU"), None],
)
def test_it_says_nothing_of_an_engine_that_computes_alike(learned: Any, three: Made) -> None:
    changed(three, engine=learned)
    assert Predictor("ensemble").note == "nothing; ensemble: not calibrated"


@pytest.mark.parametrize("engine", ["openvino-int8", {"words": "OpenVINO int8"}])
def test_an_engine_that_is_none_is_refused_in_one_line(engine: Any, three: Made) -> None:
    path = changed(three, engine=engine)
    with pytest.raises(InputError, match="doesn't tell how to use") as caught:
        Predictor("ensemble")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
