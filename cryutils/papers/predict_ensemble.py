"""Paper A's ensemble under the name that notebook 09_ensemble uses: `EnsemblePredictor`."""

from __future__ import annotations

from pathlib import Path

from cryutils.papers.predict import Predictor

__all__ = ["EnsemblePredictor"]


class EnsemblePredictor(Predictor):
    """The ensemble of one run, ready for any recording."""

    def __init__(self, *, run: str | Path | None = None) -> None:
        """Open the ensemble of `run`, as `Predictor` does."""
        super().__init__("ensemble", run=run)
