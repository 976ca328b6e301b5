"""Train the cry gate that comes with the package, and measure its errors.

    python tools/fit_gate.py RECORDINGS

CRYUTILS_DATA_DIR must contain `donateacry`; `crstc`, published annotations of its cries (TextGrids,
https://github.com/PeterIsDanning/Infant-Cry-Detection-by-CRSTC, MIT licence); and `corvin2024`, the
cries of Corvin et al. 2024 (https://github.com/theunissenlab/BabyCriesDiscomfortPain, commit
537b4bd, MIT licence). RECORDINGS contains other sounds, and `FILES.csv` in random order: path,
kind, folder, seconds, unit (speaker, track, animal, machine). `outputs/reference/gate_sources.csv`
lists the source, version and licence of each folder. Folders whose licence forbids commercial use
or changes, or is unclear, and further machines, are for tests only (column `use`).

Writes `cryutils/models/gate.json`, and `gate*.csv` in `outputs/reference`, whose README explains
them. Features, mixing, weights and rules were chosen on sounds that are held out.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from cryutils.evaluation.intervals import mean_interval
from cryutils.models import gate
from cryutils.models.gate import READY, SR, STEP_S, WINDOW_S, Gate, level_db

HOME, SEED = project_dir() / "outputs" / "reference", 0
EACH, SECONDS, LONGEST_S = 60, 480, 40  # generated sounds of a kind; s of a source, of a file
QUIETER_DB = 20.0  # below a recording's loudest window; quieter ones are pauses
NETWORKS, FOLDS = 3, 5
NETWORK = {"hidden_layer_sizes": (64,), "alpha": 1e-2, "learning_rate_init": 2e-3, "batch_size": 256}
NETWORK |= {"early_stopping": True, "max_iter": 60}
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
    "lullaby": "music/deeply-parent-singing/**/*.*",
}
SAME = {"asterisk-es": "asterisk-en"}  # two languages of one speaker
SOUND = ["kind", "source", "maker", "x", "cries", "train"]  # x at `SR` Hz, cries in s


def main(folder: Path) -> None:
    """Train the gate, choose its threshold, and write its file and its tables."""
    sources = pd.read_csv(HOME / "gate_sources.csv").drop(columns=["windows", "passing"])
    sounds = pd.DataFrame([*corpora(), *recordings(folder, sources)], columns=SOUND)
    X, table = described(sounds)
    X_mixed, mixed = mixtures(sounds, table)
    scored, gates = trained(np.concatenate([X, X_mixed]), pd.concat([table, mixed]))
    known = scored[(scored.how == "held out") & (scored.source == "donateacry")]
    highest = reached(known, sounds)
    threshold = next(k / 100 for k in range(99, 0, -1) if np.mean(highest >= k / 100) >= FOUND)
    note = f"{int((table.train & table.clear).sum())} windows of DonateACry, recordings of other "
    note += "sounds and generated sounds; tools/fit_gate.py"
    stored = {"note": note, "threshold": threshold, "networks": gates[-1].networks}
    READY.write_text(json.dumps(stored, default=np.ndarray.tolist) + "\n", encoding="utf-8")
    cry = known[known.clear & (known.kind == "cry")]  # the level meter passes as many of these
    meter_db = cry.level.quantile((cry.score < threshold).mean())
    scored["gate"], scored["level_meter"] = scored.score >= threshold, scored.level >= meter_db
    apart = scored[scored.clear & (scored.how != "kind held out") & (scored.kind != "pause")]
    shares = apart.groupby(["kind", "source"]).gate.agg(windows="size", passing="mean")
    tables = {"gate": rates(scored, threshold, sounds), "gate_curve": curve(scored)}
    tables["gate_noise"] = noise(sounds, table, gates, folder, threshold)
    tables["gate_sources"] = sources.join(shares, ["kind", "folder"])
    for name, rows in tables.items():
        rows.round(4).to_csv(HOME / f"{name}.csv", index=False)
    print(f"threshold: {threshold}", tables["gate"].to_string(), sep="\n\n")


def corpora() -> Iterator[Any]:
    """Return DonateACry's annotated clips, the cries of Corvin et al., and generated sounds."""
    files = {path.stem.lower(): path for path in ((data_dir() or Path()) / "crstc").glob("*.TextGrid")}
    if not files:
        raise SystemExit("CRYUTILS_DATA_DIR has no folder crstc with TextGrids.")
    for clip in cryutils.load("donateacry"):
        if path := files.get(clip.path.name.lower()[:47]):  # uuid, "-" and ten digits of the time
            text = path.read_text(encoding="utf-8")
            events = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "cry"', text)
            annotated = sorted((float(onset), float(offset)) for onset, offset in events)
            yield "cry", "donateacry", clip.infant, audio.read(clip.path, sr=SR), annotated, True
    made = cryutils.load("synthetic", infants=EACH, clips_per_infant=2, sr=SR, seed=SEED)
    for name, clips in {"synthetic": made, "corvin2024": cryutils.load("corvin2024")}.items():
        for clip, x in zip(clips, audio.signals(clips, sr=SR), strict=True):
            yield "cry", name, clip.infant, x, [(0.0, len(x) / SR)], name == "synthetic"
    for place, k in np.ndindex(len(KINDS) + 1, EACH):
        kind, rng = [*KINDS, "noise"][place], np.random.default_rng([SEED, place, k])
        if place < len(KINDS):
            x = distractor(kind, rng=rng, sr=SR)
        else:
            x = at_level(steady(7 * SR, rng.uniform(-7, 3), rng), rng.uniform(-45, -10))
        yield kind, "generated", f"{place} {k}", x, [], True


