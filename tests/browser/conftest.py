"""One browser, one server and one opened notebook for all tests of a frontend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from frontends import (
    ARGUMENTS,
    FRONTENDS,
    KEEP_AUDIO,
    Notebook,
    Server,
    find_chromium,
    run_all,
    start,
    watch,
)
from playwright.sync_api import Browser, Playwright, sync_playwright


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:  # one at a time
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = find_chromium(playwright)
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="session", params=FRONTENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Server]:
    yield from start(request.param, tmp_path_factory.mktemp(request.param))


def _opened(server: Server, chromium: Browser, name: str) -> Iterator[Notebook]:
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(KEEP_AUDIO)
    notebook = Notebook(context.new_page(), server)
    watch(notebook)
    run_all(notebook, name)
    yield notebook
    context.close()


@pytest.fixture(scope="session")
def opened(server: Server, chromium: Browser) -> Iterator[Notebook]:
    """The player's notebook, opened and run once for all tests of one frontend."""
    yield from _opened(server, chromium, "player")


@pytest.fixture(scope="module")
def films(server: Server, chromium: Browser) -> Iterator[Notebook]:
    """The notebook with a player of videos."""
    yield from _opened(server, chromium, "films")


@pytest.fixture(scope="module")
def controls(server: Server, chromium: Browser) -> Iterator[Notebook]:
    """The notebook with sliders and an upload button."""
    yield from _opened(server, chromium, "controls")


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """The opened notebook with the player as new: first clip, at 0 s, nothing selected."""
    starts = opened.state()["starts"]
    opened.page.get_by_role("button", name="start over").click()
    opened.until(lambda s: s["starts"] > starts, "the player starts over")
    opened.page.locator(".cry-name").get_by_text("rising").wait_for()
    opened.page.evaluate("window.audios.length = 0")
    return opened
