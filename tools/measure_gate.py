"""Measure the shipped cry gate on sounds of a home.

    python tools/measure_gate.py CLONES

CRYUTILS_DATA_DIR must contain `corvin2024`. CLONES contains the repositories of `HOME_SOUNDS` and
`MORE_SOUNDS`, at the commits that `outputs/reference/gate_sources.csv` names; the gate was not
trained on them. Writes `gate_home.csv` and `gate_alarms.csv` into the same folder.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fit_gate import HOME, QUIETER_DB, joined, shares, windows_of

import cryutils
from crydecode.alarm import Alarm, Change, Event
from cryutils import audio
from cryutils.models.gate import CRY_PAUSE_S, QUIETEST_DB, SR, STEP_S, WINDOW_S, Gate, bursts

ESC = r"^ESC-50/audio/\d-(\d+)-\w-(?:%s)\.wav"  # recording, class
ADULTS = r"^Nonverbal-Vocalization-Dataset/dataset/(?:%s)/(\w{4})"  # class, speaker
FAMILY = r"^(Parent-Child)-Vocal-Interaction-Dataset/dataset/%s/.* %s$"  # room, speaker and kind of speech
DELAYS_S, LONG_S, LOOP_S = (0.0, 5.0, 10.0, 20.0, 30.0), 60.0, 600.0
NOISE = "white, pink or brown noise"
LONG, SHORT = "cries of a minute or more", "cries of 5 to 12 s"
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
MORE_SOUNDS = {  # for alarms
    NOISE: [r"^moodist/public/sounds/noise/(.+)"],
    "music": [r"^data/audio/((?:14|44|Kar.*Lets|Kev|Hun|adm|sor).*)\.hq\.ogg"],  # librosa's
}


def main(folder: Path) -> None:
    """Write the tables."""
    for name, measure in {"gate_home": home, "gate_alarms": alarms}.items():
        table = measure(Gate.load(), folder)
        table.round(4).to_csv(HOME / f"{name}.csv", index=False)
        print(table.to_string())


def scored(model: Gate, x: Any) -> pd.DataFrame:
    """Return the windows of a sound at `SR` Hz as in `windows_of`, with their score and `gate`: it passes."""
    X, rows = windows_of(x, [])
    score = model.of_features(X) * rows.salience
    return rows.assign(score=score, gate=score >= model.threshold)


def recordings(folder: Path, sounds: dict[str, list[str]] = HOME_SOUNDS) -> pd.DataFrame:
    """Return the recordings of `sounds`: path, sound, maker."""
    listed = folder / "Parent-Child-Vocal-Interaction-Dataset/dataset/Parent_Child_Vocal_Interaction.json"
    rooms = json.loads(listed.read_text(encoding="utf-8")).values()
    spoken = {name: f" {clip['speaker']}{clip['label']}" for room in rooms for name, clip in room.items()}
    rows = []
    paths = [path for path in folder.rglob("*.*") if path.suffix in (".wav", ".ogg", ".mp3")]
    paths.sort(key=lambda path: ([*map(int, re.findall(r"\d+", path.name))], str(path)))  # in time
    for path in paths:
        text = path.relative_to(folder).as_posix() + spoken.get(path.stem, "")
        for sound, expressions in sounds.items():
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


def alarms(model: Gate, folder: Path) -> pd.DataFrame:
    """Return how often `Alarm` rings in sounds without a cry, by its delay, and what it does to cries.

    Only makers with at least `LONG_S` of sound, whole files one after another. `NOISE` is repeated
    for `LOOP_S`, as such a machine does. alarms: one an episode; rings: also repeated ones, of which
    per_hour is the rate. The cries are of Corvin et al.: `LONG` has the recordings of a baby in the
    bath joined in order, and `SHORT` single ones. found: the share that ring; late_s: the median of
    when they do, from their beginning.
    """
    files = recordings(folder, HOME_SOUNDS | MORE_SOUNDS).query("sound != 'cries'")
    makers = files.groupby(["sound", "maker"], sort=False).path
    whole = [(kind, maker, [audio.read(path, sr=SR) for path in paths]) for (kind, maker), paths in makers]
    clips = pd.DataFrame(
        [(c.infant, c.label, audio.read(c.path, sr=SR)) for c in cryutils.load("corvin2024")],
        columns=["infant", "label", "x"],
    )
    bath = clips[clips.label == "discomfort"].groupby("infant", sort=False).x
    whole += [(LONG, infant, list(x)) for infant, x in bath]
    sounds = [(kind, maker, np.concatenate(parts)) for kind, maker, parts in whole]
    loop = round(LOOP_S * SR)
    sounds = [(kind, maker, np.resize(x, loop) if kind == NOISE else x) for kind, maker, x in sounds]
    sounds = [each for each in sounds if len(each[2]) >= LONG_S * SR]
    sounds += [(SHORT, clip.infant, clip.x) for clip in clips.itertuples()]
    heard = [(kind, maker, crying(scored(model, x).gate)) for kind, maker, x in sounds]
    return pd.DataFrame([row for delay_s in DELAYS_S for row in by_delay(heard, delay_s)])


def by_delay(heard: list[tuple[str, str, list[bool]]], delay_s: float) -> Iterator[dict[str, Any]]:
    """Yield a row of `alarms` for each kind of sound, from its maker and whether each window is crying."""
    for kind in dict.fromkeys(kind for kind, *_ in heard):
        known = [(maker, windows, ringing(windows, delay_s)) for k, maker, windows in heard if k == kind]
        row = {"kind": kind, "delay_s": delay_s, "makers": len({maker for maker, *_ in known})}
        row["minutes"] = sum(len(windows) for _, windows, _ in known) * STEP_S / 60
        rings = [event for *_, events in known for event in events]
        if kind in (LONG, SHORT):
            first = [events[0].time for *_, events in known if events]
            yield row | {"found": len(first) / len(known), "late_s": np.median(first) if first else None}
            continue
        yield row | {
            "alarms": sum(event.what == Change.CRYING for event in rings),
            "rings": len(rings),
            "per_hour": len(rings) * 60 / row["minutes"],
        }


def crying(passes: "pd.Series[bool]") -> list[bool]:
    """Return whether the live analysis says "crying" after each window."""
    heard, said = np.r_[False, passes], []
    for now in range(1, len(heard)):
        found = bursts(heard[: now + 1])
        said.append(bool(found) and found[-1][1] > now * STEP_S + WINDOW_S - CRY_PAUSE_S)
    return said


def ringing(windows: list[bool], delay_s: float) -> list[Event]:
    """Return what an alarm says, without ends; for each window, `windows` says whether it is crying."""
    alarm = Alarm(delay_s=delay_s)
    events = [alarm.add(k * STEP_S + WINDOW_S, each) for k, each in enumerate(windows)]
    return [event for event in events if event and event.what != Change.QUIET]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
