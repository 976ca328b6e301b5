"""What is shown of a run."""

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


def test_a_line_a_minute_says_how_long_the_run_still_takes(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """09 has one cell of 605 s among ten, and a run that is silent for minutes goes on counting."""
    before = {"09": [10.0, 20.0, 30.0, 40.0, 50.0, 655.0, 665.0, 675.0, 685.0, 695.0]}
    with watch.watching(["01", "09"], before=before, processes=1, after={}, title="paper") as show:
        show("", "resuming: 1 of 2 notebooks, 3 networks kept", 0.0)
        show("", "a\x1b[2J\nb: a folder's name", 0.0)
        show("01", "kept", 1.0)
        show("09", "running", 0.0)
        for second in range(10, 51, 10):
            clock[0] = float(second)
            show("09", "running", second / 100)
        for second in range(51, 300):
            clock[0] = float(second)
            show("", "", 0.0)
            if second == 200:
                show("09", "Frames: 60 of 150 clips, about 20:00 left", 0.5)
        show("09", "running", 0.9)
        clock[0] = 300.0
        show("", "", 0.0)
        show("09", "done", 1.0)
    assert capsys.readouterr().err.splitlines() == [
        "resuming: 1 of 2 notebooks, 3 networks kept",
        r"a\x1b[2J\nb: a folder's name",
        "01: finished before, kept",
        "09: started",
        "1 of 2 notebooks done, about 11 min left",  # 635 s
        "1 of 2 notebooks done, about 10 min left",  # 575 s
        "1 of 2 notebooks done, about 9 min left",  # 515 s
        "1 of 2 notebooks done, about 20 min left; 09: Frames: 60 of 150 clips",  # 1160 s
        "1 of 2 notebooks done, less than a minute left",
        "09: done",
    ]


def test_a_run_that_never_ran_before_is_estimated_when_something_tells(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with watch.watching(["01", "02"], before={}, processes=1, after={}, title="quick") as show:
        show("01", "running", 0.0)
        clock[0] = 70.0
        show("01", "running", 0.1)
        clock[0] = 200.0
        show("01", "done", 1.0)
        show("02", "running", 0.0)
        clock[0] = 300.0
        show("02", "running", 0.4)
    assert capsys.readouterr().err.splitlines() == [
        "01: started",
        "0 of 2 notebooks done, estimating the time left",
        "01: done",
        "1 of 2 notebooks done, estimating the time left",
        "02: started",
        "1 of 2 notebooks done, about 2 min left",
    ]


def test_a_terminal_has_one_bar_with_the_time_left_of_the_whole_run(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    before = {"01": [100.0, 500.0], "02": [500.0]}
    with watch.watching(["01", "02"], before=before, processes=1, after={}, title="quick") as show:
        show("", "a line [about] the run", 0.0)
        show("01", "running", 0.0)
        clock[0] = 100.0
        show("01", "running", 0.5)
    screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "a line [about] the run" in screen
    (last,) = [line for line in screen.splitlines() if "the whole run" in line][-1:]
    assert re.search(r"10 % .*about 15 min left", last)
