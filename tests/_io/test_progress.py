"""A long file shows how much of it is read."""

import os
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

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
