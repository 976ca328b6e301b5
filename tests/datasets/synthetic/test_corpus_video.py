"""The synthetic corpus as videos: what the files hold, dials of their own, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryutils import audio, load
from cryutils._io.paths import cache_dir
from cryutils.datasets.synthetic import corpus, schedule
from cryutils.datasets.synthetic.dials import Dials
from cryutils.errors import InputError
from cryutils.video import mp4

SMALL: dict[str, Any] = {
    "classes": ["hungry", "tired"], "infants": 4, "clips_per_infant": 1, "duration_s": 0.5,
    "sr": 8000, "video": True, "fps": 10, "size": 64, "progress": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.glob("*/*/*.mp4")}


def packets(path: Path, kind: str) -> list[bytes]:
    """What a file holds of a kind, "audio" or "video", as its codec wrote it."""
    import av

    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [bytes(packet) for packet in container.demux(stream)]


def test_built_twice_in_different_caches_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rows = corpus.build(**SMALL)
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "other"))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    second, again = corpus.build(**SMALL)
    assert first != second and first.name == second.name
    assert contents(first) == contents(second)
    assert rows == again and len(contents(first)) == len(rows) == 4


def test_opencv_and_pyav_find_what_was_asked_for() -> None:
    import av
    import cv2

    root, rows = corpus.build(**{**SMALL, "duration_s": 1.3, "fps": 30, "size": 96, "sr": 16000})
    for row in rows[:3]:
        path = root / row["path"]
        assert row["path"] == f"{row['label']}/{row['infant']}/{row['id']}.mp4"
        video = cv2.VideoCapture(str(path))
        assert video.get(cv2.CAP_PROP_FPS) == 30
        shapes = [frame.shape for ok, frame in iter(video.read, (False, None)) if ok]
        video.release()
        assert shapes == [(96, 96, 3)] * 39
        with av.open(str(path)) as container:
            assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
            times = [frame.time for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, np.arange(39) / 30, atol=1e-12)
        assert len(audio.read(path, sr=16000)) == row["duration_s"] * 16000


def test_the_voices_are_those_of_the_sound_alone() -> None:
    root, rows = corpus.build(**SMALL)
    alone, others = corpus.build(**{**SMALL, "video": False})
    for row, other in zip(rows, others, strict=True):
        assert {**row, "path": ""} == {**other, "path": ""}
        from_video = audio.read(root / row["path"], sr=8000)
        from_sound = audio.read(alone / other["path"], sr=8000)
        assert len(from_video) == len(from_sound) == row["duration_s"] * 8000
        assert np.corrcoef(from_video, from_sound)[0, 1] > 0.99  # AAC is no lossless codec


@pytest.mark.parametrize(
    ("dials", "shown", "heard"),
    [
        ({"signal": 1.0}, True, True),
        ({"signal": 0.0}, False, False),
        ({"signal": 1.0, "face_signal": 0.0}, False, True),
        ({"signal": 0.0, "face_signal": 1.0}, True, False),
    ],
)
def test_face_and_voice_have_a_signal_each(
    dials: dict[str, float], shown: bool, heard: bool
) -> None:
    def streams(classes: list[str]) -> tuple[list[list[bytes]], list[list[bytes]]]:
        root, rows = corpus.build(**{**SMALL, **dials, "classes": classes})
        files = [root / row["path"] for row in rows]
        return [packets(f, "video") for f in files], [packets(f, "audio") for f in files]

    # The same seeds under other labels: what a dial hides must be the same, bit for bit.
    (pictures, sounds), (others, other_sounds) = (
        streams(["hungry", "tired"]),
        streams(["pain", "sleepy"]),
    )
    assert len(pictures) == 4
    assert [a != b for a, b in zip(pictures, others, strict=True)] == [shown] * 4
    assert [a != b for a, b in zip(sounds, other_sounds, strict=True)] == [heard] * 4


def test_without_an_identity_of_its_own_a_face_is_nobodys() -> None:
    clips = schedule.plan(SMALL["classes"], infants=4, clips_per_infant=2, duration_s=0.5)
    from cryutils.datasets.synthetic.corpus import Picture, write_mp4

    def write(infant: int, face_identity: float) -> Path:
        path = cache_dir() / f"{infant}-{face_identity}.mp4"
        write_mp4(
            path, clips[0].label, infant=infant, seed=3, session=3, dials=Dials(), duration_s=0.5,
            sr=8000, picture=Picture(fps=10, size=64, dials=Dials(identity=face_identity)),
        )  # fmt: skip
        return path

    assert packets(write(1, 0.0), "video") == packets(write(2, 0.0), "video")
    assert packets(write(1, 0.0), "audio") != packets(write(2, 0.0), "audio")
    assert packets(write(1, 1.0), "video") != packets(write(2, 1.0), "video")


def test_everything_that_shapes_a_video_changes_the_folder() -> None:
    root, _ = corpus.build(**SMALL)
    changes: list[dict[str, object]] = [
        {"fps": 12}, {"size": 66}, {"face_signal": 0.5}, {"face_identity": 0.5},
        {"signal": 0.5}, {"identity": 0.5}, {"interaction": 0.5}, {"session": 0.5}, {"seed": 1},
        {"sr": 16000}, {"video": False},
    ]  # fmt: skip
    folders = {corpus.build(**{**SMALL, **change})[0] for change in changes}
    assert len(folders | {root}) == len(changes) + 1
    # Named, or left to follow the voice: the same videos.
    assert corpus.build(**{**SMALL, "face_signal": 1.0, "face_identity": 1.0})[0] == root


def test_changed_faces_leave_the_voices_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    videos, sounds = corpus.build(**SMALL)[0], corpus.build(**{**SMALL, "video": False})[0]
    monkeypatch.setattr(corpus, "FACES", "another")
    assert corpus.build(**SMALL)[0] != videos
    assert corpus.build(**{**SMALL, "video": False})[0] == sounds


def test_a_kept_corpus_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = corpus.build(**SMALL)
    monkeypatch.setattr(mp4, "write", None)
    assert corpus.build(**SMALL)[1] == rows


BUILD = """
import json, os, signal, sys
from pathlib import Path
from cryutils.video import mp4
from cryutils.datasets.synthetic import corpus
os.cpu_count = lambda: 2  # with more, all files would be done at once
write = mp4.write
def killed(*arguments, **options):
    # The third to begin: one file or two are done, another may be half written.
    if list(Path(os.environ["CRYUTILS_CACHE_DIR"]).glob("synthetic/*/*/*/*.mp4")):
        os.kill(os.getpid(), signal.SIGKILL)
    write(*arguments, **options)
