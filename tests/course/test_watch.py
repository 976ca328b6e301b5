"""Progress and time left of a run."""

from __future__ import annotations

import re

import pytest

from cryutils.course import watch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: its one element, in s."""
    now = [0.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def test_one_line_a_minute_says_how_long_the_run_still_takes(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Estimated by the last run at first, then by the pace of this run."""
    with watch.watching(["01", "09"], before={"09": 1000.0}, processes=1, title="paper") as show:
        show("", "resuming: 1 of 2 notebooks finished before", 0.0)
        show("", "a\x1b[2J\nb: a folder's name", 0.0)
        show("01", "kept", 1.0)
        show("09", "running", 0.0)
        for clock[0] in (50.0, 70.0, 80.0):
            show("", "", 0.0)
        clock[0] = 140.0
        show("09", "Frames: 60 of 150 clips, about 20:00 left", 0.0)
        clock[0] = 300.0
        show("09", "running", 0.5)
        show("09", "done", 1.0)
    assert capsys.readouterr().err.splitlines() == [
        "resuming: 1 of 2 notebooks finished before",
        r"a\x1b[2J\nb: a folder's name",
        "01: finished before, kept",
        "09: started",
        "1 of 2 notebooks done, about 17 min left",
        "1 of 2 notebooks done, about 17 min left; 09: Frames: 60 of 150 clips",
        "1 of 2 notebooks done, about 5 min left",
        "09: done",
    ]


def test_a_first_run_is_estimated_by_its_own_pace(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with watch.watching(["01", "02"], before={}, processes=1, title="quick") as show:
        show("01", "running", 0.0)
        clock[0] = 70.0
        show("01", "running", 0.1)
        clock[0] = 200.0
        show("01", "done", 1.0)
        show("02", "running", 0.0)
        clock[0] = 300.0
        show("02", "running", 0.5)
    assert capsys.readouterr().err.splitlines() == [
        "01: started",
        "0 of 2 notebooks done, estimating the time left",
        "01: done",
        "1 of 2 notebooks done, about 3 min left",  # 200 s
        "02: started",
        "1 of 2 notebooks done, about 2 min left",  # 100 s
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(20.0, "less than a minute"), (400.0, "about 7 min"), (9000.0, "about 2.5 h")],
)
def test_two_parallel_notebooks_take_as_long_as_the_longer_one(
    seconds: float, text: str, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {"01": seconds, "02": seconds / 2}
    with watch.watching(["01", "02"], before=before, processes=2, title="quick") as show:
        clock[0] = 61.0
        show("", "", 0.0)
    assert capsys.readouterr().err == f"0 of 2 notebooks done, {text} left\n"


def test_a_terminal_has_one_bar_with_the_time_left_of_the_whole_run(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    before = {"01": 500.0, "02": 500.0}
    with watch.watching(["01", "02"], before=before, processes=1, title="quick") as show:
        show("", "a line [about] the run", 0.0)
        show("01", "running", 0.0)
        clock[0] = 100.0
        show("01", "running", 0.5)
    screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "a line [about] the run" in screen
    (last,) = [line for line in screen.splitlines() if "the whole run" in line][-1:]
    assert re.search(r"25 % .*about 5 min left", last)
