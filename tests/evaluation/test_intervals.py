"""Intervals over infants, against closed forms, hand-made cases and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from cryutils.errors import InputError
from cryutils.evaluation import NOT_DRAWN
from cryutils.evaluation.intervals import auc_interval, combined, interval, mean_interval, part_degrees


def clips(right: dict[str, list[tuple[int, int, int]]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return predictions, truth, infants from infant -> [(class, clips right, clips wrong)]."""
    truth, predicted, infants = [], [], []
    for infant, parts in right.items():
        for label, good, bad in parts:
            truth += [label] * (good + bad)
            predicted += [label] * good + [label + 1] * bad
            infants += [infant] * (good + bad)
    return np.array(predicted), np.array(truth), infants


def ends(share: float, effective: float) -> tuple[float, float]:
    """Clopper and Pearson's 95 % bounds, by their beta quantiles."""
    right, wrong = effective * share, effective * (1 - share)
    low = stats.beta.ppf(0.025, right, wrong + 1) if share > 0 else 0.0
    return low, stats.beta.ppf(0.975, right + 1, wrong) if share < 1 else 1.0


def t(df: float) -> float:
    return float(stats.t.ppf(0.975, df))


def test_one_clip_an_infant_has_clopper_and_pearsons_bounds() -> None:
    for right in range(11):
        parts = {f"i{k}": [(0, int(k < right), int(k >= right))] for k in range(10)}
        result = interval(*clips(parts), metric="accuracy")
        # A variance that was estimated has lost one of the ten.
        exact = ends(right / 10, 9 if 0 < right < 10 else 10)
        assert (result.low, result.high) == pytest.approx(exact)
    exact = stats.binomtest(10, 10).proportion_ci(method="exact")
    assert (result.low, result.high) == pytest.approx((exact.low, exact.high))


def test_bounds_of_classes_make_those_of_their_mean_by_mover() -> None:
    # Four infants of each class, one clip each: 3 of 4 right, 0 of 4 right.
    parts = {f"0{i}": [(0, int(i > 0), int(i == 0))] for i in range(4)}
    parts |= {f"1{i}": [(1, 0, 1)] for i in range(4)}
    result = interval(*clips(parts))
    raised = (t(3) / t(6)) ** 2  # two classes of four infants: 2 * (4 - 1) degrees
    variance = 7 * np.var([1, 2 / 3, 2 / 3, 2 / 3, 3 / 4, 3 / 4, 3 / 4, 3 / 4])
    low, high = np.transpose([ends(0.75, 3 / 16 / variance * raised), ends(0.0, 4 * raised)])
    share = np.array([0.75, 0.0])
    assert result.value == pytest.approx(0.375)
    assert result.low == pytest.approx(0.375 - np.sqrt(np.sum((share - low) ** 2)) / 2)
    assert result.high == pytest.approx(0.375 + np.sqrt(np.sum((high - share) ** 2)) / 2)


def test_what_repeats_differ_by_widens_the_interval_and_one_repeat_tells_nothing() -> None:
    """Welch and Satterthwaite's interval, by hand, for six infants with three clips each."""
    _, truth, infants = clips({f"i{k}": [(0, 3, 0)] for k in range(6)})
    right = np.tile([True, True, False], (3, 6))
    right[2, [0, 3]] = False
    repeats = np.where(right, 0, 1)
    alone, same = (interval(r, truth, infants, metric="accuracy") for r in (repeats[0], repeats[[0] * 3]))
    assert [same.low, same.high] == pytest.approx([alone.low, alone.high])
    size, by_infant = np.full((6, 1), 3.0), right.reshape(3, 6, 3).sum(axis=2).mean(axis=0)[:, None]
    bounds = combined(by_infant, size, [1.0], df=part_degrees(size))
    both = interval(repeats, truth, infants, metric="accuracy")
    assert (both.value, both.n) == (pytest.approx(34 / 54), 18)
    among = np.var([12 / 18, 12 / 18, 10 / 18], ddof=1) / 3
    for end, without in ((both.low, bounds.low), (both.high, bounds.high)):
        variance = ((without - both.value) / t(5)) ** 2
        df = (variance + among) ** 2 / (variance**2 / 5 + among**2 / 2)
        assert abs(end - both.value) == pytest.approx(t(df) * np.sqrt(variance + among))


def test_a_class_of_one_infant_has_no_interval_and_says_why() -> None:
    predicted, truth, infants = clips({"a": [(0, 2, 0)], "b": [(0, 1, 1)], "c": [(1, 3, 1)]})
    result = interval(predicted, np.array(["hungry", "tired"])[truth], infants)
    assert (result.value, result.low, result.high, result.se) == (0.75, None, None, None)
    assert str(result) == f"0.75 (no interval: {result.reason})"
    assert "class 'tired' comes from one infant" in result.reason
    enough = interval(predicted, truth, infants, metric="accuracy")
    assert str(enough) == f"{enough.value:.2f} [{enough.low:.2f}, {enough.high:.2f}]"
    with pytest.raises(InputError, match="3 predictions"):
        interval(predicted[:3], truth, infants)
    with pytest.raises(InputError, match="Did you mean accuracy"):
        interval(predicted, truth, infants, metric="acuracy")


