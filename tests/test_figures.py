"""The tool that writes the README's figures and numbers from the reference runs' results."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import figures
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that the tool reads and writes."""
    for name in ("README.md", "docs/table2.png", "data/claims.csv", "outputs/reference"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(tmp_path))
    return tmp_path


def measured(project: Path, key: str, protocol: str, value: float) -> None:
    """Let the judged run have measured another value."""
    path = project / "outputs" / "reference" / "judged" / "results.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    (row,) = [row for row in rows if (row["key"], row["protocol"]) == (key, protocol)]
    row["value"] = value
    path.write_text(json.dumps(rows))


def test_a_number_that_has_moved_is_named_then_written_and_nothing_differs_any_more(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert figures.main(["--check"]) == 0, "run tools/figures.py"
    measured(project, "feature_validation.stft.svm.accuracy", "paper", 0.399)
    assert figures.main(["--check"]) == 1
    out = capsys.readouterr().out
    assert "README.md: differs" in out and "docs/table2.png: differs" in out
    assert (project / "README.md").read_text(encoding="utf-8") == README
    assert figures.main([]) == 0
    assert "40 % with the paper's protocol" in (project / "README.md").read_text().replace(
        "\n", " "
    )
    rows = pd.read_csv(project / "data" / "claims.csv").set_index("id")
    assert rows.value["R-T2-paper-high"] == 0.40
    with Image.open(project / "docs" / "table2.png") as picture:
        assert picture.info["Description"].startswith("Paper A's Table 2")
        assert min(picture.size) > 500
    assert figures.main(["--check"]) == 0


def test_the_whole_row_of_table_3_is_printed(project: Path) -> None:
    reference = figures.Reference(project / "outputs" / "reference")
    real = reference.results("judged")
    n = real.n[real.key == f"{figures.ROW}.proposed.accuracy"].max()
    scored = real[
        (real.protocol == "leak_free") & (real.n == n) & real.key.str.endswith(".accuracy")
    ]
    keys = {key.removesuffix(".accuracy") for key in scored.key}
    of_row = {key for key in keys if key.startswith((f"{figures.ROW}.", "submodel."))}
    assert len(of_row) >= 4 and of_row <= set(figures.CLASSIFIERS)
    lines = list(figures.row_table3(reference))
    assert [line.count("|") for line in lines] == [lines[0].count("|")] * len(lines)
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert {figures.CLASSIFIERS[key] for key in of_row} <= set(names)
    row = real[
        (real.key == f"{figures.ROW}.svm.balanced_accuracy") & (real.protocol == "leak_free")
    ]
    value, low, high = (round(100 * row[name].iloc[0]) for name in ("value", "low", "high"))
    assert f"{value} % [{low}, {high}]" in next(line for line in lines if "| SVM |" in line)
    assert set(lines) <= set(README.splitlines())


def test_an_area_under_the_curve_is_printed_where_it_is_stored(project: Path) -> None:
    reference = figures.Reference(project / "outputs" / "reference")
    real = reference.results("judged")
    auc = real[real.key == f"{figures.ROW}.svm.accuracy"].assign(
        key=f"{figures.ROW}.svm.roc_auc", value=0.611, low=0.5, high=0.7
    )
    reference.__dict__["real"] = figures.by_key(pd.concat([real, auc], ignore_index=True))
    head, _, svm, *_ = figures.row_table3(reference)
    assert "area under the ROC curve, leak-free" in head
    assert svm.endswith("| 61 % [50, 70] |")


def table2(shares: dict[str, float], scaled: tuple[float, ...] = ()) -> str:
    """The words on Table 2 by a run of three cells, each far below its figure but k-NN on MFCC.

    shares: by cell how many splits of all readings reach its figure.
    """
    cells = ("stft.svm", "mfcc.knn", "mfcc.dnn")
    counts = {"hungry": 20, "belly_pain": 16, "discomfort": 20, "tired": 20}
    rows = [(f"table1.{label}.test_count", None, n, None, None) for label, n in counts.items()]
    for cell in cells:
        high = 0.55 if cell == "mfcc.knn" else 0.4
        for protocol in ("paper", "leak_free"):
            rows.append((f"feature_validation.{cell}.accuracy", protocol, 0.3, 0.2, 0.4))
        rows.append((f"feature_validation.{cell}.holdout_accuracy", "paper", 0.3, 0.2, high))
    for cell, share in shares.items():
        key = f"multiverse.table2.{cell}.share_above_published"
        rows += [(key, "paper", share, None, None), (key, "leak_free", 0.0, None, None)]
    for cell, value in zip(cells, scaled, strict=False):
        key = f"table2_scaled.{cell}.accuracy"
        rows += [(key, "paper", value, None, None), (key, "leak_free", value / 2, None, None)]
    rows.append(("feature_validation.majority.accuracy", "leak_free", 0.26, None, None))
    columns = ["key", "protocol", "value", "low", "high"]
    results = pd.DataFrame(rows, columns=columns).assign(
        n=76, n_infants=46, data="donateacry", notebook="03_feature_validation", seed=0,
        trainings=5,
    )  # fmt: skip
    reference = figures.Reference(ROOT)
    reference.__dict__["runs"] = {"reference/judged": results}
    reference.__dict__["real"] = figures.by_key(results)
    return " ".join(figures.words_table2(reference))


def test_table_2_says_what_all_readings_of_the_text_reach() -> None:
    text = table2({"stft.svm": 0.0, "mfcc.knn": 0.0167}, scaled=(0.5, 0.4))
    assert "76 clips of 46 donors (*hungry* stands in for *pain*)" in text
    assert "and one is matched by single splits (K-NN on MFCC, with 50 % in print" in text
    assert (
        "(without the DNN), one of the two figures is reached by no single split, one by 1.7 % of"
        " them (K-NN on MFCC by 1.7 %). So neither this kind of leak nor these readings explain the"
        " one;" in text
    )
    assert (
        "SVM, Naïve Bayes and K-NN lie between 40 % and 50 % with the paper's protocol and" in text
    )
    assert "between 20 % and 25 % leak-free" in text


def test_table_2_explains_nothing_away_where_readings_reach_every_figure() -> None:
    text = table2({"stft.svm": 0.2, "mfcc.knn": 0.5, "mfcc.dnn": 0.0004})
    assert "without the" not in text and "standardised" not in text
    assert (
        "none of the three figures is reached by no single split, three by 0.04 to 50 % of them"
        in text
    )
    assert "explain" not in text


def test_table_2_of_a_run_without_other_readings_speaks_of_its_one_recipe() -> None:
    text = table2({})
    assert "readings" not in text
    assert text.endswith("alone doesn't explain the others; the paper leaves open what does.")


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


def test_a_block_that_is_missing_or_twice_there_is_an_error(project: Path) -> None:
    reference = figures.Reference(project / "outputs" / "reference")
    without = re.sub(r"<!-- figures: cry2 -->.*?<!-- end -->", "", README, flags=re.DOTALL)
    for text in (without, README + README):
        with pytest.raises(SystemExit, match="times, not once"):
            figures.readme(text, reference)


def test_counts_read_as_english() -> None:
    assert figures.of(0, "the twelve") == "none of the twelve is"
    assert figures.of(1, "the twelve") == "one of the twelve is"
    assert figures.of(3, "the twelve") == "three of the twelve are"
    assert figures.percent(0.256) == "26 %"
    assert figures.percent(0.256, 0.12, 0.4) == "26 % [12, 40]"
    assert figures.percent(float("nan")) == "–"
