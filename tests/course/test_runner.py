"""Profiles, parameters, fingerprints; notebooks that run in parallel, fail, are killed, resume.

Two tiny notebooks stand in for the course; kernels, processes and signals are real.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from clock import until
from course_of_two import COUNT, WAIT, jobs, made, notebook, profile, results, tally, tiny
from nbformat.v4 import new_code_cell, new_notebook
from refusals import Command, mistake
from sizes import LARGE, large

from cryutils import course
from cryutils.claims import report
from cryutils.course import fingerprint, runner
from cryutils.errors import InputError

HANG_S = 600  # only ends a hang

TRAIN = """\
import os
from pathlib import Path
from cryutils import claims
claims.begin("02_second", seed=seed)
claims.record(1.0, study="half", metric="n", data="made")
claims.write()
Path(os.environ["GATE"]).with_name("trained").touch()
"""


def let_both_only_count() -> None:
    """Let both notebooks do nothing but count their executions."""
    for name in ("01_first", "02_second"):
        notebook(name, COUNT.format(name=name))


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where both notebooks of such a course have been run."""
    place = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cache", "outputs"):
            patch.setenv(f"CRYUTILS_{name.upper()}_DIR", str(place / name))
        made(place, patch)
        assert course.run(jobs(), processes=2) == {}
    return place


@pytest.fixture
def finished(first_run: Path, project: Path, apart: Path) -> Path:
    """The run's folder in a project where both notebooks have been run once."""
    for name in ("outputs", "tally"):
        shutil.copytree(first_run / name, apart / name, dirs_exist_ok=True)
    assert all(job.is_done() for job in jobs())
    return apart / "outputs" / "quick"


