"""One browser and one Jupyter server for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frontends import jupyter, launch
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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Jupyter server."""
    with jupyter(tmp_path_factory.mktemp("jupyter")) as url:
        yield url
