"""The demonstration as its audience gets it: one command, a browser without devices, no traces."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from frontends import PHONE, launch, noted_errors
from playwright.sync_api import Playwright, expect
from sizes import large

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from clock import until
from served import served


@large
def test_one_command_shows_the_application_and_leaves_nothing(
    playwright: Playwright, tmp_path: Path, taught: Path
) -> None:
    shutil.copytree(taught, tmp_path / "outputs" / "quick")
    for name in ("cache", "data", "temporary"):
        (tmp_path / name).mkdir()
    opened, program = tmp_path / "opened", tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$1\" > '{opened}'\n")
    program.chmod(0o755)
    files = {*tmp_path.rglob("*")}
    variables = {"BROWSER": program, "TMPDIR": tmp_path / "temporary", "XDG_CACHE_HOME": tmp_path / "cache"}
    with served(tmp_path, "--demo", **{name: str(path) for name, path in variables.items()}) as server:
        until(lambda: opened.is_file() and opened.read_text())
        browser = launch(playwright)
        page = browser.new_page(viewport=PHONE)
        errors, link = noted_errors(page), opened.read_text().strip()
        page.goto(link)
        expect(page.get_by_role("note")).to_contain_text("Demonstration.")
        page.get_by_role("link", name="Listen now").click()
        expect(page.get_by_role("heading", name="Listen to Demo infant")).to_be_visible()
        page.get_by_role("button", name="Start listening").click()
        answer = page.locator(".live-answer")
        expect(answer).to_have_text("Listening: no crying")
        expect(answer).to_have_text(re.compile("(discomfort|hungry|pain|tired), \\d+ %$"))
        expect(page.locator(".live-preview video")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("link", name="Diary").click()
        expect(page.locator(".line", has_text="Was this right?").first).to_be_visible()

        stranger = browser.new_context().new_page()
        refused = stranger.goto(link)
        assert refused is not None and refused.status == 403
        expect(stranger.get_by_role("alert")).to_contain_text("opens it, once")
        page.goto(link)  # the same browser is still logged in
        page.get_by_role("link", name="Listen now").wait_for()
        browser.close()
        assert errors == []
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
        assert f"Open {link} (once;" in server.log and "Traceback" not in server.log
    assert {*tmp_path.rglob("*")} - files == {opened, tmp_path / "server.log"}
