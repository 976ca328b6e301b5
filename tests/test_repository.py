"""What the repository holds: dependencies that agree, the registry, no recording, no local path."""

import csv
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]


def ranges(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the range of versions of each package in lines such as "numpy>=1.26"."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(each.name): each.specifier for each in requirements}


def declared() -> dict[str, SpecifierSet]:
    """Return every dependency in pyproject.toml, those of all extras and groups included."""
    more = [*EXTRAS.values(), *PYPROJECT["dependency-groups"].values()]
    every = ranges([*PROJECT["dependencies"], *(line for lines in more for line in lines)])
    del every["cryutils"]  # an extra that includes [course]
    return every


def tracked() -> list[Path]:
    """Return the files in git, or skip the test in a copy without git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file()]


def test_the_conda_environment_has_every_extra() -> None:
    entries: list[Any] = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    assert pip == [f"-e .[{','.join(sorted(EXTRAS.keys() - {'course'}))}]"]


def test_constraints_fix_every_dependency_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line.strip() and not line.startswith("#")]
    fixed = {canonicalize_name(name): version for name, version in pins}
    assert len(fixed) == len(pins)
    for name, specifier in declared().items():
        assert specifier.contains(fixed[name], prereleases=True), name


def test_the_owner_is_written_into_every_link_and_a_link_to_a_file_leads_to_one(tmp_path: Path) -> None:
    for path in tracked():
        if path.suffix in (".md", ".cff", ".ipynb", ".toml", ".yml"):
            (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / path.relative_to(ROOT))

    def make_owner(name: str) -> subprocess.CompletedProcess[str]:
        words = ["make", "-f", str(ROOT / "Makefile"), "owner", f"NAME={name}"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert make_owner("octo-cat").returncode == 0
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.is_file())
    assert text.count("/octo-cat/cryutils") > 40 and "/OWNER/cryutils" not in text
    (tmp_path / "notebooks" / "lesson_1_start_here.ipynb").unlink()  # README links to it
    assert "leads to notebooks/lesson_1_start_here.ipynb" in make_owner("octo-cat").stderr
    assert all("such as make owner" in make_owner(name).stderr for name in ("", "an owner", "-x"))


def test_registry_names_each_file_with_sha256_and_size() -> None:
    with (ROOT / "data" / "registry.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len({row["file"] for row in rows}) == 457 + 1128 + 284 + 240 + 240
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) and int(row["size"]) > 0


def test_no_recording_is_in_the_repository() -> None:
    sounds = {".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm", ".mp4"}
    film = ROOT / "docs" / "front" / "application.webm"  # has no sound
    assert [path for path in tracked() if path.suffix.lower() in sounds] == [film]


def test_no_file_names_a_path_of_one_machine() -> None:
    pattern = re.compile(rb"(?<![\w.<])/(?:work|tmp|root|home|Users)\b(?!-)|\.\./shared")
    texts = [path for path in tracked() if path.suffix not in (".parquet", ".png")]
    ci = ROOT / ".ci" / "run"
    assert not [path for path in texts if path != ci and pattern.search(path.read_bytes())]
