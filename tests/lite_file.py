"""A small LiteRT network that takes sound."""

from __future__ import annotations

from pathlib import Path

__all__ = ["lite_file"]


def lite_file(path: Path, samples: int, width: int, *, only: int | None = None) -> Path:
    """Write a network that answers the mean square of its samples; return `path`.

    It takes sound without a batch, float32 (samples,), and answers float32 (1, width): the mean
    square in each place, or in one place `only` and 0 elsewhere.
    """
    import tensorflow as tf

    places = tf.ones(width) if only is None else tf.one_hot(only, width)

    @tf.function(input_signature=[tf.TensorSpec((samples,), tf.float32)])
    def call(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(x**2) * places[None]

    traced = call.get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
    return path
