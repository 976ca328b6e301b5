"""The command: help with examples, exit codes, and one line on stderr for each mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from refusals import Command, mistake, success

from cryutils.claims import ledger
from cryutils.course import cli

CLONE = Path(__file__).resolve().parents[2]
UUID = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"


def commands(group: click.Group = cli.cryutils, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, subcommand in group.commands.items():
        if isinstance(subcommand, click.Group):
            yield from commands(subcommand, *names, name)
        else:
            yield (*names, name)


# Help


@pytest.mark.parametrize("names", list(commands()), ids=" ".join)
def test_each_help_has_its_own_example(names: tuple[str, ...], command: Command) -> None:
    out = success(command(*names, "--help"))
    examples = re.findall(r"^ +(cryutils .+)$", out.split("Example")[1], re.MULTILINE)
    assert examples
    assert all(line.startswith(" ".join(["cryutils", *names])) for line in examples)


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


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("run --profile quik", "no profile 'quik'. Did you mean quick?"),
        ("run 03_feature_validation --profile real -p tset_size=0.3", "Did you mean test_size?"),
        ("run 03_feature_validation -p test_size", "write it as key=value"),
        ("run 03_feature_validation --data absent", "absent: no such folder"),
        ("run 03_feature_validation --data empty", "empty: no usable recording"),
        ("run --outputs file", "file/quick: can't be written to"),
        ("run 03 --name ../x", "give a plain name"),
        ("run 03 --name reference", "--name reference: that name is taken"),
        ("report", "outputs: no run has finished here; start one with `cryutils run`"),
        ("data fetch donatecry", "no corpus 'donatecry'. Did you mean donateacry?"),
        ("data fetch synthetic", "nothing to fetch"),
        ("claims --verdict reproducd", "no verdict 'reproducd'. Did you mean reproduced?"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    arguments: str, remedy: str, command: Command, apart: Path
) -> None:
    (apart / "empty").mkdir()
    (apart / "file").write_text("no folder")
    assert remedy in mistake(command(*arguments.split()))


def test_a_corpus_that_is_not_available_names_both_ways_to_get_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    for arguments in ("data fetch donateacry", "run --profile real"):
        message = mistake(command(*arguments.split()))
        assert "CRYUTILS_DATA_DIR" in message
        assert "cryutils data fetch donateacry" in message


def test_a_closed_pipe_is_no_error(apart: Path, sound: Callable) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav")
    for i in range(3000):
        (apart / "own" / f"{i:04}-{'x' * 100}.txt").touch()
    line = f"{Path(sys.executable).with_name('cryutils')} data describe own --problems | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


# What the commands do


def test_describe_counts_and_lists_problems(command: Command, apart: Path, sound: Callable) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.wav", seconds=0.6)
    sound(apart / "own" / "tired" / "bo" / "2.wav", seed=1)
    sound(apart / "own" / "hungry" / "anna" / f"{UUID}-1430742197-1.0-m-04-ti.wav", seed=2)
    sound(apart / "own" / "hungry" / "anna" / f"{UUID}-1430742198-1.0-m-04-ti.wav", seed=3)
    (apart / "own" / "tired" / "bo" / "broken.mp3").write_text("text")
    out = success(command("data", "describe", "own"))
    assert "Problems: 4 contradictions, 1 left out. --problems lists them." in out
    assert "broken.mp3" not in out
    assert re.search(r"^tired +2 +1 ", out, re.MULTILINE)
    _, out, _ = command("data", "describe", "own", "--problems")
    assert "left out  tired/bo/broken.mp3: it can't be decoded" in out
    assert "folder says hungry, its name says tired" in out


def test_the_real_corpus_is_found_checked_and_described(command: Command, donateacry: Path) -> None:
    assert str(donateacry) in command("data", "list")[1]
    out = success(command("data", "fetch", "donateacry"))
    assert f"DonateACry: {donateacry}\nLicence: Open Database License" in out
    assert "Cite: Veres, G. (2015)" in out
    out = success(command("data", "check", "donateacry"))
    assert out == f"457 files verified in {donateacry}, 0 wrong or missing.\n"


def test_report_prints_the_scoreboard_and_names_a_damaged_run(command: Command, apart: Path) -> None:
    (apart / "outputs" / "quick").mkdir(parents=True)
    results = apart / "outputs" / "quick" / "results.json"
    results.write_text("[]")
    out = success(command("report"))
    assert "Paper A, Table 2" in out and f"Report: {apart / 'outputs/report/index.html'}" in out
    results.write_text("{")
    code, _, err = command("report")
    assert code == 1 and "quick/results.json can't be read" in err


# What an import costs

HEAVY = {
    "tensorflow",
    "keras",
    "librosa",
    "sklearn",
    "matplotlib",
    "seaborn",
    "av",
    "numba",
    "cv2",
    "scipy",
    "joblib",
    "pooch",
    "papermill",
    "IPython",
}


def imported_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_loading_the_package_imports_nothing_heavy() -> None:
    imported = imported_by("from cryutils import load")
    assert not imported & HEAVY
    assert {"cryutils", "numpy"} <= imported


def test_the_server_is_one_small_process() -> None:
    imported = imported_by("from crydecode import serve\nfrom cryutils.course import cli")
    assert not imported & (HEAVY | {"pandas", "pyarrow"}) - {"av", "cv2"}


# claims


def test_claims_is_json_without_nan_and_tells_both_verdicts(command: Command) -> None:
    out = success(command("claims", "--json"))
    rows = json.loads(out, parse_constant=pytest.fail)
    assert len({row["id"] for row in rows}) == len(ledger.ledger())
    kept_runs = {f"reference/{name}" for name in ("judged", "simulated", "uploads")}
    assert {row["run"] for row in rows} == {"", *kept_runs}
    by_id = {row["id"]: row for row in rows if row["data"] in ("", "donateacry")}
    row = by_id["A-T2-mfcc-dnn"]
    assert (row["value"], row["data"], row["run"]) == (0.8449, "donateacry", "reference/judged")
    assert row["random_verdict"] == "not reproduced with a substitute class"
    assert row["leak_free_verdict"] == "cannot be tested"
    assert row["leak_free_low"] < row["leak_free_value"] < row["leak_free_high"]
    assert by_id["A-communication"]["leak_free_value"] is None


def test_claims_are_filtered(command: Command) -> None:
    options = ["--run", "reference/simulated", "--verdict"]
    out = success(command("claims", *options, "in simulation"))
    assert "no evidence about real infants" in out and "donateacry" not in out
    out = success(command("claims", *options, "not reproduced with a substitute class"))
    assert out == "No row of the ledger is like this.\n"
