"""The caregiver's page after the login, `Page`, made of ipywidgets only.

Paper B §3 and Figures 3 to 6: live analysis, dashboard, log, and what the application can do. The
ticket that the server gave this kernel identifies the caregiver. The store is asked each time which
infants this caregiver has access to.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets.log import get_logger

from cryutils._io.paths import project_dir
from cryutils.app import demo
from cryutils.app.aside import Aside
from cryutils.app.dashboard import WIDE, WRAP, Dashboard
from cryutils.app.live import LiveAnalysis
from cryutils.app.monitor import Monitor
from cryutils.app.readings import Reading
from cryutils.app.store.accounts import too_many
from cryutils.app.store.log import local_zone
from cryutils.claims.store import read_results
from cryutils.errors import InputError
from cryutils.papers.trained_models import runs_with_models

if TYPE_CHECKING:
    from cryutils.app.store.log import Log
    from cryutils.app.store.opening import Store

__all__ = ["Page", "show"]

SOURCE = "camera and microphone"
TITLES = ("Live", "Days", "Infants", "Limits")
# Handled by the script in passwords.html.
SHOW = "<label class='show-passwords'><input type='checkbox'> Show passwords</label>"
DEMO = """
<p role="note" style="margin: 0.5rem 0 0; padding: 0.5rem 0.75rem; border-left: 4px solid #b36b00">
<strong>Demonstration with synthetic sound and pictures.</strong> A program made the infant that you
hear and see and the earlier days in the log. Press Start. Everything is deleted at the end.</p>
"""
NO_MODELS = """
<h2>Live analysis</h2>
<p>The live analysis can't start yet, because no models have been trained.
Ask the person who runs this server: the instructions are in its terminal.</p>
"""
LIMITS = """
<h2>What this can do</h2>
<p>It can tell crying from many other sounds. It names the most likely state, or says that it is
unsure, and keeps a log. Nothing leaves the server that you logged in to. Sound and pictures are
analysed and then deleted; the log has only words and numbers.</p>
<h2>What this can't do</h2>
<p><strong>It is not a medical device</strong>, and it can't tell you why a baby cries. Whatever it
says, a crying baby needs somebody: go to the baby. Get help if the crying won't stop, or if
anything worries you.</p>
<p>The models were trained on computer-made infants, or on recordings whose labels nobody checked.
In 39,201 cries of 24 babies recorded at home, neither machine learning nor trained listeners
reliably recognised the cause (Lockhart-Bouron et al. 2023).</p>
"""


class Page(ipywidgets.VBox):
    """Live analysis, dashboard, infants, and limits, for the caregiver with this ticket.

    The ticket and the access to infants are checked each time, so nothing is shown after a logout,
    nor about an infant that is no longer shared. Raises InputError for an invalid ticket.
    """

    def __init__(self, store: Store, ticket: str) -> None:
        self.store, self._ticket = store, ticket
        self.aside = Aside(is_brief=lambda: self.is_listening)
        name = html.escape(self.caregiver)
        head = f"<h1>Cry diary</h1><p>Logged in as {name}. <a href='logout'>Log out</a></p>"
        top = ipywidgets.HTML(head, layout=ipywidgets.Layout(flex="1 1 20rem"))
        top.add_class("cry-top")
        self._infant = ipywidgets.Dropdown(description="Infant", style=WIDE)
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
        bar = ipywidgets.HBox([top, self._infant], layout=WRAP)
        super().__init__([*note, bar, self._tabs], layout=layout)

    @property
    def caregiver(self) -> str:
        """The name of the caregiver, if still logged in."""
        if (name := self.store.logins.user(self._ticket)) is None:
            raise InputError("Your login has ended; log in again.")
        return name

    @property
    def log(self) -> Log:
        """The chosen infant's log, if the caregiver still has access to it."""
        if self._infant.value is None:
            raise InputError("No infant is chosen: choose one above, or add one under Infants.")
        return self.store.infants.infant(self._infant.value, user=self.caregiver)

    @property
    def is_listening(self) -> bool:
        """Whether the live analysis is running; the infant can't be changed meanwhile."""
        return bool(self._infant.disabled)

    def renew(self, chosen: int | None = None) -> None:
        """List the caregiver's infants again, and choose the infant number `chosen`, if given.

        Infants shared by other caregivers come last and are never chosen automatically.
        """
        user = self.caregiver
        logs, senders = self.store.infants.all(user=user), self.store.infants.senders(user=user)
        others = {log.id: [name for name in log.caregivers() if name != user] for log in logs}
        shared = [log for log in logs if log.id in senders and others[log.id]]
        home = [log for log in logs if log not in shared]
        home.sort(key=lambda log: bool(others[log.id]))  # unshared infants come first
        options: list[tuple[str, int | None]] = []
        for log in home:
            suffix = f" (with {', '.join(others[log.id])})" if others[log.id] else ""
            options.append((f"{log.name}{suffix}", log.id))
        if shared and not home:
            options = [("Choose an infant", None)]
        # The name is last, so that a long one can't hide the sender.
        options += [(f"from {senders[log.id] or 'somebody'}: {log.name}", log.id) for log in shared]
        before = self._infant.value if chosen is None or self.is_listening else chosen
        self._infant.options = options
        if options:
            ids = [number for _, number in options]
            self._infant.value = before if before in ids else ids[0]
        self._show()

    def _listener(self) -> ipywidgets.Widget:
        run = os.environ.get("CRYUTILS_LIVE_RUN") or None  # from `cryutils serve --run`
        try:
            monitor = Monitor(run)
        except InputError as error:  # no models
            get_logger().warning("the live analysis can't run: %s", error)
            return ipywidgets.HTML(NO_MODELS)
        source = f"{monitor.note}.".replace("_", " ")  # labels contain underscores
        if monitor.run not in runs_with_models("image"):
            source += " The camera is not used: these models only listen."
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
            if infant is None:
                raise InputError("no infant is chosen: choose or add one, then start again")
            log = self.store.infants.infant(infant, user=self.caregiver)
            number = number or log.begin(demo.SOURCE if self._film else SOURCE)
            log.append(number, readings)

        return write

    def _show(self, _change: Any = None) -> None:
        """Read the infants again, and the chosen infant's days if their tab is open."""

        def show(words: str) -> None:
            self._days.children = (ipywidgets.HTML(_paragraph(words)),)

        self.aside(self._look, show)

    def _look(self) -> None:
        shown, self._days.children = self._days.children, ()
        for widget in shown:
            widget.close()
        self._infants.look()
        if self._tabs.selected_index == TITLES.index("Days"):
            states = self._live.states if isinstance(self._live, LiveAnalysis) else []
            days = Dashboard(self.log, states, zone=local_zone(), aside=self.aside)
            self._days.children = (days,)


