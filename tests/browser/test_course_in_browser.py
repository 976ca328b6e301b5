"""Notebooks run in JupyterLite, with nothing but what the site serves."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("jupyterlite_core", reason="the dependency group docs is not installed")
import lite
import pyodide
from frontends import HANG_S, ONLY_HERE, launch, serving, watched
from playwright.sync_api import Page, Playwright
from sizes import large

from cryutils.course import runner as course

KERNEL = "window.jupyterapp?.shell.currentWidget?.context?.sessionContext.session?.kernel"
CELLS = "[...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')"
OUTPUTS = f"{CELLS}.map(c => c.outputs.toJSON())"
DONE = f"{KERNEL}?.status === 'idle' && {CELLS}.every(c => c.executionState === 'idle' && c.executionCount)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    files, folder = pyodide.folder(), tmp_path_factory.mktemp("site")
    lite.build(folder, "./pyodide/pyodide.mjs")
    (folder / "lite" / "pyodide").symlink_to(files)
    settings = folder / "lite" / "jupyter-lite.json"
    content = json.loads(settings.read_text("utf-8"))
    content["jupyter-config-data"]["exposeAppInBrowser"] = True
    settings.write_text(json.dumps(content))
    with serving(folder) as url:
        yield url


@pytest.fixture
def page(playwright: Playwright) -> Iterator[Page]:
    browser = launch(playwright, ONLY_HERE)
    page = browser.new_page()
    page.set_default_timeout(1000 * HANG_S)
    yield page
    browser.close()


def run(page: Page, site: str, name: str) -> list[list[dict[str, Any]]]:
    """Run all cells of a notebook and return the outputs of its code cells."""
    page.goto(f"{site}lite/notebooks/index.html?path={name}.ipynb")
    page.wait_for_function(f"{KERNEL}?.status === 'idle'")
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.evaluate(f"{CELLS}.forEach(c => {{ c.executionCount = null }})")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(DONE, polling=1000)
    return page.evaluate(OUTPUTS)


def test_lesson_1_runs_whole_without_another_server(site: str, page: Page) -> None:
    faults = watched(page)
    outputs = [output for cell in run(page, site, "lesson_1_start_here") for output in cell]
    assert not [output for output in outputs if output["output_type"] == "error"]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "random split: 71% right; new babies: 20% right" in printed
    assert "3 cries: synthetic voices" in printed
    played = "audio => audio.play().then(() => new Promise(done => { audio.ontimeupdate = done }))"
    player = page.locator("audio").first
    player.evaluate(played)
    assert player.evaluate("audio => audio.currentTime") > 0
    assert not [fault for fault in faults if urlsplit(fault).scheme in ("http", "https", "ws")]


@large
@pytest.mark.parametrize("name", [row["name"] for row in course.contents() if row.get("browser")][1:])
def test_a_listed_notebook_runs_to_its_end(name: str, site: str, page: Page) -> None:
    outputs = [output for cell in run(page, site, name) for output in cell]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
