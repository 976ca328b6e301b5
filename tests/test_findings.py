"""Numbers typed into README.md, docs and notebooks match the stored results.

The tables in these pages are generated and tested in `test_figures.py`. These sentences are not.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from cryutils import claims
from cryutils.claims import arithmetic, tables
from cryutils.models.classical import BASELINES, CLASSIFIERS
from cryutils.papers import benchmark

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "outputs" / "reference"


def page(name: str) -> str:
    """Return a page in one line."""
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


@pytest.fixture(scope="module", name="judged")
def read_judged() -> pd.DataFrame:
    """Results on DonateACry, by key and split."""
    return results("judged")


def results(run: str) -> pd.DataFrame:
    table = claims.table(claims.read_results(REFERENCE / run / "results.json"))
    return table.set_index(["key", "split"])


def table2(judged: pd.DataFrame, metric: str, split: str) -> pd.DataFrame:
    """Return the twelve results of Table 2's classifiers under one split."""
    keys = [f"feature_validation.{f}.{c}.{metric}" for f in ("stft", "mfcc") for c in CLASSIFIERS]
    assert len(keys) == 12
    return judged.loc[[(key, split) for key in keys]]


def percent(share: float) -> str:
    return f"{100 * share:.0f}"


def span(values: pd.Series) -> str:
    return f"{percent(values.min())} to {percent(values.max())} %"


def test_the_findings_about_table_2_are_measured(judged: pd.DataFrame) -> None:
    published = claims.published().set_index("key").value.astype(float)
    printed = published[published.index.str.match(r"feature_validation\.\w+\.\w+\.accuracy$")]
    split = table2(judged, "accuracy", "clip")
    leak_free = table2(judged, "accuracy", "infant")
    commonest = judged.loc["feature_validation.majority.accuracy", "infant"].value
    p_values = table2(judged, "p_value", "infant").value
    text = page("README.md")
    assert f"They are {span(printed)}. Measured here with a random split" in text
    assert f"they are {span(split.value)} over 30 draws of the clips" in text
    assert set(
        table2(judged, "accuracy", "clip").loc[
            [(f"feature_validation.{f}.dnn.accuracy", "clip") for f in ("stft", "mfcc")],
            "trainings",
        ]
    ) == {30}
    assert f"Leak-free, the accuracies are {span(leak_free.value)}" in text
    assert f"always predicting the commonest class gives {percent(commonest)} %" in text
    assert f"corrected for twelve comparisons, {p_values.min():.2f})" in text
    assert p_values.min() > 0.05
    assert f"means over 30 draws of {split.n.max():.0f} clips" in text


def test_the_findings_about_the_uploads_are_measured() -> None:
    uploads = results("uploads")
    total_models = ("proposed", "svm", "svm_stop", "ae_dnn")
    total = {
        (name, split): uploads.loc[f"table3.total.{name}.balanced_accuracy", split]
        for name in total_models
        for split in ("frame", "clip", "infant")
    }
    p_values = {
        name: uploads.loc[f"table3.total.{name}.p_value", "infant"].value
        for name in ("proposed", "svm", "svm_stop", "ae_dnn", "ae_dnn_patches")
    }
    text, readme, ensemble = page("docs/results.md"), page("README.md"), total["proposed", "infant"]
    assert f"{ensemble.n:.0f} clips of {ensemble.n_infants:.0f} infants (of 823" in text
    assert ensemble.trainings == 5
    clip, free, frame = (total["proposed", split].value for split in ("clip", "infant", "frame"))
    assert (
        f"balanced accuracy is {percent(clip)} % with a random split and {percent(free)} % "
        "leak-free. Chance is 33 %." in text
    )
    assert f"sides, it reaches {percent(frame)} %" in text
    stacked = uploads.loc["ensemble.out_of_fold.balanced_accuracy"]
    words = [percent(stacked.value[split]) for split in ("clip", "infant")]
    assert f"ensemble has {words[0]} % with a random split and {words[1]} % leak-free" in text
    low, high = stacked.low["infant"], stacked.high["infant"]
    assert f"{words[1]} % [{percent(low)}, {percent(high)}] (stacked, the main one before" in text
    assert f"the stacked ensemble, the earlier choice, has {words[1]} % leak-free on the" in readme
    features = uploads.loc["ensemble.features.balanced_accuracy", "infant"].value
    assert f"have {percent(features)} % (last hidden layers)" in text
    hungry = uploads.loc["table3.total.majority.accuracy", "infant"].value
    assert f"always predicting *hungry* is right for {percent(hungry)} %" in text
    svm = total["svm", "infant"].value
    rows = {name: uploads.loc[f"table3.total.{name}.roc_auc", "infant"] for name in total_models}
    assert all(row.low < 0.5 for row in rows.values())
    areas = {name: f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for name, r in rows.items()}
    assert (
        f"({percent(svm)} %, p = {p_values['svm']:.3f}, and {percent(free)} %, "
        f"p = {p_values['proposed']:.3f}, adjusted for five models;" in text
    )
    assert f"under the ROC curve are {areas['svm']} and {areas['proposed']}" in text
    assert f"clips (p = {p_values['svm_stop']:.3f}) is no second confirmation" in text
    others = sorted(p_values[name] for name in ("ae_dnn", "ae_dnn_patches"))
    assert f"nothing is shown (p = {others[0]:.3f} and {others[1]:.3f})" in text
    shown = [name for name, p in p_values.items() if p <= 0.05]
    assert shown == ["proposed", "svm", "svm_stop"]
    assert (
        f"balanced accuracy is {percent(clip)} % with a random split and {percent(free)} % "
        f"[{percent(ensemble.low)}, {percent(ensemble.high)}] leak-free (chance: 33 %), and "
        f"the SVM's is {percent(svm)} % [34, 52] leak-free (p = {p_values['svm']:.3f}," in readme
    )
    assert ensemble.low < 1 / 3 < total["svm", "infant"].low
    assert f"the ROC curve, {areas['proposed']} and {areas['svm']}, is shown" in readme
    answers = claims.load_predictions(REFERENCE / "uploads", study="table3", condition="total")
    answers = answers[answers.model.isin(["svm_unweighted", "ae_dnn_unweighted"])]
    assert set(answers.predicted[answers.split != "frame"]) == {"hungry"}
    areas = uploads[(uploads.metric == "roc_auc") & (uploads.condition == "total")]
    above = areas.xs("infant", level="split").query("low > 0.5")
    assert [*above.model] == ["svm_unweighted"]
    value, low, high = above[["value", "low", "high"]].iloc[0]
    assert f"that of the SVM without class weights, {value:.3f} [{low:.3f}, {high:.3f}]" in text
    table = text.split("<!-- table: uploads_gaps -->")[1].split("<!-- end -->")[0]
    low_ends = [int(end) for end in re.findall(r"\[([+-]\d+), [+-]\d+\]", table)]
    gaps = claims.split_gaps(REFERENCE / "uploads", study="table3")
    assert len(low_ends) == len(gaps) == 21
    assert (gaps.low > 0).sum() == 4
    assert "four of 21" in text and "four of 21" in readme
    (gap,) = gaps[(gaps.condition == "sleepy_hungry") & (gaps.model == "proposed")].itertuples()
    ends = [f"{round(100 * x)}" for x in (gap.value, gap.low, gap.high)]
    assert f"and {ends[0]} [{ends[1]}, {ends[2]}] on the uploads" in readme
    for name, words in {
        "oversample": "adds {} points", "augment": "noisy copies {}", "windows": "both sides {}",
    }.items():  # fmt: skip
        row = uploads.loc[f"audit.{name}.minus_honest.balanced_accuracy", "clip"]
        bounds = f"[{percent(row.low)}, {percent(row.high)}]"
        assert re.search(rf"{words.format(percent(row.value))} {re.escape(bounds)}", text)
    assert uploads.loc["audit.honest.accuracy", "infant"].n == 865


