"""The application's server against whoever is not logged in, or logged in and curious."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sqlite3
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket
from requests.cookies import RequestsCookieJar

pytest.importorskip("voila", reason="Voilà is not installed, so there is no server to test")
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from refusals import mistake
from served import (
    HANG_S,
    PASSWORD,
    Served,
    Visitor,
    messages,
    replies,
    send,
    served,
    until,
    widgets,
)

from cryutils.app import serve, store
from cryutils.app.connections import Site
from cryutils.app.kernels import MESSAGES, PAGES

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOWHERE = "00000000-0000-0000-0000-000000000000"
SECRET = "what no kernel may know"
Command = Callable[..., tuple[int, str, str]]
UNIX = pytest.mark.skipif(sys.platform != "linux", reason="/proc shows a process's environment")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two caregivers."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "voila.py").write_text(f"open({str(folder / 'executed')!r}, 'w')\n")
    with served(
        folder, "--proxy", "127.0.0.1", DATABASE_PASSWORD=SECRET, JUPYTER_TOKEN="token"
    ) as server:
        for name in ("ann", "ben"):
            server.store.users.add(name, PASSWORD)
        yield server


@pytest.fixture(scope="module")
def ann(server: Served) -> Visitor:
    """Ann, logged in, with a page open: `ann.kernel`."""
    return visitor(server, "ann")


@pytest.fixture(scope="module")
def ben(server: Served) -> Visitor:
    return visitor(server, "ben")


def visitor(server: Served, name: str) -> Visitor:
    somebody = Visitor(server)
    assert somebody.log_in(name).status_code == 302
    somebody.kernel = somebody.open_page()
    return somebody


def refused(somebody: Visitor, kernel: str, **options: object) -> int:
    """Connect with a kernel in vain; return the answer's status."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        somebody.socket(kernel, **options)
    return caught.value.status_code


def shown(somebody: Visitor) -> str:
    """What the widgets of a caregiver's page hold."""
    with closing(somebody.socket(somebody.kernel)) as connection:
        return json.dumps(widgets(connection))


# Whoever is not logged in


def routes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """An address of each route that the web application has, by its own account."""
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    before = signal.getsignal(signal.SIGTERM)
    made = serve.server(store.open(f"sqlite:///{folder / 'store.db'}"), [], None, Site())
    signal.signal(signal.SIGTERM, before)
    made.init_settings()
    patterns = [handler[0] for handler in made.init_handlers()]
    addresses = [
        re.sub(r"\(\?P<kernel_id>[^)]*\)", NOWHERE, pattern).replace("(.*)", "lab/static/voila.js")
        for pattern in patterns
    ]
    assert not [address for address in addresses if set(address) & set("()*?\\")]
    return addresses


