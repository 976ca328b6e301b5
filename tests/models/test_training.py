"""Training: what is learnt, when it stops, that it is found again, that a kill changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryutils.errors import InputError
from cryutils.models import checkpoints, networks, traced, training
from cryutils.models.model_card import ModelCard
from cryutils.models.training import Fitted, Settings, fit

N = 40
TRAIN, VALIDATION = np.arange(0, 28), np.arange(28, 36)  # 36-39 are nobody's


def faces() -> tuple[np.ndarray, np.ndarray]:
    """Pictures of noise with dull labels: there is little to learn, so every step wavers."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)
    return x, rng.permutation(np.arange(N) % 3)


def bands() -> tuple[np.ndarray, np.ndarray]:
    """Windows whose class is the place of a loud band, float32 (40, 16, 16)."""
    rng = np.random.default_rng(2)
    y = np.arange(N) % 2
    x = rng.normal(-60, 3, (N, 16, 16)).astype(np.float32)
    x[y == 0, :, 2:6] += 30
    x[y == 1, :, 10:14] += 30
    return x, y


def picture_network(settings: Settings):
    return networks.image(
        (16, 16, 3), 3, filters=(4, 8), dropout=settings.dropout,
        learning_rate=settings.learning_rate,
    )  # fmt: skip


def sound_network(settings: Settings):
    return networks.cry2(
        (16, 16), 2, filters=(4, 8), dropout=settings.dropout,
        learning_rate=settings.learning_rate,
    )  # fmt: skip


SHORT = Settings(epochs=6, batch_size=8, patience=6, warm_up=2, seed=3)


def trained(folder: Path, settings: Settings = SHORT, **options) -> Fitted:
    """The picture network on noise: augmentation, dropout and batch normalisation at work."""
    x, y = faces()
    given = {"train": TRAIN, "validation": VALIDATION, "checkpoint_s": 0.0, **options}
    return fit(picture_network, x, y, settings=settings, folder=folder, **given)


def assert_same(one: Fitted, other: Fitted) -> None:
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    assert one.best_epoch == other.best_epoch


def differ(one: Fitted, other: Fitted) -> bool:
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


# Learning and stopping


def test_a_network_learns_what_is_separable(tmp_path: Path) -> None:
    x, y = bands()
    settings = Settings(epochs=40, batch_size=8, learning_rate=3e-3, patience=40)
    fitted = fit(
        sound_network, x, y, train=TRAIN, validation=VALIDATION, settings=settings, folder=tmp_path
    )
    p = fitted.predict(x)
    assert p.dtype == np.float32 and p.shape == (N, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p.argmax(axis=1) == y).mean() == 1  # the four clips of nobody, too


def test_the_network_is_normalised_by_its_training_rows_alone(tmp_path: Path) -> None:
    x, y = bands()
    fitted = fit(
        sound_network, x, y, train=TRAIN, validation=VALIDATION, settings=SHORT, folder=tmp_path
    )
    mean, variance = fitted.model.get_layer("normalise").get_weights()
    np.testing.assert_allclose(mean, x[TRAIN].mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, x[TRAIN].var(axis=(0, 1)), rtol=1e-4)


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> list[list[np.ndarray]]:
    """The weights at the end of each epoch, as they are written."""
    seen: list[list[np.ndarray]] = []
    keep = checkpoints.keep

    def noted(folder: Path, state: checkpoints.State) -> None:
        seen.append([np.array(w) for w in state.weights])
        keep(folder, state)

    monkeypatch.setattr(checkpoints, "keep", noted)
    return seen