def test_no_published_figure_is_within_single_splits(judged: pd.DataFrame) -> None:
    published = claims.published().set_index("key").value.astype(float)
    splits = table2(judged, "holdout_accuracy", "clip").reset_index("split")
    keys = splits.index.str.replace("holdout_", "", regex=False)
    figures = published[keys].set_axis(splits.index)
    assert not ((splits.low <= figures) & (figures <= splits.high)).any()
    assert "no published figure is among the middle 90 % of single splits" in page("README.md")
    assert "no published figure is within the middle 90 % of 100" in page("docs/results.md")


def test_what_copies_before_the_split_reach(judged: pd.DataFrame) -> None:
    published = claims.published().set_index("key").value.astype(float)
    means = judged[judged.metric == "reading_accuracy"].reset_index()
    names = [f"feature_validation.{r.feature}.{r.model}.accuracy" for r in means.itertuples()]
    means = means.assign(printed=published[names].to_numpy())
    copied = means[(means.condition == "copied_to_38") & (means.split == "clip")]
    trees = copied[copied.model.isin(["dt", "rf"])]
    text, results = page("README.md"), page("docs/results.md")
    assert f"forest have {span(trees.value)}, where the paper prints {span(trees.printed)}" in text
    gap = (copied.printed - copied.value).set_axis(copied.feature + "." + copied.model)
    rest = gap[~gap.index.str.endswith((".dt", ".rf"))]
    assert (
        f"the other eight figures stay {percent(rest.min())} to {percent(rest.max())} points"
        in text
    )
    for n in (27, 50):
        of_n = means[(means.condition == f"copied_to_{n}") & (means.split == "clip")]
        trees_of_n = of_n[of_n.model.isin(["dt", "rf"])].value
        assert re.search(rf"\(?{n} give {span(trees_of_n)}", text)
    assert (trees.value - trees.printed).abs().max() < 0.04
    assert 0.04 < gap["mfcc.knn"] < 0.05 and round(gap["stft.knn"], 2) == 0.08
    assert gap[[f"{f}.{m}" for f in ("stft", "mfcc") for m in ("nb", "svm", "dnn")]].min() > 0.15
    assert "and K-NN on MFCC within 5. K-NN on STFT stays 8 points below" in results
    free = means[means.split == "infant"].value
    low, high = percent(free.min()), percent(free.max())
    notebook = page("notebooks/appendix_table2.ipynb")
    neighbours = copied[copied.model == "knn"].value
    plain = means[(means.condition == "no_copies") & (means.split == "clip")].value
    assert f"forest reach {span(trees.value)}, where the paper prints" in notebook
    assert f"and K-NN {span(neighbours)}, where it prints" in notebook
    windows = means[(means.condition == "windows") & (means.split == "clip")].value
    assert (
        f"With whole clips and no copies, no classifier exceeds {percent(plain.max())} %; with"
        f" windows, the best has {percent(windows.max())} %" in notebook
    )
    assert f"Leak-free, no selection exceeds {high} %" in notebook
    assert f"all classifiers and selections are between {low} and {high} %" in results
    figures = (100 * copied.printed).round(2)
    counts = [12, 12, 11, 11]  # 30 % of four classes of 38, rounded up
    shares = sum(arithmetic.correct(figure, sum(counts)) is not None for figure in figures)
    recalls = sum(arithmetic.macro_recall(figure, counts) is not None for figure in figures)
    assert (sum(counts), shares, recalls) == (46, 1, 8)
    assert "the test has 46 clips, of which only one printed figure is a share" in results
    one_in = 1 / arithmetic.chance_of_fit(counts)
    assert "eight of the twelve are possible, and so is one random figure in 16." in results
    assert round(one_in) == 16


