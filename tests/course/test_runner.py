"""Profiles, parameters, fingerprints; notebooks run in parallel, fail, are killed and resume.

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
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from course_of_two import (
    COUNT,
    RECORD,
    WAIT,
    made,
    notebook,
    planned,
    profile,
    results,
    tally,
    tiny,
)
from nbformat.v4 import new_code_cell, new_notebook
from sizes import LARGE, large

from cryutils import course
from cryutils.claims import report, run_folder
from cryutils.course import cli, fingerprint, parameters, runner
from cryutils.errors import InputError

CLONE = Path(__file__).resolve().parents[2]

TRAIN = """\
import os
from pathlib import Path
from cryutils import claims
claims.begin("02_second", seed=seed)
claims.record(1.0, study="half", metric="n", data="made")
claims.write()
Path(os.environ["GATE"]).with_name("trained").touch()
"""


def counting(project: Path) -> None:
    """Let both notebooks do nothing but count their executions."""
    for name in ("01_first", "02_second"):
        notebook(project / "notebooks" / f"{name}.ipynb", COUNT.format(name=name))


@pytest.fixture
def project(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two notebooks, 01_first and 02_second, with a profile `quick`."""
    return made(apart, monkeypatch)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where both notebooks of such a course have been run."""
    place = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cache", "outputs"):
            patch.setenv(f"CRYUTILS_{name.upper()}_DIR", str(place / name))
        made(place, patch)
        assert course.run(list(planned().values()), processes=2) == {}
    return place


@pytest.fixture
def finished(first_run: Path, project: Path, apart: Path) -> Path:
    """The run's folder in a project where both notebooks have been run once."""
    for name in ("outputs", "tally"):
        shutil.copytree(first_run / name, apart / name, dirs_exist_ok=True)
    assert all(job.is_done() for job in planned().values())
    return apart / "outputs" / "quick"


# Profiles


def test_a_profile_has_parameters_and_what_it_skips(project: Path) -> None:
    text = "about: Real.\ndata: donateacry\nskip: {02_second: needs pictures}\n"
    profile(project, "real", text)
    real = course.load_profile("real")
    assert (real.name, real.about, real.data) == ("real", "Real.", "donateacry")
    assert real.skip == {"02_second": "needs pictures"}
    assert real.parameters == {}


def test_notebooks_are_found_in_reading_order(project: Path) -> None:
    notebook(project / "notebooks" / "10_last.ipynb")
    notebook(project / "notebooks" / "draft.ipynb")
    assert list(course.notebooks()) == ["01_first", "02_second", "10_last"]


def test_parameters_are_those_of_the_tagged_cell(project: Path) -> None:
    assert parameters.read(course.notebooks()["01_first"]) == {
        "test_size": 0.3, "classes": ["hungry", "tired"], "seed": 0, "fast": True,
        "data": "synthetic", "text": "plain", "rates": [1, 2], "anything": None,
    }  # fmt: skip


