"""The library's layout: which package may import which, and that no modules import one another."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "cryutils"
# Each may import those before it, and itself.
ORDER = (
    "errors", "_io", "audio", "video", "datasets", "evaluation", "models", "claims", "papers",
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
