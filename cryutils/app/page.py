"""The page that a caregiver gets after the login, of ipywidgets alone.

Who is logged in comes from the ticket that the server gave this kernel, and the store's gate says
at each look which infants that is about. Paper B §3 and its Figures 3 to 6: live analysis,
dashboard, log, and what the application can do.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets.log import get_logger

from cryutils._io.paths import project_dir
from cryutils.app import demo
from cryutils.app.aside import Aside
from cryutils.app.clips import Clips, clips_dir
from cryutils.app.dashboard import WIDE, WRAP, Dashboard, sentence
from cryutils.app.live import LiveAnalysis
from cryutils.app.monitor import Monitor
from cryutils.app.readings import Reading
from cryutils.app.store import StoreUnavailable
from cryutils.app.store.log import local_zone
from cryutils.claims.store import read_results
from cryutils.errors import InputError
from cryutils.papers.trained_models import runs_with_models

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cryutils.app.store.log import Log
    from cryutils.app.store.opening import Store

__all__ = ["Page", "show"]

SOURCE = "camera and microphone"
KEEP = "Keep the sound of what I correct, on the server"
TITLES = ("Live", "Days", "Infants", "Limits")
# The page's script makes it work, in the browser alone.
SHOW = "<label class='show-passwords'><input type='checkbox'> Show passwords</label>"
DEMO = """
<p role="note" style="margin: 0.5rem 0 0; padding: 0.5rem 0.75rem; border-left: 4px solid #b36b00">
<strong>Demonstration with synthetic sound and pictures.</strong> A program made the infant that you
hear and see and the earlier days in the log. Press Start. Everything is deleted at the end.</p>
"""
NO_MODELS = """
<h2>Live analysis</h2>
<p>Nothing can listen yet, because no models have been trained. Ask the person who runs this server:
its terminal says what to do.</p>
"""
LIMITS = """
<h2>What this can do</h2>
<p>It tells cries from many other sounds, names the state that its models find likeliest, or says
that they are unsure, and keeps a log of it. Nothing leaves the server that you logged in to: sound
and pictures are judged and forgotten, and the log holds words and numbers. Only where the server's
owner offers it, and you switch it on above each time, is the sound of what you correct kept, in a
folder there, under the label that you give it.</p>
<h2>What this can't do</h2>
<p><strong>It is no medical device</strong>, and it does not tell why a baby cries. Whatever stands
here, a crying baby needs somebody: go. Seek help if the crying won't stop, or anything worries
you.</p>
<p>The models learned from synthetic infants, or from labels that nobody verified. In 39,201 cries
of 24 babies recorded at home, neither machine learning nor trained listeners reliably recognised
the cause (Lockhart-Bouron et al. 2023).</p>
"""


@dataclass(eq=False)
class _Session:
    """A session of the live analysis: its infant, and its number once the log has it."""

    infant: int | None
    number: int | None = None


class Page(ipywidgets.VBox):
    """Live analysis, dashboard, infants, and what to expect, for whoever the ticket belongs to.

    At each look the ticket is asked for again, so a login that has ended shows nothing more, and
    so does an infant that is no longer shared. Raises InputError for a ticket of nobody.
    """

    def __init__(self, store: Store, ticket: str) -> None:
        self._store, self._ticket = store, ticket
        self._session = _Session(None)  # of the live analysis
        self.aside = Aside(hurries=lambda: self._infant.disabled)
        name = html.escape(self._caregiver())
        head = f"<h1>Cry diary</h1><p>Logged in as {name}. <a href='logout'>Log out</a></p>"
        top = ipywidgets.HTML(head, layout=ipywidgets.Layout(flex="1 1 20rem"))
        top.add_class("cry-top")
        self._infant = ipywidgets.Dropdown(description="Infant", style=WIDE)
        folder = clips_dir()
        self._clips = Clips(folder) if folder else None
        self._keeps = ipywidgets.Checkbox(False, description=KEEP, indent=False)
        self._keeps.layout.width = "auto"
        self._keeps.observe(self._forget, names="value")
        self._film = demo.film()
        self._live, self._days = self._listener(), ipywidgets.VBox()
        self._infants = _Infants(self)
        limits = ipywidgets.HTML(LIMITS + _evidence())
        self._tabs = ipywidgets.Tab([self._live, self._days, self._infants, limits])
        for place, title in enumerate(TITLES):
            self._tabs.set_title(place, title)
        self.renew()
        self._infant.observe(self._show, names="value")
        self._tabs.observe(self._show, names="selected_index")
        layout = ipywidgets.Layout(padding="0 0.5rem", max_width="60rem")
        note = [ipywidgets.HTML(DEMO)] if self._film else []
        offered = [self._keeps] if self._clips else []
        bar = ipywidgets.HBox([top, self._infant], layout=WRAP)
        super().__init__([*note, bar, *offered, self._tabs], layout=layout)

    @property
    def log(self) -> Log:
        """The chosen infant's log, if it is still this caregiver's."""
        if self._infant.value is None:
            raise InputError("No infant is chosen: choose one above, or add one under Infants.")
        return self._store.infants.infant(self._infant.value, user=self._caregiver())

    @property
    def infants(self) -> list[Log]:
        """The infants shared with this caregiver."""
        return self._store.infants.all(user=self._caregiver())

    def add(self, name: str) -> None:
        """Add an infant, and choose it."""
        log = self._store.infants.add(name, user=self._caregiver())
        self.renew()
        if not self._infant.disabled:  # else what is heard now is another infant's
            self._infant.value = log.id

    def share(self, other: str) -> str:
        """Invite another caregiver to the chosen infant; return what was done.

        The words are the same whether there is such a user or not.
        """
        user = self._caregiver()
        self._store.infants.share(self.log.id, other, user=user)
        self.renew()
        return f"If somebody is called {other.strip()} here, they will be asked."

    def unshare(self, other: str) -> str:
        """Share the chosen infant with another caregiver no longer; return what was done."""
        log = self.log
        self._store.infants.unshare(log.id, other, user=self._caregiver())
        self.renew()
        return f"{log.name} is not shared with {other.strip()} any more."

    def invitations(self) -> list[tuple[Log, str]]:
        """The infants that others want to share with this caregiver, and who they are."""
        return self._store.infants.invitations(user=self._caregiver())

    def accept(self, log: Log) -> str:
        """Accept an invitation; return what was done."""
        self._store.infants.accept(log.id, user=self._caregiver())
        self.renew()
        return f"{log.name} is in your list now."

    def decline(self, log: Log) -> str:
        """Decline an invitation; return what was done."""
        self._store.infants.decline(log.id, user=self._caregiver())
        self.renew()
        return f"{log.name} is not shared with you."

    def removable(self) -> Log:
        """Return the chosen infant's log, if this caregiver may remove it.

        Raises InputError where others care for the infant, too, or it is being listened to.
        """
        log = self.log
        if others := [name for name in log.caregivers() if name != self._caregiver()]:
            raise InputError(f"{log.name} is shared with {', '.join(others)}; stop sharing first.")
        if self._infant.disabled:
            raise InputError(f"{log.name} is being listened to; stop the live analysis first.")
        return log

    def set_password(self, old: str, new: str, again: str) -> str:
        """Set the caregiver's own password, which ends every login; return what was done.

        Raises InputError for a wrong old one; these are counted and slowed down as at the login.
        """
        user = self._caregiver()
        if new != again:
            raise InputError("The new passwords differ; nothing was changed.")
        check = self._store.users.verify(user, old, address=f"page of {user}")
        if check.wait_s > 0:
            minutes = math.ceil(check.wait_s / 60)
            raise InputError(f"Too many attempts. Wait {minutes} min, then try again.")
        if not check.right:
            raise InputError("The old password is wrong; nothing was changed.")
        self._store.users.set_password(user, new)
        return "Your password is changed. Log in with the new one, here and everywhere else."

    def renew(self) -> None:
        """Show the infants that there are now, those from others last and never by themselves."""
        before, user, logs = self._infant.value, self._caregiver(), self.infants
        senders = self._store.infants.senders(user=user)
        others = {log.id: [name for name in log.caregivers() if name != user] for log in logs}
        shared = [log for log in logs if log.id in senders and others[log.id]]
        home = [log for log in logs if log not in shared]
        home.sort(key=lambda log: bool(others[log.id]))  # first those that nobody else reaches
        options: list[tuple[str, int | None]] = []
        for log in home:
            suffix = f" (with {', '.join(others[log.id])})" if others[log.id] else ""
            options.append((f"{log.name}{suffix}", log.id))
        if shared and not home:
            options = [("Choose an infant", None)]
        # The name at the end: a long one can't push out whose infant it is.
        options += [(f"from {senders[log.id] or 'somebody'}: {log.name}", log.id) for log in shared]
        self._infant.options = options
        if options:
            ids = [number for _, number in options]
            self._infant.value = before if before in ids else ids[0]
        self._show()

    def _caregiver(self) -> str:
        if (name := self._store.logins.user(self._ticket)) is None:
            raise InputError("Your login has ended; log in again.")
        return name

    def _listener(self) -> ipywidgets.Widget:
        run = os.environ.get("CRYUTILS_LIVE_RUN") or None  # see `cryutils serve --run`
        try:
            monitor = Monitor(run)
        except InputError as error:  # no model is trained yet
            get_logger().warning("a page can't listen: %s", error)
            return ipywidgets.HTML(NO_MODELS)
        note = monitor.note.replace("_", " ")  # of labels
        seeing = monitor.run in runs_with_models("image")
        source = f"{note}." + (
            "" if seeing else " The camera is not used: these models only listen."
        )
        log = partial(self._write, self._session)
        live = LiveAnalysis(monitor, log=log, heard=self._hear, source=source, film=self._film)
        live.observe(self._on_listening, names="listening")
        return live

    def _on_listening(self, change: Any) -> None:
        self._infant.disabled = change.new
        if change.new:
            self._session = _Session(self._infant.value)
            change.owner.log_to(partial(self._write, self._session))
            self._forget()

    def _write(self, session: _Session, readings: list[Reading]) -> None:
        """Log a session's readings, in the thread of the live analysis's `Writer`."""
        if session.infant is None:
            raise InputError("no infant is chosen: choose or add one, then start again")
        log = self._store.infants.infant(session.infant, user=self._caregiver())
        source = demo.SOURCE if self._film else SOURCE
        session.number = session.number or log.begin(source)
        log.append(session.number, readings)

    def _hear(self, samples: npt.NDArray[np.float32], sr: int, time: float) -> None:
        if self._clips and self._keeps.value:
            self._clips.push(samples, sr, time)

    def _keep(self, start: float, stop: float, label: str) -> Callable[[], None] | None:
        """Keep the sound of what was corrected, and return what undoes that; None: none is kept."""
        if self._clips is None:
            return None
        infant, is_same = f"infant-{self._infant.value}", self._session.infant == self._infant.value
        before = self._clips.stored(infant, start)
        if self._clips.keep(label, infant, start, stop, is_in_memory=is_same) is None:
            return None
        return partial(self._clips.restore, infant, start, before)

    def _forget(self, _change: Any = None) -> None:
        if self._clips:
            self._clips.forget()

    def _show(self, _change: Any = None) -> None:
        """Read the infants anew, and the chosen one's days where they are looked at."""
        if words := self.aside(self._look):
            self._days.children = (ipywidgets.HTML(f"<p>{words}</p>"),)

    def _look(self) -> None:
        zone = local_zone()
        states = self._live.states if isinstance(self._live, LiveAnalysis) else []
        shown, self._days.children = self._days.children, ()
        try:
            self._infants.look()
            if self._tabs.selected_index == TITLES.index("Days"):
                days = Dashboard(self.log, states, zone=zone, keep=self._keep, aside=self.aside)
                self._days.children = (days,)
        except (InputError, StoreUnavailable) as error:
            words = f"<p>{html.escape(sentence(error))}</p>"
            self._days.children = (ipywidgets.HTML(words),)
        for widget in shown:
            widget.close()


