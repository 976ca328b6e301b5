"""An installed wheel gives the whole course without the clone and without the extras."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from sizes import large

from cryutils.course import runner as course

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = ("argon2", "multipart", "psycopg", "pymongo", "starlette", "uvicorn")
# As if they were not installed, also for `importlib.util.find_spec`.
REFUSING = f"import sys\nsys.modules.update(dict.fromkeys({OPTIONAL}))\n"

Cryutils = Callable[..., subprocess.CompletedProcess[str]]


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


@pytest.fixture
def installed(wheel: Path, apart: Path, tmp_path_factory: pytest.TempPathFactory) -> Cryutils:
    """`installed("run")` runs the wheel's command in an empty folder, without the extras."""
    site = tmp_path_factory.mktemp("site")
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "sitecustomize.py").write_text(REFUSING)
    environment = os.environ | {"PYTHONPATH": str(site), "CRYUTILS_OFFLINE": "1"}
    for name in ("CRYUTILS_OUTPUTS_DIR", "CRYUTILS_START_DIR"):
        environment.pop(name, None)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cryutils.course.cli", *arguments],
            cwd=apart,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return call


@large
def test_every_file_of_the_package_and_of_the_course_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "crydecode", "cryutils", "data", "notebooks", "outputs/reference"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    wanted = {f if f.startswith(("crydecode/", "cryutils/")) else f"cryutils/_course/{f}" for f in files}
    assert not wanted - set(ZipFile(wheel).namelist())


@large
def test_a_copy_of_a_notebook_runs_and_its_outputs_are_in_the_current_folder(
    installed: Cryutils, apart: Path
) -> None:
    assert installed("notebooks", "course").returncode == 0
    assert len(list((apart / "course").glob("*.ipynb"))) == len(course.notebooks())
    done = installed("run", "course/14_scoreboard.ipynb")
    assert done.returncode == 0, done.stderr
    assert (apart / "outputs" / "quick" / "state" / "14_scoreboard.json").is_file()
