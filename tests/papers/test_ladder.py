"""The audit's rungs: each mistake is made, nothing else differs, and chance stays chance."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cryutils import audio
from cryutils.evaluation.splits import Split
from cryutils.papers import ladder
from cryutils.papers.ladder import Rows, Rung, Windows

LEAKING = (Rung.WINDOWS, Rung.CLIPS, Rung.AUGMENT, Rung.OVERSAMPLE)
CLASSES = ("discomfort", "hungry", "tired")


def voices(
    seed: int = 0, *, main: tuple[int, ...] = (4, 8, 4), signal: float = 0.0, features: int = 30
) -> Windows:
    """Infants that sound like themselves, most clips labelled alike; two windows a clip.

    `main` infants of each class have 4 clips each, in two sessions, one of them of another class.
    """
    rng = np.random.default_rng(seed)
    state = np.repeat(np.arange(3), main)
    infant = np.repeat(np.arange(len(state)), 4)
    y = state[infant].copy()
    y[::8] = (y[::8] + 1) % 3
    clip = np.repeat(np.arange(len(y)), 2)
    x = rng.normal(size=(len(state), features))[infant][clip]
    x += 0.4 * rng.normal(size=(len(y), features))[clip]
    x += 0.4 * rng.normal(size=x.shape)
    x[np.arange(len(x)), y[clip]] += signal
    return Windows(
        x=x,
        noisy=x + 0.1 * rng.normal(size=x.shape),
        clip=clip,
        labels=np.array(CLASSES)[y],
        infants=np.array([f"infant-{i:02d}" for i in infant]),
        sessions=np.array([f"infant-{i:02d}/{j % 4 // 2}" for j, i in enumerate(infant)]),
    )


def numbered(windows: Windows) -> Windows:
    """The same, but a window's first feature is its number, a noisy copy's its number + 10,000."""
    x, noisy = windows.x.copy(), windows.noisy.copy()
    x[:, 0] = np.arange(len(x))
    noisy[:, 0] = np.arange(len(x)) + 10_000
    return replace(windows, x=x, noisy=noisy)


@pytest.mark.parametrize("unit", Split)
def test_a_division_tests_every_window_once_and_keeps_its_unit_whole(unit: Split) -> None:
    windows = voices()
    for repeat in ladder.divide(windows, unit, n_folds=4, repeats=2):
        tested = np.concatenate([part.test for part in repeat])
        assert sorted(tested) == list(range(len(windows.y)))
        for division in repeat:
            everything = np.concatenate(division[:3])
            assert sorted(everything) == list(range(len(windows.y)))
            whose = [set(windows.units(unit)[part]) for part in division[:3]]
            assert not (whose[0] & whose[1] or whose[0] & whose[2] or whose[1] & whose[2])


@pytest.mark.parametrize(
    ("rung", "larger"),
    [(Rung.WINDOWS, Split.RANDOM), (Rung.CLIPS, Split.SESSION), (Rung.SESSIONS, Split.LEAK_FREE)],
)
def test_a_smaller_unit_has_the_next_larger_on_both_sides(rung: Rung, larger: Split) -> None:
    windows = voices()
    for division in ladder.divide(windows, ladder.UNITS[rung], n_folds=4)[0]:
        whose = windows.units(larger)
        shared = np.isin(whose[division.test], whose[division.fit])
        assert shared.mean() > 0.3


def test_only_what_was_made_before_the_split_brings_tested_windows_into_the_fit() -> None:
    windows = numbered(voices())
    sizes = np.array([6, 12, 6])
    division = ladder.divide(windows, Split.LEAK_FREE, n_folds=4)[0][0]

    def tested(rung: Rung) -> tuple[int, int]:
        rows = ladder.training_rows(windows, division.fit, sizes, ladder.mistakes(rung))
        numbers = rows.x[:, 0].astype(int)
        clean, copies = numbers[numbers < 10_000], numbers[numbers >= 10_000] - 10_000
        return int(np.isin(clean, division.test).sum()), int(np.isin(copies, division.test).sum())

    assert tested(Rung.HONEST) == tested(Rung.SCALER) == (0, 0)
    repeats, copies = tested(Rung.OVERSAMPLE)
    assert repeats > 0 and copies == 0
    repeats, copies = tested(Rung.AUGMENT)
    assert repeats == 0 and copies > 0
    assert min(tested(Rung.ALL)) > 0
    rows = ladder.training_rows(windows, division.fit, sizes, ladder.mistakes(Rung.ALL))
    assert windows.y[rows.x[:, 0].astype(int) % 10_000].tolist() == rows.y.tolist()


def test_each_step_is_fitted_on_the_rows_and_the_wrong_one_on_the_test_as_well() -> None:
    rng = np.random.default_rng(3)
    rows = Rows(rng.normal(size=(40, 30)), np.arange(40) % 2)
    test = Rows(3.0 * rng.normal(size=(20, 30)), np.arange(20) % 2)
    steps = [
        StandardScaler(),
        SelectKBest(k=ladder.SELECTED),
        PCA(ladder.COMPONENTS, svd_solver="full"),
    ]
    theirs = make_pipeline(*steps).fit(*rows).transform(test.x)
    _, ours, other = ladder.represent(rows, test, test)
    np.testing.assert_allclose([ours.x, other.x], [theirs, theirs], atol=1e-12)
    for rung in (Rung.SCALER, Rung.SELECTION, Rung.AUTOENCODER):
        wrong = ladder.represent(rows, test, test, ladder.mistakes(rung))[1]
        assert not np.allclose(np.abs(wrong.x), np.abs(theirs)), rung


def noise(seed: int) -> list[Rows]:
    rng = np.random.default_rng(seed)
    return [Rows(rng.normal(size=(n, 5)), rng.permutation(np.arange(n) % 3)) for n in (90, 30, 30)]


def test_in_sample_weights_choose_the_neighbours_alone() -> None:
    rows, validation, test = noise(0)
    neighbours = KNeighborsClassifier(ladder.NEIGHBOURS, weights="distance").fit(rows.x, rows.y)
    joined = ladder.ensemble(rows, validation, test, ladder.mistakes(Rung.STACKING))
    np.testing.assert_allclose(joined, neighbours.predict_proba(test.x))
    honest = ladder.ensemble(rows, validation, test)
    assert not np.allclose(honest, joined)
    np.testing.assert_allclose(honest.sum(axis=1), 1)


def test_the_majoritys_accuracy_is_its_share_and_its_balanced_accuracy_chance() -> None:
    windows = voices()
    scores = ladder.audit(windows, [Rung.MAJORITY])
    share = np.mean(windows.labels == "hungry")
    assert scores.score(Rung.MAJORITY, "accuracy").value == pytest.approx(share)
    assert scores.score(Rung.MAJORITY, "balanced_accuracy").value == pytest.approx(1 / 3)


def test_clips_are_answered_from_all_of_their_windows_by_scikit_learns_scores() -> None:
    windows = voices(signal=2.0)
    scores = ladder.audit(windows, [Rung.CLIPS], repeats=2, seed=5)
    answers = scores.answers[Rung.CLIPS]
    assert answers.shape == (2, len(windows.labels))
    truth = np.unique(windows.labels, return_inverse=True)[1]
    for metric, score in (
        ("accuracy", accuracy_score), ("balanced_accuracy", balanced_accuracy_score),
    ):  # fmt: skip
        expected = np.mean([score(truth, row) for row in answers])
        assert scores.score(Rung.CLIPS, metric).value == pytest.approx(expected)
        honest = np.mean([score(truth, row) for row in scores.answers[Rung.HONEST]])
        assert scores.added(Rung.CLIPS, metric).value == pytest.approx(expected - honest)


def test_leaks_inflate_and_the_honest_recipe_does_not_where_labels_mean_nothing() -> None:
    seeds = 6
    added = {rung: np.zeros(seeds) for rung in LEAKING}
    honest = np.zeros(seeds)
    for seed in range(seeds):
        scores = ladder.audit(voices(seed), LEAKING, n_folds=2, seed=seed)
        honest[seed] = scores.score(Rung.HONEST, "balanced_accuracy").value
        for rung in LEAKING:
            added[rung][seed] = scores.added(rung, "balanced_accuracy").value
    for rung, differences in added.items():
        standard_error = differences.std(ddof=1) / np.sqrt(seeds)
        assert differences.mean() > 2 * standard_error, rung
    assert abs(honest.mean() - 1 / 3) < 0.1


def test_windows_of_sound_are_means_and_deviations_of_mel_bands_and_mfcc() -> None:
    clips = [SimpleNamespace(label=x, infant=x, session="s", phone=None) for x in ("a", "b")]
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=n).astype(np.float32) / 10 for n in (8000, 3000)]
    windows = ladder.windows_of(sounds, clips, sr=8000, window_s=0.4)  # type: ignore[arg-type]
    assert windows.clip.tolist() == [0, 0, 1]
    settings = {"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 40}
    frames = np.hstack(
        [audio.spectral.mel_db(sounds[0], **settings), audio.spectral.mfcc(sounds[0], **settings)]
    )[25:50]
    np.testing.assert_allclose(windows.x[1, :60], frames.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(windows.x[1, 60:], frames.std(axis=0), atol=1e-4)
    assert 0 < np.abs(windows.noisy - windows.x).mean() < np.abs(windows.x).mean()
