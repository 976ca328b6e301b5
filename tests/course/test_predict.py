"""`cryutils predict`: a line for each file on stdout, reasons on stderr; and `export`."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from refusals import Command, mistake
from scipy.io import wavfile
from trained_run import Trained

from cryutils import audio
from cryutils.datasets.synthetic import film as films
from cryutils.inference.predict import DEMO_ONLY
from cryutils.models.export import Lite


@pytest.fixture
def predict(quick: Trained, recordings: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`predict("cry.wav", "--json")`, started in the folder of recordings: code, out, err."""
    monkeypatch.setenv("CRYUTILS_START_DIR", str(recordings))
    return partial(command, "predict")


def test_a_line_per_episode_or_file_and_a_reason_for_a_bad_one(
    predict: Command, recordings: Path, apart: Path
) -> None:
    room = 10 ** (-65 / 20) * np.random.default_rng(0).standard_normal(30 * 16000)
    for start_s in (4, 20):
        cry = audio.read(recordings / "cry.wav", sr=16000)
        room[start_s * 16000 :][: len(cry)] += cry
    night = str(apart / "night.wav")
    wavfile.write(night, 16000, room.astype(np.float32))
    code, out, err = predict("cry.mp4", "cry.wav", "mute.mp4", "nothing.mp4", "notes.txt", night)
    assert code == 1
    both, sound, mute, nothing, *crying = out.splitlines()
    times = r"crying from 0:00:\d\d to 0:00:\d\d"
    shares = r"\w+ \((\w+ \d+%, ){3}\w+ \d+%\)"
    assert re.fullmatch(
        rf"cry\.mp4: {times}; {shares}; by sound and face; cry2: \w+ \d+%; image: \w+ \d+%", both
    )
    assert re.fullmatch(rf"cry\.wav: {times}; {shares}; by sound", sound), "no pictures expected"
    assert re.fullmatch(rf"mute\.mp4: {shares}; by face; sound: no sound", mute)
    assert nothing == ("nothing.mp4: no prediction; sound: silence; picture: black or blank frames")
    assert [re.search(rf"{times}; {shares}", line)[0][17:19] for line in crying] == ["04", "20"]
    header, reason = err.splitlines()
    assert header.startswith("Models: quick, trained on synthetic")
    assert header.endswith("No medical device.")
    assert reason.startswith(f"cryutils: {recordings / 'notes.txt'}: ")


def test_before_any_run_the_shipped_model_answers_for_the_film_of_the_demonstration_only(
    command: Command, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "_SCENES", [("hungry", 6)])
    assert command("data", "film", "demo.mp4")[0] == 0
    code, out, err = command("predict", "demo.mp4", str(recordings / "cry.wav"))
    film, real = out.splitlines()
    assert code == 0 and "say nothing about real ones" in err
    assert re.match(r"demo\.mp4: crying from .*; \w+ \((\w+ \d+%, ){3}\w+ \d+%\); by sound and face", film)
    assert real.endswith(f"cry.wav: no prediction; {DEMO_ONLY}")
    assert "ends with .mp4" in mistake(command("data", "film", "demo.avi"))


def test_all_bad_is_exit_2_with_a_line_each(predict: Command) -> None:
    files = ("notes.txt", "gone.mp4", "empty.wav", "a" * 300)
    code, out, err = predict(*files)
    assert (code, out, len(err.splitlines())) == (2, "", 5)
    assert "gone.mp4: no such file." in err


def test_a_directory_is_replaced_by_the_recordings_in_it_and_below(
    predict: Command, recordings: Path, apart: Path
) -> None:
    for name, source in (
        ("tired/anna/b.wav", "cry.wav"),
        ("tired/anna/A.PNG", "face.png"),
        ("notes.txt", "notes.txt"),
        (".hidden/c.wav", "cry.wav"),
        ("@eaDir/d.wav", "cry.wav"),
    ):
        path = apart / "infants" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recordings / source, path)
    (apart / "infants" / "voice.silk").write_bytes(b"\x02#!SILK_V3" + bytes(99))
    os.mkfifo(apart / "infants" / "pipe.wav", 0o777)
    code, out, err = predict(str(apart / "infants"), "--json")
    assert code == 0
    *lines, _ = err.splitlines()
    named = [line.partition("infants/")[2].partition(": ") for line in lines]
    assert [name for name, _, _ in named] == [".hidden", "@eaDir", "pipe.wav", "voice.silk"]
    assert "WeChat" in named[-1][2]
    names = [Path(row["file"]).relative_to(apart / "infants") for row in json.loads(out)]
    assert [str(name) for name in names] == ["tired/anna/A.PNG", "tired/anna/b.wav"]


def test_json_and_csv_have_the_same_answers(predict: Command) -> None:
    files = "=1+1.wav", "cry.mp4", "silent.mp4", "nothing.mp4"
    code, out, _ = predict(*files, "--json")
    bad, both, silent, nothing = objects = json.loads(out)
    assert (code, tuple(row["file"] for row in objects)) == (1, files)
    for row in (bad, nothing):
        assert (row["state"], row["probabilities"], row["used"]) == (None, {}, "none")
    assert (both["run"], both["model"], both["data"]) == ("quick", "full", "synthetic")
    assert (both["used"], both["note"], both["error"]) == ("both", "", None)
    assert (silent["used"], silent["note"]) == ("image", "sound: silence")
    table = list(csv.DictReader(io.StringIO(predict(*files, "--csv")[1])))
    assert [row["state"] for row in table] == [row["state"] or "" for row in objects]
    p = {name: float(table[1][f"p_{name}"]) for name in both["probabilities"]}
    assert p == both["probabilities"] and table[0]["p_tired"] == ""
    assert table[0]["file"] == "'=1+1.wav", "text in a spreadsheet, and no formula"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("",), "an empty name"),
        (("cry.mp4", "--model", "ful"), "no model 'ful'. Did you mean full?"),
        (("cry.mp4", "--run", "quik"), "Did you mean quick?"),
        (("cry.mp4", "--json", "--csv"), "give one of them"),
        (("{apart}",), "no recording in this directory"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], words: str, predict: Command, apart: Path) -> None:
    (apart / "notes.md").write_text("no recording")
    code, out, err = predict(*(text.format(apart=apart) for text in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("cryutils: ") and words in err


def test_opencv_that_needs_libgl_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open')")
    done = subprocess.run(
        [sys.executable, "-m", "cryutils.course.cli", "predict", "cry.wav"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install --force-reinstall 'opencv-python-headless" in done.stderr


def test_it_never_imports_tensorflow(quick: Trained, recordings: Path) -> None:
    script = f"""
import sys
from cryutils.course import cli
try:
    cli.main(["predict", {str(recordings / "cry.mp4")!r}])
except SystemExit as ended:
    assert not ended.code
heavy = ("tensorflow", "keras", "sklearn", "librosa", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_model_is_exported_to_the_output_folder(quick: Trained, command: Command, apart: Path) -> None:
    code, out, err = command("export", "--model", "cry2", "--output", "device")
    paths = [apart / "device" / name for name in ("cry2_float32.tflite", "gate.npz", "features.npz")]
    lines = [f"{path}: {path.stat().st_size / 1000:.0f} kB" for path in paths]
    assert (code, out.splitlines(), err) == (0, lines, "No medical device.\n")
    assert Lite(paths[0]).classes == 4
    assert {*paths[0].parent.iterdir()} == {*paths, apart / "device" / "cry2_float32.json"}
    (apart / "file").write_text("no folder")
    line = mistake(command("export", "--model", "cry2", "--output", "file"))
    assert "file (File exists): choose another folder" in line
