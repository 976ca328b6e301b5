"""What every page keeps: it needs a login, says names as text, has its headers and refuses in a line.

The application answers here without a server, on SQLite.
"""

import csv
import io
import re
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient
from trained_run import Trained, change_card

from crydecode import pages, serve
from crydecode.store import Store
from cryutils.inference.readings import Reading

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROB")
FILES = [f"/static/{path.name}" for path in (pages.HERE / "static").iterdir()]
ROUTES = [route.path for route in pages.ROUTES if isinstance(route, Route)] + FILES
OF_INFANT = [f"/{name}" for name in pages.OF_INFANT]
SHOWN = [path for path in (*OF_INFANT, "/babies") if path != "/export"]
MARKUP = '<script>alert("1")</script>\u05d0'
RIGHT = {"name": "demo", "password": "demo's password"}


@pytest.fixture
def stranger(store: Store) -> TestClient:
    app = serve.application(store, ["testserver"], run=None)
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def ann(store: Store, stranger: TestClient) -> TestClient:
    """A caregiver who is logged in."""
    caregiver = TestClient(stranger.app, follow_redirects=False)
    caregiver.cookies.set("login-80", store.logins.begin("demo"))
    return caregiver


def submit(client: TestClient, form: str, path: str, **fields: str) -> tuple[int, str, str]:
    """Send a form of the page `form`; return status, text and where the answer leads."""
    assert 'method="post"' in client.get(form).text
    answer = client.post(path, data=fields, headers={"Origin": str(client.base_url).rstrip("/")})
    return answer.status_code, answer.text, answer.headers.get("Location", "")


@pytest.mark.parametrize("path", [*ROUTES, "/listen", "/nowhere", "/static/", "/static/serve.py"])
def test_a_page_is_closed_to_strangers_and_has_its_headers(path: str, stranger: TestClient) -> None:
    is_public = path == "/login" or path.startswith("/static/")
    for method in METHODS:
        answer = stranger.request(method, path)
        to_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login?next=")
        if is_public and method in ("GET", "HEAD"):
            assert answer.status_code == (200 if path in ROUTES else 404), method
        else:
            assert to_login or answer.status_code in (403, 405), method
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "http" not in policy and "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store", "not shown again after the logout"
        assert "Strict-Transport-Security" not in answer.headers
    secure = TestClient(stranger.app, base_url="https://testserver", follow_redirects=False)
    assert "Strict-Transport-Security" in secure.get(path).headers
    for host in ("evil.example", "testserver.evil.example"):
        assert stranger.get(path, headers={"Host": host}).status_code == 400
    if not is_public:
        for forged in ("a" * 43, "' OR 1=1 --", "a" * 4000):
            assert stranger.get(path, headers={"Cookie": f"login-80={forged}"}).status_code == 302


@pytest.mark.parametrize(("hour", "asks_phone"), [(3, False), (12, True), (20, False)])
def test_pages_are_dark_from_evening_to_morning_and_else_as_the_phone(
    hour: int, asks_phone: bool, stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "datetime", SimpleNamespace(now=lambda: datetime(2026, 1, 1, hour)))
    assert ('<html lang="en" class="evening">' in stranger.get("/login").text) != asks_phone


@pytest.mark.parametrize("path", SHOWN)
def test_a_page_says_names_as_text_and_links_to_its_infant(path: str, ann: TestClient, store: Store) -> None:
    log, other = store.add_infant(MARKUP), store.add_infant("Lou")
    now = time.time()
    log.append(log.begin(), [Reading(now - 60, MARKUP, {MARKUP: 0.9})])
    log.say("cry", now - 60, now - 60, f"not {MARKUP}")
    log.say("fed", now, now)
    answer = ann.get(f"{path}?infant={log.id}")
    assert answer.status_code == 200 and "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text and "<bdi>" in answer.text
    for link in re.findall(r'(?:href|value)="(/[^"]*)"', answer.text):
        is_free = path == "/babies" or link.startswith("/static") or link == f"/live?infant={other.id}"
        assert is_free or f"infant={log.id}" in link, link
    if path in OF_INFANT:
        assert log.name not in ann.get(f"{path}?infant={other.id}").text


@pytest.mark.parametrize("path", OF_INFANT)
def test_a_page_of_a_missing_infant_leads_on(path: str, ann: TestClient, store: Store) -> None:
    assert ann.get(path).headers["Location"] == "/babies"
    log = store.add_infant("Mia")
    assert ann.get(path).status_code == 200
    store.add_infant("Lou")
    log.remove()
    answer = ann.get(f"{path}?infant={log.id}")
    assert answer.status_code == 404 and "no such baby" in answer.text


