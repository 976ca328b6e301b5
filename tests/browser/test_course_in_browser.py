"""Notebooks run in JupyterLite, with nothing but what the site serves."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("jupyterlite_core", reason="the dependency group docs is not installed")
import lite
import pyodide
from frontends import ARGUMENTS, HANG_S, ONLY_HERE, Elsewhere, Files, executable, launch, serving, watched
from IPython.core.inputtransformer2 import TransformerManager
from playwright.sync_api import Locator, Page, Playwright, expect
from sizes import large

from cryutils.course import runner as course

ROOT = Path(__file__).resolve().parents[2]
LISTED = {row["name"]: row for row in course.contents() if row.get("browser")}
LESSON_1, *OTHERS = LISTED
KERNEL = "window.jupyterapp?.shell.currentWidget?.context?.sessionContext.session?.kernel"
NOTEBOOK = "window.jupyterapp?.shell.currentWidget?.content"
CELLS = f"[...({NOTEBOOK}?.model?.cells ?? [])].filter(c => c.type === 'code')"
OUTPUTS = f"{CELLS}.map(c => c.outputs.toJSON())"
READY = f"{KERNEL}?.status === 'idle'"
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


@pytest.fixture(scope="module")
def python(playwright: Playwright, site: str) -> Iterator[Page]:
    """A page with a notebook, whose Python other notebooks use too: its packages take half a minute."""
    browser = launch(playwright, ONLY_HERE)
    page = browser.new_page()
    page.set_default_timeout(1000 * HANG_S)
    page.goto(f"{site}lite/notebooks/index.html?path={OTHERS[0]}.ipynb")
    page.wait_for_function(READY)
    yield page
    browser.close()


# Shows a notebook in place of another, without what that has left in Python.
RESET = """%reset -f
import os, shutil, sys
shutil.rmtree(os.path.expanduser("~/outputs"), ignore_errors=True)
if "pandas" in sys.modules:
    sys.modules["pandas"].reset_option("display")"""
REPLACE = f"""async ([code, path]) => {{
  const reply = await {KERNEL}.requestExecute({{ code }}).done;
  const stored = await window.jupyterapp.serviceManager.contents.get(path, {{ content: true }});
  {NOTEBOOK}.model.fromJSON(stored.content);
  return reply.content.status;
}}"""


def run_all(page: Page) -> list[list[dict[str, Any]]]:
    """Run all cells of the notebook and return the outputs of its code cells."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.evaluate(f"{CELLS}.forEach(c => {{ c.executionCount = null }})")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(DONE, polling=1000)
    return page.evaluate(OUTPUTS)


def cell(page: Page, code: str, *, after: int = 0) -> Locator:
    """Select the first cell that contains `code`, or one after it, scroll there, and return it."""
    select = f"""async ([code, after]) => {{
      const notebook = {NOTEBOOK};
      const first = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.includes(code));
      notebook.activeCellIndex = first + after;
      await notebook.scrollToItem(first + after, "center");
    }}"""
    page.evaluate(select, [code, after])
    return page.locator(".jp-Cell.jp-mod-active")


def run_cell(page: Page) -> str:
    """Run the selected cell, and return what it prints."""
    model = f"{NOTEBOOK}.activeCell.model"
    page.evaluate(f"{{ const model = {model}; model.executionCount = null }}")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_function(f"{model}.executionCount && {model}.executionState === 'idle'")
    return "".join("".join(o.get("text", "")) for o in page.evaluate(f"{model}.outputs.toJSON()"))


