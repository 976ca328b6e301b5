"""Intervals over infants, against closed forms, hand-made cases and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from cryutils.errors import InputError
from cryutils.evaluation import NOT_DRAWN
from cryutils.evaluation.intervals import (
    Bounds,
    Metric,
    add_between_run_variance,
    auc_interval,
    combined,
    degrees_of_freedom,
    interval,
    mean_interval,
    paired_interval,
    part_degrees,
)


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


def test_equal_clusters_count_as_many_clips_as_their_means_vary_like() -> None:
    means = np.array([1.0, 0.75, 0.5, 0.75, 0.25, 0.5])
    predicted, truth, infants = clips(
        {f"i{k}": [(0, int(4 * m), int(4 * (1 - m)))] for k, m in enumerate(means)}
    )
    result = interval(predicted, truth, infants, metric="accuracy")
    variance, share = means.var(ddof=1) / 6, means.mean()
    assert (result.value, result.se) == pytest.approx((share, np.sqrt(variance)))
    effective = share * (1 - share) / variance * (t(23) / t(5)) ** 2
    assert effective < 24
    assert (result.low, result.high) == pytest.approx(ends(share, effective))
    assert (result.n, result.n_infants) == (24, 6)


def test_clips_that_vary_less_than_single_ones_count_no_more_than_these() -> None:
    # Each infant has two of four right, so that nothing varies from infant to infant ...
    even = interval(*clips({f"i{k}": [(0, 2, 2)] for k in range(6)}), metric="accuracy")
    assert (even.low, even.high) == pytest.approx(ends(0.5, 24 / 2.5 * (t(23) / t(5)) ** 2))
    # ... and here less than if every clip were another infant's.
    some = {f"i{k}": [(0, 2 + (k == 0), 2 - (k == 0))] for k in range(6)}
    less = interval(*clips(some), metric="accuracy")
    assert (less.low, less.high) == pytest.approx(ends(13 / 24, 24 * (t(23) / t(5)) ** 2))


def test_the_jackknife_of_balanced_accuracy_by_hand() -> None:
    # Class 0: a 1/2, b 2/2. Class 1: b 1/1, c 0/2, d 2/2. Infant b has clips of both.
    predicted, truth, infants = clips(
        {"a": [(0, 1, 1)], "b": [(0, 2, 0), (1, 1, 0)], "c": [(1, 0, 2)], "d": [(1, 2, 0)]}
    )
    result = interval(predicted, truth, infants)
    left = np.array([(1 + 3 / 5) / 2, (1 / 2 + 2 / 4) / 2, (3 / 4 + 1) / 2, (3 / 4 + 1 / 3) / 2])
    assert result.value == pytest.approx((3 / 4 + 3 / 5) / 2)
    assert result.se == pytest.approx(np.sqrt(3 / 4 * np.sum((left - left.mean()) ** 2)))


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


def test_classes_that_rise_and_fall_together_widen_the_interval() -> None:
    # Every second infant has all three clips of class 0 right; class 1 the same, or the reverse.
    def eight(reversed_: bool) -> dict[str, list[tuple[int, int, int]]]:
        rights = [(3 * (k % 2), 3 * ((k + reversed_) % 2)) for k in range(8)]
        return {f"i{k}": [(0, a, 3 - a), (1, b, 3 - b)] for k, (a, b) in enumerate(rights)}

    together, apart = interval(*clips(eight(False))), interval(*clips(eight(True)))
    assert together.se == pytest.approx(np.std([0, 1] * 4, ddof=1) / np.sqrt(8))
    assert apart.se == pytest.approx(0)
    half = ends(0.5, 7 * (t(23) / t(7)) ** 2)[1] - 0.5
    for result, correlation in ((together, 7 / 8), (apart, -7 / 8)):
        reach = half * np.sqrt((1 + correlation) / 2)
        assert (result.low, result.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_degrees_of_freedom_add_up_over_equal_classes_and_fall_with_one_large_infant() -> None:
    def df(sizes: list[list[int]]) -> float:
        table = np.zeros((sum(map(len, sizes)), len(sizes)))
        start = 0
        for k, row in enumerate(sizes):
            table[start : start + len(row), k] = row
            start += len(row)
        return degrees_of_freedom(table)

    assert df([[4] * 6, [4] * 6]) == pytest.approx(10)
    assert df([[4] * 6, [24, 2, 2, 2]]) < 4
    assert df([[2, 2], [2, 2]]) == pytest.approx(2)


# Three repeats of six infants with three clips: two are right, and two less in the last repeat.
_, TRUTH, INFANTS = clips({f"i{k}": [(0, 3, 0)] for k in range(6)})
RIGHT = np.tile([True, True, False], (3, 6))
RIGHT[2, [0, 3]] = False
SIZE = np.full((6, 1), 3.0)


def by_infant(right: np.ndarray) -> np.ndarray:
    """Return the mean number of right answers over repeats, (infants, 1)."""
    return right.reshape(3, 6, 3).sum(axis=2).mean(axis=0)[:, None]


def test_what_repeats_differ_by_widens_the_interval_and_one_repeat_tells_nothing() -> None:
    repeats = np.where(RIGHT, 0, 1)
    alone, same = (
        interval(rows, TRUTH, INFANTS, metric="accuracy") for rows in (repeats[0], repeats[[0] * 3])
    )
    assert [same.low, same.high] == pytest.approx([alone.low, alone.high])
    bounds = combined(by_infant(RIGHT), SIZE, [1.0], df=part_degrees(SIZE))
    both = interval(repeats, TRUTH, INFANTS, metric="accuracy")
    assert (both.value, both.n) == (pytest.approx(34 / 54), 18)
    for end, without in ((both.low, bounds.low), (both.high, bounds.high)):
        expected = reach(without - both.value, 5, [12 / 18, 12 / 18, 10 / 18])
        assert abs(end - both.value) == pytest.approx(expected)


def reach(half: float, df: float, alone: list[float]) -> float:
    """Half an interval over infants, with what repeats differ by: Welch and Satterthwaite's."""
    infants = (half / stats.t.ppf(0.975, df)) ** 2
    among, degrees = np.var(alone, ddof=1) / len(alone), len(alone) - 1
    together = (infants + among) ** 2 / (infants**2 / df + among**2 / degrees)
    return stats.t.ppf(0.975, together) * np.sqrt(infants + among)


