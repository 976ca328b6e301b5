"""DonateACry's names, registry and download; the hosts are stand-ins on this machine."""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cryutils import load
from cryutils._io import download as downloading
from cryutils.datasets import donateacry as corpus
from cryutils.errors import InputError

Command = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("apart")

IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"


def test_an_ios_name_gives_its_time_in_seconds() -> None:
    parts = corpus.parse_name(f"{IOS}-1430742197-1.0-m-04-hu.caf")
    assert parts == corpus.FileName(IOS.lower(), 1430742197.0, "m", "0-4 weeks", "hungry")


def test_an_android_name_gives_its_time_in_milliseconds() -> None:
    parts = corpus.parse_name("549a46d8-9c84-430e-ade8-97eae2bef787-1430130772174-1.7-f-48-bp.wav")
    assert parts.start_s == 1430130772.174
    assert (parts.sex, parts.age, parts.reason) == ("f", "4-8 weeks", "belly_pain")


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
    parts = corpus.parse_name(name)
    assert parts.infant == "cf7f6316-019b-4b3c-9ee1-a62eb5f1d0ee"
    assert parts.start_s == start_s
    assert (parts.sex, parts.age, parts.reason) == ("f", "2-6 months", "tired")


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


# GitHub and the mirror: one server on this machine, with 120 made-up recordings.

FILES = {
    f"{label}/{IOS}-{1430742000 + i}-1.0-m-04-{code}.wav": random.Random(i).randbytes(2000)
    for i, (label, code) in enumerate([("hungry", "hu")] * 60 + [("tired", "ti")] * 60)
}
FIRST, *_, LAST = FILES
ARCHIVE = "/archive.tar.gz"
FOLDER = "donateacry-corpus-6baf5ac/donateacry_corpus_cleaned_and_updated_data/"


