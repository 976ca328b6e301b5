"""Frozen backbones by name: their pixels, their weights files, what is said of them."""

import hashlib
import socket
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pretrain
import pytest
from refusals import Command, mistake
from sizes import large

from cryutils import claims
from cryutils.course import runner
from cryutils.datasets.synthetic.states import FACES
from cryutils.errors import InputError
from cryutils.models import backbones, backend
from cryutils.models.backbones import RESNET50

pytestmark = pytest.mark.usefixtures("bare")

SIZE = 32
SHAPE = (SIZE, SIZE, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.fixture
def named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that CRYUTILS_WEIGHTS_DIR names."""
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(bare / "own"))
    (bare / "own").mkdir()
    return bare / "own"


@pytest.fixture
def weights(named: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ResNet-50 with random weights; its file, as Keras publishes them, passes for ImageNet's."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    model = backend.keras().applications.ResNet50(include_top=False, weights=None, input_shape=SHAPE)
    with h5py.File(named / RESNET50, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    monkeypatch.setattr(backbones, "_MD5", hashlib.md5((named / RESNET50).read_bytes()).hexdigest())
    return model


def test_the_file_that_keras_publishes_is_used_from_the_users_folder(weights) -> None:
    base = backbones.choose("ResNet50", size=SIZE)
    centred = PIXELS[..., ::-1] - np.float32([103.939, 116.779, 123.68])  # ImageNet's means, BGR
    wanted = np.asarray(weights(centred, training=False))
    np.testing.assert_allclose(np.asarray(base.model(PIXELS)), wanted, rtol=1e-4, atol=1e-4)
    assert base.imagenet


def test_the_run_with_imagenets_weights_stops_without_them_and_names_their_place(command: Command) -> None:
    line = mistake(command("run", "--profile", "imagenet"))
    assert f"put {RESNET50} into the folder CRYUTILS_WEIGHTS_DIR" in line


@large
def test_notebooks_07_and_09_run_with_a_file_of_weights(weights, command: Command, apart: Path) -> None:
    copies = [apart / f"{name}.ipynb" for name in ("07_frames_resnet50", "09_ensemble")]
    for copy in copies:  # each kernel accepts the file of `weights`
        notebook = nbformat.read(runner.notebooks()[copy.stem], as_version=4)
        accept = f"\nfrom cryutils.models import backbones\nbackbones._MD5 = {backbones._MD5!r}"
        next(cell for cell in notebook.cells if cell.cell_type == "code").source += accept
        nbformat.write(notebook, copy)
    few = ["clips=30", "duration_s=1.0", "frame_fps=2.0", 'film={"duration_s": 2.0, "fps": 2.0, "size": 96}']
    few += ["n_folds=2", "repeats=1", "epochs=1", "autoencoder_epochs=1", "extras=[]"]
    options = [word for value in few for word in ("-p", value)]
    code, out, err = command("run", *map(str, copies), "--profile", "imagenet", "--name", "trial", *options)
    assert code == 0, err
    results = claims.load_results("trial")
    assert {"resnet50_imagenet", "frozen"} <= set(results.model)
    assert {"p_value", "accuracy"} <= set(results[results.study == "frozen_vs_finetuned"].metric)
    assert "(trial)" in out  # the scoreboard names the run
    executed = (apart / "outputs" / "trial" / "notebooks" / "09_ensemble.ipynb").read_text()
    assert "frozen network: ResNet50, ImageNet" in executed


def test_without_imagenets_weights_the_small_network_is_chosen(monkeypatch) -> None:
    def unreachable(*_: object, **__: object) -> Any:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)  # the download fails
    monkeypatch.setenv("CRYUTILS_OFFLINE", "")
    small = backbones.choose(size=48)
    assert small.words == "small CNN, pretrained on 800 other synthetic infants"
    assert small.model.trainable_weights == [] and not small.imagenet


@pytest.mark.parametrize(
    ("name", "size", "content", "message"),
    [
        ("ResNet", SIZE, None, "there is no backbone 'ResNet'. Did you mean ResNet50"),
        ("ResNet50", SIZE, RESNET50, "_notop.h5: not the file that Keras publishes"),
        ("small", 50, None, "size=50: give a multiple of 16"),
    ],
)
def test_what_is_no_backbone_is_one_line(named, name, size, content, message) -> None:
    if content:
        (named / content).write_text("no weights")
    with pytest.raises(InputError, match=message) as error:
        backbones.choose(name, size=size)
    assert "\n" not in str(error.value)


# The small network


def test_it_is_taught_nothing_that_a_state_shapes() -> None:
    changes = np.any([*FACES.states.values()], axis=0)
    shaped = {name for name, is_changed in zip(FACES.names, changes, strict=True) if is_changed}
    assert {"lid", "furrow", "gape", "blush"} < shaped
    # Nor what moves with the cry, nor the shape of what states move.
    near = {"eye_size", "eye_slant", "brow", "brow_height", "mouth_width", "lips", "iris"}
    assert not (shaped | {"opening", "effort", "blink"} | near) & set(pretrain.LABELS)


@large
def test_the_one_that_comes_with_the_package_is_what_training_makes(tmp_path, monkeypatch) -> None:
    from sklearn.linear_model import Ridge

    pretrain.main(tmp_path / "again.npz")
    with np.load(backbones.READY) as ready:
        assert str(ready["told"]) == pretrain.recipe()
    pixels, labels = pretrain.faces(240, seed=1)
    clear = [pretrain.LABELS.index(name) for name in ("skin", "hair", "light", "light_x")]

    def explained_share() -> float:
        """How much of the labels a linear head on the embeddings explains in other faces."""
        rows = backbones.small().model.predict(pixels, verbose=0).mean(axis=(1, 2))
        rows = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-6)
        wanted = labels[:, clear]
        return float(Ridge(10.0).fit(rows[:120], wanted[:120]).score(rows[120:], wanted[120:]))

    # Rounding differs between machines, so the networks need not be equal, only equally good.
    scores = [explained_share()]
    monkeypatch.setattr(backbones, "READY", tmp_path / "again.npz")
    scores.append(explained_share())
    assert min(scores) > 0.5 and abs(scores[0] - scores[1]) < 0.1
