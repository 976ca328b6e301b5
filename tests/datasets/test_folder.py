"""Any folder of recordings becomes clips, and whatever can't is one line in `problems()`."""

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from scipy.io import wavfile

from cryutils.datasets import folder as folders
from cryutils.datasets.copies import merge_copies
from cryutils.datasets.corpus import Clip, Corpus, Problem
from cryutils.datasets.registry import load

pytestmark = pytest.mark.usefixtures("apart")

UUID = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"


@pytest.fixture
def root(apart, sound) -> Path:
    """A folder with two good recordings, one a class, to which a test adds what it tests."""
    sound(apart / "own" / "hungry" / "anna" / "1.wav", seed=1)
    sound(apart / "own" / "tired" / "bo" / "2.wav", seed=2)
    return apart / "own"


def left_out(corpus: Corpus) -> dict[str, str]:
    rows = corpus.problems()
    rows = rows[rows.kind == "left out"]
    assert rows.item.is_unique
    assert not rows.what.str.contains("\n").any()
    return dict(zip(rows.item, rows.what, strict=True))


def test_label_and_infant_come_from_the_folders(root, sound, still) -> None:
    """Deeper folders belong to the infant, and infants of one name are one."""
    sound(root / "tired" / "anna" / "monday" / "film.mp4")
    still(root / "tired" / "anna" / "face.jpg")
    corpus = load(root)
    assert (corpus.name, len(corpus.problems())) == ("own", 0)
    assert [(c.id, c.label, c.infant, c.has_audio, c.has_video) for c in corpus] == [
        ("hungry/anna/1.wav", "hungry", "anna", True, False),
        ("tired/anna/face.jpg", "tired", "anna", False, True),
        ("tired/anna/monday/film.mp4", "tired", "anna", True, True),
        ("tired/bo/2.wav", "tired", "bo", True, False),
    ]


def test_a_still_belongs_to_the_sound_of_its_stem_unless_one_is_damaged(root, still) -> None:
    picture = still(root / "tired" / "bo" / "2.png")
    still(root / "tired" / "bo" / "1.png", seed=1)  # a 1.wav exists, but elsewhere
    still(root / "tired" / "bo" / "3.png", seed=2)
    (root / "tired" / "bo" / "3.wav").write_text("no sound")
    (root / "hungry" / "anna" / "1.png").write_bytes(b"\x89PNG nothing more")
    corpus = load(root)
    clips = {clip.id: clip for clip in corpus}
    assert sorted(clips) == ["hungry/anna/1.wav", "tired/bo/1.png", "tired/bo/2.wav", "tired/bo/3.png"]
    joined = clips["tired/bo/2.wav"]
    assert (joined.still, joined.has_audio, joined.has_video) == (picture, True, True)
    assert not clips["hungry/anna/1.wav"].has_video
    assert sorted(left_out(corpus)) == ["hungry/anna/1.png", "tired/bo/3.wav"]


def test_each_thing_that_cannot_be_used_is_one_line(root, sound, still) -> None:
    (root / "tired" / "cleo").mkdir()
    (root / "tired" / "bo" / "empty.wav").touch()
    (root / "tired" / "bo" / "text.wav").write_text("not a sound")
    (root / "tired" / "bo" / "notes.txt").write_text("cried at three")
    cut = sound(root / "tired" / "bo" / "cut.m4a")
    cut.write_bytes(cut.read_bytes()[:200])
    sound(root / "stray.wav", seed=4)
    sound(root / "tired" / "label-only.wav", seed=5)
    sound(root / "tired" / "bo" / "._2.wav")  # hidden files belong to the system
    still(root / "tired" / "bo" / "@eaDir" / "2.jpg")  # a thumbnail
    sound(root / "tired/#snapshot" / "anna" / "1.wav")
    (root / "tired" / "bo" / ".4.wav.icloud").write_bytes(b"bplist00" + bytes(99))
    values = np.round(20000 * np.sin(np.arange(16000) / 9)).astype(np.int32)
    wavfile.write(root / "tired" / "bo" / "5.wav", 16000, values)
    for name, first in {"6.amr": b"#!SILK_V3", "7.zip": b"PK\x03\x04", "8.wav": b"bplist00"}.items():
        (root / "tired" / "bo" / name).write_bytes(first + bytes(99))
    os.mkfifo(root / "tired" / "bo" / "pipe.wav", 0o777)
    corpus = load(root)
    assert len(corpus) == 3
    doubts = corpus.problems().set_index("item").query("kind == 'doubtful'").what
    assert [*doubts.index] == ["tired/bo/5.wav"] and "16-bit" in doubts.iloc[0]
    what = left_out(corpus)
    rename = "rename it if it is a recording"
    wanted = {
        "tired/cleo": "an empty folder",
        "tired/bo/empty.wav": "the file is empty; copy or record it again",
        "tired/bo/text.wav": "can't be decoded",
        "tired/bo/notes.txt": f"files named *.txt are not read; {rename}",
        "tired/bo/cut.m4a": "can't be decoded",
        "stray.wav": "put it into <label>/<infant>/, ",
        "tired/label-only.wav": "put it into <label>/<infant>/, ",
        "tired/#snapshot": "system folder",
        "tired/bo/.4.wav.icloud": "iCloud",
        "tired/bo/6.amr": "WeChat",
        "tired/bo/7.zip": "archive",
        "tired/bo/8.wav": "iCloud",
        "tired/bo/pipe.wav": "no regular file",
    }
    assert set(what) == set(wanted)
    assert all(wanted[item] in line for item, line in what.items())
    assert not any(str(root) in line for line in what.values())


