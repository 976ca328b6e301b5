"""A real browser, a real Jupyter server and a real kernel, for the tests of pages and widgets.

`CRYUTILS_TEST_FRONTEND` names the server: "lab", or "classic" where Notebook 6 and ipywidgets 7
are installed, which is what Colab's widgets are built on.
"""

import functools
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page, Playwright, Request, expect
from processes import end

FRONTEND = os.environ.get("CRYUTILS_TEST_FRONTEND", "lab")
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no other machine is found
DEVICES = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
PHONE: Any = {"width": 390, "height": 844}
HANG_S = 600  # no machine is that slow: whatever takes longer never comes
expect.set_options(timeout=1000 * HANG_S)
TOKEN, NAME = "widgets-test", "notebook_of_widgets"
# The notebook is the current tab and its kernel has answered.
LAB_READY = """path => {
  const context = window.jupyterapp?.shell.currentWidget?.context;
  const session = context?.path === path && context.sessionContext;
  return session?.isReady && session.session?.kernel?.status === "idle";
}"""
# A widget that opens before the page knows what to do with it is lost.
CLASSIC_READY = """() => {
  const notebook = window.Jupyter?.notebook, kernel = notebook?.kernel;
  return notebook?._fully_loaded && !notebook.kernel_busy && kernel?.is_connected() &&
    kernel.info_reply?.protocol_version && kernel.comm_manager.targets["jupyter.widget"];
}"""
# What reaches beyond the window without a box in which it scrolls.
BEYOND = """() => [...document.querySelectorAll("p, a, button, h1, h2, h3, table")].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1).filter(e => {
    while ((e = e.parentElement)) if (/auto|scroll/.test(getComputedStyle(e).overflowX)
      && e.getBoundingClientRect().right <= innerWidth + 1) return false;
    return true; }).map(e => e.outerHTML.slice(0, 200))"""


class Files(SimpleHTTPRequestHandler):
    """Serves a folder; `asked` has what was asked for since `serving` began, `sent` what it then sent."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }
    asked: ClassVar[list[tuple[str, str]]] = []
    sent: ClassVar[list[str]] = []
    root: ClassVar[Path]

    def log_request(self, code: object = "-", size: object = "-") -> None:
        path = self.path.partition("?")[0]
        self.asked.append((self.command, path))
        if code == HTTPStatus.OK:
            self.sent.append(path)

    def log_message(self, *words: Any) -> None: ...

    @classmethod
    def megabytes(cls) -> float:
        """Return the size of the different files that were sent, compressed, in MB."""
        paths = [cls.root / name.removeprefix("/") for name in {*cls.sent}]
        return sum(len(gzip.compress(path.read_bytes(), 6)) for path in paths if path.is_file()) / 1e6


class Elsewhere(Files):
    """A stand-in for a public server whose files the pages of other servers may read."""

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


@contextmanager
def serving(folder: Path, kind: type[Files] = Files) -> Iterator[str]:
    """Serve a folder on this machine; yield its address, which ends with a slash."""
    kind.asked, kind.sent, kind.root = [], [], folder
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def executable(playwright: Playwright) -> str:
    """Return the path of an installed Chromium, or else of Playwright's own."""
    path = next(filter(None, map(shutil.which, INSTALLED)), playwright.chromium.executable_path)
    if not Path(path).exists():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    return path


def launch(playwright: Playwright, *options: str) -> Browser:
    """Start a Chromium that forgets everything at its end."""
    return playwright.chromium.launch(executable_path=executable(playwright), args=[*ARGUMENTS, *options])


def watched(page: Page) -> list[str]:
    """Return what goes wrong in a page, a list that grows: errors, and requests to other machines.

    From then on, the page is waited for as long as it takes.
    """
    faults: list[str] = []

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws") and parts.hostname not in ("127.0.0.1", "localhost"):
            faults.append(request.url)

    page.set_default_timeout(1000 * HANG_S)

    # JupyterLab also loads JupyterLite's kernel, which is installed for the site, and cannot use it.
    def on_error(text: str) -> None:
        if "@jupyterlite/" not in text:
            faults.append(text)

    page.on("console", lambda message: message.type == "error" and on_error(message.text))
    page.on("pageerror", lambda error: on_error(str(error)))
    page.on("request", on_request)
    return faults


def fits(page: Page, widths: Sequence[int]) -> None:
    """Assert that at these widths nothing reaches beyond the window, and axe finds no violation."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(BEYOND) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.run(page).response["violations"]
        assert not [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Wait until something listens at a port of this machine, as long as the process runs."""
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log and log.read_text()[-2000:]
        time.sleep(0.1)


@contextmanager
def jupyter(root: Path) -> Iterator[str]:
    """Start a Jupyter server over `root` with the notebook of widgets in it; yield the server's URL."""
    cells = Path(__file__).with_name(f"{NAME}.py").read_text().split("\n# %%\n")[1:]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, root / f"{NAME}.ipynb")
    port, log = free_port(), root / "server.log"
    module, options = "notebook", [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root"]
    folders = {f"JUPYTER_{name}_DIR": str(root / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    folders |= {"IPYTHONDIR": str(root / "ipython"), "CRYUTILS_CACHE_DIR": str(root / "cache")}
    if FRONTEND == "lab":
        module = "jupyterlab"
        options += ["--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"]
        # JupyterLab asks the network for news unless its settings say otherwise.
        settings = root / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        news = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(news))
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            cwd=root,
            env=os.environ | folders | {"JUPYTER_TOKEN": TOKEN},
            stdout=file,
            stderr=file,
        )
    try:
        wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


class Notebook:
    """The notebook in a page, run from its first to its last cell, and what goes wrong in it."""

    def __init__(self, page: Page, server: str) -> None:
        self.page, self.faults = page, watched(page)
        if FRONTEND == "lab":
            page.goto(f"{server}/lab/tree/{NAME}.ipynb?token={TOKEN}&reset")
            page.wait_for_function(LAB_READY, arg=f"{NAME}.ipynb")
            # Not awaited: the command's promise may stay open, and the mirror tells when it is done.
            page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        else:
            page.goto(f"{server}/notebooks/{NAME}.ipynb?token={TOKEN}")
            page.wait_for_function(CLASSIC_READY)
            page.evaluate("Jupyter.notebook.execute_all_cells()")
        page.locator("pre.mirror").wait_for()

    def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until Python's state, which the mirror cell shows, satisfies `true`, and return it."""
        # The page empties the mirror for a moment while it replaces its text.
        mirrored = "() => document.querySelector('pre.mirror')?.innerText || null"
        deadline = time.monotonic() + HANG_S
        while not true(state := json.loads(self.page.wait_for_function(mirrored).json_value())):
            if time.monotonic() > deadline:
                pytest.fail(f"never came true in Python: {what}; it holds {state}")
            self.page.wait_for_timeout(100)
        return state