def test_a_notebook_that_is_damaged_or_without_parameters_is_named(project: Path) -> None:
    path = project / "notebooks" / "03_bare.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    with pytest.raises(InputError, match=r"03_bare.ipynb: no cell is tagged 'parameters'"):
        jobs()
    path.write_text("<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"03_bare.ipynb: not a notebook"):
        jobs()


# Plans


def test_parameters_of_the_command_override_the_profiles(project: Path) -> None:
    notebook("03_other", parameters="own = 1\n")
    assert jobs()[0].parameters == {"seed": 3}
    overridden = jobs(overrides={"seed": 5, "test_size": 0.2, "own": 2})
    both = {"seed": 5, "test_size": 0.2}
    assert [job.parameters for job in overridden] == [both, both, {"own": 2}]


def test_notebooks_are_chosen_by_an_unambiguous_beginning(project: Path) -> None:
    assert [job.name for job in jobs(only=["02_"])] == ["02_second"]
    names = [job.name for job in jobs(only=["02", "02_second", "01"])]
    assert names == ["01_first", "02_second"]
    assert course.notebook_name("02_second", ["02_second", "02_second_half"]) == "02_second"


def test_a_skipped_notebook_has_a_reason(project: Path) -> None:
    profile("quick", "about: Small.\nskip: {02_second: needs pictures}\n")
    (job,), skipped = course.plan("quick")
    assert job.name == "01_first"
    assert skipped == {"02_second": "needs pictures"}
    # The user's own recordings may have pictures.
    both, skipped = course.plan("quick", data=str(project))
    assert (len(both), skipped) == (2, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["01_frist"]}, r"no notebook '01_frist'. Did you mean 01_first\?"),
        ({"only": ["02", "0"]},
         r"notebook '0': give more of the name; it fits 01_first, 02_second\."),
        ({"only": [""]}, r"no notebook ''\. Known: 01_first, 02_second\."),
        ({"overrides": {"tset_size": 0.3}},
         r"tset_size is no parameter of any chosen notebook. Did you mean test_size\?"),
        ({"overrides": {"seed": 1.5}}, r"seed=1.5: give a whole number from 0 to "),
        ({"data": os.fsdecode(b"caf\xe9")}, "a name that can't be printed; rename the folder"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_remedy(
    options: dict[str, Any], message: str, project: Path
) -> None:
    with pytest.raises(InputError, match=message):
        jobs(**options)
    profile("quick", "about: Small.\nparameters: {01_first: {tset_size: 0.3}}\n")
    with pytest.raises(InputError, match="tset_size is no parameter of 01_first"):
        jobs()


def test_a_run_is_named_after_profile_folder_and_parameters(project: Path, apart: Path) -> None:
    overrides = {"test_size": 0.2}
    for options, name in (
        ({}, "quick"),
        ({"overrides": overrides}, "quick-test_size-0.2"),
        ({"overrides": overrides, "run_name": "trial"}, "trial"),
    ):
        assert jobs(**options)[0].folder == apart / "outputs" / name
    job = jobs(data="my cries", outputs=apart / "o")[0]
    assert job.folder == apart / "o" / "my cries-quick"
    assert job.parameters["data"] == str(apart / "my cries")


# Fingerprints


def fingerprints(**options: Any) -> dict[str, str]:
    return {job.name: job.fingerprint() for job in jobs(**options)}


def test_outputs_and_metadata_do_not_count(project: Path) -> None:
    before = fingerprints()
    path = project / "notebooks" / "01_first.ipynb"
    content = nbformat.read(path, as_version=4)
    content.cells[2]["outputs"] = [nbformat.v4.new_output("stream", text="42")]
    content.cells[2]["execution_count"] = 7
    content.metadata["language_info"] = {"name": "python"}
    nbformat.write(content, path)
    assert fingerprints() == before


def test_a_changed_cell_or_parameter_counts(project: Path) -> None:
    before = fingerprints()
    notebook("01_first", *tiny("01_first", "# a remark"))
    after = fingerprints()
    assert after["01_first"] != before["01_first"]
    assert after["02_second"] == before["02_second"]
    assert set(fingerprints(overrides={"seed": 9}).values()).isdisjoint(after.values())


@pytest.mark.parametrize("named", [{"data": "own"}, {"overrides": {"data": "own"}}])
def test_changed_recordings_count(
    named: dict[str, Any], project: Path, apart: Path, sound: Callable
) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav")
    before = fingerprints(**named)
    assert fingerprints(**named) == before != fingerprints()
    sound(apart / "own" / "tired" / "bo" / "1.wav", seconds=0.4)
    after = fingerprints(**named)
    assert after != before
    sound(apart / "own" / "tired" / "bo" / "2.wav", seed=1)
    assert fingerprints(**named) not in (before, after)


def test_a_changed_table_counts(project: Path) -> None:
    digests = [fingerprints()]
    for text in ("a,b\n1,2\n", "a,b\n1,3\n"):
        (project / "data" / "unstated.csv").write_text(text)
        digests.append(fingerprints())
    assert len({digest for each in digests for digest in each.values()}) == 6


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({"a.py": b"2", "b.py": b"1"}, True), ({"a.py": b"1", "c.py": b"2"}, True),
        *(({"a.py": b"1", "b.py": b"2", name: b"3"}, name != "notes.txt")
          for name in ("app/player.js", "small_cnn.npz", "notes.txt")),
    ],
)  # fmt: skip
def test_changed_code_of_the_package_counts(
    changed: dict[str, bytes], counts: bool, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for home, files in (("before", {"a.py": b"1", "b.py": b"2"}), ("after", changed)):
        monkeypatch.setattr(fingerprint, "__file__", str(apart / home / "course" / "x.py"))
        for name, content in files.items():
            path = apart / home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        digests.append(fingerprint.library())
    assert (digests[0] != digests[1]) == counts


def test_packages_that_results_depend_on_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, before = metadata.version, fingerprint.library()
    changed, removed = "", "rich"

    def other(name: str) -> str:
        if name == removed:
            raise metadata.PackageNotFoundError(name)
        return "0.0.0" if name == changed else version(name)

    monkeypatch.setattr(metadata, "version", other)
    assert fingerprint.library() == before, "rich plays no part"
    for changed in fingerprint.PACKAGES:
        assert fingerprint.library() != before, changed
    changed, removed = "", "numpy"
    assert fingerprint.library() != before


def put_weights(folder: Path, name: str = "resnet50_notop.h5") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("weights, or what passes for them here")
    return folder / name


@pytest.mark.parametrize("home", ["weights", "keras/models"])
def test_new_weights_count_for_notebooks_that_look_for_them(
    home: str, project: Path, apart: Path
) -> None:
    notebook("02_second", parameters='weights = "auto"\n')
    before = fingerprints()
    path = put_weights(apart / home)
    with_weights = fingerprints()
    assert with_weights["01_first"] == before["01_first"]
    assert with_weights["02_second"] != before["02_second"]
    path.write_text("others")
    assert fingerprints()["02_second"] not in (before["02_second"], with_weights["02_second"])
    path.unlink()
    assert fingerprints() == before


@pytest.mark.parametrize(
    ("weights", "backbone", "looks"),
    [
        ("auto", "ResNet50", True), ("imagenet", "auto", True), ("random", "auto", False),
        ("auto", "", False), ("auto", "small", False), ("own.h5", "auto", False),
    ],
)  # fmt: skip
def test_published_weights_count_only_for_some_parameters(
    weights: str, backbone: str, looks: bool, project: Path, apart: Path
) -> None:
    seeking = f'backbone = "{backbone}"\nweights = "{weights}"\n'
    notebook("02_second", parameters=seeking)
    own, before = put_weights(apart, "own.h5"), fingerprints()
    put_weights(apart / "weights")
    after = fingerprints()
    assert (after["02_second"] != before["02_second"]) == looks
    own.write_text("others")
    assert (fingerprints()["02_second"] != after["02_second"]) == (weights == "own.h5")


# Runs


def test_a_run_executes_what_is_not_up_to_date(
    project: Path, apart: Path, command: Command
) -> None:
    code, out, err = command("run", "--jobs", "2")
    assert code == 0
    folder = apart / "outputs" / "quick"
    assert tally(apart) == {"01_first": 1, "02_second": 1}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}
    rows = json.loads((folder / "results.json").read_text())
    assert [(row["notebook"], row["seed"]) for row in rows] == [("01_first", 3), ("02_second", 0)]
    state = json.loads((folder / "state" / "01_first.json").read_text())
    assert state["parameters"] == {"seed": 3}
    assert state["seconds"] > 0
    assert state["peak_mib"] > 20
    assert {"numpy", "pandas", "python"} <= set(state["versions"])
    assert (folder / "report.html").is_file()
    assert "01_first: started" in err
    assert "02_second: done" in err
    assert "Report: outputs/quick/report.html" in out

    code, _, err = command("run")
    assert (code, err.count("finished before, kept")) == (0, 2)
    assert tally(apart) == {"01_first": 1, "02_second": 1}

    beside = ("run", "02_second", "-p", "test_size=0.2")
    for executions in (2, 2):
        assert command(*beside)[0] == 0
        assert tally(apart) == {"01_first": 1, "02_second": executions}
        assert results(folder.with_name("quick-test_size-0.2")) == {"made.02_second": 0.2}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}

    assert command("run", "01_first", "--fresh")[0] == 0
    assert tally(apart) == {"01_first": 2, "02_second": 2}


