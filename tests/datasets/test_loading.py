"""`load`: names, folders, and options that a corpus does not have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryutils import InputError, load
from cryutils.datasets import load_or_simulate, registry

pytestmark = pytest.mark.usefixtures("apart")


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
        ("own", {"signal": 1.0}, "a folder takes no options, got signal"),
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
