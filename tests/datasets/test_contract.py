"""The contract of every corpus: those of the registry, a folder and a manifest.

The real ones are tested where CRYUTILS_DATA_DIR has them.
"""

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from refusals import success
from sizes import large

from cryutils import InputError, load
from cryutils.datasets import registry
from cryutils.datasets.corpus import Corpus

REAL = Path(os.environ.get("CRYUTILS_DATA_DIR", "absent")).absolute()
ROOT = Path(__file__).resolve().parents[2]
# Only synthetic infants use these options.
SMALL = {"infants": 8, "clips_per_infant": 2, "duration_s": 0.5, "sr": 8000, "progress": False}


@pytest.fixture(scope="module")
def home(tmp_path_factory, sound) -> Iterator[Path]:
    """The folder in which these tests start, with recordings `own` and their manifest."""
    home = tmp_path_factory.mktemp("home")
    names = ["hungry/anna/1.wav", "hungry/bo/2.wav", "tired/anna/3.mp3", "tired/cleo/4.mp4"]
    for seed, name in enumerate(names):
        sound(home / "own" / name, seed=seed)
    (home / "own" / "tired" / "notes.txt").touch()
    rows = [
        {"file": f"own/{name}", **dict(zip(("label", "infant"), name.split("/")[:2], strict=True))}
        for name in names
    ]
    pd.DataFrame([*rows, rows[0] | {"file": "gone.wav"}]).to_csv(home / "own.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("CRYUTILS_CACHE_DIR", str(home / "cache"))
        patch.setenv("CRYUTILS_DATA_DIR", str(REAL))
        yield home


# All 1,128 uploads are decoded, which takes a minute.
UPLOADS = ("donateacry-uploads", "donateacry-crying")
NAMES = [pytest.param(n, marks=large) if n in UPLOADS else n for n in registry.DATASETS]


@pytest.fixture(scope="module", params=[*NAMES, "own", "own.csv"])
def name(request: pytest.FixtureRequest, home: Path) -> str:
    dataset = registry.find(request.param)
    if dataset and dataset.files and not (REAL / dataset.files.name).is_dir():
        pytest.skip(f"CRYUTILS_DATA_DIR has no {dataset.files.name}/")
    return str(request.param)


@pytest.fixture(scope="module")
def corpus(name: str) -> Corpus:
    return load(name, **SMALL)


def test_each_clip_has_a_file_a_label_an_infant_and_a_session(corpus) -> None:
    assert len(set(corpus.ids)) == len(corpus) > 0
    assert all(clip.path.is_file() and clip.duration_s > 0 and clip.has_audio for clip in corpus)
    assert corpus.classes == tuple(sorted(set(corpus.labels.tolist())))
    assert len(corpus.classes) > (corpus.name != "fsdd")
    infants = pd.Series(corpus.infants).groupby(corpus.sessions).nunique()
    assert (infants == 1).all(), "a session is one infant's"
    assert len(corpus.devices) == len(corpus.frame()) == len(corpus)


def test_a_corpus_describes_itself(name, corpus) -> None:
    assert corpus.describe().clips["all"] == len(corpus)
    assert corpus.describe().infants["all"] == len(set(corpus.infants))
    assert all((corpus.name, corpus.note, corpus.cite(), corpus.licence))
    problems = corpus.problems()
    assert set(problems.kind) <= {"left out", "changed", "contradiction", "doubtful"}
    assert not problems.what.str.contains("\n").any()
    assert ("left out" in set(problems.kind)) == (name in (*UPLOADS, "corvin2024", "own", "own.csv"))
    assert registry.is_synthetic(name) == (name == "synthetic")
    assert registry.title(name) == (name if "own" in name else registry.find(name).title)


def test_the_same_clips_come_in_the_same_order(name, corpus) -> None:
    if name in UPLOADS:
        pytest.skip("read as corvin2024, in four times as long")
    assert list(load(name, **SMALL)) == list(corpus)


def test_parts_keep_the_order_and_the_problems(corpus) -> None:
    labels = corpus.classes[:2]
    kept = [clip for clip in corpus if clip.label in labels]
    places = [k for k, label in enumerate(corpus.labels) if label in labels]
    for part in (corpus.select(labels), corpus.take(places), corpus.where(lambda clip: clip.label in labels)):
        assert list(part) == kept
        assert (part.note, part.cite()) == (corpus.note, corpus.cite())
        assert part.problems().equals(corpus.problems())
    with pytest.raises(InputError, match=f"no class '{labels[0]}x'. Did you mean {labels[0]}"):
        corpus.select([labels[0], f"{labels[0]}x"])


COUNTS = {  # clips of each class in the order of their names, and infants
    "donateacry": ([16, 8, 27, 382, 24], 221),
    "donateacry-uploads": ([27, 17, 12, 38, 194, 742, 23, 15, 58], 411),
    "donateacry-crying": ([19, 11, 10, 23, 157, 504, 12, 9, 38], 319),
    "corvin2024": ([196, 88], 22),
    "esc10": ([40] * 6, 202),
    "fsdd": ([240], 6),
}


def test_the_real_files_are_counted(name, corpus) -> None:
    if name in COUNTS:
        *counts, _ = corpus.describe().clips
        assert (counts, len(set(corpus.infants))) == COUNTS[name]


def test_a_name_of_nothing_and_an_unknown_option_are_refused_in_one_line(home) -> None:
    with pytest.raises(InputError, match=r"donatecry: no such folder .* Did you mean donateacry") as caught:
        load("donatecry")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"no option 'infant'\. Did you mean infants"):
        load("own", infant=8)


