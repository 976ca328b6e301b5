"""An upload button: a file arrives in pieces, is heard and seen, or is answered in one line."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import ipywidgets
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cryutils import audio, plots
from cryutils.app.clip_view import listen
from cryutils.app.upload import UploadButton, sound_upload
from cryutils.audio import spectral, wav_bytes


def draw(name: str, x: np.ndarray) -> Figure:
    figure, ax = plt.subplots(figsize=(4, 2))
    plots.waveform(x, ax, sr=8000).set(title=name)
    return figure


def give(box: ipywidgets.VBox, name: str, content: bytes, *, piece: int = 1 << 20) -> None:
    """Upload `content` as the page's messages do."""
    for at in range(0, len(content) or 1, piece):
        message = {"name": name, "size": len(content), "at": at}
        box.children[0]._handle_custom_msg(message, [memoryview(content[at : at + piece])])


@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".mp4"])
@pytest.mark.parametrize("piece", [1 << 20, 1000])
def test_an_upload_in_pieces_is_seen_and_sounds_as_its_file_does(
    piece: int, suffix: str, tmp_path: Path, sound: Any
) -> None:
    path = sound(tmp_path / f"own{suffix}")
    box = sound_upload(draw, sr=8000)
    _, says, results = box.children
    assert results.children == ()
    before = plt.get_fignums()  # another test may have left some
    give(box, path.name, path.read_bytes(), piece=piece)
    picture, player = results.children
    x = audio.read(path, sr=8000)
    assert bytes(player.value) == wav_bytes(spectral.normalise_amplitude(x), 8000)
    assert says.value == f"{path.name}: {len(x) / 8000:.1f} s"
    assert bytes(picture.value).startswith(b"\x89PNG")
    assert plt.get_fignums() == before


def test_a_name_with_folders_stays_in_its_own_folder(tmp_path: Path, sound: Any) -> None:
    content = sound(tmp_path / "own.wav").read_bytes()
    outside = tmp_path / "outside.wav"
    box = sound_upload(draw, sr=8000)
    give(box, str(outside), content)
    assert len(box.children[2].children) == 2
    assert not outside.exists()


def test_a_file_that_another_replaces_midway_is_forgotten() -> None:
    files: list[tuple[str, bytes]] = []
    button = UploadButton(lambda name, content: files.append((name, content)), files.append)
    for name, size, at, piece in (
        ("first", 4, 0, b"ab"), ("second", 4, 0, b"1"), ("first", 4, 2, b"cd"),
        ("second", 4, 1, b"234"), ("empty", 0, 0, b""),
    ):  # fmt: skip
        button._handle_custom_msg({"name": name, "size": size, "at": at}, [piece])
    assert files == [("second", b"1234"), ("empty", b"")]


def test_what_is_too_large_is_answered_with_the_limit() -> None:
    box = sound_upload(draw, sr=8000)
    message = {"name": "<b>.mov", "size": 700_000_000, "at": 0}
    box.children[0]._handle_custom_msg(message, [])
    assert box.children[1].value == (
        "&lt;b&gt;.mov: 700 MB; give a file of at most 500 MB, such as a part of it."
    )


def test_a_text_file_is_answered_in_one_line_in_place_of_the_last_sound(
    tmp_path: Path, sound: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    box = sound_upload(draw, sr=8000)
    give(box, "own.wav", sound(tmp_path / "own.wav").read_bytes())
    give(box, "<b>notes.txt", b"my baby cries at night")
    _, says, results = box.children
    assert says.value.startswith("&lt;b&gt;notes.txt: ")
    assert "\n" not in says.value and "Traceback" not in says.value
    assert results.children == ()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_silence_is_called_silence_and_nothing_warns(
    offset: float, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    gc.collect()  # else it could happen below and warn of a connection that another test left open
    recwarn.clear()
    silence = np.full(8000, offset, np.float32)
    box = sound_upload(draw, sr=8000)
    give(box, "silence.wav", wav_bytes(silence, 8000))
    assert box.children[1].value == "silence.wav: silence"
    assert "audio/wav" in listen(silence, sr=8000)._repr_html_()
    # Colab's ipywidgets 7 uses traitlets in a way that newer traitlets warn of.
    assert [str(w.message) for w in recwarn if "traitlets" not in str(w.message)] == []
    assert capfd.readouterr() == ("", "")


def test_what_is_listened_to_reaches_full_scale() -> None:
    quiet = np.array([0.0, 0.1, -0.25, 0.0], np.float32)
    assert listen(quiet, sr=8000).data == wav_bytes(4 * quiet, 8000)
