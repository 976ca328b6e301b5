"""Draw a figure and fill the tables of two pages from the results in `outputs/reference`.

    python tools/figures.py            write what differs
    python tools/figures.py --check    write nothing; name each page whose tables differ, and exit
                                       with 1 if any does

The figure is `docs/table2.png`; `docs/two_splits.png` is copied from the outputs of notebook 00.
A table is the text between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import base64
import re
from collections.abc import Callable, Mapping
from functools import cache

import matplotlib as mpl

mpl.use("Agg")

import nbformat
import pandas as pd
from matplotlib.figure import Figure

from cryutils import claims, evaluation, plots
from cryutils._io.paths import project_dir, writing
from cryutils.claims import audit, tables
from cryutils.claims.tables import COMMONEST, in_percent
from cryutils.models.gate import STEP_S
from cryutils.studies import benchmark
from cryutils.studies.ladder import MISTAKES
from cryutils.words import BASELINES

PAIN_MODELS = {"cry2": "`cry2`", "cry2_unweighted": "`cry2`, unweighted", **BASELINES}
PARTS = ("everything", "loud frames alone", "quiet frames alone", "equal loudness", "level removed")
PARTS += ("phases shuffled", "duration alone")  # of a recording
NETWORKS = {  # name by table and model; of Table 3 the row that real recordings allow
    ("Paper B", "sound: cry2, unweighted"): "Paper B: `cry2`, without class weights",
    ("Paper B", "sound: cry2"): "Paper B: `cry2`, with class weights",
    ("Paper B", "sound: phone type alone"): "phone type alone, without sound: four classes",
}
ROW = "sleepy & hungry"
for name in ("SVM", "AE+DNN", "ensemble"):
    for end, weights in ((", unweighted", "without class weights"), ("", "with class weights")):
        NETWORKS["Paper A, Table 3", f"{ROW}: {name}{end}"] = f"Paper A: {name}, {weights}"
NETWORKS["Paper A, Table 3", f"{ROW}: phone type alone"] = f"phone type alone, without sound: *{ROW}*"
FIGURE = "docs/table2.png"
CAPTION = (
    "Paper A's Table 2: accuracy of each feature and classifier as published, with clips"
    " split at random and leak-free, with 95 % intervals over infants."
)
SPLITS = list(plots.NAMES.values())
ENDS = ["value", "low", "high"]
TABLE_3 = "table == @tables.TABLE3"


@cache
def scores(data: str = "donateacry") -> pd.DataFrame:
    """Return the scoreboard of the runs that the pages show, on one corpus."""
    runs = {f"reference/{name}": claims.load_results(f"reference/{name}") for name in ("judged", "uploads")}
    return tables.scores(runs).query("data == @data")


def accuracies() -> pd.DataFrame:
    """Return the accuracies of the models in Table 2 on DonateACry."""
    shown = scores().query("metric == 'accuracy' and name not in @tables.WITHOUT_SOUND")
    return shown[shown.table == tables.TABLE2]


def figure() -> Figure:
    """Draw Table 2 on DonateACry: published and measured again under two splits."""
    rows = accuracies()
    words = f"draws of {rows.n.max():.0f} clips, of {rows.n_infants.max():.0f} infants in all"
    return plots.source(plots.scoreboard(rows), f"DonateACry (real recordings); {words}")


# Tables: texts; the index becomes the first columns


def names(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the model of each row of a scoreboard in words, after its group if it has one."""
    models = rows.model.where(rows.model != COMMONEST, f"always the {COMMONEST}")
    return (rows.group + ": " + models).str.removeprefix(": ").rename("model")