def test_a_run_writes_a_page_of_each_notebook_and_does_not_depend_on_it(
    finished: Path, project: Path
) -> None:
    page = finished / "notebooks" / "01_first.html"
    made_by_the_run = page.stat().st_ino
    report.write(finished)
    assert page.stat().st_ino == made_by_the_run, "the report has nothing left to make"
    page.unlink()
    assert jobs()[0].is_done()
    page.write_text("of before")
    assert course.run(jobs(only=["01_first"], overrides={"seed": 417}, run_name="quick")) == {}
    assert "417" in page.read_text()


def test_two_folders_of_the_same_name_do_not_share_a_run(project: Path, apart: Path) -> None:
    (first,) = jobs(only=["01_first"], data=str(apart / "a" / "cries"))
    state = {"fingerprint": "x", "parameters": {"data": str(apart / "a" / "cries")},
             "seconds": 1.0, "peak_mib": 1, "versions": {}}  # fmt: skip
    first.state.parent.mkdir(parents=True)
    first.state.write_text(json.dumps(state))
    (again,) = jobs(only=["01_first"], data=str(apart / "a" / "cries"))
    assert again.folder == first.folder
    with pytest.raises(InputError, match=r"give this one another --name"):
        jobs(data=str(apart / "b" / "cries"))
    assert jobs(data=str(apart / "b" / "cries"), run_name="mine")[0].folder.name == "mine"


