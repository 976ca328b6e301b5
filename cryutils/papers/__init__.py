"""The two papers' studies, one module each, on what the other packages do."""

from . import benchmark, embeddings, gating, recognition, streams
from .scored import Scored, comparison