def test_clips_with_sound_and_pictures(sound, still, apart) -> None:
    sound(Path("own/tired/a/sound.wav"), seed=1)
    assert len(load("own", sound=True, pictures=None)) == 1
    sound(Path("own/tired/b/both.wav"), seed=2)
    still(Path("own/tired/b/both.png"))
    still(Path("own/tired/c/pictures.png"), seed=3)
    for needs, left in (
        ({}, ["sound", "both", "pictures"]),
        ({"sound": True}, ["sound", "both"]),
        ({"sound": True, "pictures": True}, ["both"]),
        ({"pictures": None}, ["both", "pictures"]),
    ):
        assert [clip.path.stem for clip in load("own", **needs)] == left


@pytest.fixture
def tiny(apart, sound, monkeypatch) -> Path:
    """The folder of the corpus that CONTRIBUTING.md adds as an example."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add a dataset")[2]
    source, line = re.findall(r"```(?:python|text)\n(.*?)```", guide, re.DOTALL)[:2]
    module = ModuleType("cryutils.datasets.tiny")
    exec(source, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ((name, place),) = ast.literal_eval(f"{{{line}}}").items()
    monkeypatch.setitem(registry.DATASETS, name, place)
    rows = ["file,sha256,size"]
    for number, file in enumerate(["hungry/a/1", "hungry/b/1", "tired/a/1", "tired/c/1"]):
        content = sound(apart / "home" / "tiny" / f"{file}.wav", seed=number).read_bytes()
        rows.append(f"tiny/{file}.wav,{hashlib.sha256(content).hexdigest()},{len(content)}")
    (apart / "project" / "data").mkdir(parents=True)
    (apart / "project" / "data" / "registry.csv").write_text("\n".join([*rows, ""]))
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(apart / "home"))
    return apart / "home" / "tiny"


def test_one_module_and_one_line_make_a_corpus_known_everywhere(tiny, command) -> None:
    listed = success(command("data", "list"))
    assert re.search(rf"^tiny +real recordings .*CC BY 4.0\n +{tiny}$", listed, re.M)
    assert re.search(r"^all +4 +3 ", success(command("data", "describe", "tiny")), re.M)
    assert success(command("data", "fetch", "tiny")).startswith(f"Tiny: {tiny}\nLicence: CC BY 4.0\nCite: A.")
