"""Fewer bits: each precision is scored on infants never met, and paired with float."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from sizes import large
from sklearn.metrics import f1_score

from cryutils import claims
from cryutils.errors import InputError
from cryutils.evaluation import Split
from cryutils.models import cry2, runtimes, training
from cryutils.models.export import FORMATS, PRECISIONS
from cryutils.models.inputs import Examples
from cryutils.models.training import CrossFit
from cryutils.papers import quantisation

CLASSES = ("hungry", "tired")
INFANTS = [i for i in range(8) for _ in range(3)]
CORPUS = corpus([CLASSES[i % 2] for i in INFANTS], [f"i{i}" for i in INFANTS])
SHAPE = (32, 32)


def examples() -> Examples:
    """Two windows a clip, whose level tells the class about as often as not."""
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(len(CORPUS)), 2)
    hungry = CORPUS.labels[clip] == "hungry"
    x = rng.normal(-40, 10, (len(clip), *SHAPE)) + 3 * hungry[:, None, None]
    return Examples(x.astype(np.float32), clip)


def fitted(split: str) -> tuple[CrossFit, Examples]:
    folds = Split(split).k_folds(CORPUS, n_splits=2, repeats=1, seed=0)
    networks = training.cross_fit(
        lambda s: cry2.build(SHAPE, 2, learning_rate=s.learning_rate),
        examples(), CORPUS.labels, CORPUS.infants, folds, split=split,
        settings=training.Settings(epochs=3, warm_up=0, learning_rate=1e-2),
    )  # fmt: skip
    return networks, examples()


@pytest.fixture(scope="module")
def honest(brief: None) -> tuple[CrossFit, Examples]:
    return fitted("infant")


@pytest.fixture(scope="module")
def calibrations() -> list[np.ndarray]:
    """What each network of `table` is calibrated with."""
    return []


@pytest.fixture(scope="module")
def table(honest: tuple[CrossFit, Examples], calibrations: list[np.ndarray]) -> pd.DataFrame:
    form = FORMATS["litert"]

    def write(*network: Any, calibration: np.ndarray, **options: Any) -> Path:
        calibrations.append(calibration)
        return form.write(*network, calibration=calibration, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FORMATS, "litert", replace(form, write=write))
        return quantisation.assess({"cry2": honest}, CORPUS, calls=5)


def test_a_row_a_precision_with_all_that_it_costs(table: pd.DataFrame) -> None:
    assert table.precision.tolist() == list(PRECISIONS)
    assert table.size_kb.is_monotonic_decreasing and table.size_kb.is_unique
    costs = table[["latency_ms", "latency_p95_ms", "latency_2_ms", "latency_2_p95_ms", "memory_mb"]]
    assert (costs > 0).all(axis=None)
    assert (table.latency_ms <= table.latency_p95_ms).all()


def test_float_scores_as_the_keras_networks_do_on_the_clips_they_have_not_met(
    table: pd.DataFrame, honest: tuple[CrossFit, Examples]
) -> None:
    answers = honest[0].probabilities.argmax(axis=-1)
    truth = (CORPUS.labels == "tired").astype(int)
    pooled = f1_score(np.tile(truth, len(answers)), answers.ravel(), average="macro")
    row = table.iloc[0]
    assert row.macro_f1 == pytest.approx(pooled)
    assert row.change == pytest.approx(0, abs=1e-12)
    assert (row.same, row.n, row.n_infants, row.trainings) == (1, 24, 8, 1)
    assert row.low <= row.macro_f1 <= row.high


def test_a_change_is_from_float_on_the_same_clips(table: pd.DataFrame) -> None:
    np.testing.assert_allclose(table.change, table.macro_f1 - table.macro_f1[0], atol=1e-12)
    assert (table.change_low <= table.change).all() and (table.change <= table.change_high).all()
    assert table.same.between(0.5, 1).all()


def test_int8_is_calibrated_with_the_clips_that_a_fold_was_fitted_on(
    honest: tuple[CrossFit, Examples], table: pd.DataFrame, calibrations: list[np.ndarray]
) -> None:
    networks, rows = honest
    folds = [fold for repeat in networks.folds for fold in repeat]
    assert len(calibrations) == len(folds) * len(table)
    for k, calibration in enumerate(calibrations):
        train, _ = folds[k % len(folds)]
        fitting = np.setdiff1d(train, networks.stopping[k % len(folds)])
        np.testing.assert_array_equal(calibration, rows.x[rows.rows(fitting)])


def test_networks_that_met_the_infants_are_refused(brief: None) -> None:
    leaky = fitted("clip")
    with pytest.raises(InputError, match=r"infant 'i.' is in training and in test"):
        quantisation.assess({"cry2": leaky}, CORPUS, calls=1)


def test_a_mistyped_format_is_refused(honest: tuple[CrossFit, Examples]) -> None:
    with pytest.raises(InputError, match=r"no format 'openvin'\. Did you mean openvino"):
        quantisation.assess({"cry2": honest}, CORPUS, format="openvin")


@large
def test_openvino_is_assessed_alike(honest: tuple[CrossFit, Examples]) -> None:
    try:
        runtimes.runtime_of("openvino-int8")
    except InputError as error:
        pytest.skip(f"{error}")
    table = quantisation.assess({"cry2": honest}, CORPUS, format="openvino", calls=2)
    assert table.precision.tolist() == list(PRECISIONS) and set(table.format) == {"openvino"}
    assert table.same[0] == 1


def test_the_table_is_read_with_its_intervals(table: pd.DataFrame) -> None:
    text = quantisation.readable(table)
    assert text.index.tolist() == [("cry2", precision) for precision in PRECISIONS]
    assert text.loc[("cry2", "float"), ["change", "same"]].tolist() == ["–", "100%"]
    low, high = table.change_low[2], table.change_high[2]
    assert f"[{low:+.2f}, {high:+.2f}]" in text.loc[("cry2", "int8"), "change"]


def test_results_have_three_metrics_a_precision(table: pd.DataFrame) -> None:
    claims.begin("13_live_and_deployment", seed=0)
    claims.record_table(quantisation.results(table, data=CORPUS.name))
    stored = claims.results().set_index("key")
    gain = "minus_float.macro_f1"
    assert list(stored.index) == [
        f"quantised.{precision}.cry2.{what}"
        for precision in PRECISIONS
        for what in ("size_kb", "latency_ms", "macro_f1", *([gain] * (precision != "float")))
    ]
    score, size = (stored.loc[f"quantised.int8.cry2.{what}"] for what in ("macro_f1", "size_kb"))
    assert score.value == table.macro_f1[2] and score.low == table.low[2]
    assert (score.split, score.n, score.n_infants, score.trainings) == ("infant", 24, 8, 1)
    change = stored.loc[f"quantised.int8.cry2.{gain}"]
    assert (change.low, change.high) == (table.change_low[2], table.change_high[2])
    assert size.value == table.size_kb[2] and pd.isna(size.n) and size.split == ""