def test_the_outcome_of_the_prediction_is_measured(judged: pd.DataFrame) -> None:
    means = judged[judged.metric == "reading_accuracy"].reset_index()
    by = means.set_index(["split", "condition", "feature", "model"]).value.sort_index()
    copied = by["clip", "copied_to_38"]
    text = page("docs/predictions.md")
    for words, cells in {
        "the forest and naive Bayes on MFCC": [("mfcc", "rf"), ("mfcc", "nb")],
        "k-NN on both features": [("stft", "knn"), ("mfcc", "knn")],
        "trees": [("stft", "dt"), ("mfcc", "dt")],
        "the forest and naive Bayes on STFT": [("stft", "rf"), ("stft", "nb")],
        "the SVM": [("stft", "svm"), ("mfcc", "svm")],
    }.items():
        assert f"{words} ({', '.join(f'{copied[cell]:.2f}' for cell in cells)})" in text
    tree = by["clip", "copied_to_20", "mfcc", "dt"] - by["clip", "no_copies", "mfcc", "dt"]
    assert f"which help the tree on MFCC by {tree:.2f}" in text
    for f in ("stft", "mfcc"):
        for m in ("dt", "rf", "knn"):
            assert by["clip", "augmented_to_38", f, m] < copied[f, m]  # 3
        for m in ("dt", "rf"):
            assert by["clip", "windows", f, m] < copied[f, m]  # 4
            assert (
                by["clip", "copied_to_27", f, m] < copied[f, m] < by["clip", "copied_to_50", f, m]
            )
    assert by["infant"].max() < 0.35  # 5
    recalls = judged[judged.metric == "reading_macro_recall"].reset_index()
    higher = recalls.set_index(["split", "condition", "feature", "model"]).value - by
    random, free = (higher[split].mean() for split in ("clip", "infant"))
    assert f"higher by {random:.2f}) and wrong leak-free ({free:.2f})" in text  # 6


def test_the_findings_about_cry2_are_measured(judged: pd.DataFrame) -> None:
    split, leak_free = (judged.loc["cry2.balanced_accuracy", name] for name in ("clip", "infant"))
    guessing = judged.loc["cry2.majority.balanced_accuracy", "infant"].value
    first, second = (
        f"{percent(row.value)} % [{percent(row.low)}, {percent(row.high)}]"
        for row in (split, leak_free)
    )
    text = page("README.md")
    assert f"balanced accuracy of {first} with a random split" in text
    assert f"and of {second} leak-free; chance is {percent(guessing)} %" in text
    gaps = claims.split_gaps(REFERENCE / "judged", data="donateacry")
    gaps = gaps[gaps.condition.isin(["", "sleepy_hungry"]) & gaps.study.isin(["cry2", "table3"])]
    gaps = (100 * gaps.set_index("model")[["value", "low", "high"]]).round().astype(int)
    for model, words in {
        "cry2": "The difference is {} points [{}, {}]. The paper does not mention class weights.",
        "cry2_unweighted": "clip, and the difference is {} points [{}, {}].",
        "proposed": "*sleepy & hungry* it is {} points [{}, {}] on the cleaned corpus",
    }.items():
        value, low, high = gaps.loc[model]
        assert words.format(value, low, high) in text
        assert low < 0 < high
    results = page("docs/results.md")
    table = results.split("<!-- table: gaps -->")[1].split("<!-- end -->")[0]
    low_ends = [int(end) for end in re.findall(r"\[([+-]\d+), [+-]\d+\]", table)]
    assert sum(end > 0 for end in low_ends) == 1 and len(low_ends) == 34
    assert "one of 34 differences between the two splits" in text
    assert "One of 34 intervals is above 0, without correction for 34 comparisons." in results
    coded = claims.split_gaps(REFERENCE / "judged", study="ae_dnn", feature="stft", model="ae_dnn")
    (row,) = coded[coded.condition == ""].itertuples()
    cry2, stft = (
        f"[{low:+.0f}, {high:+.0f}]"
        for low, high in (gaps.loc["cry2", ["low", "high"]], (100 * row.low, 100 * row.high))
    )
    assert f"Now they are {cry2} and {stft}." in results
    for key in ("cry2", "table3.sleepy_hungry.proposed"):
        row = judged.loc[f"{key}.balanced_accuracy", "infant"]
        assert f"({row.n:.0f} clips of {row.n_infants:.0f} infants)" in text


def test_what_models_do_without_class_weights_is_measured(judged: pd.DataFrame) -> None:
    answers = claims.load_predictions(REFERENCE / "judged", study="cry2", model="cry2_unweighted")
    shares = (answers.predicted == "hungry").groupby(answers.split).mean()
    assert {percent(share) for share in shares} == {"99"}
    answers = claims.load_predictions(REFERENCE / "judged", study="table3")
    answers = answers[answers.model.str.endswith("_unweighted") & (answers.split != "frame")]
    shares = (answers.predicted == "hungry").groupby([answers.model, answers.split]).mean()
    assert len(shares) == 6 and shares.min() > 0.999
    assert "and `cry2` does so for 99 % of them" in page("docs/results.md")
    models = [f"table3.sleepy_hungry.{m}" for m in ("svm", "ae_dnn", "proposed")]
    models = [f"{m}{end}" for m in models for end in ("", "_unweighted")]
    areas = judged.value.xs("infant", level="split")
    assert (areas[[f"{m}.roc_auc" for m in (*models, "cry2", "cry2.cry2_unweighted")]] < 0.5).all()
    stacked = {
        split: judged.loc["ensemble.out_of_fold.balanced_accuracy", split]
        for split in ("clip", "infant")
    }
    random, free = (
        f"{percent(row.value)} % [{percent(row.low)}, {percent(row.high)}]"
        for row in stacked.values()
    )
    text = page("docs/results.md")
    area = judged.loc["ensemble.out_of_fold.roc_auc", "infant"]
    area = f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]"
    end = f"(chance: 50 %; area under the ROC curve {area})"
    assert f"{random} with a random split and {free} leak-free {end}" in text
    stacked = {}
    for run in ("judged", "uploads"):
        about = {"study": "ensemble", "model": "out_of_fold"}
        (row,) = claims.split_gaps(REFERENCE / run, **about).itertuples()
        stacked[run] = [round(100 * x) for x in (row.value, row.low, row.high)]
    value, low, high = stacked["judged"]
    assert f"The difference is {value} points [{low}, +{high}]." in text
    value, low, high = stacked["uploads"]
    assert f"On the uploads, all three states, it is +{value} [+{low}, +{high}]." in text
    highs = judged.high.xs("infant", level="split")
    assert f"reach up to {highs[[f'{m}.roc_auc' for m in models]].max():.2f}." in text


