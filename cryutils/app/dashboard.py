"""One infant's dashboard, `Dashboard`: current state, advice, corrections, and history.

Used in notebook 13_live_and_deployment. Paper B §3 and Figure 6: current state, recommended actions
and the log. It is built from ipywidgets only, so any server can show it.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets

from cryutils.app import store
from cryutils.app.actions import ANY, Action, actions
from cryutils.app.aside import Aside
from cryutils.app.readings import GAP, HOP_S, NO_CRY, UNSURE
from cryutils.app.scripts import asset
from cryutils.app.writer import duration

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.app.store.database import Row
    from cryutils.app.store.log import Log

__all__ = ["WIDE", "WRAP", "Dashboard"]

Episode = list[list["Row"]]  # unbroken runs of the same state

# Length of the history in s, by period.
PERIODS: dict[Literal["hour", "day", "week"], float] = {
    "hour": 86_400, "day": 14 * 86_400, "week": 12 * 7 * 86_400,
}  # fmt: skip
LABELS = {"hour": "%a %H:%M", "day": "%a %d %b", "week": "week of %d %b"}
CURRENT_S = 60.0  # an older reading is not the current state
EPISODE_S = 900.0  # the longest pause within an episode
OFFERED = 30  # earlier answers that can be corrected
WRAP = ipywidgets.Layout(flex_flow="row wrap")
WIDE = {"description_width": "initial"}  # so that no label is cut off
# The colours of the states, from the live page's script, for light and for dark themes.
INKS, GLOWS = (
    re.findall(r"#\w{6}", line) for line in asset("live.js").splitlines() if "const CLASS_" in line
)
INK_VARIABLES, GLOW_VARIABLES = (
    "; ".join(f"--cry-{place}: {colour}" for place, colour in enumerate(colours))
    for colours in (INKS, GLOWS)
)
STYLE = f"""<style>
.cry-bar {{ {INK_VARIABLES} }}
[data-jp-theme-light="false"] .cry-bar {{ {GLOW_VARIABLES} }}
.cry-now {{ font-size: 1.6em; font-weight: 700 }}
.cry-table {{ border-spacing: 6px 3px; width: 100%; max-width: 62em }}
.cry-table th {{ text-align: left; white-space: nowrap; font-weight: 400 }}
.cry-table .cry-bar {{ display: flex; height: 14px; min-width: 5em; width: 24vw; max-width: 20em;
  background: #8883 }}
.cry-table td {{ font-variant-numeric: tabular-nums }}
</style>"""


class Dashboard(ipywidgets.VBox):
    """One infant's log, shown to a caregiver; `look` reads it again.

    states: the states that the models distinguish. zone: the time zone of days and times, such as
    "Europe/Vienna". aside: the
    thread for requests to the log, if the page's own thread has other work.
    """

    def __init__(
        self,
        log: Log,
        states: Sequence[str],
        *,
        zone: str = "UTC",
        aside: Aside | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.zone = zone
        self._log, self._states, self._clock = log, list(states), clock
        self._aside = aside or Aside()
        self._advice = actions()
        self._episode: Episode = []
        self._last: list[int] = []  # the corrections of the last answer
        self._now, self._answer, self._history = (ipywidgets.HTML() for _ in range(3))
        self._taps = ipywidgets.HBox(layout=WRAP)
        self._taps.add_class("cry-question")
        self._answer.add_class("cry-answer")
        self._undo = self._button("Undo", self._take_back)
        self._undo.layout.display = "none"
        answered = ipywidgets.HBox([self._answer, self._undo], layout=WRAP)
        hidden = ipywidgets.Layout(display="none", width="auto", max_width="100%")
        self._earlier = ipywidgets.Dropdown(description="Answer", style=WIDE, layout=hidden)
        self._earlier.observe(self._choose, names="value")
        self._episodes: list[Episode] = []  # earlier ones to choose from, newest first
        older = self._button("Correct an earlier answer", self._offer)
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
        bar = ipywidgets.HBox([self._period, again, older], layout=end)
        heading = ipywidgets.HTML("<h2>History</h2>")
        super().__init__(
            [self._now, self._earlier, self._taps, answered, heading, bar, self._history]
        )
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
        if self._earlier.value is None:
            self._show_taps(next(iter(_episodes(newest)), []))
        self._history.value = _history(summary, self._states, by)

    def _show_taps(self, episode: Episode) -> None:
        """Ask whether the state of this episode was right."""
        if episode and self._episode and episode[0][0]["time"] == self._episode[0][0]["time"]:
            self._episode = episode  # it continues: leave the buttons in place
            return
        self._episode = episode
        self._say("", [])
        self._taps.children = ()
        if episode:
            verdict = episode[0][0]["verdict"]
            others = [name for name in (*self._states, NO_CRY) if name != verdict]
            when = f", {self._when(episode)}" if self._earlier.value is not None else ""
            if verdict == UNSURE:
                words, right = f"What was it{when}?", []
            else:
                words = f"Was <b>{html.escape(verdict)}</b> right{when}?"
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
            self._say(html.escape(words), self._last)

        button.on_click(lambda _: self._aside(act, show))
        return button

    def _note(self, verdict: str) -> None:
        """Log a correction of the whole episode, and offer to undo it."""
        spans = [(run[0]["time"], run[-1]["time"]) for run in self._episode]
        corrections = [self._log.correct(*span, verdict) for span in spans]
        self._look()
        words = f"Noted: {html.escape(verdict)}, {self._when(self._episode)}."
        self._say(words, corrections)

    def _take_back(self) -> None:
        """Undo the last answer."""
        for correction in self._last:
            self._log.undo(correction)
        self._look()
        self._say("Undone. It is as it was before.", [])

    def _say(self, words: str, corrections: list[int]) -> None:
        self._last = corrections
        self._undo.layout.display = "" if corrections else "none"
        self._answer.value = words  # set last, because the page then scrolls to it

    def _offer(self) -> None:
        """Offer the latest answers for correction, from the newest sessions."""
        self._episodes = []
        for session in reversed(self._log.sessions()):
            span = session["started"], session["ended"] + HOP_S
            rows = [row for row in self._log.entries(*span) if row["session"] == session["id"]]
            self._episodes += _episodes(rows)
            if len(self._episodes) >= OFFERED:
                break
        labels = [f"{self._when(each)}: {_verdict(each[0][0])}" for each in self._episodes]
        options = [(label, place) for place, label in enumerate(labels)]
        self._earlier.options = [("the latest one", None), *options]
        self._earlier.layout.display = ""
        self._say("Choose the answer above." if labels else "No answer is logged yet.", [])

    def _choose(self, change: Any) -> None:
        self._episode = []
        if change.new is None:
            self.look()
        else:
            self._show_taps(self._episodes[change.new])

    def _when(self, episode: Episode) -> str:
        """Return a time such as "14:02 to 14:09", with the day unless it is today."""
        zone = store.log.zone(self.zone)
        ends = episode[0][0]["time"], episode[-1][-1]["time"], self._clock()
        start, stop, now = (datetime.fromtimestamp(time, zone) for time in ends)
        first, last = f"{start:%H:%M}", f"{stop:%H:%M}"
        times = last if first == last else f"{first} to {last}"
        return times if start.date() == now.date() else f"{start:%a %d %b}, {times}"


def _episodes(rows: Sequence[Row]) -> list[Episode]:
    """Return the episodes in log entries, newest first.

    An episode consists of unbroken runs of the same state (or unsure) in one session, with pauses
    of at most `EPISODE_S`.
    """
    episodes: list[Episode] = []
    last: tuple[Any, ...] = ()
    # Sorted by session first, because two pages may listen at once.
    ordered = sorted(rows, key=lambda row: (row["session"], row["time"]))
    for (session, verdict), group in groupby(ordered, lambda row: (row["session"], row["verdict"])):
        if verdict in (NO_CRY, GAP):
            continue
        run = list(group)
        if last[:2] != (session, verdict) or run[0]["time"] - last[2] > EPISODE_S:
            episodes.append([])
        episodes[-1].append(run)
        last = session, verdict, run[-1]["time"]
    return sorted(episodes, key=lambda episode: -episode[-1][-1]["time"])


def _verdict(row: Row) -> str:
    """Return an entry's verdict and its correction, if any."""
    corrected = row["corrected"]
    return f"{row['verdict']}, corrected to {corrected}" if corrected else row["verdict"]


def _now(newest: Sequence[Row], now: float, advice: dict[str, list[Action]]) -> str:
    if not newest or now - newest[-1]["time"] > CURRENT_S:
        last = f"The last reading is {duration(now - newest[-1]['time'])} old. " if newest else ""
        return f"<p class='cry-now'>Nobody is listening</p><p>{last}Start the live analysis.</p>"
    reading = newest[-1]
    words = reading["verdict"] if reading["verdict"] != GAP else "Not listening"
    tips = [*advice.get(reading["verdict"], []), *advice[ANY]]
    items = "".join(
        f"<li>{html.escape(tip.text)} <a href='{html.escape(tip.url)}' target='_blank' "
        f"rel='noreferrer noopener'>{html.escape(tip.source)}</a></li>"
        for tip in tips
    )
    note = f"<p>{html.escape(reading['note'])}</p>" if reading["note"] else ""
    return f"<p class='cry-now'>{html.escape(words)}</p>{note}<ul>{items}</ul>"


def _history(summary: pd.DataFrame, states: Sequence[str], by: str) -> str:
    """Return a table of the minutes of each state by period, newest first, as bars and text."""
    if summary.empty:
        return "<p>Nothing is logged yet.</p>"
    named = [*states, *(name for name in summary if name not in (*states, NO_CRY, UNSURE, GAP))]
    minutes = summary.reindex(columns=[*named, UNSURE, NO_CRY], fill_value=0) * HOP_S / 60
    crying = minutes[[*named, UNSURE]]
    inks = [*(f"var(--cry-{place % len(INKS)})" for place in range(len(named))), "#8a8f94"]
    longest = max(crying.sum(axis=1).max(), 1e-9)
    rows = []
    for start in summary.index[::-1]:
        parts = crying.loc[start]
        bar = "".join(
            f"<span style='width:{100 * parts[name] / longest:.1f}%;background:{ink}'></span>"
            for name, ink in zip(crying, inks, strict=True)
        )
        words = ", ".join(f"{name} {_minutes(parts[name])}" for name in crying if parts[name])
        heard = minutes.loc[start].sum()
        silent = "no cry" if heard else "nobody listened"
        label = start.strftime(LABELS[by])
        rows.append(
            f"<tr><th scope='row'>{html.escape(label)}</th><td><div class='cry-bar'>{bar}</div>"
            f"</td><td>{html.escape(words) or silent}"
            f"{f' of {_minutes(heard)} heard' if heard else ''}</td></tr>"
        )
    zone = summary.index[0].tz
    caption = f"Minutes of crying by {by}, as corrected; times are of {zone}"
    return f"<table class='cry-table'><caption>{caption}</caption>{''.join(rows)}</table>"


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if value >= 1 or value == 0 else f"{max(60 * value, 1):.0f} s"
