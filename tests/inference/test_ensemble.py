"""Paper A's ensemble on files: three networks and the one that joins them, and the annotated film."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from refusals import Command
from trained_run import Trained, change_card

import cryutils
from cryutils import audio, video
from cryutils.errors import InputError
from cryutils.inference.annotate import annotate
from cryutils.inference.predict import ROLLED_S, Predictor
from cryutils.models import export
from cryutils.models.backend import keras, seeded
from cryutils.models.inputs import JoinedInput, PictureInput, SoundInput, pairs

CLASSES = ["hug", "hungry", "sleepy"]
SOUND = {"window_s": 1.0, "step_s": 0.5, "n_fft": 256, "hop_length": 128, "scaling": "recording"}
INPUTS = {kind: SoundInput(kind=kind, **SOUND) for kind in ("mfcc", "stft")}
INPUTS |= {
    "frames": PictureInput(fps=4, size=32),
    "ensemble": JoinedInput(parts=[*INPUTS, "frames"], classes=3),
}


def save_networks(run: Path, inputs: dict, trained: Trained) -> dict:
    """Save untrained networks as the models of a run; return them in Keras."""
    networks, digests, layers = {}, {}, keras().layers
    for name, model_input in inputs.items():
        with seeded(2):
            x = keras().Input(model_input.shape)
            h = layers.Flatten()(layers.Rescaling(3.0 if name == "ensemble" else 0.01)(x))
            networks[name] = keras().Model(x, layers.Dense(3, activation="softmax")(h))
        card = {"classes": CLASSES, "input": asdict(model_input), "data": trained.corpus.name}
        frozen = "; frozen network: A, weights B" if name == "frames" else ""
        card |= {"note": trained.corpus.note + frozen, "temperature": 1.0, "files": dict(digests)}
        export.save(networks[name], run / "models", name, card)
        digests[name] = export.read_card(run / "models", name)["sha256"]
    return networks


@pytest.fixture(scope="module")
def made(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A run's folder with untrained networks, and these networks in Keras."""
    run = tmp_path_factory.mktemp("a") / "outputs" / "a"
    return run, save_networks(run, INPUTS, trained)


def by_hand(networks: dict, path: Path) -> dict[str, np.ndarray]:
    """The answers of Keras' own networks to a film that is one cry, (windows or frames, classes)."""
    x, track = audio.read(path, sr=8000), video.track(path, fps=4, size=32)
    p = {name: networks[name].predict(INPUTS[name].windows(x), verbose=0) for name in ("mfcc", "stft")}
    p["frames"] = networks["frames"].predict(track.crops[track.usable], verbose=0)
    middles = INPUTS["mfcc"].starts_s(len(p["mfcc"]), len(x)) + 0.5
    frame, window = pairs(track.times_s[track.usable], middles)
    of_windows = [p["frames"][frame[window == k]].mean(axis=0) for k in range(len(middles))]
    joined = np.concatenate([p["mfcc"], p["stft"], of_windows], axis=1)
    return p | {"ensemble": networks["ensemble"].predict(joined, verbose=0)}