def whole(folder: Path) -> dict[str, bytes]:
    """The content of every file of a run except pages, by path."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".html"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_failed_execution_leaves_earlier_results_unchanged(
    project: Path, apart: Path, command: Command
) -> None:
    """Of the same name, after it has written its results, its figure and its model."""
    draw = (
        "from cryutils import claims\nclaims.figure_path('drawn').write_text(str(test_size))\n"
        "models = claims.run_dir() / 'models'\nmodels.mkdir(exist_ok=True)\n"
        "(models / 'net.keras').write_text(str(test_size))"
    )
    fail = "assert test_size < 0.8, 'too large'"
    notebook("01_first", *tiny("01_first", draw), fail)
    name = ("run", "01_first", "--name", "mine")
    assert command(*name)[0] == 0
    folder = apart / "outputs" / "mine"
    before = whole(folder)
    assert {"figures/drawn.png", "models/net.keras", "results/01_first.json"} <= set(before)

    assert command(*name, "-p", "test_size=0.9")[0] == 1
    after = whole(folder)
    failed = {path for path in after if ".failed." in path}
    assert failed == {"notebooks/01_first.failed.ipynb", "logs/01_first.failed.log"}
    assert {path: text for path, text in after.items() if path not in failed} == before
    assert results(folder) == {"made.01_first": 0.3}

    assert command(*name, "-p", "test_size=0.2")[0] == 0
    after = whole(folder)
    assert set(after) == set(before), "what failed is gone, nothing is left over"
    assert results(folder) == {"made.01_first": 0.2}
    assert after["models/net.keras"] == after["figures/drawn.png"] == b"0.2"


def test_a_kernel_has_sockets_in_a_folder_and_no_ports_that_another_program_may_take(
    project: Path, apart: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = apart / "jupyter" / "kernels" / "python3"
    home.mkdir(parents=True)
    launch = f"""
