"""Keras models of both papers' networks, classical baselines, and their training."""

from . import backbones, backend, blocks, cry2, image, small_cnn, training
