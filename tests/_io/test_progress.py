"""Bars of long work are gone when it is done, also from a saved notebook."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SHOW = """
from cryutils._io import progress
progress._PIPE_S = 0.0
with progress.counting("Training", "networks") as report:
    for done in (1, 2):
        report(done, 2)
print("done")
"""


def test_a_finished_bar_leaves_nothing_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    cell = nbformat.v4.new_code_cell(SHOW)
    client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]))
    client.execute()
    shown = [output.data for output in cell.outputs if output.output_type == "display_data"]
    assert shown == [{}], "no bar and no widget"
    assert [o.text for o in cell.outputs if o.output_type == "stream"] == ["done\n"]


DESCRIBE = """
from cryutils._io import progress
from cryutils.course import cli
progress._PIPE_S = 0.0
cli.main(["data", "describe", "own"])
"""


def test_one_long_file_shows_on_a_terminal_alone_how_much_is_read(
    apart: Path, sound: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    sound(apart / "own" / "hungry" / "anna" / "night.wav", seconds=60)
    call = [sys.executable, "-c", DESCRIBE]
    ours, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    drawn = b""
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        with suppress(OSError):  # the process has ended
            while part := os.read(ours, 4096):
                drawn += part
    os.close(ours)
    assert process.returncode == 0
    shown = {int(s) for s in re.findall(r"night.wav: .*? (\d+)/60 ", drawn.decode())}
    assert len(shown) > 5 and max(shown) <= 60
    elsewhere = subprocess.run(call, capture_output=True, check=True)
    assert b"night" not in elsewhere.stderr
