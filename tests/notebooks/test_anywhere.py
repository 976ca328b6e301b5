"""`make test-anywhere`: its settings reach the kernels, its loops end, a failure counts."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest

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


@pytest.mark.parametrize(
    ("variables", "niceness", "code"),
    [({"SHADE": "dark"}, 1, 0), ({}, 1, 1), ({"SHADE": "dark"}, 0, 1)],
    ids=["as asked", "a variable that is missing", "another priority"],
)
def test_a_pass_fails_unless_its_setting_is_seen_in_the_kernel(
    tool: ModuleType, tmp_path: Path, variables: dict[str, str], niceness: int, code: int
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
        env={**os.environ, **variables, "CRYUTILS_TEST_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout


def test_a_failed_pass_does_not_stop_the_next_and_fails_the_whole(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shade.py").write_text(
        "import os\ndef test_shade():\n    assert os.environ['SHADE'] == 'dark'\n"
    )
    shades = [
        tool.Pass(shade, f"a {shade} one", {"SHADE": shade}, suite=True)
        for shade in ("light", "dark")
    ]
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "PASSES", shades)
    monkeypatch.setattr(tool, "SUITE", f"{tool.SUITE} -n 0")
    assert tool.main([]) == 1
    light, dark = capfd.readouterr().out.splitlines()[-2:]
    assert light.split()[0] == "light" and light.endswith("FAILED")
    assert dark.split()[0] == "dark" and dark.endswith("passed")
    assert tool.main(["--only", "dark"]) == 0
    assert tool.main(["--list"]) == 0
    assert "a light one" in capfd.readouterr().out


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
