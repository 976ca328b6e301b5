"""Train the cry gate that comes with the package, and measure its errors.

    python tools/fit_gate.py RECORDINGS

CRYUTILS_DATA_DIR must contain `donateacry`; `crstc`, published annotations of its cries (TextGrids,
https://github.com/PeterIsDanning/Infant-Cry-Detection-by-CRSTC, MIT licence); and `corvin2024`, the
cries of Corvin et al. 2024 (https://github.com/theunissenlab/BabyCriesDiscomfortPain, commit
537b4bd, MIT licence). RECORDINGS contains other sounds as KIND/FOLDER/... and `FILES.csv` (path,
kind, folder, seconds, unit: speaker, track, animal, machine). `outputs/reference/gate_sources.csv`
lists the source, version and licence of each folder. Nothing is downloaded. Folders whose licence
forbids commercial use or changes, or is unclear, are used for tests only (column `use`).

Writes `cryutils/models/gate.json`, and `gate*.csv` in `outputs/reference`. Column `how`:
- held out: by a gate trained without the infant, or without the whole source of a recording, so
  without its speakers (two languages of one speaker are one source), tracks, animals and machines.
- kind held out: by a gate trained without this kind of sound.
- test only: recordings of sources that are never used for training.

Features, mixing, weights and rules were chosen on sounds that are held out, not on those that are
test only. Not kept: logistic regression and boosting (no better), features of pitch (no better),
larger networks (no better), scores averaged over two or three windows (half of the speech, but more
pauses pass), an episode from one window or from three of five (no fewer false events of speech).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import cryutils
from cryutils import audio
from cryutils._io.paths import data_dir, project_dir
from cryutils.datasets.synthetic.distractors import KINDS, distractor
from cryutils.errors import InputError
from cryutils.evaluation.intervals import mean_interval
from cryutils.models import gate
from cryutils.models.gate import READY, SR, STEP_S, WINDOW_S, Gate, level_db

HOME, SEED = project_dir() / "outputs" / "reference", 0
EACH, SECONDS, LONGEST_S = 60, 480, 40  # generated sounds of a kind; s of a source, of a file
QUIETER_DB = 20.0  # below a recording's loudest window; quieter ones are pauses
NETWORKS, HIDDEN, FOLDS = 3, 64, 5
MOSTLY, HARDLY = 0.5, 0.1  # share of a window: a cry from the first up, a pause below the second
MIXED, PAUSES = 0.5, 3.0  # weights of mixed sounds and of pauses
MIXABLE = ("ambience", "household", "motor", "music", "noise")
STEADY, DROWNED_DB = 0.4, -6.0  # share of mixtures; a cry fainter than this is no example of one
FOUND, WITHIN_S, JOIN_S, EPISODE_S = 0.95, 3.0, 2.0, 1.0  # crying episodes to find, and how soon
SNRS_DB = (15.0, 10.0, 5.0, 0.0, -5.0)
SLOPES_DB = {"white noise": 0.0, "pink noise": -3.0, "brown noise": -6.0}  # per octave
BACKGROUNDS = {  # of sources that are test only
    "fan": "household/moodist/things/ceiling-fan.mp3",
    "rain": "ambience/moodist/rain/heavy-rain.mp3",
    "lullaby": "music/deeply-parent-singing",
}
SAME = {"asterisk-es": "asterisk-en"}  # one speaker
STEM = 47  # characters of a TextGrid's name: the uuid, "-" and ten digits of the time
DETECTORS = ("gate", "level_meter", "earlier_gate")
Event = tuple[float, float]  # onset and offset in s


@cache
def earlier() -> dict[str, Any]:
    """Return the first gate, a logistic regression trained on DonateACry and generated sounds."""
    place = "c10ae72b:cryutils/models/gate.json"
    stored = subprocess.check_output(["git", "show", place], cwd=project_dir())
    return dict(json.loads(stored))


class Sound(NamedTuple):
    """A recording or a generated sound, float32 at `SR` Hz, and its cries."""

    kind: str
    source: str
    maker: str  # infant, speaker, track, animal, machine
    x: Any
    cries: Sequence[Event] = ()
    train: bool = True


def main() -> None:
    """Train and measure the gate, and write its file and its tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recordings", type=Path)
    folder = parser.parse_args().recordings
    sources = pd.read_csv(HOME / "gate_sources.csv")
    sounds = [*cries(), *generated(), *recordings(folder, sources)]
    X, table = described(sounds)
    X_mixed, mixed = mixtures(sounds, table)
    scored, by_fold, final = trained(np.concatenate([X, X_mixed]), pd.concat([table, mixed]))
    write(sounds, table, scored, by_fold, final, folder, sources)


