"""Tables of medicine, speech and biology, simulated, about which an audit must say what is known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import Command, mistake, refusal, success
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, LeaveOneGroupOut, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cryutils.claims import audit as audits
from cryutils.errors import InputError

PATIENTS = Path(__file__).parents[1] / "data" / "patients.csv"
# As many speakers and recordings as in Little et al. 2009, doi 10.1109/TBME.2008.2005954.
SPEAKER = pd.Series(np.repeat(np.arange(31), [7] * 9 + [6] * 22), name="Speaker_ID")
HEALTH = np.where(SPEAKER < 23, "Parkinson", "healthy")


def voices() -> np.ndarray:
    """Features by which a speaker is recognised, and nothing else."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(31, 8))[SPEAKER] + 0.2 * rng.normal(size=(195, 8))


def audited(table: pd.DataFrame, folder: Path, **options: object) -> audits.Audit:
    table.to_csv(folder / "table.csv", index=False)
    return audits.audit(audits.read(folder / "table.csv", **options), permutations=19)


def balanced(result: audits.Audit) -> pd.Series:
    return result.scores[result.scores.metric == "balanced accuracy"].iloc[0]


def test_a_random_split_that_recognises_speakers_is_seen_and_named() -> None:
    result = audits.audit(audits.table(KNeighborsClassifier(1), voices(), HEALTH, SPEAKER), permutations=19)
    leaks = result.leaks.set_index("split")
    assert leaks.shared["leak-free"] == 0 and leaks.shared["random split"] > 0.9
    assert result.gaps.low[0] > 0.2 and balanced(result).low < 0.5 < balanced(result).high
    assert result.words["infant"] == "speaker" and result.notes.empty

    table = audits.table(KNeighborsClassifier(1), voices(), HEALTH, SPEAKER, cv=KFold(5, shuffle=True))
    (note,) = audits.audit(table, permutations=19).notes.note
    assert "KFold" in note and "speakers" in note


def test_folds_are_taken_from_a_splitter_or_a_list_and_repeats_are_seen() -> None:
    folds = [*StratifiedGroupKFold(3).split(voices(), HEALTH, SPEAKER)]
    model = KNeighborsClassifier(1)
    once = audits.table(model, pd.DataFrame(voices()), HEALTH, SPEAKER, cv=StratifiedGroupKFold(3))
    twice = audits.table(model, voices(), HEALTH, SPEAKER, cv=[*folds, *folds])
    pd.testing.assert_frame_equal(twice[twice["repeat"] == 0], once)
    assert len(twice) == 2 * len(once)
    other = audits.table(KNeighborsClassifier(3), voices(), HEALTH, SPEAKER, cv=StratifiedGroupKFold(3))
    both = pd.concat([once, other.assign(model="3 neighbours")])
    assert "31 speakers" in str(audits.audit(both, permutations=19))
    usual = audits.table(model, voices(), HEALTH, SPEAKER, cv=None)
    pd.testing.assert_frame_equal(usual, audits.table(model, voices(), HEALTH, SPEAKER, cv=5))


def test_what_a_model_cannot_be_tested_with_is_named() -> None:
    model = KNeighborsClassifier(1)
    labels_of_an_index = [(np.arange(5), np.array([1000]))]
    for cv, named in (
        ("5", "cv='5'"),
        ([], "no folds"),
        (1, "cv=1: .*31 groups"),
        (32, "cv=32"),
        (StratifiedGroupKFold(32), "cv: "),  # in words of scikit-learn, or an empty fold
        (labels_of_an_index, "1000"),
    ):
        with pytest.raises(InputError, match=named):
            audits.table(model, voices(), HEALTH, SPEAKER, cv=cv)
    with pytest.raises(InputError, match="Ridge"):
        audits.table(Ridge(), voices(), SPEAKER < 23, SPEAKER)
    with pytest.raises(InputError, match="SVC"):
        audits.table(KNeighborsClassifier, voices(), HEALTH, SPEAKER)
    with pytest.raises(InputError, match="regression"):
        audits.table(model, voices(), np.arange(195) / 10, SPEAKER)
    labels = np.where(SPEAKER < 16, "Parkinson", "healthy")
    with pytest.raises(InputError, match="only the class 'healthy'"):
        audits.table(model, voices(), labels, SPEAKER, cv=[(np.flatnonzero(SPEAKER >= 16), np.arange(9))])
    with pytest.raises(InputError, match=r"groups: .*row 3"):
        audits.table(model, voices(), HEALTH, SPEAKER.astype(float).mask(SPEAKER.index == 3))
    with pytest.raises(InputError, match="trains on row 0"):
        audits.table(model, voices(), HEALTH, SPEAKER, cv=[(np.arange(195), np.arange(9))])


