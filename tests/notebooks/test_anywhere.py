"""`make test-anywhere`: its passes, their settings reach the kernels, a failure counts."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from sizes import large

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "anywhere.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("anywhere", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "anywhere", module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_cores_priority_and_order_are_those_of_the_command(
    tool: ModuleType, tmp_path: Path
) -> None:
    def command(niceness: int = 0, **settings: object) -> list[str]:
        return tool.command(tool.Pass("one", "of a kind", **settings), tmp_path, niceness)

    usual = command()
    assert command(cores=1) == ["taskset", "-c", "0-0", *usual]
    assert command(1) == ["nice", "-n", "1", *usual]
    names = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    assert usual[-len(names) :] == names
    assert command(backwards=True) == [*usual[: -len(names)], *names[::-1]]


def test_notebooks_run_in_the_order_that_they_are_named_in(
    tool: ModuleType, tmp_path: Path
) -> None:
    backwards = tool.Pass("one", "of a kind", backwards=True)
    tool.notebook_of_what_is_seen(tmp_path / "seen.ipynb", dict.fromkeys(tool.SEEN, 0), [])
    done = subprocess.run(
        [*tool.command(backwards, tmp_path, 0), "-n", "0", "--collect-only", "-q"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    collected = dict.fromkeys(re.findall(r"^(.*)::Cell", done.stdout, re.MULTILINE))
    names = sorted((path.name for path in (ROOT / "notebooks").glob("*.ipynb")), reverse=True)
    # A notebook outside the project has no name there; it finds no cache that others have filled.
    assert list(collected) == ["", *(f"notebooks/{name}" for name in names)], done.stderr


@large
@pytest.mark.parametrize(
    ("variables", "niceness", "missed"),
    [({"SHADE": "dark"}, 1, []), ({}, 0, ["variables", "niceness"])],
    ids=["as asked", "a variable that is missing, and another priority"],
)
def test_a_pass_fails_unless_its_setting_is_seen_in_the_kernel(
    tool: ModuleType, tmp_path: Path, variables: dict[str, str], niceness: int, missed: list[str]
) -> None:
    cores = len(getattr(psutil.Process(), "cpu_affinity", list)())
    values = ({"SHADE": "dark"}, cores, min(19, os.nice(0) + 1), False, True)
    path = tool.notebook_of_what_is_seen(
        tmp_path / "seen.ipynb", dict(zip(tool.SEEN, values, strict=True)), ["SHADE"]
    )
    command = ["nice", "-n", str(niceness), sys.executable, "-m", "pytest"]
    done = subprocess.run(
        [*command, *shlex.split(tool.NBVAL), "-n", "0", str(path)],
        cwd=ROOT,
        env=os.environ
        | {"CRYUTILS_TEST_CACHE": str(tmp_path / "cache"), **variables}
        | {"PYTEST_ADDOPTS": "-p no:hypothesispytest"},  # half a second
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == bool(missed), done.stdout
    failed = re.findall(r"^FAILED .*::Cell (\d+)", done.stdout, re.MULTILINE)
    assert [list(tool.SEEN)[int(k)] for k in failed] == missed


SHADE = """\
import os
from pathlib import Path

import psutil

def test_shade():
    cache = Path(os.environ["CRYUTILS_TEST_CACHE"])
    # Whoever runs these tests may have other children.
    beside = sum("getppid" in str(p.cmdline()) for p in psutil.Process().parent().children())
    with open("seen", "a") as lines:
        print(os.environ["SHADE"], cache.exists(), os.nice(0), beside, file=lines)
    cache.mkdir(exist_ok=True)
    assert os.environ["SHADE"] == "dark"
"""


@large
def test_a_failed_pass_does_not_stop_the_next_and_fails_the_whole(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shade.py").write_text(SHADE)
    shades = [
        tool.Pass(
            "light", "a light one", {"SHADE": "light"}, ("cold", "warm"), ("warm",), suite=True
        ),
        tool.Pass("dark", "a dark one", {"SHADE": "dark"}, suite=True),
    ]
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "PASSES", shades)
    monkeypatch.setattr(tool, "SUITE", f"{tool.SUITE} -n 0")
    monkeypatch.setattr(tool, "BUSY", 1)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:nbval -p no:hypothesispytest")  # a second each
    assert tool.main([]) == 1
    light, dark, total = capfd.readouterr().out.splitlines()[-3:]
    assert light.split()[0] == "light" and light.endswith("FAILED")
    assert dark.split()[0] == "dark" and dark.endswith("passed")
    assert re.fullmatch(r"in all +\d+\.\d min", total)
    usual = os.nice(0)
    assert (tmp_path / "seen").read_text().splitlines() == [
        f"light False {usual} 0", f"light True {min(19, usual + 1)} 1", f"dark False {usual} 0",
    ]  # fmt: skip
    assert tool.main(["--only", "dark"]) == 0
    assert tool.main(["--list"]) == 0
    assert "a light one" in capfd.readouterr().out


@large
@pytest.mark.parametrize(
    "end", ["pass", "raise KeyError", f"os.kill(os.getpid(), {signal.SIGKILL})"]
)
def test_busy_loops_end_with_their_pass_however_it_ends(end: str) -> None:
    script = (
        f"import os, sys; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "import anywhere, psutil\n"
        "with anywhere.busy_loops(2):\n"
        "    print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        f"    {end}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pids = list(map(int, done.stdout.split()))
    assert len(pids) == 2
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=600)[1] == []


def test_each_part_runs_as_make_test_runs_it(tool: ModuleType) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert f"pytest {tool.NBVAL} notebooks\n" in makefile
    assert f"pytest {tool.SUITE}\n" in makefile