def test_it_stops_by_the_validation_loss_and_returns_the_best_epochs_weights(
    tmp_path: Path, every_epoch: list[list[np.ndarray]]
) -> None:
    settings = replace(SHORT, epochs=60, patience=4, learning_rate=0.01)
    fitted = trained(tmp_path, settings)
    losses = fitted.history["val_loss"].to_numpy()
    assert fitted.best_epoch == losses[2:].argmin() + 3  # two epochs warm up
    assert fitted.epochs_run == fitted.best_epoch + 4 < 60
    assert len(every_epoch) == fitted.epochs_run
    best = every_epoch[fitted.best_epoch - 1]
    assert all(np.array_equal(a, b) for a, b in zip(fitted.model.get_weights(), best, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(best, every_epoch[-1], strict=True))


def test_the_best_epochs_loss_is_that_of_the_returned_model(tmp_path: Path) -> None:
    x, y = faces()
    fitted = trained(tmp_path, replace(SHORT, epochs=30))
    loss, accuracy = fitted.model.evaluate(x[VALIDATION], y[VALIDATION], verbose=0)
    row = fitted.history.iloc[fitted.best_epoch - 1]
    np.testing.assert_allclose([loss, accuracy], row[["val_loss", "val_accuracy"]], rtol=1e-5)


def test_predict_is_the_models_own_answer(tmp_path: Path) -> None:
    x, _ = faces()
    first, second = trained(tmp_path), trained(tmp_path, replace(SHORT, seed=9))
    for fitted in (first, second, first):
        own = np.asarray(fitted.model(x, training=False))
        np.testing.assert_allclose(fitted.predict(x), own, atol=1e-6)
    assert fitted.predict(x[:0]).shape == (0, 3)


def test_classes_weigh_alike_however_many_examples_they_have() -> None:
    x, y = np.zeros((10, 16, 16, 3), np.uint8), np.array([0] * 6 + [1] * 2 + [2] * 2)
    model = picture_network(SHORT)

    def weights(settings: Settings) -> dict[int, set[float]]:
        job = training._Job(
            x, y, np.arange(10), np.arange(1), replace(settings, epochs=1, warm_up=0)
        )
        found: dict[int, set[float]] = {}
        for _, labels, weight in job.batches(model, 0).as_numpy_iterator():
            for k, w in zip(labels, weight, strict=True):
                found.setdefault(int(k), set()).add(round(float(w), 6))
        return found

    # scikit-learn's "balanced": examples / (classes x examples of the class).
    assert weights(SHORT) == {0: {round(10 / 18, 6)}, 1: {round(10 / 6, 6)}, 2: {round(10 / 6, 6)}}
    assert weights(replace(SHORT, class_weights=False)) == {0: {1.0}, 1: {1.0}, 2: {1.0}}


@pytest.mark.parametrize(("rows", "sizes"), [(28, [7] * 4), (25, [6, 6, 6, 7]), (17, [5, 6, 6])])
def test_no_batch_is_left_with_a_few_rows(rows: int, sizes: list[int]) -> None:
    x, y = faces()
    job = training._Job(x, y, np.arange(rows), VALIDATION, replace(SHORT, epochs=5, warm_up=0))
    batches = job.batches(picture_network(SHORT), 4).as_numpy_iterator()
    assert [len(labels) for _, labels, _ in batches] == sizes and job.steps == len(sizes)


def test_an_epoch_has_every_training_row_once_and_the_next_another_order() -> None:
    x, y = np.arange(N * 768).reshape(N, 16, 16, 3).astype(np.uint8), np.arange(N) % 3
    x[:, 0, 0, 0] = np.arange(N)
    job = training._Job(x, y, TRAIN, VALIDATION, replace(SHORT, epochs=2, warm_up=0))
    rows = [
        batch[0][:, 0, 0, 0] for batch in job.batches(picture_network(SHORT), 0).as_numpy_iterator()
    ]
    assert [len(part) for part in rows] == [7, 7, 7, 7] * 2 and job.steps == 4
    first, second = np.concatenate(rows[:4]), np.concatenate(rows[4:])
    np.testing.assert_array_equal(np.sort(first), TRAIN)
    np.testing.assert_array_equal(np.sort(second), TRAIN)
    assert (first != second).any()


# Found again


def test_the_same_seed_trains_the_same_network_and_another_does_not(tmp_path: Path) -> None:
    first = trained(tmp_path / "a")
    between = trained(tmp_path / "b", replace(SHORT, seed=4))
    assert_same(first, trained(tmp_path / "c"))
    assert differ(first, between)


def test_a_finished_fit_is_found_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "networks"
    monkeypatch.setenv("CRYUTILS_NETWORKS_FILE", str(noted))
    first = trained(tmp_path)
    monkeypatch.setattr(training, "_train", None)
    again = trained(tmp_path)
    assert noted.read_text() == f"1\t{first.folder / 'fit.json'}\n", "for the run, when trained"
    assert (first.found, again.found) == (False, True)
    assert_same(first, again)
    assert again.folder == first.folder


def test_it_is_kept_in_the_cache_with_its_history(apart: Path) -> None:
    x, y = faces()
    fitted = fit(picture_network, x, y, train=TRAIN, validation=VALIDATION, settings=SHORT)
    assert fitted.folder.parent == apart / "cache" / "training"
    assert sorted(path.name for path in fitted.folder.iterdir()) == [
        "best.npz", "fit.json", "history.csv",
    ]  # fmt: skip
    table = pd.read_csv(fitted.folder / "history.csv")
    assert list(table)[:5] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    pd.testing.assert_frame_equal(table, fitted.history, rtol=1e-12)
    assert json.loads((fitted.folder / "fit.json").read_text())["settings"]["seed"] == 3


@pytest.mark.parametrize("name", ["best.npz", "fit.json"])
def test_a_damaged_fit_is_trained_anew(tmp_path: Path, name: str) -> None:
    first = trained(tmp_path)
    path = first.folder / name
    path.write_bytes(path.read_bytes()[:-50])
    again = trained(tmp_path)
    assert not again.found
    assert_same(first, again)


def test_a_fit_with_anothers_weights_or_a_changed_figure_is_trained_anew(tmp_path: Path) -> None:
    first, other = trained(tmp_path), trained(tmp_path, replace(SHORT, seed=4))
    (first.folder / "best.npz").write_bytes((other.folder / "best.npz").read_bytes())
    again = trained(tmp_path)
    assert not again.found
    assert_same(first, again)
    told = first.folder / "fit.json"
    about = json.loads(told.read_text())
    about["rows"][0]["loss"] += 1
    told.write_text(json.dumps(about))
    assert not trained(tmp_path).found


def changed(**settings) -> Callable[[Path], Fitted]:
    return lambda folder: trained(folder, replace(SHORT, **settings))


def on_other(row: int, label: bool = False) -> Callable[[Path], Fitted]:
    def train(folder: Path) -> Fitted:
        x, y = faces()
        if label:
            y[row] = (y[row] + 1) % 3
        else:
            x[row, 0, 0, 0] ^= 1
        return fit(
            picture_network, x, y, train=TRAIN, validation=VALIDATION, settings=SHORT, folder=folder
        )

    return train


@pytest.mark.parametrize(
    "train",
    [
        changed(seed=4),
        changed(epochs=5),
        changed(patience=5),
        changed(warm_up=1),
        changed(batch_size=7),
        changed(learning_rate=2e-3),
        changed(dropout=0.2),
        changed(class_weights=False),
        on_other(TRAIN[3]),
        on_other(VALIDATION[3]),
        on_other(TRAIN[3], label=True),
        lambda folder: trained(folder, train=TRAIN[:-1]),
        lambda folder: trained(folder, train=TRAIN[::-1]),
    ],
)
def test_what_shapes_a_fit_belongs_to_its_key(
    tmp_path: Path, train: Callable[[Path], Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without training: whatever has another key would train, and finds a state of its own only."""

    def no_training(copy, model, job, home, *rest) -> checkpoints.State:
        asked.append(home.name)
        return checkpoints.State(
            [{"epoch": 1, "loss": 1}], 1.0, 1, best_weights=model.get_weights()
        )

    asked: list[str] = []
    monkeypatch.setattr(training, "_train", no_training)
    trained(tmp_path)
    train(tmp_path)
    assert len(set(asked)) == 2


def test_another_number_of_cores_rounds_otherwise_and_has_a_key_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trained(tmp_path)
    here = training.machine()
    monkeypatch.setattr(training, "machine", lambda: {**here, "cores": here["cores"] + 1})
    assert not trained(tmp_path).found
    monkeypatch.setattr(training, "machine", lambda: here)
    assert trained(tmp_path).folder == first.folder


def test_rows_that_take_no_part_do_not_shape_it(tmp_path: Path) -> None:
    first = trained(tmp_path)
    again = on_other(38)(tmp_path)
    assert again.found and again.folder == first.folder


# Killed and resumed


@pytest.mark.parametrize("epochs_done", [1, 4, 6])
def test_a_training_that_was_interrupted_ends_as_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs_done: int
) -> None:
    whole = trained(tmp_path / "whole")
    keep = checkpoints.keep

    def interrupted(folder: Path, state: checkpoints.State) -> None:
        keep(folder, state)
        if len(state.rows) == epochs_done:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "keep", interrupted)
        trained(tmp_path / "broken")
    begun = []
    seed = traced.Traced.seed
    monkeypatch.setattr(
        traced.Traced, "seed", lambda copy, s, epoch: (begun.append(epoch), seed(copy, s, epoch))
    )
    assert_same(whole, trained(tmp_path / "broken"))
    assert begun == list(range(epochs_done, 6))


def test_early_stopping_goes_on_counting_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SHORT, epochs=60, patience=4, learning_rate=0.01)
    whole = trained(tmp_path / "whole", settings)
    keep = checkpoints.keep

    def interrupted(folder: Path, state: checkpoints.State) -> None:
        keep(folder, state)
        if len(state.rows) >= whole.best_epoch + 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "keep", interrupted)
    for _ in range(3):  # epochs without a better one: 2, 3, and the last, after which it stops
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "broken", settings)
    monkeypatch.setattr(checkpoints, "keep", keep)
    assert_same(whole, trained(tmp_path / "broken", settings))


def test_a_damaged_state_is_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(tmp_path / "whole")
    keep = checkpoints.keep

    def torn(folder: Path, state: checkpoints.State) -> None:
        keep(folder, state)
        path = folder / "state.npz"
        path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "keep", torn)
        trained(tmp_path / "torn")
    assert_same(whole, trained(tmp_path / "torn"))


LONG = replace(SHORT, epochs=15, patience=15)
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_training as t
keep = t.checkpoints.keep
def killed(folder, state):
    if len(state.rows) > 10:
        os.kill(os.getpid(), signal.SIGKILL)
    keep(folder, state)
t.checkpoints.keep = killed
t.trained(Path(sys.argv[1]), t.LONG)
"""


def test_a_killed_process_leaves_what_another_ends_bit_for_bit_alike(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(Path(__file__).parent)]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    assert subprocess.run(command, env=quiet, check=False).returncode == -signal.SIGKILL
    (home,) = (tmp_path / "killed").glob("*")
    state = checkpoints.kept(home)
    assert state is not None and len(state.rows) == 10
    resumed = trained(tmp_path / "killed", LONG)
    assert resumed.folder == home and resumed.epochs_run == LONG.epochs
    assert_same(trained(tmp_path / "whole", LONG), resumed)


# What is wrong is said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"validation": np.arange(27, 30)}, "row 27 is in train and in validation"),
        ({"train": np.array([], int)}, "one at least"),
        ({"validation": np.array([N])}, "from 0 to 39"),
        ({"train": np.array([-1])}, "from 0 to 39"),
    ],
)
def test_rows_that_cannot_be(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        trained(tmp_path, **options)


def test_examples_labels_and_network_belong_together(tmp_path: Path) -> None:
    x, y = faces()
    rows = {"train": TRAIN, "validation": VALIDATION, "folder": tmp_path}
    with pytest.raises(InputError, match="class 3 is none of the network's 3"):
        fit(picture_network, x, y + 1, **rows)
    with pytest.raises(InputError, match="class -1"):
        fit(picture_network, x, y - 1, **rows)
    with pytest.raises(InputError, match="40 examples and 39 labels"):
        fit(picture_network, x, y[1:], **rows)
    with pytest.raises(InputError, match=r"an example is \(8, 16, 3\)"):
        fit(picture_network, x[:, ::2], y, **rows)


def test_a_network_that_is_not_compiled(tmp_path: Path) -> None:
    import keras

    def build(settings: Settings):
        inputs = keras.Input((16, 16, 3))
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))

    x, y = faces()
    with pytest.raises(InputError, match="not compiled"):
        fit(build, x, y, train=TRAIN, validation=VALIDATION, folder=tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"patience": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"warm_up": -1},
    ],
)
def test_settings_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}="):
        Settings(**wrong)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        trained(tmp_path / "file")


