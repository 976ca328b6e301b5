"""`cryutils notebooks` and `lab` copy the course, and `cryutils run` takes a changed copy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from processes import end
from refusals import Command, mistake, success
from sizes import large

from cryutils.course import runner as course

NOTEBOOKS = course.notebooks()


def test_the_notebooks_are_copied_and_the_next_step_is_named(command: Command, apart: Path) -> None:
    out = success(command("notebooks", "my course"))
    assert out.splitlines() == [f"{len(NOTEBOOKS)} notebooks: my course", "Next: cryutils lab 'my course'"]
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


@large
def test_lab_opens_the_missing_notebooks_as_trusted_ones(apart: Path) -> None:
    (apart / "mine").mkdir()
    (apart / "mine" / "03_feature_validation.ipynb").write_text("mine")
    options = ["--no-browser", "--allow-root", "--port", "0", "--ServerApp.token", "secret"]
    environment = os.environ | {"CRYUTILS_START_DIR": str(apart), "JUPYTER_DATA_DIR": str(apart)}
    server = subprocess.Popen(
        [sys.executable, "-m", "cryutils.course.cli", "lab", "mine", *options],
        cwd=apart,
        env=environment,
        stderr=subprocess.PIPE,
    )
    try:
        assert server.stderr is not None
        line = next(line for line in server.stderr if b"http://127.0.0.1" in line).decode()
        address = re.search(r"http://[\d.:]+", line)
        assert address
        cells = None
        for _ in range(60):  # it prints its address before it listens
            with suppress(URLError):
                kind = f"{address[0]}/api/contents/00_start_here.ipynb?token=secret"
                with urlopen(kind) as answer:
                    cells = json.load(answer)["content"]["cells"]
                break
            time.sleep(0.5)
    finally:
        end(server)
    assert cells and all(cell["metadata"]["trusted"] for cell in cells if cell["cell_type"] == "code")
    assert (apart / "mine" / "03_feature_validation.ipynb").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", "0.001"),
        ("hungry", '"hungry"'),
        ("True", "true"),
        ('["hungry","tired"]', '["hungry", "tired"]'),
    ],
)
def test_a_value_is_read_as_its_type(text: str, value: str, command: Command, apart: Path) -> None:
    out = success(command("run", "--list", "03", "-p", f"test_size={text}"))
    assert f"  test_size = {value}  # " in out