import runpy, shutil, sys
shutil.copy(sys.argv[2], {str(apart / "seen.json")!r})
runpy.run_module("ipykernel_launcher", run_name="__main__")
"""
    spec = {"argv": [sys.executable, "-c", launch, "-f", "{connection_file}"],
            "display_name": "Python 3", "language": "python"}  # fmt: skip
    (home / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(apart / "jupyter"))
    assert command("run", "01_first")[0] == 0
    seen = json.loads((apart / "seen.json").read_text())
    assert seen["transport"] == "ipc" and len(seen["ip"]) < 90, "the path of a socket is short"
    assert not Path(seen["ip"]).parent.exists(), "its folder, with the key, is removed"


def test_a_damaged_run_is_repaired_by_the_next_one(
    finished: Path, apart: Path, command: Command
) -> None:
    before = results(finished)
    (finished / "state" / "01_first.json").write_bytes(b"\xff")
    (finished / "results" / "02_second.json").write_text("3")
    for name in ("01_first", "02_second"):
        (finished / "notebooks" / f"{name}.ipynb").write_text("{}")
    (finished / "results.json").write_text("")
    code, _, err = command("run")
    assert code == 0
    for path, name in (("state", "01_first"), ("results", "02_second")):
        assert f"{finished / path / name}.json can't be read: {name} runs again when chosen." in err
    assert tally(apart) == {"01_first": 2, "02_second": 2}
    assert results(finished) == before
    for job in jobs():
        assert job.is_done()
        path = finished / "notebooks" / f"{job.name}.ipynb"
        nbformat.validate(nbformat.read(path, as_version=4))


def test_the_time_of_a_notebook_is_known_to_other_runs_of_its_profile(
    finished: Path, project: Path
) -> None:
    (job,) = jobs(only=["01_first"])
    (took,) = course.history([job]).values()
    assert took > 0
    beside = jobs(only=["01_first"], overrides={"seed": 9})
    assert beside[0].folder != job.folder
    assert course.history(beside) == {"01_first": took}
    profile("other", "about: Another.\n")
    others, _ = course.plan("other", only=["01_first"])
    assert course.history(others) == {}
    reference = project / "outputs" / "reference" / "other" / "state" / "01_first.json"
    reference.parent.mkdir(parents=True)
    state = json.loads(job.state.read_text()) | {"profile": "other", "seconds": 7}
    reference.write_text(json.dumps(state))
    assert course.history(others) == {"01_first": 7.0}


def test_weights_that_a_notebook_downloads_do_not_make_it_outdated(
    finished: Path, project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    download = (
        "import os\nfrom pathlib import Path\n"
        "home = Path(os.environ['KERAS_HOME'], 'models')\nhome.mkdir(parents=True)\n"
        "(home / 'resnet50_notop.h5').write_text('downloaded')"
    )
    notebook("02_second", download, parameters='weights = "auto"\n')
    assert course.run(jobs()) == {}
    assert [job.is_done() for job in jobs()] == [True, True]
    put_weights(apart / "weights")
    assert [job.is_done() for job in jobs()] == [True, False]


def test_parallel_notebooks_share_the_cores(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"
    for variable in names:
        monkeypatch.delenv(variable, raising=False)
    for name in ("01_first", "02_second"):
        cell = f"import os\nfrom pathlib import Path\nPath({str(apart / name)!r}).write_text("
        cell += f"' '.join(os.environ[name] for name in {names}))"
        notebook(name, cell)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    assert not course.run(jobs(), processes=2)
    assert [(apart / name).read_text() for name in ("01_first", "02_second")] == ["1 4"] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert not course.run(jobs(only=["01_first"]), fresh=True)
    assert (apart / "01_first").read_text() == "3 9"


def test_a_notebook_that_reads_others_results_runs_after_them_and_every_time(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ALWAYS", ("01_first",))
    let_both_only_count()
    reports: list[Any] = []
    for executions in (1, 2):
        errors = course.run(jobs(), processes=2, report=lambda *words: reports.append(words))
        assert errors == {}
        assert tally(apart) == {"01_first": executions, "02_second": 1}
    first = min(k for k, (name, *_) in enumerate(reports) if name == "01_first")
    assert ("02_second", "done", 1.0) in reports[:first]
    alone = course.remarks(jobs(only=["01_first"]), [], [])
    assert list(alone) == [], "it trains nothing in another's place"


def test_the_notebook_that_took_longest_begins_first(finished: Path, project: Path) -> None:
    let_both_only_count()
    for name, seconds in (("01_first", 1.0), ("02_second", 5.0)):
        path = finished / "state" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": seconds}))
    reports: list[Any] = []
    course.run(jobs(), processes=1, report=lambda *words: reports.append(words))
    assert [name for name, what, _ in reports if what == "done"] == ["02_second", "01_first"]


def test_a_failure_is_one_line_and_the_other_notebooks_continue(
    project: Path, apart: Path, command: Command
) -> None:
    broken = "raise ValueError('the cause\\nand more of it')"
    user = "from cryutils import InputError\nraise InputError('x.wav: the file is empty.')"
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    let_both_only_count()
    notebook("01_first", "1 + 1", broken)
    notebook("03_user", user)
    notebook("04_killed", killed)
    code, _, err = command("run", "--jobs", "2")
    assert code == 1
    folder = apart / "outputs" / "quick"
    lines = [line for line in err.splitlines() if "(kept as " in line]
    assert len(lines) == 3
    by_name = {line.split(":")[0]: line for line in lines}
    assert "ValueError: the cause (kept as" in by_name["01_first"]
    assert "x.wav: the file is empty." in by_name["03_user"]
    assert "InputError" not in by_name["03_user"]
    assert "its kernel was killed, as happens when memory runs out" in by_name["04_killed"]
    for name in ("01_first", "03_user", "04_killed"):
        path = folder / "notebooks" / f"{name}.failed.ipynb"
        assert str(path) in by_name[name]
        nbformat.read(path, as_version=4)
        assert not (folder / "state" / f"{name}.json").exists()
    assert tally(apart) == {"02_second": 1}


def test_a_killed_process_is_reported_with_its_log(project: Path, apart: Path) -> None:
    kill = "import os, signal\nos.write(2, b'why')\nos.kill(os.getppid(), signal.SIGKILL)"
    notebook("01_first", kill)
    failed = course.run(jobs(only=["01_first"]))
    log = apart / "outputs" / "quick" / "logs" / "01_first.failed.log"
    what = "its process was killed, as happens when memory runs out"
    assert failed["01_first"] == f"{what}; {log} may say why"
    assert "why" in log.read_text()


FULL_NOTEBOOK = """\
import os
from pathlib import Path
notebook = Path(os.environ["CRYUTILS_RUN_DIR"], "notebooks", "02_second.ipynb")
notebook.unlink(missing_ok=True)
notebook.symlink_to("/dev/full")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "cell", [FULL_NOTEBOOK, pytest.param("open('/dev/full', 'wb', 0).write(b'x')", marks=large)]
)
def test_a_full_disk_ends_the_run_in_one_line_and_keeps_finished_notebooks(
    cell: str, finished: Path, project: Path, command: Command
) -> None:
    before = whole(finished)
    notebook("02_second", cell)
    code, _, err = command("run", "--jobs", "1")
    assert code == 2 and "Traceback" not in err
    assert re.search(r"^cryutils: /.*: the disk is full; make room and repeat .*\n\Z", err, re.M)
    assert {name: text for name, text in whole(finished).items() if "failed" not in name} == before
    notebook("02_second", *tiny("02_second"))
    code, _, err = command("run")
    assert (code, err.count("finished before, kept")) == (0, 2)


