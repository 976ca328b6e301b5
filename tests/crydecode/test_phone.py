"""Setting up a phone: certificates that it trusts, what is open without encryption, and QR codes."""

import re
import socket
import ssl
import sys
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests
from served import PASSWORD, Visitor, served
from starlette.testclient import TestClient

from crydecode import pages, phone, serve
from crydecode.phone import FILE, Authority, Phones
from crydecode.store import Store
from cryutils.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`", "ignore:Unverified HTTPS")
HOME = IPv4Address("192.168.1.20")
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Version/26.1 Safari/604.1"
)


def shake_hands(pem: Path, trusted: Authority, name: str) -> None:
    """Connect as a phone that trusts one authority does. Raises SSLError if the phone refuses."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cadata=trusted.pem.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True)
    for end in ends * 2:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()


def made(folder: Path, address: IPv4Address = HOME) -> tuple[Authority, Path]:
    """Start as `cryutils serve --phone` does."""
    authority = phone.authority(folder, address)
    return authority, phone.certify(folder / "server.pem", authority, address)


def test_a_phone_trusts_this_machine_alone(tmp_path: Path) -> None:
    authority, pem = made(tmp_path)
    for name in (str(HOME), authority.name):
        shake_hands(pem, authority, name)
    for name in ("192.168.1.21", "bank.example"):
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            shake_hands(pem, authority, name)
    # Even with the authority's key, nobody can certify another site.
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        other = phone.certify(tmp_path / "other.pem", authority, IPv4Address("8.8.8.8"))
        shake_hands(other, authority, "8.8.8.8")

    class Forger(Authority):
        name = "bank.example"

    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shake_hands(phone.certify(other, Forger(*authority), HOME), authority, "bank.example")


def test_the_authority_stays_and_the_server_s_certificate_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as late:
        late.setattr(phone, "YEAR", timedelta(days=-1))
        authority, pem = made(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(pem, authority, str(HOME))
    for address in (HOME, IPv4Address("192.168.178.9")):
        same, pem = made(tmp_path, address)
        assert same.certificate == authority.certificate
        shake_hands(pem, authority, str(address))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    elsewhere = IPv4Address("10.0.0.7")  # which the authority must not certify
    new, pem = made(tmp_path, elsewhere)
    shake_hands(pem, new, str(elsewhere))
    assert new.certificate != authority.certificate == made(tmp_path)[0].certificate
    monkeypatch.setattr(phone, "YEAR", phone.AUTHORITY)  # it would end before its server's
    assert made(tmp_path, elsewhere)[0].certificate != new.certificate


def test_a_damaged_authority_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "authority-192.168.0.0.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: damaged; delete it") as caught:
        made(tmp_path)
    assert "\n" not in str(caught.value) and path.stat().st_size == 28


def read(dark: np.ndarray) -> str:
    """Read a code as a camera does. dark: whether a module is dark, (rows, columns)."""
    picture = np.kron(np.where(dark, 0, 255).astype(np.uint8), np.ones((8, 8), np.uint8))
    return cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0]  # the other one misses 1 % of codes


def read_terminal(text: str) -> list[str]:
    """Read the codes that were printed in white on black, two rows of modules a line."""
    halves = {" ": (True, True), "\u2580": (False, True), "\u2584": (True, False), "\u2588": (False, False)}
    codes = re.findall(r"(?:^\033\[97;40m[^\033\n]+\033\[0m\n)+", text, re.M)
    lines = [re.findall(r"m([^\033\n]+)\033", code) for code in codes]
    return [
        read(np.array([[halves[x] for x in line] for line in code]).swapaxes(1, 2).reshape(-1, len(code[0])))
        for code in lines
    ]


def read_page(text: str) -> list[str]:
    """Read the codes of a page, which are pictures of lines."""
    codes = []
    for size, path in re.findall(r'viewBox="0 0 (\d+) .*?stroke="#000" d="([^"]+)"', text):
        dark, x, y = np.zeros((int(size), int(size)), bool), 0, 0.0
        for step, along, down in re.findall(r"([Mmh])(-?\d+)(?: (-?[\d.]+))?", path):
            if step == "h":
                dark[int(y), x : x + int(along)] = True
            x, y = (0, 0.0) if step == "M" else (x, y)
            x, y = x + int(along), y + float(down or 0)
        codes.append(read(dark))
    return codes


@pytest.fixture
def phones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Phones:
    """What phones need to reach this machine; the installation is served."""
    phones = Phones("localhost", tmp_path / "phone")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    phones.open(8866, socket.create_server(("127.0.0.1", 0)))
    return phones


def test_codes_in_the_terminal_are_the_printed_addresses(
    phones: Phones, capsys: pytest.CaptureFixture[str]
) -> None:
    text = capsys.readouterr().out
    assert read_terminal(text) == [phones.install, phones.pages]
    assert (
        phones.pages == "https://127.0.0.1:8866/"
        and f"{phones.install}\n" in text
        and f"{phones.pages}\n" in text
    )


def test_a_name_is_shown_only_if_it_leads_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, index in (("127.0.0.1", 0), ("127.0.1.1", 1)):
        monkeypatch.setattr(socket, "gethostbyname_ex", lambda name, address=address: (name, [], [address]))
        phones = Phones("localhost", tmp_path)
        assert phones.place == phones.names[index]


def test_without_encryption_there_is_the_installation_and_nothing_else(phones: Phones) -> None:
    for agent, steps in (
        (ANDROID, {"CA certificate"}),
        (IPHONE, {"Trust Settings"}),
        ("", {"CA certificate", "Trust Settings"}),
    ):
        text = requests.get(phones.install, headers={"User-Agent": agent}, timeout=60).text
        assert {step for step in ("CA certificate", "Trust Settings") if step in text} == steps
        assert phones.pages in text and f'href="/{FILE}"' in text
    answer = requests.get(phones.install + FILE, timeout=60)
    assert answer.content == phones.authority.pem and "PRIVATE" not in answer.text
    assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
    for path in {route.path for route in pages.ROUTES} - {"/"} | {
        "/authority.pem",
        "/../authority.pem",
        "/static/",
    }:
        assert requests.get(phones.install + path[1:], timeout=60).status_code == 404, path
    assert requests.post(phones.install, timeout=60).status_code == 405


@pytest.fixture
def ann(store: Store, phones: Phones) -> TestClient:
    """A caregiver who is logged in at https://127.0.0.1:8866."""
    app = serve.application(store, ["127.0.0.1"], run=None, phones=phones)
    client = TestClient(app, phones.pages, follow_redirects=False)
    client.cookies.set("login-8866", store.logins.begin("demo"))
    return client


def sent(client: TestClient, path: str, **fields: str) -> requests.Response:
    """Send a form."""
    return client.post(path, data=fields, headers={"Origin": str(client.base_url).rstrip("/")})


def test_a_code_logs_another_phone_in_once(ann: TestClient, phones: Phones, store: Store) -> None:
    assert read_page(ann.get("/phone").text) == [phones.install]
    (old,), (link,) = (read_page(sent(ann, "/phone").text) for _ in range(2))
    statuses = []
    assert link.startswith(f"{phones.pages}login?link=")
    for path in (old, link, link):
        phone = TestClient(ann.app, phones.pages, follow_redirects=False)
        phone.get(path)  # which scanners do, without a person
        (hidden,) = re.findall(r'name="link" value="([^"]+)"', phone.get(path).text)
        statuses.append(sent(phone, "/login", link=hidden).status_code)
        assert (phone.get("/babies").status_code == 200) == (statuses[-1] == 303)
    assert statuses == [403, 303, 403], "a new code replaces the old one"


def test_a_phone_s_way_in(tmp_path: Path) -> None:
    with served(tmp_path, "--phone", "--host", "localhost") as server:
        server.store.users.add("ann", PASSWORD)
        (install,) = re.findall(r"http://127\.0\.0\.1:\d+/", server.log)
        trusted = tmp_path / "family.crt"
        trusted.write_bytes(requests.get(install + FILE, timeout=60).content)
        assert server.url.startswith("https://127.0.0.1:") and "\033" not in server.log
        ann = Visitor(server)
        ann.verify, ann.trust_env = str(trusted), False
        assert ann.log_in("ann").status_code == 303
        assert "<svg" in ann.get("/phone").text
        folder = tmp_path / "data" / "cryutils" / "phone"
        assert folder.stat().st_mode & 0o777 == 0o700