def packed(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """Return an archive as GitHub's: the uploads come first, then the cleaned recordings."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", pax_headers={"comment": "6baf5ac"}) as archive:
        paths = {FOLDER + name: content for name, content in files.items()}
        for path, content in {"donateacry-corpus-6baf5ac/ios/a.caf": b"cry" * 999, **paths}.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isfile() else None)
    return stream.getvalue()


class Host:
    """What the server has by path, how it fails at it, and the list of what it was asked for."""

    def __init__(self) -> None:
        self.files = {ARCHIVE: packed(FILES)}
        self.files |= {f"/mirror/{name}": content for name, content in FILES.items()}
        self.asked: list[str] = []
        self.refusals: Iterator[int] = iter(())  # statuses that the archive is refused with
        self.cut: int | None = None  # bytes after which the archive breaks off
        self.hangs = False  # rather than breaking off
        self.ended = threading.Event()

    def without_mirror(self) -> None:
        self.files = {ARCHIVE: self.files[ARCHIVE]}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        content = self.files.get(request.path)
        status = 200 if content else 404
        if request.path == ARCHIVE:
            status = next(self.refusals, status)
        request.send_response(status)
        request.send_header("Content-Length", str(len(content or b"")))
        request.end_headers()
        if status == 200:
            request.wfile.write((content or b"")[: self.cut if request.path == ARCHIVE else None])
            if self.hangs and request.path == ARCHIVE:
                self.ended.wait()


@pytest.fixture
def host(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    rows = [
        f"donateacry/{name},{hashlib.sha256(content).hexdigest()},{len(content)}"
        for name, content in FILES.items()
    ]
    (apart / "project" / "data").mkdir(parents=True)
    registry = "\n".join(["file,sha256,size", *rows, ""])
    (apart / "project" / "data" / "registry.csv").write_text(registry)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("NO_PROXY", "*")
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setattr(
            corpus, "ARCHIVE_URL", f"http://127.0.0.1:{server.server_port}{ARCHIVE}"
        )
        monkeypatch.setattr(corpus, "MIRROR_URL", f"http://localhost:{server.server_port}/mirror/")
        monkeypatch.setattr(corpus, "RETRIES", 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield host
        host.ended.set()
        server.shutdown()
        thread.join()


def content_of(root: Path) -> dict[str, bytes]:
    """Return every file in `root`, hidden ones too."""
    files = (path for path in root.rglob("*") if not path.is_dir())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_one_archive_brings_all_checked_and_reported(host: Host, apart: Path) -> None:
    reports: list[tuple[int, int]] = []
    root = corpus.fetch(report=lambda done, total: reports.append((done, total)))
    assert root == apart / "cache" / "donateacry"
    assert content_of(root) == FILES
    assert host.asked == [ARCHIVE]
    assert len(reports) > 1 and reports == sorted(reports)
    assert {total for _, total in reports} == {corpus.ARCHIVE_BYTES}
    assert {path.stat().st_mode & 0o044 for path in root.rglob("*.wav")} == {0o044}


def test_the_command_says_whom_it_asks_and_where_the_files_are(
    host: Host, command: Command, apart: Path
) -> None:
    code, out, err = command("data", "fetch", "donateacry")
    assert (code, err) == (0, "Connecting to 127.0.0.1; given up after 1 attempts of 10 s.\n")
    assert out.startswith(f"DonateACry: {apart / 'cache' / 'donateacry'}\nLicence: Open Database")
    assert command("data", "check", "donateacry")[0] == 0


def test_what_is_complete_is_asked_for_once(host: Host) -> None:
    assert corpus.fetch() == corpus.fetch()
    assert host.asked == [ARCHIVE]


def test_a_few_files_are_asked_for_one_by_one(host: Host) -> None:
    reports: list[tuple[int, int]] = []
    root = corpus.fetch([LAST, FIRST], report=lambda done, total: reports.append((done, total)))
    assert host.asked == [f"/mirror/{LAST}", f"/mirror/{FIRST}"]
    assert content_of(root) == {name: FILES[name] for name in (FIRST, LAST)}
    assert reports == [(2000, 4000), (4000, 4000)]
    assert corpus.find([LAST]) == root
    assert corpus.find() is None


def test_a_few_files_come_from_the_archive_where_the_mirror_has_none(host: Host) -> None:
    host.without_mirror()
    assert content_of(corpus.fetch([LAST])) == {LAST: FILES[LAST]}
    assert host.asked == [f"/mirror/{LAST}", ARCHIVE]


def test_a_file_cut_short_in_the_cache_is_fetched_again(host: Host) -> None:
    root = corpus.fetch()
    (root / FIRST).write_bytes(FILES[FIRST][:7])
    host.asked.clear()
    corpus.fetch()
    assert host.asked == [f"/mirror/{FIRST}"]
    assert content_of(root) == FILES


def test_a_busy_host_is_asked_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "RETRIES", 1)
    host.refusals = iter([503])
    assert content_of(corpus.fetch()) == FILES
    assert host.asked == [ARCHIVE] * 2


def test_a_host_that_stays_busy_is_left_to_the_mirror_else_named_with_the_code_and_the_remedy(
    host: Host,
) -> None:
    host.refusals = itertools.repeat(429)
    lines: list[str] = []
    corpus.fetch(announce=lines.append)
    assert lines[1].startswith("127.0.0.1: HTTP 429 Too Many Requests")
    assert lines[2].startswith("Connecting to localhost;")
    shutil.rmtree("cache")
    host.without_mirror()
    with pytest.raises(InputError) as caught:
        corpus.fetch()
    message = str(caught.value)
    for part in ("127.0.0.1: HTTP 429 Too Many Requests", "wait an hour or use another network",
                 "localhost: HTTP 404 Not Found", "120 of 120 files are missing",
                 "CRYUTILS_DATA_DIR", "cryutils data fetch donateacry"):  # fmt: skip
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("cause", ["the connection failed", "no answer within 0.5 s"])
def test_an_archive_that_breaks_off_or_stops_is_replaced_by_the_mirror(
    host: Host, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    host.cut, host.hangs = len(host.files[ARCHIVE]) // 2, cause.startswith("no answer")
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        # Only the archive hangs, so the mirror has all the time it needs on a busy machine.
        patient = not host.hangs or "localhost" in line
        monkeypatch.setattr(downloading, "TIMEOUT_S", 600.0 if patient else 0.5)

    assert content_of(corpus.fetch(announce=announce)) == FILES
    assert lines[1].startswith(f"127.0.0.1: {cause}")
    assert host.asked == [ARCHIVE, *(f"/mirror/{name}" for name in FILES)]


def test_what_came_before_a_failure_stays_and_the_rest_is_fetched_later(
    host: Host, apart: Path
) -> None:
    archive, last = host.files.pop(ARCHIVE), host.files.pop(f"/mirror/{LAST}")
    with pytest.raises(InputError, match="1 of 120 files are missing"):
        corpus.fetch()
    assert content_of(apart / "cache" / "donateacry").keys() == FILES.keys() - {LAST}
    host.files |= {ARCHIVE: archive, f"/mirror/{LAST}": last}
    host.asked.clear()
    assert content_of(corpus.fetch()) == FILES
    assert host.asked == [f"/mirror/{LAST}"]


def test_a_wrong_byte_costs_that_file_alone(host: Host, apart: Path) -> None:
    wrong = b"?" + FILES[LAST][1:]
    host.files[ARCHIVE] = packed(FILES | {LAST: wrong})
    good = host.files[f"/mirror/{LAST}"]
    host.files[f"/mirror/{LAST}"] = wrong
    with pytest.raises(InputError, match=f"127.0.0.1: it sent no intact {LAST}") as caught:
        corpus.fetch()
    assert f"localhost: {LAST.split('/')[1]} is damaged, its checksum is wrong" in str(caught.value)
    root = apart / "cache" / "donateacry"
    assert content_of(root) == {name: FILES[name] for name in FILES if name != LAST}
    host.files[f"/mirror/{LAST}"] = good
    assert content_of(corpus.fetch()) == FILES


def test_nothing_else_is_unpacked_from_an_archive(host: Host, apart: Path) -> None:
    link, large, outside = (
        tarfile.TarInfo(FOLDER + name) for name in (FIRST, LAST, "../../../../outside.wav")
    )
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    link.size, large.size, outside.size = 2000, 2001, 2000
    some = {name: content for name, content in FILES.items() if name not in (FIRST, LAST)}
    host.files[ARCHIVE] = packed(some, link, large, outside)
    before = {path for path in apart.rglob("*") if "cache" not in path.parts}
    lines: list[str] = []
    assert content_of(corpus.fetch(announce=lines.append)) == FILES
    assert lines[1] == f"127.0.0.1: it sent no intact {FIRST}."
    assert host.asked == [ARCHIVE, f"/mirror/{FIRST}", f"/mirror/{LAST}"]
    assert {path for path in apart.rglob("*") if "cache" not in path.parts} == before


def test_a_page_instead_of_an_archive_is_named(host: Host) -> None:
    host.files = {ARCHIVE: b"<html>Sign in to the school's network</html>"}
    with pytest.raises(InputError, match=r"127\.0\.0\.1: what it sent is no intact archive"):
        corpus.fetch()


def unreachable() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_without_a_network_the_line_names_both_ways(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "ARCHIVE_URL", unreachable())
    monkeypatch.setattr(corpus, "MIRROR_URL", unreachable())
    with pytest.raises(InputError) as caught:
        corpus.fetch()
    message = str(caught.value)
    assert message.count("127.0.0.1: the connection failed (ConnectionError)") == 2
    assert "CRYUTILS_DATA_DIR" in message
    assert "cryutils data fetch donateacry" in message
    assert "\n" not in message


def test_offline_asks_the_network_for_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    with pytest.raises(InputError, match=r"CRYUTILS_OFFLINE is set.*CRYUTILS_DATA_DIR"):
        corpus.fetch()
    assert host.asked == []


def test_offline_uses_what_is_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    root = corpus.fetch()
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    assert corpus.fetch() == root


def test_a_cache_that_cannot_be_written_is_named_before_anything_is_sent(
    host: Host, apart: Path
) -> None:
    (apart / "cache").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="CRYUTILS_CACHE_DIR"):
        corpus.fetch()
    assert host.asked == []


def test_a_disk_without_room_is_named(host: Host, apart: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # below a recording's size
    try:
        with pytest.raises(InputError, match=r"cache/donateacry \(.*CRYUTILS_CACHE_DIR") as caught:
            corpus.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert content_of(apart / "cache" / "donateacry") == {}


def test_a_file_that_the_registry_lacks_is_a_near_miss(host: Host) -> None:
    for take in (corpus.fetch, partial(load, "donateacry")):
        with pytest.raises(InputError, match=f"registry. Did you mean {FIRST}?"):
            take(files=[FIRST[:-4] + ".wave"])
    assert host.asked == []


def test_the_data_folder_comes_before_the_cache_and_is_never_written(
    host: Host, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.fetch()
    (apart / "data" / "donateacry").mkdir(parents=True)
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(apart / "data"))
    host.asked.clear()
    assert corpus.fetch() == apart / "data" / "donateacry"
    assert list((apart / "data" / "donateacry").iterdir()) == []
    assert host.asked == []


def test_check_names_what_is_missing_and_what_was_changed(host: Host) -> None:
    root = corpus.fetch()
    (root / FIRST).unlink()
    (root / LAST).write_bytes(bytes(2000))
    counts: list[int] = []
    wrong = dict(corpus.check(root, report=lambda done, total: counts.append(done)))
    assert set(wrong) == {FIRST, LAST}
    assert wrong[FIRST] == "missing"
    assert "sha256" in wrong[LAST]
    assert counts == list(range(1, 121))


def test_every_real_file_has_its_checksum(donateacry: Path) -> None:
    assert corpus.find() == donateacry
    assert corpus.check(donateacry) == []


# A host that says nothing


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a host that accepts connections and never answers."""
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as host:
        yield f"http://127.0.0.1:{host.getsockname()[1]}/"


def test_a_host_that_never_answers_is_announced_and_given_up_after_the_stated_time(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (corpus, downloading):
        monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(corpus, "ARCHIVE_URL", silent)
    monkeypatch.setattr(corpus, "MIRROR_URL", silent)
    lines: list[str] = []
    with pytest.raises(InputError, match=r"no answer within 0\.2 s.*CRYUTILS_DATA_DIR") as caught:
        corpus.fetch(announce=lines.append)
    connecting = "Connecting to 127.0.0.1; given up after 2 attempts of 0.2 s."
    assert lines == [connecting, "127.0.0.1: no answer within 0.2 s."] * 2
    assert "\n" not in str(caught.value)


SCRIPT = """
import signal, sys
from cryutils._io import download
from cryutils.course import cli
from cryutils.datasets import donateacry
signal.signal(signal.SIGINT, signal.default_int_handler)
donateacry.ARCHIVE_URL, download.TIMEOUT_S = sys.argv[1], 600.0
cli.main(["data", "fetch", "donateacry"])
"""


def test_ctrl_c_during_a_download_ends_it_and_leaves_nothing_half_written(
    host: Host, apart: Path
) -> None:
    host.cut, host.hangs = len(host.files[ARCHIVE]) // 2, True
    root = apart / "cache" / "donateacry"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, corpus.ARCHIVE_URL], stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        while run.poll() is None and not any(content_of(root).values()):
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert line == "Connecting to 127.0.0.1; given up after 2 attempts of 10 s.\n"
    assert run.returncode == 130
    assert rest.strip() == "cryutils: stopped; the same command goes on where it was."
    assert content_of(root) == {}
