"""The audit's rungs: each mistake is made, nothing else differs, and chance stays chance."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cryutils
from cryutils import audio
from cryutils.errors import InputError
from cryutils.evaluation.splits import Split
from cryutils.papers import audit
from cryutils.papers.audit import Effect, Rows, Rung, Windows

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


def sizes_of(windows: Windows, n_folds: int = 4) -> np.ndarray:
    divisions = {unit: audit.divide(windows, unit, n_folds=n_folds) for unit in Split}
    return audit.training_sizes(divisions, windows.y)


@pytest.mark.parametrize("unit", Split)
def test_a_division_tests_every_window_once_and_keeps_its_unit_whole(unit: Split) -> None:
    windows = voices()
    for repeat in audit.divide(windows, unit, n_folds=4, repeats=2):
        tested = np.concatenate([part.test for part in repeat])
        assert sorted(tested) == list(range(len(windows.y)))
        for division in repeat:
            everything = np.concatenate(division)
            assert sorted(everything) == list(range(len(windows.y)))
            whose = [set(windows.units(unit)[part]) for part in division]
            assert not (whose[0] & whose[1] or whose[0] & whose[2] or whose[1] & whose[2])


@pytest.mark.parametrize(
    ("rung", "larger"),
    [(Rung.WINDOWS, Split.CLIP), (Rung.CLIPS, Split.SESSION), (Rung.SESSIONS, Split.INFANT)],
)
def test_a_smaller_unit_has_the_next_larger_on_both_sides(rung: Rung, larger: Split) -> None:
    windows = voices()
    for division in audit.divide(windows, audit.UNITS[rung], n_folds=4)[0]:
        whose = windows.units(larger)
        shared = np.isin(whose[division.test], whose[division.fit])
        assert shared.mean() > 0.3


def test_every_rung_fits_on_equally_many_rows_of_each_class_of_equally_many_windows() -> None:
    windows = voices()
    sizes = sizes_of(windows)
    for rung in set(Rung) - {Rung.MAJORITY}:
        unit = audit.UNITS.get(rung, Split.INFANT)
        for division in audit.divide(windows, unit, n_folds=4)[0]:
            rows = audit.training_rows(windows, division.fit, sizes, audit.mistakes(rung))
            assert np.bincount(rows.y).tolist() == [2 * sizes.max()] * 3


def test_only_what_was_made_before_the_split_brings_tested_windows_into_the_fit() -> None:
    windows = numbered(voices())
    sizes = sizes_of(windows)
    division = audit.divide(windows, Split.INFANT, n_folds=4)[0][0]

    def tested(rung: Rung) -> tuple[int, int]:
        rows = audit.training_rows(windows, division.fit, sizes, audit.mistakes(rung))
        numbers = rows.x[:, 0].astype(int)
        clean, copies = numbers[numbers < 10_000], numbers[numbers >= 10_000] - 10_000
        return int(np.isin(clean, division.test).sum()), int(np.isin(copies, division.test).sum())

    assert tested(Rung.HONEST) == tested(Rung.SCALER) == (0, 0)
    repeats, copies = tested(Rung.OVERSAMPLE)
    assert repeats > 0 and copies == 0
    repeats, copies = tested(Rung.AUGMENT)
    assert repeats == 0 and copies > 0
    assert min(tested(Rung.ALL)) > 0
    rows = audit.training_rows(windows, division.fit, sizes, audit.mistakes(Rung.ALL))
    assert windows.y[rows.x[:, 0].astype(int) % 10_000].tolist() == rows.y.tolist()


def test_each_step_is_fitted_on_the_rows_and_the_wrong_one_on_the_test_as_well() -> None:
    rng = np.random.default_rng(3)
    rows = Rows(rng.normal(size=(40, 30)), np.arange(40) % 2)
    test = Rows(3.0 * rng.normal(size=(20, 30)), np.arange(20) % 2)
    steps = [
        StandardScaler(),
        SelectKBest(k=audit.SELECTED),
        PCA(audit.COMPONENTS, svd_solver="full"),
    ]
    theirs = make_pipeline(*steps).fit(*rows).transform(test.x)
    _, ours, other = audit.represent(rows, test, [test.x])
    np.testing.assert_allclose([ours, other], [theirs, theirs], atol=1e-12)
    for rung in (Rung.SCALER, Rung.SELECTION, Rung.AUTOENCODER):
        wrong = audit.represent(rows, test, [], audit.mistakes(rung))[1]
        assert not np.allclose(np.abs(wrong), np.abs(theirs)), rung


def test_selection_on_everything_finds_a_feature_that_tells_the_test_labels_alone() -> None:
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(40, 60)), np.arange(40) % 2)
    test = Rows(rng.normal(size=(40, 60)), np.arange(40) % 2)
    test.x[:, 7] = 20.0 * test.y
    scores = SelectKBest(k=audit.SELECTED).fit(rows.x, rows.y).scores_
    assert scores[7] < np.sort(scores)[-audit.SELECTED], "the rows don't select it"
    spread = [
        np.abs(audit.represent(rows, test, [], wrong)[1]).max()
        for wrong in (frozenset(), audit.mistakes(Rung.SELECTION))
    ]
    assert spread[1] > 2 * spread[0]


def noise(seed: int) -> list[Rows]:
    rng = np.random.default_rng(seed)
    return [Rows(rng.normal(size=(n, 5)), rng.permutation(np.arange(n) % 3)) for n in (90, 30, 30)]


def test_an_epoch_chosen_on_the_test_scores_above_chance_on_noise() -> None:
    added = []
    for seed in range(8):
        rows, validation, test = noise(seed)
        wrong, honest = (
            audit.ensemble(rows, validation, test, mistakes, seed=seed).argmax(axis=1)
            for mistakes in (audit.mistakes(Rung.EPOCHS), frozenset())
        )
        scores = [balanced_accuracy_score(test.y, answers) for answers in (wrong, honest)]
        added.append(scores[0] - scores[1])
    assert np.mean(added) > 0


def test_in_sample_weights_choose_the_neighbours_alone() -> None:
    rows, validation, test = noise(0)
    neighbours = KNeighborsClassifier(audit.NEIGHBOURS, weights="distance").fit(rows.x, rows.y)
    joined = audit.ensemble(rows, validation, test, audit.mistakes(Rung.STACKING))
    np.testing.assert_allclose(joined, neighbours.predict_proba(test.x))
    honest = audit.ensemble(rows, validation, test)
    assert not np.allclose(honest, joined)
    np.testing.assert_allclose(honest.sum(axis=1), 1)


def test_the_majoritys_accuracy_is_its_share_and_its_balanced_accuracy_chance() -> None:
    windows = voices()
    scores = audit.audit(windows, [Rung.MAJORITY])
    share = np.mean(windows.labels == "hungry")
    assert scores.score(Rung.MAJORITY, "accuracy").value == pytest.approx(share)
    assert scores.score(Rung.MAJORITY, "balanced_accuracy").value == pytest.approx(1 / 3)


def test_constant_features_score_chance_where_nothing_leaks() -> None:
    windows = voices(main=(4, 4, 4))  # and each infant of one class alone: every fold is alike
    windows = replace(windows, labels=np.repeat(CLASSES, 16))
    blank = replace(windows, x=np.zeros_like(windows.x), noisy=np.zeros_like(windows.x))
    scores = audit.audit(blank, [Rung.SCALER, Rung.SELECTION, Rung.AUTOENCODER, Rung.STACKING])
    for rung in scores.answers:
        score = scores.score(rung, "balanced_accuracy")
        assert score.value == pytest.approx(1 / 3), rung


def test_clips_are_answered_from_all_of_their_windows_by_scikit_learns_scores() -> None:
    windows = voices(signal=2.0)
    scores = audit.audit(windows, [Rung.CLIPS], repeats=2, seed=5)
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


def test_one_fold_by_hand_comes_to_what_the_audit_answers() -> None:
    windows = voices(signal=1.0)
    division = audit.divide(windows, Split.INFANT, n_folds=4)[0][2]
    likely = audit.answer(windows, division, sizes_of(windows), seed=[0, 0, 2])
    means = np.array([likely[windows.clip[division.test] == clip].mean(axis=0)
                      for clip in np.unique(windows.clip[division.test])])  # fmt: skip
    (answers,) = audit.audit(windows, []).answers[Rung.HONEST]
    assert means.argmax(axis=1).tolist() == answers[np.unique(windows.clip[division.test])].tolist()


def test_leaks_inflate_and_the_honest_recipe_does_not_where_labels_mean_nothing() -> None:
    seeds = 6
    added = {rung: np.zeros(seeds) for rung in LEAKING}
    honest = np.zeros(seeds)
    for seed in range(seeds):
        scores = audit.audit(voices(seed), LEAKING, n_folds=2, seed=seed)
        honest[seed] = scores.score(Rung.HONEST, "balanced_accuracy").value
        for rung in LEAKING:
            added[rung][seed] = scores.added(rung, "balanced_accuracy").value
    for rung, differences in added.items():
        standard_error = differences.std(ddof=1) / np.sqrt(seeds)
        assert differences.mean() > 2 * standard_error, rung
    assert abs(honest.mean() - 1 / 3) < 0.1


def test_the_null_test_permutes_whole_infants_and_tests_the_score_that_is_printed() -> None:
    windows = voices(signal=6.0)
    test = audit.null_test(windows, n_folds=2, permutations=9)
    (p_value,) = test.p_values.values()
    assert p_value == pytest.approx(0.1), "the least that 9 permutations can show"
    printed = audit.audit(windows, [], n_folds=2).score(Rung.HONEST, "balanced_accuracy").value
    assert test.observed[0] == pytest.approx(printed)
    again = audit.null_test(windows, n_folds=2, permutations=2)
    np.testing.assert_array_equal(again.null, test.null[:2])


def test_windows_of_sound_are_means_and_deviations_of_mel_bands_and_mfcc() -> None:
    clips = [SimpleNamespace(label=label, infant=label, session="s") for label in ("a", "b")]
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=n).astype(np.float32) / 10 for n in (8000, 3000)]
    windows = audit.windows_of(sounds, clips, sr=8000, window_s=0.4)  # type: ignore[arg-type]
    assert windows.clip.tolist() == [0, 0, 1]
    settings = {"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 40}
    frames = np.hstack(
        [audio.spectral.mel_db(sounds[0], **settings), audio.spectral.mfcc(sounds[0], **settings)]
    )[25:50]
    np.testing.assert_allclose(windows.x[1, :60], frames.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(windows.x[1, 60:], frames.std(axis=0), atol=1e-4)
    assert 0 < np.abs(windows.noisy - windows.x).mean() < np.abs(windows.x).mean()


def test_a_corpus_of_synthetic_voices_goes_through_the_whole_audit(apart) -> None:
    corpus = cryutils.load(
        "synthetic", classes=["hungry", "tired"], infants=8, clips_per_infant=3, duration_s=1.0,
        sr=8000, signal=0.0, progress=False,
    )  # fmt: skip
    windows = audit.windows_of(audio.signals(corpus), corpus, sr=8000, window_s=0.5)
    table = audit.audit(windows, n_folds=3).table()
    assert list(table.rung.unique()) == list(Rung)
    assert set(table.metric) == set(audit.METRICS)
    assert table[table.rung == Rung.HONEST].added.tolist() == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("seed", range(20))
def test_three_infants_of_each_class_can_be_divided_in_three(seed: int) -> None:
    counts = [9, 1, 2, 1, 1, 3]
    labels, infants = np.repeat(list("aaabbb"), counts), np.repeat(list("uvwxyz"), counts)
    x = np.zeros((len(labels), 1))
    windows = audit.Windows(x, x, np.arange(len(labels)), labels, infants, infants)
    for part in audit.divide(windows, Split.INFANT, n_folds=4, seed=seed)[0]:
        groups = [set(infants[rows]) for rows in part]
        assert len(set().union(*groups)) == sum(map(len, groups))
        assert {*labels[part.fit]} == {*labels[part.validation]} == {"a", "b"}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.3, Effect.UP), (-0.04, 0.04, Effect.NONE), (-0.04, 0.06, Effect.OPEN),
     (-0.06, 0.01, Effect.OPEN), (None, None, Effect.OPEN)],
)  # fmt: skip
def test_an_effect_is_read_off_the_whole_interval(low, high, expected: Effect) -> None:
    assert audit.effect(low, high) is expected


def test_the_effects_of_two_corpora_are_read_off_their_results() -> None:
    windows = voices()
    audited = audit.audit(windows, [Rung.OVERSAMPLE, Rung.MAJORITY], n_folds=2)
    rows = audited.results("synthetic")
    assert set(rows.condition) == {"oversample", "majority"}
    assert dict(zip(rows.condition, rows.split, strict=True)) == {
        "oversample": "clip", "majority": "infant",
    }  # fmt: skip
    added = audited.added(Rung.OVERSAMPLE, "balanced_accuracy")
    table = audit.effects(pd.concat([rows, rows.assign(data="mine")]))
    assert table.index.tolist() == [audit.MISTAKES[rung] for rung in ("oversample", "majority")]
    for name in ("synthetic infants", "mine"):
        first = table[name].iloc[0]
        assert first.adds == f"{added.value:+.2f} [{added.low:+.2f}, {added.high:+.2f}]"
        assert first.measured == audit.effect(added.low, added.high)
        assert first.expected == Effect.UP
    commonest = audited.added(Rung.MAJORITY, "accuracy")
    assert table["mine"].adds.iloc[1].startswith(f"{commonest.value:+.2f} [")


def test_expectations_differ_between_synthetic_and_real_recordings() -> None:
    tables = {data: audit.expected(data).expected for data in ("synthetic", "donateacry", "mine")}
    assert tables["mine"].equals(tables["donateacry"])
    assert tables["synthetic"]["sessions"] == Effect.UP
    assert tables["mine"]["sessions"] == Effect.NONE


def test_synthetic_voices_are_loaded_imbalanced_and_other_corpora_as_they_are(apart) -> None:
    small = {"infants": 12, "clips_per_infant": 2, "duration_s": 0.5, "sr": 8000, "seed": 0}
    whole = cryutils.load("synthetic", **small, progress=False)
    corpus = audit.load("synthetic", **small)
    assert list(corpus) == list(audit.make_imbalanced(whole, "hungry"))
    two = audit.load("synthetic", classes=["hungry", "tired"], **small)
    assert list(two.classes) == ["hungry", "tired"]


def test_a_mistyped_rung_and_windows_without_two_frames_are_refused() -> None:
    with pytest.raises(InputError, match=r"no rung 'augmnt'.*augment"):
        audit.audit(voices(), ["augmnt"])
    with pytest.raises(InputError, match=r"window_s=0.01"):
        audit.windows_of([], [], sr=8000, window_s=0.01)
