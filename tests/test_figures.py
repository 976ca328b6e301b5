"""The tool that draws the figures and fills the tables from the results of the reference runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import figures
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from cryutils import claims

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "networks", "docs/results.md": "scores", "docs/benchmark.md": "benchmark"}
T2, T3, B = "Paper A, Table 2", "Paper A, Table 3", "Paper B"
CLASSIFIERS = {
    "SVM": "svm", "Naïve Bayes": "nb", "Random Forest": "rf", "Decision Tree": "dt", "K-NN": "knn",
    "DNN": "dnn",
}  # fmt: skip
BASELINES = {
    "Logistic regression": "logistic", "SVM": "svm", "Random forest": "forest",
    "Gradient boosting": "boosting",
}  # fmt: skip
ENSEMBLES = {
    "SVM": "svm", "SVM, fit+stop": "svm_stop", "AE+DNN": "ae_dnn",
    "AE+DNN, patches": "ae_dnn_patches", "ensemble": "proposed",
    "SVM, unweighted": "svm_unweighted", "AE+DNN, unweighted": "ae_dnn_unweighted",
    "ensemble, unweighted": "proposed_unweighted",
}  # fmt: skip
ALWAYS = "always the commonest class"
KEYS = {  # by table and model as printed, the key of the results without the metric
    **{
        (f"{T2}{words}", f"{feature.upper()}: {name}"): f"{study}.{feature}.{model}"
        for words, study in (
            ("", "feature_validation"),
            (", features standardised", "feature_validation.scaled"),
        )
        for feature in ("stft", "mfcc")
        for name, model in CLASSIFIERS.items()
    },
    (T2, ALWAYS): "feature_validation.majority",
    **{(T3, f"sleepy & hungry: {n}"): f"table3.sleepy_hungry.{m}" for n, m in ENSEMBLES.items()},
    (T3, f"sleepy & hungry: {ALWAYS}"): "table3.sleepy_hungry.majority",
    (B, "sound: cry2"): "cry2",
    (B, "sound: cry2, unweighted"): "cry2.cry2_unweighted",
    **{(B, f"sound: {n}"): f"cry2.{m}" for n, m in BASELINES.items()},
    **{(B, f"sound: {n}, on windows"): f"cry2.{m}_windows" for n, m in BASELINES.items()},
    (B, f"sound: {ALWAYS}"): "cry2.majority",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that the tool reads and writes."""
    for name in (*PAGES, "docs/table2.png", "data", "outputs/reference"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(tmp_path))
    return tmp_path


def results() -> dict[tuple[str, str | None], dict[str, Any]]:
    """The results on DonateACry by key and split, as they are stored."""
    path = ROOT / "outputs" / "reference" / "judged" / "results.json"
    rows = [row for row in json.loads(path.read_text()) if row["data"] == "donateacry"]
    return {(row["key"], row["split"]): row for row in rows}


def measured(project: Path, key: str, split: str, value: float) -> None:
    """Let the judged run have measured another value."""
    path = project / "outputs" / "reference" / "judged" / "results.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    (row,) = [row for row in rows if (row["key"], row["split"]) == (key, split)]
    row["value"] = value
    path.write_text(json.dumps(rows))