def test_every_route_is_closed_to_whoever_is_not_logged_in(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger, opened = Visitor(server), []
    addresses = routes(monkeypatch, tmp_path)
    assert {"/", "/login", "/logout"} < set(addresses)
    for address in addresses:
        for method in METHODS:
            answer = stranger.request(method, address)
            to_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login")
            if answer.status_code != 403 and not to_login:
                opened.append((method, address, answer.status_code))
    assert opened == [("GET", "/login", 200)]


def test_no_token_in_an_address_and_no_unsigned_cookie_is_a_login(
    server: Served, ann: Visitor
) -> None:
    stranger = Visitor(server)
    for address in ("/?token=token", "/?token=", f"/?password={PASSWORD}"):
        assert stranger.get(address).status_code == 302
    (name,) = [name for name in ann.cookies.get_dict() if name.startswith("username")]
    stranger.cookies.set(name, ann.cookies[name][:-4] + "0000")
    assert stranger.get("/").status_code == 302


def test_wrong_password_and_unknown_user_are_answered_alike(server: Served) -> None:
    answers = [
        Visitor(server, "192.0.2.1").log_in(name, "a wrong password")
        for name in ("ann", "nobody", "' OR 1=1 --", "<b>ann</b>", "an\x00n", "ä" * 10_000, "")
    ]
    assert {answer.status_code for answer in answers} == {401}
    texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert len(texts) == 1


def test_a_form_from_another_site_does_nothing(server: Served, ann: Visitor) -> None:
    stranger = Visitor(server)
    form = {"name": "ann", "password": PASSWORD}
    assert stranger.post("/login", data=form).status_code == 403
    assert ann.post("/logout").status_code == 403
    assert ann.post("/logout", data={"_xsrf": "a guess"}).status_code == 403
    assert ann.post(f"/voila/api/shutdown/{ann.kernel}").status_code == 403
    assert ann.get(f"/api/kernels/{ann.kernel}").status_code == 200


# Whoever is logged in


def test_there_is_no_other_notebook_file_or_terminal(server: Served, ann: Visitor) -> None:
    headers = {"X-XSRFToken": ann.cookies["_xsrf"]}
    for address in ("/api/contents", "/api/terminals", "/files/live.ipynb", "/lab", "/tree",
                    "/voila/render/live.ipynb", "/voila/execution/" + NOWHERE):  # fmt: skip
        statuses = {ann.request(method, address, headers=headers).status_code for method in METHODS}
        assert statuses == {404}, address


def test_no_path_leads_out_of_the_assets(server: Served, ann: Visitor) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in ann.cookies.items())
    folders = ("static", "templates/lab/static", "labextensions", "api/themes")
    for folder, up in product(folders, ("../", "..%2f", "%2e%2e/", "..%5c")):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=HANG_S)
        path = f"/voila/{folder}/{up * 12}etc/passwd"  # sent as it is, unlike by requests
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.status >= 400
        assert b"root:" not in answer.read()


def test_nothing_but_messages_of_widgets_reaches_a_kernel(server: Served, ann: Visitor) -> None:
    proof = server.folder / "executed"
    connection = ann.socket(ann.kernel)
    code = f"open({str(proof)!r}, 'w')"
    kinds = ("execute_request", "debug_request", "complete_request", "history_request",
             "input_reply", "interrupt_request", "shutdown_request")  # fmt: skip
    assert not set(kinds) & set(MESSAGES)
    forged = {
        send(connection, kind, channel=channel, code=code, silent=False, value=code, cursor_pos=4)
        for kind, channel in product(kinds, ("shell", "control", "stdin"))
    }
    for target in ("jupyter.widget", "other", None):  # a page makes no widgets of its own
        forged.add(send(connection, "comm_open", comm_id="new", target_name=target, data={}))
    asked = send(connection, "kernel_info_request")
    assert not forged & {parent for _, parent, _ in replies(connection, asked)}
    connection.close()
    assert not proof.exists()


def test_what_is_no_message_ends_the_websocket_and_nothing_else(
    server: Served, ann: Visitor
) -> None:
    logged = len(server.log)
    for message in (b"", b"\xff" * 8, b"\x06" + bytes(99), "text",
                    serialize_msg_to_ws_v1([b"["] * 4, "shell")):  # fmt: skip
        connection = ann.socket(ann.kernel)
        connection.send(message, 1 if isinstance(message, str) else 2)
        deque(messages(connection))
    assert ann.get(f"/api/kernels/{ann.kernel}").status_code == 200
    assert "Traceback" not in server.log[logged:]
    assert refused(ann, ann.kernel, subprotocols=None) == 403, "another protocol"


def test_nobody_reaches_another_s_kernel(ann: Visitor, ben: Visitor) -> None:
    headers = {"X-XSRFToken": ben.cookies["_xsrf"]}
    address = f"/api/kernels/{ann.kernel}"
    assert ben.get(address).status_code == 403
    assert ben.request("DELETE", address, headers=headers).status_code == 403
    assert ben.post(f"/voila/api/shutdown/{ann.kernel}", headers=headers).status_code == 403
    assert refused(ben, ann.kernel) == refused(Visitor(ben.server), ann.kernel) == 403
    assert ann.get(address).status_code == 200


