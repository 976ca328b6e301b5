"""`cryutils serve --phone`: phones in the family's network open the pages over HTTPS.

Browsers allow a microphone only over HTTPS, so phones have to trust this machine. A page without
encryption and login installs its certificate on a phone, and serves nothing else.
"""

import re
import socket
import sys
import threading
from io import StringIO
from ipaddress import IPv4Address
from pathlib import Path

import platformdirs
import segno
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from crydecode import binding
from cryutils._io import paths
from cryutils._io.progress import say
from cryutils.errors import InputError

HERE = Path(__file__).parent
TEMPLATES = Jinja2Templates(HERE / "templates")
FILE = "cry-diary.crt"
_WHITE, _RESET = "\033[97;40m", "\033[0m"  # so that a code is white on black in any terminal


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
        from crydecode import certificates  # 10 MB, which other servers save

        self.host = "0.0.0.0" if host == "127.0.0.1" else host  # the default, which no phone reaches
        self.address = _address(self.host)
        if folder is None:
            with paths.explain_no_home("XDG_DATA_HOME to a folder"):
                folder = platformdirs.user_data_path("cryutils") / "phone"
        with paths.explain_write_errors(folder, "it is for the phones' keys; make it writable"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.authority = certificates.authority(folder, self.address)
            self.pem = certificates.certify(folder / "server.pem", self.authority, self.address)
        self.names = [self.authority.name, str(self.address)]
        self.place = self.names[0] if _is_found(self.names[0], self.address) else self.names[1]
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


def _is_found(name: str, address: IPv4Address) -> bool:
    """Return whether `name` leads to `address`, by mDNS for example."""
    try:
        return str(address) in socket.gethostbyname_ex(name)[2]
    except OSError:
        return False


def installation(pem: bytes, pages: str) -> Starlette:
    """Return the application that installs a certificate on a phone, and then leads to `pages`."""
    kind, as_file = "application/x-x509-ca-cert", {"Content-Disposition": f"inline; filename={FILE}"}
    style = (HERE / "site.css").read_text("utf-8")

    async def steps(request: Request) -> Response:
        agent = request.headers.get("User-Agent", "")
        phone = re.search("iPhone|iPad|Android", agent)
        about = {"phone": phone[0] if phone else "", "file": FILE, "pages": pages, "site": style}
        return TEMPLATES.TemplateResponse(request, "install.html", about)

    async def send(request: Request) -> Response:
        return Response(pem, media_type=kind, headers=as_file)

    return Starlette(routes=[Route("/", steps), Route(f"/{FILE}", send)])


def drawn(address: str) -> str:
    """Return a code as SVG, for a page."""
    return segno.make_qr(address, error="m").svg_inline(light="#fff", omitsize=True)


def _show(address: str) -> None:
    """Show a code in a terminal; in a file it would be of no use."""
    if sys.stdout.isatty() and sys.stdout.encoding.lower().startswith("utf"):
        segno.make_qr(address, error="m").terminal(text := StringIO(), compact=True)
        print("\n".join(f"{_WHITE}{line}{_RESET}" for line in text.getvalue().splitlines()), flush=True)
