"""One browser and one server for all tests of a frontend, and one page of JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from frontends import FRONTENDS, Notebook, Server, close, launch, run_all, start
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:  # one at a time
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session", params=FRONTENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Server]:
    yield from start(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def window(server: Server, chromium: Browser) -> Iterator[BrowserContext]:
    """Where the notebooks of one frontend are opened."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    yield context
    context.close()


def _opened(server: Server, window: BrowserContext, name: str) -> Iterator[Notebook]:
    pages = window.pages if server.kind == "lab" else []
    notebook = Notebook(pages[0] if pages else window.new_page(), server)
    run_all(notebook, name)
    yield notebook
    close(notebook)


@pytest.fixture(scope="module")
def opened(server: Server, window: BrowserContext) -> Iterator[Notebook]:
    """The player's notebook, opened and run once for all tests of one frontend."""
    yield from _opened(server, window, "player")


@pytest.fixture(scope="module")
def films(server: Server, window: BrowserContext) -> Iterator[Notebook]:
    """The notebook with a player of videos."""
    yield from _opened(server, window, "films")


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """The opened notebook with the player at 0 s of the first clip, nothing selected."""
    starts = opened.state()["starts"]
    opened.page.get_by_role("button", name="start over").click()
    opened.until(lambda s: s["starts"] > starts, "the player starts over")
    opened.page.locator(".cry-name").get_by_text("rising").wait_for()
    return opened
