"""One infant's dashboard, `Dashboard`: current state, advice, corrections, and history.

Paper B §3 and Figure 6: current state, recommended actions
and the log. It is built from ipywidgets only, so any server can show it. `Aside` is the thread for
requests to the log: the page's own thread receives sound and pictures, so it can wait for a slow
log only briefly.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets

from cryutils.app import store
from cryutils.app.readings import ANY, GAP, NO_CRY, QUIET, UNSURE, Action, actions
from cryutils.app.store.database import StoreUnavailable
from cryutils.app.writer import duration
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.app.store.database import Row
    from cryutils.app.store.log import Log

__all__ = ["WIDE", "WRAP", "Aside", "Dashboard"]

Episode = list[list["Row"]]  # unbroken runs of the same state

# Length of the history in s, by period.
PERIODS: dict[Literal["hour", "day", "week"], float] = {
    "hour": 86_400, "day": 14 * 86_400, "week": 12 * 7 * 86_400,
}  # fmt: skip
LABELS = {"hour": "%a %H:%M", "day": "%a %d %b", "week": "week of %d %b"}
CURRENT_S = 60.0  # an older reading is not the current state
EPISODE_S = 900.0  # the longest pause within an episode
BRIEF_S = 1.0  # a listening page logs a gap after 3 s without an answer
WRAP = ipywidgets.Layout(flex_flow="row wrap")
WIDE = {"description_width": "initial"}  # so that no label is cut off
STYLE = "<style>.cry-now { font-size: 1.6em; font-weight: 700 }</style>"


class Aside:
    """Runs one task at a time in a thread, and waits for it for `BRIEF_S`."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def __call__(self, task: Callable[[], object], show: Callable[[str], object]) -> None:
        """Run a task. If it fails or takes too long, call `show` with a message.

        A slow task keeps running, and no other task is started until it ends. A task that is
        started by the running task is part of it and runs at once.
        """
        if threading.current_thread() is self._thread:
            _run(task, show)
        elif self._thread is not None and self._thread.is_alive():
            show("The log does not answer yet. Nothing was done; try again later.")
        else:
            run = copy_context().run
            self._thread = threading.Thread(target=run, args=(_run, task, show), daemon=True)
            self._thread.start()
            self._thread.join(BRIEF_S)
            if self._thread.is_alive():
                show("The log does not answer yet. This is done as soon as it does.")


def _run(task: Callable[[], object], show: Callable[[str], object]) -> None:
    try:
        task()
    except InputError as error:
        show(str(error))
    except StoreUnavailable:
        show("The log can't be reached now; its contents are safe. Look again.")


