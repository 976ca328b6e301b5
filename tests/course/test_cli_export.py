"""`cryutils export`: one line for each network, one line for a mistake, and exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from refusals import Command, mistake
from trained_run import Trained

from cryutils.models.export import Lite


@pytest.fixture
def recorded(quick: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The run, with its training recordings in the cache."""
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(quick.outputs.parent / "cache"))
    return quick


def test_int8_is_written_to_the_output_folder(
    recorded: Trained, command: Command, apart: Path
) -> None:
    code, out, err = command(
        "export", "--model", "cry2", "--format", "litert", "--int8", "--output", "device"
    )
    path = apart / "device" / "cry2_int8.tflite"
    size = path.stat().st_size / 1000
    assert (code, out, err) == (0, f"{path}: {size:.0f} kB\n", "No medical device.\n")
    assert Lite(path).classes == 4
    assert {file.name for file in path.parent.iterdir()} == {
        path.name, f"{path.name}.json", "on_device.py",
    }  # fmt: skip


def test_the_default_output_is_in_the_runs_folder(
    recorded: Trained, command: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = apart / "elsewhere"
    shutil.copytree(recorded.run, outputs / "quick")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    code, out, _ = command("export", "--model", "full", "--float16")
    assert code == 0
    names = [line.rpartition("/")[2].partition(":")[0] for line in out.splitlines()]
    assert names == ["cry2_float16.tflite", "image_float16.tflite"]
    assert {path.name for path in (outputs / "quick" / "export").glob("*.tflite")} == set(names)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--model cry3", "no model 'cry3'. Did you mean cry2?"),
        ("--model cry2 --run quik", "no models here. Did you mean quick?"),
        ("--model cry2 --format onnx", "use --format openvino or litert."),
        ("--model cry2 --format lite", "no format 'lite'. Did you mean litert?"),
        ("--model cry2 --int8 --float16", "--int8, --float16: give one of them."),
        ("--model cry2 --output=", "an empty name; give a folder."),
        ("--model cry2 --run quick --output file", "file: can't be written to"),
        ("--model ensemble", "no run has trained 'ensemble' yet"),
        ("", "Missing option '--model'."),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    arguments: str, words: str, recorded: Trained, command: Command, apart: Path
) -> None:
    (apart / "file").write_text("no folder")
    assert words in mistake(command("export", *arguments.split()))
