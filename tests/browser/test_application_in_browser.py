"""The application in a real browser: what every page keeps, HTTPS, and a night on a telephone."""

import base64
import hashlib
import math
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from clock import until
from frontends import BEYOND, DEVICES, HANG_S, PHONE, fits, free_port, launch, wait_for, watched
from playwright.sync_api import Browser, Page, Playwright, expect
from postgres import in_sql
from processes import end
from served import PASSWORD, Served, Visitor, ask, served
from sizes import large
from trained_run import Trained, change_card

from crydecode.phone import authority, certify
from cryutils import audio, video
from cryutils.inference.readings import Reading
from cryutils.inference.trained_models import DEMO
from cryutils.video import mp4
from cryutils.words import UNSURE

SR = 48_000
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
# Keeps what a page sends with sound or a picture.
SENT = """
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (part) {
    if (part instanceof Blob) (window.sent ??= []).push(part);
    send.call(this, part);
  };
"""
# Where the tile "Fed" is. In one step, as the page replaces its tiles, and after a turned page's new layout.
PLACE = """() => new Promise((done) => {
  const fed = () => document.querySelector('#tiles [value^="fed-"]').getBoundingClientRect().toJSON();
  requestAnimationFrame(() => requestAnimationFrame(() => done(fed())));
})"""
# A page whose Undo stays longer than its 10 s, for a busy machine.
PATIENT = f"""{{
  const soon = setTimeout;
  window.setTimeout = (run, ms, ...rest) => soon(run, ms === 10_000 ? {1000 * HANG_S} : ms, ...rest);
}}"""
# A time zone in which it is 3 at night.
NIGHT = f"NIGHT{datetime.now(UTC).hour - 3:+d}"
# A telephone that keeps its sound locked and lets its screen turn off.
UNREADY = """
  const get = () => (window.opened ? "running" : "suspended");
  Object.defineProperty(AudioContext.prototype, "state", { get });
  WakeLock.prototype.request = () => Promise.reject(new DOMException("low battery", "NotAllowedError"));
"""


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
    page.get_by_role("navigation", name="Pages").wait_for()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the keys of `cryutils serve --phone`, in a folder of data."""
    folder, here = tmp_path_factory.mktemp("data") / "cryutils" / "phone", IPv4Address("127.0.0.1")
    folder.mkdir(parents=True)
    certify(folder / "server.pem", authority(folder, here), here)
    return folder


@contextmanager
def direct(certificates: Path, folder: Path) -> Iterator[Served]:
    """The application as phones open it."""
    data = str(certificates.parents[1])
    with served(folder, "--phone", "--host", "localhost", XDG_DATA_HOME=data, TZ=NIGHT) as server:
        yield server


@contextmanager
def proxied(certificates: Path, folder: Path) -> Iterator[Served]:
    """The application behind nginx, with docs/nginx.conf except for the ports."""
    if NGINX is None:
        pytest.skip("nginx is not installed, so the proxy's configuration is not tried")
    port = free_port()
    for name in ("baby.crt", "baby.key"):  # both are in one file
        shutil.copy(certificates / "server.pem", folder / name)
    with served(folder, FORWARDED_ALLOW_IPS="127.0.0.1", TZ=NIGHT) as server:
        text = (DOCS / "nginx.conf").read_text()
        for before, now in (("8443", port), ("8866", urlsplit(server.url).port)):
            assert text.count(f" {before} ssl;") + text.count(f":{before};") == 1
            text = text.replace(before, str(now))
        (folder / "nginx.conf").write_text(text)
        proxy = subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf"])
        try:
            wait_for(port, proxy)
            yield replace(server, url=f"https://127.0.0.1:{port}")
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
    command = "openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform der"
    done = subprocess.run(command, shell=True, cwd=certificates, check=True, capture_output=True)
    key = base64.b64encode(hashlib.sha256(done.stdout).digest()).decode()
    browser = launch(playwright, f"--ignore-certificate-errors-spki-list={key}")
    page = browser.new_page(viewport=PHONE, color_scheme="light")
    log_in(page, site.url)
    yield page
    browser.close()


def test_over_https_a_page_may_use_devices(phone: Page, certificates: Path, site: Served) -> None:
    context = ssl.create_default_context(cafile=str(next(certificates.glob("authority-*"))))
    with (  # as the family's telephones check the certificate
        socket.create_connection(("127.0.0.1", urlsplit(site.url).port or 0)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
    ):
        assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
    assert phone.evaluate("isSecureContext && 'getUserMedia' in navigator.mediaDevices")
    (cookie,) = [cookie for cookie in phone.context.cookies() if cookie["name"].startswith("login")]
    assert cookie["secure"] and cookie["httpOnly"]


PAGES = ["/login", "/night", "/live", "/diary?days=7", "/sheet", "/study", "/babies"]
PAGES += ["/phone", "/more", "/about"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone_and_is_dark_at_night(path: str, phone: Page, site: Served) -> None:
    faults = watched(phone)
    phone.goto(site.url + path)
    assert phone.evaluate(BEYOND) == phone.evaluate(NAMELESS) == []
    assert phone.evaluate(CONTRAST) > 7
    phone.emulate_media(media="print")
    assert path == "/night" or phone.evaluate(CONTRAST) < 1 / 7, "paper stays white"
    phone.emulate_media(media="screen")
    phone.keyboard.press("Tab")
    assert phone.evaluate("document.activeElement.matches('a, input, button, :focus-visible')")
    assert faults == [], "nothing went wrong, and no other machine was asked"


def test_a_page_says_what_is_gone(playwright: Playwright, tmp_path: Path, trained: Trained) -> None:
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
        expect(page.locator("#lost")).to_contain_text("not listening")
        expect(page.locator(".live-answer")).to_have_text("Not listening")
    with served(tmp_path, "--port", str(urlsplit(server.url).port), **outputs):
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        expect(page.locator(".live-answer")).not_to_have_text("Not listening")

        mia, tom = server.store.infant("Mia"), server.store.add_infant("Tom")
        other.goto(f"{server.url}/live?infant={tom.id}")  # another tab
        page.get_by_role("button", name="Fed just now").dblclick()
        expect(page.locator("#lines .line", has_text="Fed")).to_have_count(1)
        expect(page.locator("#lines")).to_contain_text("What helped?")
        assert [line.what for line in mia.lines()].count("fed") == 1 and not tom.lines()

        page.evaluate(RINGS)
        page.get_by_label("Ring here as well").check()
        other.get_by_role("link", name="More").click()
        other.get_by_role("button", name="Log out").click()
        other.get_by_role("button", name="Log in").wait_for()
        expect(page.locator("#lost")).to_contain_text("You are logged out")
        assert page.evaluate("window.rings") == 4  # tones of one alarm
        expect(page.get_by_role("button", name="Start listening")).to_be_visible()
        page.get_by_role("link", name="Open the page again").click()
        page.get_by_role("button", name="Log in").wait_for()
        browser.close()


def test_a_cry_reaches_the_log(playwright: Playwright, trained: Trained, tmp_path: Path) -> None:
    # A family's own models, and a telephone that hears and sees an infant, then silence.
    run = shutil.copytree(DEMO, tmp_path / "models" / "run")
    for name in ("cry2", "image"):  # others answer for drawn faces and synthetic voices alone
        change_card(run / "models", name, data="my infants")
    clip = trained.corpus[-1]
    sound = np.tile(audio.read(clip.path, sr=SR), 2)
    quiet = np.random.default_rng(0).normal(0, 0.001, 4 * SR).astype(np.float32)
    (tmp_path / "sound.wav").write_bytes(audio.wav_bytes(np.concatenate([sound, quiet]), SR))
    frames = [cv2.imencode(".jpg", frame[..., ::-1])[1] for frame in video.frames(clip.path, fps=8)]
    (tmp_path / "pictures.mjpeg").write_bytes(b"".join(frame.tobytes() for frame in frames))
    mp4.write(tmp_path / "film.mp4", video.frames(clip.path, fps=8), fps=8, sound=sound, sr=SR)
    browser = launch(
        playwright,
        *DEVICES,
        f"--use-file-for-fake-audio-capture={tmp_path / 'sound.wav'}",
        f"--use-file-for-fake-video-capture={tmp_path / 'pictures.mjpeg'}",
    )
    phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    faults, answer = watched(phone), phone.locator(".live-answer")
    phone.add_init_script(SENT)
    said = re.compile(rf"(probably|perhaps) {clip.label}, \d+ %")
    with served(tmp_path, CRYUTILS_OUTPUTS_DIR=str(tmp_path / "models")) as home:
        home.store.users.add("ann", PASSWORD)
        log = home.store.add_infant("Mia")
        log_in(phone, home.url)
        phone.goto(home.url + "/live")
        phone.get_by_role("button", name="Start listening").click()
        expect(answer).to_have_text("Crying")
        study = phone.locator("details", has_text="What the models say")
        expect(study.locator(".live-bars")).to_be_hidden()
        study.locator("summary").click()
        expect(study).to_contain_text(said)
        assert "Mia" in phone.title()
        until(lambda: len(log.heard(0)) >= 6)
        readings = in_sql(home.store_url, "SELECT * FROM readings")
        judged = [row for row in readings if "{" in f"{row.sound}{row.face}"]
        assert {row.verdict for row in judged} <= {*trained.corpus.classes, UNSURE}
        assert any(row.face for row in judged) and {row.run for row in readings} == {"run"}

        # After the cry, its line is on the same page, and answering does not stop the listening.
        line = phone.locator("#lines .line").first
        line.get_by_role("button", name="It wasn't a cry").click()
        expect(line).to_contain_text("You said: no crying")
        line.get_by_role("button", name="Undo").click()
        expect(line).to_contain_text("What helped?")
        expect(phone.get_by_role("button", name="Stop")).to_be_visible()
        line.get_by_role("button", name="Feed").click()
        expect(line).to_contain_text("a feed helped")

        tracks = "document.querySelector('.live-preview video').srcObject.getTracks()"
        phone.evaluate(f"{tracks}.forEach(track => track.stop())")
        expect(answer).to_have_text("Not listening")
        expect(phone.locator(".live-remark")).to_contain_text("the microphone is gone")
        expect(phone).to_have_title(re.compile("^Not listening"))
        phone.get_by_role("button", name="Stop").dblclick()

        choose = phone.get_by_label("A recording instead")
        expect(choose).to_be_visible()
        phone.evaluate("window.sent = []")
        choose.set_input_files(tmp_path / "film.mp4")
        expect(answer).to_have_text("Crying was heard")
        expect(study).to_contain_text(said)
        kinds = phone.evaluate("Promise.all(sent.map(each => each.slice(12, 19).text()))")
        n = math.ceil(len(sound) / SR)
        assert Counter(kinds) == {'"sound"': n, '"frame"': n + 1}, "each second, and the film's beginning"
        minute = np.tile(quiet, 15)
        (tmp_path / "minute.wav").write_bytes(audio.wav_bytes(minute, SR))
        began = time.monotonic()
        choose.set_input_files(tmp_path / "minute.wav")
        expect(answer).to_have_text("no crying in this file")
        assert time.monotonic() - began < 60, "faster than it is heard"
        choose.set_input_files(tmp_path / "minute.wav")
        expect(answer).to_have_text("Judging the recording …")
        phone.get_by_role("button", name="Stop").click()
        expect(phone.locator(".live-notice")).to_contain_text("You stopped")
        (tmp_path / "minute.wav").write_bytes(b"no sound")
        choose.set_input_files(tmp_path / "minute.wav")
        expect(phone.locator(".live-notice")).to_contain_text("can't read")
        phone.evaluate("() => { AudioContext.prototype.decodeAudioData = async () => null; }")
        choose.set_input_files(tmp_path / "film.mp4")
        expect(answer).to_have_text("Crying was heard")
        expect(phone.get_by_role("button", name="Start listening")).to_be_visible()

        phone.get_by_role("link", name="Diary").click()
        today = phone.locator("summary.day").first
        today.click()
        expect(phone.get_by_text("a feed helped")).to_be_visible()
        phone.get_by_role("button", name="Fed just now").click()
        today.click()
        expect(phone.locator(".line", has_text="Fed")).to_be_visible()
        browser.close()
        assert faults == []


def entered(browser: Browser, server: Served, name: str) -> Page:
    """A telephone on which somebody is logged in."""
    context = browser.new_context(viewport=PHONE, has_touch=True)
    ticket = server.store.logins.begin(name)
    context.add_cookies([{"name": f"login-{urlsplit(server.url).port}", "value": ticket, "url": server.url}])
    return context.new_page()


def test_a_cry_at_one_phone_rings_at_another(
    playwright: Playwright, trained: Trained, tmp_path: Path
) -> None:
    cry = np.tile(audio.read(trained.corpus[-1].path, sr=SR), 4)
    (tmp_path / "sound.wav").write_bytes(audio.wav_bytes(cry, SR))
    browser = launch(playwright, *DEVICES, f"--use-file-for-fake-audio-capture={tmp_path / 'sound.wav'}")
    with served(tmp_path, CRYUTILS_OUTPUTS_DIR=str(tmp_path / "none")) as home:
        for name in ("ann", "ben"):
            home.store.users.add(name, PASSWORD)
        mia, tom = (home.store.add_infant(name) for name in ("Mia", "Tom"))
        users = ("ann", "ben", "ann", "ben")
        nursery, other, mother, father = (entered(browser, home, name) for name in users)
        faults, (of_mia, of_tom) = watched(mother), (mother.locator(".baby").nth(k) for k in range(2))
        nursery.goto(f"{home.url}/live?infant={mia.id}")
        other.goto(f"{home.url}/live?infant={tom.id}")
        father.add_init_script(UNREADY)
        mother.add_init_script(PATIENT)
        for parent in (mother, father):
            watched(parent)
            parent.goto(home.url)
            parent.locator("summary").click()
            parent.get_by_label("Ring after").select_option("the first cry")
            expect(parent.locator("#ring")).to_contain_text("The ring is off")
            parent.get_by_role("button", name="Switch the ring on").click()
            if parent is father:
                expect(parent.locator("#ring")).to_contain_text("locked the sound")
                parent.evaluate("window.opened = true")
                expect(parent.locator("#ring")).to_contain_text("This screen may turn off")
            expect(parent.locator("#ring")).to_contain_text("The ring is on")
            expect(parent.get_by_role("button", name="Switch the ring on")).to_be_hidden()
            expect(parent.locator("body[data-rings='']")).to_be_visible()  # the trial is over
            parent.evaluate(RINGS)
            expect(parent.get_by_role("button", name="I'm coming")).to_be_hidden()
        assert mother.evaluate("navigator.serviceWorker.ready.then(worker => worker.scope)") == f"{home.url}/"
        fits(mother, [360, 1280])

        reader = entered(browser, home, "ben")  # of the diary, when the cry begins
        reader.goto(home.url)
        reader.get_by_role("button", name="Switch the ring on").click()
        reader.get_by_role("link", name="Diary").click()
        expect(reader).to_have_url(re.compile("/diary"))
        fed = mother.get_by_role("button", name="Fed")

        def places() -> list[object]:
            found = []
            for width, height in ((844, 390), (360, 640)):
                mother.set_viewport_size({"width": width, "height": height})
                found.append(mother.evaluate(PLACE))
            return found

        before = places()
        nursery.get_by_role("button", name="Start listening").click()
        for parent in (mother, father):
            expect(parent.locator(".baby[data-kind=crying]")).to_contain_text("Crying · 0:")
            expect(parent.get_by_role("button", name="I'm coming to Mia", exact=True)).to_be_visible()
            assert parent.evaluate("window.rings") > 0
        expect(reader).to_have_url(re.compile("/night"))  # where the alarm is seen and answered
        expect(reader.locator(".baby[data-rings=crying]")).to_contain_text("Mia")
        expect(reader.locator(".baby[data-rings=lost]")).to_have_count(0)  # nobody has listened to Tom
        reader.close()
        assert places() == before, "nothing moves under a thumb"
        words = [mother.locator(".word").nth(k) for k in range(2)]
        for seen in (fed, mother.get_by_role("button", name="I'm coming"), *words):
            seen.click(trial=True)  # nothing covers it
        assert mother.evaluate("scrollY") == 0
        fits(mother, [360, 1280])
        father.get_by_role("button", name="I'm coming").click()
        father.get_by_role("button", name="Not coming after all").click()
        for parent in (mother, father):
            expect(parent.get_by_role("button", name="I'm coming")).to_be_visible()
        father.get_by_role("button", name="I'm coming").click()
        for parent, words in ((mother, "ben is coming"), (father, "You are coming")):
            expect(parent.get_by_role("button", name="I'm coming")).to_be_hidden()
            expect(parent.locator(".baby", has_text=words)).to_contain_text("Mia")
            expect(parent.get_by_role("button", name="Not coming")).to_have_count(
                1 if parent is father else 0
            )
        expect(nursery.locator("#others")).to_have_text("ben is coming.")
        other.get_by_role("button", name="Start listening").click()
        expect(mother.get_by_role("button", name="I'm coming to Tom", exact=True)).to_be_visible()
        expect(of_tom).to_contain_text("Listening: ben.")
        with Visitor(home).enter("ben").socket(tom.id) as spare:
            ask(spare, "start")
            expect(of_tom).to_contain_text("ben and ben")
        mother.get_by_role("button", name="I'm coming").click()
        expect(father.locator(".baby", has_text="ann is coming")).to_contain_text("Tom")

        expect(mother.locator("#last")).to_contain_text("Tom")  # to whom she goes
        fed.click()
        mother.locator(".noted", has_text="Tom: fed").get_by_role("button", name="Undo").click()
        expect(mother.locator("#last")).to_be_visible()
        assert "fed" not in [line.what for line in tom.lines()]
        fed.click()
        expect(mother.locator(".noted", has_text="Tom: fed")).to_be_visible()
        assert "fed" in [line.what for line in tom.lines()]
        other.get_by_role("button", name="Stop").dblclick()
        expect(of_tom).to_contain_text("ben stopped it")
        mother.reload()  # as what was heard ends at once
        of_tom.click()
        mother.locator(".helped").get_by_role("button", name="Sleep").click()
        mother.get_by_role("button", name="Undo").click()
        mother.locator(".helped").get_by_role("button", name="Cuddle").click()
        expect(mother.locator(".helped")).to_be_hidden()
        assert "cuddle" in [line.helped for line in tom.lines()]

        nursery.close()
        for parent in (mother, father):
            expect(parent.locator(".baby[data-kind=lost]").first).to_contain_text("Not listening since")
            expect(parent.get_by_role("button", name="I'm coming")).to_be_visible()
        fits(mother, [360, 1280])
        mother.get_by_role("button", name="I'm coming").click()
        expect(of_mia).to_contain_text("its page was left")
        nursery = entered(browser, home, "ann")
        nursery.goto(f"{home.url}/live?infant={mia.id}")
        nursery.get_by_role("button", name="Start listening").click()
        expect(of_mia).to_contain_text("Crying · 0:")
        mother.get_by_role("button", name="I'm coming to Mia").click()
        expect(of_mia).to_contain_text("You are coming")
        of_mia.click()
        expect(mother.locator("#ring")).to_contain_text("The ring is on")  # as before the page was reloaded
        mother.get_by_role("button", name="Ring off").click()
        expect(mother.get_by_role("button", name="Ring on", exact=True)).to_be_visible()
        expect(father.locator(".why", has_text="does not ring until")).to_have_count(2)
        home.store.users.remove("ben")
        expect(father.locator("#babies")).to_contain_text("You are logged out")
        assert faults == []
    expect(of_mia).to_contain_text("No connection")
    expect(of_mia.locator(".who")).to_be_empty()
    expect(
        mother.locator("body[data-rings=lost]")
    ).to_be_visible()  # neither an answer nor "Ring off" mutes it
    mother.get_by_role("button", name="I'm coming to Mia").click()
    expect(mother.get_by_role("button", name="I'm coming")).to_be_hidden()
    mother.reload()
    expect(mother.get_by_role("heading", name="No connection")).to_be_visible()
    browser.close()


@large
def test_a_demonstration_leaves_nothing(playwright: Playwright, tmp_path: Path) -> None:
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
        faults, answer = watched(page), page.locator(".live-answer")
        page.goto(opened.read_text().strip())
        expect(page.get_by_role("note")).to_contain_text("Demonstration.")
        page.goto(server.url + "/live")
        page.get_by_role("button", name="Start listening").click()
        expect(answer).to_have_text("Quiet")
        place, stop = "e => e.getBoundingClientRect().top + scrollY", page.get_by_role("button", name="Stop")
        before = stop.evaluate(place)
        expect(answer).to_have_text(re.compile("(discomfort|hungry|pain|tired), \\d+ %$"))
        assert stop.evaluate(place) == before, "two lines instead of one"
        expect(page.locator(".live-preview video")).to_be_visible()
        stop.dblclick()
        page.get_by_role("link", name="Diary").click()
        expect(page.locator(".line", has_text="What helped?").first).to_be_visible()
        page.locator("summary.day").nth(1).click()
        expect(page.locator("[open] > .lines > .line", has_text="You said").first).to_be_visible()
        page.get_by_role("link", name="7 days").click()
        page.evaluate("window.print = () => { document.title = 'printed' }")
        page.get_by_role("button", name="Print").click()
        expect(page).to_have_title("printed")
        browser.close()
        assert faults == []
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0 and "Traceback" not in server.log
    assert {*tmp_path.rglob("*")} - files == {opened, tmp_path / "server.log"}
