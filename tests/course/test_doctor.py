"""The doctor says what is ready, what is missing, and what must be fixed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from refusals import Command, success


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
