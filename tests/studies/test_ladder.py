"""The ladder: each mistake is made, nothing else differs, and chance stays chance."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cryutils import evaluation
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.errors import InputError
from cryutils.evaluation.splits import Split
from cryutils.studies import ladder
from cryutils.studies.ladder import Rows, Windows

NONE: frozenset[str] = frozenset()
LEAKING = ("windows", "clips", "augment", "oversample")
CLASSES = ("discomfort", "hungry", "tired")


def voices(seed: int = 0) -> Windows:
    """Infants that sound like themselves, most clips labelled alike; two windows a clip.

    4, 8 and 4 infants of the classes have 4 clips each, in two sessions, one of another class.
    """
    rng = np.random.default_rng(seed)
    state = np.repeat(np.arange(3), (4, 8, 4))
    infant = np.repeat(np.arange(len(state)), 4)
    y = state[infant].copy()
    y[::8] = (y[::8] + 1) % 3
    clip = np.repeat(np.arange(len(y)), 2)
    x = rng.normal(size=(len(state), 30))[infant][clip]
    x += 0.4 * rng.normal(size=(len(y), 30))[clip]
    x += 0.4 * rng.normal(size=x.shape)
    names = [f"infant-{i:02d}" for i in infant]
    clips = [
        Clip(f"{j:03d}", Path("a.wav"), CLASSES[y[j]], name, f"{name}/{j % 4 // 2}", None, 3.0, True, False)
        for j, name in enumerate(names)
    ]
    noisy = x + 0.1 * rng.normal(size=x.shape)
    return Windows(x, noisy, clip, Corpus(clips, name="voices", note="made up"))


@pytest.mark.parametrize("unit", Split)
def test_a_division_tests_every_window_once_and_keeps_its_unit_whole(unit: Split) -> None:
    windows = voices()
    corpus = windows.corpus.take(windows.clip)
    whole = {"leak_free": corpus.infants, "session": corpus.sessions, "random": corpus.ids}.get(unit)
    whole = np.arange(len(corpus)) if whole is None else whole
    for repeat in ladder.divide(windows, unit, n_folds=4, repeats=2):
        assert sorted(np.concatenate([part.test for part in repeat])) == list(range(len(windows.y)))
        for division in repeat:
            assert sorted(np.concatenate(division)) == list(range(len(windows.y)))
            fit, stop, test = (set(whole[part]) for part in division)
            assert not (fit & stop or fit & test or stop & test)


def test_only_what_was_made_before_the_split_brings_tested_windows_into_the_fit() -> None:
    windows = voices()
    windows.x[:, 0] = np.arange(len(windows.x))  # so a row says which window it is
    windows.noisy[:, 0] = 10_000 + np.arange(len(windows.x))
    sizes = np.array([6, 12, 6])
    division = ladder.divide(windows, Split.LEAK_FREE, n_folds=4)[0][0]

    def drawn(wrong: frozenset[str]) -> tuple[int, int]:
        rows = ladder.training_rows(windows, division.fit, sizes, wrong, seed=[0])
        assert windows.y[rows.x[:, 0].astype(int) % 10_000].tolist() == rows.y.tolist()
        numbers = rows.x[:, 0].astype(int)
        clean, copies = numbers[numbers < 10_000], numbers[numbers >= 10_000] - 10_000
        return int(np.isin(clean, division.test).sum()), int(np.isin(copies, division.test).sum())

    assert drawn(NONE) == drawn(frozenset({"scaler"})) == (0, 0)
    repeats, copies = drawn(frozenset({"oversample"}))
    assert repeats > 0 and copies == 0
    repeats, copies = drawn(frozenset({"augment"}))
    assert repeats == 0 and copies > 0


def test_each_step_is_fitted_on_the_rows_and_the_wrong_one_on_the_test_as_well() -> None:
    rng = np.random.default_rng(3)
    rows = Rows(rng.normal(size=(40, 30)), np.arange(40) % 2)
    test = Rows(3.0 * rng.normal(size=(20, 30)), np.arange(20) % 2)
    steps = [StandardScaler(), SelectKBest(k=ladder.SELECTED), PCA(ladder.COMPONENTS, svd_solver="full")]
    theirs = make_pipeline(*steps).fit(*rows).transform(test.x)
    np.testing.assert_allclose(ladder.represent([rows, test], NONE)[1].x, theirs, atol=1e-12)
    for mistake in ("scaler", "selection", "autoencoder"):
        wrong = ladder.represent([rows, test], frozenset({mistake}))[1]
        assert not np.allclose(np.abs(wrong.x), np.abs(theirs)), mistake


def test_leaks_inflate_and_the_honest_recipe_does_not_where_labels_mean_nothing() -> None:
    seeds = 4
    audits = [ladder.audit(voices(seed), LEAKING, folds=2, seed=seed) for seed in range(seeds)]
    assert set(audits[0].groupby("condition").size()) == {64}, "an answer for each clip"
    scores = [evaluation.score(answers, "balanced_accuracy").value for answers in audits]
    honest = np.array([score["honest", "leak_free"] for score in scores])
    for mistake in LEAKING:
        differences = np.array([score[mistake, "random"] for score in scores]) - honest
        standard_error = differences.std(ddof=1) / np.sqrt(seeds)
        assert differences.mean() > 2 * standard_error, mistake
    assert abs(honest.mean() - 1 / 3) < 0.1
    with pytest.raises(InputError, match="Did you mean clips"):
        ladder.audit(voices(), ["clip"])


def test_an_interval_from_just_below_zero_shows_its_sign_and_is_undecided() -> None:
    row = {"study": "audit", "condition": "windows", "rival": "honest", "metric": "balanced_accuracy"}
    results = pd.DataFrame([row | {"data": "donateacry", "value": 0.15, "low": -0.0015, "high": 0.31}])
    (shown,) = ladder.effects(results)["DonateACry"][["adds", "measured"]].to_numpy().tolist()
    assert shown == ["+0.15 [-0.00, +0.31]", "undecided"]