def test_the_findings_about_table_3_are_measured(judged: pd.DataFrame) -> None:
    row, text = "table3.sleepy_hungry", page("README.md")
    published = claims.published().set_index("key").value.astype(float)[f"{row}.svm.accuracy"]
    always = judged.loc[f"{row}.majority.accuracy", "infant"].value
    models = [f"{row}.{model}.accuracy" for model in ("svm", "ae_dnn", "proposed")]
    assert (judged.value.loc[models] < always).all()
    unweighted = [f"{row}.{model}_unweighted.accuracy" for model in ("svm", "ae_dnn", "proposed")]
    splits = ["clip", "infant"]
    assert (judged.value.loc[unweighted, splits] <= always).all()
    common = judged.loc["cry2.majority.accuracy", "infant"].value
    cry2 = ["cry2.accuracy", "cry2.cry2_unweighted.accuracy"]
    assert (judged.value.loc[cry2, splits] <= common).all()
    assert (judged.value.loc[f"{row}.svm.accuracy"] > published).all()
    assert f"The SVM exceeds its published {percent(published)} %, but none" in text
    free = judged.xs("infant", level="split").low
    assert (
        free[[f"{row}.{m}.balanced_accuracy" for m in ("svm", "ae_dnn", "proposed")]] < 0.5
    ).all()
    assert free["cry2.balanced_accuracy"] < 0.25


def test_scores_of_split_windows_are_measured(judged: pd.DataFrame) -> None:
    accuracy, balanced = (
        percent(judged.loc[f"table3.sleepy_hungry.svm.{metric}", "frame"].value)
        for metric in ("accuracy", "balanced_accuracy")
    )
    joined = percent(judged.loc["table3.sleepy_hungry.proposed.balanced_accuracy", "frame"].value)
    words = (
        f"accuracy of {accuracy} % and a balanced accuracy of {balanced} %. "
        f"The ensemble has a balanced accuracy of {joined} %."
    )
    assert words in page("docs/results.md")


def test_scores_of_the_simulation_are_measured() -> None:
    paper = results("paper")
    ensemble = [
        percent(paper.loc["table3.total.proposed.accuracy", split].value)
        for split in ("frame", "clip", "infant")
    ]
    windows, clips, infants = ensemble
    text = page("docs/results.md")
    assert f"reaches {windows} % when windows of 2 s are split, {clips} % when clips" in text
    assert f"are split, and {infants} % leak-free" in text
    backbone = "submodel.image_random_resnet50.accuracy"
    split, leak_free = (percent(paper.loc[backbone, p].value) for p in ("clip", "infant"))
    assert f"reaches {split} % with clips split and {leak_free} % leak-free" in text


def test_the_sizes_of_the_samples_are_measured(judged: pd.DataFrame) -> None:
    text = page("docs/results.md")
    drawn = judged.loc["feature_validation.mfcc.svm.accuracy", "infant"]
    sizes = f"{drawn.n:.0f} in each draw | {drawn.n_infants:.0f} in all draws"
    assert f"| Paper A, Table 2 | {sizes} |" in text
    for name, key in {
        "Paper A, Table 3": "table3.sleepy_hungry.proposed",
        "Paper B": "cry2",
    }.items():
        row = judged.loc[f"{key}.accuracy", "infant"]
        assert f"| {name} | {row.n:.0f} | {row.n_infants:.0f} |" in text


def test_the_effect_of_overlapping_windows_is_measured() -> None:
    output = claims.benchmark_output("overlap")
    text = page("docs/results.md")
    for step, name in {"1 s": "overlapping by half", "2 s": "adjacent, without overlap"}.items():
        (row,) = re.findall(rf"^{step} .+", output, re.MULTILINE)
        shares = [f"{float(share):.0f} %" for share in re.findall(r"([\d.]+) \(", row)]
        assert f"| {name} | {' | '.join(shares)} |" in text


def test_the_lowest_leak_free_score_is_named(judged: pd.DataFrame) -> None:
    row = judged.loc["feature_validation.scaled.mfcc.knn.balanced_accuracy", "infant"]
    balanced = judged[judged.index.get_level_values("key").str.match(
        r"feature_validation\.(scaled\.)?\w+\.\w+\.balanced_accuracy$"
    )].xs("infant", level="split")  # fmt: skip
    assert row.value == balanced.value.min()
    words = f"{percent(row.value)} % [{percent(row.low)}, {percent(row.high)}]"
    assert f"The lowest (K-NN on MFCC, standardised) is {words}" in page("docs/results.md")


def test_how_often_intervals_cover_and_tests_reject_in_simulations() -> None:
    output = claims.benchmark_output("intervals")
    text = page("docs/statistics.md")
    spans = {}
    for name in ("library", "jackknife"):
        rows = re.findall(rf"{name} +[\d.]+ (.+)", output)
        cells = [float(cell) for row in rows for cell in re.findall(r"([\d.]+)/", row)]
        spans[name] = len(cells), f"{min(cells):.0f} to {max(cells):.0f} %"
    for place in (text, page("notebooks/03_feature_validation.ipynb")):
        assert f"Over {spans['library'][0]} combinations" in place
        assert f"cover the true score in {spans['library'][1]} of simulations" in place
    assert f"jackknife over infants covers it in {spans['jackknife'][1]}" in text
    rates = {
        (protocol, way): f"{float(rate):.0f} %"
        for protocol, way, rate in re.findall(
            r"^(clip|infant) +(\w+) +([\d.]+)$", output, re.MULTILINE
        )
    }
    blocks = f"{rates['clip', 'blocks']} (random split) and {rates['infant', 'blocks']} (leak-"
    assert f"rejects at 5 % in {blocks}" in text
    fixed = f"{rates['infant', 'fixed']} of corpora leak-free, but in {rates['clip', 'fixed']}"
    assert f"it rejects in {fixed} with a random split" in text


