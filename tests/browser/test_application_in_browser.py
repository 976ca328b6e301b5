"""What every page of the application keeps in a real browser; HTTPS, nginx, and a server that is lost."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from frontends import BEYOND, DEVICES, HANG_S, PHONE, free_port, launch, wait_for, watched
from playwright.sync_api import Page, Playwright, expect
from processes import end
from sizes import large

pytest.importorskip("starlette", reason="Starlette is not installed, so there is no server")
from served import PASSWORD, Served, served
from trained_run import Trained

from cryutils.inference.readings import Reading

DOCS = Path(__file__).resolve().parents[2] / "docs"
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
# What nobody who can't see the page can tell apart: pictures, buttons, links and fields without words.
NAMELESS = """() => [...document.querySelectorAll("img, button, a, input:not([type=hidden]), select")]
  .filter(e => !(e.alt || e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"""
# How much lighter the text is than the page: over 7 is white on black.
CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/\\d+/g).map(v => (v / 255) ** 2.2);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const { color, backgroundColor } = getComputedStyle(document.body);
  return light(color) / light(backgroundColor);
}"""
# Counts the tones of a page.
RINGS = """() => {
  const { createOscillator } = BaseAudioContext.prototype;
  window.rings = 0;
  BaseAudioContext.prototype.createOscillator = function () {
    window.rings++;
    return createOscillator.call(this);
  };
}"""


def add_ann(server: Served) -> None:
    server.store.users.add("ann", PASSWORD)
    log = server.store.add_infant("Mia")
    log.append(log.begin("test"), [Reading(time.time(), "hungry", {"hungry": 0.9, "pain": 0.1})])


def log_in(page: Page, url: str) -> None:
    """Log in by keyboard alone."""
    page.set_default_timeout(1000 * HANG_S)
    page.goto(url)
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("Logged in as ann.").wait_for()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate for this machine, made by the commands of docs/application.md."""
    folder = tmp_path_factory.mktemp("family")
    text = (DOCS / "application.md").read_text()
    for name in ("authority", "certificate"):
        commands = re.findall(rf"<!-- {name} -->\n```\n(.+?)```", text, re.DOTALL)[0]
        commands = commands.replace("baby.local", "localhost").replace("192.168.1.20", "127.0.0.1")
        subprocess.run(["bash", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder


@contextmanager
def direct(certificates: Path, folder: Path) -> Iterator[Served]:
    """The application with a certificate of its own."""
    files = (str(certificates / "baby.crt"), "--keyfile", str(certificates / "baby.key"))
    with served(folder, "--certfile", *files) as server:
        yield replace(server, url=server.url.replace("127.0.0.1", "localhost"))


@contextmanager
def proxied(certificates: Path, folder: Path) -> Iterator[Served]:
    """The application behind nginx, with docs/nginx.conf except for the ports."""
    if NGINX is None:
        pytest.skip("nginx is not installed, so the proxy's configuration is not tried")
    port = free_port()
    for name in ("baby.crt", "baby.key"):
        shutil.copy(certificates / name, folder)
    with served(folder, FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        text = (DOCS / "nginx.conf").read_text()
        for before, now in (("8443", port), ("8866", urlsplit(server.url).port)):
            assert text.count(f" {before} ssl;") + text.count(f":{before};") == 1
            text = text.replace(before, str(now))
        (folder / "nginx.conf").write_text(text)
        proxy = subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf"])
        try:
            wait_for(port, proxy)
            yield replace(server, url=f"https://localhost:{port}")
        finally:
            end(proxy)


@pytest.fixture(scope="module", params=[direct, pytest.param(proxied, marks=large)])
def site(
    request: pytest.FixtureRequest, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The application over HTTPS."""
    with request.param(certificates, tmp_path_factory.mktemp("site")) as server:
        add_ann(server)
        yield server


@pytest.fixture(scope="module")
def phone(playwright: Playwright, certificates: Path, site: Served) -> Iterator[Page]:
    """Ann's page on a telephone, which trusts this one key in place of the family's authority."""
    command = "openssl x509 -in baby.crt -noout -pubkey | openssl pkey -pubin -outform der"
    done = subprocess.run(command, shell=True, cwd=certificates, check=True, capture_output=True)
    key = base64.b64encode(hashlib.sha256(done.stdout).digest()).decode()
    browser = launch(playwright, f"--ignore-certificate-errors-spki-list={key}")
    page = browser.new_page(viewport=PHONE, color_scheme="dark")
    log_in(page, site.url)
    yield page
    browser.close()


def test_over_https_a_page_may_ask_for_camera_and_microphone(
    phone: Page, certificates: Path, site: Served
) -> None:
    context = ssl.create_default_context(cafile=str(certificates / "family.crt"))
    for name in ("localhost", "127.0.0.1"):  # as the family's telephones check the certificate
        with (
            socket.create_connection(("127.0.0.1", urlsplit(site.url).port or 0)) as plain,
            context.wrap_socket(plain, server_hostname=name) as encrypted,
        ):
            assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
    assert phone.evaluate("isSecureContext && 'getUserMedia' in navigator.mediaDevices")
    (cookie,) = [cookie for cookie in phone.context.cookies() if cookie["name"].startswith("login")]
    assert cookie["secure"] and cookie["httpOnly"]
    phone.get_by_role("link", name="Diary", exact=True).click()
    expect(phone.get_by_text("probably hungry, 90 %")).to_be_visible()


@pytest.mark.parametrize("path", ["/login", "/", "/live", "/diary", "/babies"])
def test_a_page_fits_a_phone_has_words_for_all_and_is_dark_at_night(
    path: str, phone: Page, site: Served
) -> None:
    faults = watched(phone)
    phone.goto(site.url + path)
    assert phone.evaluate(BEYOND) == phone.evaluate(NAMELESS) == []
    assert phone.evaluate(CONTRAST) > 7
    phone.keyboard.press("Tab")
    assert phone.evaluate("document.activeElement.matches('a, input, button, :focus-visible')")
    assert faults == [], "nothing went wrong, and no other machine was asked"


def test_a_page_says_that_its_server_or_its_login_is_gone(
    playwright: Playwright, tmp_path: Path, trained: Trained
) -> None:
    browser = launch(playwright, *DEVICES)
    context = browser.new_context()
    page, other = context.new_page(), context.new_page()
    other.set_default_timeout(1000 * HANG_S)
    outputs = {"CRYUTILS_OUTPUTS_DIR": str(trained.outputs)}
    with served(tmp_path, **outputs) as server:
        add_ann(server)
        log_in(page, server.url)
        page.goto(server.url + "/live")
        page.get_by_role("button", name="Start listening").click()
        page.get_by_role("button", name="Stop").wait_for()
        expect(page.locator("#lost")).to_be_hidden()
        server.process.kill()
        server.process.wait()
        expect(page.locator("#lost")).to_contain_text("nothing is listening")
        expect(page.locator(".live-answer")).to_have_text("Not listening")
    with served(tmp_path, "--port", str(urlsplit(server.url).port), **outputs):
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        expect(page.locator(".live-answer")).not_to_have_text("Not listening")

        mia, tom = server.store.infant("Mia"), server.store.add_infant("Tom")
        other.goto(f"{server.url}/live?infant={tom.id}")  # another tab
        page.get_by_role("button", name="Fed just now").dblclick()
        expect(page.locator("#lines .line", has_text="Fed")).to_have_count(1)
        expect(page.locator("#lines")).to_contain_text("probably hungry, 90 %")
        assert [line.what for line in mia.lines()].count("fed") == 1 and not tom.lines()

        page.evaluate(RINGS)
        other.get_by_role("button", name="Log out").click()
        other.get_by_role("button", name="Log in").wait_for()
        expect(page.locator("#lost")).to_contain_text("You are logged out")
        assert page.evaluate("window.rings") == 1
        expect(page.get_by_role("button", name="Start listening")).to_be_visible()
        page.get_by_role("link", name="Open the page again").click()
        page.get_by_role("button", name="Log in").wait_for()
        browser.close()
