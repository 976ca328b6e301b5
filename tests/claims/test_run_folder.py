"""Executions that finish, fail or are killed; damaged states and results."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from cryutils import claims
from cryutils._io.paths import writing
from cryutils.claims import run_folder
from cryutils.errors import InputError

STATE = {"fingerprint": "f", "parameters": {}, "seconds": 1.0, "versions": {}}


@pytest.fixture
def folder(apart: Path) -> Path:
    return apart / "outputs" / "quick"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def executed(folder: Path, name: str, value: float, *figures: str) -> Path:
    """The execution of a notebook that recorded one number and wrote figures and a model."""
    (folder / run_folder.STAGING).mkdir(parents=True, exist_ok=True)
    staging = run_folder.stage(folder, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYUTILS_RUN_DIR", str(staging))
        claims.begin(name)
        claims.record(value, study="made", metric=name, data="made")
        claims.write()
        for figure in figures:
            write(staging / "figures" / f"{figure}.png", f"{figure} {value}")
    write(staging / "models" / f"{name}.keras", f"trained {value}")
    write(staging / "notebooks" / f"{name}.ipynb", f"{value}")
    write(staging / "logs" / f"{name}.log", "")
    return staging


def finished(folder: Path, name: str, value: float, *figures: str) -> None:
    run_folder.finish(executed(folder, name, value, *figures), name, STATE)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(files)}


def numbers(folder: Path) -> dict[str, float]:
    rows = json.loads((folder / "results.json").read_text())
    return {row["key"]: row["value"] for row in rows}


def is_whole(folder: Path, name: str) -> bool:
    state = run_folder.states(folder).get(name)
    return state is not None and all((folder / file).is_file() for file in state["files"])


# Executions


def test_an_execution_is_seen_only_when_it_has_finished(folder: Path) -> None:
    finished(folder, "01_first", 0.5, "kept", "gone")
    before = contents(folder)
    staging = executed(folder, "01_first", 0.6, "kept", "new")
    assert {k: v for k, v in contents(folder).items() if not k.startswith(".running")} == before

    run_folder.finish(staging, "01_first", STATE)
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
    staging = run_folder.stage(folder, "02_second")
    monkeypatch.setenv("CRYUTILS_RUN_DIR", str(staging))
    claims.begin("02_second")
    claims.record(1.0, study="new", metric="n", data="made")
    claims.write()
    assert claims.run_dir().name == "quick"
    assert claims.load_results().key.tolist() == ["made.01_first", "new.n"]
    models = staging / "models"
    assert [path.name for path in models.iterdir()] == ["01_first.keras"]

    # A file that it writes again belongs to it.
    with writing(models / "01_first.keras") as part:
        part.write_text("trained again")
    assert (folder / "models" / "01_first.keras").read_text() == "trained 0.5"


def test_a_borrowed_file_remains_that_of_the_other_notebook(folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    staging = executed(folder, "02_second", 0.7)
    finished(folder, "01_first", 0.6)  # meanwhile
    run_folder.finish(staging, "02_second", STATE)
    assert (folder / "models" / "01_first.keras").read_text() == "trained 0.6"
    assert numbers(folder) == {"made.01_first": 0.6, "made.02_second": 0.7}
    assert run_folder.states(folder)["02_second"]["files"] == [
        "logs/02_second.log",
        "models/02_second.keras",
        "notebooks/02_second.ipynb",
        "results/02_second.json",
    ]


def _killed_at(step: int, staging: Path) -> None:
    """Finish, but be killed before the move of that number."""
    replace, steps = Path.replace, iter(range(1000))

    def replacing(path: Path, target: Path) -> Path:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replacing)
        run_folder.finish(staging, "01_first", STATE)
    os._exit(0)


def test_a_notebook_killed_while_its_files_are_replaced_is_not_done(folder: Path) -> None:
    finished(folder, "02_second", 0.7)
    for step in range(100):
        finished(folder, "01_first", 0.5, "figure", "old")
        staging = executed(folder, "01_first", 0.6, "figure")
        process = multiprocessing.get_context("fork").Process(target=_killed_at, args=(step, staging))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert numbers(folder)["made.01_first"] in (0.5, 0.6), "whole at any time"
        run_folder.clean(folder)
        assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
        assert is_whole(folder, "02_second")
        kept = {"made.01_first": 0.5} if is_whole(folder, "01_first") else {}
        assert bool(kept) == (step == 0), "the first step is in the staging folder"
        assert numbers(folder) == {**kept, "made.02_second": 0.7}
    assert step >= 6, "the state twice, four files, results.json"
    assert numbers(folder) == {"made.01_first": 0.6, "made.02_second": 0.7}
    assert not (folder / "figures" / "old.png").exists()


def test_an_execution_with_unreadable_results_fails(folder: Path) -> None:
    finished(folder, "01_first", 0.5)
    staging = executed(folder, "01_first", 0.6)
    (staging / "results" / "01_first.json").write_text("[1]")
    with pytest.raises(InputError, match=r"01_first\.json: damaged"):
        run_folder.finish(staging, "01_first", STATE)
    assert numbers(folder) == {"made.01_first": 0.5}


@pytest.mark.parametrize("content", [None, b"", b"3", b'[{"key": "k"}]'])
@pytest.mark.parametrize("name", ["state/01_first.json", "results/01_first.json"])
def test_a_damaged_or_deleted_file_counts_as_not_done_and_others_do_not_see_it(
    name: str, content: bytes | None, folder: Path
) -> None:
    finished(folder, "01_first", 0.5)
    finished(folder, "02_second", 0.7)
    path = folder / name
    path.unlink() if content is None else path.write_bytes(content)
    run_folder.clean(folder)
    assert not is_whole(folder, "01_first")
    (folder / run_folder.STAGING).mkdir()
    borrowed = run_folder.stage(folder, "02_second") / "results" / "01_first.json"
    assert borrowed.exists() == (not name.startswith("results"))
    finished(folder, "01_first", 0.6)
    assert numbers(folder) == {"made.01_first": 0.6, "made.02_second": 0.7}
    assert is_whole(folder, "01_first")
