"""What a model learns from synthetic infants, judged by its scores under both splits."""

from __future__ import annotations


def check_learned(learned: str, *, leaky: float, honest: float) -> None:
    """Assert that scores of 120 clips in four classes are those of what was `learned`."""
    # Chance is 0.25. A held-out infant depletes its own class in training, so the honest score
    # may fall below it; 0.37 is three standard errors above for 120 clips.
    match learned:
        case "nothing":
            assert leaky < 0.37 and honest < 0.37
        case "a leak":
            assert honest < 0.37 and leaky > honest + 0.2
        case "the state":
            assert leaky > 0.85 and honest > 0.85
