"""`cryutils predict`: a row a file on stdout, reasons on stderr, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from trained_run import Trained

from cryutils import cli, media

Said = tuple[int, str, str]
Predict = Callable[..., Said]

HEADER = "trained on synthetic voices and faces: no evidence about real infants. No medical device."


@pytest.fixture
def predict(
    quick: Trained, recordings: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Predict:  # fmt: skip
    """`predict("cry.wav", "--json")`, started in the folder of recordings: code, out, err."""
    monkeypatch.setenv("CRYUTILS_START_DIR", str(recordings))

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["predict", *arguments])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def rows(out: str) -> list[list[str]]:
    """The cells of the table's rows, below its head."""
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


# A batch


def test_two_rows_one_reason_and_exit_1(predict: Predict, recordings: Path) -> None:
    code, out, err = predict("cry.mp4", "cry.wav", "notes.txt")
    assert code == 1
    video, sound = rows(out)
    assert (video[0], sound[0]) == ("cry.mp4", "cry.wav")
    assert video[-2:] == ["sound + face", ""]
    assert sound[-2:] == ["sound", "picture: no pictures"]
    header, reason = err.splitlines()
    assert header == f"Models: quick, {HEADER}"
    assert reason.startswith(f"cryutils: {recordings / 'notes.txt'}: ")


def test_all_good_is_exit_0(predict: Predict) -> None:
    code, out, err = predict("cry.mp4", "face.png")
    assert code == 0
    assert len(rows(out)) == 2
    assert err == f"Models: quick, {HEADER}\n"


def test_all_bad_is_exit_2_with_a_line_each_and_no_table(predict: Predict) -> None:
    code, out, err = predict("notes.txt", "gone.mp4", "empty.wav")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 4
    assert "gone.mp4: no such file." in err
    assert "empty.wav: the file is empty." in err


def test_the_table_shows_the_shares_that_add_up_and_the_likeliest_state(predict: Predict) -> None:
    _, out, _ = predict("cry.wav")
    head = next(line for line in out.splitlines() if "state" in line)
    names = [cell.strip() for cell in head.strip("┃").split("┃")]
    assert names == ["file", "state", "discomfort", "hungry", "pain", "tired", "by", "left aside"]
    (row,) = rows(out)
    shares = {name: int(cell.rstrip("%")) for name, cell in zip(names[2:6], row[2:6], strict=True)}
    assert sum(shares.values()) == pytest.approx(100, abs=2)
    assert shares[row[1]] == max(shares.values())


def test_without_anything_usable_the_row_says_no_prediction_and_why(predict: Predict) -> None:
    code, out, _ = predict("nothing.mp4")
    assert code == 0
    assert rows(out) == [
        [
            "nothing.mp4", "no prediction", "–", "–", "–", "–", "–",
            "sound: silence; picture: black or blank frames",
        ]
    ]  # fmt: skip


def test_off_a_terminal_a_long_path_stays_on_its_line(predict: Predict, recordings: Path) -> None:
    _, out, _ = predict(str(recordings / "cry.mp4"), str(recordings / "." / "cry.wav"))
    assert [row[0] for row in rows(out)] == [
        str(recordings / "cry.mp4"), str(recordings / "cry.wav")
    ]  # fmt: skip


def test_markup_in_a_files_name_is_shown_as_it_is(predict: Predict, recordings: Path) -> None:
    name = "[bold]cry[/].wav"
    (recordings / "[bold]cry[").mkdir(exist_ok=True)
    (recordings / name).write_bytes((recordings / "cry.wav").read_bytes())
    _, out, _ = predict(name)
    assert rows(out)[0][0] == name


# JSON


