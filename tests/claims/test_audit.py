"""An audit of predictions, by cases whose answers are known."""

from __future__ import annotations

import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from refusals import refusal

from cryutils.claims import audit as audits
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError


def answers(infants: int = 12, each: int = 4) -> pd.DataFrame:
    """With a random split every answer is right; leak-free, only the first class is."""
    rows = []
    for split in ("random", "leak_free"):
        for infant in range(infants):
            truth = ("hungry", "tired")[infant % 2]
            rows += [
                {
                    "clip": f"{infant}/{k}",
                    "infant": f"infant {infant}",
                    "truth": truth,
                    "prediction": truth if split == "random" else "hungry",
                    "split": split,
                    "fold": k % 3 if split == "random" else infant // 2 % 3,
                }
                for k in range(each)
            ]
    return pd.DataFrame(rows)


def audited(table: pd.DataFrame, folder: Path) -> audits.Audit:
    table.to_csv(folder / "table.csv", index=False)
    return audits.audit(audits.read(folder / "table.csv"), permutations=19)


def mixed(repeats: tuple[object, ...] = ("0",)) -> pd.DataFrame:
    """Answers with probabilities, 32 of 48 right, in each repeat."""
    classes = ["belly_pain", "müde"]
    rows = []
    for infant, k in np.ndindex(12, 4):
        truth = infant % 2
        p = 0.1 + 0.15 * ((5 * infant + 3 * k) % 6)
        answer = truth if p < 0.6 else 1 - truth
        rows.append(
            {
                "clip": f"{infant}/{k}",
                "infant": f"i{infant}",
                "truth": classes[truth],
                "prediction": classes[answer],
                "fold": infant // 2 % 3,
                f"p_{classes[answer]}": 0.5 + p / 2,
                f"p_{classes[1 - answer]}": 0.5 - p / 2,
            }
        )
    one = pd.DataFrame(rows)
    return pd.concat([one.assign(repeat=name) for name in repeats], ignore_index=True)


NUMBERS = {"belly_pain": 0, "müde": 1, "p_belly_pain": "p_0", "p_müde": "p_1"}


def numbered(truth: type | str, prediction: type | str) -> pd.DataFrame:
    table = mixed().rename(columns=NUMBERS)
    return table.assign(
        truth=table.truth.map(NUMBERS).astype(truth),
        prediction=table.prediction.map(NUMBERS).astype(prediction),
    )


def respelled(change, column: str = "prediction") -> pd.DataFrame:
    return mixed().assign(**{column: mixed()[column].map(change)})


def changed(row: int, column: str, value: object, repeats: tuple[object, ...] = (0,)):
    table = mixed(repeats).astype({column: object})
    table.loc[row - 2, column] = value
    return table


def same_scores(a: audits.Audit, b: audits.Audit) -> None:
    columns = ["value", "low", "high", "n", "n_infants", "guess"]
    pd.testing.assert_frame_equal(a.scores[columns], b.scores[columns])
    assert a.leaks[["shared", "p_value"]].equals(b.leaks[["shared", "p_value"]])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> audits.Audit:
    result = audited(mixed(), tmp_path_factory.mktemp("clean"))
    assert result.scores.value[1] == pytest.approx(32 / 48)
    assert result.notes.empty
    return result


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "table",
    [
        numbered(bool, float),
        numbered("category", "category"),
        respelled(" {} ".format),
        respelled(lambda name: unicodedata.normalize("NFD", name)),
        mixed().drop(columns="prediction").rename(columns={"p_belly_pain": "P_Belly Pain"}),
        respelled(lambda name: name.replace("i3", "NA"), "infant"),
        mixed().assign(fold=mixed().fold.map("fold {}".format)),
        mixed(("90%", "95%")),
    ],
)
def test_names_are_compared_as_people_mean_them(
    tmp_path: Path, clean: audits.Audit, table: pd.DataFrame, ending: str
) -> None:
    path = tmp_path / f"table.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    same_scores(audits.audit(audits.read(path), permutations=19), clean)


