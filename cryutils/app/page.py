"""The page that a caregiver gets after the login, of ipywidgets alone.

Who is logged in comes from the ticket that the server gave this kernel, and the store's gate says
at each look which infants that is about. Paper B, Figures 3 and 6.
"""

from __future__ import annotations

import html
import os
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from cryutils.errors import InputError

if TYPE_CHECKING:
    import ipywidgets

    from cryutils.app.store.log import Log
    from cryutils.app.store.opening import Store

__all__ = ["page", "show"]

DAY_S = 86400
PERIODS = {"hour": 2 * DAY_S, "day": 30 * DAY_S}  # and how far back each is shown
MOST = 50  # readings in the table
LIMITS = """
<h2>What this can't do</h2>
<p><strong>It is no medical device</strong>, and it does not tell why a baby cries. Whatever stands
here, a crying baby needs somebody: go. Seek help if the crying won't stop, or anything worries
you.</p>
<p>The models learned from synthetic infants, or from labels that nobody verified. In 39,201 cries
of 24 babies recorded at home, neither machine learning nor trained listeners reliably recognised
the cause (Lockhart-Bouron et al. 2023).</p>
"""


def show() -> None:
    """Display the page of the caregiver whose ticket is in CRYUTILS_TICKET."""
    from IPython.display import display

    from cryutils.app import store

    display(page(store.open(), os.environ["CRYUTILS_TICKET"]))


def page(store: Store, ticket: str) -> ipywidgets.VBox:
    """Return who is logged in, the log of each infant shared with them, and what to expect of it.

    At each look the ticket is asked for again, so a login that has ended shows nothing more.
    """
    import ipywidgets

    from cryutils.app.store import StoreUnavailable

    def caregiver() -> str:
        if (name := store.logins.user(ticket)) is None:
            raise InputError("Your login has ended; log in again.")
        return name

    name = caregiver()
    infants = [(log.name, log.id) for log in store.infants.all(user=name)]
    infant = ipywidgets.Dropdown(options=infants, description="Infant")
    period = ipywidgets.ToggleButtons(options=list(PERIODS), description="How it went by")
    again = ipywidgets.Button(description="Look again", icon="refresh")
    log = ipywidgets.HTML()

    def look(_change: object = None) -> None:
        try:
            log.value = _tables(store.infants.infant(infant.value, user=caregiver()), period.value)
        except InputError as error:
            log.value = f"<p>{html.escape(str(error))}</p>"
        except StoreUnavailable:
            log.value = "<p>The log can't be reached now; what it holds is safe. Look again.</p>"

    infant.observe(look, names="value")
    period.observe(look, names="value")
    again.on_click(look)
    who = f"Logged in as {html.escape(name)}. <a href='logout'>Log out</a>"
    head = ipywidgets.HTML(f"<h1>What was heard and seen</h1><p>{who}</p>")
    if infants:
        look()
        body: tuple[ipywidgets.Widget, ...] = (infant, period, again, log)
    else:
        add = f"cryutils infants add NAME --user {html.escape(name)}"
        body = (ipywidgets.HTML(f"<p>No infant is shared with you yet: <code>{add}</code></p>"),)
    layout = ipywidgets.Layout(padding="0 1rem", max_width="60rem")
    return ipywidgets.VBox([head, *body, ipywidgets.HTML(LIMITS)], layout=layout)


def _tables(log: Log, period: Literal["hour", "day"]) -> str:
    """Return the newest readings and the sums by period as HTML."""
    import pandas as pd

    from cryutils.app.store.log import local_zone, zone

    now, here = time.time(), local_zone()
    summary = log.summary(period, here, since=now - PERIODS[period])
    form = "%F %H:%M" if period == "hour" else "%F"
    summary.index = summary.index.map(lambda begins: begins.strftime(form))
    newest = pd.DataFrame(
        {"time": f"{datetime.fromtimestamp(reading.time, zone(here)):%F %T}",
         "verdict": reading.verdict, "note": reading.note}
        for reading in reversed(deque(log.readings(since=now - DAY_S), MOST))
    )  # fmt: skip
    if newest.empty and summary.empty:
        return "<p>Nothing is logged yet.</p>"
    return (
        f"<h2>Readings by {period}</h2>{summary.to_html()}"
        f"<h2>The newest {len(newest)}</h2>{newest.to_html(index=False)}<p>Times of {here}.</p>"
    )
