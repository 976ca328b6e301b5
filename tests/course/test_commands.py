"""The contract of every command: help with an example, exit codes, and one line for each mistake.

Then what `data`, `claims`, `audit`, `lab`, `users` and `log` do.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from nbformat.sign import NotebookNotary
from refusals import Command, Outcome, mistake, success

from crydecode import store
from cryutils.claims import tables
from cryutils.course import cli
from cryutils.course import runner as course
from cryutils.inference.readings import Reading

EXAMPLE = str(Path(__file__).parents[1] / "data" / "table2_predictions.csv")
PASSWORD = "correct horse"
NOON = pd.Timestamp("2026-11-22T12:00Z").timestamp()


COMMANDS = cli.commands()


def commands(group: click.Group = COMMANDS, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name in group.list_commands(click.Context(group)):
        subcommand = group.commands[name]
        if isinstance(subcommand, click.Group):
            yield from commands(subcommand, *names, name)
        else:
            yield (*names, name)


COMMANDS = list(commands())


@pytest.fixture
def call(command: Command, fast_hashes: None, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`call("users", "add", "demo", typed="")` returns exit code, out and err, with a new store."""
    monkeypatch.setenv("CRYUTILS_STORE", "sqlite:///store.sqlite")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def run(*arguments: str, typed: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return command(*arguments)

    return run


@pytest.fixture
def mia(call: Command, apart: Path) -> None:
    """A store with a user demo and an infant Mia; two days of its readings, an hour apart."""
    with store.open() as opened:
        opened.users.add("demo", PASSWORD)
        log = opened.add_infant("Mia")
        log.append(log.begin("test"), [Reading(NOON + 3600 * i, "hungry") for i in range(48)])


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_each_help_has_its_own_example(names: tuple[str, ...], command: Command) -> None:
    out = success(command(*names, "--help"))
    examples = re.findall(r"cryutils .+", out.split("Example")[1])
    assert examples
    assert all(line.startswith(" ".join(["cryutils", *names])) for line in examples)
    if names in ((), ("data",), ("users",), ("log",)):
        assert success(command(*names)) == out


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("run --nonsense", "No such option"),
        ("run --profile quik", "no profile 'quik'. Did you mean quick?"),
        ("run 03_feature_validtion", "Did you mean 03_feature_validation?"),
        ("run 0", "notebook '0' fits 02_audio_features, "),
        ("run 03_feature_validation --profile real -p tset_size=0.3", "Did you mean test_size?"),
        ("run 03_feature_validation -p test_size", "write it as key=value"),
        ("run 03_feature_validation --data empty", "empty: no usable recording"),
        ("run 03 --name reference", "--name reference: give a plain name that is not taken"),
        ("run --profile real", "CRYUTILS_DATA_DIR"),
        ("run --profile own", "the profile own is for your own recordings; add --data FOLDER."),
        ("data fetch donatecry", "no corpus 'donatecry'. Did you mean donateacry?"),
        ("data fetch synthetic", "nothing to fetch"),
        ("claims --run quik", "no run 'quik'"),
        ("audit nowhere.csv", "nowhere.csv: no such f"),
        ("audit empty --distinct-groups", "need a table of predictions"),
        (f"audit {EXAMPLE} --background", "give a folder, manifest or corpus"),
        ("predict nowhere.mp4 --annotate a.mp4", "nowhere.mp4: no such file."),  # before a model opens
        ("users remove dmeo", "no user 'dmeo'. Did you mean demo?"),
        ("log export log.csv --infant Mai", "no infant 'Mai'. Did you mean Mia?"),
        ("log purge --before tomorrow-ish", "'tomorrow-ish' does not match"),
        ("log export log.xlsx", "name a file that ends in .csv"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    arguments: str, remedy: str, call: Command, mia: None, apart: Path
) -> None:
    (apart / "empty").mkdir()
    assert remedy in mistake(call(*arguments.split()))


def test_without_a_home_one_line_names_the_variable(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "CRYUTILS_CACHE_DIR", "CRYUTILS_STORE"):
        monkeypatch.delenv(name, raising=False)
    assert "CRYUTILS_CACHE_DIR" in mistake(command("data", "fetch", "donateacry"))
    assert "CRYUTILS_STORE" in mistake(command("users", "remove", "demo"))


def test_odd_names_are_printed_in_ascii_and_in_one_line(apart: Path, sound: Callable[..., Path]) -> None:
    infant = apart / "m\xfcde Stimmen" / "m\xfcde" / "b\x1b[2J"
    sound(infant / "c\nd.wav")
    (infant / "a\nb.txt").touch()
    command = ["cryutils.course.cli", "data", "describe", "m\xfcde Stimmen", "--problems"]
    out = subprocess.run(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        encoding="ascii",
        check=True,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ).stdout
    assert r"recordings in m\xfcde Stimmen" in out
    assert r"m\xfcde/b\x1b[2J/a\nb.txt: " in out and "\x1b" not in out


def test_a_closed_pipe_is_no_error() -> None:
    line = f"{Path(sys.executable).with_name('cryutils')} claims --json | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


HEAVY = {"IPython", "av", "cv2", "joblib", "keras", "librosa", "matplotlib", "numba", "papermill", "pooch"}
HEAVY |= {"scipy", "seaborn", "sklearn", "tensorflow"}


def imported_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_package_commands_and_server_import_nothing_heavy() -> None:
    assert not imported_by("from cryutils import load") & HEAVY
    assert not imported_by("from cryutils.course import cli") & HEAVY
    imported = imported_by("from crydecode import serve\nfrom cryutils.course import cli")
    assert not imported & (HEAVY | {"pandas", "pyarrow"}) - {"av", "cv2"}


def test_describe_counts_and_lists_problems(command: Command, apart: Path, sound: Callable) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav", seconds=0.6)
    sound(apart / "own" / "tired" / "bo" / "2.wav", seed=1)
    sound(apart / "own" / "hungry" / "anna" / "1.wav", seed=2)
    (apart / "own" / "tired" / "bo" / "broken.mp3").write_text("text")
    out = success(command("data", "describe", "own"))
    assert "Problems: 1 left out; `cryutils data describe own --problems` lists them." in out
    assert "broken.mp3" not in out
    assert re.search(r"^tired +2 +1 ", out, re.MULTILINE)
    out = success(command("data", "describe", "own", "--problems"))
    assert "left out  tired/bo/broken.mp3: it can't be decoded" in out


def test_the_real_corpus_is_found(command: Command, donateacry: Path) -> None:
    assert str(donateacry) in command("data", "list")[1]
    out = success(command("data", "fetch", "donateacry"))
    assert f"DonateACry: {donateacry}\nLicence: Open Database License" in out
    assert "Cite: Veres, G. (2015)" in out


def test_claims_are_json_without_nan_or_filtered_lines(command: Command) -> None:
    rows = json.loads(success(command("claims", "--json")), parse_constant=pytest.fail)
    assert len({row["id"] for row in rows}) == len(tables.ledger())
    by_id = {row["id"]: row for row in rows if row["data"] in ("", "donateacry")}
    row = by_id["A-T2-mfcc-dnn"]
    assert (row["value"], row["data"], row["run"]) == (0.8449, "donateacry", "reference/judged")
    assert row["leak_free_low"] < row["leak_free_value"] < row["leak_free_high"]
    assert by_id["A-communication"]["leak_free_value"] is None
    out = success(command("claims", "--run", "reference/simulated"))
    assert "no evidence about real infants" in out and "on donateacry" not in out


def test_an_audit_is_printed_as_tables(command: Command) -> None:
    out = success(command("audit", EXAMPLE, "--permutations", "19"))
    for text in ("33 [15, 51]", "13 [7, 32]", "20 [-11, 52]", "random split"):
        assert text in out


def test_an_audit_of_a_folder_counts_its_problems(command: Command, apart: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(10):
        folder = apart / "own" / ("hungry", "tired")[k % 2] / f"infant{k}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "1.wav", 0.1 * rng.normal(size=8000), 8000)
    out = success(command("audit", "own", "--permutations", "19", "--background"))
    assert "Problems: none." in out
    assert "whole recording" in out and "No pairs" in out and "matched" not in out.splitlines()[-8]


def test_an_audit_compares_the_training_infants_if_given(command: Command) -> None:
    rows = [f"c{k},i{k},{'ab'[k % 2]},{'ab'[k % 2]},phone {k % 3}" for k in range(20)]
    Path("test.csv").write_text("\n".join(["clip,infant,truth,prediction,device", *rows]), "utf-8")
    Path("train.csv").write_text("\n".join(["infant", *(f"i{k}" for k in range(9))]), "utf-8")
    out = success(command("audit", "test.csv", "--permutations", "19", "--train-groups", "train.csv"))
    assert "45 % of the answers" in out and "The device alone: no better than guessing" in out


def test_the_report_shows_the_stored_runs_and_what_is_generated_has_no_checksums(command: Command) -> None:
    assert "Paper A, Table 2" in success(command("report"))
    code, _, err = command("report", "--share")
    assert code == 2 and "cryutils run" in err, "there is no run to share"
    code, _, err = command("data", "check", "synthetic")
    assert code == 2 and "synthetic" in err


def test_lab_opens_the_missing_notebooks_as_trusted_ones(
    command: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (apart / "mine").mkdir()
    (apart / "mine" / "03_feature_validation.ipynb").write_text("mine")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(apart / "jupyter"))
    command("lab", "mine", "--port", "0")
    assert started[0][1:] == ["-m", "jupyter", "lab", "lesson_1_start_here.ipynb", "--port", "0"]
    assert Path.cwd() == apart / "mine"
    copies = {path.stem: path.read_bytes() for path in Path.cwd().glob("*.ipynb")}
    sources = {name: path.read_bytes() for name, path in course.notebooks().items()}
    assert copies == sources | {"03_feature_validation": b"mine"}
    assert Path("solutions", "lesson_5_how_a_network_learns.py").is_file()
    notary = NotebookNotary(data_dir=str(apart / "jupyter"))
    for name in sources.keys() - {"03_feature_validation"}:
        assert notary.check_signature(nbformat.read(f"{name}.ipynb", as_version=4)), name


# users, log


def is_right(password: str) -> bool:
    """Return whether the user demo can log in with `password`."""
    with store.open() as opened:
        return opened.users.check("demo", password, "192.0.2.1") == (True, 0)


def test_users_are_added_changed_and_removed(call: Command) -> None:
    out = success(call("users", "add", "demo", typed=f"{PASSWORD}\n"))
    assert out.startswith("demo may log in (") and PASSWORD not in out
    assert is_right(PASSWORD)
    success(call("users", "add", "demo", typed="another horse\n"))
    assert is_right("another horse") and not is_right(PASSWORD)
    success(call("users", "remove", "demo"))
    assert not is_right("another horse")


def test_a_log_is_exported_and_purged(call: Command, mia: None) -> None:
    words = ("log", "export", "log.csv", "--infant", "Mia")
    assert success(call(*words)) == "48 lines of the diary were exported.\n"
    assert len(pd.read_csv("log.csv")) == 48
    out = success(call("log", "purge", "--before", "2026-11-23"))
    assert out == "12 readings were deleted.\n"
