"""The contract of media files: each is read correctly, as far as it goes, or refused in one line.

Picture i of a film has the colour `PALETTE[i % 8]` with a white corner at the top left, so that its
number, order, time, colour and orientation can be checked.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_media
import numpy as np
import pytest
from PIL import Image
from refusals import refusal
from scipy.io import wavfile

import cryutils
from cryutils import audio, video
from cryutils._io.media import probe
from cryutils.video import mp4

pytestmark = pytest.mark.usefixtures("apart")
Make = Callable[[Path], Any]
Change = Callable[[bytes], bytes]

COLOURS = "c82828 28a03c 323cbe bea028 9628a0 2896aa 6e6e6e dc823c"
PALETTE = np.array([[*bytes.fromhex(colour)] for colour in COLOURS.split()], np.uint8)
SR, TONE_HZ = 16000, 440.0


def tone(sr: int = SR, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * sr)) / sr)).astype(np.float32)


def pitch(x: np.ndarray, sr: int) -> float:
    """The frequency of the strongest tone in the middle of `x`."""
    middle = x[len(x) // 4 : 3 * len(x) // 4]
    return float(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18)).argmax() * sr / (1 << 18))


def changed(make: Make, change: Change) -> Make:
    def write(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def keep(share: float) -> Change:
    return lambda data: data[: round(share * len(data))]


def blank(data: bytes) -> bytes:
    low, high = round(0.45 * len(data)), round(0.55 * len(data))
    return data[:low] + bytes(high - low) + data[high:]


# --- sound -----------------------------------------------------------------------------------

# name, codec, rate in Hz, channels, largest error of a sample (None: lossy)
SOUNDS = [
    ("s16.wav", "pcm_s16le", 8000, 1, 1 / 32768),
    ("f32.wav", "pcm_f32le", 11025, 1, 0.0),
    ("cry.caf", "pcm_s16be", 44100, 1, 1 / 32768),
    ("cry.flac", "flac", 16000, 1, 1 / 32768),
    ("cry.mp3", "libmp3lame", 44100, 1, None),
    ("opus.ogg", "libopus", 48000, 1, None),
    ("aac.m4a", "aac", 22050, 1, None),
    ("aac.3gp", "aac", 16000, 1, None),
    ("opus.webm", "libopus", 48000, 2, None),
]
each_sound = pytest.mark.parametrize(
    ("name", "codec", "sr", "channels", "error"), SOUNDS, ids=[s[0] for s in SOUNDS]
)


@each_sound
def test_sound_has_its_samples_rate_and_duration(tmp_path, name, codec, sr, channels, error) -> None:
    x = tone(sr)
    x[: sr // 4] = 0
    path = made_media.write(tmp_path / name, (), [np.tile(x, (channels, 1))], sr=sr, codec=codec)
    y, info = audio.read(path), audio.inspect(path)
    assert (y.dtype, y.shape, audio.inspect(path).sr) == (np.float32, x.shape, sr)
    if error is not None:
        np.testing.assert_allclose(y, x, rtol=0, atol=error)
    assert pitch(y, sr) == pytest.approx(TONE_HZ, abs=1)
    # LAME turns MP3 down to 0.95 before it encodes; the other codecs leave the level alone.
    level = 0.95 if name == "cry.mp3" else 1
    assert y[sr // 2 :].std() == pytest.approx(level * x[sr // 2 :].std(), rel=0.03)
    begins = [int(np.argmax(np.abs(z) > 0.2)) / sr for z in (x, y)]
    assert begins[1] == pytest.approx(begins[0], abs=0.003)
    assert (info.changes, info.doubts, info.duration_s) == ((), (), 1.0)
    assert probe(path).duration_s == pytest.approx(1, abs=3 * 1152 / sr)


@each_sound
def test_a_sound_cut_short_gives_what_is_left(tmp_path, name, codec, sr, channels, error) -> None:
    x = tone(sr, 8) + np.random.default_rng(0).normal(0, 0.02, 8 * sr).astype(np.float32)
    path = made_media.write(tmp_path / name, (), [np.tile(x, (channels, 1))], sr=sr, codec=codec)
    path.write_bytes(keep(0.5)(path.read_bytes()))
    if codec == "aac":  # the index is at the end
        assert "can't be decoded" in refusal(path, audio.read)
        return
    y = audio.read(path)
    assert 3.2 < len(y) / sr + name.endswith(".ogg") <= 4.4  # a page of an Ogg file lasts a second
    assert pitch(y, sr) == pytest.approx(TONE_HZ, abs=3)


PCM = np.random.default_rng(0).integers(-(2**15), 2**15, 3601 * 1000).astype(np.int16)


def test_more_than_an_hour_is_not_read_whole_but_in_pieces(tmp_path) -> None:
    """Nor does the length matter that a program states that writes to a pipe: 4 GB."""
    path = tmp_path / "night.wav"
    wavfile.write(path, 1000, PCM)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 2 * len(PCM)), b"\xff" * 4, 1))
    assert "more than 60 min of sound at 1000 Hz" in refusal(path, audio.read)
    starts, parts = zip(*audio.pieces(path), strict=True)
    assert starts == tuple(600.0 * k for k in range(6))
    assert [len(x) for x in parts] == [600_000] * 5 + [601_000]
    np.testing.assert_array_equal(np.concatenate(parts), PCM / 2**15)


# --- pictures --------------------------------------------------------------------------------


def picture(i: int, height: int = 48, width: int = 64) -> np.ndarray:
    made = np.empty((height, width, 3), np.uint8)
    made[:] = PALETTE[i % 8]
    made[: height // 2, : width // 2] = 255
    return made


def film(
    codec: str = "libx264", *, count: int = 16, noisy: bool = False, sound_s: float = 0, **options
) -> Make:
    """Return what writes a film of `count` pictures; `options` are those of `made_media.write`."""
    rng = np.random.default_rng(0)
    frames = [picture(i) for i in range(len(options.get("times_ms", range(count))))]
    if noisy:  # so that a file has something to lose
        frames = [np.kron(frame, np.ones((2, 2, 1), np.uint8)) for frame in frames]
        for frame in frames:
            frame[48:, :64] = rng.integers(0, 256, (48, 64, 3))
    sounds = [tone(seconds=sound_s)[None]] if sound_s else []
    return lambda path: made_media.write(path, frames, sounds, video=codec, **options)


def still(pixels: np.ndarray | None = None, turn: int = 1, kind: str | None = None) -> Make:
    exif = Image.Exif()
    exif[0x0112] = turn
    made = Image.fromarray(np.ascontiguousarray(picture(0) if pixels is None else pixels))
    return lambda path: made.save(path, kind, quality=95, exif=exif)


UNEVEN_MS = [0, 40, 80, 200, 210, 220, 500, 540, 1000]
SHARP: Any = {"options": {"crf": "12"}}
FIRST: Any = {"container_options": {"movflags": "faststart"}}  # the index
FRAGMENTS: Any = {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "8"}}
BUSY: Any = {"count": 48, "noisy": True}
SIXTEEN = [k / 25 for k in range(16)]

# what writes a file, the times of its pictures in s, their height and width, the corner that is white
PICTURES: dict[str, tuple[Make, list[float], tuple[int, int], str]] = {
    "h264.mp4": (film(**SHARP), SIXTEEN, (48, 64), "top left"),
    "fragmented.mp4": (film(**FRAGMENTS), SIXTEEN, (48, 64), "top left"),
    "10 bit.mov": (film(pix_fmt="yuv420p10le", **SHARP), SIXTEEN, (48, 64), "top left"),
    "with sound.mkv": (film(sound_s=0.64), SIXTEEN, (48, 64), "top left"),
    "turned.mp4": (film(turn=90, **SHARP), SIXTEEN, (64, 48), "bottom left"),
    "mirrored.mp4": (film(mirror=True, **SHARP), SIXTEEN, (48, 64), "top right"),
    "uneven.webm": (film("libvpx", times_ms=UNEVEN_MS), [t / 1000 for t in UNEVEN_MS], (48, 64), "top left"),
    "late.mp4": (film(times_ms=[700 + 40 * k for k in range(16)]), SIXTEEN, (48, 64), "top left"),
    "an mp4 called.wav": (film(format="mp4", **SHARP), SIXTEEN, (48, 64), "top left"),
    "a png called.mp4": (still(kind="PNG"), [0], (48, 64), "top left"),
    "still.webp": (still(), [0], (48, 64), "top left"),
    "exif.jpg": (still(np.rot90(picture(0)), turn=6), [0], (48, 64), "top left"),
}


def check(shown: np.ndarray, number: int, corner: str = "top left") -> None:
    """Compare a picture's colour and the place of its corner with those of its number."""
    shown = shown[:: -1 if "bottom" in corner else 1, :: -1 if "right" in corner else 1]
    height, width = shown.shape[0] // 4, shown.shape[1] // 4
    assert shown[:height, :width].mean() > 230, f"corner of picture {number}"
    ground = shown[-height:, -width:].mean(axis=(0, 1))
    np.testing.assert_allclose(ground, PALETTE[number % 8], atol=12, err_msg=f"picture {number}")


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_have_their_number_order_time_and_orientation(name, tmp_path) -> None:
    make, times_s, size, corner = PICTURES[name]
    make(tmp_path / name)
    shown, track = list(video.frames(tmp_path / name)), video.track(tmp_path / name, fps=None, size=8)
    assert len(shown) == len(times_s)
    for number, frame in enumerate(shown):
        assert (frame.dtype, frame.shape[:2]) == (np.uint8, size)
        check(frame, number, corner)
    np.testing.assert_allclose(track.times_s, times_s, atol=1.01e-3)  # WebM rounds to milliseconds
    info = probe(tmp_path / name)
    assert (info.has_video, info.has_audio) == (True, "sound" in name)
    if info.has_audio:
        assert len(audio.read(tmp_path / name)) / SR == pytest.approx(0.64, abs=0.03)