@pytest.mark.parametrize(("count", "among"), [(2, 0.5), (2, 2.0), (3, 2.0)])
def test_with_what_repeats_differ_by_the_interval_covers(count, among) -> None:
    rng, corpora, df = np.random.default_rng(0), 2000, 10
    covered, quantile = 0, stats.t.ppf(0.975, df)
    for _ in range(corpora):  # the truth is 0
        repeats = rng.normal(rng.normal(), np.sqrt(among), count)
        half = quantile * np.sqrt(rng.chisquare(df) / df)
        score = repeats.mean()
        bounds = Bounds(*(np.asarray(x) for x in (score, score - half, score + half, half)))
        wider = add_between_run_variance(bounds, [repeats], df=df, limits=(-np.inf, np.inf))
        covered += wider.low <= 0 <= wider.high
    assert covered / corpora > 0.93


def test_two_models_repeats_are_paired_where_there_are_as_many() -> None:
    """Repeats that move both models alike leave the difference as sure as one repeat does."""
    models = RIGHT, RIGHT & (np.arange(18) != 1)  # one clip less in each repeat
    answers = (np.where(right, 0, 1) for right in models)
    paired = paired_interval(*answers, TRUTH, INFANTS, metric="accuracy")
    right, sizes = np.hstack([by_infant(right) for right in models]), np.hstack([SIZE, SIZE])
    bounds = combined(right, sizes, [1.0, -1.0], df=np.tile(part_degrees(SIZE), 2))
    assert (paired.low, paired.high) == pytest.approx((bounds.low, bounds.high))


