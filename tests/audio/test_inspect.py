"""What is wrong with a recording, what is changed when it is read, and when its sound starts."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import made_media
import numpy as np
import numpy.typing as npt
import pytest
from refusals import refusal
from scipy.io import wavfile

import cryutils
from cryutils import audio, video
from cryutils.audio import files

SR = 16000
T = np.arange(2 * SR) / SR
TONE = 0.3 * np.sin(2 * np.pi * 440 * T)


def write16(path: Path, x: npt.NDArray[Any], tail: bytes = b"") -> Path:
    """Write samples (n,) or (n, channels) as a 16-bit WAV, `tail` behind the last one."""
    wavfile.write(path, SR, np.clip(np.round(32768 * x), -32768, 32767).astype(np.int16))
    content = path.read_bytes()
    path.write_bytes(content[:40] + struct.pack("<I", len(content) - 44 + len(tail)) + content[44:] + tail)
    return path


# Levels


def test_a_constant_offset_is_removed_and_listed(tmp_path) -> None:
    path = write16(tmp_path / "a.wav", TONE - 0.2)
    np.testing.assert_allclose(audio.read(path), TONE, atol=1e-4)
    assert audio.inspect(path).changes == ("a constant offset of -0.200 is removed",)


def test_no_recording_of_donateacry_is_changed(donateacry) -> None:
    changes = [audio.inspect(clip.path).changes for clip in cryutils.load("donateacry")]
    assert set(changes) == {()}


def test_floats_beyond_full_scale_are_scaled_and_listed(tmp_path) -> None:
    path = tmp_path / "a.wav"
    wavfile.write(path, SR, np.float32(32768 / 0.3 * TONE))
    np.testing.assert_allclose(audio.read(path), TONE / TONE.max(), atol=1e-5)
    (words,) = audio.inspect(path).changes
    assert "which reach 3.277e+04 times full scale, are scaled down" in words
    assert audio.inspect(path).doubts == ()


def test_channels_that_cancel_are_not_averaged(tmp_path) -> None:
    path = write16(tmp_path / "a.wav", np.stack([0.8 * TONE, -TONE], axis=1))
    np.testing.assert_allclose(audio.read(path), -TONE, atol=1e-4)
    words = "its channels cancel each other, so channel 2 alone is read"
    assert audio.inspect(path).changes == (words,)


def test_clipped_samples_are_listed_and_left_as_they_are(tmp_path) -> None:
    x = 3 * np.sin(2 * np.pi * 50 * T)
    path = write16(tmp_path / "a.wav", x)
    info = audio.inspect(path)
    share = np.mean(np.abs(x) >= 1)
    assert info.changes == ()
    ((words, *rest),) = [doubt.split(" of its ") for doubt in info.doubts]
    assert float(words.rstrip("%")) / 100 == pytest.approx(share, abs=0.02)
    assert rest == ["samples are clipped; record it with less gain"]
    np.testing.assert_allclose(audio.read(path), np.clip(x, -1, 1), atol=1e-4)


def test_a_folder_lists_what_is_changed(tmp_path) -> None:
    sounds = [0.3 * np.sin(2 * np.pi * hertz * T * (1 + T)) for hertz in (200, 400, 800)]
    names = {"offset": sounds[0] + 0.1, "clipped": 10 * sounds[1], "fine": sounds[2]}
    for name, x in names.items():
        path = tmp_path / "hungry" / name / "a.wav"
        path.parent.mkdir(parents=True)
        write16(path, x)
    corpus = cryutils.load(tmp_path)
    assert len(corpus) == 3
    assert {(row.kind, row.item) for row in corpus.problems().itertuples()} == {
        ("changed", "hungry/offset/a.wav"),
        ("doubtful", "hungry/clipped/a.wav"),
    }


# Files that were refused


def tone(path: Path, hertz: float, *, channels: int) -> bytes:
    """Return one second of a tone as an MP3 with an ID3 tag."""
    x = (0.3 * np.sin(2 * np.pi * hertz * np.arange(48000) / 48000)).astype(np.float32)
    made_media.write(path, (), [np.tile(x, (channels, 1))], sr=48000, codec="mp3", title="a title")
    return path.read_bytes()


def test_joined_files_are_read_to_their_end(tmp_path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(tone(path, 440, channels=1) + tone(path, 1000, channels=1))
    rate = audio.native_rate(path)
    halves = np.array_split(audio.read(path), 2)
    for half, hertz in zip(halves, (440, 1000), strict=True):
        assert len(half) == pytest.approx(rate, rel=0.1)
        middle = half[len(half) // 5 : -len(half) // 5]
        assert np.abs(np.fft.rfft(middle)).argmax() / len(middle) * rate == pytest.approx(hertz, rel=0.01)
        assert middle.std() == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert audio.inspect(path).changes == ()
    path.write_bytes(path.read_bytes() + tone(path, 1000, channels=2))
    assert "its channels or its sample rate change midway; split it" in refusal(path, audio.read)


def test_the_pauses_of_an_amr_recorder_are_silence(tmp_path) -> None:
    rng = np.random.default_rng(0)
    speech = [bytes([7 << 3 | 4]) + rng.bytes(31) for _ in range(10)]
    pause = [bytes([8 << 3 | 4]) + bytes(5), *7 * [bytes([15 << 3 | 4])]]
    path = tmp_path / "a.amr"
    path.write_bytes(b"".join([b"#!AMR\n", *speech, *pause, *speech]))
    x = audio.read(path)
    assert len(x) == (10 + 8 + 10) * 160
    assert not x[10 * 160 : 18 * 160].any()
    assert x[18 * 160 :].any()
    assert audio.inspect(path).changes == ("the pauses that its recorder left out are read as silence",)


def test_zeroed_packets_of_amr_are_silence_and_listed(tmp_path) -> None:
    rng = np.random.default_rng(0)
    speech = [bytes([7 << 3 | 4]) + rng.bytes(31) for _ in range(10)]
    path = tmp_path / "a.amr"
    path.write_bytes(b"".join([b"#!AMR\n", *speech, bytes(13 * 4), *speech]))
    x = audio.read(path)
    assert len(x) == (10 + 4 + 10) * 160
    assert not x[10 * 160 : 14 * 160].any()
    assert audio.inspect(path).changes == ("4 damaged packets are read as silence",)


def test_packets_that_cannot_be_decoded_at_the_end_are_listed(tmp_path) -> None:
    """As in a file of a telephone into which a piece of another file was copied."""
    path = tmp_path / "a.caf"
    made_media.write(path, (), [np.float32(TONE)[None]], codec="adpcm_ima_qt")
    assert audio.inspect(path).changes == ()
    path.write_bytes(path.read_bytes()[: -4 * 34] + b"\xff" * 4 * 34)
    assert len(audio.read(path)) == len(TONE) - 4 * 64
    (words,) = audio.inspect(path).changes
    assert words.startswith("4 damaged packets are left out")


@pytest.mark.parametrize(
    ("codec", "name", "size"),
    [(f"pcm_{kind}", b"data", "<I") for kind in ("s16le", "s24le", "f32le")] + [("pcm_s16be", b"SSND", ">I")],
)
def test_sound_after_the_stated_end_is_listed(tmp_path, codec, name, size) -> None:
    path = tmp_path / ("a.wav" if name == b"data" else "a.aiff")
    content = made_media.write(path, (), [np.float32(TONE)[None]], codec=codec).read_bytes()
    start = content.index(name)
    chunk, (stated,) = content[start:], struct.unpack(size, content[start + 4 : start + 8])
    path.write_bytes(content[: start + 4] + struct.pack(size, stated // 4) + chunk[8:])
    assert len(audio.read(path)) == pytest.approx(SR // 2, abs=4)
    assert audio.inspect(path).doubts == ("more sound follows its stated end and is not read",)
    note = b"LIST" + struct.pack(size, 4) + b"INFO"
    for more in (chunk, note + chunk):
        path.write_bytes(content + more)
        assert audio.inspect(path).doubts == ("more sound follows its stated end and is not read",)
    for harmless in (note * 9999, bytes(99999)):
        path.write_bytes(content + harmless)
        assert audio.inspect(path).doubts == ()


@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
def test_the_second_of_two_joined_files_is_listed(tmp_path, suffix) -> None:
    path, codec = tmp_path / f"a{suffix}", "aac" if suffix == ".m4a" else "pcm_s16le"
    content = made_media.write(path, (), [np.float32(TONE)[None]], codec=codec).read_bytes()
    assert audio.inspect(path).doubts == ()
    path.write_bytes(2 * content)
    assert len(audio.inspect(path).doubts) == 1


def test_clicks_above_a_cry_are_listed(tmp_path) -> None:
    x = TONE * 10 ** (-4 / 20)  # 14 dB below full scale
    for where, listed in (((), False), ((20000,), True), (range(0, 30000, 6000), True)):
        y = x.copy()
        y[list(where)] = 1
        doubts = audio.inspect(write16(tmp_path / f"{len(where)}.wav", y)).doubts
        assert [" 14 dB " in doubt for doubt in doubts] == [True] * listed


def test_a_file_that_is_cut_while_it_is_read_is_one_line(tmp_path, monkeypatch) -> None:
    """A map into memory would end the process."""
    monkeypatch.setattr(files, "PIECE_S", 1)
    path = write16(tmp_path / "a.wav", np.tile(TONE, 10))
    parts = audio.pieces(path)
    next(parts)
    with path.open("r+b") as file:
        file.truncate(1000)
    assert "changed while it was read" in refusal(path, lambda _: list(parts))


def film(
    path: Path, *, sound_s: float = 0.0, pictures_s: float = 0.0, tracks: Sequence[float] = (1.0,)
) -> Path:
    """Write a film with a click and a flash 1.5 s after its start, one of them starting later.

    tracks: the level of each sound track.
    """
    greys = [255 if 30 <= k < 34 else 20 for k in range(60)][round(20 * pictures_s) :]
    t = np.arange(round(48000 * sound_s), 3 * 48000) / 48000
    x = np.where((t >= 1.5) & (t < 1.7), 0.7 * np.sin(2 * np.pi * 1000 * t), 0)[None]
    video, codec = ("libvpx", "libopus") if path.suffix == ".webm" else ("libx264", "aac")
    return made_media.write(
        path,
        [np.full((64, 64, 3), grey, np.uint8) for grey in greys],
        [(level * x).astype(np.float32) for level in tracks],
        times_ms=[50 * k for k in range(60 - len(greys), 60)],
        sound_s=sound_s,
        sr=48000,
        video=video,
        codec=codec,
        options={"bf": "0"},
    )


def click_and_flash_s(path: Path) -> tuple[float, float]:
    x, rate = audio.read(path), audio.native_rate(path)
    brightness = [frame.mean() for frame in video.frames(path, fps=100)]
    return float(np.argmax(np.abs(x) > 0.2)) / rate, float(np.argmax(np.array(brightness) > 128)) / 100


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("late", [{"sound_s": 0.7}, {"pictures_s": 0.7}], ids=str)
def test_sound_and_pictures_have_one_origin(tmp_path, suffix, late) -> None:
    path = film(tmp_path / f"a{suffix}", **late)
    assert click_and_flash_s(path) == (pytest.approx(1.5, abs=0.045), pytest.approx(1.5, abs=0.045))
    changes = audio.inspect(path).changes
    assert [change[:15] for change in changes] == (["its sound start"] if "sound_s" in late else [])


@pytest.mark.parametrize(("tracks", "number"), [((0.0, 0.5, 1.0), 2), ((1.0, 0.5), 1), ((1.0, 0.0), None)])
def test_the_first_sound_track_that_is_not_silent_is_read(tmp_path, tracks, number) -> None:
    path = film(tmp_path / "a.mp4", tracks=tracks)
    level = next(filter(None, tracks), 0.0)
    assert np.abs(audio.read(path)).max() == pytest.approx(0.7 * level, rel=0.1)
    changes = audio.inspect(path).changes
    wanted = [f"sound track {number} of {len(tracks)}"] if number else []
    assert [change[: len(words)] for change, words in zip(changes, wanted, strict=True)] == wanted


# Holes in the time stamps


def with_hole(s: float, *, at_s: float = 1.0, hole_s: float = 20.0) -> float:
    return s + hole_s if s >= at_s else s


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".webm"])
def test_sound_and_pictures_after_a_hole_are_at_the_same_time(tmp_path, suffix) -> None:
    path = made_media.retimed(film(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}", with_hole)
    x, rate = audio.read(path), audio.native_rate(path)
    assert np.argmax(np.abs(x) > 0.2) / rate == pytest.approx(21.5, abs=0.045)
    brightness = [frame.mean() for frame in video.frames(path, fps=20)]
    assert np.argmax(np.array(brightness) > 128) / 20 == pytest.approx(21.5, abs=0.05)
    info = audio.inspect(path)
    assert info.changes == ("1 hole in its time stamps, 20.0 s in all, is read as silence",)
    assert info.samples == len(x) == sum(len(y) for _, y in audio.pieces(path))
    assert info.duration_s == pytest.approx(23, abs=0.06)


def test_a_hole_of_more_than_ten_minutes_is_refused(tmp_path) -> None:
    path = made_media.retimed(film(tmp_path / "a.mkv"), tmp_path / "b.mkv", partial(with_hole, hole_s=700))
    for reading in (audio.read, video.track):
        assert "its times are damaged" in refusal(path, reading)


def test_a_hole_in_an_ogg_file_is_silence(tmp_path) -> None:
    x = np.tile(TONE, 3).astype(np.float32)[None]  # 2 s at 48 kHz
    path = made_media.write(tmp_path / "a.ogg", (), [x], sr=48000, codec="libopus")
    other = made_media.retimed(path, tmp_path / "b.ogg", with_hole)
    info = audio.inspect(other)
    assert info.changes == ("1 hole in its time stamps, 20.0 s in all, is read as silence",)
    assert info.samples == pytest.approx(audio.inspect(path).samples + 20 * 48000, abs=99)
    assert not audio.read(other)[2 * 48000 : 20 * 48000].any()
