"""Keras models of both papers' networks, classical baselines, and their training."""

from . import backbones, backend, blocks, crossfit, cry2, image, runtimes, small_cnn, temporal
from .classical import BASELINES, CLASSIFIERS, baselines, table2_classifiers
