"""The two papers' studies, one module each, on what the other packages do."""

from . import benchmark, embeddings, recognition, table3
