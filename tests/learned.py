"""What a model learns from synthetic infants, judged by its scores under both splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from cryutils.datasets.synthetic.generator import PlannedClip


def check_learned(learned: str, model: Any, features: Any, clips: Sequence[PlannedClip]) -> None:
    """Assert that scores of `model` on 120 clips of four classes are those of what it `learned`.

    features: of each clip. Folds are drawn at random (leaky), or keep infants whole (honest).
    """
    labels, infants = [clip.label for clip in clips], [clip.infant for clip in clips]
    random, whole = KFold(6, shuffle=True, random_state=0), GroupKFold(6)
    leaky = cross_val_score(model, features, labels, cv=random).mean()
    honest = cross_val_score(model, features, labels, groups=infants, cv=whole).mean()
    # Chance is 0.25. A held-out infant depletes its own class in training, so the honest score
    # may fall below it; 0.37 is three standard errors above for 120 clips.
    match learned:
        case "nothing":
            assert leaky < 0.37 and honest < 0.37
        case "a leak":
            assert honest < 0.37 and leaky > honest + 0.2
        case "the state":
            assert leaky > 0.85 and honest > 0.85