@pytest.mark.parametrize("metric", ["balanced_accuracy", "accuracy", "macro_f1"])
def test_labels_may_be_names_or_indices_and_indices_may_leave_some_out(metric) -> None:
    parts = {"a": [(0, 1, 1)], "b": [(0, 2, 0)], "c": [(1, 1, 1)], "d": [(1, 2, 0)]}
    predicted, truth, infants = clips(parts)
    first = interval(predicted, np.array(["hungry", "tired"])[truth], infants, metric=metric)
    assert first == interval(predicted, truth, infants, metric=metric)
    assert first == interval(3 * predicted, 3 * truth, infants, metric=metric)


def test_a_class_of_one_infant_has_no_interval_and_says_why() -> None:
    predicted, truth, infants = clips({"a": [(0, 2, 0)], "b": [(0, 1, 1)], "c": [(1, 3, 1)]})
    labels = np.array(["hungry", "tired"])[truth]
    result = interval(predicted, labels, infants)
    assert (result.low, result.high, result.se) == (None, None, None)
    assert result.value == pytest.approx(0.75)
    assert str(result) == f"0.75 (no interval: {result.reason})"
    assert "class 'tired' comes from one infant" in result.reason
    enough = interval(predicted, labels, infants, metric="accuracy")
    assert str(enough) == f"{enough.value:.2f} [{enough.low:.2f}, {enough.high:.2f}]"


def test_a_class_of_which_nothing_is_recognised_is_not_taken_for_certain() -> None:
    # As cry2 on DonateACry: 0 of 16 clips of 7 infants, all of 40 infants in the other class.
    parts = {f"p{k}": [(0, 0, n)] for k, n in enumerate((8, 3, 1, 1, 1, 1, 1))}
    parts |= {f"h{k}": [(1, 2, 0)] for k in range(40)}
    result = interval(*clips(parts))
    assert (result.value, result.se) == (0.5, 0)
    assert result.low is not None and 0.45 < result.low < 0.49
    assert result.high is not None and result.high > 0.6


def test_wrong_input_is_one_line() -> None:
    predicted, truth, infants = clips({"a": [(0, 1, 1)], "b": [(0, 1, 1)]})
    with pytest.raises(InputError, match="do not belong together"):
        interval(predicted[:3], truth, infants)
    with pytest.raises(InputError, match="Did you mean accuracy"):
        interval(predicted, truth, infants, metric="acuracy")
    with pytest.raises(InputError, match="no interval for metric 'roc_auc'"):
        interval(predicted, truth, infants, metric="roc_auc")


@given(st.data())
def test_a_score_lies_in_its_interval_and_that_within_what_it_can_be(data) -> None:
    cells = data.draw(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(-1, 3),
                      st.integers(-1, 3)),
            min_size=1, max_size=25,
        )
    )  # fmt: skip
    cells += [(infant, k, k, 0) for k in range(3) for infant in "xy"]
    infants, truth, a, b = zip(*cells, strict=True)
    metric = data.draw(st.sampled_from(["balanced_accuracy", "accuracy", "macro_f1"]))
    first, second = (interval(np.array(p), np.array(truth), infants, metric=metric) for p in (a, b))
    for result in (first, second):
        assert 0 <= result.low <= result.value <= result.high <= 1
        assert result.low < result.high
    gain, loss = (
        paired_interval(np.array(p), np.array(q), np.array(truth), infants, metric=metric)
        for p, q in ((a, b), (b, a))
    )
    assert gain.value == pytest.approx(first.value - second.value)
    assert -1 <= gain.low <= gain.value <= gain.high <= 1
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low))