class _Infants(ipywidgets.VBox):
    """The tab in which a caregiver manages infants, shares and the password."""

    def __init__(self, page: Page) -> None:
        self._page, self._store = page, page.store
        self._list = ipywidgets.HTML()
        self._answers: list[ipywidgets.HTML] = []
        self._invitations, self._answered = ipywidgets.VBox(), self._answer()
        text, hidden = ipywidgets.Text, ipywidgets.Password
        passwords = ("Old password", "New password", "New password again")
        share = {
            "Share the infant above with": self._share,
            "Stop sharing the infant above with": self._unshare,
        }
        parts = [
            self._part("Another infant", {"Name": text}, {"Add an infant": self._add}),
            self._part("Who else cares for the infant above", {"Caregiver": text}, share),
            self._part(
                "Your password",
                dict.fromkeys(passwords, hidden),
                {"Set my password": self._set_password},
            ),
            self._part("No longer here", {}, {"Remove the infant above": self._remove}),
        ]
        super().__init__([self._list, self._invitations, self._answered, *parts])

    def look(self) -> None:
        """List infants, caregivers and invitations again, and clear earlier answers."""
        self._say("")
        user = self._page.caregiver
        lines = "".join(
            f"<li>{html.escape(log.name)}: {html.escape(', '.join(log.caregivers()))}</li>"
            for log in self._store.infants.all(user=user)
        )
        words = f"<ul>{lines}</ul>" if lines else "<p>There are no infants yet.</p>"
        self._list.value = f"<h2>Infants</h2>{words}"
        invitations = self._store.infants.invitations(user=user)
        shown = self._invitations.children
        self._invitations.children = [self._invitation(*each) for each in invitations]
        for widget in shown:
            widget.close()

    def _invitation(self, log: Log, sender: str) -> ipywidgets.VBox:
        words = f"{html.escape(sender)} wants to share {html.escape(log.name)} with you."
        answers = (
            ("Accept", self._store.infants.accept, f"{log.name} is in your list now."),
            ("Decline", self._store.infants.decline, f"{log.name} is not shared with you."),
        )
        acts = {
            f"{verb} {log.name} from {sender}": partial(self._change, act, log, answer)
            for verb, act, answer in answers
        }
        row = self._row({}, acts, self._answered)
        return _question([ipywidgets.HTML(f"<h2>{words}</h2>"), row])

    # The buttons' actions; each returns the answer.

    def _add(self, name: str) -> str:
        self._page.renew(self._store.infants.add(name, user=self._page.caregiver).id)
        return "Done."

    def _share(self, other: str) -> str:
        # The same answer whether or not this user exists.
        words = f"If {other.strip()} has an account here, they will be asked."
        return self._change(self._store.infants.share, self._page.log, words, other)

    def _unshare(self, other: str) -> str:
        words = f"{self._page.log.name} is not shared with {other.strip()} any more."
        return self._change(self._store.infants.unshare, self._page.log, words, other)

    def _change(self, act: Callable[..., None], log: Log, words: str, *other: str) -> str:
        """Change who has access to an infant; return the answer."""
        act(log.id, *other, user=self._page.caregiver)
        self._page.renew()
        return words

    def _remove(self) -> str:
        """Remove the chosen infant if this is the second tap in a row."""
        log, user = self._page.log, self._page.caregiver
        if others := [name for name in log.caregivers() if name != user]:
            raise InputError(f"{log.name} is shared with {', '.join(others)}; stop sharing first.")
        if self._page.is_listening:
            raise InputError(f"The live analysis of {log.name} is running; stop it first.")
        n = int(log.summary("week", "UTC").to_numpy().sum())
        question = (
            f"Tap again to remove {log.name} for good, with {n:,} reading{'s' * (n != 1)} and all"
            " corrections."
        )
        if _paragraph(question) not in [answer.value for answer in self._answers]:
            return question
        log.remove()
        self._page.renew()
        return f"{log.name} has been removed, with everything in the log."

    def _set_password(self, old: str, new: str, again: str) -> str:
        """Set the password and end every login. Guesses are throttled as on the login page."""
        if new != again:
            raise InputError("The new passwords differ; nothing was changed.")
        user, users = self._page.caregiver, self._store.users
        attempt = users.attempt(user, address=f"page of {user}")
        if attempt.wait_s > 0:
            raise InputError(too_many(attempt.wait_s))
        if not users.check(attempt, old):
            raise InputError("The old password is wrong; nothing was changed.")
        users.set_password(user, new)
        return "Your password is changed. Log in with the new one, here and everywhere else."

    # Fields, buttons and answers.

    def _part(self, title: str, fields: dict[str, Any], acts: dict[str, Any]) -> ipywidgets.VBox:
        """Return a heading, fields, buttons whose actions get the fields' values, and an answer."""
        answer = self._answer()
        heading = ipywidgets.HTML(f"<h2>{title}</h2>")
        return _question([heading, self._row(fields, acts, answer), answer])

    def _row(
        self, fields: dict[str, Any], acts: dict[str, Any], answer: ipywidgets.HTML
    ) -> ipywidgets.HBox:
        texts = [kind(description=label, style=WIDE) for label, kind in fields.items()]
        shows = [ipywidgets.HTML(SHOW)] if ipywidgets.Password in fields.values() else []
        buttons = []
        for words, act in acts.items():
            layout = ipywidgets.Layout(width="auto")
            buttons.append(ipywidgets.Button(description=words, layout=layout))
            buttons[-1].on_click(lambda _button, act=act: self._press(act, texts, answer))
        return ipywidgets.HBox([*texts, *shows, *buttons], layout=WRAP)

    def _answer(self) -> ipywidgets.HTML:
        answer = ipywidgets.HTML()
        answer.add_class("cry-answer")
        self._answers.append(answer)
        return answer

    def _press(self, act: Any, texts: list[ipywidgets.Text], answer: ipywidgets.HTML) -> None:
        def task() -> None:
            words = act(*(text.value for text in texts))
            for text in texts:
                text.value = ""
            self._say(words, answer)

        self._page.aside(task, lambda words: self._say(words, answer))

    def _say(self, words: str, answer: ipywidgets.HTML | None = None) -> None:
        """Show words in one answer and clear the others."""
        for each in self._answers:
            each.value = _paragraph(words) if each is answer else ""


def _question(parts: list[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Return a column of widgets, which screen readers treat as a group named by the first."""
    group = ipywidgets.VBox(parts)
    group.add_class("cry-question")
    return group


def _paragraph(words: str) -> str:
    return f"<p>{html.escape(words)}</p>"


def show() -> None:
    """Display the page of the caregiver with the ticket in CRYUTILS_TICKET."""
    from IPython.display import display

    from cryutils.app import store

    display(Page(store.open(), os.environ["CRYUTILS_TICKET"]))


def _evidence() -> str:
    """Return the sound model's score in the reference run as a sentence; "" without that run."""
    path = project_dir() / "outputs" / "reference" / "judged" / "results.json"
    wanted = ("cry2.balanced_accuracy", "infant", "donateacry")
    for row in read_results(path) if path.is_file() else []:
        if (row.key, row.split, row.data) == wanted:
            low, high = (100 * (end or 0) for end in (row.low, row.high))
            return (
                f"<p>Tested on {row.n} recordings of {row.n_infants} infants in DonateACry"
                " that the sound model was not trained on: it recognised the four states in"
                f" {100 * row.value:.0f} % [{low:.0f}, {high:.0f}]"
                " (balanced accuracy; guessing gives 25 %).</p>"
            )
    return ""
