"""`cryutils notebooks` copies the course, and `cryutils run` takes a changed copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from refusals import Command, mistake, success

from cryutils import course

NOTEBOOKS = course.notebooks()


def test_the_notebooks_are_copied_and_the_next_step_is_named(command: Command, apart: Path) -> None:
    out = success(command("notebooks", "my course"))
    assert out.splitlines()[:2] == [
        f"{len(NOTEBOOKS)} notebooks: my course",
        "Next: jupyter lab 'my course/00_start_here.ipynb'",
    ]
    copies = sorted((apart / "my course").iterdir())
    assert [copy.name for copy in copies] == [path.name for path in NOTEBOOKS.values()]
    assert [copy.read_bytes() for copy in copies] == [p.read_bytes() for p in NOTEBOOKS.values()]


def test_a_changed_notebook_is_overwritten_only_by_force(command: Command, apart: Path) -> None:
    command("notebooks", "c")
    changed, lost, *kept = sorted((apart / "c").iterdir())
    before = {path: path.stat().st_mtime_ns for path in kept}
    changed.write_text("mine")
    lost.unlink()
    assert mistake(command("notebooks", "c")) == (
        f"cryutils: {changed}: this notebook differs from the course's; choose another folder, "
        "or give --force to overwrite it.\n"
    )
    assert changed.read_text() == "mine"
    assert not lost.exists(), "a refusal copies nothing"
    assert command("notebooks", "c", "--force")[0] == 0
    for path in (changed, lost):
        assert path.read_bytes() == NOTEBOOKS[path.stem].read_bytes()
    assert {path: path.stat().st_mtime_ns for path in kept} == before


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/course"])
def test_a_folder_that_cannot_be_made_is_one_line(
    command: Command, apart: Path, folder: str
) -> None:
    (apart / "file").write_text("")
    line = mistake(command("notebooks", folder))
    assert line.startswith(f"cryutils: {apart / folder}")


def test_a_project_without_notebooks_is_one_line(
    command: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart))
    assert "CRYUTILS_PROJECT_DIR" in mistake(command("notebooks", "c"))
    assert not (apart / "c").exists()


# Running a copy


def test_the_parameters_listed_are_those_of_the_copy(command: Command, apart: Path) -> None:
    command("notebooks", "c")
    copy = apart / "c" / "02_audio_features.ipynb"
    copy.write_text(copy.read_text().replace("n_mfcc = 20", "n_mfcc = 21"))
    assert "n_mfcc = 20" in command("run", "--list", "02_audio_features")[1]
    listing = command("run", "--list", "c/02_audio_features.ipynb", "01_data_and_playback")[1]
    assert "n_mfcc = 21" in listing
    assert "01_data_and_playback" in listing


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("c/02_audio_features.ipynb", "no such file."),
        ("c", "no notebook 'c'."),
        ("c/02_audio_feature.ipynb", "Did you mean 02_audio_features?"),
        ("c/14_scoreboard.ipynb 14_scoreboard.ipynb", "14_scoreboard is given twice"),
        ("14 14_scoreboard.ipynb", "14_scoreboard is given twice"),
        ("c/10_leakage_audit.ipynb", "not a notebook of format 4, or damaged."),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    command: Command, apart: Path, arguments: str, expected: str
) -> None:
    (apart / "c").mkdir()
    for name in ("c/02_audio_feature", "c/14_scoreboard", "14_scoreboard"):
        (apart / f"{name}.ipynb").write_text(json.dumps({"cells": []}))
    (apart / "c" / "10_leakage_audit.ipynb").write_text("not a notebook")
    assert expected in mistake(command("run", "--list", *arguments.split()))