def test_a_damaged_notebook_is_named(project: Path) -> None:
    (project / "notebooks" / "01_first.ipynb").write_text("<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"01_first.ipynb: not a notebook"):
        planned()


def test_a_notebook_without_parameters_is_named(project: Path) -> None:
    path = project / "notebooks" / "03_bare.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    with pytest.raises(InputError, match=r"03_bare.ipynb: no cell is tagged 'parameters'"):
        planned()


# Plans


def test_given_parameters_override_the_profiles(project: Path) -> None:
    assert planned()["01_first"].parameters == {"seed": 3}
    jobs = planned(overrides={"seed": 5, "test_size": 0.2})
    assert jobs["01_first"].parameters == {"seed": 5, "test_size": 0.2}
    assert jobs["02_second"].parameters == {"seed": 5, "test_size": 0.2}


def test_a_parameter_goes_to_the_notebooks_that_have_it(project: Path) -> None:
    notebook(project / "notebooks" / "03_other.ipynb", parameters="own = 1\n")
    jobs = planned(overrides={"own": 2})
    assert jobs["03_other"].parameters == {"own": 2}
    assert jobs["02_second"].parameters == {}


def test_only_the_named_notebooks_run_in_reading_order(project: Path) -> None:
    assert list(planned(only=["02_second"])) == ["02_second"]
    assert list(planned(only=["02_second", "01_first"])) == ["01_first", "02_second"]


@pytest.mark.parametrize("text", ["02", "02_", "02_sec", "02_second"])
def test_a_notebook_is_named_by_an_unambiguous_beginning(text: str, project: Path) -> None:
    assert list(planned(only=[text])) == ["02_second"]
    assert list(planned(only=[text, "02_second", "01"])) == ["01_first", "02_second"]


def test_a_full_name_is_not_ambiguous_where_another_begins_with_it() -> None:
    names = ["02_second", "02_second_half"]
    assert course.notebook_name("02_second", names) == "02_second"


def test_what_a_profile_skips_is_given_with_the_reason(project: Path) -> None:
    profile(project, "quick", "about: Small.\nskip: {02_second: needs pictures}\n")
    jobs, skipped = course.plan(course.load_profile("quick"))
    assert [job.name for job in jobs] == ["01_first"]
    assert skipped == {"02_second": "needs pictures"}
    # Recordings of the user's own may well have them.
    jobs, skipped = course.plan(course.load_profile("quick"), data=str(project))
    assert "02_second" in {job.name for job in jobs}
    assert skipped == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["01_frist"]}, r"no notebook '01_frist'. Did you mean 01_first\?"),
        ({"only": ["02", "0"]},
         r"notebook '0': give more of the name; it fits 01_first, 02_second\."),
        ({"only": ["first"]}, r"no notebook 'first'\. "),
        ({"only": [""]}, r"no notebook ''\. Known: 01_first, 02_second\."),
        ({"overrides": {"tset_size": 0.3}},
         r"tset_size is no parameter of any chosen notebook. Did you mean test_size\?"),
        ({"overrides": {"zzz": 1}, "only": ["01_first"]},
         r"zzz is no parameter of 01_first. Known: "),
        ({"overrides": {"test_size": "big"}},
         r'test_size="big": give a number above 0 and below 1.'),
        ({"overrides": {"seed": 1.5}}, r"seed=1.5: give a whole number from 0 to "),
        ({"overrides": {"fast": 1}}, r"fast=1: give true or false."),
        ({"overrides": {"text": 3}}, r"text=3: give a text"),
        ({"overrides": {"rates": ["a"]}},
         r"rates=\[\"a\"\]: give a list of whole numbers, such as"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_mend(
    options: dict[str, Any], message: str, project: Path
) -> None:
    with pytest.raises(InputError, match=message):
        planned(**options)


@pytest.mark.parametrize(
    "overrides",
    [
        {"test_size": 0.1}, {"classes": ["pain", "tired"]}, {"classes": []}, {"fast": False},
        {"anything": 3}, {"anything": "x"}, {"text": ""}, {"rates": [-3]},
    ],
)  # fmt: skip
def test_a_value_of_the_right_kind_is_taken(overrides: dict[str, Any], project: Path) -> None:
    assert planned(overrides=overrides, only=["02_second"])["02_second"].parameters == overrides


def test_a_mistyped_parameter_of_a_profile_is_told_too(project: Path) -> None:
    profile(project, "quick", "about: Small.\nparameters: {01_first: {tset_size: 0.3}}\n")
    with pytest.raises(InputError, match="tset_size is no parameter of 01_first"):
        planned()


def test_a_run_is_named_after_profile_folder_and_parameters(project: Path, apart: Path) -> None:
    assert planned()["01_first"].folder == apart / "outputs" / "quick"
    beside = planned(overrides={"test_size": 0.2})["01_first"].folder
    assert beside == apart / "outputs" / "quick-test_size-0.2"
    named = planned(overrides={"test_size": 0.2}, run_name="trial")["01_first"].folder
    assert named == apart / "outputs" / "trial"
    job = planned(data="my cries", outputs=apart / "o")["01_first"]
    assert job.folder == apart / "o" / "my cries-quick"
    assert job.parameters["data"] == str(apart / "my cries")


# Fingerprints


def fingerprints(**options: Any) -> dict[str, str]:
    return {name: job.fingerprint.text for name, job in planned(**options).items()}


def test_outputs_and_metadata_are_no_part_of_it(project: Path) -> None:
    before = fingerprints()
    path = project / "notebooks" / "01_first.ipynb"
    content = nbformat.read(path, as_version=4)
    content.cells[2]["outputs"] = [nbformat.v4.new_output("stream", text="42")]
    content.cells[2]["execution_count"] = 7
    content.metadata["language_info"] = {"name": "python"}
    nbformat.write(content, path)
    assert fingerprints() == before


def test_a_changed_cell_changes_its_notebook_alone(project: Path) -> None:
    before = fingerprints()
    notebook(project / "notebooks" / "01_first.ipynb", *tiny("01_first", "# a remark"))
    after = fingerprints()
    assert after["01_first"] != before["01_first"]
    assert after["02_second"] == before["02_second"]


def test_a_changed_parameter_changes_it(project: Path) -> None:
    assert fingerprints(overrides={"seed": 9}) != fingerprints(overrides={"seed": 8})


def test_changed_recordings_change_it(project: Path, apart: Path, sound: Callable) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav")
    before = fingerprints(data="own")
    assert fingerprints(data="own") == before
    assert before != fingerprints()
    sound(apart / "own" / "tired" / "bo" / "2.wav", seed=1)
    assert fingerprints(data="own") != before


def test_recordings_named_by_a_parameter_count_too(
    project: Path, apart: Path, sound: Callable
) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav")
    before = fingerprints(overrides={"data": "own"})
    sound(apart / "own" / "tired" / "bo" / "1.wav", seconds=0.4)
    assert fingerprints(overrides={"data": "own"}) != before


@pytest.mark.parametrize("name", ["claims.csv", "unstated.csv"])
def test_a_changed_table_changes_it(name: str, project: Path) -> None:
    table = project / "data" / name
    before = fingerprints()
    table.write_text("a,b\n1,2\n")
    after = fingerprints()
    assert set(after.values()).isdisjoint(before.values())
    table.write_text("a,b\n1,3\n")
    assert set(fingerprints().values()).isdisjoint(after.values()), "of the same size"


@pytest.mark.parametrize(
    ("name", "counts"),
    [("module.py", True), ("app/player.js", True), ("small_cnn.npz", True), ("notes.txt", False)],
)
def test_what_the_package_holds_changes_it(
    name: str, counts: bool, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "__file__", str(apart / "package" / "fingerprint.py"))
    path = apart / "package" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    before = fingerprint.library()
    path.write_bytes(b"two")
    assert (fingerprint.library() != before) == counts


@pytest.mark.parametrize(
    "files",
    [{"a.py": b"2", "b.py": b"1"}, {"a.py": b"1b.py2"}, {"a.py": b"1", "c.py": b"2"}],
    ids=["exchanged", "joined", "renamed"],
)
def test_the_same_bytes_in_other_files_change_it(
    files: dict[str, bytes], apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for name, held in (("before", {"a.py": b"1", "b.py": b"2"}), ("after", files)):
        monkeypatch.setattr(fingerprint, "__file__", str(apart / name / "fingerprint.py"))
        for path, content in held.items():
            (apart / name).mkdir(exist_ok=True)
            (apart / name / path).write_bytes(content)
        digests.append(fingerprint.library())
    assert digests[0] != digests[1]


def test_another_version_of_any_package_changes_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, other = metadata.version, ""
    monkeypatch.setattr(metadata, "version", lambda n: "0.0.0" if n == other else version(n))
    before, library = fingerprints(), fingerprint.library()
    for other in fingerprint.PACKAGES:
        assert fingerprint.library() != library, other
    assert set(fingerprints().values()).isdisjoint(before.values())


def test_a_package_that_goes_changes_it_and_one_that_plays_no_part_does_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, without = metadata.version, {"rich"}
    before = fingerprints()

    def lacking(name: str) -> str:
        if name in without:
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", lacking)
    assert fingerprints() == before
    without.add("numpy")
    assert set(fingerprints().values()).isdisjoint(before.values())


def put_weights(folder: Path, name: str = "resnet50_notop.h5") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("weights, or what passes for them here")
    return folder / name


@pytest.mark.parametrize("home", ["weights", "keras/models", "cache/weights"])
def test_weights_that_can_be_had_now_change_the_notebooks_that_look_for_them(
    home: str, project: Path, apart: Path
) -> None:
    seeking = 'backbone = "auto"\nweights = "auto"\n'
    notebook(project / "notebooks" / "02_second.ipynb", parameters=seeking)
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
def test_published_weights_count_only_where_they_are_looked_for(
    weights: str, backbone: str, looks: bool, project: Path, apart: Path
) -> None:
    seeking = f'backbone = "{backbone}"\nweights = "{weights}"\n'
    notebook(project / "notebooks" / "02_second.ipynb", parameters=seeking)
    put_weights(apart, "own.h5")
    before = fingerprints()
    put_weights(apart / "weights")
    assert (fingerprints()["02_second"] != before["02_second"]) == looks


def test_a_changed_file_that_weights_names_changes_it(project: Path, apart: Path) -> None:
    notebook(project / "notebooks" / "02_second.ipynb", parameters='weights = "auto"\n')
    path = put_weights(apart, "own.h5")
    before = fingerprints(overrides={"weights": "own.h5"})
    path.write_text("others")
    after = fingerprints(overrides={"weights": "own.h5"})
    assert after["01_first"] == before["01_first"]
    assert after["02_second"] != before["02_second"]


# Runs


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


def test_a_named_notebook_that_lacks_a_parameter_says_so_and_runs(
    project: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counting(project)
    notebook(project / "notebooks" / "03_other.ipynb", parameters="own = 1\n")
    assert command("run", "01_first", "03_other", "-p", "own=2") == 0
    output = capsys.readouterr().out
    assert "01_first: has no parameter own, and runs without\n" in output
    assert "03_other: has" not in output
    assert tally(apart) == {"01_first": 1}


def test_a_run_executes_keeps_and_repeats_what_changed(
    project: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "--jobs", "2") == 0
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
    output = capsys.readouterr()
    assert "01_first: started" in output.err
    assert "02_second: done" in output.err
    assert "Report: outputs/quick/report.html" in output.out

    assert command("run") == 0
    assert tally(apart) == {"01_first": 1, "02_second": 1}
    assert capsys.readouterr().err.count("finished before, kept") == 2

    beside = ("run", "02_second", "-p", "test_size=0.2")
    for executions in (2, 2):
        assert command(*beside) == 0
        assert tally(apart) == {"01_first": 1, "02_second": executions}
        assert results(folder.with_name("quick-test_size-0.2")) == {"made.02_second": 0.2}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}


def test_a_notebook_leaves_its_page_which_no_run_depends_on(finished: Path, project: Path) -> None:
    page = finished / "notebooks" / "01_first.html"
    made_by_the_run = page.stat().st_ino
    report.write(finished)
    assert page.stat().st_ino == made_by_the_run, "the report has nothing left to make"
    page.unlink()
    assert planned()["01_first"].is_done()
    page.write_text("of before")
    again = planned(only=["01_first"], overrides={"seed": 417}, run_name="quick")
    assert course.run(list(again.values())) == {}
    assert "417" in page.read_text()


def test_a_results_file_damaged_meanwhile_fails_no_other_notebook(
    project: Path, apart: Path
) -> None:
    damage = (
        "from cryutils import claims\nplace = claims.run_dir().parents[2] / 'results'\n"
        "place.mkdir(exist_ok=True)\n(place / '02_second.json').write_text('[{')"
    )
    notebook(project / "notebooks" / "01_first.ipynb", RECORD.format(name="01_first"), damage)
    assert command("run", "01_first") == 0
    folder = apart / "outputs" / "quick"
    assert results(folder) == {"made.01_first": 0.3}
    assert planned()["01_first"].is_done()
    assert (folder / "results" / "02_second.json.damaged").is_file()


def test_two_folders_of_one_name_do_not_share_a_run(project: Path, apart: Path) -> None:
    first = planned(only=["01_first"], data=str(apart / "a" / "cries"))["01_first"]
    state = {"fingerprint": "x", "parameters": {"data": str(apart / "a" / "cries")},
             "seconds": 1.0, "peak_mib": 1, "versions": {}}  # fmt: skip
    first.state.parent.mkdir(parents=True)
    first.state.write_text(json.dumps(state))
    again = planned(only=["01_first"], data=str(apart / "a" / "cries"))["01_first"]
    assert again.folder == first.folder
    with pytest.raises(InputError, match=r"give this one another --name"):
        planned(data=str(apart / "b" / "cries"))
    named = planned(data=str(apart / "b" / "cries"), run_name="mine")["01_first"]
    assert named.folder.name == "mine"
    with pytest.raises(InputError, match="a name that can't be printed; rename the folder"):
        planned(data=str(apart / os.fsdecode(b"caf\xe9")))


def whole(folder: Path) -> dict[str, bytes]:
    """Every file of a run but its report, by path."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".html"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_an_execution_that_fails_leaves_what_finished_before_as_it_was(
    project: Path, apart: Path
) -> None:
    """Under the same name, after it has begun its results, drawn its figure and kept its model."""
    draw = (
        "from cryutils import claims\nclaims.figure_path('drawn').write_text(str(test_size))\n"
        "models = claims.run_dir() / 'models'\nmodels.mkdir(exist_ok=True)\n"
        "(models / 'net.keras').write_text(str(test_size))"
    )
    fail = "assert test_size < 0.8, 'too large'"
    notebook(project / "notebooks" / "01_first.ipynb", draw, RECORD.format(name="01_first"), fail)
    name = ("run", "01_first", "--name", "mine")
    assert command(*name) == 0
    folder = apart / "outputs" / "mine"
    before = whole(folder)
    assert {"figures/drawn.png", "models/net.keras", "results/01_first.json"} <= set(before)

    assert command(*name, "-p", "test_size=0.9") == 1
    after = whole(folder)
    failed = {path for path in after if ".failed." in path}
    assert failed == {"notebooks/01_first.failed.ipynb", "logs/01_first.failed.log"}
    assert {path: text for path, text in after.items() if path not in failed} == before
    assert results(folder) == {"made.01_first": 0.3}

    assert command(*name, "-p", "test_size=0.2") == 0
    after = whole(folder)
    assert set(after) == set(before), "what failed is gone, nothing is left over"
    assert results(folder) == {"made.01_first": 0.2}
    assert after["models/net.keras"] == after["figures/drawn.png"] == b"0.2"


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        (["--name", "../x"], "give a plain name, without / or"),
        (["--name", "quick"], "that name is taken"),
        (["--profile", "../profiles/quick"], "no profile '../profiles/quick'. Known: quick."),
    ],
)
def test_a_name_that_would_leave_its_folder_is_refused(
    options: list[str], mend: str, project: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert mend in line
    assert not (apart / "outputs").exists()


@pytest.mark.parametrize("failures", [2, 3])
def test_a_kernel_whose_ports_were_taken_is_started_again(
    failures: int,
    project: Path,
    apart: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A kernel that takes its own first port before it begins, as another program may.
    home = apart / "jupyter" / "kernels" / "python3"
    home.mkdir(parents=True)
    launch = f"""
import json, runpy, socket, sys
from pathlib import Path
starts = Path({str(apart / "starts")!r})
starts.open("a").write("x")
if len(starts.read_text()) <= {failures}:
    taken = socket.create_server(("127.0.0.1", json.load(open(sys.argv[2]))["shell_port"]))
runpy.run_module("ipykernel_launcher", run_name="__main__")
"""
    spec = {"argv": [sys.executable, "-c", launch, "-f", "{connection_file}"],
            "display_name": "Python 3", "language": "python"}  # fmt: skip
    (home / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(apart / "jupyter"))
    assert command("run", "01_first") == (failures > 2)
    assert len((apart / "starts").read_text()) == 3
    if failures > 2:
        assert "01_first: RuntimeError: Kernel died before replying" in capsys.readouterr().err


def test_a_damaged_run_is_mended_by_the_next_call(
    finished: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results(finished)
    (finished / "state" / "01_first.json").write_bytes(b"\xff")
    (finished / "results" / "02_second.json").write_text("3")
    for name in ("01_first", "02_second"):
        (finished / "notebooks" / f"{name}.ipynb").write_text("{}")
    (finished / "results.json").write_text("")
    assert command("run") == 0
    err = capsys.readouterr().err
    assert f"{finished / 'state' / '01_first.json'} can't be read: 01_first runs again." in err
    assert "set aside as 02_second.json.damaged, 02_second runs again." in err
    assert tally(apart) == {"01_first": 2, "02_second": 2}
    assert results(finished) == before
    for name, job in planned().items():
        assert job.is_done()
        nbformat.validate(nbformat.read(finished / "notebooks" / f"{name}.ipynb", as_version=4))


def test_results_that_were_deleted_are_named_and_made_again(
    finished: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results(finished)
    path = finished / "results" / "01_first.json"
    path.unlink()
    assert command("run", "02_second") == 0
    assert f"{path} is missing: 01_first runs again when chosen." in capsys.readouterr().err
    assert results(finished) == {"made.02_second": 0.3}
    assert command("run") == 0
    assert tally(apart) == {"01_first": 2, "02_second": 1}
    assert results(finished) == before


def test_fresh_asks_nothing_of_what_finished_before(
    finished: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> bool:
        raise AssertionError("what is replaced anyway needn't be whole")

    monkeypatch.setattr(run_folder, "is_whole", refuse)
    assert course.run(list(planned(only=["01_first"]).values()), fresh=True) == {}
    assert tally(apart) == {"01_first": 2, "02_second": 1}


def test_what_a_notebook_took_is_known_to_other_runs_of_its_profile(
    finished: Path, project: Path
) -> None:
    jobs = list(planned(only=["01_first"]).values())
    (took,) = course.history(jobs).values()
    assert took > 0
    beside = list(planned(only=["01_first"], overrides={"seed": 9}).values())
    assert beside[0].folder != jobs[0].folder
    assert course.history(beside) == {"01_first": took}
    profile(project, "other", "about: Another.\n")
    others, _ = course.plan(course.load_profile("other"), only=["01_first"])
    assert course.history(others) == {}
    reference = project / "outputs" / "reference" / "other" / "state"
    reference.mkdir(parents=True)
    shutil.copy(jobs[0].state, reference)
    assert course.history(others) == {"01_first": took}


def test_weights_that_a_notebook_downloads_are_no_news_to_it_and_others_are(
    finished: Path, project: Path, apart: Path
) -> None:
    download = (
        "import os\nfrom pathlib import Path\n"
        "home = Path(os.environ['CRYUTILS_CACHE_DIR'], 'weights')\nhome.mkdir(parents=True)\n"
        "(home / 'resnet50_notop.h5').write_text('downloaded')"
    )
    seeking = notebook(
        project / "notebooks" / "02_second.ipynb", download, parameters='weights = "auto"\n'
    )
    assert course.run(list(planned().values())) == {}
    assert {name: job.is_done() for name, job in planned().items()} == {
        "01_first": True, "02_second": True,
    }  # fmt: skip
    put_weights(apart / "weights")
    assert {name: job.is_done() for name, job in planned().items()} == {
        "01_first": True, "02_second": False,
    }  # fmt: skip

    # Put there by somebody while the notebook runs, so it may have looked before.
    late = (
        "import os\nfrom pathlib import Path\n"
        "Path(os.environ['CRYUTILS_WEIGHTS_DIR'], 'late.h5').write_text('weights')"
    )
    notebook(seeking, late, parameters='weights = "auto"\n')
    assert course.run(list(planned(only=["02_second"]).values())) == {}
    assert not planned()["02_second"].is_done()


def test_what_a_long_cell_counts_is_reported_while_it_runs(project: Path, apart: Path) -> None:
    notebook(
        project / "notebooks" / "01_first.ipynb",
        "import os, time\nfrom pathlib import Path\nfrom cryutils._io.progress import counting\n"
        "with counting('Frames', 'clips') as report:\n"
        "    for done in range(1000):\n"
        "        report(done, 1000)\n"
        "        if Path(os.environ['GATE']).exists():\n            break\n"
        "        time.sleep(0.6)",
    )
    reports: list[tuple[str, str, float]] = []
    jobs = list(planned(only=["01_first"]).values())

    def hear(name: str, what: str, share: float) -> None:
        reports.append((name, what, share))
        if what.startswith("Frames: "):
            (apart / "gate").touch()  # the cell goes on until it is heard

    assert course.run(jobs, report=hear) == {}
    news = [what for _, what, _ in reports if what.startswith("Frames: ")]
    assert news
    assert re.fullmatch(r"Frames: \d+ of 1000 clips, about [\d:?]+ left", news[0])
    assert reports[-1] == ("01_first", "done", 1.0)
    assert not list((jobs[0].folder / "logs").glob("*.progress"))


def test_notebooks_side_by_side_share_the_cores(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"
    for variable in names:
        monkeypatch.delenv(variable, raising=False)
    for name in ("01_first", "02_second"):
        cell = f"import os\nfrom pathlib import Path\nPath({str(apart / name)!r}).write_text("
        cell += f"' '.join(os.environ[name] for name in {names}))"
        notebook(project / "notebooks" / f"{name}.ipynb", cell)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    assert not course.run(list(planned().values()), processes=2)
    assert [(apart / name).read_text() for name in ("01_first", "02_second")] == ["1 4"] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert not course.run(list(planned(only=["01_first"]).values()), fresh=True)
    assert (apart / "01_first").read_text() == "3 9"


def test_progress_is_reported_as_cells_are_done(project: Path) -> None:
    notebook(project / "notebooks" / "01_first.ipynb", "1", "2")
    reports: list[tuple[str, str, float]] = []
    jobs = list(planned(only=["01_first"]).values())
    assert course.run(jobs, report=lambda *news: reports.append(news)) == {}
    shares = [share for _, what, share in reports if what == "running"]
    assert shares == sorted(shares)
    assert set(shares) <= {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}, "five cells with the injected one"
    assert shares[-1] == 1.0
    assert reports[-1] == ("01_first", "done", 1.0)
    reports.clear()
    assert course.run(jobs, report=lambda *news: reports.append(news)) == {}
    assert reports[0] == ("01_first", "kept", 1.0)


def test_what_reads_the_results_of_others_runs_after_them_and_each_time(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "AFTER", {"01_first": ("02_second", "03_not_chosen")})
    monkeypatch.setattr(runner, "ALWAYS", ("01_first",))
    counting(project)
    reports: list[tuple[str, str]] = []
    for executions in (1, 2):
        assert course.run(
            list(planned().values()), processes=2,
            report=lambda name, what, share: reports.append((name, what)),
        ) == {}  # fmt: skip
        assert tally(apart) == {"01_first": executions, "02_second": 1}
    first = min(k for k, (name, _) in enumerate(reports) if name == "01_first")
    assert ("02_second", "done") in reports[:first]
    alone = list(planned(only=["01_first"]).values())
    assert list(course.remarks(alone, [], [])) == [], "it trains nothing in another's place"


def test_the_longest_of_the_last_time_begins_first(finished: Path, project: Path) -> None:
    counting(project)
    for name, seconds in (("01_first", 1.0), ("02_second", 5.0)):
        path = finished / "state" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": seconds}))
    reports: list[tuple[str, str]] = []
    course.run(
        list(planned().values()), processes=1,
        report=lambda name, what, share: reports.append((name, what)),
    )  # fmt: skip
    assert [name for name, what in reports if what == "done"] == ["02_second", "01_first"]


def test_what_fails_is_told_in_a_line_and_the_rest_goes_on(
    project: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = project / "notebooks"
    broken = "raise ValueError('the cause\\nand more of it')"
    user = "from cryutils import InputError\nraise InputError('x.wav: the file is empty.')"
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    counting(project)
    notebook(home / "01_first.ipynb", "1 + 1", broken)
    notebook(home / "03_user.ipynb", user)
    notebook(home / "04_killed.ipynb", killed)
    assert command("run", "--jobs", "2") == 1
    folder = apart / "outputs" / "quick"
    lines = [line for line in capsys.readouterr().err.splitlines() if "(kept as " in line]
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


def test_a_worker_that_is_killed_is_told_and_its_log_named(project: Path, apart: Path) -> None:
    notebook(
        project / "notebooks" / "01_first.ipynb",
        "import os, signal\nos.write(2, b'why')\nos.kill(os.getppid(), signal.SIGKILL)",
    )
    failed = course.run(list(planned(only=["01_first"]).values()))
    log = apart / "outputs" / "quick" / "logs" / "01_first.failed.log"
    what = "its process was killed, as happens when memory runs out"
    assert failed["01_first"] == f"{what}; {log} may say why"
    assert "why" in log.read_text()


def test_no_file_is_named_that_a_killed_worker_did_not_write(project: Path, apart: Path) -> None:
    killing = (
        "import os, signal\nfrom pathlib import Path\n"
        "home = Path(os.environ['CRYUTILS_RUN_DIR'])\n"
        "for path in (*home.glob('logs/*'), *home.glob('notebooks/*')): path.unlink()\n"
    )
    for target, what in (("getppid", "its process was killed"), ("getpid", "its kernel was")):
        cell = f"{killing}os.kill(os.{target}(), signal.SIGKILL)"
        notebook(project / "notebooks" / "01_first.ipynb", cell)
        error = course.run(list(planned(only=["01_first"]).values()))["01_first"]
        assert error.startswith(what)
        for name in re.findall(r"/\S+?\.(?:log|ipynb)", error):
            assert Path(name).is_file(), error


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
def test_a_full_disk_ends_the_run_in_a_line_and_keeps_what_has_finished(
    cell: str, finished: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = project / "notebooks" / "02_second.ipynb", whole(finished)
    source = path.read_bytes()
    notebook(path, cell)
    assert command("run", "--jobs", "1") == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"cryutils: /.*: the disk is full; make room and repeat .*", lines[-1])
    assert not [line for line in lines if "Traceback" in line]
    assert {name: text for name, text in whole(finished).items() if "failed" not in name} == before
    path.write_bytes(source)
    assert command("run") == 0
    assert capsys.readouterr().err.count("finished before, kept") == 2


def test_a_path_with_braces_and_spaces_is_no_template(
    project: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(project / "notebooks" / "02_second.ipynb", "1")
    odd = apart / "my {seed} course"
    project.rename(odd)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(odd))
    jobs = planned(only=["02_second"], outputs=apart / "{out}")
    assert course.run(list(jobs.values())) == {}
    assert (apart / "{out}" / "quick" / "notebooks" / "02_second.ipynb").is_file()


# Killed in the middle


def marked(mark: str) -> list[psutil.Process]:
    """Every process that was started, however indirectly, with this mark in its environment."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CRYUTILS_TEST_MARK") == mark:
                processes.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return processes


def until(condition: Callable[[], bool], what: str, *, patience_s: float = 600.0) -> None:
    """Wait for something that will come about; the patience ends a hang."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"{what} never came about"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder of the commands that a test starts; its path is short, for sockets."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def start(mark: str) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cryutils.course.cli", "run", "--jobs", "2"],
        env={**os.environ, "CRYUTILS_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_signals,
    )


def _hear_signals() -> None:
    # A shell's background job ignores Ctrl-C, one under nohup also the end of its terminal.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def started(project: Path, apart: Path) -> Any:
    """The command while it runs; 02_second waits for the gate to open."""
    notebook(project / "notebooks" / "02_second.ipynb", *tiny("02_second", TRAIN, WAIT))
    mark = uuid.uuid4().hex
    process = start(mark)
    folder = apart / "outputs" / "quick"
    first, second = folder / "state" / "01_first.json", apart / "trained"
    try:
        until(lambda: bool(process.poll()) or (first.is_file() and second.is_file()), "the middle")
        assert process.poll() is None, process.communicate()
        assert len(marked(mark)) >= 3, "the command, a notebook's process and a kernel"
        yield process, mark, folder
    finally:
        for left in marked(mark):
            left.kill()
        process.communicate()


def check_all_parse(folder: Path) -> None:
    """Every file that a reader may find is whole."""
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
    started: Any, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process, mark, folder = started
    assert command("run", "--jobs", "2") == 2, "two at a time"
    assert "another `cryutils run` is at work" in capsys.readouterr().err
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not marked(mark), "the end of every worker and kernel")
    check_all_parse(folder)
    assert not (folder / "state" / "02_second.json").exists()
    assert command("report") == 0
    assert results(folder) == {"made.01_first": 0.3}
    capsys.readouterr()

    (apart / "gate").touch()
    assert command("run", "--jobs", "2") == 0
    assert tally(apart) == {"01_first": 1, "02_second": 2}
    assert results(folder) == {"made.01_first": 0.3, "made.02_second": 0.3}
    err = capsys.readouterr().err
    assert "resuming: 1 of 2 notebooks finished before" in err
    assert "01_first: finished before, kept" in err
    assert [p for p in folder.rglob("*") if p.name.startswith(".")] == []


@large
def test_killed_at_random_moments_a_run_ends_with_the_same_results(
    project: Path, apart: Path
) -> None:
    """The command alone, its process group, or every process at once, one after the other."""
    notebook(project / "notebooks" / "02_second.ipynb", *tiny("02_second", WAIT))
    gate = apart / "gate"
    gate.touch()
    mark, folder = uuid.uuid4().hex, apart / "outputs" / "quick"
    began = time.monotonic()
    process = start(mark)
    _, err = process.communicate()
    assert process.returncode == 0, err
    duration_s = time.monotonic() - began
    until(lambda: not marked(mark), "the end of every worker and kernel")
    reference, files = (folder / "results.json").read_bytes(), set(whole(folder))
    for seed in range(5 if LARGE else 1):
        chance = random.Random(seed)
        shutil.rmtree(folder)
        victims = chance.sample(["process", "group", "all", "all"], 4)
        gate.unlink()  # without which no run ends, so that the next is killed while it resumes
        for k, victim in enumerate(victims):
            if k == 3:
                gate.touch()
            process = start(mark)
            try:
                time.sleep(duration_s * chance.random())
                if victim == "group":
                    os.killpg(process.pid, signal.SIGKILL)
                for left in marked(mark) if victim == "all" else [process]:
                    with suppress(psutil.NoSuchProcess):  # a worker follows its killed parent
                        left.kill()
                process.communicate()
                until(lambda: not marked(mark), f"the end of all, {victims} killed, seed {seed}")
            finally:
                for left in marked(mark):
                    left.kill()
        assert command("run", "--jobs", "2") == 0, (victims, seed)
        assert (folder / "results.json").read_bytes() == reference, (victims, seed)
        assert set(whole(folder)) == files, "nothing is missing, nothing left over"
        assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_a_killed_run_leaves_nothing_in_the_temporary_folder(started: Any, temporary: Path) -> None:
    process, mark, _ = started
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not marked(mark), "the end of every process and kernel")
    assert list(temporary.iterdir()) == []


STOPPED = "cryutils: stopped; the same command goes on where it was."


@pytest.mark.parametrize("code", [129, 130, 143])
def test_a_run_stopped_by_a_signal_says_so_in_a_line_and_leaves_no_process(
    code: int, started: Any, temporary: Path
) -> None:
    process, mark, folder = started
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
    until(lambda: not marked(mark), "the end of every worker and kernel")
    check_all_parse(folder)
    assert list(temporary.iterdir()) == []


def test_a_run_stopped_before_its_notebooks_begin_says_so_in_a_line(project: Path) -> None:
    mark = uuid.uuid4().hex
    process = start(mark)
    until(lambda: len(marked(mark)) > 2, "the helpers")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1:] == [STOPPED]
    assert "Traceback" not in err
    until(lambda: not marked(mark), "the end of every helper")


def test_whatever_stops_a_run_stops_its_workers(project: Path, apart: Path) -> None:
    """Nobody but this process is told, and no more notebook begins."""
    notebook(project / "notebooks" / "01_first.ipynb", "1", WAIT)
    begun: list[psutil.Process] = []

    def stop(name: str, what: str, share: float) -> None:
        assert name in ("", "01_first")
        if share > 0.5:
            begun.extend(psutil.Process().children(recursive=True))
            assert len(begun) > 1, "a notebook's process and its kernel"
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            course.run(list(planned().values()), processes=1, report=stop)
        assert psutil.wait_procs(begun, timeout=600)[1] == []
    finally:
        (apart / "gate").touch()  # else what is left would wait for ever
