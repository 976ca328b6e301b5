"""What is wrong with a recording, what is changed when it is read, and when its sound starts."""

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


def write16(path: Path, x: npt.NDArray[Any]) -> Path:
    """Write samples (n,) or (n, channels) as a 16-bit WAV."""
    wavfile.write(path, SR, np.clip(np.round(32768 * x), -32768, 32767).astype(np.int16))
    return path


# Levels


@pytest.mark.parametrize(
    ("stored", "read", "words"),
    [
        (TONE - 0.2, TONE, "a constant offset of -0.200 is removed"),
        (np.stack([0.8 * TONE, -TONE], axis=1), -TONE, "channels cancel each other, so channel 2 alone is"),
        (np.float32(32768 / 0.3 * TONE), TONE / TONE.max(), "which reach 3.277e+04 times full scale"),
    ],
    ids=["offset", "cancelled", "beyond full scale"],
)
def test_what_no_model_could_use_is_changed_and_listed(tmp_path, stored, read, words) -> None:
    path = tmp_path / "a.wav"
    if stored.dtype == np.float32:
        wavfile.write(path, SR, stored)
    else:
        write16(path, stored)
    np.testing.assert_allclose(audio.read(path), read, atol=1e-4)
    (change,) = audio.inspect(path).changes
    assert words in change
    assert audio.inspect(path).doubts == ()


CLICKED = TONE * 10 ** (-4 / 20)  # 14 dB below full scale
CLICKED[[9000, 20000]] = 1
CLIPPED = TONE.copy()
for k in range(10):
    CLIPPED[3200 * k :][:1000] = (-1) ** k
DOUBTFUL = [
    (CLIPPED, "31.2% of its samples are clipped; record it with less gain"),  # the third of each run on
    (CLICKED, "a click is 14 dB above the rest; models scale both, so remove it"),
]


@pytest.mark.parametrize(("x", "words"), DOUBTFUL, ids=["clipped", "clicks"])
def test_what_looks_wrong_is_listed_in_a_folder_and_left_as_it_is(tmp_path, x, words) -> None:
    path = tmp_path / "hungry" / "anna" / "a.wav"
    path.parent.mkdir(parents=True)
    np.testing.assert_allclose(audio.read(write16(path, x)), np.clip(x, -1, 1), atol=1e-4)
    assert (audio.inspect(path).changes, audio.inspect(path).doubts) == ((), (words,))
    problems = cryutils.load(tmp_path).problems()
    assert {(row.kind, row.item) for row in problems.itertuples()} == {("doubtful", "hungry/anna/a.wav")}


def test_no_recording_of_donateacry_is_changed(donateacry) -> None:
    changes = [audio.inspect(clip.path).changes for clip in cryutils.load("donateacry")]
    assert set(changes) == {()}


# Damage, and sound that is not read

RNG = np.random.default_rng(0)
SPEECH = [bytes([7 << 3 | 4]) + RNG.bytes(31) for _ in range(10)]  # packets of AMR, 20 ms each
PAUSE = [bytes([8 << 3 | 4]) + bytes(5), *7 * [bytes([15 << 3 | 4])]]


