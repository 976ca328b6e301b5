"""Benchmarks whose sums a table or a text relies on, by hand-computed cases or a small version."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sizes import large
from sklearn.metrics import roc_auc_score

import cryutils
from cryutils import claims, evaluation
from cryutils.evaluation import Split
from cryutils.models.export import PRECISIONS
from cryutils.models.training import Settings

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def script(name: str) -> ModuleType:
    """Return a benchmark as a module."""
    spec = importlib.util.spec_from_file_location("bench", BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench"] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ensemble_seeds() -> ModuleType:
    return script("ensemble_seeds")


def test_differences_over_corpora_are_paired_t_intervals(ensemble_seeds: ModuleType) -> None:
    names = ensemble_seeds.MODELS
    scores = np.full((3, len(names)), 0.5)
    scores[:, names.index("out_of_fold")] = [0.6, 0.8, 0.4]
    scores[:, names.index("in_sample")] = [0.5, 0.6, 0.5]
    table = ensemble_seeds.differences(scores)
    row = table.loc["out_of_fold minus in_sample"]
    d = np.array([0.1, 0.2, -0.1])
    expected = stats.t.interval(0.95, 2, loc=d.mean(), scale=stats.sem(d))
    assert row["mean"] == pytest.approx(d.mean())
    assert [row.low, row.high] == pytest.approx(expected)
    assert row.ahead == "2 of 3"
    same = table.loc["svm_stop minus svm"]
    assert (same["mean"], same.low, same.high, same.ahead) == (0, 0, 0, "0 of 3")
    assert np.isnan(ensemble_seeds.differences(scores[:1]).low).all(), "one corpus tells nothing"


@large
def test_the_live_analysis_is_measured_and_says_both_ends_of_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = script("live").main(paced_s=2.0, simulated_s=4.0)
    assert set(figures) == {
        "live.latency_p95_ms", "live.realtime_factor", "live.memory_growth_mb",
    }  # fmt: skip
    assert figures["live.latency_p95_ms"] > 0
    out = capsys.readouterr().out
    assert "4 readings" in out
    assert "MB after the first minute" in out and "MB at the end" in out


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process can be confined here")
def test_a_benchmark_is_confined_to_the_cores_that_its_promises_are_about() -> None:
    code = (
        "import os, live; assert live.CORES == 2; live.CORES = 1\n"
        "print(live.confined(), len(os.sched_getaffinity(0)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]


@large
def test_each_page_of_a_server_gets_its_readings(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to measure")
    figures = script("pages").main(pages=2, length_s=3.0)
    assert figures.readings == [6, 6]
    assert max(figures.steps_s) == pytest.approx(0.5)
    assert len(figures.answers_ms) == 12 and min(figures.answers_ms) > 0
    assert "2 pages for 3 s: 6 to 6 readings each, 6 expected" in capsys.readouterr().out


@large
def test_exported_networks_are_printed_a_row_a_precision(
    apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = script("export")
    monkeypatch.setattr(bench, "FORMATS", ["litert"])  # OpenVINO's rows are test_quantisation's
    monkeypatch.setattr(bench, "MODELS", ("cry2", "image", "mfcc"))  # "stft" is made as "mfcc" is
    monkeypatch.setattr(bench, "FOLDS", 2)
    monkeypatch.setattr(bench, "CORPUS", bench.CORPUS | {"clips_per_infant": 2, "duration_s": 2.0})
    table = bench.main(infants=12, calls=1, settings=Settings(epochs=1, warm_up=0))
    printed = capsys.readouterr().out
    assert "export: litert\n" in printed and "no evidence about real infants" in printed
    names = [f"{row.model} {row.precision}" for row in table.itertuples()]
    assert names == [f"{model} {precision}" for model in bench.MODELS for precision in PRECISIONS]
    assert (table[table.precision == "float"].same == 1).all()
    sizes = table.pivot(index="model", columns="precision", values="size_kb")
    assert (sizes.int8 < sizes.float).all()


@large
def test_an_exported_submodel_answers_as_its_encoder_and_dnn_do(apart: Path) -> None:
    bench = script("export")
    corpus = cryutils.load("synthetic", infants=12, clips_per_infant=2, duration_s=2.0)
    folds = Split.INFANT.k_folds(corpus, n_splits=2, repeats=2, seed=0)
    networks, examples = bench.submodel("mfcc", corpus, folds, Settings(epochs=1))
    np.testing.assert_allclose(networks.predict(examples), networks.probabilities, atol=1e-5)


def test_the_stores_year_is_logged_whole_and_summed_by_day(tmp_path: Path) -> None:
    bench = script("store")
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    figures = bench.measure(url, days=2, single=3, batches=250)
    assert figures.table.index.strftime("%F").tolist() == ["2026-01-01", "2026-01-02"]
    assert figures.table.to_dict("list") == {"hungry": [4320] * 2, "no cry": [38880] * 2}
    assert min(figures.single, figures.batches, figures.days, figures.summary_s) > 0


@pytest.mark.parametrize(
    ("change", "holds"),
    [({}, True), ({"single": 15.9}, False), ({"batches": 999}, False), ({"summary_s": 1.1}, False)],
)
def test_the_store_promises_three_figures_and_says_what_was_not_measured(
    change: dict[str, float],
    holds: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = script("store")
    figures = {"single": 16, "batches": 1000, "days": 1000, "summary_s": 1.0} | change
    measured = bench.Figures(**figures, table=pd.DataFrame({"no cry": [1]}))
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    monkeypatch.setattr(bench, "programs", lambda: None)
    assert bench.main(days=1) == (not holds)
    assert "PostgreSQL was not measured: initdb" in capsys.readouterr().out


def test_overlapping_windows_raise_the_score_where_labels_mean_nothing() -> None:
    bench = script("overlap")
    corpus = cryutils.load(
        "synthetic", classes=["sleepy", "hungry"], signal=0.0, identity=1.0, infants=10,
        clips_per_infant=2, duration_s=6.0, progress=False,
    )  # fmt: skip
    windows = {step_s: bench.gathered(corpus, step_s) for step_s in bench.STEPS_S}
    assert [len(each) for each in windows.values()] == [20 * 5, 20 * 3]
    scores = {
        step_s: np.mean(bench.balanced_accuracies(each, Split.FRAME, repeats=2))
        for step_s, each in windows.items()
    }
    assert scores[1.0] > scores[2.0] + 0.05
    (again,) = bench.balanced_accuracies(windows[2.0], Split.INFANT, repeats=1)
    assert again < scores[2.0]


def test_the_kept_scores_with_and_without_overlap_agree_with_run_and_notebook() -> None:
    rows = re.findall(
        r"^(\d) s +\d+ +([\d.]+) .*?\) +([\d.]+) ", claims.benchmark_output("overlap"), re.M
    )
    by_step = {step: scores for step, *scores in rows}
    path = BENCHMARKS.parent / "outputs" / "reference" / "judged" / "results.json"
    stored = {(row["key"], row["split"]): row["value"] for row in json.loads(path.read_text())}
    key = "table3.sleepy_hungry.svm.balanced_accuracy"
    judged = [stored[key, "frame"], stored[key, "clip"]]
    assert by_step["1"] == [f"{100 * value:.1f}" for value in judged], "the profile judged overlaps"
    text = (BENCHMARKS.parent / "notebooks" / "appendix_table3.ipynb").read_text(encoding="utf-8")
    (first, second), (third, fourth) = zip(*(by_step[step] for step in "12"), strict=True)
    assert f"{first} % where windows overlap by half and {second} % where they do not" in text
    assert f"With clips split it is {third} % and {fourth} %" in text


def small_corpus() -> SimpleNamespace:
    rng = np.random.default_rng(0)
    infants = np.repeat([f"infant{k:02d}" for k in range(12)], 4)
    labels = [f"class{k}" for k in rng.permutation(np.arange(48) % 3)]
    return SimpleNamespace(labels=labels, infants=infants)


def test_a_bootstrap_scores_resampled_infants_as_if_their_clips_were_copied() -> None:
    bench, corpus, rng = script("intervals"), small_corpus(), np.random.default_rng(1)
    y, _ = evaluation.class_indices(corpus.labels)
    scores = rng.dirichlet(np.ones(3), (1, 48)).round(1)  # with ties
    predicted = rng.integers(3, size=(1, 48))
    one_fold = [[(np.arange(0), np.arange(48))]]
    draws = np.array([np.ones(12), rng.multinomial(12, np.full(12, 1 / 12))])
    values = bench.resampled_scores(draws, predicted, scores, corpus, one_fold)
    same = [one.value for one in bench.library(predicted, scores, corpus, one_fold).values()]
    assert values[:, 0] == pytest.approx(same)
    copies = np.repeat(np.arange(48), np.repeat(draws[1].astype(int), 4))
    areas = [roc_auc_score(y[copies] == k, scores[0, copies, k]) for k in range(3)]
    assert values[:, 1] == pytest.approx([
        evaluation.balanced_accuracy(y[copies], predicted[0, copies]),
        np.mean(y[copies] == predicted[0, copies]),
        np.mean(areas),
    ])  # fmt: skip


def test_models_trained_again_are_scored_on_new_infants_or_by_themselves() -> None:
    bench, corpus = script("intervals"), small_corpus()
    designs = {"small": (corpus.labels, corpus.infants.tolist())}
    assert bench.SIGNALS[0] == 0
    rows = pd.DataFrame(row for k in range(8) for row in bench.scored(designs, ("small", 0.0, k)))
    assert len(rows) == 8 * 2 * 2 * 3
    assert (rows.library_low < rows.library_high).all()
    free = rows[rows.split == "infant"].groupby("metric").target.mean()
    for metric, chance in {"balanced_accuracy": 1 / 3, "accuracy": 1 / 3, "roc_auc": 0.5}.items():
        assert free[metric] == pytest.approx(chance, abs=0.03)
    itself = rows[(rows.split == "clip") & (rows.metric != "roc_auc")]
    assert ((itself.library_low < itself.target) & (itself.target < itself.library_high)).all()


def test_the_table_of_models_trained_again_counts_coverage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = script("intervals")

    def made(_designs: object, point: tuple[str, float, int]) -> list[dict[str, object]]:
        # The true score is 0.5. The library always contains it, the bootstrap in half of corpora.
        ends = {"library_low": 0.3, "library_high": 0.6, "bootstrap_high": 0.7}
        about = {"corpus": point[0], "classifier": "k-NN", "signal": point[1]}
        return [
            about | ends | {"split": split, "metric": metric, "target": 0.4 + 0.2 * (point[2] % 2),
                            "bootstrap_low": 0.4 + 0.2 * (point[2] % 2)}
            for split in ("clip", "infant") for metric in ("balanced_accuracy", "accuracy", "auc")
        ]  # fmt: skip

    monkeypatch.setattr(bench, "scored", made)
    monkeypatch.setattr(bench, "process_map", lambda f, items, *, shared, jobs: (
        f(*shared, item) for item in items
    ))  # fmt: skip
    result = bench.trained_again({"small": ([], [])}, 4)
    assert result["library, infant"] == 1.0 and result["bootstrap, clip"] == 0.5
    out = capsys.readouterr().out
    assert "4 simulated corpora a row" in out
    assert "50±18/0.20" in out  # of (2 + 2) / (4 + 4), sqrt(0.25 / 8) = 0.177
    assert "infant library   coverage 100 to 100 %, mean 100.0 %; mean width 0.30" in out


def test_the_comparison_of_tests_averages_trials_by_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = script("power")
    trial = bench.power.Trial(
        balanced_accuracy=0.4, rejected=True, fixed=False, width=0.2, max_t=0.25
    )
    monkeypatch.setattr(bench.power, "trial", lambda *_, **__: trial)
    monkeypatch.setattr(bench, "process_map", lambda f, items, *, shared, jobs: (
        f(*shared, item) for item in items
    ))  # fmt: skip
    bench.compare(bench.power.donors(), 2)
    out = capsys.readouterr().out
    assert "2 simulated corpora a point" in out
    assert re.search(r"^ +1\.000 +0\.400 +0\.200 +1\.000 +0\.000$", out, re.M)
    assert re.search(r"^ +1\.000 +0\.400 +0\.200 +1\.000 +0\.000 +0\.250 +1\.000$", out, re.M)
