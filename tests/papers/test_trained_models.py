"""The trained models of a run: which run is asked, and which files are refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from trained_run import INPUTS, Trained, change_card

from cryutils.errors import InputError
from cryutils.models.model_card import ModelCard
from cryutils.papers.predict import Predictor
from cryutils.papers.trained_models import find_run, runs_with_models


@pytest.fixture
def runs(complete: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outputs folder: "old" has all models, "new" only the sound model of Paper B."""
    outputs = apart / "outputs"
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    shutil.copytree(complete.run, outputs / "old")
    (outputs / "new" / "models").mkdir(parents=True)
    for suffix in (".tflite", ".json"):
        shutil.copy(complete.run / "models" / f"cry2{suffix}", outputs / "new" / "models")
    for k, run in enumerate(("old", "new")):
        for path in (outputs / run / "models").iterdir():
            os.utime(path, (1e9 + k, 1e9 + k))
    return outputs


def refused(words: str, model: str = "full", run: str | None = None) -> str:
    """Return the one line with which a model of a run is refused."""
    with pytest.raises(InputError, match=words) as caught:
        Predictor(model, run=run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Which run


def test_a_complete_run_is_asked_first_and_of_these_the_newest(runs: Path) -> None:
    assert runs_with_models("full") == [runs / "old", runs / "new"]
    assert find_run("full", None) == runs / "old"
    assert find_run("cry2", None) == runs / "new"
    assert find_run("image", None) == find_run("ensemble", None) == runs / "old"
    assert find_run("full", "old") == find_run("full", runs / "old") == runs / "old"
    assert Predictor("ensemble").run == runs / "old"


def test_a_run_on_real_infants_is_asked_before_synthetic_ones(runs: Path) -> None:
    change_card(runs / "new" / "models", "cry2", data="donateacry")
    assert runs_with_models("full") == [runs / "new", runs / "old"]
    assert find_run("image", None) == runs / "old"
    (runs / "new" / "models" / "cry2.json").write_text("{")  # no reason to ask another
    refused(r"new/models/cry2\.json: damaged")


@pytest.mark.parametrize("run", ["../outputs/old", "sub/old", "/old", ".", "..", ""])
def test_a_runs_name_contains_no_folder(run: str, runs: Path) -> None:
    assert repr(run) in refused("give a run's name alone, without a folder", run=run)


def test_near_misses_of_models_and_runs_are_named(runs: Path) -> None:
    refused("Did you mean image", "imag")
    refused(r"no models here\. Did you mean old", run="odl")
    refused("this run has no model 'image'", "image", run="new")


@pytest.mark.parametrize(
    ("model", "notebooks"), [("full", "04_cry2 05_image"), ("ensemble", "09_ensemble")]
)
def test_before_any_run_one_line_says_how_to_start_one(
    model: str, notebooks: str, apart: Path
) -> None:
    message = refused(f"no run has trained '{model}' yet; start one with", model)
    assert message.endswith(f"`cryutils run {notebooks}`.")


# Cards


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": None}, "doesn't say how to use cry2.tflite"),
        ({"input": [8000]}, "doesn't say how to use cry2.tflite"),
        ({"input": {"sampling": 8000}}, "doesn't say how to use cry2.tflite"),
        ({"input": {"sr": "8000"}}, "sr='8000'"),
        ({"input": {"window_s": float("nan")}}, "window_s=nan"),
        ({"note": None}, "doesn't say how to use cry2.tflite"),
        ({"data": 3}, "data is not text"),
        ({"temperature": -1}, "temperature=-1"),
        ({"classes": "pain"}, "classes is not a list"),
        ({"classes": ["pain", "tired", "pain", "hungry"]}, "classes is empty or has a duplicate"),
        ({"classes": ["pain", "tired"]}, "doesn't match the models in its folder"),
        ({"input": {"kind": "mfcc"}}, "doesn't match the models in its folder"),
        ({"reference": {"mean": [1.0]}}, "doesn't say how to use cry2.tflite"),
        ({"reference": {"mean": [], "deviation": [], "distances": []}}, "its reference is invalid"),
    ],
)
def test_a_card_that_does_not_fit_its_network_is_refused(
    changes: dict[str, Any], words: str, runs: Path
) -> None:
    path = change_card(runs / "new" / "models", "cry2", **changes)
    message = refused(words, run="new")
    assert str(path) in message and message.endswith("run 04_cry2 again.")


