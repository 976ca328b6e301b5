"""`load`: names, folders and options. A new corpus is one module and one line."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from refusals import success

from cryutils import InputError, load
from cryutils.datasets import registry

pytestmark = pytest.mark.usefixtures("apart")

ROOT = Path(__file__).resolve().parents[2]


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
    assert re.search(
        rf"^tiny +real recordings .*CC BY 4.0\n +{tiny}$", success(command("data", "list")), re.M
    )
    assert success(command("data", "fetch", "tiny")).startswith(f"Tiny: {tiny}\nLicence: CC BY 4.0\nCite: A.")
    out = success(command("data", "check", "tiny"))
    assert out.startswith(f"4 files verified in {tiny}, 0 wrong")
    (tiny / "hungry" / "a" / "1.wav").write_bytes(b"damaged")
    code, out, err = command("data", "check", "tiny")
    assert (code, out) == (1, f"3 files verified in {tiny}, 1 wrong or missing.\n")
    assert f"{tiny / 'hungry' / 'a' / '1.wav'}: the sha256 differs" in err


def test_such_a_corpus_is_described(tiny, command) -> None:
    described = success(command("data", "describe", "tiny"))
    assert re.search(r"^all +4 +3 ", described, re.M)
    assert "\nTiny (real recordings)\n" in described


@pytest.mark.parametrize("name", ["synthetic", "own"])
def test_a_corpus_says_how_it_is_loaded_again(name, sound) -> None:
    sound(Path("own/tired/a/x.wav"))
    small = {"infants": 8, "clips_per_infant": 2, "duration_s": 0.5, "progress": False}
    corpus = load(name, **(small if name == "synthetic" else {}))
    part = corpus.take([0])
    assert part.source is not None
    assert list(load(**json.loads(json.dumps(part.source)))) == list(corpus)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("donatecry", {}, "donatecry: no such folder .* Did you mean donateacry"),
        ("absent", {}, "absent: no such folder"),
        ("own/tired/a/x.wav", {}, "x.wav: no such folder"),
        ("own", {"signl": 1.0}, "load has no option 'signl'. Did you mean signal"),
        ("own", {"pictures": True}, "own: no recording has pictures, which is needed here"),
    ],
)
def test_a_mistake_is_named_in_one_line(name, options, message, sound) -> None:
    sound(Path("own/tired/a/x.wav"))
    with pytest.raises(InputError, match=message) as caught:
        load(name, **options)
    assert "\n" not in str(caught.value)


def test_titles_and_evidence_of_names_in_results() -> None:
    """A folder of the user's has its own name, and counts as real recordings."""
    titles = {
        "donateacry": "DonateACry",
        "donateacry-uploads": "DonateACry's original uploads",
        "synthetic": "synthetic infants",
        "my recordings": "my recordings",
    }
    assert {name: registry.title(name) for name in titles} == titles
    assert [name for name in titles if registry.is_synthetic(name)] == ["synthetic"]


def test_options_of_synthetic_infants_leave_other_corpora_alone(sound) -> None:
    sound(Path("own/tired/a/x.wav"))
    assert list(load("own", infants=8, duration_s=0.5)) == list(load("own"))


@pytest.mark.parametrize(
    ("needs", "left"),
    [
        ({}, "sound both pictures"),
        ({"sound": True}, "sound both"),
        ({"sound": True, "pictures": True}, "both"),
        ({"pictures": True}, "both pictures"),
        ({"pictures": None}, "both pictures"),
    ],
)
def test_clips_with_sound_and_pictures(needs, left, sound, still) -> None:
    sound(Path("own/tired/a/sound.wav"), seed=1)
    assert len(load("own", sound=True, pictures=None)) == 1
    sound(Path("own/tired/b/both.wav"), seed=2)
    still(Path("own/tired/b/both.png"))
    still(Path("own/tired/c/pictures.png"), seed=3)
    assert [clip.path.stem for clip in load("own", **needs)] == left.split()