WRONG = [
    ("/babies", {"name": "a\0b"}),
    ("/babies", {"name": "x" * 65}),
    ("/babies", {"infant": "{infant}"}),  # not sure
    ("/say", {"what": "cry", "start": "1800000000", "stop": "1800000001"}),
    ("/say", {"what": "undo", "start": "nan", "stop": "1"}),
    ("/say", {"what": "cry", "verdict": "pain", "start": "1e308", "stop": "1e308"}),
    ("/say", {"what": "cry", "verdict": "pain", "start": "-1", "stop": "9"}),
    ("/say", {"what": "cry", "verdict": "pain", "start": "946684801", "stop": "4102444000"}),
    ("/say", {"what": "missed cry-1", "at": "tomorrow"}),
    ("/say", {"what": "fed-1", "at": "2099-01-01T10:00"}),
    ("/say", {"what": "fed-" + "9" * 400}),
    ("/say", {"what": "fed", "infant": "9" * 4000}),
]


@pytest.mark.parametrize(("path", "fields"), WRONG)
def test_a_mistake_is_a_line(path: str, fields: dict[str, str], ann: TestClient, store: Store) -> None:
    infant = str(store.add_infant("Mia").id)
    fields = ({"infant": infant} if path == "/say" else {}) | fields
    filled = {name: text.format(infant=infant) for name, text in fields.items()}
    status, text, _ = submit(ann, "/babies", path, **filled)
    assert status == 400 and len(text) < 4000 and "Traceback" not in text
    assert store.infant("Mia").lines() == []


@pytest.mark.parametrize("path", ["/login", "/logout", "/say", "/babies", "/phone"])
def test_a_form_of_another_site_does_nothing(path: str, ann: TestClient, store: Store) -> None:
    store.add_infant("Mia")
    for origin in ("http://evil.example", "null", "https://testserver", "http://testserver.evil", None):
        headers = {"Origin": origin} if origin else {}
        assert ann.post(path, data={"name": "Kim"}, headers=headers).status_code == 403
    assert [log.name for log in store.infants()] == ["Mia"]
    assert ann.get("/more").status_code == 200