def test_how_often_intervals_cover_if_models_are_trained_again() -> None:
    output = claims.benchmark_output("intervals")
    (corpora,) = re.findall(r"^2\. models trained again, (\d+) simulated corpora", output, re.M)
    found = re.findall(
        r"^(\w+) +(\w+) +coverage (\d+ to \d+ %), mean ([\d.]+) %; mean width ([\d.]+)$",
        output,
        re.M,
    )
    spans = {row[:2]: (row[2], f"{float(row[3]):.0f} %", row[4]) for row in found}
    text = page("docs/statistics.md")
    assert f"on each of {corpora} simulated corpora" in text
    for split, words in {"infant": "Leak-free", "clip": "With a random split"}.items():
        (span, mean, width), (other, others, narrow) = (
            spans[split, name] for name in ("library", "bootstrap")
        )
        assert f"{words}, the intervals cover it in {span} ({mean} on average)" in text
        assert f"a bootstrap over infants in {other} ({others})" in text
        assert f"mean widths are {width} and {narrow}" in text
    rows = re.findall(r"^\w.+ signal \d  infant (.+)$", output, re.M)
    free = [[int(share) for share in re.findall(r"(\d+)±", row)[::2]] for row in rows]
    low = [(place, share) for row in free for place, share in enumerate(row) if share < 93]
    areas = sum(place == 2 for place, _ in low)
    assert f"leak-free, {len(low)} of {sum(map(len, free))} scores have less than 93 %" in text
    assert f"and {areas} of these are areas under the curve" in text
    error = 100 * (0.95 * 0.05 / int(corpora)) ** 0.5
    assert f"coverage of 95 % has a standard error of {error:.1f} points" in text


def test_what_a_corpus_of_this_size_can_show() -> None:
    output = claims.benchmark_output("power").split("tests compared: ")[0]
    parts = {part.split()[0]: part for part in output.strip().split("\n\n")}
    assert parts["220"].startswith("220 DonateACry's own donors, 200 simulated corpora a point")
    enough = {n: re.findall(r"80% of corpora: .+ score ([\d.]+)", p) for n, p in parts.items()}
    weak = {
        n: re.findall(r"^ +0\.500 +200 +([\d.]+) +([\d.]+)$", part, re.MULTILINE)[0]
        for n, part in parts.items()
    }
    text = page("docs/statistics.md")
    power, score = map(float, weak["220"])
    assert f"give {float(enough['220'][0]):.2f} leak-free are detected in 80 % of corpora" in text
    assert f"give {score:.2f} are detected in {100 * power:.0f} %" in text
    assert f"With 50 infants, {float(enough['50'][0]):.2f} is needed for 80 %" in text
    many = 100 * float(weak["400"][0])
    assert f"220 infants reveal in {100 * power:.0f} % of corpora are revealed by 400" in text
    assert f"by 400 infants in {many:.0f} %" in text


def test_the_power_of_the_tests_that_are_used() -> None:
    output = claims.benchmark_output("power").split("tests compared: ")[1]
    corpora, permutations = re.findall(r"^(\d+) simulated corpora a point, B=(\d+)", output)[0]
    rows, twelve = (
        [[float(x) for x in row.split()] for row in re.findall(r"^ +\d\.\d+( +.+)$", part, re.M)]
        for part in output.split("76 clips, like Table 2's")
    )
    text = page("docs/statistics.md")
    assert f"on {corpora} corpora for each effect, with {permutations} permutations" in text
    score, _, refitted, fixed = rows[1]
    assert (
        f"differences that give {score:.2f} are detected in {100 * refitted:.0f} % by the refitted"
        f" test and in {100 * fixed:.0f} % by the test of fixed predictions"
    ) in text
    false = f"Without an effect they reject in {100 * rows[0][2]:.0f} and {100 * rows[0][3]:.0f} %"
    assert false in text
    for score, _, refitted, _, adjusted, _ in twelve[1:]:
        assert (
            f"{score:.2f} is detected in {100 * refitted:.0f} % by a single test and in"
            f" {100 * adjusted:.0f} % after correction"
        ) in text
    assert f"standard error of up to {100 * (0.25 / int(corpora)) ** 0.5:.0f} points" in text
    for table in (rows, twelve):
        widths = [row[1] for row in table]
        assert f"{min(widths):.2f} to {max(widths):.2f} wide" in text


def test_how_many_caregivers_a_server_can_have_at_once() -> None:
    output = claims.benchmark_output("pages")
    alone, together = re.findall(r"ready: ([\d.]+) s .+ log in together ([\d.]+) s", output)[0]
    (answers,) = re.findall(r"95 % within (\d+) ms", output)
    (memory,) = re.findall(r"largest kernel: .+, (\d+) MiB at the end", output)
    assert "8 pages for 60 s: 120 to 120 readings each, 120 expected" in output
    text = page("docs/application.md")
    assert f"came within {int(answers) / 1000:.2f} s" in text
    assert f"ready {float(alone):.1f} s after the login, or {float(together):.1f} s when" in text
    assert f"needs {memory} MiB of memory" in text


