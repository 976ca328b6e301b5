"""A run's models as files for others: a card that is enough, and honest calibration."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained_run import Trained, change_card

from cryutils import audio
from cryutils.errors import InputError
from cryutils.inference.deployment import export_model
from cryutils.models.export import Lite, read_card


@pytest.fixture
def run(trained: Trained, apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run in an outputs folder of this test's own, with its recordings in the cache."""
    shutil.copytree(trained.run, apart / "outputs" / "quick")
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(trained.outputs.parent / "cache"))
    return apart / "outputs" / "quick"


@pytest.mark.parametrize("int8", [False, True])
def test_each_network_is_written_with_its_card(int8: bool, run: Path, trained: Trained) -> None:
    paths = export_model("full", int8=int8)
    precision = "int8" if int8 else "float32"
    assert paths == [run / "export" / f"{name}_{precision}.tflite" for name in ("cry2", "image")]
    for path, model_input in zip(paths, (trained.hearing, trained.seeing), strict=True):
        text = path.with_suffix(".json").read_text()
        card = read_card(path.parent, path.stem)
        assert card["classes"] == list(trained.corpus.classes)
        assert card["input"] == asdict(model_input)
        assert (card["precision"], card["data"]) == (precision, "synthetic")
        assert "No medical device" in card["notice"]
        assert not any(infant in text for infant in trained.corpus.infants)
        x = np.random.default_rng(0).integers(0, 255, (9, *model_input.shape)).astype(np.uint8)
        model = trained.models[path.name.partition("_")[0]]
        answers, expected = Lite(path).predict(x), model.predict(x, verbose=0)
        np.testing.assert_allclose(answers, expected, atol=0.2 if int8 else 1e-5)
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(InputError, match="damaged"):
            read_card(path.parent, path.stem)


def test_int8_is_calibrated_with_the_training_infants_alone(
    run: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    signals = audio.signals
    monkeypatch.setattr(
        audio, "signals", lambda c, **k: opened.extend(map(str, c.infants)) or signals(c, **k)
    )
    some = sorted(set(trained.corpus.infants))[2:5]
    change_card(run / "models", "cry2", learned_from=some)
    export_model("cry2", int8=True)
    assert set(opened) == set(some)


@pytest.mark.parametrize(
    "changes", [{"learned_from": None}, {"source": {"name": "/nowhere"}}, {"learned_from": ["x"]}]
)
def test_without_the_training_recordings_int8_is_refused_in_one_line(
    changes: dict[str, Any], run: Path
) -> None:
    change_card(run / "models", "cry2", **changes)
    with pytest.raises(InputError, match=r"int8 needs the training recordings of cry2") as caught:
        export_model("cry2", int8=True)
    assert "\n" not in str(caught.value) and not (run / "export").exists()
    assert export_model("cry2")