@pytest.mark.parametrize("lacking", ["prediction", "p_müde"])
@pytest.mark.parametrize(
    "kind", [{"sep": "\t", "encoding": "utf-16"}, {"sep": ";", "decimal": ","}, {"quoting": 1}]
)
def test_every_kind_of_csv_is_read(tmp_path: Path, kind: dict, lacking: str) -> None:
    table = mixed().drop(columns=lacking)
    plain = audited(table, tmp_path)
    table.to_csv(tmp_path / "table.csv", index=False, **kind)
    same_scores(audits.audit(audits.read(tmp_path / "table.csv"), permutations=19), plain)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "sep=,\n" + text,
        lambda text: "# answers of 3 May; by me\n\n" + text,
        lambda text: text.replace("\n", ",\n"),
        lambda text: "," + text.rstrip("\n").replace("\n", "\n7,") + "\n",
    ],
)
def test_what_programs_add_to_a_table_changes_nothing(tmp_path: Path, clean, change) -> None:
    path = tmp_path / "table.csv"
    path.write_text(change(mixed().to_csv(index=False)), encoding="utf-8")
    same_scores(audits.audit(audits.read(path), permutations=19), clean)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed(7, "prediction", None), "1 of 48 row 7 prediction"),
        (changed(7, "prediction", "colic"), "1 of 48 row 7 prediction 'colic'"),
        (mixed().drop(columns="prediction").assign(p_colic=[1.0] + [0.0] * 47), "row 2 p_colic"),
    ],
)
def test_an_answer_that_is_no_class_is_wrong_and_named(
    tmp_path: Path, clean: audits.Audit, table: pd.DataFrame, words: str
) -> None:
    result = audited(table, tmp_path)
    assert result.scores.value[1] == pytest.approx(31 / 48)
    (note,) = result.notes.note
    assert all(word in note for word in words.split())


def test_answers_that_contradict_the_probabilities_are_named(tmp_path: Path) -> None:
    table = mixed()
    table.loc[[5, 7], ["p_belly_pain", "p_müde"]] = table.loc[[5, 7], ["p_müde", "p_belly_pain"]].to_numpy()
    result = audited(table, tmp_path)
    assert result.scores.value[1] == pytest.approx(32 / 48), "the answers count"
    (note,) = result.notes.note
    assert "2 of 48" in note and "row 7" in note


def test_ties_of_probabilities_are_named_with_what_they_add(tmp_path: Path) -> None:
    table = mixed().drop(columns="prediction")
    table.loc[[3, 4, 5], ["p_belly_pain", "p_müde"]] = 0.25
    assert table.loc[[3, 4, 5], "truth"].tolist() == ["belly_pain", "müde", "müde"]
    (note,) = audited(table, tmp_path).notes.note
    assert "3 of 48" in note and "row 5" in note and "right in 1" in note


def test_infants_that_differ_only_by_case_are_refused_or_kept_apart(tmp_path: Path) -> None:
    table = answers().query("split == 'random'")
    table["infant"] = table.infant.where(table.fold > 0, table.infant.str.upper())
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    message = refusal(path, audits.read)
    assert "row 3, column infant: 'infant 0'" in message and "'INFANT 0'" in message
    apart = audits.audit(audits.read(path, distinct_infants=True), permutations=19)
    assert apart.classes.infants.tolist() == [12, 12]
    training = tmp_path / "training.csv"
    training.write_text("infant\nInfant 0\ninfant_1\n", encoding="utf-8")
    answers().query("fold == 0").to_csv(path, index=False)
    assert audits.read(path, training).trained.any()
    assert not audits.read(path, training, distinct_infants=True).trained.any()


def test_one_infant_in_a_class_leaves_the_other_scores(tmp_path: Path) -> None:
    table = mixed()
    table = table[(table.truth != "müde") | (table.infant == "i1")]
    result = audited(table, tmp_path)
    scores = result.scores.set_index("metric")
    assert scores.low.notna().to_dict() == dict.fromkeys(scores.index, False) | {"accuracy": True}
    assert any("'müde'" in note for note in result.notes.note)


