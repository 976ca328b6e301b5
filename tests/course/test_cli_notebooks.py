"""`cryutils notebooks` copies the course, and `cryutils run` takes a changed copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import Command, mistake, success

from cryutils.course import runner as course

NOTEBOOKS = course.notebooks()


def test_the_notebooks_are_copied_and_the_next_step_is_named(command: Command, apart: Path) -> None:
    out = success(command("notebooks", "my course"))
    assert out.splitlines() == [
        f"{len(NOTEBOOKS)} notebooks: my course",
        "Next: jupyter lab 'my course/00_start_here.ipynb'",
    ]
    copies = sorted((apart / "my course").glob("*.ipynb"))
    assert [copy.read_bytes() for copy in copies] == [p.read_bytes() for p in NOTEBOOKS.values()]
    assert (apart / "my course" / "quiz" / "03b_a_network_learns.json").is_file()
    assert (apart / "my course" / "solutions" / "03b_a_network_learns.py").is_file()


def test_a_changed_notebook_is_not_overwritten(command: Command, apart: Path) -> None:
    command("notebooks", "c")
    changed, lost, *_ = sorted((apart / "c").glob("*.ipynb"))
    changed.write_text("mine")
    lost.unlink()
    assert mistake(command("notebooks", "c")).startswith(f"cryutils: {changed}: ")
    assert changed.read_text() == "mine"
    assert not lost.exists(), "a refusal copies nothing"


def test_the_parameters_listed_are_those_of_the_copy(command: Command, apart: Path) -> None:
    command("notebooks", "c")
    copy = apart / "c" / "02_audio_features.ipynb"
    copy.write_text(copy.read_text().replace("n_mfcc = 20", "n_mfcc = 21"))
    assert "  n_mfcc = 20  # " in success(command("run", "--list", "02_audio_features"))
    listing = command("run", "--list", "c/02_audio_features.ipynb", "01", "-p", "seed=7")[1]
    assert "  n_mfcc = 21  # " in listing
    assert "01_data_and_playback\n" in listing
    assert "  seed = 7  # " in listing


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", "0.001"), ("hungry", '"hungry"'), ("True", "true"),
        ('["hungry","tired"]', '["hungry", "tired"]'),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_type(text: str, value: str, command: Command, apart: Path) -> None:
    out = success(command("run", "--list", "03", "-p", f"test_size={text}"))
    assert f"  test_size = {value}  # " in out
