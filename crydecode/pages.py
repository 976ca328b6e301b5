"""The application's pages after the login, rendered by the server. Paper B §3, Figures 2 to 6."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import metadata
from io import StringIO
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import segno
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from crydecode import diary
from crydecode.alarm import AGAIN_S, DELAY_S
from crydecode.diary import CRY, HELPED, MISSED, NOTES, ONE_DAY, Day
from crydecode.login import form, log_in, log_out, own_path
from crydecode.store import Log, StoreUnavailable, transfer
from crydecode.store.accounts import LINK_S
from crydecode.store.threads import ask
from cryutils import words
from cryutils.errors import InputError
from cryutils.inference.readings import actions
from cryutils.widgets.clip_view import asset

HERE = Path(__file__).parent
TEMPLATES = Jinja2Templates([HERE / "templates", HERE / "static"])
EXPORT_S = 600.0  # that an export, and the study's month of readings, may take
EARLY = timedelta(minutes=5)  # the clock of a phone may be ahead
RECENT_S, DAY_S = 2 * 3600.0, 86_400.0  # of lines on the live page and in question at night; of a sheet
STUDY_DAYS = 30  # whose cries are compared with what helped
MORNING, EVENING = 7, 19  # hours of the clock; between them, pages are as light as the phone asks
_OWNER, _NAME = metadata("cryutils")["Project-URL"].split("/")[-2:]
SITE = "" if _OWNER == "OWNER" else f"https://{_OWNER}.github.io/{_NAME}/"  # "" if it is not published


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return a page for the browser that asks."""
    state = request.app.state
    about = {"user": request.scope.get("user"), "film": state.film is not None, "models": state.models}
    about["path"] = request.url.path
    return TEMPLATES.TemplateResponse(request, template, about | context, status)


async def refuse(request: Any, error: Any) -> Response | None:
    """Return the page for a request that can't be answered, by its exception."""
    if isinstance(request, WebSocket):
        await request.close()
        return None
    texts = {
        403: ("Please try again", "This page was open for too long, or the login has ended."),
        404: ("There is no such page", "The address may be mistyped."),
        503: ("The diary is unavailable right now", getattr(error, "advice", "")),
    }
    status = 503 if isinstance(error, StoreUnavailable) else getattr(error, "status_code", 400)
    title, why = texts.get(status, ("That did not work", "Go back and try again."))
    why = str(error) if isinstance(error, InputError) else why
    return page(request, "error.html", status=status, title=title, why=why)


async def chosen(request: Request) -> tuple[list[Log], Log | None]:
    """Return all infants' logs, and the one that the address names, by default the first."""
    logs = await ask(request.app.state.store.infants)
    by_id = {str(log.id): log for log in logs}
    return logs, by_id.get(request.query_params.get("infant") or next(iter(by_id), ""))


