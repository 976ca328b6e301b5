"""The files of a corpus: downloaded, checked and found again; the host is on this machine."""

import hashlib
import io
import random
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

import cryutils
from cryutils.datasets.archives import Files
from cryutils.datasets.other_sounds import ESC10
from cryutils.errors import InputError

pytestmark = pytest.mark.usefixtures("apart")

CONTENT = {f"{label}/{i}.wav": bytes([i]) * 2000 for label in ("hungry", "ios") for i in range(3)}
FIRST, *_, LAST = CONTENT
FOLDER = "corpus-6baf5ac/data/"


def packed(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """Return an archive as GitHub's, in which the folder `ios` has a longer name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in {"../ios/a.caf": b"cry" * 999, **files}.items():
            member = tarfile.TarInfo(FOLDER + name.replace("ios/", "ios-bucket/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isfile() else None)
    return stream.getvalue()


@pytest.fixture
def host(apart, monkeypatch) -> Iterator[SimpleNamespace]:
    """A server: its `archive`, what was `asked` of it, and the corpus' `files`."""
    rows = [f"made/{name},{hashlib.sha256(content).hexdigest()}" for name, content in CONTENT.items()]
    (apart / "project" / "data").mkdir(parents=True)
    (apart / "project" / "data" / "registry.csv").write_text("\n".join(["file,sha256", *rows, ""]))
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("NO_PROXY", "*")
    archive, asked = apart / "host" / "a.tar.gz", []
    archive.parent.mkdir()
    archive.write_bytes(packed(CONTENT))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

        def handle(self) -> None:
            with suppress(ConnectionError):  # of a reader that has enough
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=archive.parent)) as server:
        address = f"http://127.0.0.1:{server.server_port}/a.tar.gz"
        files = Files("made", address, "data/", {"ios-bucket": "ios"})
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield SimpleNamespace(archive=archive, asked=asked, files=files)
        server.shutdown()
        thread.join()


def test_an_archive_is_read_up_to_the_last_missing_file(host) -> None:
    host.archive.write_bytes(
        packed(CONTENT | {"zero/rest.wav": random.Random(0).randbytes(10**6)})[:-500_000]
    )
    assert content_of(host.files.fetch()) == CONTENT


def test_other_sounds_have_their_kind_and_their_maker(host, apart, sound, monkeypatch) -> None:
    """From a small archive like ESC-10's; a file that differs from its checksum is left out."""
    folders = {"004 - Baby cry": "cry", "002 - Rain": "rain"}
    files = {f"{long}/1-{number}-A.wav": number for number, long in enumerate(folders)}
    contents = {file: sound(apart / file, seed=seed).read_bytes() for file, seed in files.items()}
    short = {f"esc10/{folders[f.split('/')[0]]}/{f.split('/')[1]}": c for f, c in contents.items()}
    rows = [f"{file},{hashlib.sha256(content).hexdigest()}" for file, content in short.items()]
    (apart / "project" / "data" / "registry.csv").write_text("\n".join(["file,sha256", *rows, ""]))
    host.archive.write_bytes(packed(contents))
    monkeypatch.setattr(ESC10.files, "archive_url", host.files.archive_url)
    monkeypatch.setattr(ESC10.files, "archive_folder", "data/")
    corpus = cryutils.load("esc10", sound=True)
    assert [(clip.label, clip.infant) for clip in corpus] == [("cry", "0"), ("rain", "1")]
    assert all(clip.duration_s > 0 for clip in corpus)
    corpus[0].path.write_bytes(b"")
    assert [clip.label for clip in cryutils.load("esc10")] == ["rain"]


def content_of(root: Path) -> dict[str, bytes]:
    """Return every file in `root`, hidden ones too."""
    files = (path for path in root.rglob("*") if not path.is_dir())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_one_archive_brings_all_that_is_missing(host, apart) -> None:
    root = host.files.fetch()
    assert root == apart / "cache" / "made"
    assert content_of(root) == CONTENT
    assert {path.stat().st_mode & 0o044 for path in root.rglob("*.wav")} == {0o044}
    assert host.files.fetch() == root
    assert len(host.asked) == 1, "what is complete is not asked for again"
    (root / FIRST).unlink()
    assert host.files.find() is None
    assert content_of(host.files.fetch()) == CONTENT


def test_what_keeps_files_away_is_named_with_the_remedies(host, monkeypatch) -> None:
    remedy = ".*6 of 6 files are missing.*CRYUTILS_DATA_DIR"
    host.archive.write_bytes(b"<html>Sign in")
    with pytest.raises(InputError, match=f"no intact archive{remedy}"):
        host.files.fetch()
    host.archive.unlink()
    with pytest.raises(InputError, match=f"127.0.0.1: HTTP 404{remedy}"):
        host.files.fetch()
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    host.asked.clear()
    with pytest.raises(InputError, match=f"CRYUTILS_OFFLINE is set{remedy}"):
        host.files.fetch()
    assert not host.asked


def test_only_intact_files_of_the_corpus_are_unpacked(host, apart) -> None:
    link, outside = (tarfile.TarInfo(FOLDER + name) for name in (FIRST, "../../../../outside.wav"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    link.size = outside.size = 2000
    some = {name: content for name, content in CONTENT.items() if name not in (FIRST, LAST)}
    host.archive.write_bytes(packed(some | {LAST: b"?" * 2000}, link, outside))
    before = {path for path in apart.rglob("*") if "cache" not in path.parts}
    with pytest.raises(InputError, match=f"it sent no intact {FIRST}.*2 of 6 files"):
        host.files.fetch()
    assert content_of(apart / "cache" / "made") == some
    assert {path for path in apart.rglob("*") if "cache" not in path.parts} == before