def test_who_is_in_a_kernel_is_not_for_the_client_to_say(server: Served) -> None:
    ann = Visitor(server)
    ann.log_in("ann")
    names = ("X-Forwarded-User", "X-Remote-User", "Remote-User", "User", "CRYUTILS_TICKET")
    ann.headers.update(dict.fromkeys(names, "ben") | {"Authorization": "token token"})
    ann.kernel = ann.open_page("/?user=ben&CRYUTILS_TICKET=ben&template=reveal&theme=../x")
    assert "Logged in as ann." in shown(ann)


def test_pages_may_ask_no_other_site_and_stand_in_none(server: Served) -> None:
    policy = Visitor(server).get("/login").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@UNIX
def test_a_kernel_knows_its_ticket_and_none_of_the_server_s_secrets(
    server: Served, ann: Visitor
) -> None:
    environment = server.kernels()[ann.kernel].environ()
    assert server.store.logins.user(environment["CRYUTILS_TICKET"]) == "ann"
    assert SECRET not in environment.values()
    assert not {name for name in environment if name.startswith(("JUPYTER", "QUERY", "HTTP"))}


def test_a_caregiver_s_pages_end_one_too_many_one_left_and_the_rest_with_their_login(
    server: Served,
) -> None:
    server.store.users.add("cleo", PASSWORD)
    somebody, later = Visitor(server), Visitor(server)
    somebody.log_in("cleo")
    later.log_in("cleo")
    logins = [*[somebody] * (PAGES - 1), later, later]
    opened = [login.open_page() for login in logins]
    asked = zip(logins, opened, strict=True)
    codes = [login.get(f"/api/kernels/{kernel}").status_code for login, kernel in asked]
    assert codes == [403] + [200] * PAGES
    until(lambda: opened[0] not in server.kernels(), "the oldest gives way")
    assert set(opened[1:]) <= set(server.kernels())

    headers = {"X-XSRFToken": somebody.cookies["_xsrf"]}
    answer = somebody.post(f"/voila/api/shutdown/{opened[1]}", headers=headers)
    assert answer.status_code == 204
    until(lambda: opened[1] not in server.kernels(), "the page was left")
    assert set(opened[2:]) <= set(server.kernels())

    cookies, connection = somebody.cookies.copy(), somebody.socket(opened[2])
    assert somebody.submit("/logout").headers["Location"] == "/login"
    over(server, somebody, cookies, connection, opened[2:3])
    assert set(opened[3:]) <= set(server.kernels())

    cookies, connection = later.cookies.copy(), later.socket(opened[3])
    with sqlite3.connect(server.folder / "store.db") as database:
        database.execute("UPDATE logins SET expires = 0 WHERE user = 'cleo'")
    over(server, later, cookies, connection, opened[3:])


def over(
    server: Served, somebody: Visitor, cookies: RequestsCookieJar,
    connection: websocket.WebSocket, pages: list[str],
) -> None:  # fmt: skip
    """Assert that with a login its cookies, websocket and kernels have ended."""
    deque(messages(connection))  # they come to an end: the server has closed the websocket
    until(lambda: not set(pages) & set(server.kernels()), "its processes have ended")
    somebody.cookies = cookies
    assert somebody.get("/").status_code == 302
    assert somebody.get(f"/api/kernels/{pages[0]}").status_code == 403
    assert refused(somebody, pages[0]) == 403


def test_a_login_in_another_s_place_ends_the_first(server: Served) -> None:
    somebody = Visitor(server)
    somebody.log_in("ann")
    cookies = somebody.cookies.copy()
    assert somebody.submit("/logout", "/login", name="ben", password=PASSWORD).status_code == 302
    somebody.cookies = cookies
    assert somebody.get("/").status_code == 302


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_cookie_is_for_this_site_s_pages_alone(server: Served, scheme: str) -> None:
    somebody = Visitor(server)
    somebody.headers["X-Forwarded-Proto"] = scheme
    cookie = somebody.log_in("ann").headers["Set-Cookie"]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    assert ("; Secure" in cookie) == (scheme == "https")