def of_infant(show: Callable[..., Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return a page about an infant; without any, it leads to adding one."""

    async def shown(request: Request) -> Response:
        logs, log = await chosen(request)
        if log is None and logs:
            why = "The diary was deleted, or the address is mistyped."
            return page(request, "error.html", status=404, title="There is no such baby", why=why)
        if log is None:
            return RedirectResponse("/babies", 303)
        return await show(request, logs, log)

    return shown


async def first(request: Request) -> Response:
    """Lead to the page that caregivers use most, of the baby that the address names."""
    return RedirectResponse(f"/night?{request.url.query}".rstrip("?"), 303)


async def plain(request: Request, logs: list[Log], log: Log) -> Response:
    """Show /about, what the application can do and what not (Figure 2), or /more, all other pages."""
    return page(request, f"{request.url.path[1:]}.html", logs=logs, log=log, site=SITE)


async def night(request: Request, logs: list[Log], log: Log) -> Response:
    """Show what another device hears, and ring."""
    lines = await ask(log.lines, time.time() - DAY_S)
    newest = {line.what: line for line in lines if line.corrected != words.NO_CRY}
    at, cry = {what: line.start for what, line in newest.items()}, newest.get(CRY)
    state = max(("awake", "asleep"), key=lambda what: at.get(what, 0.0))
    is_open = cry is not None and cry.corrected is None and cry.stop > time.time() - RECENT_S
    last = [f"last cry {diary.clock(cry.start)}"] if cry and not is_open else []
    last += [f"{state} since {diary.clock(at[state])}"] if state in at else []
    ago_s = time.time() - at.get("fed", 0.0)
    ago = "just now" if ago_s < 60 else f"{words.spent(max(ago_s, 120))} ago"
    last += [f"last fed {ago}"] if "fed" in at else []
    about: dict[str, Any] = {"delay": DELAY_S, "again": AGAIN_S, "newest": newest.values(), "at": at}
    about |= {"sleeps": state == "asleep", "last": " · ".join(last[::-1]), "cry": cry if is_open else None}
    return page(request, "night.html", logs=logs, log=log, **about)


async def live(request: Request, logs: list[Log], log: Log) -> Response:
    """Show the live analysis (Figures 3 to 5); at /lines, only its lines, which an open page replaces."""
    lines = await ask(log.lines, time.time() - RECENT_S)
    return page(request, f"{request.url.path[1:]}.html", logs=logs, log=log, lines=lines[::-1])


async def show_diary(request: Request, logs: list[Log], log: Log) -> Response:
    """Show the last days, or one, from noon to noon (Figure 6)."""
    asked, when = request.query_params, None
    with suppress(ValueError):
        named = date.fromisoformat(asked.get("day", ""))
        when = named if 1970 < named.year < 2242 else None
    days = await _days(log, 1 if when else 14 if asked.get("days") == "14" else 7, when)
    back = f"/diary?infant={log.id}&" + (f"day={when}" if when else f"days={len(days)}")
    about: dict[str, Any] = {"days": days, "when": when, "back": back, "today": date.today()}
    return page(request, "diary.html", logs=logs, log=log, **about)


async def _days(log: Log, n: int, newest: date | None = None) -> list[Day]:
    first = await ask(log.day, newest)
    return [first, *[await ask(log.day, first.start - k * ONE_DAY) for k in range(1, n)]]


async def sheet(request: Request, logs: list[Log], log: Log) -> Response:
    """Show the last 24 hours or seven days on a page to print, for a clinic."""
    now, is_week = time.time(), request.query_params.get("days") == "7"
    days = await _days(log, 7) if is_week else [await ask(log.period, now - DAY_S, now)]
    return page(request, "sheet.html", logs=logs, log=log, days=days, printed=datetime.now())


async def study(request: Request, logs: list[Log], log: Log) -> Response:
    """Show what the models said, next to what helped, and the advice by state (Figures 3 to 5)."""
    now = time.time()
    lines = await ask(log.lines, now - STUDY_DAYS * DAY_S, limit_s=EXPORT_S)
    cries = [line for line in lines if line.what == CRY][::-1]
    states: tuple[str, ...] = next((part.classes for part in request.app.state.models), ())
    run = next((line.run for line in cries if line.helped), "")  # answers of two runs are not mixed
    score = diary.score([line for line in cries if line.run == run], states)
    about = {"days": STUDY_DAYS, "advice": actions(), "states": states}
    newest = [line for line in cries if line.stop > now - DAY_S]
    return page(request, "study.html", logs=logs, log=log, cries=newest, score=score, about=about)


async def say(request: Request) -> Response:
    """Log what a caregiver says: what helped after a cry, a missed cry, a note, or undo."""
    fields = await form(request)
    log = await ask(request.app.state.store.infant, fields.get("infant", ""))
    what, _, number = fields.get("what", "").partition("-")
    verdict = fields.get("verdict", "").strip()[:40]
    if what == "undo":
        task = partial(log.undo, fields.get("of", ""), *_span(fields))
    elif what in (CRY, MISSED) and verdict and not number:
        task = partial(log.say, what, *_span(fields), verdict)
    elif re.fullmatch(r"\d{1,15}", number) and what in (*NOTES, MISSED):
        at = _moment(fields)
        task = partial(log.say, what, at, at, verdict, int(number))
    else:
        raise HTTPException(400)
    await ask(task)
    return RedirectResponse(own_path(fields.get("back", f"/diary?infant={log.id}")), 303)


async def babies(request: Request) -> Response:
    """Show the infants; add one, or remove one with its whole diary."""
    store = request.app.state.store
    if request.method == "POST":
        fields = await form(request)
        if "name" in fields:
            log = await ask(store.add_infant, fields["name"])
            return RedirectResponse(f"/?infant={log.id}", 303)
        log = await ask(store.infant, fields.get("infant", ""))
        if fields.get("sure") != "yes":
            raise HTTPException(400)
        await ask(log.remove)
        return RedirectResponse("/babies", 303)
    logs, log = await chosen(request)
    return page(request, "babies.html", logs=logs, log=log)


async def another_phone(request: Request) -> Response:
    """Show how to set up another phone; after a tap, with a code that logs it in once."""
    store, phones, (_, log) = request.app.state.store, request.app.state.phones, await chosen(request)
    pages, link = phones.pages if phones else str(request.base_url), ""
    if request.method == "POST":
        await form(request)
        token = await ask(store.logins.link, request.scope["user"], LINK_S)
        link = f"{pages}login?link={token}"
    about = {"phones": phones, "pages": pages, "link": link, "minutes": LINK_S // 60}
    return page(request, "phone.html", log=log, **about)


async def export(request: Request, logs: list[Log], log: Log) -> Response:
    """Send an infant's diary as a CSV file."""
    await ask(transfer.write, [log], table := StringIO(), limit_s=EXPORT_S)
    name = {"Content-Disposition": f'attachment; filename="diary-{date.today()}.csv"'}
    return Response(table.getvalue(), headers=name, media_type="text/csv")


async def widget(request: Request) -> Response:
    """Send the script or the style of the live widget."""
    name = request.url.path.rpartition("/")[2]
    return Response(asset(name), media_type=guess_type(name)[0])


async def film(request: Request) -> Response:
    """Send the film of a demonstration."""
    return FileResponse(request.app.state.film)


OF_INFANT = {"night": night, "about": plain, "more": plain, "live": live, "lines": live}
OF_INFANT |= {"diary": show_diary, "sheet": sheet, "study": study, "export": export}
ROUTES = [
    Route("/login", log_in, methods=["GET", "POST"]),
    Route("/logout", log_out, methods=["POST"]),
    Route("/", first),
    *(Route(f"/{name}", of_infant(show)) for name, show in OF_INFANT.items()),
    Route("/say", say, methods=["POST"]),
    Route("/babies", babies, methods=["GET", "POST"]),
    Route("/phone", another_phone, methods=["GET", "POST"]),
    *(Route(f"/static/live.{kind}", widget) for kind in ("css", "js")),
    Mount("/static", StaticFiles(directory=HERE / "static")),
]


def _span(fields: dict[str, str]) -> tuple[float, float]:
    try:
        return float(fields["start"]), float(fields["stop"])
    except (KeyError, ValueError) as error:
        raise HTTPException(400) from error


def _moment(fields: dict[str, str]) -> float:
    """Return the local time in a form, as in 2026-01-31T22:45, or now. Raises InputError for a later one."""
    now = datetime.now()
    try:
        at = datetime.fromisoformat(fields.get("at") or now.isoformat()).replace(tzinfo=None)
    except ValueError as error:
        raise HTTPException(400) from error
    if at > now + EARLY:
        raise InputError("This time has not come yet. Choose an earlier one.")
    return min(at, now).timestamp()


# What every template and macro can use.
TEMPLATES.env.globals |= {"clock": diary.clock, "datetime": datetime, "helped": HELPED, "notes": NOTES}
TEMPLATES.env.globals |= {"ONE_DAY": ONE_DAY, "draw": segno.make_qr, "words": words}
TEMPLATES.env.globals["number"] = partial(secrets.randbits, 48)
TEMPLATES.env.globals["is_evening"] = lambda: not MORNING <= datetime.now().hour < EVENING
TEMPLATES.env.globals["parts"] = TEMPLATES.get_template("parts.html").module  # its macros use all these