# An infant, a class, and the answers of two models: other numbers are no answer.
CELL = st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(-1, 3), st.integers(-1, 3))


@given(
    st.lists(CELL, min_size=1, max_size=25), st.sampled_from(["balanced_accuracy", "accuracy", "macro_f1"])
)
def test_a_score_lies_in_its_interval_and_that_within_what_it_can_be(cells, metric) -> None:
    cells = [*cells, *((infant, k, k, 0) for k in range(3) for infant in "xy")]
    infants, *columns = zip(*cells, strict=True)
    truth, a, b = map(np.array, columns)
    first, second = (interval(p, truth, infants, metric=metric) for p in (a, b))
    for result in (first, second):
        assert 0 <= result.low <= result.value <= result.high <= 1
        assert result.low < result.high
    gain, loss = (interval(p, truth, infants, metric=metric, rival=q) for p, q in ((a, b), (b, a)))
    assert gain.value == pytest.approx(first.value - second.value)
    assert -1 <= gain.low <= gain.value <= gain.high <= 1
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low))


def test_macro_f1_is_scikit_learns_with_a_jackknife_by_hand_and_no_answer_is_wrong() -> None:
    y, predicted = np.array([[0, 0, 1, 1, 2, 2, 0, 1, 2, 0], [0, 1, -1, 1, 2, 0, 0, 2, 2, -1]])
    infants = np.array([*"abcabcabcd"])

    def f1(part: np.ndarray) -> float:
        return f1_score(y[part], predicted[part], labels=[0, 1, 2], average="macro")

    estimate = interval(predicted, y, infants, metric="macro_f1")
    assert estimate.value == pytest.approx(f1(infants != ""))
    assert estimate.se == pytest.approx(np.sqrt(3 * np.var([f1(infants != name) for name in "abcd"])))


def test_pairs_are_of_one_fold_and_a_clip_without_an_answer_ties() -> None:
    rng, infants = np.random.default_rng(1), np.repeat(np.arange(12), 4)
    truth, fold = rng.permutation(np.arange(48) % 3), rng.integers(0, 3, 48)
    scores = (rng.normal(size=(48, 3)) + np.eye(3)[truth]).round(1)
    scores[[0, 7, 20]] = np.nan
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]

    def area(part: np.ndarray) -> float:
        shares = []
        for k in range(3):
            pairs = [
                (scores[i, k] > scores[j, k]) + 0.5 * (scores[i, k] == scores[j, k])
                if not np.isnan(scores[[i, j], k]).any()
                else 0.5
                for i in np.flatnonzero(part & (truth == k))
                for j in np.flatnonzero(part & (truth != k) & (fold == fold[i]))
            ]
            shares.append(np.mean(pairs))
        return float(np.mean(shares))

    result = auc_interval(scores, truth, infants.astype(str), [folds])
    without = np.array([area(infants != infant) for infant in range(12)])
    assert result.value == pytest.approx(area(infants >= 0))
    assert result.se == pytest.approx(np.sqrt(11 * without.var()))
    repeats = auc_interval(np.stack([scores, -scores]), truth, infants.astype(str))
    assert (repeats.low, repeats.high) == (0, 1), "two repeats that contradict each other"


def test_a_mean_between_two_limits_has_the_bounds_of_a_share() -> None:
    limits, scale = (-3, 1), 4
    right = np.array([[1, 1], [1, 0], [0, 0], [1, 1], [0, 1], [1, 1]])
    for shares in (right, np.ones((6, 2)), np.zeros((6, 2)), right * 0.7):
        infants = np.repeat(list("abcdef"), 2)
        estimate = mean_interval(limits[0] + scale * shares.ravel(), infants, limits=limits)
        means = shares.mean(axis=1)
        share, variance = means.mean(), means.var(ddof=1) / 6
        effective = share * (1 - share) / variance if variance else 12 / 1.5
        effective = min(effective, 12) * (t(11) / t(5)) ** 2
        low, high = (limits[0] + scale * end for end in ends(share, effective))
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
        assert estimate.se == pytest.approx(scale * np.sqrt(variance))


def test_an_interval_over_draws_is_about_their_mean() -> None:
    """Three draws, each of 30 of 45 clips of 9 infants."""
    rng = np.random.default_rng(5)
    truth, infants = np.arange(45) % 3, np.repeat(np.arange(9), 5).astype(str)
    answers = np.where(rng.random((3, 45)) < 0.6, truth, (truth + 1) % 3)
    for row in answers:
        row[rng.permutation(45)[:15]] = NOT_DRAWN
    result = interval(answers, truth, infants, metric="accuracy")
    each = [np.mean((row == truth)[row != NOT_DRAWN]) for row in answers]
    assert result.value == pytest.approx(np.mean(each))
    assert (result.n, result.n_infants) == (30, 9)
    right, clips = (answers == truth).sum(axis=0), (answers != NOT_DRAWN).sum(axis=0)
    left = np.array([right[infants != i].sum() / clips[infants != i].sum() for i in set(infants)])
    assert result.se == pytest.approx(np.sqrt(8 * left.var()))