def write(
    sounds: Sequence[Sound], table: pd.DataFrame, scored: pd.DataFrame, by_fold: list[Gate],
    final: Gate, folder: Path, sources: pd.DataFrame,
) -> None:  # fmt: skip
    """Choose the threshold, and write the gate's file and its tables."""
    threshold = chosen_threshold(scored, sounds)
    known = scored[(scored.how == "held out") & (scored.source == "donateacry") & scored.clear]
    known = known[known.kind == "cry"]
    meter_db = float(np.quantile(known.level, (known.score < threshold).mean()))
    note = f"{int((table.train & table.clear).sum())} windows of DonateACry, recordings of other "
    note += "sounds and generated sounds; tools/fit_gate.py"
    stored = {"note": note, "threshold": threshold, "networks": final.networks}
    READY.write_text(json.dumps(stored, default=np.ndarray.tolist) + "\n", encoding="utf-8")
    scored, limits = detected(scored, threshold, meter_db), (threshold, meter_db)
    apart = scored[scored.clear & (scored.how != "kind held out") & (scored.kind != "pause")]
    shares = apart.groupby(["kind", "source"]).gate.agg(windows="size", passing="mean")
    sources = sources.drop(columns=["windows", "passing"], errors="ignore")
    tables = {
        "gate": rates(scored, sounds), "gate_curve": curve(scored),
        "gate_noise": noise(sounds, table, by_fold, final, folder, limits),
        "gate_sources": sources.join(shares, ["kind", "folder"]),
    }  # fmt: skip
    for name, rows in tables.items():
        rows.round(4).to_csv(HOME / f"{name}.csv", index=False)
    print(f"threshold, and a level meter's in dB: {limits}", tables["gate"], sep="\n\n")


def cries() -> Iterator[Sound]:
    """Return DonateACry's annotated clips, synthetic cries and the cries of Corvin et al."""
    home = data_dir()
    if home is None or not ((home / "crstc").is_dir() and (home / "corvin2024").is_dir()):
        raise SystemExit("CRYUTILS_DATA_DIR has no folder crstc or no folder corvin2024.")
    files = {path.stem.lower(): path for path in (home / "crstc").glob("*.TextGrid")}
    for clip in cryutils.load("donateacry"):
        if path := files.get(clip.path.name.lower()[:STEM]):
            text = path.read_text(encoding="utf-8")
            events = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "cry"', text)
            annotated = [(float(onset), float(offset)) for onset, offset in events]
            yield Sound("cry", "donateacry", clip.infant, audio.read(clip.path, sr=SR), annotated)
    made = cryutils.load("synthetic", infants=EACH, clips_per_infant=2, sr=SR, seed=SEED)
    for clip, x in zip(made, audio.signals(made, sr=SR), strict=True):
        yield Sound("cry", "synthetic", clip.infant, x, [(0.0, len(x) / SR)])
    for path in sorted((home / "corvin2024").rglob("*.flac")):
        x = audio.read(path, sr=SR)
        yield Sound("cry", "corvin2024", path.stem[:3], x, [(0.0, len(x) / SR)], train=False)


def generated() -> Iterator[Sound]:
    """Return distractors, and steady noise of any slope and level, 7 s each."""
    for place, kind in enumerate([*KINDS, "noise"]):
        for k in range(EACH):
            rng = np.random.default_rng([SEED, place, k])
            if place < len(KINDS):
                x = distractor(kind, rng=rng, sr=SR)
            else:
                x = at_level(steady(7 * SR, rng.uniform(-7, 3), rng), rng.uniform(-45, -10))
            yield Sound(kind, "generated", f"{place} {k}", x)


