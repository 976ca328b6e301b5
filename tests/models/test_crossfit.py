"""Cross-fitting: which examples train which network, and its answers for clips that it never saw.

Networks are replaced by recorders here; that they learn is tested with `training`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryutils.errors import InputError
from cryutils.evaluation.splits import Split, hold_back
from cryutils.models import training
from cryutils.models.inputs import Examples
from cryutils.models.training import Settings, cross_fit

CLASSES = ["hungry", "pain", "tired"]


# Four clips of each of twelve infants, who cry mostly for one reason.
CRIES = SimpleNamespace(
    labels=[CLASSES[(i + (j == 3)) % 3] for i in range(12) for j in range(4)],
    infants=[f"i{i:02d}" for i in range(12) for _ in range(4)],
)
N = len(CRIES.labels)
NONE = Examples(np.zeros((0, 1), np.float32), np.zeros(0, int))


def examples(rows_each: int = 3, without: tuple[int, ...] = ()) -> Examples:
    """Examples whose value is the number of their clip."""
    clip = np.repeat([i for i in range(N) if i not in without], rows_each)
    return Examples(clip[:, None].astype(np.float32), clip)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each network's `training.fit` was given; it answers its number and the example."""
    received: list[dict[str, Any]] = []

    def fit(build, x, y, **options: Any) -> SimpleNamespace:
        number = len(received)
        received.append({"x": x, "y": y, **options})
        return SimpleNamespace(
            predict=lambda x: np.stack([np.full(len(x), number), x[:, 0], -x[:, 0]], axis=1),
            history=pd.DataFrame({"epoch": [1], "val_loss": [0.5]}),
        )

    monkeypatch.setattr(training, "fit", fit)
    return received


def crossed(split: str = "leak_free", inputs: Examples | None = None, **options):
    folds = Split(split).k_folds(CRIES, n_splits=4, repeats=2, seed=1)
    return cross_fit(
        lambda settings: None,
        inputs or examples(),
        CRIES.labels,
        CRIES.infants,
        folds,
        split=split,
        **options,
    )


def infants_of(rows: np.ndarray, inputs: Examples) -> set[str]:
    return {CRIES.infants[i] for i in inputs.clip[rows]}


# Who trains, who stops, who is tested


def test_no_network_sees_an_infant_that_it_is_tested_on(calls) -> None:
    inputs, networks = examples(), crossed()
    flat = [fold for repeat in networks.folds for fold in repeat]
    assert len(calls) == len(flat) == 8
    for call, (_, test) in zip(calls, flat, strict=True):
        tested = {CRIES.infants[i] for i in test}
        trained, stopping = (infants_of(call[part], inputs) for part in ("train", "validation"))
        assert not trained & tested and not stopping & tested and not trained & stopping


def test_with_a_random_split_clips_are_apart_and_infants_are_not(calls) -> None:
    inputs, networks = examples(), crossed("random")
    flat = [fold for repeat in networks.folds for fold in repeat]
    for call, (train, test) in zip(calls, flat, strict=True):
        fitted, stopping = (set(inputs.clip[call[part]]) for part in ("train", "validation"))
        assert fitted | stopping == set(train) and not fitted & stopping
        assert not (fitted | stopping) & set(test)
        assert infants_of(call["train"], inputs) & {CRIES.infants[i] for i in test}


def test_folds_that_divide_an_infant_and_missing_examples_are_refused(calls) -> None:
    folds = Split("random").k_folds(CRIES, n_splits=4, repeats=1, seed=1)
    with pytest.raises(InputError, match="in training and in test"):
        cross_fit(lambda s: None, examples(), CRIES.labels, CRIES.infants, folds, split="leak_free")
    assert not calls
    with pytest.raises(InputError, match="no clip has an example"):
        crossed(inputs=NONE)


# Probabilities of clips


def test_trainings_and_folds_have_seeds_of_their_own(calls) -> None:
    assert training.training_seeds(7, 1) == [7]
    many = [training.training_seeds(seed, 5) for seed in range(20)]
    assert [seeds[0] for seeds in many] == list(range(20))
    assert len({seed for seeds in many for seed in seeds}) == 100
    assert all(0 <= seed < 2**32 for seeds in many for seed in seeds)
    for seed in (1, 1, 2):
        crossed(settings=Settings(seed=seed, epochs=7))
    of_folds = [call["settings"].seed for call in calls]
    assert of_folds[:8] == of_folds[8:16]
    assert len({*of_folds}) == 16


def test_a_clip_is_answered_by_the_network_that_has_not_seen_it_with_the_mean(calls) -> None:
    values = np.array([0.0, 1.0, 5.0])
    inputs = Examples(np.tile(values, N)[:, None], np.repeat(np.arange(N), 3))
    networks = crossed(inputs=inputs)
    assert networks.probabilities.shape == (2, N, 3) and networks.probabilities.dtype == np.float32
    np.testing.assert_allclose(networks.probabilities[:, :, 1], 2.0)
    for r, repeat in enumerate(networks.folds):
        for k, (_, test) in enumerate(repeat):
            assert (networks.probabilities[r, test, 0] == 4 * r + k).all()


def test_changed_examples_are_answered_by_the_same_networks(calls) -> None:
    networks = crossed()
    noisy = Examples(examples().x + 100, examples().clip)
    answer = networks.predict(noisy)
    np.testing.assert_array_equal(answer[..., 0], networks.probabilities[..., 0])
    np.testing.assert_allclose(answer[..., 1], networks.probabilities[..., 1] + 100)
    np.testing.assert_array_equal(networks.predict(examples()), networks.probabilities)
    assert len(calls) == 8  # nothing was trained for it


def test_validation_clips_are_answered_by_the_network_that_they_stopped(calls) -> None:
    networks = crossed()
    answers = networks.validation(examples())
    assert answers.shape == (8, N, 3) and len(networks.stopping) == 8
    learnt = [fold for repeat in networks.fit_folds for fold in repeat]
    whole = [fold for repeat in networks.folds for fold in repeat]
    for fit, fold, held in zip(learnt, whole, networks.stopping, strict=True):
        np.testing.assert_array_equal(np.sort(np.concatenate([fit[0], held])), np.sort(fold[0]))
        np.testing.assert_array_equal(fit[1], fold[1])
    parts = zip(answers, networks.stopping, calls, strict=True)
    for number, (answer, clips, call) in enumerate(parts):
        assert set(clips) == set(examples().clip[call["validation"]])
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(answer[:, 0])), clips)
        np.testing.assert_allclose(answer[clips, 0], number)
        np.testing.assert_allclose(answer[clips, 1], clips)


# The validation part


def test_held_back_infants_are_whole_and_every_class_stays() -> None:
    train = np.arange(4, N)
    fitting, stopping = hold_back(CRIES, train, split="leak_free")
    np.testing.assert_array_equal(np.sort(np.concatenate([fitting, stopping])), train)
    assert not {CRIES.infants[i] for i in fitting} & {CRIES.infants[i] for i in stopping}
    assert {CRIES.labels[i] for i in fitting} == set(CLASSES)
    assert len(stopping) == 8  # 2 of 11 infants: the nearest to 20 % of 44 clips


def test_the_infant_whose_class_nobody_else_has_is_never_held_back() -> None:
    cries = SimpleNamespace(labels=list("aaaabbbbcc"), infants=list("1122334455"))
    for seed in range(9):
        _, stopping = hold_back(cries, np.arange(10), split="leak_free", seed=seed)
        assert not {8, 9} & {*stopping.tolist()}
