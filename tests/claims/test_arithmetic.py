"""Arithmetic of published figures, against fractions by hand and a search over all of them."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.claims import arithmetic
from cryutils.claims.arithmetic import Printing
from cryutils.errors import InputError


@pytest.mark.parametrize(
    ("percent", "k", "n"),
    [
        (97.41, 113, 116), (97.14, 34, 35), (93.75, 15, 16), (68.42, 13, 19), (80, 4, 5),
        (86.67, 13, 15), (66.67, 2, 3), (100, 7, 7), (0, 0, 7), (50, 1, 2),
        (65.51, 76, 116), (66.66, 2, 3),  # cut off, not rounded
    ],
)  # fmt: skip
def test_a_percentage_is_a_fraction_of_its_clips(percent: float, k: int, n: int) -> None:
    assert arithmetic.correct(percent, n) == k
    assert n in arithmetic.sizes(percent, most=200)


@pytest.mark.parametrize(("percent", "n"), [(97.41, 160), (65.51, 160), (97.14, 116), (66.68, 3)])
def test_a_percentage_that_no_fraction_gives_has_none(percent: float, n: int) -> None:
    assert arithmetic.correct(percent, n) is None
    assert n not in arithmetic.sizes(percent, most=200)


@given(n=st.integers(1, 300), k=st.integers(0, 300), cut=st.booleans())
def test_whatever_was_printed_leads_back_to_its_test_set(n: int, k: int, cut: bool) -> None:
    share = Decimal(100 * min(k, n)) / Decimal(n)
    printed = share.quantize(Decimal("0.01"), ROUND_DOWN if cut else ROUND_HALF_UP)
    count = arithmetic.correct(float(printed), n)
    assert count == min(k, n)


@pytest.mark.parametrize("percent", ["97.41", "65.51", "33.33", "0.01", "99.99", "100.00"])
def test_sizes_are_those_that_trying_every_fraction_finds(percent: str) -> None:
    def printed(k: int, n: int) -> set[str]:
        share = Decimal(100 * k) / Decimal(n)
        ways = (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
        return {str(share.quantize(Decimal("0.01"), way)) for way in ways}

    tried = [n for n in range(1, 130) if any(percent in printed(k, n) for k in range(n + 1))]
    assert arithmetic.sizes(float(percent), most=129) == tried


def test_fewer_decimals_leave_more_sizes() -> None:
    # One wrong of n: 1 - 1/n lies in [0.965, 0.98) from n = 29 on.
    assert arithmetic.sizes(97, decimals=0, most=40) == list(range(29, 41))
    assert arithmetic.sizes(33.3, decimals=1, most=9) == [3, 6, 9]


def test_common_sizes_serve_every_figure() -> None:
    assert arithmetic.common([65.51, 97.41], most=160) == [116]
    assert arithmetic.common([66.66, 80, 86.67], most=40) == [15, 30]
    assert arithmetic.common([65.51, 93.75, 97.41], most=160) == []
    assert arithmetic.common([], most=160) == []


def test_the_table_says_which_tests_a_figure_can_come_from() -> None:
    figures = {"proposed": 97.41, "ae_dnn": 93.75}
    table = arithmetic.fitting(figures, {"clips": 160, "frames": 72_000})
    assert list(table.columns) == ["percent", "smallest", "clips", "frames"]
    assert table.loc["proposed"].tolist() == [97.41, "113/116", "none", "70135/72000"]
    assert table.loc["ae_dnn"].tolist() == [93.75, "15/16", "150/160", "67500/72000"]
    for fraction, percent in zip(table.frames, table.percent, strict=True):
        assert 100 * float(Fraction(fraction)) == pytest.approx(percent, abs=0.005)


def test_a_row_of_a_table_shares_one_test_set_or_none() -> None:
    table = arithmetic.shared({"pair": [66.66, 80, 86.67], "total": [65.51, 93.75, 97.41]})
    assert table.smallest.to_dict()["pair"] == 15
    assert table.smallest.isna().to_dict() == {"pair": False, "total": True}
    assert table["sizes"].tolist() == [10, 0]
    assert table.figures["total"] == "65.51, 93.75, 97.41"


def test_a_share_is_no_percentage_above_a_hundred() -> None:
    with pytest.raises(InputError, match=r"100\.5: a percentage lies between"):
        arithmetic.sizes(100.5)


# Rounded and cut off


def printed_ways(k: int, n: int) -> dict[str, set[str]]:
    share = Decimal(100 * k) / Decimal(n)
    rounded = {
        str(share.quantize(Decimal("0.01"), way)) for way in (ROUND_HALF_UP, ROUND_HALF_EVEN)
    }
    cut = {str(share.quantize(Decimal("0.01"), ROUND_DOWN))}
    return {"rounded": rounded, "cut off": cut, "either": rounded | cut}


@pytest.mark.parametrize("printing", list(Printing))
@pytest.mark.parametrize("percent", ["66.66", "66.67", "86.67", "65.51", "50.00", "0.00", "100.00"])
def test_each_way_of_printing_finds_what_trying_every_fraction_finds(printing, percent) -> None:
    tried = [
        n
        for n in range(1, 65)
        if any(percent in printed_ways(k, n)[printing] for k in range(n + 1))
    ]
    assert arithmetic.sizes(float(percent), most=64, printing=printing) == tried


def test_two_figures_of_table_3_were_printed_in_two_ways() -> None:
    table = arithmetic.printings({"svm": 66.66, "proposed": 86.67, "total": 97.41}, most=160)
    assert table["rounded"].tolist() == [pd.NA, 15, 116]
    assert table["cut off"].tolist() == [3, pd.NA, 116]


def test_the_largest_agreement_is_that_of_the_best_size() -> None:
    figures = [65.51, 93.75, 97.41]
    tried = max(sum(arithmetic.correct(f, n) is not None for f in figures) for n in range(1, 161))
    assert arithmetic.largest_agreement(figures, most=160) == tried == 2
    assert arithmetic.largest_agreement(figures, most=464) == 3
    assert arithmetic.largest_agreement([], most=5) == 0


# Means of class recalls


@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3), chosen=st.data(), cut=st.booleans()
)
def test_a_printed_mean_of_recalls_leads_back_to_it(
    sizes: list[int], chosen: st.DataObject, cut: bool
) -> None:
    recalls = [Fraction(chosen.draw(st.integers(0, n)), n) for n in sizes]
    mean = sum(recalls) / len(sizes)
    share = Decimal(100 * mean.numerator) / Decimal(mean.denominator)
    printed = share.quantize(Decimal("0.01"), ROUND_DOWN if cut else ROUND_HALF_UP)
    found = arithmetic.macro_recall(float(printed), sizes)
    assert found is not None and Fraction(found) == mean


def test_recalls_of_classes_of_one_size_are_the_plain_accuracy() -> None:
    for percent in (54.17, 75.83, 79.17, 85.59):
        plain = arithmetic.correct(percent, 24) is not None
        assert (arithmetic.macro_recall(percent, [6, 6, 6, 6]) is not None) == plain
    assert arithmetic.chance_of_fit([6, 6, 6, 6]) == arithmetic.chance_of_fit(24)


def test_table_2s_classical_figures_are_means_of_recalls_and_the_networks_are_not() -> None:
    """By trying all 7 * 6 * 7 * 7 combinations of right answers."""
    sizes = (6, 5, 6, 6)
    means = {
        sum(Fraction(k, n) for k, n in zip(right, sizes, strict=True)) / 4
        for right in product(*(range(n + 1) for n in sizes))
    }
    printed = set().union(*(printed_ways(m.numerator, m.denominator)["either"] for m in means))
    classical = ["45.83", "75.83", "79.17", "54.17", "66.67", "77.50", "83.33", "50.00"]
    for percent in [*classical, "85.59", "84.49", "43.48", "12.34"]:
        fits = arithmetic.macro_recall(float(percent), sizes) is not None
        assert fits == (percent in printed), percent
    assert set(classical) <= printed and not {"85.59", "84.49"} & printed
    assert arithmetic.chance_of_fit(sizes) == pytest.approx(len(printed) / 10_001)
    shares = {f"f.k{k}": float(percent) / 100 for k, percent in enumerate(classical)}
    rule = f"fits_recall(6, 5, 6, 6, {', '.join(shares)})"
    assert arithmetic.evaluate(rule, shares) == len(classical)


# How likely a random figure fits


@pytest.mark.parametrize("n", [1, 2, 3, 24])
def test_the_chance_of_a_fit_counts_every_figure(n: int) -> None:
    # k/n rounded and cut off: two figures where it has more than two decimals, one where not.
    expected = {way for k in range(n + 1) for way in printed_ways(k, n)["either"]}
    assert arithmetic.chance_of_fit(n) == pytest.approx(len(expected) / 10_001)


def test_two_random_figures_share_a_size_no_more_often_than_expected() -> None:
    fits = np.array([[arithmetic.correct(f / 10, n, decimals=1) is not None
                      for n in range(1, 13)] for f in range(1001)])  # fmt: skip
    exact = np.mean((fits.astype(int) @ fits.T) > 0)
    expected = arithmetic.expected_common(2, most=12, decimals=1)
    assert expected == pytest.approx(np.mean(fits.astype(int) @ fits.T))
    assert exact <= expected


# Differences


def test_a_gain_is_said_in_points_and_relative_to_the_rival() -> None:
    table = arithmetic.gains(97.41, {"ae_dnn": 93.75, "svm": 65.51})
    assert table.points.round(2).tolist() == [3.66, 31.90]
    assert table.relative.round(2).tolist() == [3.90, 48.69]
    assert not table.least["ae_dnn"] <= 3.56 <= table.most["ae_dnn"], "however it was printed"
    assert table.least["svm"] <= 31.90 <= table.most["svm"]


@given(n=st.integers(1, 200), k=st.integers(0, 200), j=st.integers(0, 200), cut=st.booleans())
def test_the_true_difference_lies_within_what_printing_leaves(n, k, j, cut) -> None:
    shares = [Decimal(100 * min(x, n)) / Decimal(n) for x in (k, j)]
    ways = (ROUND_DOWN, ROUND_HALF_UP) if cut else (ROUND_HALF_UP, ROUND_DOWN)
    shown = [float(s.quantize(Decimal("0.01"), w)) for s, w in zip(shares, ways, strict=True)]
    if shown[1] > 0:
        row = arithmetic.gains(shown[0], {"x": shown[1]}).loc["x"]
        assert row.least - 1e-9 <= float(shares[0] - shares[1]) <= row.most + 1e-9


@pytest.mark.parametrize(
    ("better", "worse", "counts"),
    [(86.67, 80, (13, 12, 15)), (100, 68.42, (19, 13, 19)), (97.41, 65.51, (113, 76, 116))],
)
def test_two_figures_are_compared_in_the_smallest_test_that_both_fit(better, worse, counts) -> None:
    comparison = arithmetic.compared(better, worse)
    assert comparison[:3] == counts


def test_fishers_test_is_the_sum_over_all_tables_that_are_no_likelier() -> None:
    a, b, n, p = arithmetic.compared(86.67, 66.66)
    assert (a, b, n) == (13, 10, 15)
    weights = {k: math.comb(n, k) * math.comb(n, a + b - k)
               for k in range(n + 1) if 0 <= a + b - k <= n}  # fmt: skip
    least = sum(w for w in weights.values() if w <= weights[a])
    assert p == pytest.approx(least / math.comb(2 * n, a + b))
    with pytest.raises(InputError, match="shares of no test set of up to 160"):
        arithmetic.compared(97.41, 93.75, most=160)


# Three states and their pairs

PAIRS = {("a", "b"): [97.14], ("a", "c"): [68.42, 100.0], ("b", "c"): [66.66, 80.0, 86.67]}


@pytest.mark.parametrize("n", [42, 59, 60])
def test_class_sizes_are_those_that_trying_every_division_finds(n: int) -> None:
    def serves(pair: tuple[str, str], size: int) -> bool:
        return all(arithmetic.correct(percent, size) is not None for percent in PAIRS[pair])

    tried = [
        (a, b, n - a - b)
        for a in range(1, n - 1)
        for b in range(1, n - a)
        if serves(("a", "b"), a + b) and serves(("a", "c"), n - b) and serves(("b", "c"), n - a)
    ]
    found = arithmetic.class_sizes(PAIRS, n=n)
    assert [*found.ways.itertuples(index=False, name=None)] == tried
    chances = [
        arithmetic.chance_of_fit(a + b)
        * arithmetic.chance_of_fit(n - b) ** 2
        * arithmetic.chance_of_fit(n - a) ** 3
        for a in range(1, n - 1)
        for b in range(1, n - a)
    ]
    assert found.by_chance == pytest.approx(sum(chances))


def test_pairs_may_be_means_of_recalls() -> None:
    n = 24
    figures = {("a", "b"): [41.67], ("a", "c"): [62.5], ("b", "c"): [80.0, 80.0]}

    def serves(pair: tuple[str, str], *sizes: int) -> bool:
        return all(arithmetic.macro_recall(p, sizes) is not None for p in figures[pair])

    tried = [
        (a, b, n - a - b)
        for a in range(1, n - 1)
        for b in range(1, n - a)
        if serves(("a", "b"), a, b)
        and serves(("a", "c"), a, n - a - b)
        and serves(("b", "c"), b, n - a - b)
    ]
    found = arithmetic.class_sizes(figures, n=n, recalls=True)
    assert tried and [*found.ways.itertuples(index=False, name=None)] == tried
    chances = [
        arithmetic.chance_of_fit((a, b))
        * arithmetic.chance_of_fit((a, n - a - b))
        * arithmetic.chance_of_fit((b, n - a - b))
        for a in range(1, n - 1)
        for b in range(1, n - a)
    ]
    assert found.by_chance == pytest.approx(sum(chances))


def test_totals_must_fit_the_test_set_of_the_classes() -> None:
    assert len(arithmetic.class_sizes(PAIRS, n=116, totals=[65.51, 97.41]).ways) == 1
    assert arithmetic.class_sizes(PAIRS, n=116, totals=[93.75]).ways.empty
    assert arithmetic.class_sizes(PAIRS, n=3).ways.empty


@pytest.mark.parametrize("pairs", [{("a", "b"): [50]}, {**PAIRS, ("a", "d"): [50]}, {}])
def test_class_sizes_are_of_three_classes(pairs) -> None:
    with pytest.raises(InputError, match="three classes"):
        arithmetic.class_sizes(pairs, n=9)


def test_a_pair_has_no_more_errors_than_all_three_states_where_it_is_small() -> None:
    table = arithmetic.pair_errors(97.41, 86.67, n=116)
    assert set(table.allowed) == {3}  # 113 of 116 right
    assert table["size"][table.within].tolist() == [15]
    assert table.errors[table["size"] == 105].item() == 14
    assert set(arithmetic.pair_errors(97.41, 86.67, n=160).allowed) == {5}, "4.1, rounded up"


@given(total=st.integers(0, 99), pair=st.integers(0, 99))
def test_the_largest_share_of_a_pair_is_where_all_errors_are_its(total: int, pair: int) -> None:
    share = arithmetic.largest_pair_share(total, pair)
    assert 0 < share <= 1
    assert share * (100 - pair) <= 100 - total + 1e-9
    assert share == 1 or share * (100 - pair) == pytest.approx(100 - total)


# Rules


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("a", 7), ("a * b * c", 42), ("a - b", 4), ("a - b * c", 1), ("(a - b) * c", 8),
        ("a / c + 1", 4.5), ("max(a, x.y)", 7), ("min(a, x.y)", 0.5),
        ("fits(4, x.y, z)", 1), ("one_test(10, x.y, z)", 2), ("one_test(4, x.y, z)", 1),
    ],
)  # fmt: skip
def test_rules_are_worked_out(rule: str, value: float) -> None:
    figures = {"a": 7, "b": 3, "c": 2, "x.y": 0.5, "z": 0.3333}
    assert arithmetic.evaluate(rule, figures) == value


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("a - z", "'z' is no figure"), ("x.", "no rule"), ("ab.y", "Did you mean ab.z"),
        ("a ** b", "a rule holds"), ("", "no rule"), ("open('f')", "a rule holds"),
        ("a.b()", "a rule holds"), ("'a'", "a rule holds"), ("a / (b - b)", "no rule"),
        ("max()", "no rule"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused(rule: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        arithmetic.evaluate(rule, {"a": 7, "b": 3, "ab.z": 0.5})
