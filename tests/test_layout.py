"""The library's layout: which package may import which, and no circles."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def packages(path: Path) -> set[str]:
    """Return the packages that a module imports anything of, anywhere in its text."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "cryutils"])
def test_imports_point_up_the_list(name: str) -> None:
    assert not {other for other in imported(name) if place(name) < place(other)}


def test_no_modules_import_one_another() -> None:
    TopologicalSorter({name: imported(name) - {name} for name in MODULES}).prepare()


# Widgets and store work without the server's packages, which are in the extra [app].
SERVER = {"starlette", "uvicorn"}
SERVING = {f"crydecode.{name}" for name in ("asking", "login", "pages", "serve", "sockets")}


def test_nothing_but_what_serves_the_application_imports_its_server() -> None:
    assert {name for name, path in MODULES.items() if SERVER & packages(path)} == SERVING
    assert {name for name in MODULES if SERVING & imported(name)} - SERVING == {"cryutils.course.cli_serve"}


def required(names: set[str]) -> set[str]:
    """Return these distributions and what they require without an extra."""
    every: set[str] = set()
    while names:
        every |= names
        lines = [line for name in names for line in metadata.requires(name) or []]
        parsed = [Requirement(line) for line in lines]
        names = {canonicalize_name(r.name) for r in parsed if r.marker is None or r.marker.evaluate()} - every
    return every


def test_every_import_is_declared_or_required_by_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared, optional = (
        {canonicalize_name(Requirement(line).name) for line in lines}
        for lines in (
            [*project["dependencies"], *extras["course"]],
            [line for lines in extras.values() for line in lines],
        )
    )
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)^\| `([a-z0-9-]+)` \| .", contributing))
    assert named == declared
    installed = metadata.packages_distributions()
    # Another package may have brought opencv-python, whose files are those of the headless wheel.
    allowed = required({name for name in declared | optional if is_installed(name)})
    allowed |= {"opencv-python"}
    imported = set().union(*map(packages, MODULES.values())) - {"", "cryutils", "crydecode"}
    for name in imported - set(sys.stdlib_module_names):
        owners = {canonicalize_name(owner) for owner in installed.get(name, [])}
        assert not owners or owners & allowed, name


def is_installed(name: str) -> bool:
    return any(canonicalize_name(d.name) == name for d in metadata.distributions())


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
