"""Table 3: who is trained on whom, whose answers are stored, and what is compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus

from cryutils import claims, evaluation
from cryutils.evaluation import Split
from cryutils.models import stacked
from cryutils.models.autoencoders import patches
from cryutils.models.inputs import by_clip
from cryutils.models.stacked import DenseSettings
from cryutils.studies import table3
from cryutils.studies.streams import Streams

pytestmark = pytest.mark.usefixtures("brief")

# An infant has one state; states differ in their number of clips.
INFANTS, WINDOWS = 15, 2
STATES = {"hug": 1, "hungry": 2, "sleepy": 3}  # clips of each infant
CLIPS = {"sleepy_hungry": 25, "sleepy_hugging": 20, "hugging_hungry": 15, "total": 30}
NETWORKS = {
    "autoencoder": DenseSettings(
        units=(8, 3, 8), linear=(1,), dropout=0.0, epochs=2, batch_size=256, learning_rate=0.03
    ),
    **{
        name: DenseSettings(units=(8,), epochs=4, batch_size=256, learning_rate=0.03)
        for name in ("dnn", "image", "ensemble")
    },
}
SUBSETS = ("mfcc", "stft", "image", "mfcc+stft", "mfcc+image", "stft+image", "mfcc+stft+image")
VARIANTS = ("ae_dnn_unweighted", "proposed_unweighted")


def made() -> Streams:
    """Return windows whose values tell the state."""
    names, rng = list(STATES), np.random.default_rng(0)
    infants = [k for k in range(INFANTS) for _ in range(STATES[names[k % 3]])]
    cries = corpus([names[k % 3] for k in infants], [f"i{k:02d}" for k in infants], name="made")
    clip = np.repeat(np.arange(len(cries)), WINDOWS)
    state = np.array(infants)[clip] % 3

    def values(*shape: int) -> np.ndarray:
        of_state = 2 * rng.standard_normal((3, *shape))
        return (of_state[state] + rng.standard_normal((len(clip), *shape))).astype(np.float32)

    sound = {"mfcc": values(8, 3), "stft": values(8, 5)}
    frames = np.repeat(values(7), 2, axis=0)
    return Streams(cries, clip, sound, frames, np.repeat(np.arange(len(clip)), 2))


BRIEF = {name: replace(settings, epochs=1) for name, settings in NETWORKS.items()}


def fit(streams: Streams, rows: Any = table3.ROWS, networks: Any = BRIEF, **options: Any) -> Any:
    return table3.fit(streams, rows, networks, **{"folds": 3, "seed": 1} | options)


@pytest.fixture(scope="module")
def answers(brief: None) -> pd.DataFrame:
    return fit(made(), networks=NETWORKS)


def test_each_clip_of_a_row_is_answered_once_with_its_states(answers: pd.DataFrame) -> None:
    about = ["study", "condition", "feature", "model", "split"]
    for (study, row, _, _, split), part in answers.groupby(about):
        states = table3.ROWS[row or "total"]
        units = CLIPS[row or "total"] * (WINDOWS if split == "random_frames" else 1)
        assert len(part) == units and set(part.truth) == set(states)
        p = part[[f"p_{state}" for state in states]]
        assert p.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5), (study, row, split)
        assert (part.predicted == p.idxmax(axis=1).str[2:]).all()


def test_models_and_variants_have_the_names_of_the_stored_results(answers: pd.DataFrame) -> None:
    for split in table3.SPLITS:
        here = answers[answers.split == split]
        main = here[here.study == "table3"]
        for row in table3.ROWS:
            models = {"proposed", "ae_dnn", "ae_dnn_patches", *VARIANTS * (row == "total")}
            assert set(main.model[main.condition == row]) == models
        compared = split is not Split.RANDOM_FRAMES
        assert set(here.feature[here.study == "ablation"]) == set(SUBSETS * compared)
        other = {"features", "out_of_fold"} if compared else set()
        assert set(here.model[here.study == "ensemble"]) == other


def test_the_folds_are_those_of_an_experiment_with_the_same_seed(answers: pd.DataFrame) -> None:
    streams = made()
    for split in table3.SPLITS:
        units, _ = streams.units(split)
        pair = units.take(np.flatnonzero(np.isin(units.labels, ("hug", "hungry"))))
        again = evaluation.out_of_fold(
            lambda train, test: np.zeros(len(test), int), pair, split=split, folds=3, seed=1
        )
        own = answers.query("split == @split and condition == 'hugging_hungry' and model == 'proposed'")
        columns = ["clip", "infant", "repeat", "fold", "truth"]
        assert own[columns].to_numpy().tolist() == again[columns].to_numpy().tolist()


def test_states_that_the_windows_tell_are_recognised(answers: pd.DataFrame) -> None:
    main = answers.query("study == 'table3' and condition == 'total' and split == 'leak_free'")
    scores = evaluation.score(main[~main.model.isin(VARIANTS)], "accuracy")
    assert scores.value["proposed", "leak_free"] > 0.7


def test_leak_free_networks_see_no_infant_that_they_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path))
    streams, seen, train = made(), [], stacked.fit

    def spy(x: np.ndarray, y: np.ndarray, tasks: Any, **options: Any) -> Any:
        if x.shape[-2] == len(streams) and len(tasks) == 3:  # rows are windows, one task a fold
            seen.append([np.concatenate([t.train, t.validation]) for t in tasks])
        return train(x, y, tasks, **options)

    monkeypatch.setattr(stacked, "fit", spy)
    table = fit(streams, {"total": table3.ROWS["total"]}, splits=[Split.LEAK_FREE])
    tested = table[table.model == "proposed"].groupby("fold").infant.agg(set)
    infants = streams.corpus.infants[streams.clip]
    assert len(seen) >= 5
    for folds in seen:
        for fold, rows in enumerate(folds):
            assert not {*infants[rows]} & tested[fold]


# Inputs


def test_patches_of_all_inputs_hold_the_submodels_patches_and_the_picture_once() -> None:
    streams = made()
    whole = patches(streams.side_by_side(4), 4)  # two patches of four frames each
    assert whole.shape == (len(streams), 2, 4 * (3 + 5 + 2))
    of_frames = whole.reshape(len(streams), 2, 4, 10)
    for name, columns in (("mfcc", slice(0, 3)), ("stft", slice(3, 8))):
        part = of_frames[..., columns].reshape(len(streams), 2, -1)
        assert (part == patches(streams.windows[name], 4)).all()
    picture = of_frames[..., 8:].reshape(len(streams), 2, -1)
    mean = by_clip(streams.frames, streams.frame_window, len(streams))
    assert (picture[..., :7] == mean[:, None]).all() and (picture[..., 7:] == 0).all()
    deaf = replace(streams, frames=None, frame_window=None)
    assert deaf.side_by_side(3).shape == (len(streams), 6, 8), "frames in whole patches"


# What is stored


def test_differences_are_paired_and_count_each_clip_once(answers: pd.DataFrame) -> None:
    rival = answers[answers.model == "ae_dnn"].assign(model="svm")
    stored = table3.differences(pd.concat([answers, rival]))
    for split in ("random", "leak_free"):
        rows = stored[stored.split == split]
        assert set(rows.rival[rows.study == "ablation"]) == set(SUBSETS[:-1])
        gains = rows[(rows.study == "table3") & (rows.metric == "accuracy")].set_index("rival")
        assert list(gains.index) == ["svm", "ae_dnn", "ae_dnn_patches"]
        assert (gains.condition == "total").all() and (gains.n == CLIPS["total"]).all()
        one = answers.query("split == @split and condition == 'total'")
        models = (one[one.model == name] for name in ("proposed", "ae_dnn"))
        assert gains.value["ae_dnn"] == evaluation.difference(*models, "accuracy").value
        hardest = rows[rows.metric == "accuracy_minus_hugging_hungry"]
        assert list(hardest.condition) == ["sleepy_hungry", "sleepy_hugging"]
        assert (hardest.n == CLIPS["total"]).all() and (hardest.n_infants == INFANTS).all()


def test_a_difference_between_two_rows_is_the_jackknife_over_infants(answers: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)  # some wrong answers
    wrong = rng.random(len(answers)) < 0.3
    noisy = answers.assign(predicted=answers.predicted.mask(wrong, "hungry"))
    stored = table3.differences(noisy).query("split == 'random' and condition == 'sleepy_hungry'")
    both = noisy.query("split == 'random' and model == 'proposed'")

    def difference(without: str) -> float:
        rest = both[both.infant != without]
        right = (rest.truth == rest.predicted).groupby(rest.condition).mean()
        return float(right["sleepy_hungry"] - right["hugging_hungry"])

    left = np.array([difference(infant) for infant in sorted(set(both.infant))])
    se = np.sqrt((len(left) - 1) * left.var())
    (row,) = stored[stored.metric == "accuracy_minus_hugging_hungry"].itertuples()
    assert row.value == pytest.approx(difference(""))
    assert row.low < row.value - se and row.value + se < row.high < row.value + 4 * se


def test_two_states_of_sound_alone_are_scored_as_their_pair_and_nothing_is_said_of_three() -> None:
    streams = made()
    rest = np.flatnonzero(streams.corpus.labels != "hug")
    inside = np.isin(streams.clip, rest)
    two = replace(
        streams,
        corpus=streams.corpus.take(rest),
        frames=None,
        frame_window=None,
        clip=np.searchsorted(rest, streams.clip[inside]),
        windows={name: w[inside] for name, w in streams.windows.items()},
    )
    table = fit(two, {"sleepy_hungry": table3.ROWS["sleepy_hungry"]})
    assert set(table.feature) == {"", "mfcc", "stft", "mfcc+stft"}
    claims.begin("09_ensemble", seed=0)
    claims.record(table, "accuracy", trainings=1)
    claims.record_table(table3.differences(table))
    keys = set(claims.results().key)
    assert {"table3.sleepy_hungry.proposed.accuracy", "ablation.mfcc.accuracy"} <= keys
    assert not [key for key in keys if "total" in key or key.startswith("ablation.minus")]
