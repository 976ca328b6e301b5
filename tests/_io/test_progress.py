"""What is said of long work where there is no terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cryutils._io import progress
from cryutils._io.parallel import thread_map
from cryutils.datasets.synthetic import corpus


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


def test_within_a_run_the_news_are_left_for_the_command_to_show(
    clock: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "news"
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(place))
    with progress.counting("Frames", "clips") as report:
        for done in range(1, 4):
            clock[0] = 30.0 * done
            report(done, 10)
    assert place.read_text() == "Frames: 3 of 10 clips, about 4 min left"  # 7 of 30 s
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(tmp_path / "gone" / "x" / "news"))
    (tmp_path / "gone").write_text("a file where a folder should be")
    with progress.counting("Frames", "clips") as report:
        report(1, 10)
        clock[0] += 60
        report(2, 10)


def test_a_line_a_minute_says_how_long_the_run_still_takes(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """09 has one cell of 605 s among ten, and a run that is silent for minutes goes on counting."""
    before = {"09": [10.0, 20.0, 30.0, 40.0, 50.0, 655.0, 665.0, 675.0, 685.0, 695.0]}
    with progress.watching(
        ["01", "09"], before=before, processes=1, after={}, title="paper"
    ) as show:
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
                show("09", "Frames: 60 of 150 clips, about 20 min left", 0.5)
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
    with progress.watching(["01", "02"], before={}, processes=1, after={}, title="quick") as show:
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
    with progress.watching(
        ["01", "02"], before=before, processes=1, after={}, title="quick"
    ) as show:
        show("", "a line [about] the run", 0.0)
        show("01", "running", 0.0)
        clock[0] = 100.0
        show("01", "running", 0.5)
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "a line [about] the run" in said
    (last,) = [line for line in said.splitlines() if "the whole run" in line][-1:]
    assert re.search(r"10 % .*about 15 min left", last)


def test_what_is_not_to_be_shown_is_nowhere(
    clock: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(tmp_path / "news"))
    with progress.counting("Frames", "clips", lines=True, shown=False) as report:
        for done in range(1, 4):
            clock[0] = 100.0 * done
            report(done, 10)
    assert not (tmp_path / "news").exists()
    assert capsys.readouterr().err == ""


def test_a_corpus_tells_how_many_of_its_clips_are_made(
    clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav = corpus.write_wav

    def minutes(*content: Any, **settings: Any) -> None:
        clock[0] += 60.0
        write_wav(*content, **settings)

    monkeypatch.setattr(corpus, "write_wav", minutes)
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(tmp_path / "news"))
    corpus.build(["hungry"], infants=5, clips_per_infant=2, duration_s=1.0)
    assert re.match(r"synthetic cries: \d+ of 10 clips, about", (tmp_path / "news").read_text())


def test_work_on_many_clips_says_how_much_is_done(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    def minute(clip: int) -> int:
        clock[0] += 60.0
        return clip

    assert list(thread_map(minute, range(9), what="faces", progress=True, jobs=1)) == list(range(9))
    said = capsys.readouterr()
    assert said.out == "", "what a cell prints can't depend on what the cache holds"
    assert re.match(r"faces: \d of 9 clips, about \d+ min left", said.err)
    list(thread_map(minute, range(9), what="faces", jobs=1))
    assert capsys.readouterr() == ("", "")
