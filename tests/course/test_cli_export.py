"""`cryutils export`: one line for each network, one line for a mistake, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import Command, mistake
from trained_run import Trained

from cryutils.models.export import Lite


def test_int8_is_written_to_the_output_folder(
    quick: Trained, command: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(quick.outputs.parent / "cache"))
    code, out, err = command("export", "--model", "cry2", "--int8", "--output", "device")
    path = apart / "device" / "cry2_int8.tflite"
    size = path.stat().st_size / 1000
    assert (code, out, err) == (0, f"{path}: {size:.0f} kB\n", "No medical device.\n")
    assert Lite(path).classes == 4
    assert {file.name for file in path.parent.iterdir()} == {path.name, "cry2_int8.json"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--model cry3", "Did you mean cry2?"),
        ("--model cry2 --run quik", "Did you mean quick?"),
        ("--model cry2 --run quick --output file", "file: can't be written to"),
        ("", "Missing option '--model'."),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    arguments: str, words: str, quick: Trained, command: Command, apart: Path
) -> None:
    (apart / "file").write_text("no folder")
    assert words in mistake(command("export", *arguments.split()))
