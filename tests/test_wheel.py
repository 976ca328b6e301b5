"""An installed wheel, without the clone and without the extras, gives the whole course.

The tests unpack the wheel and run it in subprocesses, from an empty folder. Imports of the extras'
packages are refused there, as if they were not installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

import cryutils
from cryutils import course

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = course.notebooks(ROOT / "notebooks")
OPTIONAL = (
    "argon2", "jupyter_server", "jupyterlab", "nncf", "openvino", "psycopg", "pymongo", "voila",
)  # fmt: skip
REFUSING = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""
NEEDS_APP = "needs the extra [app]; install it with: pip install 'cryutils[app]'\n"

Cryutils = Callable[..., subprocess.CompletedProcess[str]]


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a "wheel" or an "sdist" of `source` in the empty folder `target`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked as pip does."""
    site = tmp_path_factory.mktemp("site")
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


@pytest.fixture
def installed(site: Path, apart: Path, tmp_path_factory: pytest.TempPathFactory) -> Cryutils:
    """`installed("doctor")` runs the command of the wheel in the test's empty folder."""
    refusing = tmp_path_factory.mktemp("refusing")
    (refusing / "sitecustomize.py").write_text(REFUSING)
    path = os.pathsep.join(map(str, (refusing, site)))
    environment = os.environ | {"PYTHONPATH": path, "CRYUTILS_OFFLINE": "1"}
    for name in ("CRYUTILS_OUTPUTS_DIR", "CRYUTILS_START_DIR"):
        del environment[name]

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cryutils.course.cli", *arguments],
            cwd=apart, env=environment | variables, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return call


# What is in the wheel


def test_every_file_of_the_package_and_of_the_course_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "cryutils", "benchmarks", "data", "notebooks",
         "outputs/reference", "docs/deviations.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to the repository")
    files = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    packed = set(ZipFile(wheel).namelist())
    wanted = {f if f.startswith("cryutils/") else f"cryutils/_course/{f}" for f in files}
    assert not wanted - packed
    assert not [name for name in packed if "__pycache__" in name]


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    source = build(ROOT, tmp_path / "sdist", "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source")
    (folder,) = (tmp_path / "source").iterdir()
    rebuilt = build(folder, tmp_path / "wheel", "wheel")
    first, second = ZipFile(wheel), ZipFile(rebuilt)
    assert sorted(first.namelist()) == sorted(second.namelist())
    assert {f.filename: f.CRC for f in first.filelist} == {
        f.filename: f.CRC for f in second.filelist
    }


# The release


