"""A run's models as files for others: every network, a card that is enough, honest calibration."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines import need
from sizes import large
from trained_run import FEATURES, Trained, add_ensemble, change_card

from cryutils import audio
from cryutils._io.paths import file_digest
from cryutils.errors import InputError
from cryutils.models.export import FORMATS
from cryutils.models.model_card import ModelCard
from cryutils.papers import deployment
from cryutils.papers.predict import Predictor


def about(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_name(f"{path.name}.json").read_text()))


@pytest.fixture
def copied(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run in an outputs folder of this test's own, whose recordings lie in the cache."""
    outputs = apart / "outputs"
    shutil.copytree(trained.run, outputs / "quick")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(trained.outputs.parent / "cache"))
    return outputs / "quick"


@pytest.mark.parametrize(
    # `test_export` writes each precision in each format.
    ("form", "precision"),
    [("litert", "float"), ("openvino", "float16"), ("openvino", "int8")],
)
def test_each_network_of_paper_b_is_written_with_its_card(
    form: str, precision: str, copied: Path, trained: Trained
) -> None:
    need(form)
    paths = deployment.export("full", run="quick", format=form, precision=precision)
    suffix = FORMATS[form].suffix
    assert paths == [copied / "export" / f"{n}_{precision}{suffix}" for n in ("cry2", "image")]
    for path, prepared in zip(paths, (trained.hearing, trained.seeing), strict=True):
        card = about(path)
        name = path.name.partition("_")[0]
        files = FORMATS[form].files(path)
        assert (card["model"], card["run"], card["format"]) == (name, "quick", form)
        assert card["classes"] == list(trained.corpus.classes)
        assert card["input"] == asdict(prepared)
        assert card["precision"] == precision
        assert card["bytes"] == sum(file.stat().st_size for file in files)
        assert card["sha256"] == {file.name: file_digest(file) for file in files}
        assert card["source"]["sha256"] == file_digest(copied / "models" / f"{name}.keras")
        assert (card["calibration"] is None) == (precision != "int8")
        assert card["data"] == "synthetic" and "no evidence" in card["note"]
        assert "No medical device" in card["notice"]
        network = FORMATS[form].open(path)
        assert card["takes"] == {
            "dtype": str(network.dtype), "shape": ["any number", *network.shape],
        }  # fmt: skip
        assert network.shape == prepared.shape


def test_a_card_names_no_infant_and_no_folder_of_recordings(copied: Path) -> None:
    change_card(copied / "models", "cry2", source={"name": "/somewhere/private"})
    (path,) = deployment.export("cry2", run="quick")
    text = path.with_name(f"{path.name}.json").read_text()
    for infant in ModelCard.read(copied / "models", "cry2").content["learned_from"]:
        assert infant not in text
    assert "private" not in text


def test_int8_is_calibrated_with_the_infants_that_the_model_learned_from_alone(
    copied: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Path] = []
    pieces = audio.pieces
    monkeypatch.setattr(
        audio, "pieces", lambda path, *, sr: heard.append(path) or pieces(path, sr=sr)
    )
    some = sorted(set(trained.corpus.infants))[2:5]
    change_card(copied / "models", "cry2", learned_from=some)
    (path,) = deployment.export("cry2", run="quick", precision="int8")
    assert {p.name for p in heard} == {c.path.name for c in trained.corpus if c.infant in some}
    windows = sum(len(trained.hearing.windows(audio.read(p, sr=8000))) for p in heard)
    assert about(path)["calibration"] == {"infants": 3, "examples": windows}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learned_from": None}, "its card doesn't list them"),
        ({"source": {"name": "/nowhere"}}, "/nowhere: no such folder, and no corpus"),
        ({"learned_from": ["nobody"]}, "1 of 1 infants are no longer in synthetic"),
    ],
)
def test_without_the_training_infants_int8_is_refused_in_one_line(
    changes: dict[str, Any], words: str, copied: Path
) -> None:
    change_card(copied / "models", "cry2", **changes)
    with pytest.raises(InputError, match=words) as caught:
        deployment.export("cry2", run="quick", precision="int8")
    assert "\n" not in str(caught.value) and "--float16" in str(caught.value)
    assert not (copied / "export").exists()
    assert deployment.export("cry2", run="quick", precision="float16")