def test_a_film_gets_one_answer_from_three_inputs_as_in_keras(
    made, trained: Trained, recordings: Path
) -> None:
    run, networks = made
    predictor = Predictor("ensemble", run=run)
    (reading,) = predictor(recordings / "cry.mp4")
    assert predictor.note == f"{trained.corpus.note}; frozen network: A, weights B"
    expected = by_hand(networks, recordings / "cry.mp4")
    np.testing.assert_allclose(
        list(reading.probabilities.values()), expected["ensemble"].mean(axis=0), atol=1e-4
    )
    assert [*reading.submodels] == ["mfcc", "stft", "frames"] and reading.note == ""
    for name, answer in reading.submodels.items():
        np.testing.assert_allclose(list(answer.values()), expected[name].mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("fps", [2, 8])
def test_the_face_is_averaged_over_the_same_time_at_any_frame_rate(
    fps: int, trained: Trained, tmp_path: Path
) -> None:
    small = {"video": True, "fps": 8, "size": 96}
    film = cryutils.load("synthetic", infants=8, clips_per_infant=1, duration_s=5.0, **small)[0].path
    network = save_networks(tmp_path, {"image": PictureInput(fps=fps, size=32)}, trained)["image"]
    (reading,) = Predictor("image", run=tmp_path)(film)
    p = network.predict(video.track(film, fps=fps, size=32).crops, verbose=0)
    (first, at_first), *_, (last, at_last) = reading.frames
    assert len(reading.frames) == len(p) == 5 * fps and last - first == 5 - 1 / fps
    np.testing.assert_allclose(list(at_first.values()), p[0], atol=1e-4)
    np.testing.assert_allclose(list(at_last.values()), p[-round(ROLLED_S * fps) :].mean(axis=0), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "used", "why"),
    [
        ("cry.wav", ["mfcc", "stft"], "not the ensemble: mean of mfcc and stft"),
        ("faceless.mp4", ["mfcc", "stft"], "picture: no face in 8 frames"),
        ("silent.mp4", ["frames"], "sound: silence"),
    ],
)
def test_without_sound_or_a_face_what_is_there_answers_and_says_so(
    name: str, used: list[str], why: str, made, recordings: Path
) -> None:
    (reading,) = Predictor("ensemble", run=made[0])(recordings / name)
    assert [*reading.submodels] == used and why in reading.note and "not the ensemble" in reading.note
    means = np.mean([list(p.values()) for p in reading.submodels.values()], axis=0)
    np.testing.assert_allclose(list(reading.probabilities.values()), means, atol=1e-5)


def test_json_names_an_ensemble_of_sound_alone(
    trained: Trained, recordings: Path, command: Command, apart: Path
) -> None:
    inputs = INPUTS | {"ensemble": JoinedInput(parts=["mfcc", "stft"], classes=3)}
    del inputs["frames"]
    save_networks(apart / "outputs" / "sounds", inputs, trained)
    words = (str(recordings / "cry.wav"), "--model", "ensemble", "--run", "sounds", "--json")
    code, out, err = command("predict", *words)
    (row,) = json.loads(out)
    assert (code, row["model"], row["used"]) == (0, "ensemble", "audio"), err
    assert [*row["submodels"]] == ["mfcc", "stft"]


def test_networks_of_another_training_run_are_refused(made, tmp_path: Path) -> None:
    shutil.copytree(made[0], tmp_path / "a")
    change_card(tmp_path / "a" / "models", "ensemble", files={})
    with pytest.raises(InputError, match="not trained with these networks; run 09_ensemble again"):
        Predictor("ensemble", run=tmp_path / "a")


def test_the_annotated_film_shows_the_bars_and_keeps_picture_and_sound(
    made, recordings: Path, tmp_path: Path
) -> None:
    film = recordings / "cry.mp4"
    readings = Predictor("ensemble", run=made[0])(film)
    target = annotate(film, tmp_path / "answers.mp4", readings)
    pictures, before = list(video.frames(target, fps=8)), list(video.frames(film, fps=8))
    assert len(pictures) == pytest.approx(len(before), abs=1)
    height, width = pictures[4].shape[:2]
    assert width == 480 and height > 480, "the film of 96 pixels is enlarged, and has answers below it"
    small = pictures[4][2:480:5, 2:480:5].astype(float)
    assert np.abs(small - before[4]).mean() < 12
    x, y = audio.read(target, sr=8000), audio.read(film, sr=8000)
    assert len(x) == pytest.approx(len(y), rel=0.05)
    share = max(readings[0].probabilities.values())  # its bar is orange, in the last quarter
    orange = np.abs(pictures[4][480:, 360:].astype(int) - (222, 143, 5)).max(axis=2) < 60
    assert orange.any(axis=0).sum() == pytest.approx(share * (120 - 16), abs=8)
    assert "drawn faces" in _comment(target)
    for wrong, words in (("cry.wav", "no film"), ("face.png", "no film")):
        with pytest.raises(InputError, match=words):
            annotate(recordings / wrong, tmp_path / "x.mp4", readings)
    with pytest.raises(InputError, match=r"ends with \.mp4"):
        annotate(film, tmp_path / "x.gif", readings)


def _comment(path: Path) -> str:
    import av

    with av.open(str(path)) as container:
        return container.metadata["comment"]
