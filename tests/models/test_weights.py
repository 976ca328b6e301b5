"""Where pretrained weights are looked for; the host is a stand-in on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cryutils._io.download import Unavailable
from cryutils.errors import InputError
from cryutils.models import weights
from cryutils.models.weights import Application, WeightsFile

FILE = "tiny_notop.h5"
BYTES = b"weights, or what passes for them here" * 100
TINY = Application("tiny", FILE, hashlib.md5(BYTES).hexdigest())
UNHASHED = Application("tiny", FILE, "")


@pytest.fixture(autouse=True)
def bare(apart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights: an empty Keras cache and no folder named."""
    monkeypatch.setenv("KERAS_HOME", str(apart / "keras"))
    monkeypatch.delenv("CRYUTILS_WEIGHTS_DIR", raising=False)
    monkeypatch.setattr(weights, "HOST", "http://127.0.0.1:9")
    return apart


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the tiny application on the host that the library asks."""
    folder = tmp_path / "host" / "tiny"
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(BYTES)

    class Host(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=str(folder.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(weights, "HOST", f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()
    server.server_close()


def put(folder: Path, data: bytes = BYTES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(data)
    return folder / FILE


def test_the_file_in_keras_own_cache_is_found(bare) -> None:
    path = put(bare / "keras" / "models")
    assert weights.fetch(TINY) == WeightsFile(path, "ImageNet", True)


def test_a_damaged_file_in_keras_cache_is_refused(bare) -> None:
    put(bare / "keras" / "models", BYTES[:-1])
    with pytest.raises(InputError, match=r"tiny_notop\.h5: damaged.*delete"):
        weights.fetch(TINY)


def test_the_folder_that_the_user_named_comes_first(bare, monkeypatch) -> None:
    put(bare / "keras" / "models")
    path = put(bare / "own")
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "own")  # relative to where the command started
    assert weights.fetch(TINY) == WeightsFile(path, "ImageNet", True)


def test_another_file_in_the_users_folder_is_taken_but_not_called_imagenet(
    bare, monkeypatch
) -> None:
    path = put(bare / "own", b"the user's own")
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(bare / "own"))
    words = f"{FILE} in CRYUTILS_WEIGHTS_DIR (not the file that Keras publishes)"
    assert weights.fetch(TINY) == WeightsFile(path, words, False)
    words = f"{FILE} in CRYUTILS_WEIGHTS_DIR (Keras publishes no hash to check it by)"
    assert weights.fetch(UNHASHED) == WeightsFile(path, words, True)


def test_a_named_folder_that_is_none_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", "nowhere")
    for function in (lambda: weights.fetch(TINY), weights.present):
        with pytest.raises(InputError, match=r"CRYUTILS_WEIGHTS_DIR: .*nowhere is no folder"):
            function()


def test_a_named_file_is_told_by_its_hash_or_else_by_its_name(bare) -> None:
    path = put(bare)
    assert weights.named(path, TINY, "mine").words == "ImageNet"
    path.write_bytes(BYTES[::-1])
    assert not weights.named(path, TINY, "mine").imagenet
    assert weights.named(path, UNHASHED, "mine").imagenet
    assert not weights.named(path.rename(bare / "mine.h5"), UNHASHED, "mine").imagenet


@pytest.mark.parametrize("application", [TINY, UNHASHED])
def test_a_download_is_kept_and_found_again(bare, host, application) -> None:
    first = weights.fetch(application, progress=True)
    assert first.path.read_bytes() == BYTES
    assert first.path.is_relative_to(bare / "cache")
    (host / FILE).unlink()
    assert weights.fetch(application) == first == WeightsFile(first.path, "ImageNet", True)


def test_a_download_that_fails_is_not_kept(bare, host, monkeypatch) -> None:
    (host / FILE).write_bytes(b"a page of a hotel's network")
    with pytest.raises(Unavailable, match=f"127.0.0.1: {FILE} is damaged, its checksum is wrong"):
        weights.fetch(TINY)
    monkeypatch.setenv("CRYUTILS_OFFLINE", "1")
    with pytest.raises(Unavailable, match="CRYUTILS_OFFLINE is set"):
        weights.fetch(TINY)
    assert not [path for path in bare.rglob("cache/**/*") if path.is_file()]


def test_a_cache_that_cannot_be_written_is_named(bare, host, monkeypatch) -> None:
    (bare / "file").write_text("in the way")
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(bare / "file"))
    with pytest.raises(InputError, match="set CRYUTILS_CACHE_DIR"):
        weights.fetch(TINY)


def test_files_are_listed_wherever_they_would_be_found(bare, monkeypatch) -> None:
    assert weights.present() == []
    monkeypatch.setenv("CRYUTILS_WEIGHTS_DIR", str(bare / "own"))
    homes = (bare / "own", bare / "keras" / "models", bare / "cache" / "weights")
    files = [put(home) for home in homes]
    (bare / "own" / "imagenet_class_index.json").write_text("{}")
    stamps = [f"{path}:{len(BYTES)}:{path.stat().st_mtime_ns}" for path in files]
    assert weights.present() == sorted(stamps)