def part(name: str, **changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that gives a card's entry `parts` with changes to one of them."""
    return lambda parts: {"parts": parts | {name: parts[name] | changes}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda parts: {"classes": None}, "doesn't say how to use ensemble.tflite"),
        (lambda parts: {"parts": ["mfcc"]}, "doesn't say how to use ensemble.tflite"),
        (part("mfcc", features=9), "doesn't match the models in its folder"),
        (part("image", input={"size": 64}), "doesn't match the models in its folder"),
        (part("image", input={"side": 64}), "doesn't say how to use"),
        (part("image", input={"crop": "faces"}), "Did you mean face"),
        (lambda parts: {"classes": ["hungry", "tired"]}, "doesn't match the models in its folder"),
        (lambda parts: {"rolling": "all"}, "doesn't say how to use"),
        (lambda parts: {"engine": "openvino-int8"}, "doesn't say how to use"),
        (lambda parts: {"engine": {"words": "OpenVINO int8"}}, "doesn't say how to use"),
        # Windows of sound that do not start together:
        (
            part("stft", input={**asdict(INPUTS["stft"]), "step_s": 0.25}),
            "doesn't match the models in its folder",
        ),
    ],
)
def test_an_ensembles_card_that_does_not_fit_its_networks_is_refused(
    changes: Callable[[dict[str, Any]], dict[str, Any]], words: str, runs: Path
) -> None:
    models = runs / "old" / "models"
    parts = dict(ModelCard.read(models, "ensemble").content["parts"])
    path = change_card(models, "ensemble", **changes(parts))
    assert str(path) in refused(words, "ensemble")


def engine(precision: str, words: str) -> dict[str, str]:
    return {"engine": "any", "precision": precision, "version": "1", "words": words}


@pytest.mark.parametrize(
    ("learned", "clause"),
    [
        (engine("int8", "OpenVINO int8"),
         "; picture model trained and scored with OpenVINO int8, run here in float32"),
        (engine("float32 gpu", "Keras float32 on a GPU"), ""),
        (None, ""),
    ],
)  # fmt: skip
def test_an_ensemble_trained_at_another_precision_says_so(
    learned: dict[str, str] | None, clause: str, runs: Path
) -> None:
    change_card(runs / "old" / "models", "ensemble", engine=learned)
    assert Predictor("ensemble").note == f"nothing{clause}; ensemble: not calibrated"


def test_two_models_of_different_states_are_not_fused(runs: Path) -> None:
    models = runs / "old" / "models"
    classes = ModelCard.read(models, "cry2").content["classes"]
    change_card(models, "cry2", classes=classes[::-1])
    refused("trained on different states", run="old")


def test_a_damaged_card_is_named(runs: Path) -> None:
    about = runs / "new" / "models" / "cry2.json"
    for content in (b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe{}"):
        about.write_bytes(content)
        refused(r"cry2\.json: damaged.*run 04_cry2 again", run="new")
    about.unlink()
    refused(r"cry2\.json: missing", run="new")
    about.mkdir()
    refused(r"cry2\.json: it can't be read", run="new")


# Files of one training


@pytest.mark.parametrize("file", ["cry2.tflite", "image.tflite", "cry2.json", "image.json"])
def test_a_model_that_was_damaged_since_never_answers(file: str, runs: Path) -> None:
    path = runs / "old" / "models" / file
    whole = path.read_bytes()
    size = len(whole)
    # A bit anywhere, in what the network has learned too, and a file cut or grown.
    mutated = [whole[: size // 2], whole[:-3], whole + b"\0", b""]
    for place in (0, 30, size // 7, size // 3, size // 2, size * 2 // 3, size - 3):
        mutated.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for content in mutated:
        path.write_bytes(content)
        assert str(path) in refused(r"run 0(4_cry2|5_image) again", run="old")


@pytest.mark.parametrize("name", ["ensemble", "ensemble_mfcc", "ensemble_stft", "ensemble_image"])
def test_an_ensembles_network_that_is_not_its_own_is_refused(name: str, runs: Path) -> None:
    path = runs / "old" / "models" / f"{name}.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    message = refused(r"isn't the network that.*run 09_ensemble again", "ensemble")
    assert message.startswith(f"{path}: ")
    path.unlink()
    refused(rf"{name}\.tflite: no such file", "ensemble", run="old")


@pytest.mark.parametrize(("model", "notebook"), [("cry2", "04_cry2"), ("ensemble", "09_ensemble")])
def test_a_card_without_digests_is_refused(model: str, notebook: str, runs: Path) -> None:
    path = runs / "old" / "models" / f"{model}.json"
    content = json.loads(path.read_text())
    del content["digests"]
    path.write_text(json.dumps(content))
    message = refused(rf"was changed.*run {notebook} again", model, run="old")
    assert str(path) in message


def test_a_network_without_a_digest_is_refused(runs: Path) -> None:
    models = runs / "old" / "models"
    others = [path for path in models.glob("*.tflite") if path.stem != "ensemble_stft"]
    ModelCard.write(models, "ensemble", ModelCard.read(models, "ensemble").content, others)
    refused(r"ensemble_stft\.tflite: it isn't the network", "ensemble")


def test_a_number_that_was_changed_by_hand_is_noticed(runs: Path) -> None:
    path = runs / "new" / "models" / "cry2.json"
    path.write_text(path.read_text().replace('"sr": 8000', '"sr": 8001'))
    refused("changed since its model was trained; run 04_cry2 again", run="new")