def test_braces_and_spaces_in_a_path_are_kept(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook("02_second", "1")
    odd = apart / "my {seed} course"
    project.rename(odd)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(odd))
    assert course.run(jobs(only=["02_second"], outputs=apart / "{out}")) == {}
    assert (apart / "{out}" / "quick" / "notebooks" / "02_second.ipynb").is_file()


# Killed in the middle


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder of the commands that a test starts; its path is short, for sockets.

    It also marks the processes of the test, as all children inherit the name of this folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def started_here() -> list[psutil.Process]:
    """Every process that this test has started, and their children."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is another user's
            if process.environ().get("TMPDIR") == os.environ["TMPDIR"]:
                processes.append(process)
    return processes


def start() -> subprocess.Popen[str]:
    """Start the command in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "cryutils.course.cli", "run", "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=_hear_signals,
    )  # fmt: skip


def _hear_signals() -> None:
    # A shell's background job ignores Ctrl-C, one under nohup also the end of its terminal.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def started(project: Path, apart: Path) -> Any:
    """The command while it runs; 02_second waits for the gate to open."""
    notebook("02_second", *tiny("02_second", TRAIN, WAIT))
    process = start()
    folder = apart / "outputs" / "quick"
    first, second = folder / "state" / "01_first.json", apart / "trained"
    try:
        until(lambda: process.poll() or (first.is_file() and second.is_file()), HANG_S)
        assert process.poll() is None, process.communicate()
        assert len(started_here()) >= 3, "the command, a notebook's process and a kernel"
        yield process, folder
    finally:
        for left in started_here():
            left.kill()
        process.communicate()


