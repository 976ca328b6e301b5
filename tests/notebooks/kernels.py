"""A pytest plugin for nbval: kernels have their own folders, and solved exercises must be right.

Notebooks on real recordings are compared only where these are in `CRYUTILS_DATA_DIR`.
"""

import os
import re
import tempfile
from functools import cache
from pathlib import Path

import pytest

# Lists the fonts of a new machine, which a slow one would say in the cell that draws first.
from matplotlib import font_manager  # noqa: F401

FIRST = ("04", "05", "07", "08")  # 06, 09, 11 and 13 use their networks
HANG_S = 7200.0  # no machine is that slow: what takes longer never ends

_scratch = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the kernels a run folder and a cache of their own, and no way to anything else.

    The cache is empty, or lies in `CRYUTILS_TEST_CACHE`, where it stays for a second run. How
    far long work is goes to a file, since a slow machine has more to say than a fast one.
    pytest-xdist's workers inherit all this.
    """
    config.option.nbval_cell_timeout = config.option.nbval_kernel_startup_timeout = HANG_S
    if hasattr(config, "workerinput"):
        return
    config.stash[_scratch] = tempfile.TemporaryDirectory()
    home = Path(config.stash[_scratch].name)
    cache = os.environ.get("CRYUTILS_TEST_CACHE", str(home / "cache"))
    for name in [name for name in os.environ if name.startswith("CRYUTILS_")]:
        if name != "CRYUTILS_DATA_DIR":
            del os.environ[name]
    os.environ |= {
        "CRYUTILS_RUN_DIR": str(home / "run"),
        "CRYUTILS_CACHE_DIR": cache,
        "TQDM_DISABLE": "1",
        "CRYUTILS_OFFLINE": "1",
        "KERAS_HOME": str(home / "keras"),  # pretrained weights would choose another backbone
    }


def pytest_itemcollected(item: pytest.Item) -> None:
    """Wait for a cell's output as long as for the cell; nbval gives up after five seconds."""
    if hasattr(item, "output_timeout"):
        item.output_timeout = HANG_S


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out notebooks on real recordings where there are none; begin with those in `FIRST`."""
    data = Path(os.environ.get("CRYUTILS_DATA_DIR", ""))
    absent = [item for item in items if not all((data / name).is_dir() for name in _recordings(item.path))]
    config.hook.pytest_deselected(items=absent)
    items[:] = [item for item in items if item not in absent]
    items.sort(key=lambda item: not item.path.name.startswith(FIRST))


@cache
def _recordings(path: Path) -> set[str]:
    """Return the folders of the real recordings that the notebook at `path` takes by default."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'"data = \\"(auto|donateacry|corvin2024)\\"', text)
    if path.stem == "14_scoreboard" or not found:  # the scoreboard reads stored results
        return set()
    others = {"esc10", "fsdd"} if 'load(\\"esc10' in text else set()
    return {found[1].replace("auto", "donateacry"), *others}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the kernels wrote."""
    if _scratch in config.stash:
        config.stash[_scratch].cleanup()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Fail a check below a solved exercise unless it prints "Right"."""
    report = (yield).get_result()
    cell = getattr(item, "cell", None)
    if cell is None or report.when != "call":
        return
    if report.passed and {"check", "solved"} <= {*cell.metadata.get("tags", [])}:
        printed = "".join(output.get("text", "") for output in item.test_outputs or [])  # type: ignore[attr-defined]
        if not printed.startswith("Right"):
            report.outcome, report.longrepr = "failed", f"The check says: {printed}"