# One copy an architecture


def test_networks_that_differ_in_seed_and_rate_alone_share_one_copy() -> None:
    a = picture_network(SHORT)
    b = picture_network(replace(SHORT, learning_rate=0.1))
    first, second = traced.architecture(a), traced.architecture(b)
    assert first != second
    assert traced.traced(a, lambda: a) is traced.traced(b, lambda: b)
    other = picture_network(replace(SHORT, dropout=0.1))
    assert traced.traced(other, lambda: other) is not traced.traced(a, lambda: a)


def test_a_copy_takes_the_learning_rate_of_the_network_it_trains_for() -> None:
    a = picture_network(replace(SHORT, learning_rate=0.25))
    copy = traced.traced(a, lambda: picture_network(SHORT))
    copy.reset(a)
    assert float(copy.model.optimizer.learning_rate.numpy()) == 0.25


def test_dropout_and_augmentation_draw_from_the_seed_and_the_epoch_alone() -> None:
    x = faces()[0][:8]
    copy = traced.Traced(picture_network(SHORT))

    def drawn(seed: int, epoch: int) -> np.ndarray:
        copy.seed(seed, epoch)
        return np.asarray(copy.model.get_layer("augmentation")(x, training=True))

    first, next_epoch, other_seed, again = drawn(1, 1), drawn(1, 2), drawn(2, 1), drawn(1, 1)
    np.testing.assert_array_equal(first, again)
    assert (first != next_epoch).any() and (first != other_seed).any()
    assert len(copy._seeds) == 4  # rotation, zoom, mirror, dropout


