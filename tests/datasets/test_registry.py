"""`load`: names, folders and options. A new corpus is one module and one line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cryutils import InputError, load
from cryutils.datasets import load_or_simulate, registry

pytestmark = pytest.mark.usefixtures("apart")

ROOT = Path(__file__).resolve().parents[2]
TABLE = "DATASETS = {\n"
Cryutils = Callable[..., str]


@pytest.fixture
def cryutils(apart, sound, monkeypatch) -> Cryutils:
    """`cryutils("data", "list")` gives what the command prints in a library that has Tiny."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add a dataset")[2]
    module, line = re.findall(r"```(?:python|text)\n(.*?)```", guide, re.DOTALL)[:2]
    package = apart / "library" / "cryutils"
    shutil.copytree(ROOT / "cryutils", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "datasets" / "tiny.py").write_text(module)
    table = package / "datasets" / "registry.py"
    assert table.read_text().count(TABLE) == 1
    table.write_text(table.read_text().replace(TABLE, TABLE + line))

    rows = ["file,sha256,size"]
    for number, name in enumerate(["hungry/a/1", "hungry/b/1", "tired/a/1", "tired/c/1"]):
        content = sound(apart / "home" / "tiny" / f"{name}.wav", seed=number).read_bytes()
        rows.append(f"tiny/{name}.wav,{hashlib.sha256(content).hexdigest()},{len(content)}")
    (apart / "project" / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "data", apart / "project" / "data")
    (apart / "project" / "data" / "registry.csv").write_text("\n".join([*rows, ""]))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("CRYUTILS_PROJECT_DIR", str(apart / "project"))
    monkeypatch.setenv("CRYUTILS_DATA_DIR", str(apart / "home"))

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cryutils.course.cli", *arguments],
            capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "80"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_one_module_and_one_line_make_a_corpus_known_everywhere(cryutils, apart) -> None:
    home = apart / "home" / "tiny"
    assert re.search(
        rf"^tiny +real recordings .*CC BY 4.0\n +{home}$", cryutils("data", "list"), re.M
    )
    assert cryutils("data", "fetch", "tiny").startswith(
        f"Tiny: {home}\nLicence: CC BY 4.0\nCite: A."
    )
    assert cryutils("data", "check", "tiny").startswith(f"4 files verified in {home}, 0 wrong")
    described = cryutils("data", "describe", "tiny")
    assert re.search(r"^all +4 +3 ", described, re.M)
    assert "\nTiny (real recordings)\n" in described
    assert f"Tiny: {home}" in cryutils("doctor")


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
        ("own", {"signal": 1.0}, "own has no option .signal"),
        ("synthetic", {"infant": 3}, "no option 'infant'. Did you mean infants"),
        ("donateacry", {"infants": 3}, "donateacry has no option 'infants'"),
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
        "donateacry": "DonateACry", "donateacry-uploads": "DonateACry's original uploads",
        "synthetic": "synthetic infants", "my recordings": "my recordings",
    }  # fmt: skip
    assert {name: registry.title(name) for name in titles} == titles
    assert [name for name in titles if registry.is_synthetic(name)] == ["synthetic"]


def test_options_of_synthetic_infants_leave_other_corpora_alone(sound) -> None:
    sound(Path("own/tired/a/x.wav"))
    simulation = {"infants": 8, "clips_per_infant": 2, "duration_s": 0.5}
    assert list(load_or_simulate("own", **simulation)) == list(load("own"))
    assert list(load_or_simulate("synthetic", **simulation)) == list(
        load("synthetic", **simulation)
    )
