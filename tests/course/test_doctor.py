"""The doctor says what is ready, what is missing, and what must be fixed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from refusals import Command, success

from cryutils.course import cli_doctor


def test_a_machine_that_runs_these_tests_is_ready(command: Command, apart: Path) -> None:
    out = success(command("doctor"))
    for words in ("ok       Python: 3.", "ok       packages: installed", "extra [lab]"):
        assert words in out
    assert f"ok       cache: {apart / 'cache'}" in out
    assert "missing  DonateACry: `cryutils data fetch donateacry` downloads it" in out
    assert not (apart / "cache").exists(), "looking makes nothing"


@pytest.mark.parametrize("place", ["file", "/proc/outputs"])
def test_a_folder_that_cannot_be_written_must_be_fixed(
    place: str, command: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (apart / "file").write_text("")
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", place)
    code, out, err = command("doctor")
    assert (code, err) == (1, "What is BAD must be fixed before the course runs.\n")
    assert f"BAD      outputs: {apart / place} can't be written to; set CRYUTILS_OUTPUTS_DIR" in out


def test_a_package_that_is_not_installed_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = metadata.requires("cryutils") or []
    asked = [*needed, "no-such-package>=1", 'no-such-extra>=1; extra == "lab"']
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    code, out, _ = command("doctor")
    assert code == 1
    assert "BAD      packages: not installed: no-such-package" in out
    assert "missing  extra [lab], for JupyterLab: not installed: no-such-extra" in out


@pytest.mark.parametrize("words", ["doctor", "predict cry.wav"])
def test_opencv_that_needs_libgl_is_named_with_its_remedy(words: str, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "cryutils.course.cli", *words.split()],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = [each for each in (done.stdout + done.stderr).splitlines() if "libGL.so.1" in each]
    assert "pip install --force-reinstall 'opencv-python-headless" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("gib", "state"), [(1, "BAD     "), (8, "ok      ")])
def test_it_names_the_cores_and_the_memory_that_are_allowed(
    gib: int, state: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr(cli_doctor, "memory", lambda: gib * 2**30)
    _, out, _ = command("doctor")
    assert "ok       cores: 2 allowed, of 64" in out
    assert f"{state} memory: {gib}.0 GiB" in out