mp4.write = killed
corpus.build(**json.loads(sys.argv[1]))
"""


def test_a_killed_build_resumes_and_ends_as_an_unbroken_one(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = subprocess.run([sys.executable, "-c", BUILD, json.dumps(SMALL)], check=False)
    assert build.returncode == -signal.SIGKILL
    assert 0 < len(list(cache.glob("synthetic/*/*/*/*.mp4"))) < 4
    assert not list(cache.glob("synthetic/*/index.json"))
    made = []
    write = mp4.write
    monkeypatch.setattr(mp4, "write", lambda *a, **k: (made.append(a), write(*a, **k))[1])
    resumed, rows = corpus.build(**SMALL)
    assert 0 < len(made) < len(rows) == 4
    monkeypatch.setenv("CRYUTILS_CACHE_DIR", str(tmp_path / "other"))
    assert contents(resumed) == contents(corpus.build(**SMALL)[0])


def test_load_gives_clips_with_sound_and_pictures() -> None:
    loaded = load("synthetic", **SMALL)
    assert loaded.note == "synthetic voices and faces: no evidence about real infants"
    assert {(clip.has_audio, clip.has_video, clip.duration_s) for clip in loaded} == {
        (True, True, 0.5)
    }
    assert all(clip.path.is_file() for clip in loaded)
    alone = load("synthetic", **{**SMALL, "video": False})
    assert alone.note == "synthetic voices: no evidence about real infants"
    assert not any(clip.has_video for clip in alone)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"fps": 0}, "fps=0"),
        ({"size": 65}, "size=65"),
        ({"size": 8}, "size=8"),
        ({"face_signal": 2.0}, "face_signal=2.0"),
        ({"face_identity": -1.0}, "face_identity=-1.0"),
        ({"sr": 10000}, "sr=10000"),
        ({"video": False, "face_signal": 0.5}, "give video=True"),
        ({"video": False, "face_identity": 0.5}, "give video=True"),
    ],
)
def test_bad_values_are_named_in_one_line(
    dials: dict[str, object], message: str, cache: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        corpus.build(**{**SMALL, **dials})
    assert "\n" not in str(caught.value)
    assert not cache.exists()
