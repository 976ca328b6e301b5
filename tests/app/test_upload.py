"""An upload button's files read the same under ipywidgets 7 and 8."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
import pytest

from cryutils import InputError, audio
from cryutils.app.upload import uploaded_files, uploaded_sounds


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
    with pytest.raises(InputError, match=r"notes\.wav") as error:
        uploaded_sounds(version_8(**{"notes.wav": b"no sound in here"}), sr=8000)
    assert "\n" not in str(error.value)


def test_a_name_with_folders_stays_in_its_own_folder(tmp_path: Path, sound: Any) -> None:
    content = sound(tmp_path / "own.wav").read_bytes()
    outside = tmp_path / "outside.wav"
    assert len(uploaded_sounds(version_8(**{str(outside): content}), sr=8000)) == 1
    assert not outside.exists()
