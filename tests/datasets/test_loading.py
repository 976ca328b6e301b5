"""`load`: the synthetic corpus, DonateACry and its original uploads, and what contradicts itself.

What the real corpus holds is counted here a second time, from the names alone.
"""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import wave
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

import cryutils
from cryutils import load
from cryutils.datasets.corpus import Clip, Corpus
from cryutils.datasets.donateacry import exclusions
from cryutils.datasets.loading import SESSION_GAP_S
from cryutils.errors import InputError

pytestmark = pytest.mark.usefixtures("apart")
Writer = Callable[..., Path]

ANDROID = "549a46d8-9c84-430e-ade8-97eae2bef787"
IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"


def counts(corpus: Corpus) -> dict[str, int]:
    return {label: int((corpus.labels == label).sum()) for label in corpus.classes}


# Sessions, by hand.


Sessions = Callable[..., list[str]]


@pytest.fixture
def sessions(sound: Writer, tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    """`sessions(0.0, None)` writes files of such times in s, and gives the session of each."""

    def load_sessions(*times: float | None, infants: str | None = None) -> list[str]:
        root = tmp_path_factory.mktemp("sessions")
        for i, (time, infant) in enumerate(zip(times, infants or "a" * len(times), strict=True)):
            stamp = "" if time is None else f"{IOS[8:]}-{1430742197 + time}-1.0-m-04-ti"
            sound(root / "tired" / infant / f"{i:08}{stamp}.wav", seed=i)
        return [clip.session for clip in sorted(load(root), key=lambda clip: clip.path.name)]

    return load_sessions


def test_a_gap_at_the_limit_is_one_session_and_beyond_it_two(sessions: Sessions) -> None:
    assert sessions(0.0, SESSION_GAP_S) == ["a/1", "a/1"]
    assert sessions(0.0, SESSION_GAP_S + 1) == ["a/1", "a/2"]


def test_a_session_may_be_longer_than_the_gap(sessions: Sessions) -> None:
    assert sessions(0.0, 500.0, 1000.0, 1601.0) == ["a/1", "a/1", "a/1", "a/2"]


def test_sessions_follow_time_not_order(sessions: Sessions) -> None:
    assert sessions(9000.0, 0.0, 9100.0) == ["a/2", "a/1", "a/2"]


def test_each_infant_has_its_own_sessions(sessions: Sessions) -> None:
    assert sessions(0.0, 1.0, 2.0, infants="aba") == ["a/1", "b/1", "a/1"]


def test_unknown_times_share_a_session_of_their_own(sessions: Sessions) -> None:
    assert sessions(None, None) == ["a/1", "a/1"]
    assert sessions(None, 0.0, None, 10.0) == ["a/2", "a/1", "a/2", "a/1"]


# The synthetic corpus.

SMALL = {"infants": 4, "clips_per_infant": 2, "duration_s": 0.5, "sr": 8000}


def test_synthetic_clips_keep_the_contract() -> None:
    corpus = load("synthetic", classes=["hungry", "tired"], **SMALL)
    assert (corpus.name, len(corpus), len(set(corpus.infants))) == ("synthetic", 8, 4)
    assert corpus.classes == ("hungry", "tired")
    assert "no evidence about real infants" in corpus.note
    assert len(corpus.problems()) == 0
    assert corpus.cite()
    assert corpus.licence
    for clip in corpus:
        assert (clip.has_audio, clip.has_video, clip.duration_s) == (True, False, 0.5)
        with wave.open(str(clip.path)) as sound:
            assert (sound.getframerate(), sound.getnframes()) == (8000, 4000)


def test_a_dial_makes_another_corpus() -> None:
    corpus = load("synthetic", classes=["hungry", "tired"], **SMALL)
    other = load("synthetic", classes=["hungry", "tired"], seed=1, **SMALL)
    assert corpus[0].path != other[0].path
    again = load("synthetic", classes=["hungry", "tired"], **SMALL)
    assert list(again) == list(corpus)


def test_a_corpus_says_how_it_is_loaded_again(sound: Writer, tmp_path: Path) -> None:
    sound(tmp_path / "own" / "tired" / "a" / "x.wav")
    for corpus in (
        load("synthetic", infants=8, clips_per_infant=2, duration_s=0.5),
        load(tmp_path / "own"),
    ):
        part = corpus.take([0])
        assert part.source is not None
        again = load(**json.loads(json.dumps(part.source)))
        assert list(again) == list(corpus)


def test_load_stands_in_the_package() -> None:
    assert cryutils.load is load
    assert cryutils.InputError is InputError


# DonateACry, the real files.


def parts(clip: Clip) -> dict[str, str]:
    """What a cleaned file's name says, read from the right: no reading code is shared."""
    stem = clip.path.stem.split("-")
    return {"infant": "-".join(stem[:5]).lower(), "time": stem[5], "sex": stem[-3],
            "age": stem[-2], "reason": stem[-1]}  # fmt: skip


def test_the_real_corpus_has_457_clips_of_221_infants(donateacry: Path) -> None:
    corpus = load("donateacry")
    assert (corpus.name, len(corpus), len(set(corpus.infants))) == ("donateacry", 457, 221)
    assert counts(corpus) == {
        "belly_pain": 16, "burping": 8, "discomfort": 27, "hungry": 382, "tired": 24,
    }  # fmt: skip
    infants = {label: len(set(corpus.infants[corpus.labels == label])) for label in corpus.classes}
    assert infants == {
        "belly_pain": 7, "burping": 7, "discomfort": 16, "hungry": 205, "tired": 16,
    }  # fmt: skip
    assert set(corpus.problems().kind) == {"contradiction", "doubtful"}
    assert "ODbL" in corpus.cite()
    assert "Open Database License" in corpus.licence


def test_every_real_clip_says_what_its_name_says(donateacry: Path) -> None:
    for clip in load("donateacry"):
        fields = parts(clip)
        assert clip.infant == fields["infant"]
        assert clip.sex == fields["sex"]
        seconds = float(fields["time"]) / (1000 if len(fields["time"]) == 13 else 1)
        assert clip.start_s == seconds
        assert 1.4e9 < seconds < 1.5e9, "2014 to 2017"
        assert clip.label == clip.path.parent.name
        assert 1 < clip.duration_s < 10


def test_one_donor_gave_half_of_the_belly_pain(donateacry: Path) -> None:
    table = load("donateacry").describe()
    assert table.largest_infant["belly_pain"] == 8
    assert table.clips["all"] == 457


def contradictions(corpus: Corpus) -> dict[str, set[str]]:
    """The items of each kind of contradiction."""
    items: dict[str, set[str]] = defaultdict(set)
    for item, what in corpus.problems()[["item", "what"]].itertuples(index=False):
        items[what.split(":")[0].split(",")[0]].add(item)
    return items


def test_seven_files_in_discomfort_say_cold_or_hot(donateacry: Path) -> None:
    corpus = load("donateacry")
    named = {clip.id for clip in corpus if parts(clip)["reason"] == "ch"}
    assert len(named) == 7
    assert all(item.startswith("discomfort/") for item in named)
    assert contradictions(corpus)["folder says discomfort"] == named
    assert not any(
        "folder says" in kind for kind in set(contradictions(corpus)) - {"folder says discomfort"}
    )


def test_infants_with_two_sexes_or_several_ages_are_listed(donateacry: Path) -> None:
    corpus = load("donateacry")
    ages, sexes = defaultdict(set), defaultdict(set)
    for clip in corpus:
        fields = parts(clip)
        ages[fields["infant"]].add(fields["age"])
        sexes[fields["infant"]].add(fields["sex"])
    rows = corpus.problems()
    assert set(rows[rows.what.str.contains("several ages")].item) == {
        infant for infant, infant_ages in ages.items() if len(infant_ages) > 1
    }
    assert set(rows[rows.what.str.contains("both sexes")].item) == {
        infant for infant, infant_sexes in sexes.items() if len(infant_sexes) > 1
    }
    assert (rows.what.str.contains("both sexes")).sum() > 0


def test_sessions_with_several_labels_are_listed(donateacry: Path) -> None:
    corpus = load("donateacry")
    by_infant = defaultdict(list)
    for clip in corpus:
        by_infant[clip.infant].append((clip.start_s, clip.label))
    mixed = 0
    for clips in by_infant.values():
        clips.sort()
        run = {clips[0][1]}
        for (before, _), (time, label) in pairwise(clips):
            if time - before > SESSION_GAP_S:
                mixed += len(run) > 1
                run = set()
            run.add(label)
        mixed += len(run) > 1
    rows = corpus.problems()
    listed = rows[rows.what.str.startswith("clips minutes apart")]
    assert len(listed) == mixed > 0
    assert set(listed.item) <= {clip.session for clip in corpus}


@pytest.fixture
def copy(donateacry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the real corpus that a test may damage."""
    shutil.copytree(donateacry, tmp_path / "data" / "donateacry")
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "donateacry"


def test_each_file_that_differs_from_the_registry_is_one_line(copy: Path) -> None:
    files = sorted(copy.glob("hungry/*.wav"))[:4]
    missing, cut, damaged, _ = (file.relative_to(copy).as_posix() for file in files)
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:1000])
    files[2].write_bytes(b"\0" * files[2].stat().st_size)
    for extra in ("extra.wav", "extra.mp3", ".DS_Store"):
        shutil.copy(files[3], copy / "hungry" / extra)
    corpus = load("donateacry")
    rows = corpus.problems()
    rows = rows[rows.kind == "left out"]
    what = dict(zip(rows.item, rows.what, strict=True))
    assert len(rows) == 5
    assert "not in the folder" in what[missing]
    assert "size differs" in what[cut]
    assert "damaged" in what[damaged]
    assert what["hungry/extra.wav"] == what["hungry/extra.mp3"] == "not in the registry"
    assert len(corpus) == 457 - 3


def test_what_seems_to_be_no_cry_is_listed_and_stays(donateacry: Path) -> None:
    corpus = load("donateacry")
    problems = corpus.problems()
    doubtful = problems[problems.kind == "doubtful"]
    assert set(doubtful.item) == set(exclusions()) <= {clip.id for clip in corpus}
    assert doubtful.what.str.startswith("by its spectrogram: ").all()


def test_some_files_alone_can_be_loaded(donateacry: Path) -> None:
    names = ["burping/" + path.name for path in sorted((donateacry / "burping").glob("*.wav"))[:3]]
    corpus = load("donateacry", files=names)
    assert [clip.id for clip in corpus] == names
    assert (corpus.problems().kind != "left out").all()


def test_a_data_folder_without_recordings_is_named(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (apart / "data" / "donateacry").mkdir(parents=True)
    monkeypatch.setenv("CRYUTILS_DATA_DIR", "data")
    with pytest.raises(InputError, match="data/donateacry: none of DonateACry's files"):
        load("donateacry")


def test_the_real_corpus_as_a_folder_has_the_same_clips(donateacry: Path) -> None:
    named, folder = load("donateacry"), load(donateacry)
    assert sorted(clip.id for clip in folder) == sorted(clip.id for clip in named)
    for by_name, by_folder in zip(
        sorted(named, key=lambda c: c.id), sorted(folder, key=lambda c: c.id), strict=True
    ):
        assert (by_name.label, by_name.infant, by_name.session, by_name.reason) == (
            by_folder.label, by_folder.infant, by_folder.session, by_folder.reason,
        )  # fmt: skip
        assert by_name.duration_s == pytest.approx(by_folder.duration_s, abs=0.002)


# The original uploads, rebuilt small: one folder a platform, all labels in the names.


def test_the_original_uploads_are_known_by_their_names(apart: Path, sound: Writer) -> None:
    android = apart / "corpus" / "donateacry-android-upload-bucket"
    ios = apart / "corpus" / "donateacry-ios-upload-bucket"
    sound(android / f"{ANDROID}-1430130772174-1.7-m-48-bp.3gp", seed=0)
    sound(android / f"{ANDROID}-1430130872174-1.7-m-48-lo.3gp", seed=1)
    sound(android / f"{ANDROID}-1430130972174-1.7-m-48-dk.3gp", seed=2)
    sound(ios / f"{IOS}-1430742197-1.0-f-04-sc.caf", seed=3)
    odd = "0911C8F7-99D0-4A44-BC34-894BA5D83032-f-26-ti.caf.caf"
    sound(ios / f"CF7F6316-019B-4B3C-9EE1-A62EB5F1D0EE-1426957748.47029-1-{odd}", seed=4)
    (ios / f"{IOS}-1430742300-1.0-f-04-zz.caf").write_bytes(b"an unknown reason")
    (ios / f"{IOS}-1430742400-1.0-f-04-hu.caf").write_bytes(b"damaged")
    corpus = load("corpus")
    assert corpus.name == "donateacry_uploads"
    assert "real recordings" in corpus.note
    assert "Veres" in corpus.cite()
    assert counts(corpus) == {"belly_pain": 1, "dont_know": 1, "lonely": 1, "scared": 1, "tired": 1}
    assert sorted(set(corpus.infants)) == [
        IOS.lower(), ANDROID, "cf7f6316-019b-4b3c-9ee1-a62eb5f1d0ee",
    ]  # fmt: skip
    first = next(clip for clip in corpus if clip.label == "belly_pain")
    assert (first.start_s, first.sex, first.age) == (1430130772.174, "m", "4-8 weeks")
    assert first.duration_s == pytest.approx(0.3, abs=0.25)
    rows = corpus.problems()
    left_out = rows[rows.kind == "left out"]
    assert len(left_out) == 2
    assert left_out.what.str.contains("reason 'zz'").sum() == 1
    assert left_out.what.str.contains("can't be decoded").sum() == 1
    # 100 s apart, three labels: one session of the Android donor.
    assert rows[rows.kind == "contradiction"].item.tolist() == [f"{ANDROID}/1"]


def test_own_recordings_of_a_phone_are_no_uploads(apart: Path, sound: Writer) -> None:
    sound(apart / "own" / "tired" / "bo" / "1.3gp")
    assert load("own").name == "own"


# A damaged or full disk


def swap(path: Path, other: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def flip(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize(
    ("damage", "count"),
    [
        (flip, 1),
        (swap, 2),
        (lambda path, other: path.write_bytes(b""), 1),
        (lambda path, other: path.write_bytes(path.read_bytes()[:-100]), 1),
        (lambda path, other: path.rename(other), 2),
    ],
    ids=["one bit", "exchanged", "emptied", "cut", "renamed"],
)
def test_damaged_synthetic_clips_are_made_again(
    damage: Callable[[Path, Path], object],
    count: int,
    video: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dials = {"infants": 8, "clips_per_infant": 1, "duration_s": 0.5, "video": video, "size": 64}
    paths = [clip.path for clip in load("synthetic", **dials)]
    before = [path.read_bytes() for path in paths]
    damage(paths[2], paths[5])
    counted = []

    def counting(what: str, *rest: object, **options: object) -> AbstractContextManager[object]:
        counted.append(what)
        return nullcontext(lambda done, total: None)

    monkeypatch.setattr("cryutils._io.parallel.counting", counting)
    assert [clip.path.read_bytes() for clip in load("synthetic", **dials)] == before
    assert load("synthetic", **dials)[2].path == paths[2]
    made = "synthetic videos" if video else "synthetic cries"
    assert counted == [f"{made} ({count} lost or damaged, made again)"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\x00  a\n", b"0" * 500])
def test_a_damaged_list_of_digests_vouches_for_nothing(content: bytes, apart: Path) -> None:
    dials = {"infants": 8, "clips_per_infant": 1, "duration_s": 0.5, "progress": False}
    clip = load("synthetic", **dials)[0].path
    whole = clip.read_bytes()
    (sums,) = (apart / "cache").rglob("SHA256SUMS")
    sums.write_bytes(content)
    clip.write_bytes(whole[:-2])
    assert load("synthetic", **dials)[0].path.read_bytes() == whole


@pytest.mark.parametrize("video", [False, True])
def test_a_full_disk_ends_in_one_line_and_leaves_no_half_corpus(video: bool, apart: Path) -> None:
    # In a process whose files may not grow beyond 20 kB: the system's own error at writing.
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
import cryutils
try:
    cryutils.load("synthetic", infants=8, clips_per_infant=1, duration_s=2.0, video={video},
                  fps=8, size=96, progress=False)
except cryutils.InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    home = apart / "cache" / "synthetic"
    assert line == (
        f"{home}: synthetic recordings can't be written there (File too large);"
        " make room, or set CRYUTILS_CACHE_DIR to another folder."
    )
    assert list(home.iterdir()) == []


def test_a_corpus_that_was_whole_once_is_not_removed_for_a_clip_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dials = {"infants": 8, "clips_per_infant": 1, "duration_s": 0.5, "progress": False}
    clips = load("synthetic", **dials)
    clips[0].path.unlink()

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(clips[0].path))

    monkeypatch.setattr("cryutils.datasets.synthetic.corpus.write_wav", full)
    with pytest.raises(cryutils.InputError, match="No space left on device"):
        load("synthetic", **dials)
    assert all(clip.path.is_file() for clip in clips[1:])


def test_an_option_that_a_corpus_does_not_have_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="no option 'clips_per_infants'"):
        load("synthetic", clips_per_infants=3)
    with pytest.raises(InputError, match="donateacry has no option 'infants'"):
        load("donateacry", infants=3)
