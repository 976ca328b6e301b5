"""Published corpora are recognised as they were downloaded. All files here are generated."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from refusals import refusal

from cryutils.course import recordings
from cryutils.datasets import published
from cryutils.datasets.corpus import Corpus
from cryutils.datasets.loading import load
from cryutils.errors import InputError
from cryutils.papers import gating

pytestmark = pytest.mark.usefixtures("apart")
Writer = Callable[..., Path]

BOUTS = {
    "AB01_M_1_F_F_10102019_2058": ("AB01", "M", "0.5", "hunger"),
    "AB01_M_3_F_S_12122019_0740": ("AB01", "M", "2.5", "loneliness"),
    "CD02_W_1_I_I_11102019_1212": ("CD02", "W", "0.5", "discomfort"),
    "CD02_W_2_J_J_12112019_0305": ("CD02", "W", "1.5", "DK"),
    "EF03_M_4_D_D_01022020_1801": ("EF03", "M", "3.5", "pain"),
}
SPANS = ("120-800", "1100-1900")
PAIRS = [("anonymous001", "anonymous204", "1"), ("anonymous001", "anonymous205", "0")]
CRIES = [
    ("0369", "B", "train", 3), ("0369", "D", "train", 2), ("0012", "B", "train", 2),
    ("0133", "D", "dev", 1), ("anonymous001", "B", "test", 1), ("anonymous204", "D", "test", 1),
]  # fmt: skip
SOUNDS = [
    ("1-100032-A-0.wav", "dog"), ("1-100210-A-36.wav", "vacuum_cleaner"),
    ("1-100210-B-36.wav", "vacuum_cleaner"), ("1-17367-A-10.wav", "rain"),
    ("1-187207-A-20.wav", "crying_baby"), ("2-110614-A-8.wav", "sheep"),
]  # fmt: skip


def table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def enes(root: Path, sound: Writer, *, bouts: bool = True, cries: bool = False) -> Path:
    rows = []
    for number, (name, (baby, sex, age, cause)) in enumerate(BOUTS.items()):
        if bouts:
            sound(root / f"{name}.wav", seed=number)
        for part, span in enumerate(SPANS):
            file = f"{name}_{span}.wav"
            rows.append({
                "file": file, "file_seq_S": f"{name}.wav", "baby": baby, "sex": sex,
                "age_month": age, "cause_parents": "F", "cause_stop_engl": cause,
            })  # fmt: skip
            if cries:
                sound(root / "cries" / file, seed=10 + 2 * number + part)
    table(root / "data" / "dataset_44605_short.csv", rows)
    return root


def corvin(root: Path, sound: Writer) -> Path:
    folder = root / "OpenData" / "cry_sequences_22babies"
    names = ["B01", "B02", "B03", "D01", "D02"]
    for infant in ("ABC", "XYZ"):
        for number, name in enumerate(names):
            sound(folder / f"{infant}_{name}.wav", seed=number + (10 if infant == "XYZ" else 0))
    return root


def cryceleb(root: Path, sound: Writer, *, pairs: bool = True) -> Path:
    rows = []
    for baby, period, split, count in CRIES:
        for index in range(count):
            file = f"audio/{split}/{baby}/{period}/{baby}_{period}_{index:03}.wav"
            sound(root / file, seed=len(rows))
            rows.append({
                "baby_id": baby, "period": period, "duration": "0.3", "split": split,
                "chronological_index": f"{index:03}", "file_name": file, "file_id": Path(file).stem,
            })  # fmt: skip
    table(root / "metadata.csv", rows)
    if pairs:
        named = ("baby_id_B", "baby_id_D", "label")
        table(root / "test_pairs.csv", [dict(zip(named, pair, strict=True)) for pair in PAIRS])
    return root


def esc50(root: Path, sound: Writer) -> Path:
    rows = []
    for number, (file, category) in enumerate(SOUNDS):
        sound(root / "audio" / file, seconds=2.0, seed=number)
        fold, source, take, target = file.removesuffix(".wav").split("-")
        rows.append({
            "filename": file, "fold": fold, "target": target, "category": category,
            "esc10": "False", "src_file": source, "take": take,
        })  # fmt: skip
    table(root / "meta" / "esc50.csv", rows)
    return root


def counts(corpus: Corpus) -> dict[tuple[str, str], int]:
    return dict(Counter((clip.label, clip.infant) for clip in corpus))


def reasons(corpus: Corpus) -> dict[str, str]:
    problems = corpus.problems()
    return dict(zip(problems.item, problems.what, strict=True))


MAKERS = {"enesbabycries1": enes, "corvin2024": corvin, "cryceleb2023": cryceleb, "esc-50": esc50}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("below", ["", "master"])
def test_each_has_its_name_licence_and_citation(name, below, sound) -> None:
    MAKERS[name](Path("own") / below, sound)
    corpus = load("own")
    [known] = [each for each in published.CORPORA if each.name == name]
    assert (corpus.name, corpus.licence, corpus.cite()) == (name, known.licence, known.citation)
    assert known.title in corpus.note
    assert corpus.problems().empty
    assert corpus.source is not None
    assert list(load(**corpus.source)) == list(corpus)


def test_enesbabycries_has_the_reasons_that_stopped_the_crying(sound) -> None:
    bouts = load(enes(Path("bouts"), sound))
    assert counts(bouts) == {
        ("hungry", "AB01"): 1, ("lonely", "AB01"): 1, ("discomfort", "CD02"): 1,
        ("dont_know", "CD02"): 1, ("pain", "EF03"): 1,
    }  # fmt: skip
    first = next(clip for clip in bouts if clip.label == "lonely")
    assert (first.sex, first.age, first.session) == ("m", "2.5 months", Path(first.id).stem)
    assert {clip.sex for clip in bouts if clip.infant == "CD02"} == {"f"}
    cries = load(enes(Path("cries"), sound, bouts=False, cries=True))
    assert counts(cries) == {key: 2 * count for key, count in counts(bouts).items()}
    assert {clip.session for clip in cries} == {clip.session for clip in bouts}


def test_bouts_and_the_cries_cut_from_them_are_not_mixed(sound) -> None:
    root = enes(Path("own").resolve(), sound, cries=True)
    listing = root / "data" / "dataset_44605_short.csv"
    assert "move one of the two away" in refusal(listing, lambda _: load(root))


def test_corvin_has_discomfort_at_a_bath_and_pain_at_a_vaccination(sound) -> None:
    root = corvin(Path("own"), sound)
    expected = {(label, infant): n for label, n in (("discomfort", 3), ("pain", 2))
                for infant in ("ABC", "XYZ")}  # fmt: skip
    corpus = load(root)
    assert counts(corpus) == expected
    assert {clip.session for clip in corpus} == {"ABC/B", "ABC/D", "XYZ/B", "XYZ/D"}
    folder = root / "OpenData" / "cry_sequences_22babies"
    sound(folder / "ABC_E01.wav", seed=30)
    sound(root / "ABC_B04.wav", seed=31)
    inner = load(folder)
    assert counts(inner) == expected
    assert "B or D" in reasons(inner)["ABC_E01.wav"]
    assert reasons(load(root))["ABC_B04.wav"] == "not in OpenData/cry_sequences_22babies"


def test_cryceleb_says_who_cries_and_not_why(sound) -> None:
    corpus = load(cryceleb(Path("own"), sound))
    assert counts(corpus) == {
        ("cry", "0369"): 5, ("cry", "0012"): 2, ("cry", "0133"): 1,
        ("cry", "anonymous001 + anonymous204"): 2,
    }  # fmt: skip
    ages = {clip.session: clip.age for clip in corpus if clip.infant == "0369"}
    assert ages == {"0369/B": "birth", "0369/D": "discharge"}
    values = {"classes": [], "stand_in": "auto", "test_size": 0.3, "n_folds": 2, "seed": 0}
    for notebook in ("03_feature_validation", "04_cry2", "09_ensemble"):
        with pytest.raises(InputError) as caught:
            recordings.check(notebook, values, corpus)
        assert "\n" not in str(caught.value)


def test_an_infant_of_the_test_part_is_unknown_without_the_pairs(sound) -> None:
    corpus = load(cryceleb(Path("own"), sound, pairs=False))
    assert set(corpus.infants) == {"0369", "0012", "0133"}
    unknown = reasons(corpus)
    assert len(unknown) == 2
    assert all("put test_pairs.csv" in what for what in unknown.values())


def test_sounds_of_esc50_are_for_the_gate_alone(sound) -> None:
    corpus = load(esc50(Path("own"), sound))
    assert Counter(corpus.labels.tolist()) == Counter(category for _, category in SOUNDS)
    assert corpus.infants.tolist().count("freesound-100210") == 2
    windows = gating.of_sounds(corpus)
    assert set(windows.group) == {"esc-50"}
    assert not windows.is_cry.any()
    assert set(windows.maker) == set(corpus.infants) - {"freesound-187207"}
    rates = gating.rates(windows, windows.level, 0.0)
    assert rates[["metric", "data", "value"]].to_numpy().tolist() == [["false_alarm", "esc-50", 0]]
    with pytest.raises(InputError, match="ESC-50 has no infants"):
        recordings.check("00_start_here", {}, corpus)
    cries = load(corvin(Path("cries"), sound))
    with pytest.raises(InputError, match="a corpus of cries"):
        gating.of_sounds(cries)


def test_files_without_a_row_and_rows_without_a_file_are_listed(sound) -> None:
    root = esc50(Path("own"), sound)
    (root / "audio" / SOUNDS[0][0]).unlink()
    sound(root / "audio" / "9-9-A-9.wav", seed=20)
    (root / "README.md").write_text("ESC-50")
    corpus = load(root)
    assert len(corpus) == len(SOUNDS) - 1
    what = reasons(corpus)
    assert what.pop("README.md").startswith("files named *.md are not read")
    assert what == {
        f"audio/{SOUNDS[0][0]}": "in meta/esc50.csv, but the file is missing",
        "audio/9-9-A-9.wav": "not in meta/esc50.csv",
    }


def test_rows_that_say_too_little_or_contradict_each_other_are_listed(sound) -> None:
    root = cryceleb(Path("own"), sound)
    listing = root / "metadata.csv"
    lines = listing.read_text().splitlines()
    wrong = lines[1].replace("0369,", "0012,", 1)
    listing.write_text("\n".join([*lines[:-1], ",".join(["", *lines[-1].split(",")[1:]]), wrong]))
    what = reasons(load(root))
    assert what == {
        "audio/train/0369/B/0369_B_000.wav": "its rows in metadata.csv contradict each other",
        "audio/test/anonymous204/D/anonymous204_D_000.wav": "its row in metadata.csv is incomplete",
    }


def test_a_recording_in_two_infants_makes_them_one(sound) -> None:
    root = corvin(Path("own"), sound)
    folder = root / "OpenData" / "cry_sequences_22babies"
    (folder / "ABC_B03.wav").write_bytes((folder / "XYZ_D02.wav").read_bytes())
    corpus = load(root)
    assert set(corpus.infants) == {"ABC + XYZ"}
    assert "identical recordings" in "".join(corpus.problems().what)


def test_no_recordings_or_two_corpora_are_refused_in_one_line(sound) -> None:
    root = Path("own").resolve()
    esc50(root / "first", sound)
    for path in (root / "first" / "audio").iterdir():
        path.unlink()
    assert "unpack its sounds here" in refusal(root, load)
    corvin(root / "second", sound)
    assert "more than one published corpus" in refusal(root, load)
    assert load(root / "second").name == "corvin2024"


@pytest.mark.parametrize("text", ["", "mood,day\nbad,monday\n", "\0\0", '"' + "x" * 200_000])
def test_another_table_of_the_same_name_changes_nothing(text, sound) -> None:
    sound(Path("own/tired/a/x.wav"))
    Path("own/metadata.csv").write_text(text)
    corpus = load("own")
    assert (corpus.name, len(corpus)) == ("own", 1)
