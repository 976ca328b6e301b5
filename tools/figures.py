"""Fill the tables of three pages from the results in `outputs/reference`, and copy two figures.

    python tools/figures.py

A table is the text between `<!-- table: NAME -->` and `<!-- end -->`. The figures are copied from
the outputs of notebooks 00 and 14.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import product
from pathlib import Path

import nbformat
import pandas as pd

from cryutils import claims, evaluation
from cryutils._io.paths import project_dir, writing
from cryutils.claims import audit, tables
from cryutils.claims.tables import COMMONEST, ENSEMBLES, PHONE, in_percent
from cryutils.datasets import donateacry
from cryutils.models.gate import STEP_S, reference
from cryutils.studies import background, benchmark
from cryutils.studies.ladder import MISTAKES
from cryutils.words import BASELINES, IDEAS, SPLITS

FIGURES = {  # notebook, and the figure's key there
    "docs/two_splits.png": ("lesson_1_start_here", "start_here.two_splits"),
    "docs/scoreboard.png": ("14_scoreboard", "scoreboard_real"),
}
BOTH = {split: SPLITS[split] for split in ("random", "leak_free")}
HEADS = {split: f"{words} (%)" for split, words in BOTH.items()} | {"gap": "difference (points)"}
MAIN = r"sleepy & hungry: (SVM|AE\+DNN|ensemble)(, unweighted)?|sound: cry2.*|.+: (always|phone) .+"
NIGHT_MINUTES = {  # an assumption
    "quiet room": 540,
    "household": 20,
    "machines": 15,
    "adults breathing, snoring, coughing": 10,
    "mother speaking, studio flat": 10,
    "mother singing": 5,
}
RENAMED = {"infant": "phone or home"}  # a task of the benchmark
REASONS = {"dont_know": "don't know", "cold_hot": "cold or hot", "belly_pain": "belly pain"}
PAIN_MODELS = {"cry2": "`cry2`", "cry2_unweighted": "`cry2`, unweighted", **BASELINES}


# Tables: texts; the index becomes the first columns


@cache
def scores(data: str = "donateacry") -> pd.DataFrame:
    """Return the scoreboard of the runs that the pages show, on one corpus."""
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}") for name in ("judged", "uploads")}
    return tables.scores(runs).query("data == @data")


def names(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the model of each row of a scoreboard in words, after its group if it has one."""
    models = rows.model.where(rows.model != COMMONEST, f"always the {COMMONEST}")
    return (rows.group + ": " + models).str.removeprefix(": ").rename("model")


def in_percents(rows: pd.DataFrame) -> list[str]:
    """Return shares with intervals in percent, such as "26 [12, 40]"."""
    return [*map(in_percent, rows.value, rows.low, rows.high)]


def in_points(rows: pd.DataFrame) -> list[str]:
    """Return differences of shares with intervals in points, such as "+15 [-4, +33]"."""
    points = 100 * rows[["value", "low", "high"]].to_numpy(float) + 0.0  # a rounded 0 keeps its sign
    return [f"{value:+.0f} [{low:+.0f}, {high:+.0f}]" for value, low, high in points]


def pivot(rows: pd.DataFrame, index: str | list[str], columns: str) -> pd.DataFrame:
    """Return the column `text` of rows as a table, with "–" where it is missing."""
    return rows.pivot(index=index, columns=columns, values="text").fillna("–").rename_axis(columns=None)