def measured(shown: pd.DataFrame, columns: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Return the scores of each table and model as texts.

    columns: the heading of each metric and column of `tables.words` to show.
    """
    models = shown[["table", "group", "model"]].drop_duplicates()
    index = pd.MultiIndex.from_frame(models)
    metrics = ("accuracy", "balanced_accuracy")
    parts = {metric: tables.in_words(shown, metric).reindex(index) for metric in metrics}
    texts = pd.concat(parts, axis=1).reindex(columns=list(columns)).fillna("–")
    texts = texts.set_axis(list(columns.values()), axis=1)
    return texts.set_axis(pd.MultiIndex.from_arrays([models.table, names(models)]))


def in_percents(rows: pd.DataFrame) -> list[str]:
    """Return shares with intervals in percent, such as "26 [12, 40]"."""
    return [in_percent(*cell) for cell in rows[ENDS].astype(float).to_numpy()]


def in_points(rows: pd.DataFrame) -> list[str]:
    """Return differences of shares with intervals in points, such as "+15 [-4, +33]"."""
    points = 100 * rows[ENDS].astype(float).to_numpy() + 0.0  # a rounded 0 keeps its sign
    return [f"{value:+.0f} [{low:+.0f}, {high:+.0f}]" for value, low, high in points]


def every_score(shown: pd.DataFrame) -> pd.DataFrame:
    """Return both metrics under both splits for each model."""
    columns = {("accuracy", "published"): "published accuracy (%)"}
    for metric in ("accuracy", "balanced_accuracy"):
        columns |= {(metric, split): f"{tables.METRICS[metric]}, {split} (%)" for split in SPLITS}
    return measured(shown, columns | {("balanced_accuracy", "p"): "p, leak-free"})


def networks() -> pd.DataFrame:
    """Return the table of both papers' main models on real recordings."""
    columns = {("accuracy", "published"): "published"}
    columns |= {("accuracy", split): f"accuracy, {split}" for split in SPLITS}
    columns["accuracy", "commonest"] = "always *hungry*"
    columns |= {("balanced_accuracy", split): f"balanced, {split}" for split in SPLITS}
    columns["balanced_accuracy", "commonest"] = "chance"
    table = measured(scores(), columns).loc[list(NETWORKS)]
    return table.set_axis(pd.Index(NETWORKS.values(), name="model"))


def gaps(shown: pd.DataFrame) -> pd.DataFrame:
    """Return the difference between the two splits for every model, in points."""
    rows = tables.gaps(shown)
    index = pd.MultiIndex.from_arrays([rows.table, names(rows)])
    return pd.DataFrame({"random split minus leak-free (points)": in_points(rows)}, index)


def readings() -> pd.DataFrame:
    """Return the mean accuracy of Table 2's single random splits for each selection of clips."""
    means = claims.load_results("reference/judged", metric="reading_accuracy", split="random")
    means = means.rename(columns={"model": "name"})
    means = means.pivot(index=["feature", "name"], columns="condition", values="value")
    means = means[["no_copies", *(name for name in means if str(name).startswith("copied"))]]
    rows = accuracies().query("name != 'dnn'")  # the readings have classical models
    table = rows.join(means, on=["feature", "name"])[["published", *means]].map(in_percent)
    return table.set_index(names(rows)).rename(columns=lambda name: name.replace("_", " "))


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


def leaks() -> pd.DataFrame:
    """Return what each mistake of the audit adds on both forms of DonateACry, in points."""
    table = {}
    for run, words in {"judged": "cleaned corpus", "uploads": "original uploads"}.items():
        rows = claims.load_results(
            f"reference/{run}", study="audit", rival="honest", metric="balanced_accuracy"
        )
        table[words] = in_points(rows.set_index("condition").loc[list(map(str, MISTAKES))])
    return pd.DataFrame(table, pd.Index(MISTAKES.values(), name="mistake"))


def methods() -> pd.DataFrame:
    """Return what each method on the benchmark's folds is, and where; the index is its name."""
    return pd.read_csv(project_dir() / "data/benchmark/methods.csv", index_col="name")


def benchmark_table() -> pd.DataFrame:
    """Return each method's scores on the benchmark's folds, and random minus leak-free.

    The course's answers are in two runs, others in `data/benchmark/answers/<method>/<task>.*`.
    """
    home = project_dir()
    runs = pd.read_parquet(home / "outputs/reference/benchmarks/donateacry_predictions.parquet")
    rest = claims.load_predictions("reference/judged", study="beyond")
    runs = runs.assign(feature=runs.feature + "-" + runs.model, condition=runs.task)
    parts = [runs, rest]
    for path in sorted((home / "data/benchmark/answers").glob("*/*")):
        parts.append(audit.read(path).assign(condition=path.stem, feature=path.parent.name))
    answers = pd.concat(parts).astype({"repeat": int})
    answers = answers[answers.feature.isin(methods().index)]
    columns = ["condition", "feature", "split", "repeat", "fold", "clip", "infant", "truth"]
    answers = answers[[*columns, "predicted"]]
    rows = evaluation.score(answers, "balanced_accuracy").reset_index()
    parts = dict(list(answers.groupby(["condition", "feature", "split"])))
    gaps = [
        {"condition": task, "feature": method, "split": "gap"}
        | evaluation.difference(part, parts[task, method, "leak_free"]).row()
        for (task, method, split), part in parts.items()
        if split == "random"
    ]
    guessing = [
        {"condition": task, "feature": "guessing", "split": "leak_free", "value": 1 / classes}
        for task, classes in answers.groupby("condition").truth.nunique().items()
    ]
    rows = pd.concat([rows, pd.DataFrame(gaps + guessing)])
    rows.loc[rows.feature == "constant", ["low", "high"]] = None  # exactly 1 / classes
    rows["shown"] = in_percents(rows)
    table = rows.pivot(index=["condition", "feature"], columns="split", values="shown").fillna("–")
    table = table.reindex(pd.MultiIndex.from_product([benchmark.TASKS, methods().index])).dropna()
    heads = {"random": "random (%)", "leak_free": "leak-free (%)", "gap": "difference (points)"}
    return table[[*heads]].rename(columns=heads).rename_axis(index=["task", "method"])


def beyond() -> pd.DataFrame:
    """Return the leak-free scores of notebook 12, in percent."""
    results = claims.load_results("reference/judged", study="beyond", split="leak_free", rival="")
    results["shown"] = in_percents(results)
    table = results.pivot(index="feature", columns="condition", values="shown")
    table = table.loc[["guessing", *benchmark.IDEAS], list(benchmark.TASKS)]
    table = table.rename(index=benchmark.IDEAS, columns=benchmark.TASKS)
    return table.rename_axis("idea").rename_axis(columns=None)


def corvin(study: str, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return balanced accuracies for pain or discomfort, and the difference between the splits.

    names: the words for each value of `column` in the results of `study`, in order.
    """
    rows = claims.load_results("reference/corvin", study=study, metric="balanced_accuracy")
    rows = rows[rows.rival == ""]
    rows["shown"] = in_percents(rows)
    table = rows.pivot(index=column, columns="split", values="shown")[list(claims.SPLITS)[1:]]
    differences = claims.split_gaps("reference/corvin", study=study).set_index(column)
    table["gap"] = pd.Series(in_points(differences), differences.index)
    heads = [f"{split} (%)" for split in SPLITS]
    table = table.loc[list(names)].set_axis([*heads, "difference (points)"], axis=1)
    return table.rename(index=names).rename_axis(column.replace("condition", "part"))


def gate() -> pd.DataFrame:
    """Return the share of each sound's seconds that pass the cry gate, and false events an hour."""
    rows = pd.read_csv(project_dir() / "outputs/reference/gate.csv").query("metric != 'found'")
    shares, index = rows.metric == "passing", ["kind", "sounds"]
    rows["metric"] = rows.metric.map({"passing": "%", "events_per_hour": "events an hour"})
    rows["shown"] = in_percents(rows)
    events = rows.value.map("{:.0f}".format).where(rows.n * STEP_S >= 300)  # five minutes
    rows["shown"] = rows.shown.where(shares, events)
    table = rows.pivot(index=index, columns=["metric", "how"], values="shown").fillna("–")
    order = rows[shares].sort_values(["sounds", "value"], ascending=False).set_index(index).index
    table.columns = [f"{how} ({metric})" for metric, how in table.columns]
    words = {"cry": "cries", "pause": "pauses between cries"}
    table = table.loc[order.unique()].rename(index=words)
    return table.rename_axis(["sound", "recorded"])


def gate_noise() -> pd.DataFrame:
    """Return the share of crying seconds that pass the gate by cry-to-noise ratio, in percent."""
    rows = pd.read_csv(project_dir() / "outputs/reference/gate_noise.csv")
    rows["ratio"] = rows.snr_db.map("{:+.0f} dB".format).replace("+nan dB", "noise alone")
    rows["share"], index = rows.value.map(in_percent), ["noise", "sounds"]
    table = rows.pivot(index=index, columns="ratio", values="share").rename_axis(columns=None)
    table = table.loc[rows.set_index(index).index.unique()]
    return table[[*rows.ratio.unique()[1:], "noise alone"]].rename_axis(["noise", "recorded"])


TABLES: dict[str, dict[str, Callable[[], pd.DataFrame]]] = {
    "docs/benchmark.md": {"methods": methods, "benchmark": benchmark_table},
    "docs/results.md": {
        "networks": networks,
        "counts": counts,
        "scores": lambda: every_score(scores()),
        "gaps": lambda: gaps(scores()),
        "readings": readings,
        "uploads": lambda: every_score(scores("donateacry-uploads").query(TABLE_3)),
        "uploads_gaps": lambda: gaps(scores("donateacry-uploads").query(TABLE_3)),
        "leaks": leaks,
        "corvin": lambda: corvin("pain_or_discomfort", "model", PAIN_MODELS),
        "parts": lambda: corvin(
            "cry_or_place", "condition", {part.replace(" ", "_"): part for part in PARTS}
        ),
        "beyond": beyond,
        "gate": gate,
        "gate_noise": gate_noise,
    },
}


def filled(text: str, page: str) -> str:
    """Return the text of a page with its tables made from the stored results."""
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
    return text


def main(arguments: list[str] | None = None) -> None:
    """Write what differs, or name it with `--check`; see the module docstring."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--check", action="store_true")
    check, root = parser.parse_args(arguments).check, project_dir()
    made = {name: filled((root / name).read_text("utf-8"), name).encode() for name in TABLES}
    cells = nbformat.read(root / "notebooks/00_start_here.ipynb", as_version=4).cells
    (cell,) = [cell for cell in cells if '"start_here.two_splits"' in cell.source]
    made["docs/two_splits.png"] = base64.b64decode(cell.outputs[-1].data["image/png"])
    if not check:
        plots.style()
        made[FIGURE] = plots.png(figure(), CAPTION)
    changed = {name: new for name, new in made.items() if (root / name).read_bytes() != new}
    for name, content in changed.items():
        print(f"{name}: {'differs from outputs/reference' if check else 'written'}")
        if not check:
            with writing(root / name) as part:
                part.write_bytes(content)
    if check and changed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