def test_a_difference_of_two_shares_by_hand() -> None:
    # Two models on one clip of each of 8 infants: A right on 6, B on 3, both on 2.
    a = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    b = np.array([1, 1, 1, 1, 0, 0, 0, 1])
    infants = [f"i{k}" for k in range(8)]
    gain = paired_interval(a, b, np.zeros(8, int), infants, metric="accuracy")
    (low_a, high_a), (low_b, high_b) = ends(6 / 8, 7), ends(3 / 8, 7)
    r = 7 / 8 * np.corrcoef(a == 0, b == 0)[0, 1]
    down, up = 6 / 8 - low_a, high_b - 3 / 8
    assert gain.value == pytest.approx(3 / 8)
    assert gain.low == pytest.approx(3 / 8 - np.sqrt(down**2 + up**2 - 2 * r * down * up))
    down, up = high_a - 6 / 8, 3 / 8 - low_b
    assert gain.high == pytest.approx(3 / 8 + np.sqrt(down**2 + up**2 - 2 * r * down * up))


def test_many_corpora_at_once_are_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, (9, 3)).astype(float)
    right = rng.binomial(sizes.astype(int), 0.6, (20, 9, 3)).astype(float)
    weights, df = [0.5, 0.5, -1], np.full(3, 8.0)
    together = combined(right, np.broadcast_to(sizes, right.shape), weights, df=df)
    for k in range(20):
        alone = combined(right[k], sizes, weights, df=df)
        assert [each[k] for each in together] == pytest.approx(list(alone))


# Clips of each infant of a class. Like DonateACry: three small classes and one of 400 clips.
DONORS = [[8, 3] + [1] * 5, [5, 4, 3, 2, 2] + [1] * 11, [3, 3] + [2] * 4 + [1] * 10, [2] * 190]


def coverage(
    sizes: list[list[int]], models: list[list[float]], metric: Metric, corpora: int
) -> float:
    """Return how often the interval of a model, or of a difference, covers the true score.

    `models` gives the recalls of each, to which one clip a class is added, half right. The clips of
    an infant are right with a share of its own (beta), as much as a correlation of 0.3; wrong ones
    are called the next class.
    """
    clips = np.array([sum(row) for row in sizes])
    infant = np.repeat(np.arange(sum(map(len, sizes))), [n for row in sizes for n in row])
    truth, rng = np.repeat(np.arange(len(sizes)), clips), np.random.default_rng(0)
    recalls = (clips * np.array(models) + 0.5) / (clips + 1)
    called = clips * recalls + np.roll(clips * (1 - recalls), 1, axis=1)
    precision = clips * recalls / called
    scores = {
        "balanced_accuracy": recalls.mean(axis=1),
        "accuracy": recalls @ clips / clips.sum(),
        "macro_f1": (2 * precision * recalls / (precision + recalls)).mean(axis=1),
    }[metric]
    score, covered = scores[0] - sum(scores[1:]), 0
    for _ in range(corpora):
        answers = []
        for recall in recalls[:, truth]:
            share = rng.beta(recall * 0.7 / 0.3, (1 - recall) * 0.7 / 0.3)
            share = share[np.unique(infant, return_index=True)[1]][infant]
            right = rng.random(len(truth)) < share
            answers.append(np.where(right, truth, (truth + 1) % len(sizes)))
        scored = interval if len(models) == 1 else paired_interval
        result = scored(*answers, truth, infant.astype(str), metric=metric)
        covered += result.low <= score <= result.high
    return covered / corpora


@pytest.mark.parametrize("metric", ["balanced_accuracy", "accuracy", "macro_f1"])
@pytest.mark.parametrize("recalls", [[0.97] * 4, [0, 0, 0.04, 0.9], [1, 1, 1, 1]])
def test_it_covers_at_recalls_near_0_and_1(recalls, metric) -> None:
    for models in ([recalls], [recalls, [0.5] * 4]):
        assert coverage(DONORS, models, metric, corpora=400) >= 0.93