def test_training_leaves_the_random_states_of_others_alone(tmp_path: Path) -> None:
    import random

    random.seed(5)
    np.random.seed(5)
    wanted = random.getstate(), np.random.get_state()[1].tolist()
    trained(tmp_path)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == wanted


# Models on disk


def test_a_saved_model_answers_as_before_and_knows_its_classes(tmp_path: Path) -> None:
    x, y = bands()
    fitted = fit(
        sound_network, x, y, train=TRAIN, validation=VALIDATION, settings=SHORT, folder=tmp_path
    )
    about = {"classes": ["hungry", "müde"], "seed": 3, "scores": {"accuracy": 0.5}}
    checkpoints.save(fitted.model, tmp_path / "models", "cry2", about)
    model, found = checkpoints.load(tmp_path / "models", "cry2")
    assert found == about
    np.testing.assert_array_equal(model(x, training=False), fitted.model(x, training=False))
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["cry2.json", "cry2.keras"]


def test_models_that_cannot_be_saved_or_loaded(tmp_path: Path) -> None:
    model = sound_network(SHORT)
    with pytest.raises(InputError, match="its 2 classes"):
        checkpoints.save(model, tmp_path, "cry2", {"classes": ["hungry"]})
    with pytest.raises(InputError, match="its 2 classes"):
        checkpoints.save(model, tmp_path, "cry2", {})
    checkpoints.save(model, tmp_path, "cry2", {"classes": ["a", "b"]})
    with pytest.raises(InputError, match="Did you mean cry2"):
        checkpoints.load(tmp_path, "cry")
    (tmp_path / "cry2.keras").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"cry2\.keras: it isn't the network that cry2\.json"):
        checkpoints.load(tmp_path, "cry2")
    ModelCard.write(tmp_path, "cry2", {"classes": ["a", "b"]}, [tmp_path / "cry2.keras"])
    with pytest.raises(InputError, match=r"cry2\.keras: no model") as error:
        checkpoints.load(tmp_path, "cry2")
    assert "\n" not in str(error.value)
    (tmp_path / "cry2.json").write_text("{")
    with pytest.raises(InputError, match=r"cry2\.json: damaged"):
        checkpoints.load(tmp_path, "cry2")
