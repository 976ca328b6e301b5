"""The benchmark's scores, tables of others, and page of results."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from cryutils import claims, datasets
from cryutils.claims import benchmark
from cryutils.datasets import Corpus
from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval
from cryutils.papers import benchmark as study


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return datasets.load(
        "synthetic", classes=["hungry", "tired"], infants=10, clips_per_infant=4, duration_s=0.5
    )


@pytest.fixture(scope="module")
def splits(corpus: Corpus) -> pd.DataFrame:
    return study.divide(corpus, repeats=2).query("task in ('reason', 'infant')")


@pytest.fixture(scope="module")
def predictions(corpus: Corpus, splits: pd.DataFrame) -> pd.DataFrame:
    random = np.random.default_rng(0)
    known = (corpus.labels == "tired")[:, None] + random.normal(0, 0.1, (len(corpus), 3))
    noise = random.normal(size=(len(corpus), 3))
    rows = {"known": known.astype(np.float32), "noise": noise.astype(np.float32)}
    return study.predict(splits, corpus, rows)


# Scores


def test_a_head_learns_what_is_there_and_nothing_else(predictions: pd.DataFrame) -> None:
    scores = benchmark.score(predictions).query("task == 'reason'").set_index(["feature", "model"])
    for head in study.HEADS:
        assert scores.infant["known", head] == 1
        assert scores.infant_low["known", head] > 0.5
        assert scores.infant["noise", head] < 0.8
    assert set(scores.chance) == {0.5}


def test_scores_are_balanced_accuracies_of_the_repeats(predictions: pd.DataFrame) -> None:
    part = predictions.query("task == 'reason' and feature == 'noise' and model == 'linear'")
    row = benchmark.score(part).iloc[0]
    by_hand = {
        split: np.mean([
            balanced_accuracy_score(repeat.truth, repeat.predicted)
            for _, repeat in each.groupby("repeat")
        ])
        for split, each in part.groupby("split")
    }  # fmt: skip
    assert row["clip"] == pytest.approx(by_hand["clip"])
    assert row.infant == pytest.approx(by_hand["infant"])
    assert row.gap == pytest.approx(by_hand["clip"] - by_hand["infant"])


def test_who_cries_is_a_mean_over_infants(predictions: pd.DataFrame) -> None:
    part = predictions.query("task == 'infant' and feature == 'noise' and model == 'linear'")
    row = benchmark.score(part).iloc[0]
    free = part[part.split == "infant"]
    right = (free.predicted == free.truth).groupby(free.infant).mean()
    assert row.infant == pytest.approx(right.mean())
    assert row.chance == 0.1 and row.n_infants == 10


def test_the_interval_of_recognised_infants_includes_the_repeats(
    predictions: pd.DataFrame,
) -> None:
    chosen = "task == 'infant' and feature == 'noise' and model == 'network' and split == 'clip'"
    part = predictions.query(chosen)
    right = (part.predicted == part.truth).astype(float)
    shares = right.groupby([part.repeat, part.infant]).mean().unstack()
    assert not np.array_equal(*shares.to_numpy())
    row = benchmark.rows(part, data="synthetic").iloc[0]
    expected = mean_interval(shares.to_numpy(), list(shares.columns), limits=(0, 1))
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high))
    without = mean_interval(shares.mean().to_numpy(), list(shares.columns), limits=(0, 1))
    assert row.high - row.low > without.high - without.low


@pytest.mark.parametrize("feature", ["known", "noise"])
def test_models_are_compared_on_the_same_answers(feature: str, predictions: pd.DataFrame) -> None:
    scores = benchmark.score(predictions).set_index(["task", "feature", "model"])
    part = predictions[predictions.feature == feature]
    network, linear = (part[part.model == head] for head in ("network", "linear"))
    rows = benchmark.difference(network, linear.sample(frac=1, random_state=0))
    assert len(rows) == 4, "two tasks, two splits"
    for row in rows.itertuples():
        values = [scores.loc[(row.task, feature, head), row.split] for head in study.HEADS]
        assert row.value == pytest.approx(values[1] - values[0])
        assert row.low <= row.value <= row.high


# Predictions of others


def of_others(predictions: pd.DataFrame) -> pd.DataFrame:
    chosen = "task == 'reason' and feature == 'known' and model == 'linear'"
    return predictions.query(chosen).assign(model="mine").drop(columns=["task", "feature"])


def test_predictions_of_others_are_scored_like_ours(
    predictions: pd.DataFrame, splits: pd.DataFrame
) -> None:
    joined = benchmark.with_predictions(predictions, of_others(predictions), splits, "reason")
    scores = benchmark.score(joined).set_index(["task", "feature", "model"])
    columns = ["clip", "infant", "gap", "infant_low", "infant_high"]
    mine = scores.loc[("reason", "predictions", "mine"), columns]
    ours = scores.loc[("reason", "known", "linear"), columns]
    assert mine.tolist() == ours.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[t["clip"] != t["clip"].iloc[0]], "differ in clip infant-000-00"),
        (lambda t: t.assign(truth=t.truth[::-1].to_numpy()), "another truth of clip"),
        (lambda t: t.assign(infant="someone"), "another infant of clip"),
        (lambda t: t.assign(split=""), "name no split"),
        (lambda t: t.assign(fold=np.arange(len(t)) % 5), "in two folds of the leak-free split"),
    ],
)
def test_other_clips_labels_or_leaks_are_refused(
    change, words: str, predictions: pd.DataFrame, splits: pd.DataFrame
) -> None:
    with pytest.raises(InputError, match=words):
        benchmark.with_predictions(predictions, change(of_others(predictions)), splits, "reason")


def test_the_results_are_a_page_and_tables(
    predictions: pd.DataFrame, splits: pd.DataFrame, tmp_path: Path
) -> None:
    scores = benchmark.score(predictions)
    page = benchmark.write(scores, predictions, splits, tmp_path / "new", "synthetic")
    text = page.read_text()
    assert "no evidence about real infants" in text
    assert len(re.findall("<svg", text)) == 8, "two tasks, two representations, two heads"
    stored = pd.read_csv(tmp_path / "new" / "synthetic.csv")
    assert len(stored) == len(benchmark.summary(stored)) == 8
    assert len(pd.read_parquet(tmp_path / "new" / "synthetic_predictions.parquet")) == len(
        predictions
    )
    again = study.read_splits(tmp_path / "new" / "synthetic_splits.csv")
    assert len(again) == len(splits)


def test_rows_are_results_and_a_table_by_task(predictions: pd.DataFrame) -> None:
    linear = predictions[predictions.model == "linear"]
    rows = benchmark.rows(linear, data="synthetic")
    claims.begin("12_beyond_the_papers", seed=0)
    claims.record_table(rows, study="beyond")
    recorded = claims.results()
    assert len(recorded) == len(rows) == 2 * 2 * 2 + 2
    assert set(recorded.trainings.dropna()) == {2} and set(recorded.n.dropna()) == {40}
    scores = benchmark.score(linear).set_index(["task", "feature"])
    for row in recorded[recorded.feature != "guessing"].itertuples():
        of_split = scores.loc[(row.condition, row.feature)]
        expected = of_split[[row.split, f"{row.split}_low", f"{row.split}_high"]]
        assert [row.value, row.low, row.high] == pytest.approx(expected.tolist())
    names = {"guessing": "guessing", "known": "the label itself", "absent": "absent"}
    table = benchmark.by_task(recorded, names)
    assert list(table.index) == list(names.values())
    reason = table[study.TASKS["reason"]]
    assert reason["guessing"] == "50" and reason["absent"] == "–"
    assert reason["the label itself"].startswith("100 [")


def test_a_curve_has_the_scores_of_one_task_by_share(predictions: pd.DataFrame) -> None:
    rows = benchmark.rows(predictions[predictions.model == "linear"], data="synthetic")
    quarter = benchmark.with_share(rows, 0.25).assign(value=rows.value / 2)
    both = pd.concat([benchmark.with_share(rows, 1.0), quarter], ignore_index=True)
    curve = benchmark.curve(both, "reason")
    assert set(curve.condition) == {"reason", "reason_labels_25"}
    values = curve.groupby("labelled").value.sum()
    assert list(values.index) == [0.25, 1.0] and values[1.0] == pytest.approx(2 * values[0.25])


def test_scores_differences_and_predictions_are_recorded(
    predictions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path))
    leak_free = predictions[(predictions.model == "linear") & (predictions.split == "infant")]
    claims.begin("12_beyond_the_papers", seed=0)
    pairs = [("known", "noise"), ("known", "absent")]
    benchmark.record(leak_free, pairs, study="beyond", data="synthetic")
    claims.write()
    table = claims.load_results(tmp_path)
    scores = table[table.rival == ""].set_index(["condition", "feature"]).value
    assert set(scores.index.get_level_values("feature")) == {"known", "noise", "guessing"}
    gains = table[table.rival != ""].set_index(["condition", "feature", "rival"]).value
    assert set(gains.index) == {(task, "known", "noise") for task in ("reason", "infant")}
    for task, *_ in gains.index:
        expected = scores[task, "known"] - scores[task, "noise"]
        assert gains[task, "known", "noise"] == pytest.approx(expected)
    assert set(table[table.feature != "guessing"].trainings) == {2}
    stored = claims.load_predictions(tmp_path, study="beyond")
    assert len(stored) == len(leak_free) and set(stored.data) == {"synthetic"}