def test_with_many_infants_it_covers_what_it_promises() -> None:
    share = coverage([[4] * 100] * 2, [[0.6, 0.7]], "balanced_accuracy", corpora=2000)
    assert 0.93 <= share <= 0.97


def test_macro_f1_is_scikit_learns_with_a_jackknife_by_hand_and_no_answer_is_wrong() -> None:
    y = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 0])
    infants = np.array(list("abcabcabcd"))
    for predicted in np.array([[0, 1, 1, 1, 2, 0, 0, 2, 2, 0], [0, 1, -1, 1, 2, 0, 0, 2, 2, -1]]):

        def f1(clips: np.ndarray, predicted: np.ndarray = predicted) -> float:
            return f1_score(y[clips], predicted[clips], labels=[0, 1, 2], average="macro")

        estimate = interval(predicted, y, infants, metric="macro_f1")
        without = [f1(infants != name) for name in "abcd"]
        assert estimate.value == pytest.approx(f1(infants != ""))
        assert estimate.se == pytest.approx(np.sqrt(3 * np.var(without)))


def ranked(seed: int, *, infants: int = 12, signal: float = 1.0) -> tuple[np.ndarray, ...]:
    """Return scores (clips, 3), truth and infants, each infant with its own leaning."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(infants), 4)
    truth = np.concatenate([np.arange(3), rng.integers(0, 3, 4 * infants - 3)])
    leaning = rng.normal(0, 0.7, (infants, 3))[whose]
    return rng.normal(0, 1, (4 * infants, 3)) + leaning + signal * np.eye(3)[truth], truth, whose


def test_the_area_under_the_roc_curve_is_scikit_learns_and_its_jackknife_by_hand() -> None:
    scores, truth, infants = ranked(0)
    scores = scores.round(1)  # some ties

    def area(clips: np.ndarray) -> float:
        each = [roc_auc_score(truth[clips] == k, scores[clips, k]) for k in range(3)]
        return float(np.mean(each))

    result = auc_interval(scores, truth, infants.astype(str))
    without = np.array([area(infants != infant) for infant in range(12)])
    assert result.value == pytest.approx(area(infants >= 0))
    assert result.se == pytest.approx(np.sqrt(11 * without.var()))
    assert 0.5 < result.low < result.value < result.high < 1
    repeats = auc_interval(np.stack([scores, -scores]), truth, infants.astype(str))
    assert repeats.value == pytest.approx(0.5)
    assert (repeats.low, repeats.high) == (0, 1), "two repeats that contradict each other"
    same = auc_interval(np.stack([scores] * 3), truth, infants.astype(str))
    assert [same.low, same.high] == pytest.approx([result.low, result.high])


def test_clips_of_different_folds_are_not_compared() -> None:
    # Both halves are ranked without a fault, but on scales that lie apart.
    truth = np.tile([0, 1], 8)
    infants = [f"i{k}" for k in range(16)]
    scores = np.eye(2)[truth] + 10 * (np.arange(16) >= 8)[:, None] * [[1, 0]]
    halves = [(np.arange(8, 16), np.arange(8)), (np.arange(8), np.arange(8, 16))]
    assert auc_interval(scores, truth, infants).value < 0.9
    assert auc_interval(scores, truth, infants, [halves]).value == 1
    twice = np.stack([scores, -scores])
    assert auc_interval(twice, truth, infants, [halves, halves]).value == pytest.approx(0.5)


def test_a_clip_without_an_answer_ties_with_each_of_its_fold() -> None:
    scores, truth, infants = ranked(1)
    scores = scores.round(1)
    scores[[0, 7, 20]] = np.nan
    fold = np.random.default_rng(1).integers(0, 3, len(truth))
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]

    def area(part: np.ndarray) -> float:
        shares = []
        for k in range(3):
            pairs = [
                (scores[i, k] > scores[j, k]) + 0.5 * (scores[i, k] == scores[j, k])
                if not np.isnan(scores[[i, j], k]).any() else 0.5
                for i in np.flatnonzero(part & (truth == k))
                for j in np.flatnonzero(part & (truth != k) & (fold == fold[i]))
            ]  # fmt: skip
            shares.append(np.mean(pairs))
        return float(np.mean(shares))

    result = auc_interval(scores, truth, infants.astype(str), [folds])
    without = np.array([area(infants != infant) for infant in range(12)])
    assert result.value == pytest.approx(area(infants >= 0))
    assert result.se == pytest.approx(np.sqrt(11 * without.var()))


def test_an_area_of_a_perfect_ranking_is_not_certain_and_clips_without_an_answer_are_ties() -> None:
    _, truth, infants = ranked(0)
    perfect = auc_interval(np.eye(3)[truth], truth, infants.astype(str))
    assert (perfect.value, perfect.high, perfect.se) == (1, 1, 0)
    assert 0.75 < perfect.low < 0.98
    silent = auc_interval(np.full((len(truth), 3), np.nan), truth, infants.astype(str))
    assert silent.value == 0.5 and silent.low < 0.45
    alone = auc_interval(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]), list("aabc"))
    assert (alone.value, alone.low) == (1, None)
    assert "class '0', or all others, comes from one infant" in alone.reason
    with pytest.raises(InputError, match="probabilities of 2 classes, but clips of 3"):
        auc_interval(np.eye(3)[truth][:, :2], truth, infants.astype(str))


@pytest.mark.parametrize("signal", [0.0, 1.0, 3.0])
def test_the_interval_of_an_area_covers(signal) -> None:
    scores, truth, infants = ranked(0, infants=4000, signal=signal)
    expected = np.mean([roc_auc_score(truth == k, scores[:, k]) for k in range(3)])
    held = []
    for seed in range(1, 301):
        scores, truth, infants = ranked(seed, signal=signal)
        result = auc_interval(scores, truth, infants.astype(str))
        held.append(result.low <= expected <= result.high)
    assert np.mean(held) >= 0.93


def test_the_mean_of_equal_clusters_has_the_t_interval_of_their_means() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(5, 1, (7, 3)) + rng.normal(0, 2, (7, 1))
    infants = np.repeat([f"i{k}" for k in range(7)], 3)
    estimate = mean_interval(values.ravel(), infants)
    means = values.mean(axis=1)
    expected = stats.t.interval(0.95, 6, loc=means.mean(), scale=stats.sem(means))
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(expected)
    assert (estimate.n, estimate.n_infants) == (21, 7)
    shuffled = rng.permutation(21)
    again = mean_interval(values.ravel()[shuffled], infants[shuffled])
    assert (again.low, again.high) == pytest.approx((estimate.low, estimate.high))


def test_the_mean_of_unequal_clusters_by_hand() -> None:
    # a: 2, 4; b: 9; c: 3, 3, 3. All 24/6; without a 18/4, without b 15/5, without c 15/3.
    estimate = mean_interval(np.array([2.0, 4, 9, 3, 3, 3]), list("aabccc"))
    left = np.array([18 / 4, 15 / 5, 15 / 3])
    assert estimate.value == pytest.approx(4)
    assert estimate.se == pytest.approx(np.sqrt(2 / 3 * np.sum((left - left.mean()) ** 2)))
    df = degrees_of_freedom(np.array([[2.0], [1], [3]]))
    assert 1 <= df <= 2
    half = t(df) * estimate.se
    assert (estimate.low, estimate.high) == pytest.approx((4 - half, 4 + half))


def test_clips_without_a_value_are_left_out_of_a_mean() -> None:
    values = np.array([1.0, np.nan, 3, 5, np.nan, np.nan])
    estimate = mean_interval(values, list("aabbcc"))
    plain = mean_interval(np.array([1.0, 3, 5]), list("abb"))
    assert (estimate.value, estimate.low, estimate.high) == (plain.value, plain.low, plain.high)
    assert (estimate.n, estimate.n_infants) == (3, 2)


@pytest.mark.parametrize("limits", [None, (0.0, 10.0)])
def test_a_mean_over_repeats_is_wider_by_what_they_differ_by(limits) -> None:
    values, infants = np.array([1.0, 3, 5, 2, 4, 3]), list("aabbcc")
    repeats = np.stack([values, values + 1, values - 1, np.where(values > 4, np.nan, values)])
    three, four = mean_interval(repeats[:3], infants, limits=limits), repeats[[3] * 2]
    alone = mean_interval(values, infants, limits=limits)
    assert three.value == pytest.approx(3)
    ends = [3 - reach(3 - alone.low, 2, [3, 4, 2]), 3 + reach(alone.high - 3, 2, [3, 4, 2])]
    assert [three.low, three.high] == pytest.approx(np.clip(ends, *(limits or (-np.inf, np.inf))))
    again = mean_interval(four, infants, limits=limits)
    once = mean_interval(four[0], infants, limits=limits)
    assert (again.value, again.n) == (once.value, 5), "a clip that any repeat lacks is left out"
    assert [again.low, again.high] == pytest.approx([once.low, once.high])


def test_the_mean_of_one_infant_has_no_interval_and_says_why() -> None:
    estimate = mean_interval(np.array([1.0, 2, np.nan]), ["a", "a", "b"])
    assert (estimate.value, estimate.low, estimate.high, estimate.se) == (1.5, None, None, None)
    assert "all clips come from one infant" in estimate.reason


@pytest.mark.parametrize(
    ("values", "limits", "message"),
    [
        ([1, 1, 1], None, "do not belong together"),
        ([np.nan, np.nan], None, "every value is missing"),
        ([0.5, 50], (0, 1), r"limits=\(0, 1\) do not include all values, 0.5 to 50"),
        ([0, 0], (0, 0), "all values, 0 to 0"),
    ],
)
def test_wrong_input_for_a_mean_is_one_line(values, limits, message) -> None:
    with pytest.raises(InputError, match=message):
        mean_interval(np.array(values), ["a", "b"], limits=limits)


@pytest.mark.parametrize(("limits", "scale"), [((0, 1), 1), ((0, 100), 100), ((-3, 1), 4)])
def test_a_mean_between_two_limits_has_the_bounds_of_a_share(limits, scale) -> None:
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


def test_a_rate_ends_at_nothing_and_has_no_interval_where_infants_do_not_differ() -> None:
    rates = np.array([0.0, 0, 0, 0, 0, 6.5])
    estimate = mean_interval(rates, list("abcdef"), limits=(0, np.inf))
    free = mean_interval(rates, list("abcdef"))
    assert free.low is not None and free.low < 0
    assert (estimate.low, estimate.high) == (0, free.high)
    still = mean_interval(np.zeros(6), list("aabbcc"), limits=(0, np.inf))
    assert (still.value, still.low, still.high) == (0, None, None)
    assert "the same without any infant" in still.reason


@given(
    clips=st.lists(
        st.tuples(st.integers(0, 10**6).map(lambda n: n / 10**6), st.sampled_from("abcdef")),
        min_size=2,
        max_size=20,
    ).filter(lambda clips: len({infant for _, infant in clips}) > 1),
    least=st.floats(-100, 100),
    width=st.floats(0.01, 1000),
)
def test_a_mean_lies_in_its_interval_and_that_within_the_limits(clips, least, width) -> None:
    most = least + width
    values = np.clip(least + width * np.array([share for share, _ in clips]), least, most)
    infants = [infant for _, infant in clips]
    free = mean_interval(values, infants)
    assert free.low <= free.value <= free.high
    both = mean_interval(values, infants, limits=(least, most))
    assert least <= both.low <= both.value <= both.high <= most
    assert both.low < both.high
    assert (both.value, both.se) == pytest.approx((free.value, free.se))
    above = mean_interval(values, infants, limits=(least, np.inf))
    if free.se == 0:
        assert (above.low, above.high) == (None, None)
    else:
        assert (above.low, above.high) == (max(least, free.low), free.high)


# Repeats that draw their own clips


def drawn_answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return answers of three draws, each to 30 of 45 clips of 9 infants, truth and infants."""
    rng = np.random.default_rng(5)
    truth, infants = np.arange(45) % 3, np.repeat(np.arange(9), 5).astype(str)
    answers = np.where(rng.random((3, 45)) < 0.6, truth, (truth + 1) % 3)
    for row in answers:
        row[rng.permutation(45)[:15]] = NOT_DRAWN
    return answers, truth, infants