def test_a_film_cut_short_shows_what_is_left(tmp_path) -> None:
    changed(film(**BUSY, **FIRST), keep(0.5))(tmp_path / "a.mp4")
    shown = list(video.frames(tmp_path / "a.mp4"))
    assert 12 <= len(shown) < 48
    for number, frame in enumerate(shown):
        check(frame, number)


@pytest.mark.parametrize(
    ("transfer", "signal", "white"),
    # of 203 cd/m2, the white of a page by ITU-R BT.2408, Table 1
    [("smpte2084", 0.5807, 255), ("arib-std-b67", 0.75, 255), ("bt709", 0.75, 191)],
    ids=["PQ", "HLG", "ordinary"],
)
def test_the_white_of_a_page_is_white_in_hdr(tmp_path, transfer, signal, white) -> None:
    page = np.full((64, 128, 3), round(255 * signal), np.uint8)
    page[:, 64:] -= 51
    coding = f"transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc:range=limited:crf=5:log-level=none"
    hdr: Any = {"video": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": coding}}
    frame = next(video.frames(made_media.write(tmp_path / "a.mp4", [page] * 3, **hdr)))
    assert frame[32, 32].mean() == pytest.approx(white, abs=10 if white == 255 else 3)
    assert 60 < frame[32, 96].mean() < 200


# --- refused ---------------------------------------------------------------------------------


def text(content: str) -> Make:
    return lambda path: path.write_text(content)


def unknown_coding(path: Path) -> None:
    wavfile.write(path, 8000, PCM[:99])
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\x04\x00" + content[22:])


EMPTY_WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\0\0\0"
NO_VIDEO, NO_SOUND, UNDECODED = "no pictures in it", "no sound in it", "can't be decoded"
MIDDLE, IMAGE = "damaged in the middle", "this picture can't be decoded"
# what writes a file, and why its sound and its pictures can't be read ("": they can)
REFUSED: dict[str, tuple[Make, str, str]] = {
    "empty.wav": (Path.touch, "the file is empty", "the file is empty"),
    "folder.wav": (Path.mkdir, "it is a folder", "it is a folder"),
    "pipe.mp4": (os.mkfifo, "no regular file", "no regular file"),  # opening it would wait
    "no samples.wav": (lambda path: path.write_bytes(EMPTY_WAV), "no sound is left", NO_VIDEO),
    "slow.wav": (lambda path: wavfile.write(path, 999, PCM[:99]), "a sample rate of 999 Hz", NO_VIDEO),
    "coding.wav": (unknown_coding, "coded in a way that can't be read here", NO_VIDEO),
    "nan.wav": (
        lambda path: wavfile.write(path, 8000, np.float32([0.1, np.nan] * 99)),
        "are no numbers",
        NO_VIDEO,
    ),
    "mute.mp4": (film(), NO_SOUND, ""),
    "unfinished.mp4": (changed(film(**BUSY), keep(0.9)), UNDECODED, UNDECODED),
    "hole.mp4": (changed(film(**BUSY, **FIRST, sound_s=1.92), blank), MIDDLE, MIDDLE),
    "cut.png": (changed(still(), keep(0.6)), IMAGE, IMAGE),
    "giant.png": (Image.new("1", (8193, 8193)).save, IMAGE, "too large; at most 8192 x 8192"),
    "ffconcat.wav": (text("ffconcat version 1.0\nfile 'pipe.mp4'\n"), UNDECODED, UNDECODED),
    "playlist.mp4": (text("#EXTM3U\n#EXTINF:9,\nmute.mp4\n#EXT-X-ENDLIST\n"), UNDECODED, UNDECODED),
    "notes.mp4": (text("Mia cried at three.\n" * 500), UNDECODED, UNDECODED),
}


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_is_refused_in_one_line_and_listed(tmp_path) -> None:
    """A text is not opened as the files that it names: a pipe would wait, a film would be read."""
    folder = tmp_path / "hungry" / "infant 1"
    folder.mkdir(parents=True)
    for name, (make, _, _) in REFUSED.items():
        make(folder / name)
    for name, (_, sound, pictures) in REFUSED.items():
        for reading, why in ((audio.read, sound), (lambda path: list(video.frames(path)), pictures)):
            if why and not (name.endswith(".png") and reading is audio.read):
                assert why in refusal(folder / name, reading)
    film(**SHARP)(folder / "good.mp4")
    corpus = cryutils.load(tmp_path)
    assert {clip.path.name for clip in corpus} == {"good.mp4", "mute.mp4"}
    problems = corpus.problems()
    assert {Path(item).name for item in problems.item[problems.kind == "left out"]} >= {*REFUSED} - {
        "mute.mp4",
        "folder.wav",
    }


@pytest.mark.parametrize("name", ["12:30.mp4", "%03d.mp4"])
def test_a_name_is_no_protocol_option_or_pattern(name, tmp_path) -> None:
    mp4.write(Path(name), [picture(0)] * 5, fps=5, sound=tone(8000), sr=8000)  # in the folder of `apart`
    assert len(audio.read(name)) == 8000
    assert len(list(video.frames(name))) == 5
