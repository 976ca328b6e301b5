"""Folders that are read and written, and files that are written whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from cryutils._io import paths

pytestmark = pytest.mark.usefixtures("apart")


def test_a_relative_path_means_the_folder_where_the_command_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_START_DIR", str(tmp_path / "start"))
    assert paths.resolve("own/cries") == tmp_path / "start" / "own" / "cries"
    assert paths.resolve(tmp_path / "there") == tmp_path / "there"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert paths.resolve("~/cries") == tmp_path / "home" / "cries"


def test_without_variables_the_clone_and_the_users_cache_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CRYUTILS_OUTPUTS_DIR")
    monkeypatch.delenv("CRYUTILS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    monkeypatch.setenv("HOME", str(tmp_path))
    clone = Path(__file__).resolve().parents[2]
    assert paths.data_dir() is None
    assert paths.project_dir() == clone
    assert paths.outputs_dir() == clone / "outputs"
    assert tmp_path in paths.cache_dir().parents
    assert paths.cache_dir().name == "cryutils"


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    target.write_text("old")
    script = (
        "import os, signal, sys; from pathlib import Path; from cryutils._io.paths import writing\n"
        "with writing(Path(sys.argv[1])) as part:\n"
        "    part.write_text('ne'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"
    with paths.writing(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.glob("*.json")) == [target]