def test_clips_that_are_never_drawn_change_nothing() -> None:
    answers, truth, infants = drawn_answers()
    more = np.pad(answers, ((0, 0), (0, 4)), constant_values=NOT_DRAWN)
    y, whose = np.append(truth, [0, 1, 2, 0]), np.append(infants, ["8", "9", "10", "11"])
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert interval(more, y, whose, metric=metric) == interval(
            answers, truth, infants, metric=metric
        )
    p = np.random.default_rng(0).random((3, 49, 3))
    folds = [[(np.array([], int), part) for part in np.array_split(np.flatnonzero(row >= 0), 3)]
             for row in answers]  # fmt: skip
    assert auc_interval(p, y, whose, folds) == auc_interval(p[:, :45], truth, infants, folds)


def test_an_interval_over_draws_is_about_their_mean_and_includes_how_they_differ() -> None:
    answers, truth, infants = drawn_answers()
    result = interval(answers, truth, infants, metric="accuracy")
    each = [np.mean((row == truth)[row != NOT_DRAWN]) for row in answers]
    assert result.value == pytest.approx(np.mean(each))
    assert (result.n, result.n_infants) == (30, 9)
    right = (answers == truth).sum(axis=0)
    clips = (answers != NOT_DRAWN).sum(axis=0)
    left = np.array([right[infants != i].sum() / clips[infants != i].sum() for i in set(infants)])
    assert result.se == pytest.approx(np.sqrt((len(left) - 1) * left.var()))
    between_draws = np.var(each, ddof=1) / len(each)
    least = 1.96 * np.sqrt(left.var() * (len(left) - 1) + between_draws)
    assert min(result.value - result.low, result.high - result.value) > 0.9 * least


