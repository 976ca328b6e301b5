"""Stored intervals have the coverage of the answers behind them, or the reason why they can't."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sizes import large

from cryutils import claims
from cryutils.claims import article, coverage, report, scoreboard, tables
from cryutils.errors import InputError
from cryutils.evaluation import intervals

CLASSES = ("hungry", "pain", "tired")
ROOT = Path(__file__).resolve().parents[2]
JUDGED = ROOT / "outputs" / "reference" / "judged"


@pytest.fixture(autouse=True)
def run(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, in which a notebook has begun."""
    folder = apart / "outputs" / "quick"
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(folder))
    claims.begin("04_cry2", seed=0)
    return folder


def infants() -> tuple[np.ndarray, list[str]]:
    """Truth, as indices of two classes, and infants: four of each class, of 1 to 6 clips."""
    sizes = [[3, 3, 2, 1], [2, 2, 2, 6]]
    flat = [(k, i) for k, row in enumerate(sizes) for i, n in enumerate(row) for _ in range(n)]
    return np.array([k for k, _ in flat]), [f"{k}-{i}" for k, i in flat]


TRUTH, INFANTS = infants()


def answered(*wrong: int, repeats: int = 1) -> np.ndarray:
    """Answers that are right but for every clip whose number one of `wrong` divides."""
    missed = np.any([np.arange(len(TRUTH)) % n == 0 for n in wrong], axis=0)
    rows = np.stack([np.roll(missed, r) for r in range(repeats)])
    return np.where(rows, (TRUTH + 1) % 3, TRUTH)


def keep(
    key: str, predicted: np.ndarray, *, protocol: str = "leak_free", strengths: Any = None
) -> None:
    """Record the answers behind a score."""
    names, (repeats, clips) = np.array(CLASSES, dtype=object), predicted.shape
    table = pd.DataFrame({
        "key": key, "protocol": protocol, "data": "donateacry",
        "clip": [f"c{k}" for k in range(clips)] * repeats, "infant": INFANTS * repeats,
        "repeat": np.repeat(np.arange(repeats), clips), "fold": 0,
        "truth": np.tile(names[TRUTH], repeats), "predicted": names[predicted.ravel()],
    })  # fmt: skip
    if strengths is not None:
        table[["p_hungry", "p_pain"]] = strengths.reshape(-1, 2)
    claims.record_predictions(table)


def record(key: str, interval: intervals.Interval, protocol: str | None = "leak_free") -> None:
    claims.record_interval(key, interval, protocol=protocol, data="donateacry")


def score(key: str, predicted: np.ndarray, metric: str = "balanced_accuracy", **of: Any) -> None:
    """Record the score of some answers."""
    interval = intervals.interval(predicted, TRUTH, INFANTS, metric=metric)  # type: ignore[arg-type]
    record(f"{key}.{metric}", interval, **of)


def measured(run: Path, simulations: int = 60) -> pd.DataFrame:
    """The coverage of all that was recorded, by key."""
    claims.merge(run)
    return coverage.measure(run, simulations=simulations).set_index("key")


