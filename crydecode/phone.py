"""`cryutils serve --phone`: phones in the family's network open the pages over HTTPS.

Browsers allow a microphone only over HTTPS, so phones have to trust this machine. A page without
encryption and login installs the certificate of its `Authority` on a phone, and serves nothing else.
"""

import re
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

import platformdirs
import segno
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crydecode import binding
from crydecode.pages import TEMPLATES
from cryutils._io import paths
from cryutils._io.progress import say
from cryutils.errors import InputError

_SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # key_cert_sign, crl_sign
PEM = serialization.Encoding.PEM
PRIVATE = [IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
AUTHORITY, YEAR = timedelta(days=3650), timedelta(days=365)  # how long certificates are valid
EARLY = timedelta(days=2)  # they are valid from before now, for phones whose clocks are slow
FILE = "cry-diary.crt"
_WHITE, _RESET = "\033[97;40m", "\033[0m"  # so that a code is white on black in any terminal


class Authority(NamedTuple):
    """A certificate authority, limited to a DNS name and a network."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """The machine's name when the authority was made, such as baby.local."""
        limits = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        return str(next(iter(limits.permitted_subtrees or ())).value)

    @property
    def pem(self) -> bytes:
        """The certificate as phones install it."""
        return self.certificate.public_bytes(PEM)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, as phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(" ").upper()


def authority(folder: Path, address: IPv4Address) -> Authority:
    """Return the authority for the private network of `address`, in a file of `folder`.

    A new one is made if there is none that lasts a year. Raises InputError if the file is damaged.
    """
    network = next((block for block in PRIVATE if address in block), IPv4Network(address))
    path = folder / f"authority-{network.network_address}.pem"
    if path.exists():
        try:
            pem = path.read_bytes()
            key = serialization.load_pem_private_key(pem, None)
            old = Authority(key, x509.load_pem_x509_certificate(pem))  # type: ignore[arg-type]
            if old.name and old.certificate.not_valid_after_utc > datetime.now(UTC) + YEAR:
                return old
        except (ValueError, TypeError, StopIteration, x509.ExtensionNotFound) as error:
            raise InputError(f"{path}: damaged; delete it, then set up each phone again.") from error
        say("The certificate that phones have installed expires, and there is a new one: set up each again.")
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")[:40]
    name = f"{host or 'baby'}.local"
    limits = x509.NameConstraints([x509.DNSName(name), x509.IPAddress(network)], None)
    return _signed(path, f"Cry diary on {name}", limits, _SIGNS)


def certify(path: Path, by: Authority, address: IPv4Address) -> Path:
    """Write a key and a certificate for `address` and the authority's name, which is valid for a year."""
    names = x509.SubjectAlternativeName([x509.DNSName(by.name), x509.IPAddress(address)])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    _signed(path, by.name, names, server, by=by)
    return path


def _signed(path: Path, title: str, *more: x509.ExtensionType, by: Authority | None = None) -> Authority:
    """Write a new key and its certificate to a file that nobody else may read.

    more: extensions. by: the authority that signs it; None: it is an authority and signs itself.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    issuer, signer = (by.certificate.subject, by.key) if by else (subject, key)
    own, end = key.public_key(), now + (YEAR if by else AUTHORITY)
    builder = x509.CertificateBuilder(issuer, subject, own, x509.random_serial_number(), now - EARLY, end)
    basic = x509.BasicConstraints(ca=by is None, path_length=None if by else 0)
    mine = x509.SubjectKeyIdentifier.from_public_key(own)
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    for extension in (basic, *more, mine, issuers):
        is_critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage | x509.NameConstraints)
        builder = builder.add_extension(extension, is_critical)
    certificate = builder.sign(signer, hashes.SHA256())
    with paths.writing(path) as temporary:
        temporary.touch(0o600)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        temporary.write_bytes(private + certificate.public_bytes(PEM))
    return Authority(key, certificate)


class Phones:
    """Where phones open the pages, and what they need for it.

    host: what to listen on. names: in the certificate, its DNS name and its address. place: the one
    that addresses have: the name if this machine is found by it. pem: the file with the server's
    certificate and key.
    """

    def __init__(self, host: str, folder: Path | None = None) -> None:
        """Find this machine's address and certify it, with the authority in `folder`.

        Raises InputError without a network, or if keys can't be stored.
        """
        self.host = "0.0.0.0" if host == "127.0.0.1" else host  # the default, which no phone reaches
        self.address = _address(self.host)
        if folder is None:
            with paths.explain_no_home("XDG_DATA_HOME to a folder"):
                folder = platformdirs.user_data_path("cryutils") / "phone"
        with paths.explain_write_errors(folder, "it is for the phones' keys; make it writable"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.authority = authority(folder, self.address)
            self.pem = certify(folder / "server.pem", self.authority, self.address)
        self.names = [self.authority.name, str(self.address)]
        self.place = str(self.address)
        with suppress(OSError):  # the name is found by mDNS, for example
            if self.place in socket.gethostbyname_ex(self.authority.name)[2]:
                self.place = self.authority.name
        self.pages = self.install = ""

    def open(self, port: int, plain: socket.socket) -> None:
        """Serve the installation at `plain`, and show its address and that of the pages, at `port`."""
        self.pages = f"https://{self.place}:{port}/"
        # Never by name: a browser that has used HTTPS there would insist on HTTPS.
        self.install = f"http://{self.address}:{plain.getsockname()[1]}/"
        config = uvicorn.Config(
            installation(self.authority.pem, self.pages),
            **binding.SILENT,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            limit_concurrency=32,
        )
        threading.Thread(target=uvicorn.Server(config).run, args=[[plain]], daemon=True).start()
        say(f"Once on each phone: scan this code, and follow the page {self.install}")
        _show(self.install)
        say(f"Then scan this one, and log in: {self.pages}")
        _show(self.pages)
        say(f"Later, {self.pages}phone sets up another phone without a password.")
        say(f"SHA-256 of the certificate that phones install: {self.authority.fingerprint}")


def _address(host: str) -> IPv4Address:
    """Return this machine's address in the network."""
    try:
        address = IPv4Address(socket.gethostbyname(binding.reachable(host)))
    except (OSError, ValueError) as error:
        raise InputError(f"--host {host}: give this machine's address, such as 192.168.1.20.") from error
    if host == "0.0.0.0" and address.is_loopback:
        raise InputError("--phone: there is no network; connect this machine to your Wi-Fi first.")
    binding.listen(str(address), 0)[0].close()  # it is this machine's
    return address


def installation(pem: bytes, pages: str) -> Starlette:
    """Return the application that installs a certificate on a phone, and then leads to `pages`."""
    as_file = {"Content-Disposition": f"inline; filename={FILE}"}
    certificate = Response(pem, media_type="application/x-x509-ca-cert", headers=as_file)

    async def steps(request: Request) -> Response:
        phone = re.search("iPhone|iPad|Android", request.headers.get("User-Agent", ""))
        about = {"phone": phone[0] if phone else "", "file": FILE, "pages": pages}
        return TEMPLATES.TemplateResponse(request, "install.html", about)

    return Starlette(routes=[Route("/", steps), Route(f"/{FILE}", certificate)])


def _show(address: str) -> None:
    """Show a code in a terminal; in a file it would be of no use."""
    if sys.stdout.isatty() and sys.stdout.encoding.lower().startswith("utf"):
        segno.make_qr(address, error="m").terminal(text := StringIO(), compact=True)
        print("\n".join(f"{_WHITE}{line}{_RESET}" for line in text.getvalue().splitlines()), flush=True)