@pytest.mark.parametrize("metric", ["balanced_accuracy", "accuracy"])
def test_it_covers_when_each_repeat_draws_its_own_clips(metric) -> None:
    """As in Table 2: 20, 20, 16 and 20 of DonateACry's clips, and models that differ a little."""
    rng, corpora, recall, counts = np.random.default_rng(0), 200, 0.3, (16, 20, 20, 20)
    clips = [sum(row) for row in DONORS]
    infant = np.repeat(np.arange(sum(map(len, DONORS))), [n for row in DONORS for n in row])
    truth = np.repeat(np.arange(4), clips)
    covered = 0
    for _ in range(corpora):
        share = rng.beta(recall * 0.7 / 0.3, (1 - recall) * 0.7 / 0.3, infant.max() + 1)[infant]
        own = rng.random(len(truth))  # of each clip, in every draw
        answers = np.full((10, len(truth)), NOT_DRAWN)
        for row in answers:
            some = np.concatenate([
                rng.permutation(np.flatnonzero(truth == k))[:n] for k, n in enumerate(counts)
            ])  # fmt: skip
            again = np.where(rng.random(len(some)) < 0.5, own[some], rng.random(len(some)))
            row[some] = np.where(again < share[some], truth[some], (truth[some] + 1) % 4)
        result = interval(answers, truth, infant.astype(str), metric=metric)
        covered += result.low <= recall <= result.high
    assert covered / corpora >= 0.93
