"""The trained models of a run: which run is asked, and which files are refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from trained_run import Trained, change_card

from cryutils.errors import InputError
from cryutils.papers.predict import Predictor
from cryutils.papers.trained_models import find_run, runs_with_models


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
    refused(r"new/models/cry2\.json: damaged; run 04_cry2 again")


def test_unknown_models_and_runs_are_refused(runs: Path, apart: Path) -> None:
    for run in ("../outputs/old", "sub/old", "/old", ".", ""):
        refused("give a run's name alone", run=run)
    refused("Did you mean image", "imag")
    refused(r"odl: this run has no model 'full'.* Did you mean old", run="odl")
    refused("this run has no model 'image'", "image", run="new")
    shutil.rmtree(runs)
    refused("start one with `cryutils run 04_cry2 05_image`")


@pytest.mark.parametrize(
    "changes",
    [
        {"input": None},
        {"input": {"sampling": 8000}},
        {"classes": ["pain", "tired"]},
        {"input": {"kind": "mfcc"}},
        {"temperature": "warm"},
    ],
)
def test_a_card_that_does_not_fit_its_network_is_refused(
    changes: dict[str, Any], runs: Path
) -> None:
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


def test_two_models_of_different_states_are_not_fused(runs: Path, trained: Trained) -> None:
    change_card(runs / "old" / "models", "cry2", classes=list(trained.corpus.classes)[::-1])
    refused("trained on different states", run="old")