def check_all_parse(folder: Path) -> None:
    """Check that every visible file is whole."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    visible = [path for path in files if not any(p.startswith(".") for p in path.parts)]
    for path in visible:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".ipynb":
            nbformat.validate(nbformat.read(path, as_version=4))
    assert folder / "notebooks" / "01_first.ipynb" in visible
    assert folder / "notebooks" / "02_second.ipynb" not in visible


def test_a_killed_run_leaves_no_process_and_no_half_file_and_resumes(
    started: Any, apart: Path, temporary: Path, command: Command
) -> None:
    process, folder = started
    assert "another `cryutils run` is running" in mistake(command("run", "--jobs", "2"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not started_here(), HANG_S)
    assert list(temporary.iterdir()) == []
    check_all_parse(folder)
    assert not (folder / "state" / "02_second.json").exists()
    assert command("report")[0] == 0
    assert results(folder) == {"made.01_first": 0.3}

    (apart / "gate").touch()
    code, _, err = command("run", "--jobs", "2")
    assert code == 0
    assert tally(apart) == {"01_first": 1, "02_second": 2}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}
    assert "resuming: 1 of 2 notebooks finished before" in err
    assert "01_first: finished before, kept" in err
    assert [p for p in folder.rglob("*") if p.name.startswith(".")] == []


@large
def test_killed_at_random_moments_a_run_ends_with_the_same_results(
    project: Path, apart: Path, command: Command
) -> None:
    """Kill the command alone, its process group, or every process, four times in a row."""
    notebook("02_second", *tiny("02_second", WAIT))
    gate = apart / "gate"
    gate.touch()
    folder = apart / "outputs" / "quick"
    began = time.monotonic()
    process = start()
    _, err = process.communicate()
    assert process.returncode == 0, err
    duration_s = time.monotonic() - began
    until(lambda: not started_here(), HANG_S)
    reference, files = (folder / "results.json").read_bytes(), set(whole(folder))
    for seed in range(5 if LARGE else 1):
        chance = random.Random(seed)
        shutil.rmtree(folder)
        victims = chance.sample(["process", "group", "all", "all"], 4)
        gate.unlink()  # so that no run ends, and the next is killed while it resumes
        for k, victim in enumerate(victims):
            if k == 3:
                gate.touch()
            process = start()
            try:
                time.sleep(duration_s * chance.random())
                if victim == "group":
                    os.killpg(process.pid, signal.SIGKILL)
                for left in started_here() if victim == "all" else [process]:
                    with suppress(psutil.NoSuchProcess):  # a worker follows its killed parent
                        left.kill()
                process.communicate()
                until(lambda: not started_here(), HANG_S)
            finally:
                for left in started_here():
                    left.kill()
        assert command("run", "--jobs", "2")[0] == 0, (victims, seed)
        assert (folder / "results.json").read_bytes() == reference, (victims, seed)
        assert set(whole(folder)) == files, "nothing is missing, nothing left over"
        assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


STOPPED = "cryutils: stopped; the same command goes on where it was."


@pytest.mark.parametrize("code", [129, 130, 143])
def test_a_signal_stops_the_run_in_one_line_and_leaves_no_process(
    code: int, started: Any, temporary: Path
) -> None:
    process, folder = started
    number = signal.Signals(code - 128)
    if number is signal.SIGINT:  # a terminal sends it to all, once for each time it is pressed
        for _ in range(3):
            os.killpg(process.pid, number)
            time.sleep(0.02)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert [line for line in err.splitlines() if not line.startswith("0")] == [STOPPED]
    until(lambda: not started_here(), HANG_S)
    check_all_parse(folder)
    assert list(temporary.iterdir()) == []


def test_a_run_stopped_before_its_notebooks_begin_says_so_in_one_line(project: Path) -> None:
    process = start()
    until(lambda: len(started_here()) > 2, HANG_S)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1:] == [STOPPED]
    assert "Traceback" not in err
    until(lambda: not started_here(), HANG_S)


def test_the_versions_include_the_commit_and_whether_files_were_changed(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart))
    assert "commit" not in fingerprint.versions(), "no repository"
    git = ("git", "-C", str(apart), "-c", "user.name=a", "-c", "user.email=a@b")
    (apart / "file").write_text("one")
    for step in (["init", "--quiet"], ["add", "file"], ["commit", "--quiet", "--message=one"]):
        subprocess.run([*git, *step], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert fingerprint.versions()["commit"] == head.stdout.strip()
    (apart / "file").write_text("two")
    assert fingerprint.versions()["commit"] == head.stdout.strip() + "-dirty"