def test_what_ten_thousand_hours_of_video_would_cost() -> None:
    stored = (REFERENCE / "README.md").read_text(encoding="utf-8")
    text = page("docs/cluster.md")
    factor = 10_000 / (800 * 15 / 3600)
    assert f"They are multiplied by {factor:,.0f}" in text
    hours = {}
    for stage in ("360,000 frames through ResNet-50", "360,000 frames: faces", "sound:", "autoenc"):
        seconds = int(re.findall(rf"\| {stage}[^|]*\| ([\d,]+) \|", stored)[0].replace(",", ""))
        hours[stage] = 2 * seconds * factor / 3600  # on two cores
        assert f"| {seconds:,} | {hours[stage]:,.0f} |" in text
    first = hours["360,000 frames through ResNet-50"]
    seconds = 3600 * 10_000
    disk = [seconds * n * 4 / 1e12 for n in (30 * 2048, 30 * 128, 8000 + 62.5 * (129 + 20))]
    for terabytes in disk:
        assert f"| {terabytes:.1f} |" in text
    assert f"{first / sum(hours.values()):.0%}".replace("%", " %") in text
    assert f"{disk[0] / sum(disk):.0%}".replace("%", " %") in text
    assert f"about {first / 6:,.0f} core-hours and {disk[0] / 6:.1f} TB" in text
    assert f"100 cores would need {first / 6 / 100:.0f} hours" in text
    window = 2 * 62.5 * (129 + 20) * 4
    assert f"are {window / 1e3:.0f} kB" in text
    assert f"18 million windows are {window * seconds / 2 / 1e12:.1f} TB" in text


def test_notebook_10_says_what_the_audit_measured_on_real_recordings(judged: pd.DataFrame) -> None:
    text, uploads = page("notebooks/10_leakage_audit.ipynb"), results("uploads")
    p_values = [run.loc["audit.honest.p_value", "infant"].value for run in (judged, uploads)]
    assert f"(p = {p_values[0]:.2f}) or the uploads ({p_values[1]:.2f})" in text
    for control, words in {
        "device": "tell iOS from Android ({}; guessing: 0.50)",
        "state": "but not the state ({}; guessing: 0.25)",
    }.items():
        row = judged.loc[f"control.{control}.balanced_accuracy", "infant"]
        assert words.format(f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]") in text
    sizes = [run.loc["audit.honest.accuracy", "infant"] for run in (judged, uploads)]
    first, second = [(f"{row.n:.0f}", f"{row.n_infants:.0f}") for row in sizes]
    assert f"({first[0]} clips of {first[1]} infants)" in text
    assert f"({second[0]} of {second[1]})" in text


@pytest.mark.parametrize(
    ("notebook", "words", "keys"),
    [
        ("05_image", "beats the network by {p} points", ["-image.minus_forest.balanced_accuracy"]),
        ("05_image", "shown ({p} points", ["-image.minus_svm.balanced_accuracy"]),
        ("05_image", "leads by {p} points", ["-image.minus_forest_crops.balanced_accuracy"]),
        ("06_full", "{i} without any sound", ["full.drop_audio.1.macro_f1"]),
        ("06_full", "{i} without any picture", ["full.drop_video.1.macro_f1"]),
        ("06_full", "the gain over `cry2`, {i}, is", ["full.noise.0.minus_audio.macro_f1"]),
        (
            "06_full",
            "`cry2` has {v}, `full` {v} and `image` alone {v}:",
            [f"full.noise.0{model}.macro_f1" for model in (".audio", "", ".image")],
        ),
        (
            "11_robustness",
            "the gains on all clips, {v}, {v} and {v}, *hold*",
            [f"robust.{what}.0.4.fused.minus_image.macro_f1" for what in ("eyes", "mouth", "side")],
        ),
        (
            "11_robustness",
            "covered from below costs {i}.",
            ["-robust.mouth.0.2.image.minus_undisturbed.macro_f1"],
        ),
    ],
)
def test_a_notebook_quotes_stored_runs_of_the_simulation_as_they_are(
    notebook: str, words: str, keys: list[str]
) -> None:
    """`v` is a value, `i` one with its interval, `p` the same in points; "-" changes the sign."""
    stored, text = results("simulated"), page(f"notebooks/{notebook}.ipynb")
    for key in keys:
        row = stored.loc[key.removeprefix("-"), "infant"]
        value, *ends = row[["value", "low", "high"]].astype(float) * (-1 if key[0] == "-" else 1)
        low, high = sorted(ends)
        words = words.replace("{v}", f"{value:.2f}", 1)
        words = words.replace("{i}", f"{value:.2f} [{low:.2f}, {high:.2f}]", 1)
        words = words.replace(
            "{p} points", f"{100 * value:.0f} points [{100 * low:.0f}, {100 * high:.0f}]"
        )
    assert words in text


def test_notebook_04_says_how_far_cry2_is_from_its_rivals(judged: pd.DataFrame) -> None:
    text = page("notebooks/04_cry2.ipynb")
    for split, words in {
        "infant": "is between {} and {} points; with clips",
        "clip": "split at random it is between {} and {}. Every interval includes 0",
    }.items():
        keys = [f"cry2.minus_{rival}.balanced_accuracy" for rival in BASELINES]
        rows = judged.loc[[(key, split) for key in keys]]
        ends = [
            f"{100 * end:.0f}".replace("-", "−") for end in (rows.value.min(), rows.value.max())
        ]
        assert words.format(*ends) in text
        assert (rows.low < 0).all() and (rows.high > 0).all()