def test_what_a_caregiver_says_is_in_the_diary_until_it_is_undone(ann: TestClient, store: Store) -> None:
    log, now = store.add_infant("Kim"), time.time() - 600
    log.append(
        log.begin(), [Reading(now + i / 2, "hungry", {"hungry": 0.62, "tired": 0.38}) for i in range(20)]
    )
    page, infant = f"/diary?infant={log.id}", str(log.id)
    text = ann.get(page).text
    assert (
        "probably hungry" not in text and "probably hungry, 62 %" in ann.get(f"/study?infant={infant}").text
    )
    (start,), (stop,) = (
        set(re.findall(f'name="{name}" value="([^"]+)"', text)) for name in ("start", "stop")
    )
    span = {"infant": infant, "start": start, "stop": stop}
    for what, is_said in (("cry", True), ("undo", False)):
        status, _, place = submit(ann, page, "/say", what=what, of="cry", verdict="feed", back=page, **span)
        assert (status, place) == (303, page)
        assert ("<strong>a feed helped" in ann.get(page).text) == is_said
        assert ("<em>Fed</em>" in ann.get(f"/night?infant={infant}").text) == is_said, "noted apart"
    for button in re.findall(r'value="(nappy-\d+|missed cry-\d+)"', text):
        for _ in range(2):  # a double tap
            submit(ann, page, "/say", what=button, infant=infant)
    submit(ann, page, "/say", what="cry", verdict="nappy", **span)
    assert "<em>Nappy</em>" not in ann.get(f"/night?infant={infant}").text, "it is noted"
    assert log.lines()[0].helped == "nappy"
    log.say("cry", float(start), float(stop), "hungry")  # as an earlier version asked
    missed = next(line for line in log.lines() if line.what == "missed cry")
    about_it = {"infant": infant, "start": str(missed.start), "stop": str(missed.stop)}
    for verdict in ("nothing", "cuddle"):
        submit(ann, page, "/say", what="missed cry", verdict=verdict, **about_it)
    text = ann.get(page).text
    assert text.count("<bdi>Nappy changed<") == 2 and "this was right" in text, (
        "just now, and the other button"
    )
    assert text.count("a cry that was missed") == 1 and "<strong>a cuddle helped" in text
    answer = ann.get(f"/export?infant={infant}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    exported = [(row["what"], row["corrected"], row["helped"]) for row in rows]
    nappies = [("nappy", "", "")] * 2
    assert sorted(exported) == [("cry", "hungry", ""), ("missed cry", "", "cuddle"), *nappies]
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_note_may_have_another_time(ann: TestClient, store: Store) -> None:
    log, now = store.add_infant("Kim"), datetime.now()
    for hours in (3, 30):
        at = (now - timedelta(hours=hours)).replace(second=0, microsecond=0)
        note = {"at": at.isoformat(timespec="minutes"), "what": f"fed-{hours}"}
        assert submit(ann, "/diary", "/say", infant=str(log.id), **note)[0] == 303
        assert datetime.fromtimestamp(log.lines()[0].start) == at
    ahead = (now + timedelta(minutes=3)).isoformat(timespec="minutes")  # of a phone whose clock is fast
    assert submit(ann, "/diary", "/say", infant=str(log.id), at=ahead, what="fed-9")[0] == 303
    assert log.lines()[-1].start <= time.time()


def test_a_sheet_has_the_times_of_a_day_and_says_what_it_is_not(ann: TestClient, store: Store) -> None:
    log, now = store.add_infant("Kim"), time.time()
    log.append(log.begin(), [Reading(now - 7200 + i / 2, "hungry", {"hungry": 0.9}) for i in range(600)])
    log.say("fed", now - 3600, now - 3600)
    log.say("fed", now - 100_000, now - 100_000)  # before the last day
    text = ann.get(f"/sheet?infant={log.id}&days=1").text
    fed, cried = (f"{datetime.fromtimestamp(now - ago):%H:%M}" for ago in (3600, 7200.5))
    assert f"Feeds: {fed}." in text and f"Cries: {cried} (5 min)." in text
    assert "Not a medical device" in text and "97 of 100" in text and "hungry" not in text
    week = ann.get(f"/sheet?infant={log.id}&days=7").text
    assert week.count("<section") == 7 and len(re.findall("<strong>[^<]*feeds: 1", week)) == 2


def test_a_baby_is_added_and_removed(ann: TestClient, store: Store) -> None:
    for name in ("Mia", "Tom"):
        _, _, place = submit(ann, "/babies", "/babies", name=name)
        assert f"<bdi>{name}</bdi>" in ann.get(place, follow_redirects=True).text
    infant = str(store.infant("Tom").id)
    assert submit(ann, "/babies", "/babies", infant=infant, sure="yes")[0] == 303
    assert [log.name for log in store.infants()] == ["Mia"]


def test_pages_show_the_models_score(ann: TestClient, store: Store, trained: Trained, tmp_path: Path) -> None:
    log, now = store.add_infant("Mia"), time.time()
    for ago, answers in ((9000, ["feed"]), (6000, ["feed", "sleep"]), (3000, ["nothing"])):
        heard = [Reading(now - ago + i / 2, "hungry", {"hungry": 0.9}) for i in range(20)]
        log.append(log.begin("mine"), heard)
        for answer in answers:
            log.say("cry", now - ago, now - ago + 9, answer)
    score = {"clips": 77, "infants": 13, "guessing": 0.25, "most_common": "tired", "share": 0.62}
    score["metrics"] = {"balanced_accuracy": {"value": 0.31, "low": 0.27, "high": 0.36}}
    run = shutil.copytree(trained.run, tmp_path / "mine")
    change_card(run / "models", "cry2", data="mine", note="my own infants", score=score)
    client = TestClient(serve.application(store, ["testserver"], run=run), cookies=ann.cookies)
    for path in ("/live", "/study"):
        shown = re.findall('<p class="figure">(.*?)</p>', client.get(path).text, re.DOTALL)[0]
        assert re.findall(r"\d+", shown) == ["31", "27", "36", "25", "62", "77", "13"]
        assert "tired" in shown and "my own infants" in shown
    compared = re.findall("On this baby right.*?</p>", client.get("/study").text, re.DOTALL)[0]
    assert re.findall(r"\d+", compared) == ["1", "2", "9", "91", "1", "2"]


def test_the_test_of_other_applications_is_linked_where_the_site_is_published(
    ann: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_infant("Mia")
    for site, links in (("", 0), ("https://octo-cat.github.io/cryutils/", 1)):
        monkeypatch.setattr(pages, "SITE", site)
        assert ann.get("/about").text.count(f"{site}translator.html") == links


def test_wrong_password_and_unknown_user_are_answered_alike(stranger: TestClient) -> None:
    names = ("demo", "nobody", "' OR 1=1 --", "<b>demo</b>", "")
    answers = [submit(stranger, "/login", "/login", name=name, password="wrong") for name in names]
    assert {status for status, _, _ in answers} == {401}
    assert len({re.sub(r'value="[^"]*"', "", text) for _, text, _ in answers}) == 1
    for target in ("//evil.example", "/\\evil.example", "javascript:x(1)", "/x%0d%0aSet-Cookie:a=x"):
        status, _, place = submit(stranger, "/login", f"/login?next={target}", **RIGHT)
        assert status == 303 and re.fullmatch(r"/(?![/\\])[!-~]*", place)
        stranger.cookies.clear()


def test_a_login_is_a_cookie_that_another_login_replaces(stranger: TestClient, store: Store) -> None:
    for scheme in ("http", "https"):
        browser = TestClient(stranger.app, base_url=f"{scheme}://testserver", follow_redirects=False)
        answer = browser.post("/login", data=RIGHT, headers={"Origin": f"{scheme}://testserver"})
        cookie = answer.headers["Set-Cookie"]
        assert "; HttpOnly" in cookie and "; SameSite=lax" in cookie
        assert ("; Secure" in cookie) == (scheme == "https")
    ticket = next(value for name, value in browser.cookies.items() if name.startswith("login"))
    assert store.logins.user(ticket) == "demo"
    submit(browser, "/login", "/login", name="granny", password="granny's password")
    assert store.logins.user(ticket) is None
    old = TestClient(stranger.app, "https://testserver", cookies=dict(browser.cookies))
    assert old.get("/babies").url.path == "/babies"
    assert submit(browser, "/babies", "/logout")[2] == "/login"
    assert old.get("/babies").url.path == "/login"