def change(run: Path, **values: Any) -> None:
    """Change every row of the stored coverage that has one."""
    rows = json.loads((run / "coverage.json").read_text())
    rows = [{**row, **values} if row["digest"] else row for row in rows]
    (run / "coverage.json").write_text(json.dumps(rows))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_score_has_the_coverage_of_its_own_answers(metric: Any, repeats: int, run: Path) -> None:
    predicted = answered(3, 5, repeats=repeats)
    keep("cry2", predicted)
    keep("cry2", answered(2), protocol="paper")
    score("cry2", predicted, metric)
    row = measured(run).loc[f"cry2.{metric}"]
    expected = intervals.measured_coverage(predicted, TRUTH, INFANTS, metric=metric, simulations=60)
    assert (row.coverage, row.reason) == (expected, "")
    assert (row.protocol, row.data) == ("leak_free", "donateacry")


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("table2.gain.stft.knn.{}", "feature_validation.stft.dnn", "feature_validation.stft.knn"),
        ("cry2.gain.forest.{}", "cry2", "baseline.audio.forest"),
        ("image.gain.svm.{}", "image", "baseline.image.svm"),
        ("full.gain.audio.{}", "full", "full.single.audio"),
        ("ae_dnn.mfcc.gain.svm.{}", "ae_dnn.mfcc", "ae_dnn.mfcc.svm"),
        ("ae_dnn.stft.epoch_by_test_gain.{}", "ae_dnn.stft", "ae_dnn.stft.by_validation"),
        ("full.stress_gain.noise.0.audio.{}", "full.stress.noise.0.fused",
         "full.stress.noise.0.audio"),
        ("table3.gain.svm_stop.total.{}", "table3.total.proposed", "table3.total.svm_stop"),
        ("ablation.gain.mfcc+stft.{}", "table3.total.proposed", "ablation.mfcc+stft"),
        ("robust.change.clipping.0.05.audio.{}", "robust.clipping.0.05.audio",
         "robust.none.0.audio"),
        ("robust.gain.noise.-5.image.{}", "robust.noise.-5.fused", "robust.noise.-5.image"),
        ("frozen_vs_finetuned.gain.{}", "frozen_vs_finetuned.frozen",
         "frozen_vs_finetuned.finetuned"),
        ("audit.windows.added_{}", "audit.windows", "audit.honest"),
    ],
)  # fmt: skip
def test_a_difference_has_the_coverage_of_both_models_answers(
    key: str, first: str, second: str, run: Path
) -> None:
    ours, rival = answered(5, repeats=2), answered(2, repeats=2)
    # The audit's mistakes are the paper's protocol, and what they are held against is leak-free.
    protocol = "paper" if first == "audit.windows" else "leak_free"
    keep(first, ours, protocol=protocol)
    keep(second, rival)
    gain = intervals.paired_interval(ours, rival, TRUTH, INFANTS, metric="macro_f1")
    record(key.format("macro_f1"), gain, protocol)
    expected = intervals.measured_coverage(
        ours, TRUTH, INFANTS, rival=rival, metric="macro_f1", simulations=60
    )
    row = measured(run).loc[key.format("macro_f1")]
    assert (row.coverage, row.reason) == (expected, "")


def test_an_area_has_one_where_it_is_kept_how_strongly_a_class_was_answered(run: Path) -> None:
    strong = np.random.default_rng(0).random((2, len(TRUTH), 1)) + 0.4 * TRUTH[:, None]
    strengths = np.concatenate([-strong, strong], axis=-1)
    folds = [[(np.zeros(0, int), np.arange(len(TRUTH)))]] * 2
    area = intervals.auc_interval(strengths, TRUTH, INFANTS, folds)
    for key, columns in (("cry2", strengths), ("table3.total.svm", None)):
        keep(key, answered(3, repeats=2), strengths=columns)
        record(f"{key}.roc_auc", area)
    table = measured(run, 20)
    expected = intervals.auc_coverage(strengths, TRUTH, INFANTS, folds, simulations=20)
    assert table.coverage["cry2.roc_auc"] == expected
    assert pd.isna(table.coverage["table3.total.svm.roc_auc"])
    assert "how strongly" in table.reason["table3.total.svm.roc_auc"]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("start_here.knn.accuracy", "single hold-outs"),
        ("feature_validation.mfcc.svm.holdout_accuracy", "single hold-outs"),
        ("table3.hardest.sleepy_hungry", "two rows with clips in common"),
        ("calibration.cry2.brier.before", "distribution isn't known"),
        ("rolling.5.accuracy", "distribution isn't known"),
        ("control.age.balanced_accuracy", "answers aren't kept"),
        ("control.infant.balanced_accuracy", "distribution"),
        ("quantised.cry2.int8.change", "answers aren't kept"),
        ("rolling.5.final_accuracy", "answers aren't kept"),
        ("cry2.gain.svm.accuracy", "answers aren't kept"),
    ],
)
def test_what_cannot_be_simulated_says_why(key: str, reason: str, run: Path) -> None:
    keep("cry2", answered(3))  # without those of its rival
    record(key, intervals.interval(answered(3), TRUTH, INFANTS))
    row = measured(run).loc[key]
    assert pd.isna(row.coverage) and reason in row.reason


