"""An audit of predictions, by cases whose answers are known."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import corpus
from refusals import refusal

from cryutils import audio
from cryutils.claims import audit as audits
from cryutils.datasets.corpus import Corpus
from cryutils.errors import InputError

INFANT, K = np.divmod(np.arange(48), 4)  # of four clips of each of 12 infants
CLIPS = pd.DataFrame({"clip": [f"{i}/{k}" for i, k in zip(INFANT, K, strict=True)]})


def answers() -> pd.DataFrame:
    """With a random split every answer is right; leak-free, only the first class is."""
    truth = np.where(INFANT % 2, "tired", "hungry")
    table = CLIPS.assign(infant=[f"infant {i}" for i in INFANT], truth=truth)
    random = table.assign(prediction=truth, split="random", fold=K % 3)
    leak_free = table.assign(prediction="hungry", split="leak_free", fold=INFANT // 2 % 3)
    return pd.concat([random, leak_free], ignore_index=True)


def mixed(repeats: tuple[object, ...] = ("0",)) -> pd.DataFrame:
    """Answers with probabilities, 32 of 48 right, in each repeat."""
    classes, truth = np.array(["belly_pain", "müde"]), INFANT % 2
    p = 0.1 + 0.15 * ((5 * INFANT + 3 * K) % 6)
    answer = np.where(p < 0.6, truth, 1 - truth)
    tired = np.where(answer, 0.5 + p / 2, 0.5 - p / 2)
    table = CLIPS.assign(infant=[f"i{i}" for i in INFANT], truth=classes[truth], prediction=classes[answer])
    table = table.assign(fold=INFANT // 2 % 3, p_belly_pain=1 - tired, p_müde=tired)
    return pd.concat([table.assign(repeat=name) for name in repeats], ignore_index=True)


def audited(table: pd.DataFrame, folder: Path) -> audits.Audit:
    table.to_csv(folder / "table.csv", index=False)
    return audits.audit(audits.read(folder / "table.csv"), permutations=19)


def numbered(truth: type | str, prediction: type | str) -> pd.DataFrame:
    numbers = {"belly_pain": 0, "müde": 1}
    table = mixed().rename(columns={f"p_{name}": f"p_{k}" for name, k in numbers.items()})
    truths, answers = table.truth.map(numbers), table.prediction.map(numbers)
    return table.assign(truth=truths.astype(truth), prediction=answers.astype(prediction))


def respelled(change, column: str = "prediction") -> pd.DataFrame:
    return mixed().assign(**{column: mixed()[column].map(change)})


def changed(row: int, column: str, value: object, repeats: tuple[object, ...] = (0,)):
    table = mixed(repeats).astype({column: object})
    table.loc[row - 2, column] = value
    return table


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> audits.Audit:
    result = audited(mixed(), tmp_path_factory.mktemp("clean"))
    assert result.scores.value[1] == pytest.approx(32 / 48)
    assert result.notes.empty
    return result


def same_scores(path: Path, clean: audits.Audit) -> None:
    found = audits.audit(audits.read(path), permutations=19)
    columns = ["value", "low", "high", "n", "n_infants", "guess"]
    pd.testing.assert_frame_equal(found.scores[columns], clean.scores[columns])
    assert found.leaks[["shared", "p_value"]].equals(clean.leaks[["shared", "p_value"]])


@pytest.mark.parametrize(
    "table",
    [
        numbered(bool, float),
        numbered("category", "category"),
        respelled(" {} ".format),
        respelled(lambda name: unicodedata.normalize("NFD", name)),
        mixed().drop(columns="prediction").rename(columns={"p_belly_pain": "P_Belly Pain"}),
        respelled(lambda name: name.replace("i3", "NA"), "infant"),
        respelled("fold {}".format, "fold"),
        mixed(("90%", "95%")),
    ],
)
def test_names_are_compared_as_people_mean_them(tmp_path: Path, clean, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    same_scores(tmp_path / "table.csv", clean)
    table.to_parquet(tmp_path / "table.parquet")
    same_scores(tmp_path / "table.parquet", clean)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ({"sep": "\t", "encoding": "utf-16"}, str),
        ({"sep": ";", "decimal": ","}, str),
        ({"sep": ";", "quoting": 1}, "sep=;\n{}".format),
        ({}, "# answers of 3 May; by me\n\n{}".format),
        ({}, lambda text: text.replace("\n", ",\n")),
        ({}, lambda text: "," + text.rstrip("\n").replace("\n", "\n7,") + "\n"),
    ],
)
def test_every_kind_of_csv_is_read(tmp_path: Path, clean, kind: dict, change) -> None:
    path, encoding = tmp_path / "table.csv", kind.get("encoding", "utf-8")
    mixed().drop(columns="prediction").to_csv(path, index=False, **kind)
    path.write_text(change(path.read_text(encoding)), encoding)
    same_scores(path, clean)


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
        (mixed().drop(columns="infant"), "no column 'group' --group"),
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
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    assert "workbook" in refusal(tmp_path / "table.xlsx", audits.read)
    for row, words in (("a,i,x,0,5", "more"), ("1,a,i,x,5", "more"), ("# end", "fewer")):
        (tmp_path / "table.csv").write_text(f"clip,infant,truth,p_a\n{row}\n", encoding="utf-8")
        message = refusal(tmp_path / "table.csv", audits.read)
        assert "row 2" in message and f"{words} cells than the header" in message


def with_chances(rows: list[int], *chances: float) -> pd.DataFrame:
    table = mixed()
    table.loc[rows, ["p_belly_pain", "p_müde"]] = chances
    return table


@pytest.mark.parametrize(
    ("table", "right", "words"),
    [
        (changed(7, "prediction", None), 31, "1 of 48 row 7 prediction"),
        (changed(7, "prediction", "colic"), 31, "1 of 48 row 7 prediction 'colic'"),
        (mixed().drop(columns="prediction").assign(p_colic=[1.0] + [0.0] * 47), 31, "row 2 p_colic"),
        (with_chances([5, 7], 0.9, 0.1), 32, "2 of 48 row 7"),  # the answers count
        (with_chances([3, 4, 5], 0.25, 0.25).drop(columns="prediction"), 31, "3 of 48 row 5 right in 1"),
    ],
)
def test_doubtful_answers_are_named_with_what_counts(tmp_path: Path, table, right: int, words: str) -> None:
    result = audited(table, tmp_path)
    assert result.scores.value[1] == pytest.approx(right / 48)
    (note,) = result.notes.note
    assert all(word in note for word in words.split())


def test_infants_that_differ_only_by_case_are_refused_or_kept_apart(tmp_path: Path) -> None:
    table = answers().query("split == 'random'")
    table["infant"] = table.infant.where(table.fold > 0, table.infant.str.upper())
    path, training = tmp_path / "table.csv", tmp_path / "training.csv"
    table.to_csv(path, index=False)
    message = refusal(path, audits.read)
    assert "row 3, column infant: 'infant 0'" in message and "'INFANT 0'" in message
    apart = audits.audit(audits.read(path, distinct_groups=True), permutations=19)
    assert apart.classes.infants.tolist() == [12, 12]

    answers().to_csv(path, index=False)
    training.write_text("infant\nInfant 0\ninfant_1\ninfant 02\n", encoding="utf-8")
    result = audits.audit(audits.read(path, training), permutations=19)
    assert result.leaks.shared.tolist() == [1, 2 / 12]
    assert not audits.read(path, training, distinct_groups=True).trained.any()
    training.write_text("infant 0\ninfant 1\n", encoding="utf-8")
    assert "infant" in refusal(training, lambda file: audits.read(path, file))


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
    assert result.gaps.value.tolist() == [0.5]
    assert result.classes.infants.tolist() == [6, 6]


def test_a_perfect_ranking_is_seen_below_wrong_answers(tmp_path: Path) -> None:
    table = answers().query("split == 'leak_free'").drop(columns=["prediction", "split", "fold"])
    table["p_hungry"] = np.where(table.truth == "hungry", 0.9, 0.8)
    result = audited(table.assign(p_tired=1 - table.p_hungry), tmp_path)
    scores = result.scores.set_index("metric").value
    assert scores[["accuracy", "area under the ROC curve"]].tolist() == [0.5, 1]
    assert np.isnan(result.leaks.shared).all() and result.gaps.empty, "nobody knows without folds and splits"


def by_device() -> pd.DataFrame:
    """A clip each of 40 infants: a quarter of the hungry and three of four tired ones with iOS."""
    truth = np.repeat(["hungry", "tired"], [32, 8])
    device = np.where(np.arange(40) % 4 < np.where(truth == "tired", 3, 1), "iOS", "Android")
    k, prediction = np.arange(40), np.where(device == "iOS", "tired", "hungry")
    about = {"clip": k, "infant": k, "fold": k // 4 % 2}
    return pd.DataFrame(about | {"truth": truth, "prediction": prediction, "device": device})


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


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0).normal
    monkeypatch.setattr(audio, "signals", lambda cries, **_: draw(size=(len(cries), 800)))


def test_the_device_of_recordings_may_explain_a_score(noise) -> None:
    cries = corpus([*"ab"] * 6, [*"112233445566"])
    clips = [replace(clip, device=name) for clip, name in zip(cries, ["iOS", "Android"] * 6, strict=True)]
    table = audits.of_corpus(Corpus(clips, name="donateacry", note=""))
    assert set(zip(table.truth, table.device, strict=True)) == {("a", "iOS"), ("b", "Android")}
    scores = audits.audit(table, permutations=19).scores.set_index("metric").value
    assert scores["balanced accuracy of the device alone"].tolist() == [1, 1]
    assert not audits.of_corpus(cries).device.any(), "unknown elsewhere"


@pytest.mark.parametrize(
    ("labels", "infants", "splits", "word"),
    [
        ("ab" * 5, "1234123412", {"random"}, "4 infants"),
        ("ab" * 6 + "cccc", "1122334455661234", {"random", "leak_free"}, "'c'"),
    ],
)
def test_a_split_or_class_without_folds_is_named_and_the_rest_tested(
    noise, labels: str, infants: str, splits: set[str], word: str
) -> None:
    table = audits.of_corpus(corpus([*labels], [*infants]))
    note = audits.audit(table, permutations=19).notes.note[0]
    assert set(table.split) == splits and set(table.truth) == {"a", "b"}
    assert word in note and "fewer" not in note
    with pytest.raises(InputError, match="2 infants"):
        audits.of_corpus(corpus([*"ab"], [*"12"]))
    with pytest.raises(InputError, match="2 infants for 5 folds; add recordings"):
        audits.of_parts(corpus([*"ab"], [*"12"]))


BENCHMARK = Path(__file__).parents[2] / "data" / "benchmark"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table.assign(fold=[4 - table.fold[0], *table.fold[1:]]), "not the folds of"),
        (lambda table: table[table.repeat != 3], "repeats 0, 1, 2, 3, 4"),
        (lambda table: table.drop(columns="split").query("repeat == 0")[:457], "column split"),
        (lambda table: table.assign(truth=table.infant, prediction=table.infant), "no task has"),
    ],
)
def test_answers_on_other_folds_or_clips_are_refused(change, problem: str, tmp_path: Path) -> None:
    table = pd.read_parquet(BENCHMARK / "answers" / "constant" / "sex.parquet")
    change(table).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(InputError, match=problem):
        audits.check_folds(audits.read(tmp_path / "table.csv"), BENCHMARK / "donateacry.csv")
