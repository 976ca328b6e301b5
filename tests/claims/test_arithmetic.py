"""Arithmetic of published figures, against fractions by hand and a search over all of them."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product

import pytest

from cryutils.claims import arithmetic


def printed_ways(k: int, n: int) -> dict[str, set[str]]:
    share = Decimal(100 * k) / Decimal(n)
    rounded = {str(share.quantize(Decimal("0.01"), way)) for way in (ROUND_HALF_UP, ROUND_HALF_EVEN)}
    cut = {str(share.quantize(Decimal("0.01"), ROUND_DOWN))}
    return {"rounded": rounded, "cut off": cut, "either": rounded | cut}


@pytest.mark.parametrize("printing", ["rounded", "cut off", "either"])
@pytest.mark.parametrize("percent", ["66.66", "65.51", "0.01", "100.00"])
def test_each_way_of_printing_finds_what_trying_every_fraction_finds(printing, percent) -> None:
    tried = {n: k for n in range(1, 117) for k in range(n + 1) if percent in printed_ways(k, n)[printing]}
    assert arithmetic.sizes(float(percent), most=116, printing=printing) == [*tried]
    if printing == "either":
        assert [arithmetic.correct(float(percent), n) for n in tried] == [*tried.values()]
        assert arithmetic.correct(66.68, 3) is None


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
        fits = arithmetic.fraction(float(percent), sizes) is not None
        assert fits == (percent in printed), percent
    assert set(classical) <= printed and not {"85.59", "84.49"} & printed
    assert arithmetic.chance_of_fit(sizes) == pytest.approx(len(printed) / 10_001)
    shares = {way for k in range(25) for way in printed_ways(k, 24)["either"]}
    assert arithmetic.chance_of_fit(24) == pytest.approx(len(shares) / 10_001)
