"""`cryutils predict`: a row for each file on stdout, reasons on stderr, and exit codes."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import Command
from trained_run import Trained, change_card

from cryutils import audio
from cryutils._io import media
from cryutils.papers.predict import Predictor

HEADER = (
    "trained on synthetic voices and faces: no evidence about real infants;"
    " sound model, face model: not calibrated. No medical device."
)


@pytest.fixture
def predict(
    quick: Trained, recordings: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """`predict("cry.wav", "--json")`, started in the folder of recordings: code, out, err."""
    monkeypatch.setenv("CRYUTILS_START_DIR", str(recordings))
    return partial(command, "predict")


def rows(out: str) -> list[list[str]]:
    """The cells of the table's rows, below its head."""
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


# A batch


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (b"caf\xe9.wav", r"caf\xe9.wav"),
        (b"a\x1b[2J.wav", r"a\x1b[2J.wav"),
        (b"x\ny.wav", r"x\ny.wav"),
        (b"[b]a.wav", "[b]a.wav"),
    ],
)
@pytest.mark.parametrize("columns", ["200", "60"])
def test_an_odd_name_is_spelled_out(
    name: bytes, line: str, columns: str, predict: Command, apart: Path, recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", columns)
    good, bad = (apart / folder / os.fsdecode(name) for folder in ("good", "bad"))
    for path, source in ((good, "cry.mp4"), (bad, "empty.wav")):
        path.parent.mkdir()
        shutil.copy(recordings / source, path)
    code, out, err = predict(str(good), str(bad), "--annotate", str(apart / "drawn"))
    assert code == 1
    assert line in out and "\x1b" not in out + err
    _, drawing, problem = err.splitlines()
    assert drawing.startswith(f"{line}: drawn in ")
    assert problem.endswith(f"{line}: the file is empty; copy or record it again.")


def test_two_rows_one_reason_and_exit_1(predict: Command, recordings: Path) -> None:
    code, out, err = predict("cry.mp4", "cry.wav", "notes.txt")
    assert code == 1
    video, sound = rows(out)
    assert (video[0], sound[0]) == ("cry.mp4", "cry.wav")
    assert video[-3:] == ["sound + face", "quick", ""]
    assert sound[-3:] == ["sound", "quick", ""]  # nobody expects pictures in it
    header, reason = err.splitlines()
    assert header == f"Models: quick, {HEADER}"
    assert reason == (
        "cryutils: notes.txt: no sound, video or picture that can be read; give sounds (such as"
        " wav, mp3, m4a), videos (mp4, mov, mkv) or pictures (jpg, png, heic)."
    )


def test_a_recording_that_memory_does_not_suffice_for_costs_its_own_row_only(
    predict: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = audio.pieces

    def greedy(path: Path, *, sr: int) -> Iterator[tuple[float, np.ndarray]]:
        if path.name == "dark.mp4":
            np.empty(1 << 60, np.uint8)
        return pieces(path, sr=sr)

    monkeypatch.setattr(audio, "pieces", greedy)
    code, out, err = predict("cry.wav", "dark.mp4", "face.png", "--json")
    assert code == 1
    why = "dark.mp4: it needs more memory than there is; cut it into shorter files."
    assert [row["error"] for row in json.loads(out)] == [None, why, None]
    assert err.splitlines()[1:] == [f"cryutils: {why}"]


def test_all_bad_is_exit_2_with_a_line_each_and_no_table(predict: Command) -> None:
    files = ("notes.txt", "gone.mp4", "empty.wav")
    code, out, err = predict(*files)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 4
    code, out, _ = predict(*files, "--json")
    assert code == 2 and all(row["error"] for row in json.loads(out))
    assert "gone.mp4: no such file." in err
    assert "empty.wav: the file is empty; copy or record it again." in err


def test_a_remark_names_what_was_unusable_but_not_what_the_file_never_has(predict: Command) -> None:
    code, out, _ = predict("cry.wav", "face.png", "mute.mp4", "nothing.mp4")
    assert code == 0
    remarks = ["", "", "sound: no sound", "sound: silence; picture: black or blank frames"]
    assert [row[-1] for row in rows(out)] == remarks
    assert rows(out)[-1][:2] == ["nothing.mp4", "no prediction"]
    _, out, _ = predict("cry.wav", "--model", "image")
    assert [row[1] + ", " + row[-1] for row in rows(out)] == ["no prediction, picture: no pictures"]


def test_a_file_is_shown_by_its_name_unless_two_share_it(
    predict: Command, recordings: Path, apart: Path
) -> None:
    _, out, _ = predict(str(recordings / "cry.mp4"), str(recordings / "cry.wav"))
    assert [row[0] for row in rows(out)] == ["cry.mp4", "cry.wav"]
    shutil.copy(recordings / "cry.wav", apart)
    _, out, _ = predict("cry.wav", str(apart / "cry.wav"), "cry.mp4")
    assert [row[0] for row in rows(out)] == ["cry.wav", str(apart / "cry.wav"), "cry.mp4"]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_table_fits_a_terminal_and_cuts_no_state(
    width: int, predict: Command, recordings: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    name = "a-recording-with-a-long-name-of-monday-morning-in-the-kitchen.wav"
    shutil.copy(recordings / "cry.wav", apart / name)
    _, whole, _ = predict(str(apart / name), "cry.mp4", "nothing.mp4", "--json")
    _, out, _ = predict(str(apart / name), "cry.mp4", "nothing.mp4")
    lines = out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out
    cells = [re.split(r"  +|│", line.strip("│ ")) for line in lines]
    folded = "".join(row[0].strip() for row in cells)
    assert name in folded and "cry.mp4" in folded
    words = re.findall(r"[\w%]+", out)
    for row in json.loads(whole):
        assert {row["state"] or "prediction", *row["probabilities"]} <= set(words)
        assert {f"{share:.0%}" for share in row["probabilities"].values()} <= set(words)
    assert {"silence", "black", "frames", "quick"} <= set(words)


# Directories


def test_a_directory_stands_for_the_recordings_in_it_and_below(
    predict: Command, recordings: Path, apart: Path
) -> None:
    folder = apart / "infants"
    for name, source in (
        ("tired/anna/b.wav", "cry.wav"), ("tired/anna/A.PNG", "face.png"), ("z.mp4", "cry.mp4"),
        ("notes.txt", "notes.txt"), (".hidden/c.wav", "cry.wav"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recordings / source, folder / name)
    code, out, err = predict(str(folder), "--json")
    assert code == 0
    names = [row["file"] for row in json.loads(out)]
    assert names == [
        str(folder / name) for name in ("tired/anna/A.PNG", "tired/anna/b.wav", "z.mp4")
    ]
    assert f"{folder}: 1 other file left aside; give sounds (" in err


def test_a_directory_without_recordings_is_refused_and_costs_no_other_file(
    predict: Command, apart: Path
) -> None:
    (apart / "empty").mkdir()
    code, out, err = predict(str(apart / "empty"), "cry.wav", "--json")
    assert code == 1
    bad, good = json.loads(out)
    assert bad["state"] is None and bad["error"] and good["state"]
    assert f"cryutils: {apart / 'empty'}: no recording in this directory; give sounds (" in err
    assert predict(str(apart / "empty"))[0] == 2


def test_a_directory_that_may_not_be_read_is_said_to_be(
    predict: Command, apart: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recordings, apart / "all" / "secret")
    secret, allowed = str(apart / "all" / "secret"), os.access
    # The superuser may read everything, so that a mode of 0 would test nothing there.
    monkeypatch.setattr(os, "access", lambda path, *a: str(path) != secret and allowed(path, *a))
    code, out, err = predict(secret)
    assert (code, out) == (2, "")
    assert f"{secret}: this directory can't be opened; allow it to be read.\n" in err
    _, _, err = predict(str(apart / "all"))
    assert f"{secret}: this folder can't be opened; allow it to be read.\n" in err


# JSON


def test_json_is_one_object_a_file_in_the_order_given(predict: Command) -> None:
    code, out, _ = predict("notes.txt", "cry.mp4", "silent.mp4", "nothing.mp4", "--json")
    assert code == 1
    bad, both, silent, nothing = json.loads(out)
    assert bad["file"] == "notes.txt" and "\n" not in bad["error"]
    assert (bad["state"], bad["probabilities"], bad["used"]) == (None, {}, "none")
    assert both["error"] is None
    first = ["file", "state", "probabilities", "used", "why"]
    for row in (bad, both, silent, nothing):
        assert list(row) == [*first, "run", "model", "data", "unlike", "error"]
    for row in (bad, both):
        assert (row["run"], row["model"], row["data"]) == ("quick", "full", "synthetic")
    assert (silent["model"], silent["unlike"]) == ("image", None)
    assert both["state"] == max(both["probabilities"], key=both["probabilities"].__getitem__)
    assert (both["file"], both["used"], both["why"]) == ("cry.mp4", "both", [])
    assert (silent["used"], silent["why"]) == ("image", ["sound: silence"])
    assert (nothing["state"], nothing["probabilities"], nothing["used"]) == (None, {}, "none")


# Options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("",), "'': an empty name; give a file or directory."),
        (("face.png", "--annotate", ""), "'': an empty name; give a file or directory."),
        (("a" * 300,), "a: it can't be opened (File name too long)."),
        (("-",), "-: no such file."),
        (("--json",), "Missing argument 'FILE|DIRECTORY...'."),
        (("cry.mp4", "--model", "ful"), "no model 'ful'. Did you mean full?"),
        (("cry.mp4", "--run", "quik"), "quik: no models here. Did you mean quick?"),
        (
            ("cry.mp4", "--annotate", "notes.txt/drawn"),
            "can't be written to (Not a directory); name another folder.",
        ),
    ],
    ids=["empty", "empty folder", "long", "stdin", "none", "model", "run", "folder"],
)
def test_odd_arguments_are_one_line(
    arguments: tuple[str, ...], words: str, predict: Command
) -> None:
    code, out, err = predict(*arguments)
    assert code == 2 and "drawn" not in out
    *header, line = err.splitlines()
    assert line.startswith("cryutils: ") and line.endswith(words)
    assert header in ([], [f"Models: quick, {HEADER}"])


# Drawing


def test_annotate_writes_videos_and_pictures_and_notes_what_has_none(
    predict: Command, apart: Path
) -> None:
    code, out, err = predict("cry.mp4", "face.png", "cry.wav", "--json", "--annotate", str(apart))
    assert code == 0
    drawn = {row["file"]: row["annotated"] for row in json.loads(out)}
    assert drawn == {
        "cry.mp4": str(apart / "cry.mp4"), "face.png": str(apart / "face.png"), "cry.wav": None,
    }  # fmt: skip
    assert media.probe(apart / "cry.mp4").has_audio
    with Image.open(apart / "face.png") as picture:
        assert picture.format == "PNG"
    assert "cry.wav: a sound, so there's no picture to draw in." in err
    assert f"cry.mp4: drawn in {apart / 'cry.mp4'}\n" in err
    assert f"face.png: drawn in {apart / 'face.png'}\n" in err


def test_drawings_never_overwrite_a_file_or_one_another(
    predict: Command, recordings: Path, apart: Path
) -> None:
    drawn, other = apart / "drawn", apart / "face.png"
    drawn.mkdir()
    (drawn / "face.png").write_text("mine")
    (drawn / "Face-2.txt").write_text("mine too")
    shutil.copy(recordings / "face.png", other)
    _, out, err = predict("face.png", str(other), "--json", "--annotate", str(drawn))
    expected = [str(drawn / "face-3.png"), str(drawn / "face-4.png")]
    assert [row["annotated"] for row in json.loads(out)] == expected
    assert all(f"face.png: drawn in {path}\n" in err for path in expected)
    assert (drawn / "face.png").read_text() == "mine"
    assert (drawn / "Face-2.txt").read_text() == "mine too"


def test_a_recording_is_never_overwritten_and_keeps_its_row(
    predict: Command, recordings: Path
) -> None:
    before = {path.name: path.read_bytes() for path in recordings.glob("*.*") if path.is_file()}
    code, out, err = predict("cry.mp4", "face.png", "--json", "--annotate", ".")
    assert code == 1
    assert err.count("the recording itself is in there; choose another folder.") == 2
    for row in json.loads(out):
        assert row["state"] and row["annotated"] is None and row["error"] is None
    after = {path.name: path.read_bytes() for path in recordings.glob("*.*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("names", [("face.png", "cry.mp4"), ("cry.mp4", "face.png")])
def test_a_full_disk_costs_no_answer_and_leaves_nothing_half_written(
    names: tuple[str, ...], predict: Command, apart: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        code, out, err = predict(*names, "--json", "--annotate", str(apart / "drawn"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 2
    assert [(row["file"], bool(row["state"])) for row in json.loads(out)] == [
        (name, True) for name in names
    ]
    message = f"--annotate {apart / 'drawn'}: can't be written to (File too large); name another"
    assert err.splitlines()[1:] == [f"cryutils: {message} folder."]
    assert list((apart / "drawn").iterdir()) == []


# What it costs


def test_it_never_imports_tensorflow(quick: Trained, recordings: Path) -> None:
    script = f"""
import sys
from cryutils.course import cli
try:
    cli.main(["predict", {str(recordings / "cry.mp4")!r}, {str(recordings / "cry.wav")!r}])
except SystemExit as ended:
    assert not ended.code
heavy = ("tensorflow", "keras", "sklearn", "librosa", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert len(rows(done.stdout)) == 2
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == f"Models: quick, {HEADER}\n"


# Who answers


def test_a_stand_in_is_named_with_each_file_that_it_answers(
    quick: Trained, predict: Command, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = apart / "outputs"
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(outputs))
    shutil.copytree(quick.run, outputs / "quick")
    models, pictures = outputs / "real" / "models", shutil.ignore_patterns("image.*")
    shutil.copytree(quick.run / "models", models, ignore=pictures)
    change_card(models, "cry2", data="donateacry", note="DonateACry (real recordings)")
    code, out, err = predict("cry.wav", "cry.mp4", "face.png")
    assert code == 0
    assert [row[-2] for row in rows(out)] == ["real", "real", "quick"]
    header, stand_in = err.splitlines()
    assert header == (
        "Models: real, trained on DonateACry (real recordings); sound model: not calibrated."
        " No medical device."
    )
    note = f"{quick.corpus.note}; face model: not calibrated"
    assert stand_in == f"face.png: answered by quick, trained on {note}."


def test_the_ensemble_answers_and_its_answer_is_drawn(
    complete: Trained, predict: Command, recordings: Path, apart: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(complete.outputs))
    drawn = apart / "drawn"
    code, out, err = predict(
        "cry.mp4", "cry.wav", "--model", "ensemble", "--json", "--annotate", str(drawn)
    )
    assert code == 0
    video, sound = json.loads(out)
    expected = Predictor("ensemble")(recordings / "cry.mp4").row() | {"file": "cry.mp4"}
    assert {name: video[name] for name in expected} == expected
    assert (sound["used"], sound["why"]) == ("audio", ["picture: no pictures"])
    assert video["annotated"] == str(drawn / "cry.mp4") and (drawn / "cry.mp4").is_file()
    assert err.startswith("Models: quick, trained on nothing; ensemble: not calibrated. No ")
