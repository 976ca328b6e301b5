"""The written face agrees with the code: documents, dependencies, registry, profiles, citation.

No module of its own: it holds together what would otherwise drift apart in silence.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import cryutils
from cryutils import claims, course
from cryutils._io import extras
from cryutils.claims.store import Result
from cryutils.course import cli, execute, parameters
from cryutils.datasets.donateacry import parse_name

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text()
DATA = (ROOT / "docs" / "data.md").read_text()
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "data" / "README.md",
    ROOT / "outputs" / "README.md",
]
WRITTEN = tuple(course.notebooks())
PLANNED = ("12_beyond_the_papers",)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def ranges(lines: list[str]) -> dict[str, SpecifierSet]:
    specifiers: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        assert name not in specifiers, f"{name} stands there twice"
        specifiers[name] = requirement.specifier
    return specifiers


def declared() -> dict[str, SpecifierSet]:
    """Every dependency in pyproject.toml, those of all extras included."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"].values()
    return ranges([*project["dependencies"], *(line for extra in extras for line in extra)])


def environment() -> list[Any]:
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def registry_rows(corpus: str) -> list[dict[str, str]]:
    with (ROOT / "data" / "registry.csv").open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["file"].startswith(f"{corpus}/")]


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Every file that git tracks or would track, as (name, text); pictures and sounds left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to the repository")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


# Dependencies


def test_environment_and_pyproject_ask_for_the_same_packages_and_ranges() -> None:
    (pip,) = [entry["pip"] for entry in environment() if isinstance(entry, dict)]
    assert pip[0] == "-e ."
    assert ranges(pip[1:]) == declared()


def test_environment_and_pyproject_ask_for_the_same_python() -> None:
    (python,) = [
        entry for entry in environment() if isinstance(entry, str) and entry.startswith("python")
    ]
    assert Requirement(python).specifier == SpecifierSet(pyproject()["project"]["requires-python"])


def test_binder_installs_an_extra_that_exists_with_a_python_that_is_tested() -> None:
    (line,) = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    name, extra = re.fullmatch(r"-e (\.)\[(\w+)\]", line).groups()
    assert name == "." and extra in pyproject()["project"]["optional-dependencies"]
    version = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert SpecifierSet(pyproject()["project"]["requires-python"]).contains(version)


def test_the_development_container_installs_what_the_lab_needs() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    extra = re.fullmatch(
        r"pip install -c constraints\.txt -e '\.\[(\w+)\]'", container["postCreateCommand"]
    )[1]
    assert extra in pyproject()["project"]["optional-dependencies"]
    version = container["image"].rpartition(":")[2]
    assert SpecifierSet(pyproject()["project"]["requires-python"]).contains(version)


def test_doctor_says_what_each_extra_is_for() -> None:
    assert set(extras.PURPOSES) == set(pyproject()["project"]["optional-dependencies"])


def test_a_student_needs_no_server_database_driver_or_password_hash() -> None:
    core = ranges(pyproject()["project"]["dependencies"])
    app = ranges(pyproject()["project"]["optional-dependencies"]["app"])
    assert set(app) == {"argon2-cffi", "jupyter-server", "psycopg", "pymongo", "voila"}
    assert not set(app) & set(core)


def test_constraints_fix_every_dependency_within_its_range() -> None:
    fixed = {
        canonicalize_name(name): Version(version)
        for name, version in (line.split("==") for line in constraint_lines())
    }
    assert len(fixed) == len(constraint_lines()), "a package stands there twice"
    wanted = declared()
    assert not set(wanted) - set(fixed)
    # What builds the package need not be fixed; where it is, it must be new enough, too.
    wanted |= ranges(pyproject()["build-system"]["requires"])
    wrong = [
        f"{name} {fixed[name]} is not in {specifier}"
        for name, specifier in wanted.items()
        if name in fixed and not specifier.contains(fixed[name], prereleases=True)
    ]
    assert not wrong


# Data


def test_registry_names_457_files_with_sha256_and_size() -> None:
    rows = registry_rows("donateacry")
    assert len(rows) == len({row["file"] for row in rows}) == 457
    for row in rows:
        assert re.fullmatch(r"donateacry/[a-z_]+/[^/]+\.wav", row["file"])
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"])
        assert int(row["size"]) > 0


def test_the_data_page_counts_clips_and_donors_as_the_registry_does() -> None:
    clips: dict[str, list[str]] = defaultdict(list)
    for row in registry_rows("donateacry"):
        _, label, name = row["file"].split("/")
        clips[label].append(parse_name(name).infant)
    section = DATA.split("| label | clips | infants |")[1].split("\n\n")[0]
    table = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \|$", section, flags=re.MULTILINE)
    assert {label: (int(n), int(donors)) for label, n, donors in table} == {
        label: (len(infants), len(set(infants))) for label, infants in clips.items()
    }


