"""The near miss that a mistake's one line names."""

from __future__ import annotations

import pytest

from cryutils.errors import InputError, near_miss

NOTEBOOKS = ["02_audio_features", "03_feature_validation"]


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("tset_size", ["test_size", "seed"], " Did you mean test_size?"),
        ("rnu", ["run", "real"], " Did you mean run?"),
        ("states", ["step_s", "seed"], " Known: seed, step_s."),
        ("03_feature", NOTEBOOKS, " Did you mean 03_feature_validation?"),
        ("zzz", ["b", "a"], " Known: a, b."),
        ("", ["b", "a"], " Known: a, b."),
        ("zzz", [], ""),
    ],
    ids=[
        "a slip",
        "turned letters",
        "another word",
        "its beginning",
        "nothing like it",
        "nothing",
        "nothing known",
    ],
)
def test_near_miss(name: str, known: list[str], said: str) -> None:
    assert near_miss(name, known) == said


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)
