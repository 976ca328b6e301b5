"""The trained models of a run: which run is asked, which files are refused, and copies for others."""

import json
import math
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained_run import Trained, change_card

from cryutils.errors import InputError
from cryutils.inference.predict import Predictor
from cryutils.inference.trained_models import DEMO, export_model, find_run, runs_with_models
from cryutils.models.export import Lite, read_card
from cryutils.words import ANY, NO_CRY


@pytest.fixture
def runs(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outputs folder: "old" has both models, "new" only the sound model."""
    outputs = apart / "outputs"
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    shutil.copytree(trained.run, outputs / "old")
    shutil.copytree(trained.run, outputs / "new", ignore=shutil.ignore_patterns("image*"))
    for k, run in enumerate(("old", "new")):
        for path in (outputs / run / "models").iterdir():
            os.utime(path, (1e9 + k, 1e9 + k))
    return outputs


def refused(words: str, model: str = "full", run: str | None = None) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Predictor(model, run=run)
    assert "\n" not in str(caught.value)


def test_a_complete_run_is_asked_first_and_of_these_the_newest(runs: Path) -> None:
    assert runs_with_models("full") == [runs / "old", runs / "new"]
    assert find_run("cry2", None) == runs / "new"
    assert find_run("full", "old") == find_run("full", runs / "old") == runs / "old"


def test_a_run_on_real_infants_is_asked_first_and_one_without_a_record_only_by_name(runs: Path) -> None:
    change_card(runs / "new" / "models", "cry2", data="donateacry")
    assert runs_with_models("full") == [runs / "new", runs / "old"]
    card = runs / "new" / "models" / "cry2.json"
    card.write_text(card.read_text().replace("donateacry", "my infants"))
    refused(r"new/models/cry2\.json: not as .* recorded it.*--run new")  # changed after the run
    shutil.rmtree(runs / "new" / "state")  # and copied by hand
    assert runs_with_models("full") == [runs / "old", runs / "new"]
    assert find_run("cry2", None) == runs / "old"
    assert Predictor("cry2", run="new").data == "my infants"


def test_unknown_models_and_runs_are_refused(runs: Path) -> None:
    for run in ("../outputs/old", "/old", ""):
        refused("give a run's name alone", run=run)
    refused("Did you mean image", "imag")
    refused(r"odl: this run has no model 'full'.* Did you mean old", run="odl")
    shutil.rmtree(runs)
    assert find_run("full", None) == DEMO
    refused("start one with `cryutils run 09_ensemble`", "ensemble")


STATES = ["discomfort", "hungry", "pain", "tired"]


@pytest.mark.parametrize(
    "changes",
    [
        {"input": None},
        {"input": {"kind": "mfcc"}},
        *({"classes": c} for c in (STATES[2:], STATES[::-1], [1, 2, 3, 4])),
        *({"classes": sorted([name, *STATES[1:]])} for name in ("", ANY, NO_CRY)),
        *({"temperature": t} for t in ("2", 0.0, math.nan)),
        {"reference": {"mean": [], "deviation": [], "distances": []}},
        {"data": ""},
    ],
    ids=str,
)
def test_a_card_that_does_not_fit_its_network_is_refused(changes: dict[str, Any], runs: Path) -> None:
    change_card(runs / "new" / "models", "cry2", **changes)
    refused("run 04_cry2 again", run="new")


def test_damaged_and_exchanged_files_are_refused(runs: Path) -> None:
    card, path = (runs / "new" / "models" / f"cry2{suffix}" for suffix in (".json", ".tflite"))
    whole, about = path.read_bytes(), card.read_bytes()
    for content in (b"[]", b"\xff\xfe{}", about[: len(about) // 2]):
        card.write_bytes(content)
        refused(r"cry2\.json: damaged", run="new")
    card.write_bytes(about)
    for bit in np.linspace(0, 8 * len(whole) - 1, 5).astype(int):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        refused(r"cry2\.tflite: damaged, or not the network of its card", run="new")
    path.write_bytes((runs / "old" / "models" / "image.tflite").read_bytes())
    refused(r"cry2\.tflite: damaged, or not the network of its card", run="new")
    card.unlink()
    refused(r"cry2\.json: No such file", run="new")


def test_a_weight_that_is_no_number_is_refused(runs: Path, trained: Trained) -> None:
    path = runs / "new" / "models" / "cry2.tflite"
    weights, whole = trained.models["cry2"].get_weights()[-2], path.read_bytes()
    worse = weights.T.copy()  # as LiteRT stores them
    worse[0, 0] = np.nan
    changed = whole.replace(weights.T.tobytes(), worse.tobytes())
    assert changed != whole
    path.write_bytes(changed)
    change_card(path.parent, "cry2")
    refused("weight is not a finite number", run="new")


def test_a_model_for_others_has_a_card_that_is_enough_and_names_no_infant(
    runs: Path, trained: Trained
) -> None:
    change_card(runs / "old" / "models", "cry2", source={"name": "/somebody"})
    paths = export_model("full", run="old")
    names = ("cry2_float32.tflite", "image_float32.tflite", "gate.npz", "features.npz")
    assert paths == [runs / "old" / "export" / name for name in names]
    for path, model_input in zip(paths, (trained.hearing, trained.seeing), strict=False):
        card = read_card(path.parent, path.stem)
        assert (card["classes"], card["data"]) == (list(trained.corpus.classes), "synthetic")
        assert card["input"] == asdict(model_input) and "No medical device" in card["notice"]
        assert not any(name in json.dumps(card) for name in ("anna", *trained.corpus.infants))
        x = np.random.default_rng(0).integers(0, 255, (9, *model_input.shape)).astype(np.uint8)
        expected = trained.models[path.name.partition("_")[0]].predict(x, verbose=0)
        np.testing.assert_allclose(Lite(path).predict(x), expected, atol=1e-5)