def test_twine_accepts_what_is_published(wheel: Path, tmp_path: Path) -> None:
    assert wheel.name == f"cryutils-{cryutils.__version__}-py3-none-any.whl"
    source = build(ROOT, tmp_path, "sdist")
    command = [sys.executable, "-m", "twine", "check", "--strict", wheel, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("broken", ["", "twine", "uv", "cryutils"])
def test_make_release_tries_the_wheel_without_the_clone_and_stops_at_the_first_failure(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe calls stubs that print their arguments, folder and variables."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    clone, temporary = tmp_path / "clone", tmp_path / "temporary"
    temporary.mkdir()
    for name in ("pyproject.toml", "constraints.txt", ".venv/.installed-everything"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()
    for name in ("python", "twine", "uv", "cryutils"):
        stub = clone / (".venv-release" if name == "cryutils" else ".venv") / "bin" / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        code = int(name == broken)
        stub.write_text(f'#!/bin/sh\necho {name} "$@" IN "$PWD" WITH $(env)\nexit {code}\n')
        stub.chmod(0o755)
    for name in ("PYTHONPATH", "CRYUTILS_PROJECT_DIR"):
        monkeypatch.setenv(name, str(ROOT))
    monkeypatch.setenv("TMPDIR", str(temporary))
    done = subprocess.run(
        ["make", "--silent", "-f", ROOT / "Makefile", "release"],
        cwd=clone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    calls = [line for line in done.stdout.splitlines() if " IN " in line]
    assert (done.returncode == 0) == (broken == "") == ("Ready" in done.stdout)
    if broken:
        assert calls[-1].startswith(f"{broken} ")
        return
    copied, ran = (line for line in calls if line.startswith("cryutils "))
    assert copied.startswith("cryutils notebooks course IN ")
    assert ran.startswith("cryutils run course/00_start_here.ipynb IN ")
    for line in (copied, ran):
        folder, variables = line.split(" IN ")[1].split(" WITH ")
        assert Path(folder).parent == temporary and not Path(folder).exists()
        assert "CRYUTILS_OFFLINE=1" in variables
        assert "PYTHONPATH" not in variables and "CRYUTILS_PROJECT_DIR" not in variables


# The course without the clone


def test_a_changed_copy_of_a_notebook_runs_and_its_outputs_are_in_the_current_folder(
    installed: Cryutils, apart: Path
) -> None:
    done = installed("notebooks", "course")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{len(NOTEBOOKS)} notebooks: course",
        "Next: jupyter lab course/00_start_here.ipynb",
        "JupyterLab is not installed; install it with: pip install 'cryutils[lab]'",
    ]
    copies = sorted((apart / "course").iterdir())
    assert [path.read_bytes() for path in copies] == [p.read_bytes() for p in NOTEBOOKS.values()]

    changed = apart / "course" / "14_scoreboard.ipynb"
    notebook = json.loads(changed.read_text())
    notebook["cells"][-1] |= {"cell_type": "code", "source": "print('my' + ' own cell')"}
    notebook["cells"][-1] |= {"outputs": [], "execution_count": None}
    changed.write_text(json.dumps(notebook))
    done = installed("run", "course/14_scoreboard.ipynb")
    assert done.returncode == 0, done.stderr
    assert "Report: outputs/quick/report.html" in done.stdout
    run = apart / "outputs" / "quick"
    assert "my own cell" in (run / "notebooks" / changed.name).read_text()
    assert (run / "state" / "14_scoreboard.json").is_file()
    assert list((run / "figures").glob("*.png"))


@pytest.mark.parametrize("variable", ["", "CRYUTILS_START_DIR"])
def test_outputs_are_where_the_command_was_started(
    installed: Cryutils, apart: Path, variable: str
) -> None:
    start = apart / "elsewhere" if variable else apart
    done = installed("report", **({variable: str(start)} if variable else {}))
    assert done.returncode == 2
    assert done.stderr.startswith(f"cryutils: {start / 'outputs'}: no run has finished here")


def test_doctor_is_content_and_names_each_missing_extra(installed: Cryutils, apart: Path) -> None:
    done = installed("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"outputs: {apart / 'outputs'}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "notebooks"),
        (["serve", "--help"], "--certfile"),
        (["users", "add", "--help"], "password"),
        (["run", "--list"], "14_scoreboard"),
        (["run", "--list", "--profile", "paper", "13_live_and_deployment"], "13_live"),
        (["claims", "--paper", "B", "--run", "reference/judged"], "leak-free"),
        (["data", "list"], "donateacry"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_of_the_course_works(
    installed: Cryutils, arguments: list[str], expected: str
) -> None:
    done = installed(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout


# What needs an extra


@pytest.mark.parametrize(
    ("arguments", "store", "expected"),
    [
        (["serve"], "", f"the application {NEEDS_APP}"),
        (["users", "add", "demo"], "", f"the application {NEEDS_APP}"),
        (["infants", "list"], "postgresql://h/d", f"a store in PostgreSQL {NEEDS_APP}"),
        (["log", "show", "Mia"], "mongodb://h/d", f"a store in MongoDB {NEEDS_APP}"),
        (["bench", "pages"], "", f"cryutils bench pages {NEEDS_APP}"),
        (
            ["run", "07_frames_resnet50", "-p", "engine=openvino-int8"],
            "",
            "engine=openvino-int8 needs the extra [openvino]; "
            "install it with: pip install 'cryutils[openvino]'\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_missing_extra_is_one_sentence(
    installed: Cryutils, apart: Path, arguments: list[str], store: str, expected: str
) -> None:
    done = installed(*arguments, CRYUTILS_STORE=store or f"sqlite:///{apart / 'store.sqlite'}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"cryutils: {expected}")


@pytest.mark.parametrize("name", ["pages", "store"])
def test_a_benchmark_finds_the_tools_that_it_uses(site: Path, tmp_path: Path, name: str) -> None:
    script = site / "cryutils" / "_course" / "benchmarks" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], env=os.environ | {"PYTHONPATH": str(site)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_store_in_a_file_needs_no_extra(installed: Cryutils, apart: Path) -> None:
    store = f"sqlite:///{apart / 'store.sqlite'}"
    done = installed("infants", "list", CRYUTILS_STORE=store)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