def test_the_benchmark_says_what_its_stored_run_measured() -> None:
    home = ROOT / "outputs" / "reference" / "benchmarks"
    predictions = pd.read_parquet(home / "donateacry_predictions.parquet")
    scores = pd.read_csv(home / "donateacry.csv")
    again = benchmark.rows(predictions, data="donateacry").query("feature != 'guessing'")
    key = ["condition", "feature", "model"]
    for split, rows in again.groupby("split"):
        stored = scores.rename(columns={"task": "condition"}).set_index(key)[split]
        assert (rows.set_index(key).value - stored).abs().max() < 1e-9
    folds = pd.read_csv(ROOT / "data" / "benchmark" / "donateacry.csv")
    assert len(predictions) == 2 * 5 * 6 * len(folds)
    text, expected = page("docs/benchmark.md"), page("docs/predictions.md")

    def count(condition: str, tasks: str = "infant age sex reason") -> int:
        return len(scores[scores.task.isin(tasks.split())].query(condition))

    assert count("infant_low > chance", "reason") == 0
    assert count("gap_low > 0", "reason") == 1
    assert count("gap_low > 0", "age sex") == 8 and count("gap > 0.1", "age sex") == 0
    assert count("clip_low > chance", "age") == 6 and count("clip_low > chance", "sex") == 5
    assert count("infant_low > chance and infant < 0.255", "age") == 4
    assert count("infant_low > chance", "age sex") == 4
    assert count("infant_low > chance", "infant") == 5
    high = scores[(scores.task == "reason") & scores.feature.isin(["mfcc", "stft"])].gap
    assert f"{percent(high.min())} to {percent(high.max())} points higher" in text
    who = scores[scores.task == "infant"].set_index(["feature", "model"]).infant
    assert who.idxmax() == ("mfcc", "linear")
    assert f"logistic regression: {percent(who.max())} % of the clips" in text
    assert f"The speech embedding has {percent(who['speech', 'linear'])} % there" in text
    assert f"({who.max():.2f}), the speech embedding has {who['speech', 'linear']:.2f}" in expected
    heads = pd.concat(
        [
            benchmark.difference(*(rows[rows.model == head] for head in ("network", "linear")))
            for _, rows in predictions.groupby("feature")
        ]
    )
    worse = heads[heads.high < 0]
    assert set(worse.task) == {"infant"} and len(worse) == 5 and not (heads.low > 0).any()
    assert count("gap > 0.05", "sex") == 3 and count("gap > 0", "age sex") == 12


def test_notebook_04_says_how_far_single_trainings_differ() -> None:
    answers = pd.read_parquet(REFERENCE / "judged" / "predictions" / "04_cry2.parquet")
    answers = answers[answers.model == "cry2"]
    right = (answers.predicted == answers.truth).groupby([answers.split, answers.repeat]).mean()
    ends = [
        percent(end)
        for split in ("infant", "clip")
        for end in (right[split].min(), right[split].max())
    ]
    words = "five stored trainings have {} to {} % leak-free and {} to {} % with a random split"
    assert words.format(*ends) in page("notebooks/04_cry2.ipynb")


def test_notebook_12_says_what_the_stored_runs_measured(judged: pd.DataFrame) -> None:
    beyond = judged[judged.study == "beyond"].reset_index()
    text, found, expected = map(
        page, ("notebooks/12_beyond_the_papers.ipynb", "docs/results.md", "docs/predictions.md")
    )
    assert (beyond[beyond.feature != "attention"].split == "infant").all()

    def score(feature: str, task: str, rows: pd.DataFrame = beyond, rival: str = "") -> str:
        wanted = (rows.feature == feature) & (rows.condition == task) & (rows.rival == rival)
        (row,) = rows[wanted].itertuples()
        return tables.in_percent(row.value, row.low, row.high)

    scores = beyond[(beyond.rival == "") & (beyond.feature != "guessing")]
    guess = beyond[beyond.feature == "guessing"].set_index("condition").value
    assert not (scores[scores.condition.str.startswith("reason")].low > guess["reason"]).any()
    in_two = scores[scores.condition.isin(["age", "sex"])]
    above = in_two[in_two.low > in_two.condition.map(guess)]
    assert above.condition.value_counts().to_dict() == {"age": 4, "sex": 3}
    most = percent((above.value - above.condition.map(guess)).max())
    words = f"four and three intervals are above guessing, by at most {most} points"
    assert f"{words}; among {len(in_two)} intervals" in text
    infant = scores[scores.condition == "infant"].set_index("feature").value
    assert len(infant) == 15 and infant.idxmax() == "mfcc"
    mfcc, speech = (score(each, "infant").replace(" ", " % ", 1) for each in ("mfcc", "speech"))
    assert f"score highest with {mfcc}" in text and f"the infant in {speech} of the clips" in text
    answers = claims.load_predictions("reference/judged", study="beyond", condition="infant")
    by_feature = dict(list(answers.rename(columns={"condition": "task"}).groupby("feature")))
    better = {
        name: benchmark.difference(by_feature["mfcc"], rows).iloc[0]
        for name, rows in by_feature.items()
        if name != "mfcc"
    }
    from_speech = better.pop("speech")
    words = tables.in_percent(from_speech.value, from_speech.low, from_speech.high)
    assert words.replace(" ", " points ", 1).replace("-", "−") in text
    ends = pd.DataFrame(better).T
    assert len(ends) == 13 and (ends.low > 0).all()
    words = f"{percent(ends.value.min())} to {percent(ends.value.max())} points better than each"
    assert words in text and words in found
    gains = beyond[(beyond.rival != "") & (beyond.metric == "balanced_accuracy")]
    assert len(gains) == 44 and ((gains.low < 0) & (gains.high > 0)).all()
    words = score("burst_mean", "infant", rival="mean").replace(" ", " points ", 1)
    assert f"is {words.replace('-', '−')}." in expected
    for name, rival in (("contrastive", "untrained"), ("cry2", "contrastive")):
        gain = score(name, "infant", rival=rival).replace(" ", " points better ", 1)
        assert gain.replace("-", "−") in expected
    low = 100 * scores[scores.condition.str.startswith("reason")].set_index("feature").value
    low = low[["untrained", "contrastive", "cry2"]]
    assert f"between {low.min():.0f} and {low.max():.0f} %, for any share of labels" in text
    weights = beyond[beyond.metric == "rank_correlation"].set_index("rival").value
    again, exchanged, untrained = weights[["trained_again", "labels_exchanged", "untrained"]]
    words = f"With exchanged labels it is {exchanged:.2f}, untrained {untrained:.2f}"
    assert words in text
    assert f"correlation of {again:.2f} over time" in text
    assert f"correlation of {again:.2f} over time" in found
    assert f"correlate by {again:.2f} only" in expected

    simulated = results("simulated").query("study == 'beyond'").reset_index()
    few = [score(name, "reason_labels_25", simulated) for name in ("contrastive", "cry2")]
    few = [each.replace(" ", " % ", 1) for each in few]
    assert f"reaches {few[0]}, `cry2` {few[1]}" in text
    assert f"reaches {few[0]}, untrained" in found and f"and `cry2` {few[1]}" in found
    full = [score(name, "reason", simulated).split()[0] for name in ("cry2", "contrastive")]
    assert "both reach {} to {} %".format(*full) in text
    untrained = score("untrained", "reason_labels_25", simulated).replace(" ", " % ", 1)
    assert f"the untrained encoder has {untrained}" in text and f"untrained {untrained}" in found
    gain = score("contrastive", "reason", simulated, "untrained").replace("-", "−")
    assert f"adds {gain.replace(' ', ' points ', 1)}" in text
    weights = simulated[simulated.metric == "rank_correlation"].set_index("rival").value
    words = [f"{x:.2f}".replace("-", "−") for x in weights]
    right = percent(
        float(
            simulated.query(
                "feature == 'attention' and condition == 'reason' and rival == ''"
            ).value.iloc[0]
        )
    )
    assert f"reaches {right} %, it is {words[0]}, {words[1]} and {words[2]}" in text

    gate = pd.read_csv(REFERENCE / "gate_comparison.csv").set_index("detector")
    speech = gate.loc["speech embedding"]
    more = tables.in_percent(speech.difference, speech.difference_low, speech.difference_high)
    words = f"{percent(speech.pauses)} % of the pauses between cries"
    assert words in text and words in found
    assert f"{more.replace(' ', ' points ', 1)} more than" in text
    assert f"{percent(speech.distractors)} % of the other sounds instead of 1 %" in text
    assert percent(gate.distractors["gate"]) == "1"
    assert f"level meter accepts fewer pauses ({percent(gate.pauses['level meter'])} %)" in text
    assert f"the area is {speech.auc:.2f}, and {percent(speech.pauses)} % of the pauses" in expected