@pytest.mark.parametrize("name", ["claims.csv", "unstated.csv"])
def test_a_table_has_the_columns_that_its_page_describes(name: str) -> None:
    page = (ROOT / "data" / "README.md").read_text()
    section = page.split(f"## {name}")[1].split("## ")[0]
    described = [
        column
        for row in re.findall(r"^\| (`.+?`) \|", section, flags=re.MULTILINE)
        for column in re.findall(r"`(\w+)`", row)
    ]
    with (ROOT / "data" / name).open(newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == described
    assert len({row[0] for row in rows}) == len(rows)
    assert all(len(row) == len(header) for row in rows)


def test_every_choice_that_names_a_parameter_names_one_that_exists() -> None:
    files = course.notebooks()
    studies = ("Table 2", "Table 3", "Paper B")
    rows = [row for study in studies for row in claims.unstated(study).to_dict("records")]
    with (ROOT / "data" / "unstated.csv").open(newline="") as lines:
        assert len(rows) == len(list(csv.DictReader(lines))), "each is of a study"
    named = [row for row in rows if row["parameter"]]
    assert {row["notebook"] for row in named} <= {*files, *PLANNED}
    written = [row for row in named if row["notebook"] in files]
    if not written:
        pytest.skip("none of the notebooks that the choices are made in is here yet")
    options = {name: parameters.read(files[name]) for name in {r["notebook"] for r in written}}
    assert not [
        f"{row['setting']}: {row['notebook']} has no parameter {row['parameter']!r}"
        for row in written
        if row["parameter"] not in options[row["notebook"]]
    ]


def test_no_recording_is_in_the_repository() -> None:
    sounds = {".wav", ".mp3", ".ogg", ".flac", ".m4a", ".3gp", ".caf", ".webm", ".mp4"}
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to the repository")
    assert not [name for name in listed.stdout.split("\0") if Path(name).suffix.lower() in sounds]


def test_notebooks_wait_only_for_notebooks_of_the_course() -> None:
    named = {name for waiting, first in course.AFTER.items() for name in (waiting, *first)}
    assert named <= {*WRITTEN}


# Documents


def test_readme_table_has_every_notebook_and_no_other() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(notebooks/(\S+)\.ipynb\) \|", README, re.MULTILINE)
    assert all(text == target for text, target in rows)
    assert [text for text, _ in rows] == list(course.notebooks())


@pytest.mark.parametrize("name", WRITTEN)
def test_readme_gives_the_time_that_the_notebook_gives(name: str) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| [{name}]")]
    (minutes,) = re.findall(r"\| (\d+) minutes \|", row)
    opening = execute.source_text(ROOT / "notebooks" / f"{name}.ipynb")[:2000]
    assert re.search(rf"\b{minutes} min", opening), f"{name} gives another time than README"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_points_to_a_file_and_a_heading(path: Path) -> None:
    broken = []
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"(?:\]\(|src=\")([^)\s\"]+)", prose):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_documents_name_only_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    assert {"help", "run", "test", "test-colab", "lint", "clean"} <= targets
    for path in DOCUMENTS:
        named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", path.read_text(), flags=re.MULTILINE)
        assert set(named) <= targets, path.name


def test_documents_name_only_commands_that_exist_and_readers_find_them_all() -> None:
    commands = set(cli.cryutils.commands)
    pattern = r"(?:`|^|/)cryutils ([a-z]+)"
    for path in DOCUMENTS:
        named = re.findall(pattern, path.read_text(), flags=re.MULTILINE)
        assert set(named) <= commands, path.name
    assert set(re.findall(pattern, README + COMMAND_LINE, flags=re.MULTILINE)) == commands


def test_the_command_line_page_describes_every_field_of_a_result_in_order() -> None:
    section = COMMAND_LINE.split("## Results")[1].split("## ")[0]
    rows = re.findall(r"^\| (`.+?`) \|", section, flags=re.MULTILINE)
    fields = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert fields == ["key", *Result.__slots__]


def test_the_syllabus_describes_the_ten_weeks_of_its_overview() -> None:
    syllabus = (ROOT / "docs" / "syllabus.md").read_text()
    weeks = re.findall(r"^\| (\d+) \| ([^|]+) \|", syllabus, flags=re.MULTILINE)
    assert [int(number) for number, _ in weeks] == list(range(1, 11))
    headings = re.findall(r"^### Week (\d+)(?: \(later\))?\. (.+)$", syllabus, flags=re.MULTILINE)
    assert headings == weeks


