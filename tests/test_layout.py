"""The library's layout: which package may import which, and no circles."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each may import those before it, and itself. `course` comes last: its commands open the
# application, too, which asks nothing of them.
ORDER = (
    "errors",
    "words",
    "_io",
    "audio",
    "video",
    "datasets",
    "evaluation",
    "models",
    "studies",
    "inference",
    "claims",
    "plots",
    "widgets",
    "crydecode",
    "course",
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("cryutils", "crydecode")
    for path in sorted((ROOT / package).rglob("*.py"))
}


@cache
def imported(module: str) -> set[str]:
    """Return the modules of the library that one imports, anywhere in its text."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else str(node.module) for name in parts}
    return {name for name in names if name.startswith(("cryutils.", "crydecode"))}


def place(name: str) -> int:
    """Return where a module's package is in the order."""
    return ORDER.index(name.removeprefix("cryutils.").split(".")[0])


@pytest.mark.parametrize("name", [name for name in MODULES if name != "cryutils"])
def test_imports_point_up_the_list(name: str) -> None:
    assert not {other for other in imported(name) if place(name) < place(other)}


def test_no_modules_import_one_another() -> None:
    TopologicalSorter({name: imported(name) - {name} for name in MODULES}).prepare()


def test_the_import_is_fast() -> None:
    """Fresh processes, interleaved, so that a busy machine slows both alike."""
    statements = ("import numpy, pandas", "import numpy, pandas; import cryutils")
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(4):
        for statement in statements:
            before = os.times()
            subprocess.run([sys.executable, "-c", statement], check=True)
            after = os.times()
            spent = after.children_user + after.children_system
            times[statement].append(spent - before.children_user - before.children_system)
    assert min(times[statements[1]]) < 1.5 * min(times[statements[0]])


def test_no_module_has_the_name_of_another() -> None:
    names = [path.stem for path in MODULES.values() if path.stem != "__init__"]
    assert len(names) == len(set(names))
