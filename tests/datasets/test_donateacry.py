"""DonateACry: what its file names say, and what the corpus holds."""

from types import SimpleNamespace

import crying
import pandas as pd
import pytest

from cryutils import load
from cryutils._io.paths import project_dir

pytestmark = pytest.mark.usefixtures("apart")

IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"
ANDROID = "549a46d8-9c84-430e-ade8-97eae2bef787"
ODD = "CF7F6316-019B-4B3C-9EE1-A62EB5F1D0EE"  # two iOS files of 2015 have a second uuid
SECOND = "0911C8F7-99D0-4A44-BC34-894BA5D83032"


def test_the_real_corpus_as_a_folder_has_the_same_clips_and_no_copies(donateacry) -> None:
    named, folder = load("donateacry"), load(donateacry)
    assert named.problems().kind.value_counts().to_dict() == {"contradiction": 52, "doubtful": 4}
    by_name, by_folder = (
        sorted((c.id, c.label, c.infant, c.session, c.reason) for c in corpus) for corpus in (named, folder)
    )
    assert by_name == by_folder
    assert not folder.problems().what.str.contains("identical recordings|shares a part").any()


def test_the_original_uploads_are_known_by_their_names(apart, sound) -> None:
    android, ios = (apart / "corpus" / f"donateacry-{name}-upload-bucket" for name in ("android", "ios"))
    for seed, reason in enumerate(("bp", "lo", "dk")):
        sound(android / f"{ANDROID}-1430130{seed}72174-1.7-m-48-{reason}.3gp", seed=seed)
    sound(ios / f"{ODD}-1426957748.47029-1-{SECOND}-f-26-ti.caf.caf", seed=4)
    (ios / f"{IOS}-1430742300-1.0-f-04-zz.caf").write_bytes(b"an unknown reason")
    corpus = load("corpus")
    assert sorted(corpus.labels) == ["belly_pain", "dont_know", "lonely", "tired"]
    assert set(corpus.infants) == {ANDROID, ODD.lower()}
    first, last = (corpus[list(corpus.infants).index(infant)] for infant in (ANDROID, ODD.lower()))
    assert (first.start_s, first.sex, first.age, first.device) == (
        1430130072.174,
        "m",
        "4-8 weeks",
        "Android",
    )
    assert (last.start_s, last.sex, last.age, last.device) == (1426957748.47029, "f", "2-6 months", "iOS")
    # 100 s apart, three labels: one session of the Android donor.
    assert corpus.problems().kind.tolist() == ["left out", "contradiction"]
    assert corpus.problems().item.iloc[-1] == f"{ANDROID}/1"


def test_the_list_of_uploads_with_crying_is_what_the_gate_finds(donateacry) -> None:
    uploads = donateacry.parent / "donateacry-uploads"
    if not uploads.is_dir():
        pytest.skip("CRYUTILS_DATA_DIR has no folder donateacry-uploads")
    listed = pd.read_csv(project_dir() / "data" / "crying.csv", dtype=str)[::60]
    clips = [SimpleNamespace(id=file, path=uploads / file) for file in listed.file]
    assert crying.crying(clips) == listed.to_numpy().tolist()