# Start and end


def test_a_store_that_fails_is_said_so_and_used_again_when_it_can_be(
    server: Served, ann: Visitor
) -> None:
    with closing(sqlite3.connect(server.folder / "store.db")) as database:
        database.execute("ALTER TABLE logins RENAME TO elsewhere")
        try:
            answer = ann.get("/")
        finally:
            database.execute("ALTER TABLE elsewhere RENAME TO logins")
    assert answer.status_code == 503
    assert "The log can't be reached just now." in answer.text
    assert ann.get(f"/api/kernels/{ann.kernel}").status_code == 200


def model(outputs: Path, run: str) -> None:
    """Make a run that seems to have a model, and has no card of it."""
    folder = outputs / run / "models"
    folder.mkdir(parents=True)
    (folder / "cry2.tflite").touch()


def test_an_option_that_cannot_be_used_is_named_in_a_line(apart: Path, command: Command) -> None:
    model(apart / "outputs", "quick")
    with socket.create_server(("127.0.0.1", 0)) as other:
        for options, words in (
            (("--run", "quik"), "outputs/quik: no models here. Did you mean quick?"),
            (("--port", str(other.getsockname()[1])), "in use"),
            (("--host", "203.0.113.7"), "203.0.113.7, port 0"),
            (("--name", "http://baby.local/"), "--name http://baby.local/"),
            (("--proxy", "nginx"), "--proxy nginx"),
        ):
            assert words in mistake(command("serve", "--port", "0", *options))


def test_the_log_of_the_server_holds_no_secret(server: Served, ann: Visitor) -> None:
    somebody = Visitor(server)
    somebody.log_in("ann", "a wrong password")
    somebody.log_in("ann")
    somebody.get(f"/nowhere?password={PASSWORD}&ticket=in-a-query")
    somebody.get(f"/api/kernels/{NOWHERE}?token=in-a-query")
    ann.socket(ann.kernel).close()
    cookies = "|".join([*ann.cookies.values(), *somebody.cookies.values()])
    secrets = [part for part in re.split(r"[|:]", cookies) if len(part) > 20]
    somebody.submit("/logout")
    assert "404 GET /nowhere" in server.log
    for secret in (PASSWORD, "a wrong password", "in-a-query", "$argon2", SECRET, *secrets):
        assert secret not in server.log


def test_on_this_machine_a_proxy_names_the_client_s_address(server: Served) -> None:
    answers = [Visitor(server, f"198.51.100.{i}").log_in("ben", "wrong") for i in range(6)]
    assert {answer.status_code for answer in answers} == {401}


# What is left after a kill


def test_a_killed_server_s_logins_last_and_its_kernels_end(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert "Nobody can log in yet" in server.log
        server.store.users.add("ann", PASSWORD)
        caregiver = Visitor(server)
        assert caregiver.log_in("ann").status_code == 302
        caregiver.open_page()
        secret = tmp_path / "data" / "cryutils" / "cookie-secret"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        kernels = list(server.kernels().values())
        server.process.kill()
        server.process.wait()
    for kernel in kernels:
        kernel.wait(timeout=HANG_S)
    with served(tmp_path, "--port", str(urlsplit(server.url).port)) as server:
        assert "Nobody" not in server.log
        assert "ann" in caregiver.get("/logout").text, "still logged in"


def test_the_terminal_names_what_trains_models_and_settings_beside_it_are_not_executed(
    server: Served,
) -> None:
    until(lambda: "`cryutils run 04_cry2 05_image` trains" in server.log, "the hint")
    assert (server.folder / "voila.py").exists()
    assert not (server.folder / "executed").exists()