@pytest.mark.parametrize(
    ("inside", "count", "words"),
    [
        (PAUSE, 8, "the pauses that its recorder left out are read as silence"),
        ([bytes(13 * 4)], 4, "4 damaged packets are read as silence"),
    ],
    ids=["pause", "zeroed"],
)
def test_pauses_and_zeroed_packets_of_amr_are_silence_and_listed(tmp_path, inside, count, words) -> None:
    path = tmp_path / "a.amr"
    path.write_bytes(b"".join([b"#!AMR\n", *SPEECH, *inside, *SPEECH]))
    x = audio.read(path)
    assert len(x) == (10 + count + 10) * 160
    assert not x[10 * 160 : (10 + count) * 160].any()
    assert x[(10 + count) * 160 :].any()
    assert audio.inspect(path).changes == (words,)


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
    ("codec", "name", "size"), [("pcm_s16le", b"data", "<I"), ("pcm_s16be", b"SSND", ">I")]
)
def test_sound_after_the_stated_end_is_listed(tmp_path, codec, name, size) -> None:
    path = tmp_path / ("a.wav" if name == b"data" else "a.aiff")
    content = made_media.write(path, (), [np.float32(TONE)[None]], codec=codec).read_bytes()
    start = content.index(name)
    chunk, (stated,) = content[start:], struct.unpack(size, content[start + 4 : start + 8])
    note = b"LIST" + struct.pack(size, 4) + b"INFO"
    cut = content[: start + 4] + struct.pack(size, stated // 4) + chunk[8:]
    for longer in (cut, content + chunk, content + note + chunk):
        path.write_bytes(longer)
        assert audio.inspect(path).doubts == ("more sound follows its stated end and is not read",)
    for harmless in (note * 9999, bytes(99999), b"ID3\xff", b"\xff\xfe\x01\x02"):
        path.write_bytes(content + harmless)
        assert audio.inspect(path).doubts == ()


@pytest.mark.parametrize(("suffix", "codec"), [(".wav", "pcm_s16le"), (".m4a", "aac"), (".mp3", "mp3")])
def test_joined_files_are_read_to_their_end_or_the_rest_is_listed(tmp_path, suffix, codec) -> None:
    path = tmp_path / f"a{suffix}"
    content = made_media.write(path, (), [np.float32(TONE)[None]], codec=codec, title="a").read_bytes()
    assert audio.inspect(path).doubts == ()
    path.write_bytes(2 * content)
    doubts, seconds = audio.inspect(path).doubts, len(audio.read(path)) / SR
    assert (len(doubts), round(seconds)) == ((0, 4) if suffix == ".mp3" else (1, 2))


def test_a_change_of_channels_midway_is_refused(tmp_path) -> None:
    path, x = tmp_path / "a.mp3", np.float32(TONE)[None]
    parts = [made_media.write(path, (), [np.tile(x, (n, 1))], codec="mp3").read_bytes() for n in (1, 2)]
    path.write_bytes(b"".join(parts))
    assert "its channels or its sample rate change midway; split it" in refusal(path, audio.read)


def test_a_file_that_is_cut_while_it_is_read_is_one_line(tmp_path, monkeypatch) -> None:
    """A map into memory would end the process."""
    monkeypatch.setattr(files, "PIECE_S", 1)
    path = write16(tmp_path / "a.wav", np.tile(TONE, 10))
    parts = audio.pieces(path)
    next(parts)
    with path.open("r+b") as file:
        file.truncate(1000)
    assert "changed while it was read" in refusal(path, lambda _: list(parts))


# Times


def film(
    path: Path, *, sound_s: float = 0.0, pictures_s: float = 0.0, tracks: Sequence[float] = (1,)
) -> Path:
    """Write 3 s in which a click and a flash come at 1.5 s; sound and pictures start as asked."""
    t = np.arange(round(48000 * (3 - sound_s))) / 48000 + sound_s
    x = (0.7 * np.sin(2 * np.pi * 800 * t) * ((t >= 1.5) & (t < 1.7)))[None]
    greys = [250 if 1.5 <= 0.05 * k < 1.7 else 10 for k in range(round(20 * pictures_s), 60)]
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
    x, rate = audio.read(path), audio.inspect(path).sr
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
    level = next(filter(None, tracks))
    assert np.abs(audio.read(path)).max() == pytest.approx(0.7 * level, rel=0.1)
    words = f"sound track {number} of {len(tracks)} is read, the first usable one"
    assert audio.inspect(path).changes == ((words,) if number else ())


def with_hole(s: float, *, hole_s: float = 20.0) -> float:
    return s + hole_s if s >= 1 else s


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts", ".webm"])
def test_sound_and_pictures_after_a_hole_are_at_the_same_time(tmp_path, suffix) -> None:
    path = made_media.retimed(film(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}", with_hole)
    times_s = click_and_flash_s(path)
    assert times_s == (pytest.approx(21.5, abs=0.045), pytest.approx(21.5, abs=0.05))
    info = audio.inspect(path)
    assert info.changes == ("1 hole in its time stamps, 20.0 s in all, is read as silence",)
    assert info.samples == len(audio.read(path)) == sum(len(y) for _, y in audio.pieces(path))
    assert info.duration_s == pytest.approx(23, abs=0.06)


@pytest.mark.parametrize(
    ("suffix", "time_s", "longer_s"),
    [(".ogg", with_hole, 20), (".webm", lambda s: s + 2, 0)],
    ids=["a hole", "a microphone that is on late"],
)
def test_a_hole_in_sound_alone_is_silence_and_a_late_start_is_none(
    tmp_path, suffix, time_s, longer_s
) -> None:
    x = np.tile(TONE, 3).astype(np.float32)[None]  # 2 s at 48 kHz
    path = made_media.write(tmp_path / f"a{suffix}", (), [x], sr=48000, codec="libopus")
    other = made_media.retimed(path, tmp_path / f"b{suffix}", time_s)
    assert len(audio.read(other)) == pytest.approx(len(audio.read(path)) + longer_s * 48000, abs=99)
    assert len(audio.inspect(other).changes) == bool(longer_s)


def test_a_hole_of_more_than_ten_minutes_is_refused(tmp_path) -> None:
    path = made_media.retimed(film(tmp_path / "a.mkv"), tmp_path / "b.mkv", partial(with_hole, hole_s=700))
    for reading in (audio.read, video.track):
        assert "its times are damaged" in refusal(path, reading)