def test_json_is_one_object_a_file_in_the_order_given(predict: Predict) -> None:
    code, out, _ = predict("notes.txt", "cry.mp4", "silent.mp4", "nothing.mp4", "--json")
    assert code == 1
    bad, both, silent, nothing = json.loads(out)
    assert set(bad) == {"file", "error"}
    assert bad["file"] == "notes.txt" and "\n" not in bad["error"]
    assert list(both) == ["file", "state", "probabilities", "used", "why"]
    assert both["state"] == max(both["probabilities"], key=both["probabilities"].__getitem__)
    assert (both["file"], both["used"], both["why"]) == ("cry.mp4", "both", [])
    assert (silent["used"], silent["why"]) == ("image", ["sound: silence"])
    assert (nothing["state"], nothing["probabilities"], nothing["used"]) == (None, {}, "none")


def test_json_of_bad_files_alone_is_valid_too(predict: Predict) -> None:
    code, out, _ = predict("notes.txt", "--json")
    assert code == 2
    assert [set(row) for row in json.loads(out)] == [{"file", "error"}]


# Options


def test_one_model_alone(predict: Predict) -> None:
    _, out, _ = predict("cry.mp4", "--json", "--model", "image")
    (row,) = json.loads(out)
    assert (row["used"], row["why"]) == ("image", [])


def test_mistyped_options_are_one_line_with_the_near_miss(predict: Predict) -> None:
    for arguments, words in (
        (("--model", "ful"), "cryutils: no model 'ful'. Did you mean full?"),
        (("--run", "quik"), "quik: no models here. Did you mean quick?"),
    ):
        code, out, err = predict("cry.mp4", *arguments)
        assert (code, out) == (2, "")
        assert words in err and err.count("\n") == 1


def test_before_any_run_it_says_how_to_start_one(
    predict: Predict, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYUTILS_OUTPUTS_DIR", str(apart / "none"))
    code, out, err = predict("cry.mp4")
    assert (code, out) == (2, "")
    assert "no run has trained 'full' yet; start one with `cryutils run 04_cry2 05_image`" in err
    assert err.count("\n") == 1


def test_no_file_at_all_is_exit_2(predict: Predict) -> None:
    code, out, err = predict()
    assert (code, out) == (2, "")
    assert "FILE" in err and err.count("\n") == 1


# Drawing


def test_annotate_writes_videos_and_pictures_and_notes_what_has_none(
    predict: Predict, apart: Path
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


def test_recordings_of_one_name_are_drawn_into_files_of_their_own(
    predict: Predict, apart: Path, recordings: Path
) -> None:
    paths = []
    for infant in ("baby-01", "baby-02"):
        (apart / infant).mkdir()
        paths.append(apart / infant / "monday.png")
        paths[-1].write_bytes((recordings / "face.png").read_bytes())
    drawn = apart / "drawn"
    _, out, _ = predict(*map(str, paths), "--json", "--annotate", str(drawn))
    written = [row["annotated"] for row in json.loads(out)]
    assert written == [str(drawn / "monday.png"), str(drawn / "monday-2.png")]
    assert all(Path(path).is_file() for path in written)


def test_a_recording_is_never_overwritten_and_keeps_its_row(
    predict: Predict, recordings: Path
) -> None:
    before = {path.name: path.read_bytes() for path in recordings.glob("*.*") if path.is_file()}
    code, out, err = predict("cry.mp4", "face.png", "--json", "--annotate", ".")
    assert code == 1
    assert err.count("the recording itself is in there; choose another folder.") == 2
    for row in json.loads(out):
        assert row["state"] and row["annotated"] is None and "error" not in row
    after = {path.name: path.read_bytes() for path in recordings.glob("*.*") if path.is_file()}
    assert after == before


def test_a_folder_that_cannot_be_made_is_told_before_any_work(
    predict: Predict, recordings: Path
) -> None:
    code, out, err = predict("cry.mp4", "--annotate", "notes.txt/drawn")
    assert (code, out) == (2, "")
    assert "can't be written to" in err.splitlines()[-1]
    assert "Traceback" not in err


# What it costs


def test_it_never_imports_tensorflow(quick: Trained, recordings: Path) -> None:
    script = f"""
import sys
from cryutils import cli
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
