"""One infant's dashboard: the state now, what can be tried, "was this right?", and how days went.

Paper B §3, the dashboard of its Figure 6: current state, recommended actions
and the log. Of ipywidgets alone, so that any server can show it.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets

from cryutils.app import store
from cryutils.app.actions import ANY, Action, actions
from cryutils.app.aside import Aside
from cryutils.app.readings import GAP, HOP_S, NO_CRY, UNSURE, Reading
from cryutils.app.scripts import script
from cryutils.app.store import StoreUnavailable
from cryutils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cryutils.app.store.log import Log

__all__ = ["Dashboard", "sentence"]

# How far back each period is shown, in s.
PERIODS: dict[Literal["hour", "day", "week"], float] = {
    "hour": 86_400, "day": 14 * 86_400, "week": 12 * 7 * 86_400,
}  # fmt: skip
LABELS = {"hour": "%a %H:%M", "day": "%a %d %b", "week": "week of %d %b"}
CURRENT_S = 60.0  # what is older says nothing about now
EPISODE_S = 900.0  # how far back a tap reaches at most, within one session
THUMB = ipywidgets.Layout(width="auto", height="44px")
# The states' colours of the live page's script, on light and on dark.
INKS, GLOWS = (
    re.findall(r"#\w{6}", line) for line in script("live.js").splitlines() if "const CLASS_" in line
)


def _variables(colours: Sequence[str]) -> str:
    return "; ".join(f"--cry-{place}: {colour}" for place, colour in enumerate(colours))


STYLE = f"""<style>
.cry-bar {{ {_variables(INKS)} }}
[data-jp-theme-light="false"] .cry-bar {{ {_variables(GLOWS)} }}
.cry-now {{ font-size: 1.6em; font-weight: 700 }}
.cry-table {{ border-spacing: 6px 3px; width: 100%; max-width: 62em }}
.cry-table th {{ text-align: left; white-space: nowrap; font-weight: 400 }}
.cry-table .cry-bar {{ display: flex; height: 14px; min-width: 5em; width: 24vw; max-width: 20em;
  background: #8883 }}
.cry-table td {{ font-variant-numeric: tabular-nums }}
</style>"""


class Dashboard(ipywidgets.VBox):
    """What the log of one infant says. `look` reads it anew.

    Parameters
    ----------
    log : Log
        See `store`, of one infant and for one user.
    states : sequence of str
        That the models tell apart.
    zone : str
        In which days begin, such as "Europe/Vienna".
    keep : function, optional
        Is called with start, stop (s since 1970) and label of each stretch that was corrected, and
        returns whether its sound is kept.
    aside : Aside, optional
        In which the log is asked, where the page's own thread has other things to do.
    clock : function
        The time in s since 1970.
    """

    def __init__(
        self,
        log: Log,
        states: Sequence[str],
        *,
        zone: str = "UTC",
        keep: Callable[[float, float, str], bool] | None = None,
        aside: Aside | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.zone = zone
        self._log, self._states, self._keep, self._clock = log, list(states), keep, clock
        self._aside = aside or Aside()
        self._advice = actions()
        self._episode: list[list[Reading]] = []
        self._now, self._answer, self._history = (ipywidgets.HTML() for _ in range(3))
        self._taps = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
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
        super().__init__([self._now, self._taps, self._answer, bar, self._history])
        self.look()

    def look(self, _change: Any = None) -> None:
        """Read the log anew and show it; what can't be read is said in a sentence."""
        if words := self._aside(self._look):
            self._now.value = f"<p>{words}</p>"

    def _look(self) -> None:
        now, by = self._clock(), self._period.value
        try:
            newest = list(self._log.readings(since=now - EPISODE_S))
            episode = self._latest(newest)
            summary = self._log.summary(by, self.zone, since=now - PERIODS[by])
        except (InputError, StoreUnavailable) as error:
            self._now.value = f"<p>{html.escape(sentence(error))}</p>"
            return
        here = datetime.fromtimestamp(now, store.log.zone(self.zone))
        self._now.value = f"{STYLE}{_now(newest, now, self._advice)}<p>As of {here:%H:%M}.</p>"
        self._show_taps(episode)
        self._history.value = _history(summary, self._states, by)

    def _latest(self, newest: Sequence[Reading]) -> list[list[Reading]]:
        """Return the runs of the last state that was named lately, within its session."""
        if not (episode := _episode(newest)):
            return []
        last = episode[-1][-1].time
        starts = [session["started"] for session in self._log.sessions()]
        began = max((start for start in starts if start <= last), default=0.0)
        return _episode([reading for reading in newest if reading.time >= began])

    def _show_taps(self, episode: list[list[Reading]]) -> None:
        """Ask whether the state of this episode was right."""
        if episode[:1] and self._episode[:1] and episode[0][0] == self._episode[0][0]:
            self._episode = episode  # the same goes on: leave the buttons under the finger
            return
        self._episode, self._answer.value = episode, ""
        self._taps.children = ()
        if episode:
            verdict = episode[0][0].verdict
            others = [name for name in (*self._states, NO_CRY) if name != verdict]
            if verdict == UNSURE:
                words, right = "What was it?", []
            else:
                words = f"Was <b>{html.escape(verdict)}</b> right?"
                right = [self._tap("Yes", verdict)]
            wrong = [self._tap(f"No: {name}" if right else name, name) for name in others]
            self._taps.children = (ipywidgets.HTML(words), *right, *wrong)

    def _tap(self, words: str, verdict: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=words, layout=THUMB)

        def note() -> None:
            stretches = [(run[0].time, run[-1].time, verdict) for run in self._episode]
            try:
                for stretch in stretches:
                    self._log.correct(*stretch)
                minutes = self._minutes(stretches[0][0], stretches[-1][1])
                words = f"Noted: {html.escape(verdict)}, {minutes}. Another tap changes it."
                if self._keep is not None and any([self._keep(*each) for each in stretches]):
                    words += " Its sound is kept."
            except (InputError, StoreUnavailable) as error:
                words = html.escape(sentence(error))
            self.look()
            self._answer.value = words

        def tap(_button: Any) -> None:
            if words := self._aside(note):
                self._answer.value = words

        button.on_click(tap)
        return button

    def _minutes(self, start: float, stop: float) -> str:
        """Return a time of day, or from when to when: "14:02 to 14:09"."""
        zone = store.log.zone(self.zone)
        times = [f"{datetime.fromtimestamp(time, zone):%H:%M}" for time in (start, stop)]
        return " to ".join(dict.fromkeys(times))


def sentence(error: InputError | StoreUnavailable) -> str:
    """Return what a caregiver is told where the log says no."""
    if isinstance(error, InputError):
        return str(error)
    return "The log can't be reached now; what it holds is safe. Look again."


def _episode(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Return the last unbroken runs of one and the same state (or unsure), pauses between them."""
    episode: list[list[Reading]] = []
    for verdict, run in groupby(readings, lambda reading: reading.verdict):
        if verdict in (NO_CRY, GAP):
            continue
        if episode and episode[-1][0].verdict != verdict:
            episode = []
        episode.append(list(run))
    return episode


def _now(newest: Sequence[Reading], now: float, advice: dict[str, list[Action]]) -> str:
    if not newest or now - newest[-1].time > CURRENT_S:
        last = f"The last reading is {_ago(now - newest[-1].time)} old. " if newest else ""
        return f"<p class='cry-now'>Nobody is listening</p><p>{last}Start the live analysis.</p>"
    reading = newest[-1]
    words = reading.verdict if reading.verdict != GAP else "Not listening"
    tips = [*advice.get(reading.verdict, []), *advice[ANY]]
    items = "".join(
        f"<li>{html.escape(tip.text)} <a href='{html.escape(tip.url)}' target='_blank' "
        f"rel='noreferrer noopener'>{html.escape(tip.source)}</a></li>"
        for tip in tips
    )
    note = f"<p>{html.escape(reading.note)}</p>" if reading.note else ""
    return f"<p class='cry-now'>{html.escape(words)}</p>{note}<ul>{items}</ul>"


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _history(summary: pd.DataFrame, states: Sequence[str], by: str) -> str:
    """Return a row a period, newest first: minutes of each state as a bar and in words."""
    if summary.empty:
        return "<p>Nothing is logged yet.</p>"
    named = [*states, *(name for name in summary if name not in (*states, NO_CRY, UNSURE, GAP))]
    minutes = summary.reindex(columns=[*named, UNSURE, NO_CRY], fill_value=0) * HOP_S / 60
    crying = minutes[[*named, UNSURE]]
    longest = max(crying.sum(axis=1).max(), 1e-9)
    rows = []
    for start in summary.index[::-1]:
        parts = crying.loc[start]
        bar = "".join(
            f"<span style='width:{100 * parts[name] / longest:.1f}%;"
            f"background:{_ink(i, str(name))}'></span>"
            for i, name in enumerate(crying)
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
    caption = f"Minutes of crying by {by}, corrections heeded; times are of {zone}"
    return f"<table class='cry-table'><caption>{caption}</caption>{''.join(rows)}</table>"


def _ink(place: int, name: str) -> str:
    return "#8a8f94" if name == UNSURE else f"var(--cry-{place % len(INKS)})"


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if value >= 1 or value == 0 else "under 1 min"