def test_no_file_names_a_path_of_one_machine() -> None:
    pattern = re.compile(r"(?<![\w.<])/(?:work|tmp|root|home|Users)\b(?!-)|\.\./shared")
    mentions = [
        f"{name}: {match[0]}"
        for name, text in tracked_texts()
        if name != ".ci/run"
        for match in [pattern.search(text)]
        if match
    ]
    assert not mentions


# Licence, citation, automation


def test_citation_has_what_its_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)
    for entry in [citation, *citation["references"]]:
        for author in entry["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})


def test_zenodo_finds_its_metadata_in_the_citation() -> None:
    citation, project = yaml.safe_load((ROOT / "CITATION.cff").read_text()), pyproject()["project"]
    assert citation["type"] == "software"
    assert citation["abstract"]
    assert citation["license"] == project["license"] == "MIT"
    assert citation["keywords"] == project["keywords"]
    assert not (ROOT / ".zenodo.json").exists(), "Zenodo would ignore CITATION.cff"


def test_one_version_everywhere() -> None:
    version = pyproject()["project"]["version"]
    assert cryutils.__version__ == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    changelog = (ROOT / "CHANGELOG.md").read_text()
    first = re.search(r"^## (\S+) \((.+)\)$", changelog, flags=re.MULTILINE)
    assert first is not None
    assert first[1] == version
    assert first[2] in ("not released yet", str(citation.get("date-released")))


def test_workflow_runs_make_test_with_least_privileges_on_both_ends_of_python() -> None:
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in text
    test, anywhere = workflow["jobs"]["test"], workflow["jobs"]["anywhere"]
    for job, target in ((test, "make test"), (anywhere, "make test-anywhere")):
        assert any(step.get("run", "").startswith(target) for step in job["steps"])
    supported = SpecifierSet(pyproject()["project"]["requires-python"])
    versions = [f"3.{minor}" for minor in range(9, 16) if supported.contains(f"3.{minor}")]
    assert test["strategy"]["matrix"]["python"] == [versions[0], versions[-1]]
    # Where there is no MongoDB its tests are skipped, which nobody would see.
    assert test["env"] == {"CRYUTILS_TEST_MONGODB_URL": "mongodb://localhost:27017/"}


def test_a_release_is_published_by_hand_with_least_privileges() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True] == {"workflow_dispatch": None}  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in text
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert any(step.get("run", "").startswith("make release") for step in build["steps"])
    assert "permissions" not in build
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert not any("run" in step for step in publish["steps"])


@pytest.mark.parametrize("heading", ["0.1.0 (2026-12-01)", "0.1.0 (not released yet)", "0.1.0"])
def test_only_a_tag_with_a_dated_heading_is_published(heading: str, tmp_path: Path) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (check,) = [
        s["run"] for s in workflow["jobs"]["build"]["steps"] if "CHANGELOG" in s.get("run", "")
    ]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n")
    for ref in ("tags/v0.1.0", "tags/v0.2.0", "tags/0.1.0", "heads/v0.1.0"):
        done = subprocess.run(
            ["bash", "-ec", check], cwd=tmp_path, env=os.environ | {"GITHUB_REF": f"refs/{ref}"},
            capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == (ref == "tags/v0.1.0" and "2026" in heading)


@pytest.mark.parametrize(("owner", "code"), [("OWNER", 1), ("cry-course", 0)])
def test_nothing_is_published_under_the_placeholder_of_the_address(
    owner: str, code: int, tmp_path: Path
) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (check,) = [s["run"] for s in workflow["jobs"]["build"]["steps"] if "OWNER" in s.get("run", "")]
    text = (ROOT / "pyproject.toml").read_text().replace("/OWNER/", f"/{owner}/")
    (tmp_path / "pyproject.toml").write_text(text)
    done = subprocess.run(["bash", "-ec", check], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.parametrize("profile", sorted(course.profiles()))
def test_each_profile_has_the_minutes_that_the_reference_run_took(profile: str) -> None:
    (stated,) = re.findall(rf"^\| `{profile}` \|.* (\d+) minutes", COMMAND_LINE, flags=re.MULTILINE)
    states = list((ROOT / "outputs" / "reference" / profile / "state").glob("*.json"))
    minutes = sum(json.loads(path.read_text())["seconds"] for path in states) / 60
    # Two notebooks run at a time: at best none ever waits for another, at worst each does.
    assert minutes / 2 <= int(stated) <= minutes
