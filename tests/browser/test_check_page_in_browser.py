"""The page that checks a table, in a real browser: it says what the command says, and sends nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra app is not installed")
import front_page
import lite
import pyodide
from frontends import ONLY_HERE, Files, fits, launch, serving, watched
from playwright.sync_api import Frame, Page, Playwright, expect
from sizes import large

from cryutils.claims import audit

WIDTHS = (360, 768, 1280)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    front_page.write_check(folder)
    return folder


@pytest.fixture
def page(playwright: Playwright, folder: Path) -> Iterator[Page]:
    """The page, in a browser that reaches nothing but this machine."""
    with serving(folder) as address:
        browser = launch(playwright, ONLY_HERE)
        page = browser.new_page()
        page.goto(f"{address}check.html")
        yield page
        browser.close()


def fits_in_light_and_dark(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        fits(page, WIDTHS)


def sideways(page: Page | Frame) -> list[str]:
    """Return the parts of a report that scroll sideways."""
    parts = "[...document.querySelectorAll('figure, .report')].filter(e => e.scrollWidth > e.clientWidth)"
    return page.evaluate(f"{parts}.map(e => e.outerHTML.slice(0, 100))")


def test_it_loads_nothing_unasked_and_says_what_to_do_without_pyodide(page: Page, folder: Path) -> None:
    settings = {"jupyter-config-data": {"litePluginSettings": {lite.KERNEL: {"pyodideUrl": lite.PYODIDE}}}}
    (folder / "lite").mkdir()
    (folder / "lite" / "jupyter-lite.json").write_text(json.dumps(settings))
    icon = {("GET", "/favicon.ico")}
    assert {*Files.asked} - icon == {("GET", "/check.html")}
    page.get_by_role("button", name="Try an example").click()
    expect(page.get_by_role("alert")).to_contain_text("uvx cryutils audit")
    expect(page.get_by_role("alert")).to_contain_text("cdn.jsdelivr.net")
    expect(page.get_by_role("alert")).not_to_contain_text("Failed")
    expect(page.get_by_label("Drop a CSV or Parquet file")).to_be_enabled()
    fits_in_light_and_dark(page)
    lines = [front_page.text(name).splitlines() for name in ("check.js", "check_worker.js")]
    assert sum(map(len, lines)) <= 150


def test_the_page_that_the_command_writes_fits_a_telephone(page: Page) -> None:
    path = front_page.ROOT / "tests" / "data" / "table2_predictions.csv"
    table = audit.read(path)
    page.set_content(audit.page(audit.audit(table, permutations=19), table, title=path.name))
    page.set_viewport_size({"width": 360, "height": 800})
    assert not sideways(page)
    fits_in_light_and_dark(page)


def clean() -> pd.DataFrame:
    """Return answers to new infants, with probabilities and devices."""
    rng, names = np.random.default_rng(0), ["hungry", "pain", "tired"]
    infant = np.repeat(np.arange(15), 4)
    table = pd.DataFrame({"clip": np.arange(60), "infant": infant, "truth": rng.choice(names, 60)})
    chances = rng.dirichlet(np.ones(3), 60) + 0.4 * (table.truth.to_numpy()[:, None] == names)
    table[[f"p_{name}" for name in names]] = chances / chances.sum(axis=1, keepdims=True)
    return table.assign(fold=infant % 5, split="leak_free", device=np.where(infant % 2, "iOS", "Android"))


@large
def test_it_audits_three_tables_as_the_command_does(page: Page, folder: Path, command: Any) -> None:
    pytest.importorskip("jupyterlite_core", reason="the dependency group docs is not installed")
    lite.build(folder, "./pyodide/pyodide.mjs")
    (folder / "lite" / "pyodide").symlink_to(pyodide.folder())
    tables = {"leak.csv": front_page.leaking_answers(), "clean.csv": clean()}
    tables["broken.csv"] = tables["leak.csv"].assign(truth=["", *tables["leak.csv"].truth[1:]])
    faults = watched(page)

    # With a leak: the example, and nothing but the keyboard.
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "example":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    title = page.get_by_role("heading", name="The audit of")
    expect(title).to_have_text("The audit of example.csv")
    assert page.evaluate("document.activeElement.id") == "result-title"
    tables["leak.csv"].to_csv("leak.csv", index=False)
    code, printed, _ = command("audit", "leak.csv")
    assert code == 0
    assert page.locator("#text").text_content() == printed.removesuffix("\n")
    fits_in_light_and_dark(page)
    page.set_viewport_size({"width": 360, "height": 800})
    report = page.frames[1]
    expect(report.get_by_role("heading", name="The report")).to_be_visible()
    assert not sideways(report)
    whole = "document.documentElement.scrollHeight == innerHeight && innerWidth == 360"
    report.wait_for_function(whole)
    stated = int(page.locator("#size").inner_text())
    assert abs(Files.megabytes() - stated) < 1

    # A clean table, without a connection, chosen where the keyboard reaches; it is saved as it is shown.
    page.context.set_offline(True)
    tables["clean.csv"].to_csv("clean.csv", index=False, sep=";")
    choice = page.get_by_label("Drop a CSV or Parquet file")
    choice.focus()
    expect(choice).to_be_focused()
    with page.expect_file_chooser() as chooser:
        choice.click()  # a key may open nothing on a busy machine
    chooser.value.set_files("clean.csv")
    expect(title).to_have_text("The audit of clean.csv")
    code, printed, _ = command("audit", "clean.csv", "--html", "clean.html")
    assert code == 0
    assert page.locator("#text").text_content() == printed.removesuffix("\n")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as HTML").click()
    assert download.value.suggested_filename == "clean-audit.html"
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    assert saved.count("<svg") == 3
    assert without_figures(saved) == without_figures(Path("clean.html").read_text(encoding="utf-8"))

    # A broken one, dropped.
    tables["broken.csv"].to_csv("broken.csv", index=False)
    code, _, refusal = command("audit", "broken.csv")
    assert code == 2
    drop(page, "broken.csv", Path("broken.csv").read_text(encoding="utf-8"))
    expected = refusal.removeprefix("cryutils: ").replace(f"{Path.cwd()}/", "").strip()
    expect(page.get_by_role("alert")).to_have_text(expected)
    expect(title).to_be_hidden()

    drop(page, "answers.parquet", "PAR1")
    expect(page.get_by_role("alert")).to_contain_text("answers.parquet: save the table as CSV")
    assert not faults
    assert {method for method, _ in Files.asked} == {"GET"}  # no table is sent
    assert not [path for _, path in Files.asked if re.search(r"(clean|broken)\.csv|\.parquet", path)]


def without_figures(html: str) -> str:
    """Return a report without its figures, in which numbers depend on Matplotlib's version."""
    return re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)


def drop(page: Page, name: str, content: str) -> None:
    """Drop a file on the page."""
    script = f"""() => {{
      const data = new DataTransfer();
      data.items.add(new File([{json.dumps(content)}], {json.dumps(name)}));
      const event = new DragEvent("drop", {{ dataTransfer: data, bubbles: true }});
      document.querySelector("#zone").dispatchEvent(event);
    }}"""
    page.evaluate(script)