def test_scores_leaks_and_gap_are_those_of_the_answers(tmp_path: Path) -> None:
    result = audited(answers(), tmp_path)
    scores = result.scores.set_index(["split", "metric"])
    assert scores.value["random split", "accuracy"] == 1
    assert scores.value["leak-free", "balanced accuracy"] == 0.5
    assert scores.guess["leak-free", "balanced accuracy"] == 0.5
    assert scores.value["leak-free", "macro F1"] == pytest.approx(1 / 3)
    assert scores.guess["leak-free", "macro F1"] == pytest.approx(1 / 3)
    leaks = result.leaks.set_index("split")
    assert leaks.shared.to_dict() == {"random split": 1, "leak-free": 0}
    assert leaks.p_value["random split"] == pytest.approx(0.05)  # the best of 19 permutations and itself
    (gap,) = result.gaps.itertuples()
    assert gap.value == 0.5
    assert result.classes.infants.tolist() == [6, 6]


def test_probabilities_answer_as_their_largest(tmp_path: Path) -> None:
    table = answers().query("split == 'leak_free'").drop(columns=["prediction", "split", "fold"])
    table["p_hungry"] = np.where(table.truth == "hungry", 0.9, 0.8)
    result = audited(table.assign(p_tired=1 - table.p_hungry), tmp_path)
    scores = result.scores.set_index("metric").value
    assert scores["accuracy"] == 0.5
    assert scores["area under the ROC curve"] == 1, "the ranking is perfect all the same"
    assert np.isnan(result.leaks.shared).all(), "without folds nobody knows"
    assert result.gaps.empty


def test_the_device_of_recordings_may_explain_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    cries = corpus([*"ab"] * 6, [*"112233445566"])
    clips = [replace(clip, device=name) for clip, name in zip(cries, ["iOS", "Android"] * 6, strict=True)]
    noise = np.random.default_rng(0).normal(size=(12, 800))
    monkeypatch.setattr(audits.audio, "signals", lambda *_, **__: noise)
    table = audits.of_corpus(Corpus(clips, name="donateacry", note=""))
    assert set(zip(table.truth, table.device, strict=True)) == {("a", "iOS"), ("b", "Android")}
    scores = audits.audit(table, permutations=19).scores.set_index("metric").value
    assert scores["balanced accuracy of the device alone"].tolist() == [1, 1]
    assert not audits.of_corpus(cries).device.any(), "unknown elsewhere"


@pytest.mark.parametrize(
    ("labels", "infants", "splits", "word"),
    [
        ("ab" * 5, "1234123412", {"random"}, "4 infants"),
        ("ab", "12", set(), "2 infants"),
        ("ab" * 6 + "cccc", "1122334455661234", {"random", "leak_free"}, "'c'"),
    ],
)
def test_a_split_without_folds_is_named_and_the_other_tested(
    monkeypatch: pytest.MonkeyPatch, labels: str, infants: str, splits: set[str], word: str
) -> None:
    cries = corpus([*labels], [*infants])
    noise = np.random.default_rng(0).normal(size=(len(labels), 800))
    monkeypatch.setattr(audits.audio, "signals", lambda *_, **__: noise)
    if not splits:
        with pytest.raises(InputError, match=word) as caught:
            audits.of_corpus(cries)
        assert "fewer" not in str(caught.value)
        return
    table = audits.of_corpus(cries)
    note = audits.audit(table, permutations=19).notes.note[0]
    assert set(table.split) == splits
    assert set(table.truth) == {"a", "b"}
    assert word in note and "fewer" not in note


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed(7, "p_müde", "high"), "row 7 p_müde 'high'"),
        (changed(7, "p_müde", "-inf"), "row 7 p_müde '-inf' finite"),
        (changed(7, "truth", None), "row 7 truth"),
        (changed(53, "truth", "müde", (0, 1)), "row 53 truth 'müde'"),
        (changed(5, "repeat", 1, (0, 1)), "row 53 clip '0/3'"),
        (mixed().assign(split="donor"), "row 2 split 'donor'"),
        (mixed().assign(prediction="colic"), "row 2 prediction classes belly_pain, müde"),
        (mixed().assign(P_Müde=0.5), "p_müde"),
        (mixed().drop(columns="infant"), "no column 'infant'"),
    ],
)
def test_a_cell_that_is_refused_is_named(tmp_path: Path, table, words: str) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    message = refusal(tmp_path / "table.csv", audits.read)
    assert all(word in message for word in words.split())


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("table.parquet", "table.csv"):
        (tmp_path / name).write_bytes(b"\x89PNG")
        refusal(tmp_path / name, audits.read)
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", "<row><c>clip</c></row>" * 99)
    assert "workbook" in refusal(tmp_path / "table.xlsx", audits.read)
    for row, words in (("a,i,x,0,5", "more"), ("1,a,i,x,5", "more"), ("# end", "fewer")):
        (tmp_path / "table.csv").write_text(f"clip,infant,truth,p_a\n{row}\n", encoding="utf-8")
        message = refusal(tmp_path / "table.csv", audits.read)
        assert "row 2" in message and f"{words} cells than the header" in message


