"""Measure the shipped cry gate on sounds of a home.

    python tools/measure_gate.py CLONES

CRYUTILS_DATA_DIR must contain `corvin2024`. CLONES contains the repositories of `HOME_SOUNDS`, at the
commits that `outputs/reference/gate_sources.csv` names. The gate was trained on none of them.
Writes `gate_home.csv` into the same folder.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from fit_gate import HOME, QUIETER_DB, joined, shares, windows_of

import cryutils
from cryutils import audio
from cryutils.models.gate import QUIETEST_DB, SR, Gate

ESC = r"^ESC-50/audio/\d-(\d+)-\w-(?:%s)\.wav"  # recording, class
ADULTS = r"^Nonverbal-Vocalization-Dataset/dataset/(?:%s)/(\w{4})"  # class, speaker
FAMILY = r"^(Parent-Child)-Vocal-Interaction-Dataset/dataset/%s/.* %s$"  # room, speaker and kind of speech
HOME_SOUNDS = {  # expressions for the files of a sound; their group is the maker
    "cries": [r"^baby_cry_detection/data/301[^/]*/(?:\d-)?(\w+)"],
    "quiet room": [r"^baby_cry_detection/data/(901)"],
    "noise, rain, wind": [r"^moodist/public/sounds/(?:noise|rain)/(.+)", ESC % "10|16|19"],
    "machines": [
        r"^Projektarbeit-1/noise_data/processed/((?:aircon|dishwasher|vacuuming)_\d+)",
        r"^moodist/public/sounds/things/(ceiling-fan|dryer|washing-machine)",
        ESC % "35|36",
    ],
    "household": [
        r"^moodist/public/sounds/things/(?!ceiling-fan|dryer|washing-machine)(.+)",
        ESC % "15|17|18|25|27|29|30|31|32|33|34|38|39",
    ],
    "alarm clocks": [ESC % "37", r"^moodist/public/sounds/(alarm)"],
    "cats and dogs": [ESC % "0|5", r"^moodist/public/sounds/animals/(cat|dog)"],
    "adults breathing, snoring, coughing": [
        ESC % "21|23|24|28",
        ADULTS % "coughing|nose-blowing|sighing|sneezing|throat-clearing|yawning",
    ],
    "adults laughing": [ESC % "26", ADULTS % "laughing"],
    "adults crying": [ADULTS % "crying"],
    "mother speaking": [FAMILY % (r"\w+", "a[12]")],
    "mother speaking, studio flat": [FAMILY % ("AirbnbStudio", "a[12]")],
    "mother speaking, dance studio": [FAMILY % ("DanceStudio", "a[12]")],
    "mother speaking, anechoic chamber": [FAMILY % ("AnechoicChamber", "a[12]")],
    "mother singing": [FAMILY % (r"\w+", "a0")],
    "boy of five speaking": [FAMILY % (r"\w+", "b[14]")],
    "babies laughing": [r"^baby_cry_detection/data/903[^/]*/(laugh_\d)"],
}


def main(folder: Path) -> None:
    """Write the table."""
    table = home(Gate.load(), folder)
    table.round(4).to_csv(HOME / "gate_home.csv", index=False)
    print(table.to_string())


def scored(model: Gate, x: Any) -> pd.DataFrame:
    """Return the windows of a sound at `SR` Hz as in `windows_of`, with their score and `gate`: it passes."""
    X, rows = windows_of(x, [])
    score = model.of_features(X) * rows.salience
    return rows.assign(score=score, gate=score >= model.threshold)


def recordings(folder: Path) -> pd.DataFrame:
    """Return the recordings of `HOME_SOUNDS`: path, sound, maker."""
    listed = folder / "Parent-Child-Vocal-Interaction-Dataset/dataset/Parent_Child_Vocal_Interaction.json"
    rooms = json.loads(listed.read_text(encoding="utf-8")).values()
    spoken = {name: f" {clip['speaker']}{clip['label']}" for room in rooms for name, clip in room.items()}
    rows = []
    paths = [path for path in folder.rglob("*.*") if path.suffix in (".wav", ".ogg", ".mp3")]
    paths.sort(key=lambda path: ([*map(int, re.findall(r"\d+", path.name))], str(path)))  # in time
    for path in paths:
        text = path.relative_to(folder).as_posix() + spoken.get(path.stem, "")
        for sound, expressions in HOME_SOUNDS.items():
            if found := next(filter(None, (re.match(each, text) for each in expressions)), None):
                rows.append((path, sound, found[1]))
    return pd.DataFrame(rows, columns=["path", "sound", "maker"])


def home(model: Gate, folder: Path) -> pd.DataFrame:
    """Return the share of each sound's seconds that pass, its events per hour, and episodes found."""
    files = recordings(folder).groupby(["sound", "maker"], sort=False).path
    known = [(sound, maker, joined(list(paths))) for (sound, maker), paths in files]
    known += [("cries", clip.infant, audio.read(clip.path, sr=SR)) for clip in cryutils.load("corvin2024")]
    sounds = pd.DataFrame(known, columns=["kind", "maker", "x"])
    sounds["cries"] = sounds.x.map(lambda x: [(0.0, len(x) / SR)])  # where the kind is "cries"
    table = pd.concat([scored(model, x) for x in sounds.x], keys=sounds.index, names=["sound"])
    table = table.reset_index("sound").join(sounds[["kind", "maker"]], on="sound").reset_index(drop=True)
    loudest = table.groupby("sound")["level"].transform("max") - QUIETER_DB
    clear, tables = table.level >= loudest.clip(lower=QUIETEST_DB), {}
    for kind in HOME_SOUNDS:
        rows, key = table[table.kind == kind], "cry" if kind == "cries" else kind
        tables[kind] = shares(key, rows[clear[rows.index]], rows, sounds, model.threshold)
    return pd.concat(tables, names=["kind"]).reset_index("kind")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
