"""The wheel is small and contains the whole course; `make release` runs it without the clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from sizes import large

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this clone."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", target]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 8e6


@large
def test_every_file_of_the_package_and_of_the_course_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "crydecode", "cryutils", "data", "notebooks", "outputs/reference"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if "/probabilities/" not in name]
    files = {name for name in names if name and (ROOT / name).is_file()}
    wanted = {f if f.startswith(("crydecode/", "cryutils/")) else f"cryutils/_course/{f}" for f in files}
    assert not wanted - set(ZipFile(wheel).namelist())
