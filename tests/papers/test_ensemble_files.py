"""The ensemble's files: they know each other, and what their picture network learned from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from made_corpus import corpus
from trained_run import INPUTS

from cryutils import claims
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.evaluation.intervals import Interval
from cryutils.models.backbones import Backbone
from cryutils.models.novelty import Reference
from cryutils.models.runtimes import Runtime
from cryutils.papers import ensemble_files
from cryutils.papers.embeddings import STATES, FrameInput
from cryutils.papers.ensemble import Row, Settings
from cryutils.papers.predict import Predictor
from cryutils.papers.streams import Streams
from cryutils.papers.table3 import Table3

pytestmark = pytest.mark.usefixtures("brief")

SETTINGS = Settings(
    hidden=6, bottleneck=3, patch=4, dnn_units=(4,), image_units=(4,), ensemble_units=(4,),
    autoencoder_epochs=1, epochs=1, image_epochs=1, ensemble_epochs=1, seed=1,
)  # fmt: skip
HEARING = {kind: INPUTS[kind] for kind in ("mfcc", "stft")}
INT8 = Runtime("openvino-int8", "int8", "1", "OpenVINO int8")


class Scored:
    """Stands for `Table3`: scores that don't depend on what is trained here."""

    main = Row.TOTAL
    ensemble = SimpleNamespace(proposed=None)

    def interval(self, split: Split, row: Row, model: None, metric: str) -> Interval:
        return Interval(0.5, 0.4, 0.6, se=0.05, n=30, n_infants=15)


def streams() -> Streams:
    """Return a window of each of 30 clips: random sound, and pictures as 6 numbers."""
    rng = np.random.default_rng(0)
    infants = np.repeat(np.arange(15), 2)
    cries = corpus([STATES[i % 3] for i in infants], [f"i{i:02d}" for i in infants])
    windows = {
        kind: rng.standard_normal((len(cries), *sound.shape)).astype(np.float32)
        for kind, sound in HEARING.items()
    }
    each = np.arange(len(cries))
    frames = rng.standard_normal((len(cries), 6)).astype(np.float32)
    return Streams(cries, each, windows, np.full(len(cries), 0.25), frames, each)


def deploy(windows: Streams, seed: int = 1, **options: Any) -> tuple[Path, ...]:
    import keras

    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(6, 8, strides=8)(keras.layers.Rescaling(1 / 255)(pixels))
    base = Backbone(keras.Model(pixels, maps), "one layer", "random weights", "none")
    return ensemble_files.deploy(
        windows, cast(Table3, Scored()), hearing=HEARING, seeing=FrameInput(size=32), backbone=base,
        settings=replace(SETTINGS, seed=seed), folder=claims.run_dir() / "models", **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(brief: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `first` and `second`, of different seeds."""
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        for seed, run in ((1, "first"), (2, "second")):
            patch.setenv("CRYUTILS_RUN_DIR", str(folder / run))
            deploy(streams(), seed)
    return folder


@pytest.fixture
def first(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first of them in a folder of this test's own, where a run goes on."""
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path / "first"))
    shutil.copytree(trained / "first", tmp_path / "first")
    assert claims.run_dir() == tmp_path / "first"
    return tmp_path / "first"


def about(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "models" / "ensemble.json").read_text()))


def test_files_of_one_training_are_opened(trained: Path) -> None:
    for run in ("first", "second"):
        assert Predictor("ensemble", run=trained / run).classes == STATES
    assert about(trained / "first")["digests"] != about(trained / "second")["digests"]


def test_each_stream_of_sound_knows_its_training(trained: Path) -> None:
    for name, part in about(trained / "first")["parts"].items():
        reference = Reference.from_json(part.get("reference"))
        assert (reference is None) == (name == "image")
        if reference is not None:
            usual = streams().windows[name][:1]
            assert reference.share(usual) < 1
            assert reference.share(usual + 9) == 1


def test_the_engine_that_the_pictures_were_embedded_with_is_kept_and_told(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        ensemble_files.runtimes, "runtime_of", lambda engine: asked.append(engine) or INT8
    )
    deploy(streams(), engine="openvino-int8")
    assert asked == ["openvino-int8"]
    entry = about(first)["engine"]
    assert (entry["engine"], entry["words"]) == ("openvino-int8", "OpenVINO int8")
    assert Predictor("ensemble", run=first).note == (
        "made up; picture model trained and scored with OpenVINO int8, run here in float32;"
        " ensemble: not calibrated"
    )


def test_keras_is_the_engine_where_none_is_named(trained: Path) -> None:
    entry = about(trained / "first")["engine"]
    assert entry["engine"] == "keras" and entry["words"].startswith("Keras float32")


def test_sound_alone_has_no_engine(first: Path) -> None:
    sound = replace(streams(), frames=None, frame_window=None)
    deploy(sound, engine="openvino-int8")  # asks for no extra, since nothing is embedded
    assert about(first)["engine"] is None
    assert Predictor("ensemble", run=first).note == "made up; ensemble: not calibrated"


def test_an_engine_that_there_is_not_is_refused_before_anything_is_trained(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble_files, "fit_proposed", lambda *_: pytest.fail("trained"))
    with pytest.raises(InputError, match=r"there is no engine 'keros'\. Did you mean keras"):
        deploy(streams(), engine="keros")