class _Infants(ipywidgets.VBox):
    """The infants of a page, with fields and buttons for what a caregiver can change."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._list = ipywidgets.HTML()
        self._answers: list[ipywidgets.HTML] = []
        self._invitations, self._answered = ipywidgets.VBox(), self._answer()
        text, hidden = ipywidgets.Text, ipywidgets.Password
        passwords = ("Old password", "New password", "New password again")
        rows = [
            self._part("Another infant", {"Name": text}, {"Add an infant": page.add}),
            self._part(
                "Who else cares for the infant above",
                {"Caregiver": text},
                {
                    "Share the infant above with": page.share,
                    "Stop sharing the infant above with": page.unshare,
                },
            ),
            self._part(
                "Your password",
                dict.fromkeys(passwords, hidden),
                {"Set my password": page.set_password},
            ),
            self._part("No longer here", {}, {"Remove the infant above": self._remove}),
        ]
        super().__init__([self._list, self._invitations, self._answered, *rows])

    def look(self) -> None:
        """List infants, their caregivers and invitations; what was answered is out of date."""
        self._say("")
        lines = "".join(
            f"<li>{html.escape(log.name)}: {html.escape(', '.join(log.caregivers()))}</li>"
            for log in self._page.infants
        )
        words = f"<ul>{lines}</ul>" if lines else "<p>No infant is there yet.</p>"
        self._list.value = f"<h2>Infants</h2>{words}"
        shown, self._invitations.children = (
            self._invitations.children,
            [self._invitation(*invitation) for invitation in self._page.invitations()],
        )
        for widget in shown:
            widget.close()

    def _invitation(self, log: Log, sender: str) -> ipywidgets.VBox:
        words = f"{html.escape(sender)} wants to share {html.escape(log.name)} with you."
        answers = {
            f"Accept {log.name} from {sender}": partial(self._page.accept, log),
            f"Decline {log.name} from {sender}": partial(self._page.decline, log),
        }
        row = self._row({}, answers, self._answered)
        return _question([ipywidgets.HTML(f"<h2>{words}</h2>"), row])

    def _remove(self) -> str:
        """Remove the chosen infant where that was asked just now; else ask."""
        log = self._page.removable()
        n = int(log.summary("week", "UTC").to_numpy().sum())
        question = (
            f"Tap again to remove {log.name} for good, with {n:,} reading{'s' * (n != 1)} and what"
            " was corrected in them."
        )
        if _paragraph(question) not in [answer.value for answer in self._answers]:
            return question
        log.remove()
        self._page.renew()
        return f"{log.name} is gone, and all that was logged."

    def _part(self, title: str, fields: dict[str, Any], acts: dict[str, Any]) -> ipywidgets.VBox:
        """Return fields by their labels, and buttons that call something with what is in them.

        The answer appears below the buttons.
        """
        answer = self._answer()
        heading = ipywidgets.HTML(f"<h2>{title}</h2>")
        return _question([heading, self._row(fields, acts, answer), answer])

    def _row(
        self, fields: dict[str, Any], acts: dict[str, Any], answer: ipywidgets.HTML
    ) -> ipywidgets.HBox:
        texts = [kind(description=label, style=WIDE) for label, kind in fields.items()]
        buttons = [
            ipywidgets.Button(description=words, layout=ipywidgets.Layout(width="auto"))
            for words in acts
        ]
        for button, act in zip(buttons, acts.values(), strict=True):
            button.on_click(lambda _button, act=act: self._press(act, texts, answer))
        shows = [ipywidgets.HTML(SHOW)] if ipywidgets.Password in fields.values() else []
        return ipywidgets.HBox([*texts, *shows, *buttons], layout=WRAP)

    def _answer(self) -> ipywidgets.HTML:
        answer = ipywidgets.HTML()
        answer.add_class("cry-answer")
        self._answers.append(answer)
        return answer

    def _press(self, act: Any, texts: list[ipywidgets.Text], answer: ipywidgets.HTML) -> None:
        if words := self._page.aside(lambda: self._do(act, texts, answer)):
            answer.value = _paragraph(words)

    def _do(self, act: Any, texts: list[ipywidgets.Text], answer: ipywidgets.HTML) -> None:
        try:
            words = act(*(text.value for text in texts)) or "Done."
            for text in texts:
                text.value = ""
        except (InputError, StoreUnavailable) as error:
            words = sentence(error)
        self._say(words, answer)

    def _say(self, words: str, answer: ipywidgets.HTML | None = None) -> None:
        """Show words in this answer, and nothing in the others."""
        for each in self._answers:
            each.value = _paragraph(words) if each is answer else ""


def _question(parts: list[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Return parts below one another as a group that is named by the first."""
    group = ipywidgets.VBox(parts)
    group.add_class("cry-question")
    return group


def _paragraph(words: str) -> str:
    return f"<p>{html.escape(words)}</p>"


def show() -> None:
    """Display the page of the caregiver whose ticket is in CRYUTILS_TICKET."""
    from IPython.display import display

    from cryutils.app import store

    display(Page(store.open(), os.environ["CRYUTILS_TICKET"]))


def _evidence() -> str:
    """Return what the kept run measured of the sound model, as a sentence; "" without a run."""
    path = project_dir() / "outputs" / "reference" / "judged" / "results.json"
    wanted = ("cry2.balanced_accuracy", "infant", "donateacry")
    for row in read_results(path) if path.is_file() else []:
        if (row.key, row.split, row.data) == wanted:
            low, high = (100 * (end or 0) for end in (row.low, row.high))
            return (
                f"<p>Measured on {row.n} recordings of {row.n_infants} infants in DonateACry"
                " that the sound model had not met: the four states were recognised in"
                f" {100 * row.value:.0f} % [{low:.0f}, {high:.0f}]"
                " (balanced accuracy; guessing comes to 25 %).</p>"
            )
    return ""
