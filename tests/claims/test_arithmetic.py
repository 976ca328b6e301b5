"""Arithmetic of published figures, against fractions by hand and a search over all of them."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryutils.claims import arithmetic
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


@pytest.mark.parametrize(
    ("rule", "value"), [("a", 7), ("a * b * c", 42), ("a - b", 4), ("a - b * c", 8)]
)
def test_rules_are_worked_out_from_left_to_right(rule: str, value: float) -> None:
    assert arithmetic.evaluate(rule, {"a": 7, "b": 3, "c": 2}) == value


@pytest.mark.parametrize("rule", ["a - z", "z", "a + b", ""])
def test_a_rule_of_unknown_figures_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="is no figure of the ledger"):
        arithmetic.evaluate(rule, {"a": 7, "b": 3})
