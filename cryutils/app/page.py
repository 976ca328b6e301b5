"""The caregiver's page after the login, `Page`, made of ipywidgets only.

Paper B §3 and Figures 3 to 6: live analysis, dashboard, log, and what the application can do. The
ticket that the server gave this kernel identifies the caregiver, and is checked each time.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets.log import get_logger

from cryutils._io.paths import project_dir
from cryutils.app import demo
from cryutils.app.dashboard import WIDE, WRAP, Aside, Dashboard
from cryutils.app.live import LiveAnalysis
from cryutils.app.monitor import Monitor
from cryutils.app.readings import Reading
from cryutils.app.store.log import local_zone
from cryutils.claims.result_store import read_results
from cryutils.errors import InputError

if TYPE_CHECKING:
    from cryutils.app.store import Log, Store

__all__ = ["Page", "show"]

SOURCE = "camera and microphone"
TITLES = ("Live", "Days", "Limits")
NO_INFANT = "There is no infant yet: ask the person who runs this server to add one."


class Page(ipywidgets.VBox):
    """Live analysis, dashboard and limits, for the caregiver with this ticket.

    The ticket is checked each time, so nothing is shown after a logout. Raises InputError for an
    invalid ticket.
    """

    def __init__(self, store: Store, ticket: str) -> None:
        self.store, self._ticket = store, ticket
        self.aside = Aside()
        name = html.escape(self.caregiver)
        head = f"<h1>Cry diary</h1><p>Logged in as {name}. <a href='logout'>Log out</a></p>"
        top = ipywidgets.HTML(head, layout=ipywidgets.Layout(flex="1 1 20rem"))
        top.add_class("cry-top")
        self._infant = ipywidgets.Dropdown(description="Infant", style=WIDE)
        self._film = demo.film()
        self._live, self._days = self._listener(), ipywidgets.VBox()
        limits = ipywidgets.HTML(_template("limits") + _evidence())
        self._tabs = ipywidgets.Tab([self._live, self._days, limits])
        for place, title in enumerate(TITLES):
            self._tabs.set_title(place, title)
        logs = store.infants()
        self._infant.options = [(log.name, log.id) for log in logs]
        self._infant.value = logs[0].id if logs else None
        self._infant.observe(self._show, names="value")
        self._tabs.observe(self._show, names="selected_index")
        layout = ipywidgets.Layout(padding="0 0.5rem", max_width="60rem")
        note = [ipywidgets.HTML(_template("demo"))] if self._film else []
        bar = ipywidgets.HBox([top, self._infant], layout=WRAP)
        super().__init__([*note, bar, self._tabs], layout=layout)

    @property
    def caregiver(self) -> str:
        """The name of the caregiver, if still logged in."""
        if (name := self.store.logins.user(self._ticket)) is None:
            raise InputError("Your login has ended; log in again.")
        return name

    def log(self, infant: int | None) -> Log:
        """Return an infant's log, if the caregiver is still logged in."""
        if infant is None:
            raise InputError(NO_INFANT)
        _ = self.caregiver
        return self.store.infant(infant)

    def _listener(self) -> ipywidgets.Widget:
        run = os.environ.get("CRYUTILS_LIVE_RUN") or None  # from `cryutils serve --run`
        try:
            monitor = Monitor(run)
        except InputError as error:  # no models
            get_logger().warning("the live analysis can't run: %s", error)
            return ipywidgets.HTML(_template("no_models"))
        source = f"{monitor.note}.".replace("_", " ")  # labels contain underscores
        if not monitor.uses_camera and not self._film:
            source += " The camera is not used: no model here was trained on real faces."
        live = LiveAnalysis(monitor, source=source, film=self._film)
        live.observe(self._on_listening, names="listening")
        return live

    def _on_listening(self, change: Any) -> None:
        self._infant.disabled = change.new
        if change.new:
            change.owner.log_to(self._session(self._infant.value))

    def _session(self, infant: int | None) -> Callable[[list[Reading]], None]:
        """Return a function that logs readings of a new session, for the `Writer`'s thread."""
        number: int | None = None

        def write(readings: list[Reading]) -> None:
            nonlocal number
            log = self.log(infant)
            number = number or log.begin(demo.SOURCE if self._film else SOURCE)
            log.append(number, readings)

        return write

    def _show(self, _change: Any = None) -> None:
        """Read the chosen infant's days if their tab is open."""

        def show(words: str) -> None:
            self._days.children = (ipywidgets.HTML(f"<p>{html.escape(words)}</p>"),)

        self.aside(self._look, show)

    def _look(self) -> None:
        shown, self._days.children = self._days.children, ()
        for widget in shown:
            widget.close()
        if self._tabs.selected_index == TITLES.index("Days"):
            states = self._live.states if isinstance(self._live, LiveAnalysis) else []
            log = self.log(self._infant.value)
            days = Dashboard(log, states, zone=local_zone(), aside=self.aside)
            self._days.children = (days,)


def _template(name: str) -> str:
    return Path(__file__).with_name("templates").joinpath(f"{name}.html").read_text("utf-8")


def show() -> None:
    """Display the page of the caregiver with the ticket in CRYUTILS_TICKET."""
    from IPython.display import display

    from cryutils.app import store

    display(Page(store.open(), os.environ["CRYUTILS_TICKET"]))


def _evidence() -> str:
    """Return the sound model's score in the reference run as a sentence; "" without that run."""
    path = project_dir() / "outputs" / "reference" / "judged" / "results.json"
    wanted = ("cry2.balanced_accuracy", "leak_free", "donateacry")
    for row in read_results(path) if path.is_file() else []:
        if (row.key, row.split, row.data) == wanted:
            value, low, high = (100 * (share or 0) for share in (row.value, row.low, row.high))
            return _template("evidence").format(row=row, value=value, low=low, high=high)
    return ""