def test_answers_of_other_clips_or_of_another_score_are_not_taken_for_its_own(run: Path) -> None:
    keep("cry2", answered(3))
    score("cry2", answered(2))
    ours, rival = answered(3), answered(2)
    record("cry2.gain.svm.accuracy",
           intervals.paired_interval(ours, rival, TRUTH, INFANTS, metric="accuracy"))  # fmt: skip
    keep("baseline.audio.svm", rival)
    path = run / "predictions" / "baseline.audio.svm.parquet"
    table = pd.read_parquet(path)
    table.assign(clip=table["clip"].to_numpy()[::-1]).to_parquet(path)
    reasons = measured(run).reason
    assert "another interval" in reasons["cry2.balanced_accuracy"]
    assert "the same clips" in reasons["cry2.gain.svm.accuracy"]
    path.write_bytes(b"PAR1 and nothing else")
    assert "svm.parquet: damaged" in measured(run).reason["cry2.gain.svm.accuracy"]


def test_results_without_an_interval_are_left_out(run: Path) -> None:
    claims.record("cry2.p_value", 0.2, protocol="leak_free", data="donateacry")
    assert measured(run).empty
    assert (run / "coverage.json").read_text() == "[]\n"


def test_nothing_is_measured_twice(run: Path) -> None:
    predicted = answered(3, 5)
    keep("cry2", predicted)
    keep("baseline.audio.svm", answered(2))
    score("cry2", predicted)
    score("baseline.audio.svm", answered(2))
    first = measured(run).coverage
    change(run, coverage=0.5)  # so that it can be told from one that was measured
    assert (measured(run).coverage == 0.5).all()
    # More corpora, or other answers, are another coverage.
    assert (measured(run, 61).coverage > 0.5).all()
    change(run, coverage=0.5)
    keep("cry2", answered(2, 3))
    score("cry2", answered(2, 3))
    again = measured(run, 61).coverage
    assert again["baseline.audio.svm.balanced_accuracy"] == 0.5
    assert again["cry2.balanced_accuracy"] != 0.5
    assert first.notna().all()


def test_what_was_stopped_goes_on_where_it_was(run: Path) -> None:
    for key, wrong in (("cry2", 3), ("baseline.audio.svm", 2)):
        keep(key, answered(wrong))
        score(key, answered(wrong))
    whole = measured(run).coverage
    change(run, coverage=0.5)
    rows = json.loads((run / "coverage.json").read_text())
    (run / "coverage.json").write_text(json.dumps(rows[:1]))
    resumed = measured(run).coverage
    assert resumed.iloc[0] == 0.5 and resumed.iloc[1] == whole.iloc[1] != 0.5


DAMAGED = ["", "{", "{}", "[1]", '[{"key": "cry2.accuracy"}]', "\x00", "[" * 100_000]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_named_doesnt_count_and_is_made_again(content: str, run: Path) -> None:
    keep("cry2", answered(3))
    score("cry2", answered(3))
    whole = measured(run).coverage
    path = run / "coverage.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"coverage\.json: damaged"):
        coverage.stored(run)
    assert any("coverage.json: damaged" in line for line in report.damages(run))
    assert coverage.beside(claims.load_results(), run).coverage.isna().all()
    assert measured(run).coverage.equals(whole)
    assert report.damages(run) == [] and len(coverage.stored(run)) == 1


def test_a_coverage_that_no_share_can_be_is_damage(run: Path) -> None:
    keep("cry2", answered(3))
    score("cry2", answered(3))
    measured(run)
    change(run, coverage=1.5)
    with pytest.raises(InputError, match="damaged"):
        coverage.stored(run)


def test_a_run_without_results_is_refused(apart: Path) -> None:
    with pytest.raises(InputError, match="no results here"):
        coverage.measure(apart / "outputs" / "nothing")


def test_an_interval_that_changed_since_has_no_coverage_yet(run: Path) -> None:
    keep("cry2", answered(3))
    score("cry2", answered(3))
    measured(run)
    assert coverage.beside(claims.load_results(), run).coverage.notna().all()
    score("cry2", answered(2))
    assert coverage.beside(claims.load_results(), run).coverage.isna().all()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.89, ", covers 89 %"), (0.929, ", covers 92 %"), (0.93, ""), (0.97, ""), (np.nan, "")],
)
def test_only_what_covers_too_seldom_is_spoken_of(share: float, text: str) -> None:
    assert coverage.words(share) == text
    assert tables.in_percent(0.23, 0.19, 0.26, share) == f"23 [19, 26]{text}"
    assert tables.in_percent(0.23, covers=share) == "23"


