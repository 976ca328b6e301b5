"""The files of a corpus: downloaded, checked and found again; the host is on this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from cryutils.datasets.donateacry import FILES as CORPUS
from cryutils.errors import InputError

pytestmark = pytest.mark.usefixtures("apart")

IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"

# A server with 120 made-up recordings.
FILES = {f"hungry/{IOS}-{1430742000 + i}-1.0-m-04-hu.wav": bytes([i]) * 2000 for i in range(120)}
FIRST, *_, LAST = FILES
FOLDER = "donateacry-corpus-6baf5ac/donateacry_corpus_cleaned_and_updated_data/"


def packed(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """Return an archive as GitHub's, with other files before the recordings."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in {"../ios/a.caf": b"cry" * 999, **files}.items():
            member = tarfile.TarInfo(FOLDER + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isfile() else None)
    return stream.getvalue()


@pytest.fixture
def host(apart, monkeypatch) -> Iterator[SimpleNamespace]:
    """A server of the archive: what it answers, and how often it was asked."""
    rows = [
        f"donateacry/{name},{hashlib.sha256(content).hexdigest()},{len(content)}"
        for name, content in FILES.items()
    ]
    (apart / "project" / "data").mkdir(parents=True)
    registry = "\n".join(["file,sha256,size", *rows, ""])
    (apart / "project" / "data" / "registry.csv").write_text(registry)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("NO_PROXY", "*")
    host = SimpleNamespace(archive=packed(FILES), status=200, asked=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked += 1
            self.send_response(host.status)
            self.send_header("Content-Length", str(len(host.archive)))
            self.end_headers()
            if host.status == 200:
                self.wfile.write(host.archive)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setattr(CORPUS, "archive_url", f"http://127.0.0.1:{server.server_port}/a.tar.gz")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield host
        server.shutdown()
        thread.join()


def content_of(root: Path) -> dict[str, bytes]:
    """Return every file in `root`, hidden ones too."""
    files = (path for path in root.rglob("*") if not path.is_dir())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_one_archive_brings_all_checked(host, apart) -> None:
    root = CORPUS.fetch()
    assert root == apart / "cache" / "donateacry"
    assert content_of(root) == FILES
    assert {path.stat().st_mode & 0o044 for path in root.rglob("*.wav")} == {0o044}
    assert CORPUS.fetch() == root
    assert host.asked == 1, "what is complete is not asked for again"
    (root / FIRST).write_bytes(FILES[FIRST][:7])
    assert CORPUS.find() is None
    assert content_of(CORPUS.fetch()) == FILES


def test_a_busy_host_is_named_with_the_remedies(host) -> None:
    host.status = 429
    with pytest.raises(InputError) as caught:
        CORPUS.fetch()
    for part in ("127.0.0.1: HTTP 429", "120 of 120 files are missing", "CRYUTILS_DATA_DIR"):
        assert part in str(caught.value)


def test_only_intact_files_of_the_corpus_are_unpacked(host, apart) -> None:
    link, outside = (tarfile.TarInfo(FOLDER + name) for name in (FIRST, "../../../../outside.wav"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    link.size = outside.size = 2000
    some = {name: content for name, content in FILES.items() if name not in (FIRST, LAST)}
    host.archive = packed(some | {LAST: b"?" * 2000}, link, outside)
    before = {path for path in apart.rglob("*") if "cache" not in path.parts}
    with pytest.raises(InputError, match=f"it sent no intact {FIRST}.*2 of 120 files"):
        CORPUS.fetch()
    assert content_of(apart / "cache" / "donateacry") == some
    assert {path for path in apart.rglob("*") if "cache" not in path.parts} == before


def test_offline_nothing_is_asked_for(host, monkeypatch) -> None:
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    with pytest.raises(InputError, match=r"CRYUTILS_OFFLINE is set.*CRYUTILS_DATA_DIR"):
        CORPUS.fetch()
    assert host.asked == 0
