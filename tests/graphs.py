"""Tiny networks without TensorFlow's graphs, which take longer to write than their few steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from cryutils.models.backend import keras


@contextmanager
def without_graphs() -> Iterator[None]:
    """Let TensorFlow compute each operation as it comes; also the decorator of a test."""
    keras()  # imports TensorFlow quietly
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