def test_what_vanishes_while_a_folder_is_read_is_one_line(root, sound, monkeypatch) -> None:
    path = sound(root / "tired" / "bo" / "3.wav", seed=3)

    def compare(clips: Sequence[Clip]) -> tuple[list[Clip], list[Problem]]:
        path.unlink(missing_ok=True)
        return merge_copies(clips)

    monkeypatch.setattr(folders, "merge_copies", compare)
    corpus = load(root)
    assert len(corpus) == 2 and left_out(corpus) == {"tired/bo/3.wav": "no such file"}


def test_infants_that_share_a_file_are_one_infant(root, sound, still) -> None:
    """Through others as well: anna's file is bo's, and a still of bo's is cleo's."""
    shutil.copy(root / "tired" / "bo" / "2.wav", root / "hungry" / "anna" / "copy.wav")
    sound(root / "tired" / "cleo" / "3.wav", seed=3)
    still(root / "tired" / "cleo" / "3.png")
    still(root / "tired" / "bo" / "2.png")
    sound(root / "hungry" / "dora" / "4.wav", seed=4)
    corpus = load(root)
    assert sorted(set(corpus.infants)) == ["anna + bo + cleo", "dora"]
    assert corpus.describe().infants["all"] == 2
    assert corpus.note == "recordings in own; 4 infants counted as 2: some share recordings"
    assert corpus.problems().item.tolist() == ["hungry/anna/copy.wav", "tired/bo/2.png"]
    assert corpus.problems().what.tolist() == [
        "identical recordings: tired/bo/2.wav; infants anna, bo count as one; labels hungry, tired",
        "identical recordings: tired/cleo/3.png; infants bo, cleo count as one",
    ]


@pytest.mark.parametrize(
    ("folder", "code", "label", "infant", "reason"),
    [
        ("tired", "hu", "tired", UUID.lower(), "hungry"),
        ("", "lo", "lonely", UUID.lower(), "lonely"),
        ("tired/cleo", "ti", "tired", "cleo", "tired"),  # folders outrank a name
    ],
)
def test_a_name_of_donateacry_gives_what_its_folders_do_not(
    folder, code, label, infant, reason, apart, sound
) -> None:
    sound(apart / "own" / folder / f"{UUID}-1430742197-1.0-m-04-{code}.wav")
    corpus = load("own")
    (clip,) = corpus
    assert (clip.label, clip.infant, clip.reason) == (label, infant, reason)
    assert (clip.start_s, clip.sex, clip.age) == (1430742197.0, "m", "0-4 weeks")
    differing = (infant != UUID.lower()) + (label != reason)
    assert corpus.problems().kind.tolist() == ["contradiction"] * differing


def test_names_in_several_spellings_are_one(root, sound) -> None:
    for seed, name in enumerate(("caf\u00e9", "cafe\u0301")):
        sound(root / name / f"infant {seed}" / "1.wav", seed=3 + seed)
    for k, infant in enumerate(("b_03", "B 03", "b03")):
        sound(root / "Hungry" / infant / "3.wav", seed=5 + k)
    corpus = load(root)
    assert (corpus.classes, len(corpus)) == (("café", "hungry", "tired"), 7)
    assert {*corpus.infants} >= {"B 03", "b03"} and "b_03" not in corpus.infants
    assert corpus.problems().kind.tolist() == ["changed"] * 2
    assert corpus.problems().item.tolist() == ["Hungry", "b_03"]


def test_words_for_a_state_are_read_as_its_label_and_the_note_names_them(root, sound) -> None:
    names = ["HUNGER", "Stomach-ache", "want_to_be_hugged", "want to be hugged", "colic", "Belly Pain"]
    for seed, name in enumerate(names, 3):
        sound(root / name / f"infant {seed}" / "1.wav", seed=seed)
    corpus = load(root)
    assert corpus.classes == ("belly_pain", "colic", "hug", "hungry", "tired")
    assert [*corpus.describe().clips] == [2, 1, 2, 2, 1, 8]
    assert "; HUNGER read as hungry; Stomach-ache read as belly_pain; want " in corpus.note
    assert "Belly" not in corpus.note, "it differs in spelling alone"
    assert corpus.select(["hunger"]).classes == ("hungry",)


def test_labels_on_the_second_level_are_refused(apart, sound) -> None:
    for label in ("hungry", "Tired"):
        sound(apart / "own" / "infant 0" / label / "1.wav")
    message = refusal(apart / "own", load)
    assert "hungry is on the second level" in message and "<label>/<infant>/<file>" in message


@pytest.mark.parametrize("folder", ["train/hungry/cleo", "hungry/Test/cleo", "hungry/cv_fold1"])
def test_the_parts_of_a_split_are_no_labels_and_no_infants(folder, root, sound) -> None:
    for seed, name in enumerate(["participant3", "part-time", "set2", "Valentina"], 4):
        sound(root / name / name / "x.wav", seed=seed)
    assert len(load(root)) == 6, "names that only begin like a part"
    sound(root / folder / "x.wav", seed=3)
    assert "is a part of a split, not a label or an infant" in refusal(root, load)


def test_a_root_with_nothing_usable_names_the_first_reason(apart, command) -> None:
    (apart / "own" / "tired" / "bo").mkdir(parents=True)
    (apart / "own" / "tired" / "bo" / "1.wav").write_text("text")
    (apart / "own" / "notes.txt").touch()
    code, out, err = command("data", "describe", "own", "--problems")
    assert code == 2 and "First of 2 problems: notes.txt: " in err
    (listing,) = re.findall(r"`cryutils (.*)` lists them\.$", err)
    assert command(*shlex.split(listing)) == (code, out, err)
    assert out.startswith("left out  notes.txt: ") and "\nleft out  tired/bo/1.wav: " in out
