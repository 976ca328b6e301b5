"""The time left of a run, against cases by hand."""

from __future__ import annotations

import pytest

from cryutils.course.time_left import Standing, time_left, words

TEN = [float(end) for end in range(10, 101, 10)]  # ten cells of 10 s


def left(
    standings: dict[str, Standing],
    before: dict[str, list[float]],
    now_s: float,
    *,
    processes: int = 1,
    after: dict[str, tuple[str, ...]] | None = None,
) -> float | None:
    return time_left(standings, before, now_s=now_s, processes=processes, after=after or {})


def test_before_anything_runs_it_is_what_everything_took() -> None:
    waiting = {"a": Standing(), "b": Standing(), "c": Standing()}
    before = {"a": TEN, "b": [60.0], "c": [70.0]}
    assert left(waiting, before, 0.0) == 230.0
    assert left(waiting, before, 0.0, processes=2) == 130.0, "c, then b beside a"
    longest_last = {"a": [50.0], "b": [60.0], "c": [100.0]}
    assert left(waiting, longest_last, 0.0, processes=2) == 110.0, "c, and b, then a beside it"
    assert left(waiting, before, 0.0, processes=3) == 100.0
    assert left(waiting, before, 0.0, processes=3, after={"a": ("b", "c")}) == 170.0


def test_it_goes_down_by_the_clock_within_a_long_cell() -> None:
    before = {"a": [10.0, 910.0, 1000.0]}
    running = {"a": Standing(started_s=0.0, share=1 / 3, news_s=10.0)}
    for now_s in (10.0, 20.0, 500.0, 910.0):
        assert left(running, before, now_s) == pytest.approx(1000.0 - now_s)


def test_a_cell_that_outlasts_its_time_slows_what_comes_after() -> None:
    before = {"a": [10.0, 110.0, 210.0]}
    running = {"a": Standing(started_s=0.0, share=1 / 3, news_s=10.0)}
    assert left(running, before, 110.0) == pytest.approx(100.0)
    # 390 s, and 30 to settle, where it took 110 and 30: the last cell is to take thrice as long.
    assert left(running, before, 390.0) == pytest.approx(300.0)


def test_half_the_pace_is_half_the_pace_for_all_that_follows() -> None:
    standings = {"a": Standing(started_s=0.0, ended_s=200.0, share=1.0), "b": Standing()}
    pace = (200.0 + 30.0) / (100.0 + 30.0)
    assert left(standings, {"a": TEN, "b": TEN}, 200.0) == pytest.approx(100.0 * pace)


def test_networks_in_the_cache_are_seen_at_the_first_cells() -> None:
    """What took 1000 s with everything to train is through three quarters in 20."""
    before = {"a": [250.0, 500.0, 750.0, 1000.0]}
    running = {"a": Standing(started_s=0.0, share=0.75, news_s=20.0)}
    assert left(running, before, 20.0) == pytest.approx(250.0 * 50.0 / 780.0)


def test_what_a_cell_counts_counts() -> None:
    before = {"a": [10.0, 20.0, 30.0]}
    running = {
        "a": Standing(started_s=0.0, share=1 / 3, news_s=10.0, counted_s=12.0, count_left_s=600.0)
    }
    assert left(running, before, 12.0) == pytest.approx(610.0)
    slower = (112.0 + 30.0) / (20.0 + 30.0)
    assert left(running, before, 112.0) == pytest.approx(500.0 + 10.0 * slower)


def test_at_the_very_start_of_what_never_ran_nothing_is_said() -> None:
    assert left({"a": Standing()}, {}, 0.0) is None
    assert left({"a": Standing(started_s=0.0, share=0.1, news_s=5.0)}, {}, 9.0) is None
    assert left({"a": Standing(), "b": Standing()}, {"a": TEN}, 0.0) is None


def test_what_never_ran_goes_on_as_it_began() -> None:
    begun = {"a": Standing(started_s=0.0, share=0.25, news_s=10.0)}
    assert left(begun, {}, 10.0) == pytest.approx(30.0)
    assert left(begun, {}, 15.0) == pytest.approx(25.0)
    # Others may be far shorter, as the first notebooks of the course are.
    assert left({"a": Standing(started_s=0.0, ended_s=40.0), "b": Standing()}, {}, 60.0) is None


def test_past_its_last_expectation_nothing_is_promised() -> None:
    running = {"a": Standing(started_s=0.0, share=0.9, news_s=90.0)}
    assert left(running, {"a": TEN}, 500.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "estimating the time left"), (59.0, "less than a minute left"),
        (60.0, "about 1 min left"), (5000.0, "about 83 min left"), (7200.0, "about 2.0 h left"),
    ],
)  # fmt: skip
def test_it_is_said_in_words(seconds: float | None, text: str) -> None:
    assert words(seconds) == text