EMPTY: dict[str, Any] = dict.fromkeys(claims.Result.__slots__)
ROWS = [  # a cell of Table 2, as measured on DonateACry, of the classes in the paper's Table 1
    EMPTY | {
        "key": "feature_validation.mfcc.svm.accuracy", "value": 0.23, "low": 0.19, "high": 0.26,
        "n": 76, "n_infants": 46, "protocol": "leak_free", "data": "donateacry", "notebook": "03",
    },
    *(
        EMPTY | {"key": f"table1.{label}.test_count", "value": 20, "data": "donateacry",
                 "notebook": "03"}
        for label in ("hungry", "pain", "discomfort", "tired")
    ),
]  # fmt: skip


def stored_by_hand(run: Path, covers: float | None) -> None:
    """Write a run whose one interval has that coverage, None for no `coverage.json`."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "results.json").write_text(json.dumps(ROWS))
    if covers is not None:
        names = ("key", "protocol", "data", "value", "low", "high")
        row = {name: ROWS[0][name] for name in names}
        row |= {"coverage": covers, "reason": "", "digest": "x"}
        (run / "coverage.json").write_text(json.dumps([row]))


def shown(run: Path, capsys: pytest.CaptureFixture[str]) -> Sequence[str]:
    """All that a reader is shown of a run: page, its tables, scoreboards, ledger; spaces alike."""
    runs = {"quick": report.every_run(run.parent)["quick"]}
    report.print_scoreboard([run])
    board = scoreboard.words(scoreboard.board(scoreboard.entries(runs)), "accuracy")
    terminal = capsys.readouterr().out
    judged = coverage.of_verdicts(claims.ledger.of_runs(runs), runs)
    ledger = " ".join(report.worded(judged).leak_free_words)
    page = report.write(run).read_text()
    scored = report.rendered("scoreboard.html", **report.scored(runs))
    numbers = article.write(run / "article.html", runs, {}).read_text()
    texts = [terminal, board.to_string(), ledger, page, scored, numbers]
    return [" ".join(text.replace("</span>", "").split()) for text in texts]


@pytest.mark.parametrize(("covers", "spoken"), [(0.89, True), (0.95, False), (None, False)])
def test_whoever_shows_the_interval_says_what_it_covers(
    covers: float | None, spoken: bool, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored_by_hand(run, covers)
    texts = shown(run, capsys)
    assert all("[19, 26]" in text for text in texts)
    assert [("covers 89 %" in text) for text in texts] == [spoken] * len(texts)
    # The page has it in a table, in the list of all results and in the ledger, as the article has.
    for words in ("[19, 26], covers", "0.19 to 0.26, covers", "[19, 26] %, covers"):
        assert (words in texts[3]) == spoken
    assert ("[19, 26] %, covers" in texts[5]) == spoken


def test_without_a_coverage_the_ledger_stays_as_it_is() -> None:
    plain = pd.DataFrame(ROWS)
    judged = claims.ledger.of_runs({"quick": plain})
    for unmeasured in (plain, plain.assign(coverage=np.nan)):
        assert coverage.of_verdicts(judged, {"quick": unmeasured}) is judged
    of_runs = coverage.of_verdicts(judged, {"quick": plain.assign(coverage=[0.89] + [np.nan] * 4)})
    of_claim = of_runs[of_runs.key == ROWS[0]["key"]]
    assert set(of_claim.leak_free_coverage) == {0.89} and of_claim.paper_coverage.isna().all()
    same = of_runs.leak_free_low == 0.19
    assert (of_runs.leak_free_coverage.notna() == same).all() and same.sum() == 1


@large
def test_every_interval_of_the_reference_can_be_simulated_or_says_why_not() -> None:
    cases = coverage.plan(JUDGED)
    rows = claims.read_results(JUDGED / "results.json")
    assert len(cases) == sum(row["low"] is not None for row in rows)
    assert all((not case.answers) == (case.reason != "") for case in cases)
    assert not {case.reason for case in cases if "another interval" in case.reason}
    kinds = {
        "audit.": 24, "cry2.gain.": 16, "ae_dnn.": 6, "table2.gain.": 20, "table3.gain.": 8,
        "robust.change.": 15,
    }  # fmt: skip
    paired = [case.key for case in cases if len(case.answers) == 2]
    assert {kind: sum(key.startswith(kind) for key in paired) for kind in kinds} == kinds
    assert len(paired) == sum(kinds.values())
    for key in ("cry2.macro_f1", "feature_validation.mfcc.svm.roc_auc"):
        assert all(case.answers for case in cases if case.key == key)
