"""DonateACry's names, registry and download; the host is a stand-in on this machine."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cryutils import load
from cryutils.datasets import donateacry as corpus
from cryutils.errors import InputError

pytestmark = pytest.mark.usefixtures("apart")

IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"


def test_an_ios_name_gives_its_time_in_seconds() -> None:
    said = corpus.parse_name(f"{IOS}-1430742197-1.0-m-04-hu.caf")
    assert said == corpus.FileName(IOS.lower(), 1430742197.0, "m", "0-4 weeks", "hungry")


def test_an_android_name_gives_its_time_in_milliseconds() -> None:
    said = corpus.parse_name("549a46d8-9c84-430e-ade8-97eae2bef787-1430130772174-1.7-f-48-bp.wav")
    assert said.start_s == 1430130772.174
    assert (said.sex, said.age, said.reason) == ("f", "4-8 weeks", "belly_pain")


@pytest.mark.parametrize(
    ("name", "start_s"),
    [
        (
            "CF7F6316-019B-4B3C-9EE1-A62EB5F1D0EE-1426957748.47029-1-"
            "0911C8F7-99D0-4A44-BC34-894BA5D83032-f-26-ti.caf.caf",
            1426957748.47029,
        ),
        (
            "CF7F6316-019B-4B3C-9EE1-A62EB5F1D0EE-1426958010-1.0-"
            "96274EC9-99D0-4A44-BC34-894BA5D83032-f-26-ti.caf.caf",
            1426958010.0,
        ),
    ],
)
def test_the_odd_ios_names_of_2015_are_read(name: str, start_s: float) -> None:
    said = corpus.parse_name(name)
    assert said.infant == "cf7f6316-019b-4b3c-9ee1-a62eb5f1d0ee"
    assert said.start_s == start_s
    assert (said.sex, said.age, said.reason) == ("f", "2-6 months", "tired")


@pytest.mark.parametrize(
    ("code", "reason"),
    [("hu", "hungry"), ("bu", "burping"), ("bp", "belly_pain"), ("dc", "discomfort"),
     ("ti", "tired"), ("lo", "lonely"), ("ch", "cold_hot"), ("sc", "scared"),
     ("dk", "dont_know")],
)  # fmt: skip
def test_every_reason_is_known(code: str, reason: str) -> None:
    assert corpus.parse_name(f"{IOS}-1430742197-1.0-m-04-{code}.caf").reason == reason


@pytest.mark.parametrize(
    ("code", "age"),
    [("04", "0-4 weeks"), ("48", "4-8 weeks"), ("26", "2-6 months"),
     ("72", "7 months-2 years"), ("22", "over 2 years")],
)  # fmt: skip
def test_every_age_is_known(code: str, age: str) -> None:
    assert corpus.parse_name(f"{IOS}-1430742197-1.0-m-{code}-hu.caf").age == age


@pytest.mark.parametrize(
    "name",
    [
        "cry.wav",
        f"{IOS}-1430742197-1.0-m-04-hu",
        f"{IOS[:-1]}-1430742197-1.0-m-04-hu.caf",
        f"{IOS}-14307-1.0-m-04-hu.caf",
        f"{IOS}-1430742197-m-04-hu.caf",
        f"{IOS}-1430742197-1.0-m-04-hungry.caf",
        f"copy of {IOS}-1430742197-1.0-m-04-hu.caf",
        "",
    ],
)
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a DonateACry file name"):
        corpus.parse_name(name)


@pytest.mark.parametrize(
    ("part", "match"),
    [("x-04-hu", "sex 'x'"), ("m-99-hu", "age '99'"), ("m-04-zz", "reason 'zz'")],
)
def test_an_unknown_code_is_named_with_the_known_ones(part: str, match: str) -> None:
    with pytest.raises(InputError, match=f"unknown {match}; known are "):
        corpus.parse_name(f"{IOS}-1430742197-1.0-{part}.caf")


def test_the_registry_holds_457_checksums_of_names_that_parse() -> None:
    rows = corpus.registry()
    assert len(rows) == 457
    for name, (sha256, size) in rows.items():
        label, file = name.split("/")
        assert label in corpus.REASONS.values()
        assert corpus.parse_name(file)
        assert len(bytes.fromhex(sha256)) == 32
        assert size > 44
    assert len({sha256 for sha256, _ in rows.values()}) == 457


# A host on this machine that serves three made-up recordings under real-looking names.

FILES = {
    f"hungry/{IOS}-1430742197-1.0-m-04-hu.wav": b"one" * 100,
    f"hungry/{IOS}-1430742300-1.0-m-04-hu.wav": b"two" * 200,
    f"tired/{IOS}-1430742400-1.0-m-04-ti.wav": b"three" * 300,
}
FIRST, SECOND, THIRD = FILES


class Host:
    """A web server with a folder, and the list of what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path.lstrip("/"))
                super().do_GET()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def fetch(self, **options) -> Path:
        return corpus.fetch(base_url=self.url, **options)


