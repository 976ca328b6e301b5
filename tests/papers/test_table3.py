"""Table 3's results as they are stored: how many clips stand behind each, whatever was split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils import claims
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.evaluation import Split
from cryutils.papers.ensemble import Ensemble, Plan, Row, Settings, subsets
from cryutils.papers.nested import divide
from cryutils.papers.streams import Streams
from cryutils.papers.table3 import Classical, Table3

# An infant has one state; states differ in their number of clips.
INFANTS, WINDOWS = 18, 3
STATES = {"hug": 1, "hungry": 2, "sleepy": 3}  # clips of each infant
OF_PAIR = {"sleepy_hungry": 30, "sleepy_hugging": 24, "hugging_hungry": 18, "total": 36}


def made() -> Streams:
    names = list(STATES)
    clips = [
        Clip(
            id=f"{i}-{k}", path=Path(f"{i}-{k}.mp4"), label=names[i % 3], infant=f"i{i:02d}",
            session="", start_s=0.0, duration_s=4.0, has_audio=True, has_video=True,
        )
        for i in range(INFANTS) for k in range(STATES[names[i % 3]])
    ]  # fmt: skip
    corpus = Corpus(clips, name="made", note="made of numbers", citation="", licence="")
    rng = np.random.default_rng(0)
    rows = len(clips) * WINDOWS
    sound = {
        name: rng.standard_normal((rows, 4, 3)).astype(np.float32) for name in ("mfcc", "stft")
    }
    return Streams(
        corpus, np.repeat(np.arange(len(clips)), WINDOWS), sound,
        np.tile(np.arange(WINDOWS) + 0.5, len(clips)),
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
    folds = {split: divide(streams.units(split), split, **sizes) for split in Split}
    plan = Plan(streams, folds, Settings(**sizes))

    def guesses(names: Iterable[Any]) -> dict[Any, Any]:
        return {name: Guess(plan, f"{name}, {seed}") for name in names}

    joint: Any = Guess(plan, f"ae_dnn, {seed}")
    return Ensemble(
        plan, guesses(streams.names), guesses(subsets(streams.names)),
        guesses(("probabilities", "features", "in_sample")), joint,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scores() -> Table3:
    return Table3(training(0))


@pytest.mark.parametrize("unit", [Split.CLIP, Split.FRAME])
def test_n_counts_each_clip_once_whatever_was_split(
    scores: Table3, unit: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path))
    claims.begin("09_ensemble", seed=0)
    claims.record_table(scores.results(unit))
    stored = claims.load_results()
    for key, n in zip(stored.key, stored.n, strict=True):
        part = key.split(".")
        # Two pairs of states are all three; what is not said of a row is of all three.
        row = part[1] if part[0] == "table3" and part[1] in OF_PAIR else "total"
        assert n == OF_PAIR[row], key
    of_three = {"table3.hardest.sleepy_hungry", "table3.hardest.sleepy_hugging"}
    of_three |= {f"table3.gain.{rival}.total.accuracy" for rival in ("svm", "ae_dnn")}
    of_three |= {
        f"ablation.gain.{subset}.accuracy"
        for subset in ("mfcc", "stft", "image", "mfcc+stft", "mfcc+image", "stft+image")
    }
    for protocol in ("paper", "leak_free"):
        assert of_three <= set(stored.key[stored.protocol == protocol])


def test_what_is_stored_is_the_interval_of_the_units_that_were_split(
    scores: Table3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(tmp_path))
    claims.begin("09_ensemble", seed=0)
    claims.record_table(scores.results(Split.FRAME))
    stored = claims.load_results()
    stored = stored[stored.protocol == "paper"].set_index("key")
    proposed, subset = scores.ensemble.proposed, scores.ensemble.subsets["mfcc", "stft"]
    pair, hardest = Row.SLEEPY_HUNGRY, Row.HUGGING_HUNGRY
    for key, interval, units in (
        ("table3.gain.svm.total.accuracy", scores.gain(Split.FRAME, proposed, Classical.SVM), 36),
        ("table3.hardest.sleepy_hungry", scores.easier(Split.FRAME, pair, hardest), 30 + 18),
        ("ablation.gain.mfcc+stft.accuracy", scores.gain(Split.FRAME, proposed, subset), 36),
    ):
        assert interval.n == units * WINDOWS
        assert interval.low < interval.value < interval.high  # type: ignore[operator]
        row = stored.loc[key]
        assert (row.value, row.low, row.high) == (interval.value, interval.low, interval.high)
        assert row.n_infants == interval.n_infants == INFANTS


# Several trainings


@pytest.fixture(scope="module")
def twice() -> Table3:
    return Table3(training(0), [training(1)])


@pytest.mark.parametrize("split", list(Split))
def test_scores_are_means_over_trainings_each_on_its_own_divisions(
    twice: Table3, split: Split
) -> None:
    alone = [Table3(ensemble) for ensemble in twice.ensembles]
    for name, model in twice.models.items():
        cells = [each.cell(split, Row.TOTAL, each.models[name]) for each in alone]
        cell = twice.cell(split, Row.TOTAL, model)
        assert (cell.predicted == np.concatenate([c.predicted for c in cells])).all(), name
        both = twice.interval(split, Row.TOTAL, model)
        values = [t.interval(split, Row.TOTAL, t.models[name]).value for t in alone]
        assert both.value == pytest.approx(np.mean(values))
    rows = Row.SLEEPY_HUNGRY, Row.HUGGING_HUNGRY
    easier = twice.easier(split, *rows)
    apart = [each.easier(split, *rows).value for each in alone]
    assert easier.value == pytest.approx(np.mean(apart))
    # Half the difference of two trainings is their mean's standard error.
    assert easier.value - easier.low >= min(1.96 * abs(apart[0] - apart[1]) / 2, easier.value + 1)


@pytest.mark.parametrize("split", list(Split))
def test_an_area_counts_the_pairs_of_units_within_a_fold_that_are_ranked_right(
    twice: Table3, split: Split
) -> None:
    for model in (twice.ensemble.proposed, Classical.SVM):
        cell = twice.cell(split, Row.SLEEPY_HUNGRY, model)
        areas = []
        for (repeat, folds), state in product(enumerate(cell.folds), range(2)):
            assert sorted(np.concatenate([test for _, test in folds])) == [*range(len(cell.units))]
            ranked, pairs = 0.0, 0
            for _, test in folds:
                inside = cell.truth[test] == np.unique(cell.truth)[state]
                scores = cell.strengths[repeat, test, state]
                apart = scores[inside][:, None] - scores[~inside]
                ranked += (apart > 0).sum() + (apart == 0).sum() / 2
                pairs += apart.size
            areas.append(ranked / pairs)
        area = twice.area(split, Row.SLEEPY_HUNGRY, model)
        assert area.value == pytest.approx(np.mean(areas))
    assert twice.area(split, Row.TOTAL, Classical.MAJORITY) is None


def test_how_often_a_network_was_trained_stands_beside_its_scores(twice: Table3) -> None:
    table = twice.results().set_index("key").trainings
    classical = table.index.str.contains(
        r"\.(?:svm|svm_stop|majority)(?:\.frame_split)?\.(?:\w*accuracy|roc_auc)$"
    )
    classical &= ~table.index.str.contains(".gain.", regex=False)
    assert table[classical].isna().all() and (table[~classical] == 2).all()
    assert {"table3.total.svm.accuracy", "table3.total.majority.accuracy"} <= {
        *table.index[classical]
    }
    elsewhere: Any = Guess(twice.ensemble.plan, "of another backbone")
    assert set(twice.result("other", Split.CLIP, elsewhere).trainings) == {1}


def test_every_trainings_answers_are_kept_with_their_folds(twice: Table3) -> None:
    rows = twice.predictions().query("key == 'table3.total.proposed' and protocol == 'paper'")
    assert rows.groupby("repeat").clip.nunique().tolist() == [36, 36]
    folds = [part.set_index("clip").fold for _, part in rows.groupby("repeat")]
    assert (folds[0] != folds[1]).any() and (rows.fold >= 0).all()
    interval = twice.interval(Split.CLIP, Row.TOTAL, twice.ensemble.proposed)
    assert (rows.predicted == rows.truth).mean() == pytest.approx(interval.value)
