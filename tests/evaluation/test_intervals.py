"""Intervals over infants, against closed forms, hand-made cases and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from cryutils.errors import InputError
from cryutils.evaluation.intervals import (
    interval,
    mean_interval,
    measured_coverage,
    paired_interval,
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


def test_equal_clusters_give_the_t_interval_of_their_means() -> None:
    means = np.array([1.0, 0.75, 0.5, 0.75, 0.25, 0.5])
    predicted, truth, infants = clips(
        {f"i{k}": [(0, int(4 * m), int(4 * (1 - m)))] for k, m in enumerate(means)}
    )
    result = interval(predicted, truth, infants, metric="accuracy")
    se = means.std(ddof=1) / np.sqrt(6)
    assert result.value == pytest.approx(means.mean())
    assert result.se == pytest.approx(se)
    assert result.df == pytest.approx(5)
    expected = stats.t.interval(0.95, 5, loc=means.mean(), scale=se)
    assert (result.low, result.high) == pytest.approx(expected)
    assert (result.n, result.n_infants) == (24, 6)


def test_the_jackknife_by_hand() -> None:
    # a: 2 of 2 right, b: 1 of 3, c: 1 of 1. All 4/6; without a 2/4, without b 3/3, without c 3/5.
    predicted, truth, infants = clips({"a": [(0, 2, 0)], "b": [(0, 1, 2)], "c": [(0, 1, 0)]})
    result = interval(predicted, truth, infants, metric="accuracy")
    left = np.array([2 / 4, 3 / 3, 3 / 5])
    assert result.value == pytest.approx(4 / 6)
    assert result.se == pytest.approx(np.sqrt(2 / 3 * np.sum((left - left.mean()) ** 2)))


def test_the_jackknife_of_balanced_accuracy_by_hand() -> None:
    # Class 0: a 1/2, b 2/2. Class 1: b 1/1, c 0/2, d 2/2. Infant b has clips of both.
    predicted, truth, infants = clips(
        {"a": [(0, 1, 1)], "b": [(0, 2, 0), (1, 1, 0)], "c": [(1, 0, 2)], "d": [(1, 2, 0)]}
    )
    result = interval(predicted, truth, infants)
    left = np.array([(1 + 3 / 5) / 2, (1 / 2 + 2 / 4) / 2, (3 / 4 + 1) / 2, (3 / 4 + 1 / 3) / 2])
    assert result.value == pytest.approx((3 / 4 + 3 / 5) / 2)
    assert result.se == pytest.approx(np.sqrt(3 / 4 * np.sum((left - left.mean()) ** 2)))


def test_degrees_of_freedom_add_up_over_equal_classes_and_fall_with_one_large_infant() -> None:
    def df(sizes: list[list[int]]) -> float:
        parts = {
            f"{k}-{i}": [(k, n // 2, n - n // 2)]
            for k, row in enumerate(sizes)
            for i, n in enumerate(row)
        }
        degrees = interval(*clips(parts)).df
        assert degrees is not None
        return degrees

    assert df([[4] * 6, [4] * 6]) == pytest.approx(10)
    assert df([[4] * 6, [24, 2, 2, 2]]) < 4
    assert df([[2, 2], [2, 2]]) == pytest.approx(2)


def test_repeats_are_averaged() -> None:
    _, truth, infants = clips({f"i{k}": [(0, 2, 0)] for k in range(4)})
    repeats = np.array([[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1]])
    result = interval(repeats, truth, infants, metric="accuracy")
    assert result.value == pytest.approx(0.5)
    assert result.se == pytest.approx(np.std([1, 0.5, 0.5, 0], ddof=1) / 2)
    assert result.n == 8


def test_labels_may_be_names_or_indices() -> None:
    predicted, truth, infants = clips({"a": [(0, 1, 1)], "b": [(0, 2, 0)], "c": [(1, 1, 1)],
                                       "d": [(1, 2, 0)]})  # fmt: skip
    named = np.array(["hungry", "tired"])[truth]
    assert interval(predicted, named, infants) == interval(predicted, truth, infants)


def test_an_interval_stays_within_what_a_score_can_be() -> None:
    result = interval(*clips({f"i{k}": [(0, 3, 1 if k == 0 else 0)] for k in range(5)}))
    assert result.high == 1
    assert result.low is not None and 0 <= result.low < result.value


def test_a_class_of_one_infant_has_no_interval_and_says_why() -> None:
    predicted, truth, infants = clips({"a": [(0, 2, 0)], "b": [(0, 1, 1)], "c": [(1, 3, 1)]})
    labels = np.array(["hungry", "tired"])[truth]
    result = interval(predicted, labels, infants)
    assert (result.low, result.high, result.se, result.df) == (None, None, None, None)
    assert result.value == pytest.approx(0.75)
    assert "class 'tired' comes from one infant" in result.reason
    assert interval(predicted, labels, infants, metric="accuracy").low is not None


def test_a_perfect_score_gets_the_exact_bound_of_its_infants() -> None:
    # Ten infants, none wrong: Clopper and Pearson's lower end is 0.025 ** (1 / 10).
    result = interval(*clips({f"i{k}": [(0, 3, 0)] for k in range(10)}), metric="accuracy")
    assert result.high == 1
    assert result.low == pytest.approx(stats.beta.ppf(0.025, 10, 1))
    none = interval(*clips({f"i{k}": [(0, 0, 3)] for k in range(10)}), metric="accuracy")
    assert (none.low, none.high) == pytest.approx((0, 1 - stats.beta.ppf(0.025, 10, 1)))


def test_the_estimand_says_whose_clips_it_is_about() -> None:
    arguments = clips({f"{k}{i}": [(k, 1, 1)] for k in range(2) for i in range(3)})
    assert "balanced accuracy on clips of new infants" in interval(*arguments).estimand
    assert "heard in training too" in interval(*arguments, protocol="paper").estimand


def test_a_wider_level_is_wider() -> None:
    arguments = clips({f"i{k}": [(0, k % 3, 2)] for k in range(8)})
    narrow, wide = (interval(*arguments, metric="accuracy", level=p) for p in (0.8, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


def test_wrong_input_is_one_line() -> None:
    predicted, truth, infants = clips({"a": [(0, 1, 1)], "b": [(0, 1, 1)]})
    with pytest.raises(InputError, match="do not belong together"):
        interval(predicted[:3], truth, infants)
    with pytest.raises(InputError, match="Did you mean accuracy"):
        interval(predicted, truth, infants, metric="acuracy")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="level=95"):
        interval(predicted, truth, infants, metric="accuracy", level=95)


def test_paired_interval_is_the_jackknife_of_the_differences() -> None:
    means_a, means_b = np.array([1, 0.5, 1, 0.5, 0.5]), np.array([0.5, 0.5, 0, 0.5, 1])
    a, truth, infants = clips(
        {f"i{k}": [(0, int(2 * m), 2 - int(2 * m))] for k, m in enumerate(means_a)}
    )
    b, _, _ = clips({f"i{k}": [(0, int(2 * m), 2 - int(2 * m))] for k, m in enumerate(means_b)})
    result = paired_interval(a, b, truth, infants, metric="accuracy")
    d = means_a - means_b
    assert result.value == pytest.approx(d.mean())
    assert (result.low, result.high) == pytest.approx(
        stats.t.interval(0.95, 4, loc=d.mean(), scale=d.std(ddof=1) / np.sqrt(5))
    )
    back = paired_interval(b, a, truth, infants, metric="accuracy")
    assert (back.low, back.high) == pytest.approx((-result.high, -result.low))  # type: ignore[operator]


def structure(sizes: list[list[int]]) -> tuple[list[str], list[str]]:
    """Return labels and infants: class -> clips of each of its infants."""
    flat = [(k, i) for k, row in enumerate(sizes) for i, n in enumerate(row) for _ in range(n)]
    return [f"class{k}" for k, _ in flat], [f"{k}-{i}" for k, i in flat]


def test_coverage_is_near_its_promise_where_infants_are_many_and_alike() -> None:
    labels, infants = structure([[4] * 20] * 3)
    share = measured_coverage(labels, infants, value=0.5, simulations=4000)
    assert 0.93 < share < 0.97
    assert share == measured_coverage(labels, infants, value=0.5, simulations=4000)


def test_coverage_falls_short_near_the_ceiling_of_uneven_classes() -> None:
    # Like DonateACry: three small classes that may come out perfect, one large that does not.
    donors = [[8, 3] + [1] * 5, [5, 4, 3, 2, 2] + [1] * 11, [3, 3] + [2] * 4 + [1] * 10, [2] * 190]
    labels, infants = structure(donors)
    middle, ceiling = (measured_coverage(labels, infants, value=v) for v in (0.5, 0.98))
    assert ceiling < 0.8 < 0.93 < middle


def test_coverage_agrees_with_intervals_of_simulated_predictions() -> None:
    labels, infants = structure([[3, 3, 2, 1], [2, 2, 2, 6]])
    truth = np.array([int(label[-1]) for label in labels])
    rng = np.random.default_rng(5)
    names, group = np.unique(infants, return_inverse=True)
    held = []
    for _ in range(800):
        share = rng.beta(0.6 * 7 / 3, 0.4 * 7 / 3, len(names))[group]
        result = interval(np.where(rng.random(len(truth)) < share, truth, 9), truth, infants)
        held.append(result.low <= 0.6 <= result.high)  # type: ignore[operator]
    expected = measured_coverage(labels, infants, value=0.6, icc=0.3, simulations=8000)
    assert np.mean(held) == pytest.approx(expected, abs=4 * np.sqrt(0.05 * 0.95 / 800))


def test_coverage_of_an_interval_that_does_not_exist_is_nan() -> None:
    labels, infants = structure([[4, 4], [4]])
    assert np.isnan(measured_coverage(labels, infants, value=0.5))
    with pytest.raises(InputError, match="value=50"):
        measured_coverage(labels, infants, value=50)


def test_an_interval_is_written_with_its_bounds_or_the_reason_for_none() -> None:
    labels, infants = ["a", "a", "b", "b"], ["1", "2", "3", "3"]
    few = interval(np.array([0, 0, 1, 0]), labels, infants)
    assert str(few) == f"0.75 (no interval: {few.reason})"
    enough = interval(np.array([0, 1, 1, 0]), labels, ["1", "2", "3", "4"])
    assert str(enough) == f"{enough.value:.2f} [{enough.low:.2f}, {enough.high:.2f}]"


def test_macro_f1_is_scikit_learns_and_its_jackknife_by_hand() -> None:
    y = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 0])
    infants = np.array(list("aabbccabcd"))
    predicted = np.array([0, 1, 1, 1, 2, 0, 0, 2, 2, 0])
    estimate = interval(predicted, y, infants, metric="macro_f1")
    names = sorted(set(infants))
    without = [
        f1_score(y[infants != name], predicted[infants != name], labels=[0, 1, 2], average="macro")
        for name in names
    ]
    assert estimate.value == pytest.approx(f1_score(y, predicted, average="macro"))
    assert estimate.reason or estimate.se == pytest.approx(np.sqrt(3 * np.var(without)))


def test_paired_macro_f1_is_the_difference_and_no_prediction_counts_as_wrong() -> None:
    rng = np.random.default_rng(0)
    infants = np.repeat(np.arange(12), 4).astype(str)
    y = np.tile([0, 1, 2, 3], 12)
    a, b = (np.where(rng.random(48) < share, y, (y + 1) % 4) for share in (0.9, 0.5))
    gain = paired_interval(a, b, y, infants, metric="macro_f1")
    score = [interval(p, y, infants, metric="macro_f1").value for p in (a, b)]
    assert gain.value == pytest.approx(score[0] - score[1])
    assert gain.low is not None and gain.high is not None
    assert gain.low < gain.value < gain.high
    silent = np.where(np.arange(48) < 12, -1, a)
    by_scikit = f1_score(y, silent, labels=range(4), average="macro")
    estimate = interval(silent, y, infants, metric="macro_f1")
    assert estimate.value == pytest.approx(by_scikit)
    same = paired_interval(a, a, y, infants, metric="macro_f1")
    assert same.value == 0


def test_coverage_of_macro_f1_is_refused() -> None:
    with pytest.raises(InputError, match="accuracies only"):
        measured_coverage(["a", "b"] * 4, list("aabbccdd"), value=0.5, metric="macro_f1")


def test_the_mean_of_equal_clusters_has_the_t_interval_of_their_means() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(5, 1, (7, 3)) + rng.normal(0, 2, (7, 1))
    infants = np.repeat([f"i{k}" for k in range(7)], 3)
    estimate = mean_interval(values.ravel(), infants)
    means = values.mean(axis=1)
    expected = stats.t.interval(0.95, 6, loc=means.mean(), scale=stats.sem(means))
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(expected)
    assert estimate.df == pytest.approx(6)
    assert (estimate.n, estimate.n_infants, estimate.level) == (21, 7, 0.95)
    shuffled = rng.permutation(21)
    again = mean_interval(values.ravel()[shuffled], infants[shuffled])
    assert (again.low, again.high) == pytest.approx((estimate.low, estimate.high))


def test_the_mean_of_unequal_clusters_by_hand() -> None:
    # a: 2, 4; b: 9; c: 3, 3, 3. All 24/6; without a 18/4, without b 15/5, without c 15/3.
    estimate = mean_interval(np.array([2.0, 4, 9, 3, 3, 3]), list("aabccc"))
    left = np.array([18 / 4, 15 / 5, 15 / 3])
    assert estimate.value == pytest.approx(4)
    assert estimate.se == pytest.approx(np.sqrt(2 / 3 * np.sum((left - left.mean()) ** 2)))
    assert estimate.df is not None and 1 <= estimate.df <= 2
    half = stats.t.ppf(0.975, estimate.df) * estimate.se
    assert (estimate.low, estimate.high) == pytest.approx((4 - half, 4 + half))


def test_a_mean_is_not_held_to_what_a_share_can_be() -> None:
    estimate = mean_interval(np.array([-80.0, 90, 200, -10]), list("abcd"))
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low < 0 and estimate.high > 200


def test_clips_without_a_value_are_left_out_of_a_mean() -> None:
    values = np.array([1.0, np.nan, 3, 5, np.nan, np.nan])
    estimate = mean_interval(values, list("aabbcc"))
    plain = mean_interval(np.array([1.0, 3, 5]), list("abb"))
    assert (estimate.value, estimate.low, estimate.high) == (plain.value, plain.low, plain.high)
    assert (estimate.n, estimate.n_infants) == (3, 2)


def test_the_mean_of_one_infant_has_no_interval_and_says_why() -> None:
    estimate = mean_interval(np.array([1.0, 2, np.nan]), ["a", "a", "b"])
    assert estimate.value == pytest.approx(1.5)
    assert (estimate.low, estimate.high, estimate.se, estimate.df) == (None, None, None, None)
    assert "all clips come from one infant" in estimate.reason
    assert str(estimate) == f"1.50 (no interval: {estimate.reason})"


def test_wrong_input_for_a_mean_is_one_line() -> None:
    with pytest.raises(InputError, match="do not belong together"):
        mean_interval(np.ones(3), ["a", "b"])
    with pytest.raises(InputError, match="every value is missing"):
        mean_interval(np.full(2, np.nan), ["a", "b"])
    with pytest.raises(InputError, match="level=95"):
        mean_interval(np.ones(2), ["a", "b"], level=95)


def test_a_mean_of_shares_ends_at_one_and_is_else_the_t_interval() -> None:
    # Six infants with two clips each: all right, but for one clip each of a and b.
    shares = np.array([1, 0.8, 1, 0.8, 1, 1, 1, 1, 1, 1, 1, 1])
    infants = list("aabbccddeeff")
    estimate = mean_interval(shares, infants, limits=(0, 1))
    means = shares.reshape(6, 2).mean(axis=1)
    low, high = stats.t.interval(0.95, 5, loc=means.mean(), scale=stats.sem(means))
    assert high > 1
    assert (estimate.low, estimate.high) == (pytest.approx(low), 1)
    free = mean_interval(shares, infants)
    assert (free.low, free.high) == (estimate.low, pytest.approx(high))
    assert (free.value, free.se, free.df) == (estimate.value, estimate.se, estimate.df)


@pytest.mark.parametrize(("limits", "scale"), [((0, 1), 1), ((0, 100), 100), ((-3, 1), 4)])
def test_shares_that_are_all_the_same_get_the_exact_bound(
    limits: tuple[int, int], scale: int
) -> None:
    infants = np.repeat([f"i{k}" for k in range(10)], 3)
    exact = interval(np.zeros(30, int), np.zeros(30, int), infants.tolist(), metric="accuracy").low
    assert exact == pytest.approx(stats.beta.ppf(0.025, 10, 1))
    most = mean_interval(np.full(30, float(limits[1])), infants.tolist(), limits=limits)
    assert (most.low, most.high) == (pytest.approx(limits[0] + scale * exact), limits[1])
    least = mean_interval(np.full(30, float(limits[0])), infants.tolist(), limits=limits)
    assert (least.low, least.high) == (limits[0], pytest.approx(limits[1] - scale * exact))


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
        st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=2, max_size=20
    ).filter(lambda clips: len({infant for _, infant in clips}) > 1),
    least=st.floats(-100, 100),
    width=st.floats(0.01, 1000),
)
def test_a_mean_lies_in_its_interval_and_that_within_the_limits(
    clips: list[tuple[float, str]], least: float, width: float
) -> None:
    most = least + width
    values = np.clip(least + width * np.array([share for share, _ in clips]), least, most)
    infants = [infant for _, infant in clips]
    free = mean_interval(values, infants)
    half = stats.t.ppf(0.975, free.df) * free.se
    assert (free.low, free.high) == (free.value - half, free.value + half)
    both = mean_interval(values, infants, limits=(least, most))
    assert least <= both.low <= both.value <= both.high <= most  # type: ignore[operator]
    assert both.low < both.high  # type: ignore[operator]
    assert both.value == pytest.approx(free.value)
    above = mean_interval(values, infants, limits=(least, np.inf))
    if free.se == 0:
        assert (above.low, above.high) == (None, None)
    else:
        assert above.low == both.low == max(least, free.low)  # type: ignore[type-var]
        assert (above.high, both.high) == (free.high, min(most, free.high))  # type: ignore[type-var]


def test_a_value_that_cannot_be_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match=r"limits=\(0, 1\) do not hold values from 0.5 to 50"):
        mean_interval(np.array([0.5, 50]), ["a", "b"], limits=(0, 1))
    with pytest.raises(InputError, match="from 0 to 0"):
        mean_interval(np.zeros(2), ["a", "b"], limits=(0, 0))
