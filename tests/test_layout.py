"""The library's layout: which package may import which, and that no modules import one another."""

from __future__ import annotations

import ast
import importlib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "cryutils"
# Each may import those before it, and itself.
ORDER = (
    "errors", "_io", "audio", "video", "datasets", "evaluation", "models", "papers", "claims",
    "plots", "course", "app",
)  # fmt: skip
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """Return the modules of the library that one imports, anywhere in its text."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cryutils":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                named.add(name if name in MODULES else str(node.module))
    return named


IMPORTED = {name: imported(path) for name, path in MODULES.items()}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "cryutils"])
def test_imports_point_up_the_list(name: str) -> None:
    place = ORDER.index(name.split(".")[1])
    assert not {other for other in IMPORTED[name] if place < ORDER.index(other.split(".")[1])}


def test_no_modules_import_one_another() -> None:
    TopologicalSorter({name: others - {name} for name, others in IMPORTED.items()}).prepare()


@pytest.mark.parametrize(
    "package", [name for name in ORDER if (PACKAGE / name / "__init__.pyi").is_file()]
)
def test_a_package_gives_what_its_stub_says_and_every_module(package: str) -> None:
    module = importlib.import_module(f"cryutils.{package}")
    public = {name.split(".")[2] for name in MODULES if name.startswith(f"cryutils.{package}.")}
    assert public <= set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
