"""Keras models of both papers' networks, and their training."""

from . import backbones, backend, blocks, cry2, image