FOLDS = Path(__file__).parents[2] / "data" / "benchmark" / "donateacry.csv"


def on_fixed_folds() -> pd.DataFrame:
    """Right answers to a task of the benchmark, made on its folds, which are called A, B, ..."""
    rows = pd.read_csv(FOLDS, dtype=str).query("task == 'reason'")
    parts = [
        rows[["clip", "infant", "truth"]].assign(
            prediction=rows.truth,
            split=split,
            repeat=repeat,
            fold=rows[split].str[repeat].map(dict(zip("01234", "ABCDE", strict=True))),
        )
        for split in ("random", "leak_free")
        for repeat in range(5)
    ]
    return pd.concat(parts, ignore_index=True)


def test_answers_on_the_fixed_folds_pass(tmp_path: Path) -> None:
    on_fixed_folds().to_csv(tmp_path / "table.csv", index=False)
    audits.check_folds(audits.read(tmp_path / "table.csv"), FOLDS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table.assign(fold=["B", *table.fold[1:]]), "not the folds of"),
        (lambda table: table[table.repeat != 3], "repeats 0, 1, 2, 3, 4"),
        (lambda table: table.drop(columns="split").query("repeat == 0")[:449], "column split"),
        (lambda table: table.assign(truth=table.infant, prediction=table.infant), "no task has"),
    ],
)
def test_answers_on_other_folds_or_clips_are_refused(change, problem: str, tmp_path: Path) -> None:
    change(on_fixed_folds()).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(InputError, match=problem):
        audits.check_folds(audits.read(tmp_path / "table.csv"), FOLDS)


def test_training_infants_add_to_the_folds_and_a_wrong_file_is_named(tmp_path: Path) -> None:
    answers().to_csv(tmp_path / "table.csv", index=False)
    path = tmp_path / "training.csv"
    path.write_text("infant\ninfant 0\ninfant 1\ninfant 2\n", encoding="utf-8")
    result = audits.audit(audits.read(tmp_path / "table.csv", path), permutations=19)
    assert result.leaks.shared.tolist() == [1, 3 / 12]
    path.write_text("infant 0\ninfant 1\n", encoding="utf-8")
    assert "infant" in refusal(path, lambda file: audits.read(tmp_path / "table.csv", file))


def by_device() -> pd.DataFrame:
    """A clip each of 40 infants: a quarter of the hungry and three of four tired ones with iOS."""
    truth = np.repeat(["hungry", "tired"], [32, 8])
    device = np.where(np.arange(40) % 4 < np.where(truth == "tired", 3, 1), "iOS", "Android")
    names = [f"infant {k}" for k in range(40)]
    answers = np.where(device == "iOS", "tired", "hungry")
    return pd.DataFrame(
        {
            "clip": names,
            "infant": names,
            "truth": truth,
            "prediction": answers,
            "device": device,
            "fold": np.arange(40) // 4 % 2,
        }
    )


@pytest.mark.parametrize("table", [by_device(), by_device().drop(columns="fold")])
def test_answers_from_the_device_are_no_better_than_the_device(tmp_path: Path, table) -> None:
    """Most clips of iOS are hungry, but a larger share of the tired than of the hungry ones."""
    result = audited(table, tmp_path)
    scores = result.scores.set_index("metric")
    alone = scores.loc["balanced accuracy of the device alone"]
    assert alone.value == (24 / 32 + 6 / 8) / 2
    assert alone[["low", "high"]].equals(scores.loc["balanced accuracy"][["low", "high"]])
    assert result.leaks.p_value.tolist() == [1], "within a device"
    unknown = audited(table.assign(device=None), tmp_path)
    assert not unknown.scores.metric.str.contains("device").any()
    assert unknown.leaks.p_value.tolist() == [0.05]