def steady(size: int, slope_db: float, rng: np.random.Generator) -> Any:
    """Return noise whose spectrum rises by `slope_db` per octave, at -30 dB, float32 (size,)."""
    spectrum, hz = np.fft.rfft(rng.standard_normal(size)), np.fft.rfftfreq(size, 1 / SR)
    spectrum *= np.where(hz < 30, 0.0, np.maximum(hz, 30.0) ** (slope_db / 6.02))
    return at_level(np.fft.irfft(spectrum, size), -30.0)


def at_level(x: Any, db: float) -> Any:
    """Return a sound at another mean level, float32 (samples,)."""
    return np.asarray(x * 10 ** ((db - level_db(x)) / 20), np.float32)


def recordings(folder: Path, sources: pd.DataFrame) -> Iterator[Sound]:
    """Return at most `SECONDS` of each source, the files of a maker joined to one sound."""
    keys = ["kind", "folder", "unit"]
    files = pd.read_csv(folder / "FILES.csv", dtype={"unit": str}).fillna({"unit": ""})
    files = files.sample(frac=1, random_state=SEED).join(
        sources.set_index(keys[:2]).use, keys[:2], how="inner"
    )
    files["turn"] = files.groupby(keys).cumcount()
    files = files.sort_values("turn", kind="stable")
    spent = files.seconds.clip(upper=LONGEST_S).groupby([files.kind, files.folder]).cumsum()
    groups = files[spent <= SECONDS].groupby([*keys, "use"])
    joined = Parallel(n_jobs=-1)(
        delayed(read)([folder / p for p in part.path]) for _, part in groups
    )
    for key, x in zip(groups.groups, joined, strict=True):
        kind, source, unit, use = map(str, key)
        if len(x) >= SR / 2:
            known = [(0.0, len(x) / SR)] if kind == "cry" else []
            yield Sound(kind, source, f"{source}/{unit}", x, known, use == "train")


def read(paths: Sequence[Path]) -> Any:
    """Return recordings one after another, float32 (samples,). Names those that can't be read."""
    parts = [np.zeros(0, np.float32)]
    for path in paths:
        try:
            parts.append(audio.read(path, sr=SR)[: LONGEST_S * SR])
        except InputError as error:
            print(f"left out: {error}")
    return np.concatenate(parts)


def described(sounds: Sequence[Sound]) -> tuple[Any, pd.DataFrame]:
    """Return the features of all windows, float32 (windows, 100), and what is known of them.

    clear: loud enough, and either a cry or none. fold: of the gate that is trained without it.
    """
    features, tables = [], []
    for number, (kind, source, maker, x, annotated, train) in enumerate(sounds):
        X, table = windows_of(x, annotated)
        is_annotated, is_made = source == "donateacry", source in ("generated", "synthetic")
        loudest = table.level.max()
        table["clear"] = (table.cry < HARDLY) | (table.cry >= MOSTLY)
        table["clear"] &= is_annotated | (
            table.level >= max(loudest - QUIETER_DB, gate.QUIETEST_DB)
        )
        table["kind"] = np.where(table.cry >= MOSTLY, "cry", "pause") if is_annotated else kind
        group = maker if kind == "cry" or is_made else SAME.get(source, source)
        features.append(X)
        tables.append(table.assign(
            sound=number, source=source, maker=maker, train=train, group=f"{is_made} {group}",
            sounds="generated" if is_made else "real", background="",
        ))  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    table["fold"], rows = -1, table[table.train]
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for k, (_, test) in enumerate(splitter.split(rows, rows.kind + rows.sounds, rows.group)):
        table.loc[rows.index[test], "fold"] = k
    return np.concatenate(features), table


