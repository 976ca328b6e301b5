"""An upload button's files read the same under ipywidgets 7 and 8."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cryutils import InputError, audio, plots
from cryutils.app.clip_view import listen, wav_bytes
from cryutils.app.upload import sound_upload, uploaded_files, uploaded_sounds
from cryutils.audio import spectral


def version_7(**files: bytes) -> Any:
    value = {name: {"metadata": {"name": name}, "content": data} for name, data in files.items()}
    return SimpleNamespace(value=value)


def version_8(**files: bytes) -> Any:
    value = tuple({"name": n, "content": memoryview(data)} for n, data in files.items())
    return SimpleNamespace(value=value)


def test_a_fresh_button_of_the_installed_version_holds_nothing() -> None:
    assert uploaded_files(ipywidgets.FileUpload()) == {}


@pytest.mark.parametrize("button", [version_7, version_8])
def test_bytes_by_file_name(button: Any) -> None:
    assert uploaded_files(button(a=b"one", b=b"two")) == {"a": b"one", "b": b"two"}


@pytest.mark.parametrize("button", [version_7, version_8])
@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".mp4"])
def test_an_uploaded_recording_sounds_as_its_file_does(
    button: Any, suffix: str, tmp_path: Path, sound: Any
) -> None:
    path = sound(tmp_path / f"own{suffix}")
    sounds = uploaded_sounds(button(**{path.name: path.read_bytes()}), sr=8000)
    assert list(sounds) == [path.name]
    np.testing.assert_array_equal(sounds[path.name], audio.read(path, sr=8000))


def test_a_file_without_sound_is_named_in_one_line() -> None:
    with pytest.raises(InputError, match=r"^notes\.wav: ") as error:
        uploaded_sounds(version_8(**{"notes.wav": b"no sound in here"}), sr=8000)
    assert "\n" not in str(error.value)


def test_a_name_with_folders_stays_in_its_own_folder(tmp_path: Path, sound: Any) -> None:
    content = sound(tmp_path / "own.wav").read_bytes()
    outside = tmp_path / "outside.wav"
    assert len(uploaded_sounds(version_8(**{str(outside): content}), sr=8000)) == 1
    assert not outside.exists()


# ---- an upload answers by itself


def draw(name: str, x: np.ndarray) -> Figure:
    """The figure of notebook 00: a waveform above its spectrogram."""
    figure, axes = plt.subplots(2, 1, figsize=(4, 3), sharex=True, layout="constrained")
    plots.waveform(x, axes[0], sr=8000).set(title=name)
    level = spectral.stft_db(x, n_fft=512, hop_length=128)
    plots.spectrogram(level, axes[1], sr=8000, hop_length=128)
    return figure


def give(box: ipywidgets.VBox, name: str, content: bytes) -> None:
    """Upload `content` as the page's message does, in the installed version of ipywidgets."""
    file = {"name": name, "type": "", "size": len(content), "last_modified": 0}
    button = box.children[0]
    if isinstance(button.value, dict):  # version 7
        counter = button._counter + 1
        button.set_state({"metadata": [file], "data": [content], "_counter": counter})
    else:
        button.set_state({"value": [file | {"content": memoryview(content)}]})


def test_an_upload_shows_and_plays_without_a_second_run(tmp_path: Path, sound: Any) -> None:
    path = sound(tmp_path / "own.m4a")
    box = sound_upload(draw, sr=8000)
    _, says, results = box.children
    assert results.children == ()
    give(box, path.name, path.read_bytes())
    picture, player = results.children
    assert says.value.startswith("own.m4a: ")
    assert bytes(picture.value).startswith(b"\x89PNG")
    expected = spectral.normalise_amplitude(audio.read(path, sr=8000))
    assert bytes(player.value) == wav_bytes(expected, 8000)
    assert plt.get_fignums() == []


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
    assert [str(w.message) for w in recwarn] == []
    assert capfd.readouterr() == ("", "")


def test_what_is_listened_to_reaches_full_scale() -> None:
    quiet = np.array([0.0, 0.1, -0.25, 0.0], np.float32)
    assert listen(quiet, sr=8000).data == wav_bytes(4 * quiet, 8000)
