"""What is said of long work where there is no terminal."""

from __future__ import annotations

import pytest

from cryutils import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: its one element, in s."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_a_minute_says_what_is_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.counting("Frames", "clips", lines=True) as report:
        for done in range(1, 41):
            clock[0] = 5.0 * done
            report(done, 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "Frames: 12 of 100 clips, about 7 min left",  # 88 of 5 s
        "Frames: 24 of 100 clips, about 6 min left",
        "Frames: 36 of 100 clips, about 5 min left",
    ]


def test_clips_found_in_the_cache_do_not_count_for_the_pace(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.counting("Frames", "clips", lines=True) as report:
        for done in range(1, 701):
            clock[0] += 0.001
            report(done, 800)
        for done in range(701, 721):
            clock[0] += 6.0
            report(done, 800)
    assert capsys.readouterr().err.splitlines()[-1].endswith("about 8 min left")  # 80 of 6 s


def test_short_work_and_work_without_lines_say_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for lines, seconds in ((True, 59.0), (False, 600.0)):
        clock[0] = 0.0
        with progress.counting("Frames", "clips", lines=lines) as report:
            clock[0] = seconds
            report(1, 2)
    assert capsys.readouterr().err == ""