@pytest.fixture
def host(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    served = apart / "served"
    rows = ["file,sha256,size"]
    for name, content in FILES.items():
        (served / name).parent.mkdir(parents=True, exist_ok=True)
        (served / name).write_bytes(content)
        rows.append(f"donateacry/{name},{hashlib.sha256(content).hexdigest()},{len(content)}")
    (apart / "project" / "data").mkdir(parents=True)
    (apart / "project" / "data" / "registry.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("NO_PROXY", "*")
    host = Host(served)
    thread = threading.Thread(target=host.server.serve_forever, args=(0.02,))
    thread.start()
    yield host
    host.server.shutdown()
    host.server.server_close()
    thread.join()


def test_a_download_is_checked_kept_and_reported(host: Host, apart: Path) -> None:
    told: list[tuple[int, int]] = []
    root = host.fetch(report=lambda done, total: told.append((done, total)))
    assert root == apart / "cache" / "donateacry"
    assert {name: (root / name).read_bytes() for name in FILES} == FILES
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_is_complete_is_asked_for_once(host: Host) -> None:
    assert host.fetch() == host.fetch()
    assert sorted(host.asked) == sorted(FILES)


def test_some_files_alone_can_be_fetched(host: Host) -> None:
    root = host.fetch(files=[THIRD])
    assert host.asked == [THIRD]
    assert not (root / FIRST).exists()
    assert corpus.find([THIRD]) == root
    assert corpus.find() is None


def test_a_stopped_download_goes_on_where_it_was(host: Host) -> None:
    (host.root / SECOND).rename(host.root / "away")
    with pytest.raises(InputError, match="HTTPError"):
        host.fetch()
    (host.root / "away").rename(host.root / SECOND)
    host.asked.clear()
    root = host.fetch()
    assert host.asked == [SECOND]
    assert corpus.check(root) == []


def test_a_file_cut_short_in_the_cache_is_fetched_again(host: Host) -> None:
    root = host.fetch()
    (root / FIRST).write_bytes(FILES[FIRST][:7])
    host.asked.clear()
    host.fetch()
    assert host.asked == [FIRST]
    assert (root / FIRST).read_bytes() == FILES[FIRST]


def test_what_differs_from_its_sha256_is_refused_and_not_kept(host: Host, apart: Path) -> None:
    (host.root / SECOND).write_bytes(b"2wo" * 200)
    with pytest.raises(InputError, match=f"(?s){SECOND}.*sha256.*not kept"):
        host.fetch()
    root = apart / "cache" / "donateacry"
    assert not (root / SECOND).exists()
    assert corpus.find() is None


def test_an_answer_that_breaks_off_is_not_kept(
    host: Host, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SimpleHTTPRequestHandler.copyfile

    def half(self, source, output) -> None:
        if "1430742400" not in self.path:
            return whole(self, source, output)
        output.write(source.read(70))

    monkeypatch.setattr(SimpleHTTPRequestHandler, "copyfile", half)
    with pytest.raises(InputError, match="donateacry"):
        host.fetch()
    assert not (apart / "cache" / "donateacry" / THIRD).exists()


def unreachable() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_without_a_network_the_line_names_both_ways(host: Host) -> None:
    with pytest.raises(InputError) as caught:
        corpus.fetch(base_url=unreachable())
    message = str(caught.value)
    assert "CRYUTILS_DATA_DIR" in message
    assert "cryutils data fetch donateacry" in message
    assert "\n" not in message


def test_offline_asks_the_network_for_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    with pytest.raises(InputError, match=r"CRYUTILS_OFFLINE is set.*CRYUTILS_DATA_DIR"):
        host.fetch()
    assert host.asked == []


def test_offline_uses_what_is_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    root = host.fetch()
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    assert host.fetch() == root


def test_a_cache_that_cannot_be_written_is_named(host: Host, apart: Path) -> None:
    (apart / "cache").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="CRYUTILS_CACHE_DIR"):
        host.fetch()


def test_a_file_that_the_registry_lacks_is_a_near_miss(host: Host) -> None:
    for take in (host.fetch, partial(load, "donateacry")):
        with pytest.raises(InputError, match=f"registry. Did you mean {FIRST}?"):
            take(files=[FIRST[:-4] + ".wave"])
    assert host.asked == []


def test_the_data_folder_comes_before_the_cache_and_is_never_written(
    host: Host, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.fetch()
    (apart / "data" / "donateacry").mkdir(parents=True)
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(apart / "data"))
    host.asked.clear()
    assert host.fetch() == apart / "data" / "donateacry"
    assert list((apart / "data" / "donateacry").iterdir()) == []
    assert host.asked == []


def test_check_names_what_is_missing_and_what_was_changed(host: Host) -> None:
    root = host.fetch()
    (root / FIRST).unlink()
    (root / THIRD).write_bytes(b"Three" * 300)
    told: list[int] = []
    wrong = dict(corpus.check(root, report=lambda done, total: told.append(done)))
    assert set(wrong) == {FIRST, THIRD}
    assert wrong[FIRST] == "missing"
    assert "sha256" in wrong[THIRD]
    assert told == [1, 2, 3]


def test_every_real_file_has_its_checksum(donateacry: Path) -> None:
    assert corpus.find() == donateacry
    assert corpus.check(donateacry) == []


# A host that says nothing


@pytest.fixture
def silent(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a host that accepts connections and never answers."""
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as host:
        host.bind(("127.0.0.1", 0))
        host.listen()
        yield f"http://127.0.0.1:{host.getsockname()[1]}/"


def test_a_host_that_never_answers_is_announced_and_given_up_after_the_stated_time(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "TIMEOUT_S", 0.2)
    lines: list[str] = []
    with pytest.raises(InputError, match=r"no answer within 0\.2 s.*CRYUTILS_DATA_DIR") as caught:
        corpus.fetch(base_url=silent, announce=lines.append)
    assert lines == ["Connecting to 127.0.0.1; given up after 0.2 s without an answer."]
    assert "\n" not in str(caught.value)


def test_the_command_says_at_once_whom_it_waits_for_and_ctrl_c_ends_it(silent: str) -> None:
    script = f"""
import signal
from cryutils.course import cli
from cryutils.datasets import donateacry
signal.signal(signal.SIGINT, signal.default_int_handler)
donateacry.BASE_URL, donateacry.TIMEOUT_S = {silent!r}, 600.0
cli.main(["data", "fetch", "donateacry"])
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert line == "Connecting to 127.0.0.1; given up after 600 s without an answer.\n"
    assert run.returncode == 130
    assert rest.strip() == "cryutils: stopped; the same command goes on where it was."