def in_order(table: pd.DataFrame, rows: Mapping[str, str], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the named rows and columns of a table, in words."""
    return table.loc[list(rows), list(columns)].rename(index=rows, columns=columns)


def every_score(shown: pd.DataFrame) -> pd.DataFrame:
    """Return both metrics under both splits for each model, and the paired difference."""
    models = shown[["table", "group", "model"]].drop_duplicates()
    accuracy, balanced = (tables.in_words(shown, metric) for metric in ("accuracy", "balanced_accuracy"))
    gaps = tables.gaps(shown).set_index([*models])
    texts = {"published accuracy (%)": accuracy.published}
    texts |= {f"accuracy, {split} (%)": accuracy[split] for split in BOTH.values()}
    texts |= {f"balanced accuracy, {split} (%)": balanced[split] for split in BOTH.values()}
    texts["balanced accuracy, difference (points)"] = pd.Series(in_points(gaps), gaps.index)
    texts["p, leak-free"] = balanced.p
    table = pd.DataFrame(texts).reindex(pd.MultiIndex.from_frame(models)).fillna("–")
    return table.set_axis(pd.MultiIndex.from_arrays([models.table, names(models)]))


def by_phone() -> pd.DataFrame:
    """Return leak-free balanced accuracies of Table 3's states, with all phones and within each type."""
    words = ENSEMBLES | {"phone": PHONE}
    table = {}
    for run, recordings in {"uploads": "all uploads", "crying": "uploads with crying"}.items():
        asked = {"study": "table3", "condition": "total", "split": "leak_free"}
        answers = claims.load_predictions(f"reference/{run}", **asked)
        names_of_files = answers["clip"].str.rpartition("/")[2]
        phones = answers.groupby(names_of_files.map(lambda name: donateacry.parse_name(name)["device"]))
        rule = answers[answers.model == "phone"]
        for name in ("svm", "ae_dnn", "proposed", "phone"):
            parts = {f"{kind} (%)": part for kind, part in [("all phones", answers), *phones]}
            parts = {kind: part[part.model == name] for kind, part in parts.items()}
            scores = {k: in_percents(evaluation.score(p, "balanced_accuracy"))[0] for k, p in parts.items()}
            gap = pd.DataFrame([evaluation.difference(parts["all phones (%)"], rule).row()])
            scores["minus phone type alone (points)"] = in_points(gap)[0] if name != "phone" else "–"
            table[recordings, words[name]] = scores
    return pd.DataFrame.from_dict(table, orient="index").rename_axis(["recordings", "model"])


def counts() -> pd.DataFrame:
    """Return the clips of each class in Paper A's Table 1 and in the corpus."""
    ours = claims.load_results("reference/judged", study="table1", data="donateacry")
    table = {}
    for metric, words in {"count": "corpus", "test_count": "used"}.items():
        for who, rows in {"published": claims.published(), "ours": ours}.items():
            counted = rows[(rows.study == "table1") & (rows.metric == metric)]
            table[f"{who}, {words}"] = counted.set_index("condition").value
    shown = pd.DataFrame(table).map(lambda count: "–" if pd.isna(count) else f"{count:.0f}")
    return shown.rename(index=lambda label: label.replace("_", " ")).rename_axis("class")


def coverage() -> pd.DataFrame:
    """Return the lowest coverage of an audit's intervals in percent, equal and lopsided tables."""
    table = pd.read_csv(project_dir() / "outputs" / "reference" / "benchmarks" / "audited.csv")
    lowest = 100 * table.groupby(["groups", "classes", "shape"]).coverage.min().unstack()
    shown = lowest.map(lambda share: "–" if pd.isna(share) else f"{share:.0f}").agg(" / ".join, axis=1)
    return shown.unstack().fillna("– / –").rename(columns="{} classes".format).rename_axis(columns=None)


def leaks() -> pd.DataFrame:
    """Return what each mistake of the audit adds on the forms of DonateACry, in points."""
    runs = {"judged": "cleaned corpus", "uploads": "original uploads", "crying": "uploads with crying"}
    asked = {"study": "audit", "rival": "honest", "metric": "balanced_accuracy"}
    rows = pd.concat(claims.load_results(f"reference/{run}", **asked).assign(run=run) for run in runs)
    rows["text"] = in_points(rows)
    return in_order(pivot(rows, "condition", "run"), MISTAKES, runs).rename_axis("mistake")


def methods() -> pd.DataFrame:
    """Return what each method on the benchmark's folds is, and where; the index is its name."""
    return pd.read_csv(project_dir() / "data/benchmark/methods.csv", index_col="name")


def benchmark_table() -> pd.DataFrame:
    """Return each method's scores on the benchmark's folds, and random minus leak-free.

    The course's answers are in two runs, others in `data/benchmark/answers/<method>/<task>.*`.
    """
    home = project_dir()
    runs = pd.read_parquet(home / "outputs/reference/benchmarks/donateacry_predictions.parquet")
    parts = [runs.assign(feature=runs.feature + "-" + runs.model, condition=runs.task)]
    parts.append(claims.load_predictions("reference/judged", study="beyond"))
    for path in sorted((home / "data/benchmark/answers").glob("*/*")):
        parts.append(audit.read(path).assign(condition=path.stem, feature=path.parent.name))
    answers = pd.concat(parts).astype({"repeat": int})
    columns = ["condition", "feature", "split", "repeat", "fold", "clip", "infant", "truth", "predicted"]
    answers = answers.loc[answers.feature.isin(methods().index), columns]
    rows = [evaluation.score(answers, "balanced_accuracy").reset_index()]
    rows.append(claims.load_results("reference/judged", study="beyond", feature="guessing"))
    for (task, method), part in answers.groupby(["condition", "feature"]):
        random, free = (part[part.split == split] for split in BOTH)
        if len(random):
            gap = evaluation.difference(random, free).row()
            rows.append(pd.DataFrame([{"condition": task, "feature": method, "split": "gap"} | gap]))
    table = pd.concat(rows)
    table.loc[table.feature == "constant", ["low", "high"]] = None  # exactly 1 / classes
    table["text"] = in_percents(table)
    table = pivot(table, ["condition", "feature"], "split")[[*HEADS]].rename(columns=HEADS)
    table = table.reindex(pd.MultiIndex.from_product([benchmark.TASKS, methods().index])).dropna()
    return table.rename_axis(index=["task", "method"]).rename(RENAMED, level="task")


def beyond() -> pd.DataFrame:
    """Return the leak-free scores of notebook 12, in percent."""
    rows = claims.load_results("reference/judged", study="beyond", split="leak_free", rival="")
    for path in (project_dir() / "data/benchmark/answers/background-linear").glob("*"):
        score = evaluation.score(audit.read(path), "balanced_accuracy").loc[["leak_free"]]
        rows = pd.concat([rows, score.assign(feature="background", condition=path.stem)])
    rows["text"] = in_percents(rows)
    ideas = {"guessing": "guessing", **IDEAS}
    return in_order(pivot(rows, "feature", "condition"), ideas, benchmark.TASKS).rename_axis("idea")


def corvin() -> pd.DataFrame:
    """Return balanced accuracies for pain or discomfort, a row for each model."""
    asked = {"study": "pain_or_discomfort"}
    rows = claims.load_results("reference/corvin", metric="balanced_accuracy", rival="", **asked)
    gaps = claims.split_gaps("reference/corvin", **asked).assign(split="gap")
    texts = [rows.assign(text=in_percents(rows)), gaps.assign(text=in_points(gaps))]
    return in_order(pivot(pd.concat(texts), "model", "split"), PAIN_MODELS, HEADS).rename_axis("model")


def places(run: str = "corvin", data: str = "corvin2024") -> pd.DataFrame:
    """Return what parts of the recordings score, leak-free."""
    rows = claims.load_results(
        f"reference/{run}", study="cry_or_place", split="leak_free", rival="", data=data
    )
    return rows[rows.condition.isin(background.PARTS) & (rows.feature != "infant_left_out")]


def donateacry_places() -> pd.DataFrame:
    """Return what parts of DonateACry's recordings score in the benchmark's tasks, a row for each part."""
    rows = places("judged", "donateacry")
    rows["text"] = in_percents(rows)
    table = pivot(rows, "condition", "feature").rename(columns=RENAMED)
    tasks = [RENAMED.get(name, name) for name in benchmark.TASKS]
    return in_order(table, background.PARTS, dict(zip(tasks, tasks, strict=True))).rename_axis("part")


def gate() -> pd.DataFrame:
    """Return the share of each sound's seconds that pass the cry gate."""
    rows = reference().query("metric == 'passing'")
    rows = rows.assign(text=in_percents(rows), column=rows.how + " (%)")
    sound = ["kind", "sounds"]
    order = rows.sort_values(["sounds", "value"], ascending=False).drop_duplicates(sound)
    table = pivot(rows, sound, "column").loc[pd.MultiIndex.from_frame(order[sound])]
    table = table.rename(index={"cry": "cries", "pause": "pauses between cries"})
    return table.rename_axis(["sound", "recorded"])


def gate_home() -> pd.DataFrame:
    """Return how many seconds of a home's sounds pass the cry gate, and false events, also in a night."""
    rows = reference("gate_home").query("kind != 'cries'").set_index("kind")
    passing, events = (rows[rows.metric == name] for name in ("passing", "events_per_hour"))
    hours = pd.Series(NIGHT_MINUTES).reindex(events.index) / 60
    night = events[["value", "low", "high"]].mul(hours, axis=0)
    night.loc["such a night"] = [night.value.sum(), None, None]
    texts = {
        "makers": events.makers.map("{:.0f}".format),
        "minutes": (events.n * STEP_S / 60).map("{:.0f}".format),
        "seconds that pass (%)": pd.Series(in_percents(passing), passing.index),
        "false events an hour": rates(events),
        "minutes in a night": (60 * hours).dropna().map("{:.0f}".format),
        "false events then": rates(night.dropna(subset="value")),
    }
    return pd.DataFrame(texts).reindex(night.index).fillna("–").rename_axis("sound")


def gate_alarms() -> pd.DataFrame:
    """Return how often an alarm rings in sounds without a cry, by its delay: alarms and rings."""
    rows = reference("gate_alarms").query("rings.notna()")
    about = rows.drop_duplicates("kind").set_index("kind")
    table = pd.DataFrame({"makers": about.makers, "minutes": about.minutes.round()}).astype(int)
    for delay_s, part in rows.groupby("delay_s"):
        counts = part.set_index("kind")[["alarms", "rings"]].astype(int).astype(str)
        table[f"after {delay_s:.0f} s"] = counts.alarms.where(
            counts.alarms == counts.rings, counts.alarms + " (" + counts.rings + ")"
        )
    return table.astype(str).rename_axis("sound")


def gate_delays() -> pd.DataFrame:
    """Return how many cries an alarm finds, and after how long, by its delay."""
    rows = reference("gate_alarms").query("found.notna()")
    texts = {
        "cries": rows.kind,
        "infants": rows.makers.map("{:.0f}".format),
        "delay": rows.delay_s.map("{:.0f} s".format),
        "that ring (%)": rows.found.map("{:.0%}".format).str.rstrip("%"),
        "median time until it rings (s)": rows.late_s.map("{:.1f}".format).replace("nan", "–"),
    }
    return pd.DataFrame(texts).sort_values("cries", kind="stable").set_index("cries")


def rates(rows: pd.DataFrame) -> pd.Series[str]:
    """Return numbers with intervals, such as "15 [4, 33]"; without one, the number alone."""
    return pd.Series(in_percents(rows[["value", "low", "high"]] / 100), rows.index)


def upload_shares() -> pd.DataFrame:
    """Return the share of uploads in which the gate hears crying, with intervals over infants.

    kept: whether the cleaned corpus has them. seconds: median length of the crying, where there is any.
    """
    clips = pd.read_csv(project_dir() / "data/crying.csv")
    paths = clips.file.map(Path)
    clips = clips.join(pd.DataFrame([donateacry.parse_name(path.name) for path in paths]))
    cleaned = {Path(name).stem for name in donateacry.FILES.registry()}
    clips["kept"] = [path.stem in cleaned for path in paths]
    comparable = clips.reason.isin(clips.reason[clips.kept])
    groups = {"all with these labels": comparable}
    groups |= {f"{phone}, these labels": comparable & (clips.device == phone) for phone in ("Android", "iOS")}
    clips["reason"] = clips.reason.replace(REASONS)
    groups |= {name: clips.reason == name for name in clips.reason.value_counts().index}
    rows = []
    for (group, chosen), kept in product(groups.items(), (True, False)):
        if len(part := clips[chosen & (clips.kept == kept)]):
            crying = part.crying_s > 0
            share = evaluation.mean_interval(crying.to_numpy(float), part.infant, limits=(0, 1)).row()
            seconds = part.crying_s[crying].median()
            rows.append({"uploads": group, "kept": kept, "seconds": seconds} | share)
    return pd.DataFrame(rows)


def gate_uploads() -> pd.DataFrame:
    """Return in how many uploads the gate hears crying, kept by the cleaned corpus or left out."""
    rows = upload_shares()
    rows["with crying (%)"], rows["clips"] = in_percents(rows), rows.n.astype(str)
    rows["seconds, median"] = rows.seconds.map("{:.1f}".format)
    rows["kept"] = rows.kept.map({True: "kept: ", False: "left out: "})
    rows = rows.melt(["uploads", "kept"], ["clips", "with crying (%)", "seconds, median"], value_name="text")
    rows["column"] = rows.kept + rows.variable
    order = [kept + name for kept in rows.kept.unique() for name in rows.variable.unique()]
    return pivot(rows, "uploads", "column").loc[rows.uploads.unique(), order]


TABLES: dict[str, dict[str, Callable[[], pd.DataFrame]]] = {
    "docs/audit.md": {"coverage": coverage},
    "docs/benchmark.md": {"methods": methods, "benchmark": benchmark_table},
    "docs/results.md": {
        "networks": lambda: every_score(scores()[names(scores()).str.fullmatch(MAIN)]),
        "counts": counts,
        "scores": lambda: every_score(scores()),
        "uploads": lambda: every_score(scores("donateacry-uploads").query("table == @tables.TABLE3")),
        "phones": by_phone,
        "leaks": leaks,
        "corvin": corvin,
        "parts": lambda: audit.parts_in_words(places()),
        "places": donateacry_places,
        "beyond": beyond,
        "gate": gate,
        "gate_home": gate_home,
        "gate_alarms": gate_alarms,
        "gate_delays": gate_delays,
        "gate_uploads": gate_uploads,
    },
}


def filled(page: str) -> bytes:
    """Return a page with its tables made from the stored results."""
    text = (project_dir() / page).read_text("utf-8")
    for name, make in TABLES[page].items():
        table = make().reset_index()
        rows = [list(table), *table.to_numpy().tolist()]
        lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
        lines.insert(1, "|---" * len(table.columns) + "|")
        block = "\n".join([f"<!-- table: {name} -->", *lines, "<!-- end -->"])
        pattern = rf"<!-- table: {name} -->(?:(?!<!--).)*<!-- end -->"
        text, count = re.subn(pattern, block.replace("\\", r"\\"), text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{page}: the block {name} must occur once.")
    return text.encode()


def figure(notebook: str, key: str) -> bytes:
    """Return the PNG of a figure in a notebook's stored outputs."""
    cells = nbformat.read(project_dir() / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    (cell,) = [cell for cell in cells if f'"{key}"' in cell.source]
    return base64.b64decode(cell.outputs[-1].data["image/png"])


def made() -> dict[Path, bytes]:
    """Return the pages and figures, by path."""
    pages = {project_dir() / page: filled(page) for page in TABLES}
    return pages | {project_dir() / path: figure(*place) for path, place in FIGURES.items()}


def main() -> None:
    """Write the pages and figures that differ from the results."""
    for path, content in made().items():
        if not path.exists() or path.read_bytes() != content:
            print(f"{path.relative_to(project_dir())}: written")
            with writing(path) as part:
                part.write_bytes(content)


if __name__ == "__main__":
    main()