def test_a_pipeline_of_a_frame_is_audited_with_its_site_and_rows_that_are_groups_of_their_own() -> None:
    frame = pd.DataFrame(voices(), index=np.arange(195)[::-1]).add_prefix("band ")
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    site = pd.Series(np.where(HEALTH == "healthy", "North", "South"), name="Site")
    table = audits.table(model, frame, pd.Series(HEALTH, frame.index), SPEAKER, devices=site)
    result = audits.audit(table, permutations=19)
    scores = result.scores.query("split == 'leak-free'").set_index("metric").value
    assert scores["balanced accuracy of the site alone"] == 1
    with pytest.raises(InputError, match="two answers"):
        audits.audit(pd.concat([table, table]), permutations=19)
    apart = audits.table(model, frame, HEALTH, np.arange(195), cv=3)
    assert {*apart.split} == {"leak_free"} and len(apart) == 195


def test_no_ranking_is_scored_where_each_fold_has_one_class() -> None:
    table = audits.table(KNeighborsClassifier(3), voices(), HEALTH, SPEAKER, cv=LeaveOneGroupOut())
    result = audits.audit(table, permutations=19)
    ranking = result.scores.set_index("metric").loc["area under the ROC curve"]
    assert np.isnan(ranking.value) and "fold" in result.notes.note[0]


def lesions(patients: int, images: int, seed: int = 0) -> pd.DataFrame:
    """Answers that are no better than guessing, with equally many images of each patient."""
    rng, patient = np.random.default_rng(seed), np.repeat(np.arange(patients), images)
    names = np.array(["benign", "malignant"])
    about = {"Image": np.arange(len(patient)), "patient": [f"P{k}" for k in patient]}
    answers = names[rng.integers(0, 2, len(patient))]
    return pd.DataFrame({**about, "diagnosis": names[patient % 2], "y_pred": answers})


def test_one_patient_that_carries_the_result_is_named(tmp_path: Path) -> None:
    rest = lesions(20, 5)
    many = pd.DataFrame({"Image": np.arange(100, 300), "patient": "heavy", "diagnosis": "malignant"})
    result = audited(pd.concat([rest, many.assign(y_pred="malignant")]), tmp_path)
    (row,) = result.leaks.itertuples()
    assert balanced(result).row_low > 0.5 > balanced(result).low
    assert row.without == "heavy" and row.share == pytest.approx(2 / 3)
    assert row.lowest < 0.6 < balanced(result).value
    assert "from one patient" in str(result)


def test_a_hospital_that_suffices_is_seen(tmp_path: Path) -> None:
    table = lesions(20, 5)
    hospital = np.where(table.diagnosis == "benign", "North", "South")
    result = audited(table.assign(hospital=hospital, y_pred=table.diagnosis), tmp_path)
    scores = result.scores.set_index("metric").value
    assert scores["balanced accuracy of the hospital alone"] == scores["balanced accuracy"] == 1
    assert "more than the hospital" in str(result)


def test_with_too_few_patients_no_score_can_be_told_from_guessing(tmp_path: Path) -> None:
    result = audited(lesions(4, 30).assign(y_pred=lesions(4, 30).diagnosis), tmp_path)
    assert balanced(result).value == 1 and balanced(result).row_low > 0.9
    assert np.isnan(result.leaks.least[0]) and "no score can be told" in str(result)