def test_the_appendix_on_faces_says_what_the_stored_run_measured() -> None:
    faces = results("simulated").query("study == 'faces'").reset_index()
    text, found, expected = map(
        page, ("notebooks/appendix_faces.ipynb", "docs/results.md", "docs/predictions.md")
    )
    scores = faces[faces.metric == "balanced_accuracy"].set_index(["feature", "condition", "rival"])

    def cell(feature: str, task: str, rival: str = "", unit: str = " %") -> str:
        row = scores.loc[feature, task, rival]
        return tables.in_percent(row.value, row.low, row.high).replace(" ", f"{unit} ", 1)

    def gain(feature: str, task: str, rival: str, unit: str = " points") -> str:
        return cell(feature, task, rival, unit).replace("-", "−")

    answers = claims.load_predictions("reference/simulated", study="faces")
    by_feature = dict(list(answers.rename(columns={"condition": "task"}).groupby("feature")))
    frozen = ["small", "small_untrained", "resnet50_untrained"]
    frozen += ["efficientnet_lite0", "efficientnet_lite0_untrained"]
    better = pd.DataFrame(
        [
            benchmark.difference(by_feature["hog"], by_feature[name])
            .set_index("task")
            .loc["reason"]
            for name in frozen
        ]
    )
    assert (better.low > 0).all()
    words = f"{percent(better.value.min())} to {percent(better.value.max())} points better"
    for where in (text, found):
        assert words in where
        assert f"have {cell('hog', 'reason')}" in where
        assert f"{gain('efficientnet_lite0', 'reason', 'efficientnet_lite0_untrained')}" in where
        assert f"is {gain('frozen', 'reason', 'finetuned')}" in where
    assert f"weights has {cell('efficientnet_lite0', 'reason')} for the state" in text
    assert f"untrained {cell('efficientnet_lite0_untrained', 'reason')}." in text
    lite = gain("efficientnet_lite0", "infant", "efficientnet_lite0_untrained", "")
    assert f"for the infant it is {lite}" in text
    small = gain("small", "infant", "small_untrained")
    assert f"It is {small.replace(']', '] better than untrained', 1)} for the infant" in text
    assert f"and {gain('small', 'reason', 'small_untrained', '')} for the state" in text
    reached = cell("efficientnet_lite0", "reason").split()[0]
    assert f"of the same frozen network reaches {reached} %" in text
    assert f"frozen {cell('frozen', 'reason')}, fine-tuned {cell('finetuned', 'reason')}" in text

    every = scores.xs("", level="rival")
    assert (every.drop("guessing", level="feature").xs("infant", level="condition").low > 0.3).all()
    for name in ("convolution", "gru", "attention"):
        row = scores.loc[name, "reason", "mean"]
        assert row.low < 0 < row.high
        row = scores.loc[name, "infant", "mean"]
        assert (row.high < 0) == (name == "gru") and row.low < 0
    for where in (text, found):
        assert f"GRU minus mean is {gain('gru', 'infant', 'mean')}" in where
    single = gain("single", "reason", "mean")
    assert f"is {single} better than the mean" in text and f"are {single} better" in expected
    assert f"and {gain('single', 'infant', 'mean', '')} for the infant" in text
    assert scores.xs("single", level="rival").value.abs().max() < 0.01
    weights = faces[faces.metric == "rank_correlation"].set_index("rival").value
    again, exchanged, untrained = weights[["trained_again", "labels_exchanged", "untrained"]]
    assert f"correlation of {again:.2f} over time" in text
    assert f"exchanged labels it is {exchanged:.2f}, untrained {untrained:.2f}" in text
    assert f"correlation of {again:.2f} over time, with exchanged labels {exchanged:.2f}" in found
    assert f"attention of two trainings has {again:.2f}" in expected
    backbones = every.xs("infant", level="condition").loc[["hog", *frozen]].value
    assert backbones.idxmin() == "efficientnet_lite0"
    assert f"is lowest ({percent(backbones.min())} %)" in expected
    assert (every.xs("reason", level="condition").loc[["hog", *frozen]].value > 0.75).all()