def steady(size: int, slope_db: float, rng: np.random.Generator) -> Any:
    """Return noise whose spectrum rises by `slope_db` per octave, at -30 dB, float32 (size,)."""
    spectrum, hz = np.fft.rfft(rng.standard_normal(size)), np.fft.rfftfreq(size, 1 / SR)
    spectrum *= np.where(hz < 30, 0.0, np.maximum(hz, 30.0) ** (slope_db / 6.02))
    return at_level(np.fft.irfft(spectrum, size), -30.0)


def at_level(x: Any, db: float) -> Any:
    """Return a sound at another mean level, float32 (samples,)."""
    return np.asarray(x * 10 ** ((db - level_db(x)) / 20), np.float32)


def recordings(folder: Path, sources: pd.DataFrame) -> Iterator[Any]:
    """Return at most `SECONDS` of each source, the files of a maker joined to one sound."""
    keys = ["kind", "folder", "unit"]
    files = pd.read_csv(folder / "FILES.csv", dtype={"unit": str}).fillna({"unit": ""})
    files = files.merge(sources[["kind", "folder", "use"]])
    files = files.iloc[np.argsort(files.groupby(keys).cumcount(), kind="stable")]  # in turn
    spent = files.seconds.clip(upper=LONGEST_S).groupby([files.kind, files.folder]).cumsum()
    for (kind, source, unit, use), part in files[spent <= SECONDS].groupby([*keys, "use"]):
        x = joined([folder / path for path in part.path])
        known = [(0.0, len(x) / SR)] if kind == "cry" else []
        if len(x) >= SR / 2:
            yield kind, source, f"{source}/{unit}", x, known, use == "train"


def joined(paths: list[Path]) -> Any:
    """Return recordings one after another, float32 (samples,)."""
    return np.concatenate([audio.read(path, sr=SR)[: LONGEST_S * SR] for path in paths])


