"""Corpora: the `Corpus` class, and loading DonateACry, synthetic infants or your own folder."""

from .corpus import Clip, Corpus, Problem
from .registry import load
