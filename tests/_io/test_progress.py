"""Progress of long work: on a terminal, in a notebook, in a run, and not in a pipe."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import nbclient
import nbformat.v4
import pytest

from cryutils._io.parallel import thread_map
from cryutils._io.progress import counting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: its one element, in s."""
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a run's command reads."""
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(tmp_path / "news"))
    return tmp_path / "news"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_that_is_removed_at_the_end(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with counting("Frames\x1b[2J", "clips") as report:
        for done in range(4):
            clock[0] = 30.0 * done
            report(done, 10)
    *_, last, cleared = re.split(r"\r(?=.)", terminal.getvalue())
    assert re.search(r"Frames\\x1b\[2J: +30%.* 3/10 \[01:30<03:30, +30\.00s/ clips\]", last)
    assert cleared.strip() == ""


@pytest.mark.parametrize("shown", [True, False])
def test_a_pipe_gets_nothing(
    shown: bool, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with counting("Frames", "clips", shown=shown) as report:
        for done in range(4):
            clock[0] = 100.0 * done
            report(done, 10)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_a_widget() -> None:
    cell = nbformat.v4.new_code_cell(
        "from cryutils._io.progress import counting\n"
        "with counting('Frames', 'clips') as report:\n    report(1, 10)\n"
    )
    nbclient.execute(nbformat.v4.new_notebook(cells=[cell]))
    (shown,) = cell["outputs"]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]


def test_within_a_run_the_progress_is_written_for_the_command(
    clock: list[float], news: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with counting("Frames", "clips") as report:
        report(0, 10)
        clock[0] = 1.0
        report(1, 10)
        assert not news.exists(), "a pace is not known yet"
        for done in range(2, 5):
            clock[0] = 30.0 * done
            report(done, 10)
    assert news.read_text() == "Frames: 4 of 10 clips, about 03:00 left"
    assert terminal.getvalue() == ""


def test_work_continues_if_its_progress_cannot_be_written(
    clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_PROGRESS_FILE", str(tmp_path / "gone" / "x" / "news"))
    (tmp_path / "gone").write_text("a file where a folder should be")
    with counting("Frames", "clips") as report:
        for done in range(4):
            clock[0] += 60
            report(done, 10)
    assert (tmp_path / "gone").read_text() == "a file where a folder should be"


def test_cached_clips_do_not_count_for_the_pace(clock: list[float], news: Path) -> None:
    with counting("Frames", "clips") as report:
        for done in range(1, 701):
            clock[0] += 0.001
            report(done, 800)
        for done in range(701, 721):
            clock[0] += 6.0
            report(done, 800)
    assert news.read_text().endswith(("about 07:59 left", "about 08:00 left"))  # 80 of 6 s


def test_a_thread_map_reports_its_progress(clock: list[float], news: Path) -> None:
    def minute(clip: int) -> int:
        clock[0] += 60.0
        return clip

    clips = thread_map(minute, range(9), what="faces", progress=True)
    assert list(clips) == list(range(9))
    assert re.match(r"faces: \d of 9 clips, about [\d:]+ left", news.read_text())
    news.unlink()
    list(thread_map(minute, range(9), what="faces"))
    assert not news.exists()
