"""Table 3's results as they are stored: how many clips stand behind each, whatever was split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from made_corpus import corpus

from cryutils import claims
from cryutils.evaluation import Split
from cryutils.papers.ensemble import SPLITS, Ensemble, Job, Plan, Row, Settings
from cryutils.papers.streams import Streams
from cryutils.papers.table3 import Classical, Table3

# An infant has one state; states differ in their number of clips.
INFANTS, WINDOWS = 18, 3
STATES = {"hug": 1, "hungry": 2, "sleepy": 3}  # clips of each infant
OF_PAIR = {"sleepy_hungry": 30, "sleepy_hugging": 24, "hugging_hungry": 18, "total": 36}


def made() -> Streams:
    names = list(STATES)
    infants = [i for i in range(INFANTS) for _ in range(STATES[names[i % 3]])]
    cries = corpus([names[i % 3] for i in infants], [f"i{i:02d}" for i in infants], name="made")
    rng = np.random.default_rng(0)
    rows = len(cries) * WINDOWS
    sound = {
        name: rng.standard_normal((rows, 4, 3)).astype(np.float32) for name in ("mfcc", "stft")
    }
    return Streams(
        cries, np.repeat(np.arange(len(cries)), WINDOWS), sound,
        rng.standard_normal((rows, 5)).astype(np.float32), np.arange(rows),
    )  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """A model that trains nothing: its answers are drawn, half of them towards the truth."""

    plan: Plan
    name: str

    def answers(self, split: Split, states: tuple[int, ...]) -> np.ndarray:
        labels = self.plan.units[split].labels
        y = np.searchsorted(self.plan.streams.corpus.classes, labels)
        seed = [len(labels), *self.name.encode(), *states]
        p = np.random.default_rng(seed).random((len(labels), 3)).astype(np.float32)
        p[np.arange(len(labels)), y] += 0.5
        p[:, np.setdiff1d(self.plan.states, states)] = 0
        return p


def training(seed: int) -> Ensemble:
    streams, sizes = made(), {"n_folds": 3, "n_inner": 2, "seed": seed}
    plan = Plan.of(streams, Settings(**sizes))

    def guesses(names: Iterable[Any]) -> dict[Any, Any]:
        return {name: Guess(plan, f"{name}, {seed}") for name in names}

    joint: Any = Guess(plan, f"ae_dnn, {seed}")
    return Ensemble(
        plan, guesses(streams.names),
        guesses(c for n in (1, 2, 3) for c in combinations(streams.names, n)),
        guesses(("probabilities", "features", "out_of_fold")), joint,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scores() -> Table3:
    return Table3(training(0))


def test_n_counts_each_clip_once_whatever_was_split(scores: Table3) -> None:
    stored = scores.results()
    for row in stored.itertuples():
        # Two pairs of states are all three; what is not said of a row is of all three.
        of_pair = row.study == "table3" and not row.metric.startswith("accuracy_minus")
        assert row.n == OF_PAIR[row.condition if of_pair else "total"], row
    subsets = ("mfcc", "stft", "image", "mfcc+stft", "mfcc+image", "stft+image")
    for split in ("random", "leak_free"):
        rows = stored[stored.split == split]
        assert set(rows.rival[rows.study == "ablation"]) - {""} == set(subsets)
        assert {"svm", "ae_dnn"} <= set(rows.rival[rows.study == "table3"])
        hardest = rows[rows.metric == "accuracy_minus_hugging_hungry"]
        assert list(hardest.condition) == ["sleepy_hungry", "sleepy_hugging"]


def test_what_is_stored_is_the_interval_of_the_units_that_were_split(scores: Table3) -> None:
    claims.begin("09_ensemble", seed=0)
    claims.record_table(scores.results())
    stored = claims.results()
    stored = stored[stored.split == "random"].set_index("key")
    proposed, subset = scores.ensemble.proposed, scores.ensemble.subsets["mfcc", "stft"]
    pair, hardest = Row.SLEEPY_HUNGRY, Row.HUGGING_HUNGRY
    for key, interval, units in (
        ("table3.total.proposed.minus_svm.accuracy",
         scores.gain(Split.RANDOM, proposed, Classical.SVM), 36),
        ("table3.sleepy_hungry.proposed.accuracy_minus_hugging_hungry",
         scores.easier(Split.RANDOM, pair, hardest), 30 + 18),
        ("ablation.minus_mfcc+stft.accuracy", scores.gain(Split.RANDOM, proposed, subset), 36),
    ):  # fmt: skip
        assert interval.n == units
        assert interval.low < interval.value < interval.high  # type: ignore[operator]
        row = stored.loc[key]
        assert (row.value, row.low, row.high) == (interval.value, interval.low, interval.high)
        assert row.n_infants == interval.n_infants == INFANTS


def test_a_plan_counts_the_clips_and_infants_on_both_sides(scores: Table3) -> None:
    plan = scores.ensemble.plan
    table = plan.describe()
    assert list(table.index) == ["random_frames", "random", "leak_free"]
    assert table["infants on both sides"].tolist() == pytest.approx(
        [np.mean([len(shared(plan, job)) for job in plan.places if job.split is split])
         for split in SPLITS]
    )  # fmt: skip
    assert table.loc["leak_free", "infants on both sides"] == 0 < table.loc["random"].iloc[-1]
    assert table.loc["random", "clips on both sides"] == 0 < table.loc["random_frames"].iloc[-2]
    assert (table["test windows"] == len(plan.streams) / 3).all()


def shared(plan: Plan, job: Job) -> set[str]:
    """The infants with clips in the training or validation part, and in the test part."""
    (fit, stop), test = plan.parts(job), plan.tested(job)
    known = fit if job.split is not Split.LEAK_FREE else np.concatenate([fit, stop])
    of_window = plan.streams.corpus.infants[plan.streams.clip]
    return set(of_window[known]) & set(of_window[test])


# Several trainings


@pytest.fixture(scope="module")
def twice() -> Table3:
    return Table3(training(0), [training(1)])


@pytest.mark.parametrize("split", SPLITS)
def test_scores_are_means_over_trainings_each_on_its_own_divisions(
    twice: Table3, split: Split
) -> None:
    alone = [Table3(ensemble) for ensemble in twice.ensembles]
    for name, model in twice.models.items():
        apart = [each.scored(split, Row.TOTAL, each.models[name]) for each in alone]
        both = twice.scored(split, Row.TOTAL, model)
        assert (both.predicted == np.concatenate([s.predicted for s in apart])).all(), name
        values = [each.interval("accuracy").value for each in apart]
        assert both.interval("accuracy").value == pytest.approx(np.mean(values))
    rows = Row.SLEEPY_HUNGRY, Row.HUGGING_HUNGRY
    easier = twice.easier(split, *rows)
    first, second = (each.easier(split, *rows).value for each in alone)
    assert easier.value == pytest.approx((first + second) / 2)
    # Half the difference of two trainings is their mean's standard error.
    assert easier.value - easier.low >= min(1.96 * abs(first - second) / 2, easier.value + 1)
