"""The demonstration as its audience gets it: one command, a browser without devices, no traces."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from frontends import launch, noted_errors
from playwright.sync_api import Page, Playwright, expect
from sizes import large

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from served import until

PHONE = {"width": 390, "height": 664}


@pytest.fixture
def machine(tmp_path: Path, taught: Path) -> Path:
    """A machine's folders, with a trained run and a browser that notes the address it opens."""
    for name in ("cache", "data", "home", "outputs", "start", "temporary"):
        (tmp_path / name).mkdir()
    shutil.copytree(taught, tmp_path / "outputs" / "quick")
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" >> '{tmp_path / 'opened'}'\n")
    browser.chmod(0o755)
    return tmp_path


def demonstrate(machine: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if "CRYUTILS" not in name}
    environment |= {
        "BROWSER": str(machine / "browser"),
        "HOME": str(machine / "home"),
        "TMPDIR": str(machine / "temporary"),
        "XDG_DATA_HOME": str(machine / "data"),
        "XDG_CACHE_HOME": str(machine / "cache"),
        "CRYUTILS_OUTPUTS_DIR": str(machine / "outputs"),
    }
    command = [sys.executable, "-P", "-m", "cryutils.course.cli", "serve", "--demo", "--port", "0"]
    return subprocess.Popen(
        [*command, *options],
        cwd=machine / "start",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def opened(machine: Path) -> str:
    """Return the address that the browser was given."""
    path = machine / "opened"
    until(lambda: path.is_file() and path.read_text().endswith("\n"), "a browser is opened")
    return path.read_text().strip()


def files(machine: Path) -> list[Path]:
    return sorted(path for path in machine.rglob("*") if path.name != "opened")


@pytest.fixture
def screen(playwright: Playwright) -> Iterator[Page]:
    """A page of a browser that has no microphone and no camera. Fails if an error occurs in it."""
    browser = launch(playwright)
    page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
    errors = noted_errors(page)
    yield page
    browser.close()
    assert errors == []


@large
def test_one_command_shows_the_application_and_leaves_nothing(machine: Path, screen: Page) -> None:
    before = files(machine)
    server = demonstrate(machine)
    try:
        link = opened(machine)
        screen.goto(link)
        expect(screen.get_by_role("note")).to_contain_text("Demonstration.")
        screen.get_by_role("link", name="Listen now").click()
        expect(screen.get_by_role("heading", name="Listen to Demo infant")).to_be_visible()
        screen.get_by_role("button", name="Start listening").click()
        answer = screen.locator(".live-answer")
        expect(answer).to_have_text("Listening: no crying")
        expect(answer).to_have_text(re.compile("(discomfort|hungry|pain|tired), \\d+ %$"))
        expect(screen.locator(".live-preview video")).to_be_visible()
        screen.get_by_role("button", name="Stop").click()

        screen.get_by_role("link", name="Diary").click()
        expect(screen.locator(".line", has_text="Was this right?").first).to_be_visible()

        stranger = screen.context.browser.new_page()  # type: ignore[union-attr]
        refused = stranger.goto(link)
        assert refused is not None and refused.status == 403
        expect(stranger.get_by_role("alert")).to_contain_text("opens it, once")
        screen.goto(link)  # the same browser is still logged in
        screen.get_by_role("link", name="Listen now").wait_for()
        screen.close()
    finally:
        server.send_signal(signal.SIGINT)
        out, _ = server.communicate(timeout=60)
    assert server.returncode == 0, out
    assert f"Open {link} (once;" in out
    assert "Traceback" not in out
    assert files(machine) == before
