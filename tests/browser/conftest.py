"""One browser, one Jupyter server and one opened notebook for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frontends import FRONTEND, Notebook, Server, launch, run_all, start
from playwright.sync_api import Browser, Playwright, sync_playwright


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:  # one at a time
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start(FRONTEND, tmp_path_factory.mktemp(FRONTEND))


@pytest.fixture(scope="module")
def opened(server: Server, chromium: Browser) -> Iterator[Notebook]:
    """The player's notebook, opened and run once for all tests."""
    notebook = Notebook(chromium.new_page(viewport={"width": 1280, "height": 1400}), server)
    run_all(notebook, "player")
    yield notebook
    notebook.page.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """The opened notebook with the player at 0 s of the first clip, nothing selected."""
    starts = opened.state()["starts"]
    opened.page.get_by_role("button", name="start over").click()
    opened.until(lambda s: s["starts"] > starts, "the player starts over")
    opened.page.locator(".cry-name").get_by_text("clip-0").wait_for()
    return opened