def insert(page: Page, code: str) -> None:
    """Insert a cell below the selected one, and select it."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    page.evaluate(f"code => {NOTEBOOK}.activeCell.model.sharedModel.setSource(code)", code)


def check(page: Page, answer: str) -> str:
    """Type an answer to the last exercise, run it and its check, and return what the check says."""
    cell(page, "pitch = ").locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(f"pitch = {answer}")
    run_cell(page)
    cell(page, "pitch = ", after=1)
    return run_cell(page)


def test_a_page_without_python_says_so(site: str, page: Page) -> None:
    page.route("**/pyodide.mjs", lambda route: route.abort())
    page.goto(f"{site}lite/notebooks/index.html?path={LESSON_1}.ipynb")
    expect(page.get_by_role("alert").filter(has_text="Python cannot be loaded")).to_be_visible()
    link = page.get_by_role("link", name="read the page with its results")
    assert link.evaluate("link => link.href") == f"{site}notebooks/{LESSON_1}.html"
    page.get_by_role("button", name="Close").click()
    expect(link).to_be_hidden()
    first = page.locator(".jp-RenderedMarkdown").first
    expect(first.get_by_role("link", name="Read its stored results")).to_be_visible()
    expect(first.get_by_role("link", name="Run in the browser")).to_have_count(0)


HEAVY = {"joblib", "librosa", "matplotlib", "pandas", "pooch", "requests", "scipy", "seaborn", "sklearn"}


def test_the_first_sounds_need_only_what_is_loaded_with_the_page(tmp_path: Path) -> None:
    """In the browser, each package takes seconds."""
    cells = [c for c in lite.for_browser(LISTED[LESSON_1]).cells if c.cell_type == "code"]
    count = next(number for number, cell in enumerate(cells, start=1) if "listen(" in cell.source)
    code = [TransformerManager().transform_cell(cell.source) for cell in cells[:count]]
    # The kernel provides these.
    before = "import os, sys, psutil, IPython, tqdm\nbefore = {*sys.modules}\nsys.platform = 'emscripten'"
    after = "print(len(sounds), *{name.partition('.')[0] for name in {*sys.modules} - before})"
    variables = os.environ | lite.VARIABLES | {"CRYUTILS_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", "\n".join([before, *code, after])]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    sounds, *modules = done.stdout.splitlines()[-1].split()
    assert sounds == "3"
    assert {"cryutils", "numpy"} <= {*modules}
    assert not HEAVY & {*modules}


FIRST = ("#@title Setup", 'data = "synthetic"', "offer(data", "def load(", "= load(data)", "listen(x, ")


def test_the_first_sounds_play_without_another_server(site: str, page: Page) -> None:
    faults = watched(page)
    page.goto(f"{site}lite/notebooks/index.html?path={LESSON_1}.ipynb")
    page.wait_for_function(READY)
    for code in FIRST:
        shown = cell(page, code)
        text = run_cell(page)
    assert text.startswith("Baby A: 5.0 s")
    played = "audio => audio.play().then(() => new Promise(done => { audio.ontimeupdate = done }))"
    player = shown.locator("audio").first
    player.evaluate(played)
    assert player.evaluate("audio => audio.currentTime") > 0
    assert not [fault for fault in faults if urlsplit(fault).scheme in ("http", "https", "ws")]


@large
def test_lesson_1_runs_whole_without_another_server(site: str, page: Page) -> None:
    faults = watched(page)
    Files.sent.clear()
    page.goto(f"{site}lite/notebooks/index.html?path={LESSON_1}.ipynb")
    page.wait_for_function(READY)
    outputs = [output for cell in run_all(page) for output in cell]
    expect(page.get_by_text("Python cannot be loaded")).to_have_count(0)
    assert not [output for output in outputs if output["output_type"] == "error"]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "random split: 71% right; new babies: 20% right" in printed
    assert "3 cries: synthetic voices" in printed
    stated = re.search(r"(\d+)\s+MB, compressed", (ROOT / "docs" / "browser.md").read_text("utf-8"))
    assert abs(Files.megabytes() - int(stated[1])) < 1
    asked = f"{KERNEL}.requestComplete({{code: 'recordings.lab', cursor_pos: 14}})"
    assert ".labels" in page.evaluate(f"{asked}.then(reply => reply.content.matches)")

    shown = cell(page, "knobs(scored")
    picture = shown.locator(".widget-image")
    before = picture.get_attribute("src")
    shown.locator(".noUi-handle").first.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", str(before))
    expect(shown.locator(".widget-readout").first).to_have_text("0.75")

    loud = "librosa.feature.rms(y=first, frame_length=512, hop_length=128)[0]"
    heard = "librosa.yin(first, fmin=200, fmax=1000, sr=sr, frame_length=512, hop_length=128)"
    assert not check(page, "1234.5").startswith("Right")
    assert check(page, f"{heard}[{loud} > 0.3 * {loud}.max()].mean()").startswith("Right")

    insert(page, "from cryutils.widgets.player import CryPlayer\nCryPlayer(cries, sr=sr)")
    run_cell(page)
    play = page.locator(".cry-player .cry-play")
    play.click()
    graph = page.locator(".cry-player .cry-graph").element_handle()
    page.wait_for_function("graph => graph.getAttribute('aria-valuenow') > 0.1", arg=graph)
    play.click()

    insert(page, "from cryutils import video  # which needs OpenCV")
    insert(page, "1 / 0")
    page.evaluate("window.jupyterapp.commands.execute('notebook:move-cursor-up')")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-below')")
    mistake = page.wait_for_function(f"{OUTPUTS}.flat().find(o => o.output_type === 'error')")
    assert "ZeroDivisionError" in mistake.json_value()["ename"]
    (said,) = page.evaluate(f"{OUTPUTS}.flat().filter(o => (o.text ?? '').includes('cv2'))")
    assert said["text"].count("\n") == 1

    page.keyboard.press("Control+s")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    page.wait_for_function(f"{CELLS}.some(cell => cell.sharedModel.source.includes('pitch = librosa'))")
    assert not [fault for fault in faults if urlsplit(fault).scheme in ("http", "https", "ws")]


@large
def test_real_cries_come_after_a_click(site: str, page: Page, tmp_path: Path) -> None:
    real = Path(os.environ.get("CRYUTILS_DATA_DIR", ""), "donateacry").absolute()
    if not real.is_dir():
        pytest.skip("CRYUTILS_DATA_DIR has no folder donateacry")
    page.goto(f"{site}lite/notebooks/index.html?path={LESSON_1}.ipynb")
    page.wait_for_function(READY)
    for code in ("#@title Setup", 'data = "synthetic"'):
        cell(page, code)
        run_cell(page)
    with serving(tmp_path, Elsewhere) as github:
        cell(page, "offer(data")
        lines = f"\nimport cryutils.widgets.recordings as module\nmodule.RAW = {github!r} + 'cries'\n"
        model = f"{NOTEBOOK}.activeCell.model.sharedModel"
        page.evaluate(f"lines => {model}.setSource({model}.source.replace('\\n', lines))", lines)
        run_cell(page)
        button = page.get_by_role("button", name="Load the real cries")
        expect(button).to_be_visible()
        assert not Elsewhere.asked
        button.click()
        expect(page.get_by_text("GitHub answered 404")).to_be_visible()
        damaged = tmp_path / Elsewhere.asked[0][1].strip("/")
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(b"no cry")
        button.click()
        expect(page.get_by_text("has changed")).to_be_visible()
        shutil.rmtree(tmp_path / "cries")
        (tmp_path / "cries").symlink_to(real)
        button.click()
        expect(page.get_by_text("They are here")).to_be_visible()
    stored = "window.jupyterapp.serviceManager.contents.get('recordings/donateacry', { content: true })"
    folders = page.evaluate(f"{stored}.then(folder => folder.content.map(each => each.name).sort())")
    assert folders == ["belly_pain", "hungry", "tired"]
    assert "3 real recordings" in run_cell(page)
    for code in ("#@title Load real cries", "recordings = load(data)"):
        cell(page, code)
        text = run_cell(page)
    assert text == "3 cries: DonateACry (real recordings)\n"


@large
def test_a_second_visit_transfers_nothing_again(playwright: Playwright, site: str, tmp_path: Path) -> None:
    options = {"executable_path": executable(playwright), "args": [*ARGUMENTS, ONLY_HERE]}
    context = playwright.chromium.launch_persistent_context(tmp_path, **options)
    sent = []
    for _ in range(2):
        Files.sent.clear()
        page = context.new_page()
        page.set_default_timeout(1000 * HANG_S)
        page.goto(f"{site}lite/notebooks/index.html?path={LESSON_1}.ipynb")
        page.wait_for_function(READY)
        cell(page, "#@title Setup")
        run_cell(page)
        sent.append([*Files.sent])
        page.close()
    context.close()
    assert len(sent[0]) > 50
    assert sent[1] == []


def printed(cells: list[list[dict[str, Any]]]) -> list[str]:
    """Return what each cell prints, and the text of the table that it shows."""
    texts = [
        [
            "".join(o["text"] if o["output_type"] == "stream" else o["data"]["text/plain"])
            for o in cell
            if o.get("name") == "stdout" or o["output_type"] == "execute_result"
        ]
        for cell in cells
    ]
    return ["".join(text) for text in texts]


@large
@pytest.mark.parametrize("name", OTHERS)
def test_a_listed_notebook_runs_to_its_end_with_the_stored_numbers(name: str, python: Page) -> None:
    errors: list[object] = []
    python.on("pageerror", lambda error: errors.append(error))
    assert python.evaluate(REPLACE, [RESET, f"{name}.ipynb"]) == "ok"
    cells = run_all(python)
    assert not [output for cell in cells for output in cell if output["output_type"] == "error"]
    stored = [c for c in lite.for_browser(LISTED[name]).cells if c.cell_type == "code"]
    assert len(cells) == len(stored) > 5
    compared = zip(printed(cells), printed([c.outputs for c in stored]), stored, strict=True)
    for text, expected, cell in compared:
        if expected and "nbval-ignore-output" not in cell.metadata.get("tags", []):
            assert text == expected
    assert not errors


def test_links_lead_out_of_the_browser_and_its_text_is_not_about_recordings() -> None:
    for name, row in LISTED.items():
        for cell in lite.for_browser(row).cells:
            links = re.findall(r"\]\(([^)\s]+)\)", cell.source) if cell.cell_type == "markdown" else []
            for link in (urlsplit(link) for link in links):
                pages, _, page = link.path.removeprefix("/cryutils/").rpartition("/")
                if link.scheme == "attachment":
                    assert page in cell.attachments
                elif not link.netloc and page:
                    assert page.removesuffix(".ipynb") in LISTED, (name, page)
                elif link.netloc.endswith(".github.io") and pages != "lite/notebooks":
                    stem = ROOT / pages / page.removesuffix(".html")
                    assert stem.with_suffix(".md").exists() or stem.with_suffix(".ipynb").exists(), page
            if row.get("needs", {}).get("sound"):
                assert "course-data" not in cell.metadata.get("tags", []), name