def described(sounds: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    """Return the features of all windows, float32 (windows, 100), and what is known of them.

    clear: loud enough, and either a cry or none. fold: of the gate that is trained without it.
    """
    parts = Parallel(n_jobs=-1)(map(delayed(windows_of), sounds.x, sounds.cries))
    features, tables = zip(*parts, strict=True)
    table = pd.concat(tables, keys=sounds.index, names=["sound"]).reset_index("sound")
    table = table.reset_index(drop=True).join(sounds.drop(columns=["x", "cries"]), on="sound")
    made, annotated = table.source.isin(["generated", "synthetic"]), table.source == "donateacry"
    own = table.maker.where(made | (table.kind == "cry"), table.source.replace(SAME))
    loud_db = table.groupby("sound")["level"].transform("max") - QUIETER_DB
    loud = annotated | (table.level >= loud_db.clip(lower=gate.QUIETEST_DB))
    table["clear"] = ((table.cry < HARDLY) | (table.cry >= MOSTLY)) & loud
    table.loc[annotated & (table.cry < MOSTLY), "kind"] = "pause"
    table["sounds"], table["background"] = np.where(made, "generated", "real"), ""
    rows, table["fold"] = table[table.train], -1
    strata, groups = rows.kind + rows.sounds, (made.astype(str) + " " + own)[table.train]
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for k, (_, test) in enumerate(splitter.split(rows, strata, groups)):
        table.loc[rows.index[test], "fold"] = k
    return np.concatenate(features), table


def windows_of(x: Any, annotated: list[Any]) -> tuple[Any, pd.DataFrame]:
    """Return features, and ends in s, share of cry, level and salience, of all windows."""
    clean = gate.without_hum(x)
    clean[np.abs(clean) < 1e-9] = 0.0  # the end of the filter's response
    rows = gate.windows(clean)
    end_s, cry = np.arange(len(rows)) * STEP_S + WINDOW_S, np.zeros(len(rows))
    for onset, offset in annotated:
        cry += np.clip(np.minimum(end_s, offset) - np.maximum(end_s - WINDOW_S, onset), 0, None)
    table = pd.DataFrame({"end_s": end_s, "cry": cry / WINDOW_S, "salience": gate.salience(clean)})
    table["level"] = [level_db(row) for row in rows]
    return np.array([gate.describe(row) for row in rows], np.float32), table


def mixtures(sounds: pd.DataFrame, table: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    """Return windows of cries in noise or music, +15 to -5 dB, of the same fold, for training."""
    rng, features, tables = np.random.default_rng([SEED, 1]), [], []
    usable = table[table.train & table.kind.isin(MIXABLE)].drop_duplicates("sound")
    for number, rows in table[table.train & (table.cry >= MOSTLY)].groupby("sound"):
        sound, fold = sounds.loc[number], rows.fold.iloc[0]
        for _ in range(2 if sound.source == "donateacry" else 1):
            kind, x = "noise", steady(len(sound.x), rng.uniform(-7, 3), rng)
            if rng.random() >= STEADY:
                other = rng.choice(usable["sound"][usable.fold == fold])
                kind, x = sounds.loc[other, ["kind", "x"]]
            x = np.resize(np.roll(x, rng.integers(len(x))), len(sound.x))
            target = rows.level.max() - rng.uniform(SNRS_DB[-1], SNRS_DB[0])
            x = x * 10 ** ((target - max(level_db(gate.without_hum(x)), -90)) / 20)
            X, mixed = windows_of((sound.x + x).astype(np.float32), sound.cries)
            is_cry = mixed.cry >= MOSTLY
            heard = table.level[table["sound"] == number].to_numpy() >= target + DROWNED_DB
            mixed["kind"] = np.where(is_cry, "cry", "pause")
            mixed["clear"] = (mixed.cry < HARDLY) | is_cry & heard
            about = {"sound": -1, "source": sound.source, "background": kind, "fold": fold}
            features.append(X)
            tables.append(mixed.assign(sounds="mixed", train=True, **about))
    return np.concatenate(features), pd.concat(tables)


def fit(X: Any, rows: pd.DataFrame) -> Gate:
    """Return networks trained on windows, with columns is_cry, group and weight.

    Windows are drawn so that cries are half of them, and a group with four times as many windows as
    another is drawn twice as often.
    """
    weight = rows.weight / np.sqrt(rows.groupby("group").weight.transform("size"))
    weight /= 2 * weight.groupby(rows.is_cry).transform("sum")
    scaler, networks = StandardScaler().fit(X), []
    for k in range(NETWORKS):
        drawn = np.random.default_rng([SEED, k]).choice(len(X), len(X), p=weight)
        model = MLPClassifier(random_state=k, **NETWORK)
        model.fit(scaler.transform(X[drawn]), rows.is_cry.to_numpy()[drawn])
        first = model.coefs_[0] / scaler.scale_[:, None]
        bias = model.intercepts_[0] - scaler.mean_ @ first
        parts = (first, bias, model.coefs_[1][:, 0], model.intercepts_[1][0])
        networks.append(tuple(np.vectorize(lambda v: float(f"{v:.4g}"))(part) for part in parts))
    return Gate(tuple(networks), threshold=np.nan, note="")


def trained(X: Any, table: pd.DataFrame) -> tuple[pd.DataFrame, list[Gate]]:
    """Return a row for each window and `how`, and the gates: of the folds, ..., of all sounds."""
    table = table.reset_index(drop=True)
    clear, single = table.train & table.clear, table.background == ""
    group = table.kind + table.sounds + table.source.where(table.kind == "cry", "")
    weight = np.where(single, 1.0, MIXED) * np.where(table.kind == "pause", PAUSES, 1.0)
    columns = pd.DataFrame({"is_cry": table.kind == "cry", "group": group, "weight": weight})
    splits = [("held out", table.fold != k, table.train & (table.fold == k)) for k in range(FOLDS)]
    for kind in sorted(set(table.kind[clear]) - {"cry", "pause"}):
        kept = (table.kind != kind) & (table.background != kind)
        splits.append(("kind held out", kept, table.kind == kind))
    splits.append(("test only", table.train, ~table.train))
    fits = (delayed(fit)(X[clear & kept], columns[clear & kept]) for _, kept, _ in splits)
    gates, scored = Parallel(n_jobs=-1)(fits), []
    for model, (how, _, test) in zip(gates, splits, strict=True):
        rows = table[single & test]
        scored.append(rows.assign(how=how, score=model.of_features(X[rows.index]) * rows.salience))
    return pd.concat(scored, ignore_index=True), gates


def reached(rows: pd.DataFrame, sounds: pd.DataFrame) -> "pd.Series[float]":
    """Return the highest threshold that finds each crying episode within `WITHIN_S`, by sound.

    It is found when the second of two passing windows of four has been heard.
    """
    highest: list[tuple[Any, float]] = []
    for number, part in rows.groupby("sound"):
        second = np.minimum(part.score, part.score.shift().rolling(3, min_periods=1).max())
        cries = pd.DataFrame(sounds.cries[number], columns=["onset", "offset"])
        apart = cries.onset - cries.offset.cummax().shift() > JOIN_S
        episodes = cries.groupby(apart.cumsum()).agg({"onset": "min", "offset": "max"})
        length_s = episodes.offset.clip(upper=part.end_s.max()) - episodes.onset
        for onset in episodes.onset[length_s >= EPISODE_S]:
            highest.append((number, second[part.end_s.between(onset + STEP_S, onset + WITHIN_S)].max()))
    found = pd.DataFrame(highest, columns=["sound", "highest"])
    return found.set_index("sound").highest.fillna(0.0)


def begins(passes: "pd.Series[bool]") -> "pd.Series[bool]":
    """Return whether an event begins with each window of a sound."""
    first = [round(onset / STEP_S) for onset, _ in gate.bursts(passes)]
    return pd.Series(np.isin(np.arange(len(passes)), first), passes.index)


def shares(
    kind: str, clear: pd.DataFrame, every: pd.DataFrame, sounds: pd.DataFrame, threshold: float
) -> Any:
    """Return rows of a kind of sound, with intervals over makers.

    metric: the share of the windows `clear` that pass, of episodes found, false events per hour.
    """
    measured = {"passing": (clear.gate, clear.maker)}
    if kind == "cry":
        found = reached(every, sounds) >= threshold
        measured["found"] = found, sounds.maker[found.index]
    elif kind != "pause":
        starts = every.groupby("sound", group_keys=False).gate.apply(begins)
        measured["events_per_hour"] = starts, every.maker[starts.index]
    rows = []
    for metric, (values, makers) in measured.items():
        row = mean_interval(values.to_numpy(float), makers.tolist(), limits=(0.0, 1.0)).row()
        rows.append({"metric": metric} | row)
    table, ends = pd.DataFrame(rows).rename(columns={"n_infants": "makers"}), ["value", "low", "high"]
    table[ends] = table[ends].astype(float)
    table.loc[table.metric == "events_per_hour", ends] *= 3600 / STEP_S
    return table


def rates(scored: pd.DataFrame, threshold: float, sounds: pd.DataFrame) -> pd.DataFrame:
    """Return the share of windows that pass, of episodes found, and false events per hour.

    value, low, high: the gate's. difference: the level meter's share minus the gate's.
    """
    tables = []
    for (how, kind, made), part in scored.groupby(["how", "kind", "sounds"], sort=False):
        clear, meter = part[part.clear], part[part.clear].level_meter.to_numpy(float)
        whole = scored[(scored.how == how) & scored["sound"].isin(part["sound"])]
        table = shares(kind, clear, whole, sounds, threshold).assign(how=how, kind=kind, sounds=made)
        more = mean_interval(meter - clear.gate, clear.maker.tolist(), limits=(-1.0, 1.0))
        about = ["level_meter", "difference", "difference_low", "difference_high"]
        table.loc[0, about] = meter.mean(), more.value, more.low, more.high
        tables.append(table)
    table = pd.concat(tables)
    return table[["how", "kind", "sounds", *table.columns.drop(["how", "kind", "sounds"])]]


def curve(scored: pd.DataFrame) -> pd.DataFrame:
    """Return the share of real windows that pass each threshold, of sources not trained on."""
    rows = scored[scored.clear & (scored["sounds"] == "real") & (scored.how != "kind held out")]
    cries = rows.source.where(rows.how == "held out", "other cries")
    source = rows.kind.where(rows.kind != "cry", cries).rename("source")
    shares = pd.DataFrame({k / 100: (rows.score >= k / 100).groupby(source).mean() for k in range(101)})
    return shares.rename_axis(columns="threshold").stack().rename("passing").reset_index()


def noise(
    sounds: pd.DataFrame, table: pd.DataFrame, gates: list[Gate], folder: Path, threshold: float
) -> pd.DataFrame:
    """Return the share of DonateACry's cries that pass next to noise, and of the noise alone.

    The ratio is of the mean level of a clip's cries to that of the noise, before the filter.
    """
    rng, size, rows = np.random.default_rng([SEED, 2]), LONGEST_S * SR, []
    noises = {name: steady(size, slope, rng) for name, slope in SLOPES_DB.items()}
    for name, place in BACKGROUNDS.items():
        noises[name] = np.resize(joined(sorted(folder.glob(place))[:20]), size)
    cry = table[(table.source == "donateacry") & (table.kind == "cry")].groupby("sound").fold
    clips = [(sounds.x[k], sounds.cries[k], gates[fold]) for k, fold in cry.first().items()]
    for name, x in noises.items():
        made, alone = "generated" if name in SLOPES_DB else "real", at_level(x, -30.0)
        for snr_db in (np.nan, *SNRS_DB):
            tests = [(alone, [(0.0, size / SR)], gates[-1])] if np.isnan(snr_db) else clips
            scores = Parallel(n_jobs=-1)(delayed(in_noise)(*test, x, snr_db) for test in tests)
            passing = np.concatenate(scores) >= threshold
            rows.append((name, made, snr_db, passing.mean(), len(passing)))
    return pd.DataFrame(rows, columns=["noise", "sounds", "snr_db", "value", "n"])


def in_noise(x: Any, cries: list[Any], model: Gate, noise: Any, snr_db: float) -> Any:
    """Return the scores of a sound's cries next to noise, float64 (windows,); NaN: no noise."""
    cry = np.concatenate([x[round(onset * SR) : round(end * SR)] for onset, end in cries])
    if not np.isnan(snr_db):
        x = x + at_level(np.roll(noise, -len(cry))[: len(x)], level_db(cry) - snr_db)
    X, rows = windows_of(x, cries)
    return (model.of_features(X) * rows.salience)[rows.cry >= MOSTLY]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