def block(page: str) -> list[list[str]]:
    """The rows of the generated table in a page, cell by cell, without its heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (table,) = re.findall(rf"<!-- table: {PAGES[page]} -->\n(.+?)\n<!-- end -->", text, re.DOTALL)
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def printed(key: str, split: str) -> str:
    """A stored score as the tables print it."""
    row = results().get((key, split))
    if row is None:
        return "–"
    value = f"{100 * row['value']:.0f}"
    return (
        value
        if row["low"] is None
        else value + f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    )


def published(key: str) -> str:
    """A figure of the papers as the tables print it."""
    key = key.replace("_unweighted", "")  # the paper mentions no weights
    value = claims.published().set_index("key").value.get(f"{key}.accuracy")
    return "–" if value is None else f"{100 * value:.0f}"


def test_every_number_of_the_table_of_networks_is_in_the_results() -> None:
    rows = {name: cells for name, *cells in block("README.md")}
    row = "table3.sleepy_hungry"
    keys = {
        "Paper B: `cry2`": ("cry2", "cry2.majority"),
        "Paper B: `cry2`, unweighted": ("cry2.cry2_unweighted", "cry2.majority"),
    }
    for name in ("SVM", "AE+DNN", "ensemble"):
        model = f"{row}.{ENSEMBLES[name]}"
        keys[f"Paper A: {name}"] = (model, f"{row}.majority")
        keys[f"Paper A: {name}, unweighted"] = (f"{model}_unweighted", f"{row}.majority")
    assert rows.keys() == keys.keys()
    for name, (model, majority) in keys.items():
        metrics = ("accuracy", "balanced_accuracy")
        splits = [[printed(f"{model}.{m}", p) for p in ("clip", "infant")] for m in metrics]
        always = [printed(f"{majority}.{m}", "infant").partition(" ")[0] for m in metrics]
        assert rows[name] == [published(model), *splits[0], always[0], *splits[1], always[1]]


def test_every_number_of_the_table_of_scores_is_in_the_results() -> None:
    for table, model, paper, *scores, p_value in block("docs/results.md"):
        key = KEYS[table, model]
        metrics = [f"{key}.accuracy", f"{key}.balanced_accuracy"]
        assert scores == [printed(metric, p) for metric in metrics for p in ("clip", "infant")], key
        assert paper == published(key)
        row = results().get((f"{key}.p_value", "infant"))
        assert p_value == ("–" if row is None else f"{row['value']:.3f}"), key


def test_the_table_of_scores_has_every_model_measured_on_real_recordings() -> None:
    stored = {
        row["key"].removesuffix(f".{row['metric']}")
        for row in results().values()
        if row["study"] in ("feature_validation", "table3", "cry2")
        and row["condition"] in ("", "scaled", "sleepy_hungry")
        and row["metric"] in ("accuracy", "balanced_accuracy")
        and row["split"] != "frame"
        and not row["rival"]
    }
    assert {KEYS[table, model] for table, model, *_ in block("docs/results.md")} == stored


def test_a_number_that_has_moved_is_named_then_written_and_nothing_differs_any_more(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {page: (project / page).read_text(encoding="utf-8") for page in PAGES}
    assert figures.main(["--check"]) == 0, "run tools/figures.py"
    measured(project, "feature_validation.stft.svm.accuracy", "clip", 0.399)
    measured(project, "cry2.accuracy", "infant", 0.4567)
    capsys.readouterr()
    assert figures.main(["--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    names = ["README.md", "docs/results.md", "docs/table2.png"]
    assert lines == [f"{name}: differs from outputs/reference" for name in names]
    assert {page: (project / page).read_text(encoding="utf-8") for page in PAGES} == before
    assert figures.main([]) == 0
    assert "| 46 [28, 45] |" in (project / "README.md").read_text(encoding="utf-8")
    assert "| 40 [19, 40] |" in (project / "docs" / "results.md").read_text(encoding="utf-8")
    with Image.open(project / "docs" / "table2.png") as picture:
        assert picture.info["Description"].startswith("Paper A's Table 2")
        assert min(picture.size) > 500
    after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert figures.main([]) == figures.main(["--check"]) == 0
    assert {path: path.read_bytes() for path in after} == after, "a second run changes nothing"


@pytest.mark.parametrize("times", [0, 2])
def test_a_block_that_is_missing_or_doubled_is_one_line_and_nothing_is_written(
    project: Path, times: int
) -> None:
    page = project / "docs" / "results.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text * times, encoding="utf-8")
    measured(project, "cry2.accuracy", "infant", 0.4567)
    before = (project / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as refused:
        figures.main([])
    assert refused.value.code == (
        f"docs/results.md: the block scores occurs {times} times; it must occur once."
    )
    assert (project / "README.md").read_text(encoding="utf-8") == before


def test_a_digest_is_of_what_is_drawn_and_not_of_how() -> None:
    def digest(x: float, title: str = "one", dpi: int = 100, colour: str = "red") -> str:
        figure, ax = plt.subplots(dpi=dpi)
        ax.plot([0, x], [0, 1], color=colour)
        ax.hlines([0.5], [0.1], [x])
        ax.set_title(title, loc="left")
        plt.close(figure)
        return figures.digest(figure)

    assert digest(0.5) == digest(0.5, dpi=50, colour="blue") == digest(0.5 + 1e-7)
    assert len({digest(0.5), digest(0.6), digest(0.5, "two")}) == 3