class Dashboard(ipywidgets.VBox):
    """One infant's log, shown to a caregiver; `look` reads it again.

    states: the states that the models distinguish. zone: the time zone of days and times, such as
    "Europe/Vienna". aside: the thread for requests to the log, if the page's own thread has other
    work.
    """

    def __init__(
        self, log: Log, states: Sequence[str], *, zone: str = "UTC", aside: Aside | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.zone = zone
        self._log, self._states, self._clock = log, list(states), clock
        self._aside = aside or Aside()
        self._advice = actions()
        self._episode: Episode = []
        self._now, self._answer, self._history = (ipywidgets.HTML() for _ in range(3))
        self._taps = ipywidgets.HBox(layout=WRAP)
        self._taps.add_class("cry-question")
        self._answer.add_class("cry-answer")
        self._period = ipywidgets.ToggleButtons(
            options=list(PERIODS),
            value="day",
            description="Show by",
            style={"button_width": "5em", "description_width": "initial"},
        )
        self._period.observe(self.look, names="value")
        again = ipywidgets.Button(description="Look again", icon="refresh")
        again.on_click(self.look)
        end = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-end")
        bar = ipywidgets.HBox([self._period, again], layout=end)
        heading = ipywidgets.HTML("<h2>History</h2>")
        super().__init__([self._now, self._taps, self._answer, heading, bar, self._history])
        self.look()

    def look(self, _change: Any = None) -> None:
        """Read the log again and show it, or say in a sentence why it can't be read."""

        def show(words: str) -> None:
            self._now.value = f"<h2>Now</h2><p>{html.escape(words)}</p>"

        self._aside(self._look, show)

    def _look(self) -> None:
        now, by = self._clock(), self._period.value
        newest = list(self._log.entries(since=now - EPISODE_S))
        summary = self._log.summary(by, self.zone, since=now - PERIODS[by])
        here = datetime.fromtimestamp(now, store.log.zone(self.zone))
        self._now.value = (
            f"{STYLE}<h2>Now</h2>{_now(newest, now, self._advice)}<p>As of {here:%H:%M}.</p>"
        )
        self._show_taps(_episode(newest))
        self._history.value = _history(summary, self._states, by)

    def _show_taps(self, episode: Episode) -> None:
        """Ask whether the state of this episode was right."""
        if episode and self._episode and episode[0][0]["time"] == self._episode[0][0]["time"]:
            self._episode = episode  # it continues: leave the buttons in place
            return
        self._episode = episode
        self._answer.value = ""
        self._taps.children = ()
        if episode:
            verdict = episode[0][0]["verdict"]
            others = [name for name in (*self._states, NO_CRY) if name != verdict]
            if verdict == UNSURE:
                words, right = "What was it?", []
            else:
                words = f"Was <b>{html.escape(verdict)}</b> right?"
                right = [self._button("Yes", partial(self._note, verdict))]
            wrong = [
                self._button(f"No: {name}" if right else name, partial(self._note, name))
                for name in others
            ]
            self._taps.children = (ipywidgets.HTML(words), *right, *wrong)

    def _button(self, words: str, act: Callable[[], object]) -> ipywidgets.Button:
        """Return a button that runs `act` in the thread `aside` and shows an error if it fails."""
        layout = ipywidgets.Layout(width="auto", height="44px")
        button = ipywidgets.Button(description=words, layout=layout)

        def show(words: str) -> None:
            self._answer.value = html.escape(words)

        button.on_click(lambda _: self._aside(act, show))
        return button

    def _note(self, verdict: str) -> None:
        """Log a correction of the whole episode."""
        spans = [(run[0]["time"], run[-1]["time"]) for run in self._episode]
        for span in spans:
            self._log.correct(*span, verdict)
        self._look()
        zone = store.log.zone(self.zone)
        first, last = (
            f"{datetime.fromtimestamp(time, zone):%H:%M}" for time in (spans[0][0], spans[-1][1])
        )
        times = last if first == last else f"{first} to {last}"
        self._answer.value = f"Noted: {html.escape(verdict)}, {times}."


def _episode(rows: Sequence[Row]) -> Episode:
    """Return the latest episode in log entries; empty if there is none.

    An episode consists of unbroken runs of the same state (or unsure) in one session, with pauses
    of at most `EPISODE_S`.
    """
    episodes: list[Episode] = []
    last: tuple[Any, ...] = ()
    # Sorted by session first, because two pages may listen at once.
    ordered = sorted(rows, key=lambda row: (row["session"], row["time"]))
    for (session, verdict), group in groupby(ordered, lambda row: (row["session"], row["verdict"])):
        if verdict in (NO_CRY, QUIET, GAP):
            continue
        run = list(group)
        if last[:2] != (session, verdict) or run[0]["time"] - last[2] > EPISODE_S:
            episodes.append([])
        episodes[-1].append(run)
        last = session, verdict, run[-1]["time"]
    return max(episodes, key=lambda episode: episode[-1][-1]["time"], default=[])


def _now(newest: Sequence[Row], now: float, advice: dict[str, list[Action]]) -> str:
    if not newest or now - newest[-1]["time"] > CURRENT_S:
        last = f"The last reading is {duration(now - newest[-1]['time'])} old. " if newest else ""
        return f"<p class='cry-now'>Nobody is listening</p><p>{last}Start the live analysis.</p>"
    state, note = newest[-1]["verdict"], html.escape(newest[-1]["note"])
    same = [row for run in _episode(newest) for row in run if row["verdict"] == state]
    # A correction applies to the rest of the episode, which goes on while the caregiver answers.
    if corrections := [row["corrected"] for row in same if row["corrected"]]:
        note, state = f"As corrected; the models say {html.escape(state)}.", corrections[-1]
    words = state if state != GAP else "Not listening"
    tips = [*advice.get(state, []), *advice[ANY]]
    items = "".join(
        f"<li>{html.escape(tip.text)} <a href='{html.escape(tip.url)}' target='_blank' "
        f"rel='noreferrer noopener'>{html.escape(tip.source)}</a></li>"
        for tip in tips
    )
    note = f"<p>{note}</p>" if note else ""
    return f"<p class='cry-now'>{html.escape(words)}</p>{note}<ul>{items}</ul>"


def _history(summary: pd.DataFrame, states: Sequence[str], by: str) -> str:
    """Return a table of the minutes of each state by period, newest first."""
    if summary.empty:
        return "<p>Nothing is logged yet.</p>"
    others = [name for name in summary if name not in (*states, NO_CRY, QUIET, UNSURE, GAP)]
    columns = [*states, *others, UNSURE, NO_CRY, QUIET]
    minutes = summary.reindex(columns=columns, fill_value=0)
    minutes["listened"] = minutes.sum(axis=1)
    table = minutes[::-1].set_axis([start.strftime(LABELS[by]) for start in minutes.index[::-1]])
    words = f"Minutes by {by}, as corrected; times are of {summary.index[0].tz}."
    return f"<p>{words}</p>{table.to_html(float_format='{:.1f}'.format, border=0)}"