def test_a_network_of_another_training_is_refused(copied: Path) -> None:
    (copied / "models" / "cry2.keras").write_bytes(b"another")
    with pytest.raises(InputError, match=r"cry2\.keras: it isn't the network .* 04_cry2 again"):
        deployment.export("cry2", run="quick")
    assert not (copied / "export").exists()


def test_an_example_that_was_changed_stays(copied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "device"
    deployment.export("cry2", run="quick", folder=folder)
    assert (folder / "on_device.py").read_text() == Path(deployment.on_device.__file__).read_text()
    (folder / "on_device.py").write_text("mine")
    deployment.export("cry2", run="quick", folder=folder)
    assert (folder / "on_device.py").read_text() == "mine"


def test_a_file_that_a_kill_left_has_no_card(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.export("cry2", run="quick")  # whose card describes the old file

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deployment, "file_digest", killed)
    with pytest.raises(KeyboardInterrupt):
        deployment.export("cry2", run="quick")
    assert (copied / "export" / "cry2_float.tflite").is_file()
    assert not list((copied / "export").glob("*.json"))


# Paper A's ensemble


@pytest.fixture
def three(copied: Path, trained: Trained) -> dict[str, Any]:
    """The run with an ensemble of three parts next to its other models; the Keras networks."""
    return add_ensemble(copied / "models", trained.corpus)


@pytest.mark.parametrize(
    ("form", "precision"),
    [("litert", "int8"), pytest.param("openvino", "float16", marks=large)],
)
def test_the_ensemble_is_written_with_its_submodels(
    form: str, precision: str, copied: Path, three: dict[str, Any], trained: Trained
) -> None:
    need(form)
    paths = deployment.export("ensemble", run="quick", format=form, precision=precision)
    suffix = FORMATS[form].suffix
    assert {path.name for path in paths} == {f"{name}_{precision}{suffix}" for name in three}
    asked: dict[str, list[np.ndarray]] = {name: [] for name in three}
    predictor = Predictor("ensemble", run="quick")
    for name, network in predictor.networks.items():
        network.listener = asked[name].append
    predictor(trained.corpus[-1].path)  # of an infant that it hasn't learned from
    for path in paths:
        name, card = path.name.removesuffix(f"_{precision}{suffix}"), about(path)
        part = card.get("parts", {})
        if name == "ensemble":
            assert {stream: entry["features"] for stream, entry in part.items()} == FEATURES
        else:
            assert card["features"] == FEATURES[name.removeprefix("ensemble_")]
        x = np.concatenate(asked[name])
        expected = three[name].predict(x, verbose=0)
        answers = FORMATS[form].open(path).predict(x)
        reach = np.abs(expected).max() * {"float16": 5e-3, "int8": 0.15}[precision]
        np.testing.assert_allclose(answers, expected, atol=reach)
        if precision == "int8":
            assert card["calibration"]["infants"] == 2 and card["calibration"]["examples"] >= 4


# The user's mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "onnx"}, "ONNX is not supported, because tf2onnx"),
        ({"format": "litrt"}, r"no format 'litrt'\. Did you mean litert"),
        ({"precision": "int16"}, r"no precision 'int16'"),
        ({"model": "cry3"}, r"no model 'cry3'\. Did you mean cry2"),
        ({"run": "quik"}, "no models here. Did you mean quick"),
    ],
)
def test_a_mistake_is_refused_with_its_mend(
    arguments: dict[str, str], words: str, copied: Path
) -> None:
    with pytest.raises(InputError, match=words):
        deployment.export(**{"model": "cry2", "run": "quick", **arguments})


def test_a_folder_that_cannot_be_written_to_is_named(copied: Path) -> None:
    (copied / "export").write_text("a file")
    with pytest.raises(InputError, match="export: can't be written to"):
        deployment.export("cry2", run="quick")
