"""The trained models of a run: which run is asked, and which files are refused."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained_run import Trained, change_card

from cryutils import words
from cryutils.errors import InputError
from cryutils.inference.predict import Predictor
from cryutils.inference.trained_models import find_run, runs_with_models
from cryutils.words import ANY


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
    assert find_run("image", None) == runs / "old"
    assert find_run("full", "old") == find_run("full", runs / "old") == runs / "old"


def test_a_run_on_real_infants_is_asked_before_synthetic_ones(runs: Path) -> None:
    change_card(runs / "new" / "models", "cry2", data="donateacry")
    assert runs_with_models("full") == [runs / "new", runs / "old"]
    assert find_run("image", None) == runs / "old"
    (runs / "new" / "models" / "cry2.json").write_text("{")  # no reason to ask another
    refused(r"new/models/cry2\.json: not as .* recorded it; run 04_cry2 again")


def test_a_run_that_no_record_knows_is_asked_only_by_its_name(runs: Path) -> None:
    card = runs / "new" / "models" / "cry2.json"
    card.write_text(card.read_text().replace('"data": "synthetic"', '"data": "my infants"'))
    refused(r"new/models/cry2\.json: not as .* recorded it")  # changed after the run
    shutil.rmtree(runs / "new" / "state")  # and copied by hand
    assert runs_with_models("full") == [runs / "old", runs / "new"]
    assert find_run("cry2", None) == runs / "old"
    shutil.rmtree(runs / "old" / "state")
    refused("no record of it.*--run new")
    assert Predictor("cry2", run="new").data == "my infants"


def test_unknown_models_and_runs_are_refused(runs: Path, apart: Path) -> None:
    for run in ("../outputs/old", "sub/old", "/old", ".", ""):
        refused("give a run's name alone", run=run)
    refused("Did you mean image", "imag")
    refused(r"odl: this run has no model 'full'.* Did you mean old", run="odl")
    refused("this run has no model 'image'", "image", run="new")
    shutil.rmtree(runs)
    refused("start one with `cryutils run 04_cry2 05_image`")


STATES = ["discomfort", "hungry", "pain", "tired"]
ACCURACY = {"balanced_accuracy": {"value": 0.4, "low": None, "high": None}}
COUNTS = {"clips": 8, "infants": 4, "guessing": 0.25}
SCORE = {"metrics": ACCURACY, "most_common": "hungry", "share": 0.5} | COUNTS


@pytest.mark.parametrize(
    "changes",
    [
        {"input": None},
        {"input": {"kind": "mfcc"}},
        {"input": {"step_s": math.nan}},
        *({"classes": c} for c in (STATES[2:], STATES[::-1], STATES[:3] * 2, [1, 2, 3, 4])),
        *({"classes": [name, *STATES[1:]]} for name in ("", " a", ANY.title(), "No cry")),
        *({"classes": sorted([name, *STATES[1:]])} for name in (ANY, *words.NAMES)),
        *({"temperature": t} for t in ("2", 0.0, -1, 1e9, math.nan)),
        *({"reference": r} for r in ({}, {"mean": [], "deviation": [], "distances": []})),
        {"data": ""},
        {"seed": 0.5},
        {"score": {"metrics": {}}},
        *({"score": SCORE | change} for change in ({"share": 20}, {"most_common": "wet"}, {"clips": 0.5})),
    ],
    ids=str,
)
def test_a_card_that_does_not_fit_its_network_is_refused(changes: dict[str, Any], runs: Path) -> None:
    change_card(runs / "new" / "models", "cry2", **changes)
    refused("run 04_cry2 again", run="new")


def test_damaged_and_missing_files_are_refused(runs: Path) -> None:
    for name in ("cry2.json", "cry2.tflite"):
        path = runs / "new" / "models" / name
        whole = path.read_bytes()
        for content in (b"", b"{", b"[]", b"\xff\xfe{}", whole[: len(whole) // 2]):
            path.write_bytes(content)
            refused(name, run="new")
        path.write_bytes(whole)
    (runs / "new" / "models" / "cry2.json").unlink()
    refused(r"cry2\.json: No such file", run="new")


def test_every_changed_bit_and_the_card_of_another_network_are_refused(runs: Path) -> None:
    path = runs / "new" / "models" / "cry2.tflite"
    whole = path.read_bytes()
    for bit in np.linspace(0, 8 * len(whole) - 1, 20).astype(int):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        refused(r"cry2\.tflite: damaged, or not the network of its card", run="new")
    path.write_bytes(whole)
    change_card(path.parent, "cry2", score=SCORE)
    Predictor(run="new")
    (path.parent / "image.json").write_bytes((runs / "old" / "models" / "image.json").read_bytes())
    shutil.copy(path, path.with_stem("image"))
    refused(r"image\.tflite: damaged, or not the network of its card", run="new")


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
