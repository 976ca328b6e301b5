"""Names of runs; executions that finish, fail or are killed; damaged states and results."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cryutils import claims
from cryutils._io.paths import writing
from cryutils.claims import run_folder
from cryutils.claims.report import damages
from cryutils.claims.report import write as write_page
from cryutils.course import cli
from cryutils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
STATE = {"fingerprint": "f", "profile": "quick", "parameters": {}, "seconds": 1.0,
         "peak_mib": 1, "versions": {}, "cells": [0.5, 1.0]}  # fmt: skip
NOTEBOOKS = ("01_first", "02_second")


@pytest.fixture
def folder(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Without the runs in outputs/reference, which every report reads.
    for name in ("data", "docs", "notebooks"):
        (apart / "project" / name).parent.mkdir(exist_ok=True)
        (apart / "project" / name).symlink_to(ROOT / name)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    return apart / "outputs" / "quick"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def staged(folder: Path, name: str) -> run_folder.Staging:
    (folder / run_folder.STAGING).mkdir(parents=True, exist_ok=True)
    return run_folder.stage(folder, name)


def executed(folder: Path, name: str, value: float, *figures: str) -> run_folder.Staging:
    """The execution of a notebook that recorded one number and wrote figures and a model."""
    staging = staged(folder, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_RUN_DIR", str(staging.path))
        claims.begin(name)
        claims.record(value, study="made", metric=name, data="made")
        claims.write()
        for figure in figures:
            claims.figure_path(figure).write_text(f"{figure} {value}")
    write(staging.path / "models" / f"{name}.keras", f"trained {value}")
    write(staging.notebook, nbformat.writes(nbformat.v4.new_notebook(metadata={"made": value})))
    write(staging.log, "")
    return staging


def executed_with_card(folder: Path, value: float, *figures: str) -> run_folder.Staging:
    """Such an execution of 01_first, with the card of its model that `predict` reads."""
    staging = executed(folder, "01_first", value, *figures)
    write(staging.path / "models" / "cry2.json", f"trained {value}")
    return staging


def finished(folder: Path, name: str, value: float, *figures: str) -> None:
    run_folder.finish(executed(folder, name, value, *figures), STATE)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(files)}


def numbers(folder: Path) -> dict[str, float]:
    rows = json.loads((folder / "results.json").read_text())
    return {row["key"]: row["value"] for row in rows}


def is_whole(folder: Path, name: str) -> bool:
    state = run_folder.read_state(folder / "state" / f"{name}.json")
    return state is not None and run_folder.is_whole(folder, state)


# Names


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "quick"), ({"seed": -3}, "quick-seed--3"), ({"x": None}, "quick-x-null"),
        ({"b": 0.2, "a": True}, "quick-a-true-b-0.2"), ({"kind": "mfcc"}, "quick-kind-mfcc"),
    ],
)  # fmt: skip
def test_a_short_name_has_the_parameters(parameters: dict[str, Any], name: str) -> None:
    assert run_folder.name_of("quick", None, parameters) == name
    assert run_folder.name_of("quick", Path("/x/cries"), parameters) == f"cries-{name}"


def test_no_two_sets_of_parameters_share_a_name() -> None:
    values = [1, 1.0, "1", True, "true", None, "null", "a", "A", "a-b", "../a", "a/b", "", [],
              ["a"], [1], {"a": 1}, "x" * 300, "x" * 301, float("nan"), "nan",
              "1e3", 1e3]  # fmt: skip
    sets = [{key: value} for key in ("a", "b") for value in values]
    sets += [{"a": 1, "b": 2}, {"a": "1-b-2"}, {f"key{k}": 0.123 for k in range(30)}]
    names = [run_folder.name_of("quick", None, parameters) for parameters in sets]
    assert len({name.lower() for name in names}) == len(sets)
    assert all(len(name) < 100 and "/" not in name for name in names)
    assert run_folder.name_of("quick", None, {"b": 1, "a": []}) == run_folder.name_of(
        "quick", None, {"a": [], "b": 1}
    )


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "../quick", "/x", "a\\b", "a\nb"]
)
def test_a_name_must_not_be_a_path(name: str) -> None:
    with pytest.raises(InputError, match=r"--name .*give a plain name"):
        run_folder.require_name(name)


@pytest.mark.parametrize("name", ["quick", "manual", "reference"])
def test_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"--name {name}: that name is taken"):
        run_folder.require_name(name, ["quick", "real"])
    run_folder.require_name("quick-2", ["quick", "real"])


# Executions


def test_an_execution_is_seen_only_when_it_has_finished(folder: Path) -> None:
    finished(folder, "01_first", 0.5, "kept", "gone")
    before = contents(folder)
    staging = executed(folder, "01_first", 0.6, "kept", "new")
    assert {k: v for k, v in contents(folder).items() if not k.startswith(".running")} == before

    run_folder.finish(staging, STATE)
    assert numbers(folder) == {"made.01_first": 0.6}
    assert is_whole(folder, "01_first")
    assert {path.name for path in (folder / "figures").iterdir()} == {"kept.png", "new.png"}
    assert (folder / "models" / "01_first.keras").read_text() == "trained 0.6"
    assert not list((folder / ".running").iterdir())


def test_a_notebook_sees_the_files_of_others_and_not_its_own_earlier_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(folder, "01_first", 0.5)
    finished(folder, "02_second", 0.7)
    staging = staged(folder, "02_second")
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(staging.path))
    claims.begin("02_second")
    claims.record(1.0, study="new", metric="n", data="made")
    claims.write()
    assert claims.run_dir().name == "quick"
    assert claims.load_results().key.tolist() == ["made.01_first", "new.n"]
    models = staging.path / "models"
    assert [path.name for path in models.iterdir()] == ["01_first.keras"]

    # A file that it writes again belongs to it.
    with writing(models / "01_first.keras") as part:
        part.write_text("trained again")
    assert (folder / "models" / "01_first.keras").read_text() == "trained 0.5"


def test_a_borrowed_file_remains_that_of_the_other_notebook(folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    staging = executed(folder, "02_second", 0.7)
    finished(folder, "01_first", 0.6)  # meanwhile
    run_folder.finish(staging, STATE)
    assert (folder / "models" / "01_first.keras").read_text() == "trained 0.6"
    assert numbers(folder) == {"made.01_first": 0.6, "made.02_second": 0.7}
    state = run_folder.read_state(folder / "state" / "02_second.json")
    assert state is not None
    assert sorted(state["files"]) == [
        "logs/02_second.log", "models/02_second.keras", "notebooks/02_second.ipynb",
        "results/02_second.json",
    ]  # fmt: skip


def test_a_figure_of_two_notebooks_is_kept(folder: Path) -> None:
    finished(folder, "01_first", 0.5, "shared")
    finished(folder, "02_second", 0.5, "shared")
    finished(folder, "01_first", 0.6)
    assert (folder / "figures" / "shared.png").is_file()


def _killed_at(step: int, staging: run_folder.Staging) -> None:
    """Finish, but be killed before the move of that number."""
    replace, steps = Path.replace, iter(range(1000))

    def replacing(path: Path, target: Path) -> Path:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replacing)
        run_folder.finish(staging, STATE)
    os._exit(0)


def test_a_kill_at_any_step_leaves_the_old_or_the_new_files(
    folder: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart))
    for name in NOTEBOOKS:
        write(apart / "notebooks" / f"{name}.ipynb", "")
    before = executed_with_card(folder, 0.5, "figure", "old")
    run_folder.finish(before, STATE)
    finished(folder, "02_second", 0.7)
    old, old_state = contents(folder), (folder / "state" / "01_first.json").read_text()
    outcomes = []
    for step in range(100):
        before = executed_with_card(folder, 0.5, "figure", "old")
        run_folder.finish(before, STATE)
        assert contents(folder) == old
        staging = executed_with_card(folder, 0.6, "figure")
        process = multiprocessing.get_context("fork").Process(
            target=_killed_at, args=(step, staging)
        )
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert numbers(folder)["made.01_first"] in (0.5, 0.6), "whole at any time"
        assert run_folder.recover(folder) == []
        models = folder / "models"
        assert (models / "cry2.json").read_text() == (models / "01_first.keras").read_text()
        assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
        assert is_whole(folder, "01_first")
        assert is_whole(folder, "02_second")
        new = (folder / "state" / "01_first.json").read_text() != old_state
        assert numbers(folder) == {"made.01_first": 0.6 if new else 0.5, "made.02_second": 0.7}
        assert new or contents(folder) == old
        outcomes.append(new)
    assert outcomes == sorted(outcomes), "the old until one step, the new from there on"
    assert outcomes[0] is False
    assert outcomes.count(True) >= 5, "four files, results.json, the state"


def test_a_killed_execution_is_removed(folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    before = contents(folder)
    executed(folder, "01_first", 0.6, "figure")
    (folder / ".part-x").mkdir()
    write(folder / ".part-x" / "results.json", "[")
    assert run_folder.recover(folder) == []
    assert contents(folder) == before


def test_an_execution_with_unreadable_results_fails(folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    staging = executed(folder, "01_first", 0.6)
    (staging.path / "results" / "01_first.json").write_text("[1]")
    with pytest.raises(InputError, match=r"01_first\.json: damaged"):
        run_folder.finish(staging, STATE)
    assert numbers(folder) == {"made.01_first": 0.5}


# Damage

DAMAGES = {
    "empty": b"", "cut": None, "number": b"3", "bytes": b"\xff\xfe\x00{",
    "deep": b"[" * 100_000, "other fields": b'[{"key": "k", "more": 1}]',
    "wrong types": b'{"fingerprint": 1, "parameters": [], "seconds": "x", "files": 3}',
    "outside": json.dumps({**STATE, "files": {"../../x": "d"}}).encode(),
}  # fmt: skip
FILES = ("state/01_first.json", "results/01_first.json", "notebooks/01_first.ipynb")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_counts_as_not_done_and_is_named(
    name: str, damage: str, folder: Path
) -> None:
    finished(folder, "01_first", 0.5)
    finished(folder, "02_second", 0.7)
    path = folder / name
    content = DAMAGES[damage]
    path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    assert not is_whole(folder, "01_first")

    lines = run_folder.recover(folder)
    if name.startswith("notebooks"):
        assert lines == []
    else:
        (line,) = lines
        assert line == f"{path} can't be read: 01_first runs again when chosen."
    borrowed = staged(folder, "02_second").path / "results" / "01_first.json"
    assert borrowed.exists() == (not name.startswith("results"))
    finished(folder, "01_first", 0.6)
    assert numbers(folder) == {"made.01_first": 0.6, "made.02_second": 0.7}
    assert is_whole(folder, "01_first")


@pytest.mark.parametrize("name", [*FILES, "models/01_first.keras"])
def test_a_deleted_file_counts_as_not_done_and_deleted_results_are_named(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in NOTEBOOKS:
        finished(folder, each, 0.5)
    (folder / "logs" / "01_first.log").write_text("a last word, which may come late")
    assert is_whole(folder, "01_first")
    (folder / name).unlink()
    assert not is_whole(folder, "01_first")
    path, is_results = folder / name, name.startswith("results")
    line = f"{path} is missing: 01_first runs again when chosen."
    assert run_folder.recover(folder) == [line] * is_results
    if is_results:
        line = f"{path}: missing, so 01_first counts as not done; run it again."
        assert report(capsys)[::2] == (1, f"{line}\n")


@pytest.mark.parametrize("written_s", [-1, 0, 4_102_444_800])
def test_a_wrong_clock_makes_nothing_outdated(written_s: int, folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    before = contents(folder)
    for path in folder.rglob("*"):
        os.utime(path, (written_s, written_s))
    assert run_folder.recover(folder) == []
    assert contents(folder) == before
    assert is_whole(folder, "01_first")
    write_page(folder)
    assert damages(folder) == []


def report(capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["report"])
    output = capsys.readouterr()
    return int(ended.value.code or 0), output.out, output.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_report_names_damaged_files_and_shows_the_rest(
    damage: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("00_whole", "01_state", "02_results", "03_notebook")
    for name in names:
        run_folder.finish(executed(folder, name, 0.5), STATE)
    paths = [
        folder / name
        for name in (
            "state/01_state.json", "results/02_results.json", "notebooks/03_notebook.ipynb",
        )
    ]  # fmt: skip
    content = DAMAGES[damage]
    for path in paths:
        path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    code, out, err = report(capsys)
    assert (code, out.splitlines()[-1]) == (1, "Report: outputs/quick/report.html")
    lines = err.splitlines()
    assert all(line.endswith(" again.") for line in lines)
    assert [line.partition(": ")[0] for line in lines] == list(map(str, paths))
    page = (folder / "report.html").read_text()
    assert [f"made.{name}" in page for name in names] == [True] * 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_results_of_a_run_are_merged_again(damage: str, folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    path, content = folder / "results.json", DAMAGES[damage]
    before = path.read_bytes()
    path.write_bytes(before[:-3] if content is None else content)
    write_page(folder)
    assert damages(folder) == []
    assert path.read_bytes() == before
    assert "made.01_first" in (folder / "report.html").read_text()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_report_that_cannot_be_made_is_named_and_the_others_are_made(
    code: int, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, damaged = folder.with_name("real"), folder.with_name("quick-2") / "results.json"
    for run in (folder, real):
        finished(run, "01_first", 0.5)
    write(damaged, "[")
    write_text = Path.write_text

    def fail(self: Path, text: str, **more: Any) -> int:
        if folder in self.parents:
            write_text(self, text[: len(text) // 2], **more)
            raise OSError(code, os.strerror(code))
        return write_text(self, text, **more)

    monkeypatch.setattr(Path, "write_text", fail)
    before = contents(folder)
    ended, out, err = report(capsys)
    first, second = err.splitlines()
    assert (ended, first) == (1, f"{folder}: its report can't be made ({os.strerror(code)}).")
    assert second.startswith(f"{damaged}: ")
    assert contents(folder) == before
    assert "Report: outputs/real/report.html" in out
    assert (real / "report.html").is_file()


def test_the_report_of_a_stopped_run_shows_finished_notebooks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(folder, "01_first", 0.5)
    executed(folder, "02_second", 0.7)
    (folder / "results.json").unlink()  # as runs of older versions had none before their end
    code, out, _ = report(capsys)
    assert (code, out.splitlines()[-1]) == (0, "Report: outputs/quick/report.html")
    assert numbers(folder) == {"made.01_first": 0.5}
    page = (folder / "report.html").read_text()
    assert "made.01_first" in page
    assert "made.02_second" not in page
