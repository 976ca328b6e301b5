"""A real browser, a real Jupyter server and a real kernel, for the tests of the widgets.

`CRYUTILS_TEST_FRONTEND` names the server: "lab", or "classic" where Notebook 6 and ipywidgets 7
are installed, which is what Colab's widgets are built on.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
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
DEVICES = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
PHONE: Any = {"width": 390, "height": 844}
HANG_S = 600  # no machine is that slow: whatever takes longer never comes
expect.set_options(timeout=1000 * HANG_S)
PAGES = Path(__file__).with_name("pages")
TOKEN = "player-test"
# The notebook is the current tab and its kernel has answered.
KERNEL_IDLE = """path => {
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


def find_chromium(playwright: Playwright) -> str:
    """Return the path of an installed Chromium, or else of Playwright's own."""
    if path := next(filter(None, map(shutil.which, INSTALLED)), None):
        return path
    chromium = Path(playwright.chromium.executable_path)
    if not chromium.exists():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    return str(chromium)


def launch(playwright: Playwright, *options: str) -> Browser:
    path = find_chromium(playwright)
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *options])


def noted_errors(page: Page) -> list[str]:
    """Return a list of the page's errors, which grows; wait for the page as long as it takes."""
    errors: list[str] = []
    page.set_default_timeout(1000 * HANG_S)
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def notebook_from(source: Path) -> nbformat.NotebookNode:
    """Return the notebook whose cells are the parts of a Python file between `# %%` lines."""
    cells = source.read_text().split("\n# %%\n")[1:]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    return notebook


@dataclass
class Server:
    """A running Jupyter server (`kind` lab or classic) over the folder `root`."""

    kind: str
    root: Path
    port: int
    log: Path

    def url(self, notebook: str) -> str:
        path = {
            "lab": f"lab/tree/{notebook}?token={TOKEN}&reset",
            "classic": f"notebooks/{notebook}?token={TOKEN}",
        }[self.kind]
        return f"http://127.0.0.1:{self.port}/{path}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _command(kind: str, root: Path, port: int) -> list[str]:
    common = ["--no-browser", f"--port={port}"]
    app = {"lab": "ServerApp", "classic": "NotebookApp"}[kind]
    settings = {
        "ip": "127.0.0.1",
        "allow_remote_access": True,
        "allow_root": True,
        "root_dir" if kind == "lab" else "notebook_dir": root,
    }
    options = [f"--{app}.{name}={value}" for name, value in settings.items()]
    if kind == "classic":
        return [sys.executable, "-m", "notebook", *common, *options, f"--NotebookApp.token={TOKEN}"]
    options += [
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
        f"--LabApp.user_settings_dir={root / 'settings'}",
        f"--LabApp.workspaces_dir={root / 'workspaces'}",
    ]
    return [sys.executable, "-m", "jupyterlab", *common, *options]


def _quiet_lab(root: Path) -> None:
    """Write the settings that keep JupyterLab from asking the network for news."""
    folder = root / "settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (folder / "notification.jupyterlab-settings").write_text(json.dumps(news))
    theme = {"theme": "JupyterLab Light"}
    (folder / "themes.jupyterlab-settings").write_text(json.dumps(theme))


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def start(kind: str, root: Path) -> Iterator[Server]:
    """Start a server over `root` with a notebook of each page in it, and stop it in the end."""
    for page in PAGES.glob("*.py"):
        nbformat.write(notebook_from(page), root / f"{page.stem}.ipynb")
    _quiet_lab(root)
    server = Server(kind, root, _free_port(), root / "server.log")
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(root / name.lower()) for name in folders}
    environment |= {"IPYTHONDIR": str(root / "ipython"), "CRYUTILS_CACHE_DIR": str(root / "cache")}
    with server.log.open("w") as log:
        process = subprocess.Popen(
            _command(kind, root, server.port), cwd=root, env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + HANG_S
            while not _listens(server.port):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{kind} did not start: {server.log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield server
        finally:
            end(process)


@dataclass
class Notebook:
    """A notebook in a page, with its errors and the addresses outside this machine that it asks for."""

    page: Page
    server: Server

    def __post_init__(self) -> None:
        self.errors, self.strangers = noted_errors(self.page), list[str]()
        self.page.on("request", self._on_request)

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.strangers.append(request.url)

    @property
    def faults(self) -> list[str]:
        return self.strangers + [text for text in self.errors if "net::" not in text]

    def state(self) -> dict[str, Any]:
        """Return what Python holds, as the mirror cell shows it."""
        # The page empties the mirror for a moment while it replaces its text.
        mirrored = "() => document.querySelector('pre.mirror')?.innerText || null"
        return json.loads(self.page.wait_for_function(mirrored).json_value())

    def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until Python's state satisfies `true` and return it; fail naming `what`."""
        deadline = time.monotonic() + HANG_S
        while not true(state := self.state()):
            if time.monotonic() > deadline:
                pytest.fail(f"never came true in Python: {what}; it holds {state}")
            self.page.wait_for_timeout(100)
        return state


def run_all(notebook: Notebook, name: str) -> None:
    """Open the notebook called `name` and run all its cells, the way its frontend does it."""
    page, kind = notebook.page, notebook.server.kind
    page.goto(notebook.server.url(f"{name}.ipynb"))
    if kind == "lab":
        page.wait_for_function(KERNEL_IDLE, arg=f"{name}.ipynb")
        # Not awaited: the command's promise may stay open, and the mirror tells when it is done.
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    else:
        page.wait_for_function(CLASSIC_READY)
        page.evaluate("Jupyter.notebook.execute_all_cells()")
    page.locator("pre.mirror").wait_for()