def test_a_clean_table_is_reported_on_one_screen_and_as_a_page(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    out = success(command("audit", str(PATIENTS), "--permutations", "19", "--html", str(page)))
    assert len(out.splitlines()) <= 30 and max(map(len, out.splitlines())) <= 100
    html = page.read_text("utf-8")
    assert html.count("<svg") == 3 and "src=" not in html and "To copy" in html
    table = audits.read(PATIENTS)
    assert html == audits.page(audits.audit(table, permutations=19), table, title=PATIENTS.name)
    found = json.loads(success(command("audit", str(PATIENTS), "--permutations", "19", "--json")))
    (row,) = [row for row in found["scores"] if row["metric"] == "balanced accuracy"]
    rows = pd.read_csv(PATIENTS, comment="#")
    right = (rows.diagnosis == rows.y_pred).groupby(rows.diagnosis).mean().mean()
    assert row["value"] == pytest.approx(right) and 0.5 < row["low"] < row["value"] < row["high"]
    assert found["words"] == {"clip": "image", "infant": "patient", "device": "camera"}
    assert command("audit", str(PATIENTS), "--permutations", "19", "--fail-below", "90")[0] == 0
    code, _, error = command("audit", str(PATIENTS), "--permutations", "19", "--fail-below", "99")
    assert code == 1 and "below 99 %" in error


def test_a_page_is_written_to_a_new_file_or_refused(command: Command, tmp_path: Path) -> None:
    table, before = tmp_path / "table.csv", PATIENTS.read_bytes()
    table.write_bytes(before)
    for page in (tmp_path, table, table / "audit.html"):
        assert str(page) in mistake(command("audit", str(table), "--html", str(page)))
    assert table.read_bytes() == before


def test_names_are_shown_as_they_are_written() -> None:
    table = lesions(20, 2).replace({"benign": "$\\bad$", "malignant": "<b>"})
    table = audits.read(table.assign(patient=table.patient.add("$_$")))
    html = audits.page(audits.audit(table, permutations=19), table, title="<b>.csv")
    assert html.count("$\\bad$") == 3 and "$_$" in html and "<b>" not in html


def test_a_class_of_one_patient_has_no_interval_in_the_words_of_the_table(tmp_path: Path) -> None:
    table = lesions(20, 5)
    table.loc[table.patient == "P3", "diagnosis"] = "rare"
    result = audited(table, tmp_path)
    assert np.isnan(balanced(result).low) and balanced(result).row_high > balanced(result).row_low
    assert "'rare'" in result.notes.note[0] and "patient" in result.notes.note[0]
    assert "infant" not in str(result)


def test_no_interval_is_given_where_a_few_patients_have_most_images(tmp_path: Path) -> None:
    table = lesions(60, 1)
    sizes = np.where(np.arange(60) < 4, 40, 1)
    table = table.loc[np.repeat(np.arange(60), sizes)].assign(Image=np.arange(sizes.sum()))
    result = audited(table, tmp_path)
    assert result.scores.low.isna().all() and result.scores.row_low.notna().all()
    assert "patients" in result.notes.note[0]


def test_training_rows_in_the_table_say_which_patients_are_known(tmp_path: Path) -> None:
    table = lesions(20, 4)
    part = np.where(table.Image % 4 == 0, "train", "test")
    result = audited(table.assign(split=part, y_pred=table.y_pred.where(part == "test", "")), tmp_path)
    assert result.leaks.shared.tolist() == [1] and result.n_clips == 60
    apart = np.where(table.Image < 20, "train", "test")
    assert audited(table.assign(split=apart), tmp_path).leaks.shared.tolist() == [0]


def test_the_sentence_to_copy_counts_what_its_score_is_of(tmp_path: Path) -> None:
    table = lesions(40, 3)
    both = pd.concat([table.assign(split="random"), table.iloc[:60].assign(split="leak_free")])
    said = json.loads(audits.as_json(audited(both, tmp_path)))["sentence"]
    assert "60" in said and "20" in said and "120" not in said


@pytest.mark.parametrize(
    ("table", "chosen", "words"),
    [
        (lesions(4, 3).assign(subject="a"), {}, "patient subject --group"),
        (lesions(4, 3).drop(columns="y_pred"), {}, "'prediction' --prediction diagnosis"),
        (lesions(4, 3).assign(subject="a"), {"group": "case"}, "--group 'case' subject"),
        (lesions(4, 3).drop(columns="patient"), {}, "'group' patient --group image"),
        (lesions(4, 3).iloc[:0], {}, "rows"),
        (
            lesions(4, 3).assign(diagnosis=range(12)).merge(lesions(40, 3)["Image"], "right"),
            {},
            "patient row 14",
        ),
        (lesions(40, 3).assign(diagnosis=np.arange(120) / 7), {}, "regression diagnosis"),
        (lesions(40, 3).assign(y_pred=np.arange(120) / 121), {}, "y_pred y_score"),
        (lesions(4, 3).drop(columns="Image").assign(repeat=[0, 1] * 6), {}, "repeat --unit"),
    ],
)
def test_what_is_not_clear_is_asked_for_by_the_words_of_the_table(
    tmp_path: Path, table: pd.DataFrame, chosen: dict[str, str], words: str
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    message = refusal(tmp_path / "table.csv", lambda path: audits.read(path, columns=chosen))
    assert all(word in message for word in words.split())


def test_a_score_of_class_1_gives_answers_and_a_ranking(tmp_path: Path) -> None:
    table = lesions(20, 2).drop(columns="y_pred")
    table["y_true"] = (table.pop("diagnosis") == "malignant").astype(int)
    result = audited(table.assign(y_score=0.2 + 0.2 * table.y_true), tmp_path)
    scores = result.scores.set_index("metric").value
    assert scores[["balanced accuracy", "area under the ROC curve"]].tolist() == [0.5, 1]
    (tmp_path / "table.csv").write_text("patient,label,score\na,ill,0.2\nb,well,0.4\n", "utf-8")
    assert "score" in refusal(tmp_path / "table.csv", audits.read)


def test_a_chosen_column_is_read_and_each_row_may_be_a_unit(tmp_path: Path) -> None:
    table = (
        lesions(20, 1)
        .rename(columns={"patient": "ward", "y_pred": "network", "diagnosis": "GroundTruth"})
        .drop(columns="Image")
    )
    columns = {"group": "ward", "prediction": "network"}
    result = audited(table, tmp_path, columns=columns)
    with pytest.raises(InputError, match=r"audit\.read"):
        audits.audit(table)
    same = audits.audit(audits.read(table, columns=columns), permutations=19)
    assert repr(same) == str(result) == "\n".join(audits.lines(result))
    assert result.words["infant"] == "ward" and result.n_clips == 20
    assert not result.leaks.shared.notna().any()