def windows_of(x: Any, annotated: Sequence[Event]) -> tuple[Any, pd.DataFrame]:
    """Return features, ends, levels, share of cry and the earlier gate's scores of all windows."""
    clean = gate.without_hum(x)
    clean[np.abs(clean) < 1e-9] = 0.0  # the end of the filter's response
    rows = gate.windows(clean)
    end_s, cry = np.arange(len(rows)) * STEP_S + WINDOW_S, np.zeros(len(rows))
    for onset, offset in annotated:
        shared = np.minimum(end_s, offset) - np.maximum(end_s - WINDOW_S, onset)
        cry += np.clip(shared, 0, None) / WINDOW_S
    table = pd.DataFrame({"end_s": end_s, "cry": cry, "level": [level_db(row) for row in rows]})
    table["quiet"] = table.level < gate.floors_db(clean)
    table["earlier"] = [
        gate.describe(row) @ earlier()["coefficients"] + earlier()["intercept"]
        if level_db(row) >= -50 else -np.inf
        for row in gate.windows(x)
    ]  # fmt: skip
    return np.array([gate.describe(row) for row in rows], np.float32), table


def mixtures(sounds: Sequence[Sound], table: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    """Return windows of cries in noise or music, +15 to -5 dB, of the same fold, for training."""
    rng, features, tables = np.random.default_rng([SEED, 1]), [], []
    usable = table[table.train & table.kind.isin(MIXABLE)].drop_duplicates("sound")
    for number, rows in table[table.train & (table.cry >= MOSTLY)].groupby("sound"):
        sound, fold = sounds[number], rows.fold.iloc[0]
        for _ in range(2 if sound.source == "donateacry" else 1):
            kind, x = "noise", steady(len(sound.x), rng.uniform(-7, 3), rng)
            if rng.random() >= STEADY:
                kind, _, _, x, *_ = sounds[rng.choice(usable["sound"][usable.fold == fold])]
            x = np.resize(np.roll(x, rng.integers(len(x))), len(sound.x))
            target = rows.level.max() - rng.uniform(SNRS_DB[-1], SNRS_DB[0])
            x = x * 10 ** ((target - max(level_db(gate.without_hum(x)), -90)) / 20)
            X, mixed = windows_of((sound.x + x).astype(np.float32), sound.cries)
            mixed["kind"] = np.where(mixed.cry >= MOSTLY, "cry", "pause")
            own = table.level[table["sound"] == number].to_numpy()
            mixed["clear"] = (mixed.cry < HARDLY) | (mixed.cry >= MOSTLY) & (
                own >= target + DROWNED_DB
            )
            features.append(X)
            tables.append(mixed.assign(
                sound=-1, source=sound.source, sounds="mixed", fold=fold, background=kind,
                train=True,
            ))  # fmt: skip
    return np.concatenate(features), pd.concat(tables)


def fit(X: Any, kind: Any, group: Any, weight: Any) -> Gate:
    """Return networks trained on windows.

    Windows are drawn so that cries are half of them, and a group with four times as many windows as
    another is drawn twice as often.
    """
    weight = weight / np.sqrt(group.map(group.value_counts()))
    is_cry = (kind == "cry").to_numpy()
    weight = (weight / weight.groupby(is_cry).transform("sum")).to_numpy() / 2
    scaler, networks = StandardScaler().fit(X), []
    for k in range(NETWORKS):
        drawn = np.random.default_rng([SEED, k]).choice(len(X), len(X), p=weight)
        model = MLPClassifier(
            (HIDDEN,), alpha=1e-2, early_stopping=True, random_state=k, max_iter=60,
            learning_rate_init=2e-3, batch_size=256,
        )  # fmt: skip
        model.fit(scaler.transform(X[drawn]), is_cry[drawn])
        first = model.coefs_[0] / scaler.scale_[:, None]
        bias = model.intercepts_[0] - scaler.mean_ @ first
        parts = (first, bias, model.coefs_[1][:, 0], model.intercepts_[1][0])
        networks.append(tuple(np.vectorize(lambda v: float(f"{v:.4g}"))(part) for part in parts))
    return Gate(tuple(networks), threshold=np.nan, note="")


def trained(X: Any, table: pd.DataFrame) -> tuple[pd.DataFrame, list[Gate], Gate]:
    """Return a row for each window and `how`, the gates of the folds and the gate of all sounds."""
    table = table.reset_index(drop=True)
    clear, single = table.train & table.clear, table.background == ""
    kinds = sorted(set(table.kind[clear]) - {"cry", "pause"})
    kept = [table.fold != k for k in range(FOLDS)]
    kept += [(table.kind != kind) & (table.background != kind) for kind in kinds]
    group = table.kind + table.sounds + table.source.where(table.kind == "cry", "")
    weight = np.where(single, 1.0, MIXED) * np.where(table.kind == "pause", PAUSES, 1.0)
    columns = pd.DataFrame({"kind": table.kind, "group": group, "weight": weight})
    *gates, final = Parallel(n_jobs=-1)(
        delayed(fit)(X[rows], **columns[rows].reset_index(drop=True))
        for rows in [*(clear & part for part in kept), clear]
    )
    tests = [("held out", table.train & (table.fold == k)) for k in range(FOLDS)]
    tests += [("kind held out", table.kind == kind) for kind in kinds]
    views = zip([*gates, final], [*tests, ("test only", ~table.train)], strict=True)
    scored = pd.concat(
        table[single & rows].assign(how=how, score=model.of_features(X[single & rows]))
        for model, (how, rows) in views
    )
    scored.loc[scored.quiet, "score"] = 0.0
    return scored.reset_index(drop=True), gates[:FOLDS], final


def found(rows: pd.DataFrame, passes: Any, sounds: Sequence[Sound]) -> list[bool]:
    """Return whether each crying episode of annotated sounds is found within `WITHIN_S`.

    It is found when the second of two passing windows of four has been heard.
    """
    answers = []
    for number, part in rows.assign(passes=passes).groupby("sound"):
        indices = np.flatnonzero(part.passes)
        begun_s = part.end_s.to_numpy()[indices[1:][np.diff(indices) < 4]]
        episodes: list[Event] = []
        for onset, offset in sorted(sounds[number].cries):
            if episodes and onset - episodes[-1][1] <= JOIN_S:
                onset, offset = episodes[-1][0], max(episodes.pop()[1], offset)
            episodes.append((onset, min(offset, part.end_s.max())))
        answers += [
            bool(((begun_s >= onset + STEP_S) & (begun_s <= onset + WITHIN_S)).any())
            for onset, offset in episodes if offset - onset >= EPISODE_S
        ]  # fmt: skip
    return answers


def chosen_threshold(scored: pd.DataFrame, sounds: Sequence[Sound]) -> float:
    """Return the highest threshold that finds `FOUND` of DonateACry's crying episodes."""
    rows = scored[(scored.how == "held out") & (scored.source == "donateacry")]
    grid = np.arange(99, 0, -1) / 100
    return float(next(t for t in grid if np.mean(found(rows, rows.score >= t, sounds)) >= FOUND))


def detected(rows: pd.DataFrame, threshold: float, meter_db: float) -> pd.DataFrame:
    """Return rows with a column for each detector that says whether the window passes."""
    limit = np.log(earlier()["threshold"] / (1 - earlier()["threshold"]))
    answers = (rows.score >= threshold, rows.level >= meter_db, rows.earlier >= limit)
    return rows.assign(**dict(zip(DETECTORS, answers, strict=True)))


def rates(scored: pd.DataFrame, sounds: Sequence[Sound]) -> pd.DataFrame:
    """Return the share of windows that pass, of episodes found, and false events per hour.

    value, low, high: the gate's. difference: the level meter's share minus the gate's.
    """
    rows: list[dict[str, Any]] = []
    for (how, kind, made), part in scored.groupby(["how", "kind", "sounds"], sort=False):
        keys = {"how": how, "kind": kind, "sounds": made}
        rows.append(keys | {"metric": "passing"} | share(part[part.clear]))
        if kind == "cry":
            whole = scored[(scored.how == how) & scored["sound"].isin(part["sound"])]
            answers = {name: found(whole, whole[name], sounds) for name in DETECTORS}
            values = {name: float(np.mean(answer)) for name, answer in answers.items()}
            unit, n = "found", len(answers["gate"])
        elif kind != "pause":
            n, unit = len(part), "events_per_hour"
            by_sound = part.groupby("sound")
            values = {
                name: sum(len(gate.episodes(passes)) for _, passes in by_sound[name])
                / (n * STEP_S / 3600)
                for name in DETECTORS
            }
        else:
            continue
        rows.append(keys | {"metric": unit, "value": values.pop("gate"), "n": n} | values)
    return pd.DataFrame(rows)


def share(part: pd.DataFrame) -> dict[str, Any]:
    """Return the share of windows that pass each detector."""
    makers, values = part.maker.tolist(), part[list(DETECTORS)].astype(float)
    whole = mean_interval(values.gate.to_numpy(), makers, limits=(0.0, 1.0))
    gap = mean_interval((values.level_meter - values.gate).to_numpy(), makers, limits=(-1.0, 1.0))
    return {
        "value": whole.value, "low": whole.low, "high": whole.high, "n": len(part),
        "makers": len(set(makers)), "level_meter": values.level_meter.mean(),
        "earlier_gate": values.earlier_gate.mean(), "difference": gap.value,
        "difference_low": gap.low, "difference_high": gap.high,
    }  # fmt: skip


def curve(scored: pd.DataFrame) -> pd.DataFrame:
    """Return the share of real windows that pass each threshold, of sources not trained on."""
    rows = scored[scored.clear & (scored["sounds"] == "real") & (scored.how != "kind held out")]
    source = rows.kind.where(
        rows.kind != "cry", rows.source.where(rows.how == "held out", "other cries")
    )
    grid = np.linspace(0, 1, 101).round(2)
    shares = {
        name: (part.to_numpy()[:, None] >= grid).mean(axis=0)
        for name, part in rows.score.groupby(source)
    }
    return (
        pd.DataFrame(shares)
        .assign(threshold=grid)
        .melt("threshold", var_name="source", value_name="passing")
    )


def noise(
    sounds: Sequence[Sound], table: pd.DataFrame, by_fold: list[Gate], final: Gate, folder: Path,
    limits: tuple[float, float],
) -> pd.DataFrame:  # fmt: skip
    """Return the share of DonateACry's cries that pass next to noise, and of the noise alone.

    The ratio is of the mean level of a clip's cries to that of the noise, before the filter.
    """
    rng, size, rows = np.random.default_rng([SEED, 2]), LONGEST_S * SR, []
    noises = {name: steady(size, slope, rng) for name, slope in SLOPES_DB.items()}
    for name, place in BACKGROUNDS.items():
        paths = sorted(p for p in [folder / place, *(folder / place).rglob("*")] if p.is_file())
        noises[name] = at_level(np.resize(read(paths[:20]), size), -30.0)
    cry = table[(table.source == "donateacry") & (table.kind == "cry")]
    clips = [
        (sounds[number], by_fold[fold])
        for number, fold in cry.groupby("sound").fold.first().items()
    ]
    for name, x in noises.items():
        parts = [(np.nan, [in_noise(Sound("noise", name, name, x), final)])]
        for snr_db in SNRS_DB:
            parts.append((snr_db, Parallel(n_jobs=-1)(
                delayed(in_noise)(sound, model, x, snr_db) for sound, model in clips
            )))  # fmt: skip
        made = "generated" if name in SLOPES_DB else "real"
        rows += [
            {
                "noise": name,
                "sounds": made,
                "snr_db": snr_db,
                **share(detected(pd.concat(part), *limits)),
            }
            for snr_db, part in parts
        ]
    return pd.DataFrame(rows)


def in_noise(sound: Sound, model: Gate, noise: Any = None, snr_db: float = 0.0) -> pd.DataFrame:
    """Return the windows of a sound's cries next to noise, or all windows of a sound alone."""
    x = sound.x
    if noise is not None:
        cry = np.concatenate([x[round(onset * SR) : round(end * SR)] for onset, end in sound.cries])
        x = x + at_level(np.roll(noise, -len(cry))[: len(x)], level_db(cry) - snr_db)
    X, rows = windows_of(x, sound.cries)
    rows = rows.assign(score=model.of_features(X) * ~rows.quiet, maker=sound.maker)
    return rows if noise is None else rows[rows.cry >= MOSTLY]


if __name__ == "__main__":
    main()
