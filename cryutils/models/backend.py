"""Import of Keras on first use, without TensorFlow's start-up messages: `keras`.

Importing TensorFlow takes seconds, so functions that build, train or export a network call `keras`
instead of importing it at the top of their module.
"""

import importlib
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from cryutils._io import extras
from cryutils._io.paths import keras_home
from cryutils._io.progress import quiet_stderr
from cryutils.errors import InputError


@cache
def keras() -> Any:
    """Return Keras, imported without the start-up messages of TensorFlow's C++ code.

    Each operation uses one thread (or TF_NUM_INTRAOP_THREADS), so that results do not depend on the
    number of cores. Keras' other settings have no effect unless it has been imported before.

    Returns
    -------
    module
        Keras with the backend TensorFlow. Raises InputError if the process has already imported
        Keras with another backend.

    Examples
    --------
    >>> keras().layers.Dense(4, activation="softmax")  # doctest: +SKIP
    <Dense name=dense, built=False>
    """
    extras.require("tensorflow", "course", "a network")
    if "keras" not in sys.modules:
        for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
            os.environ.pop(name, None)
        os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(keras_home())}
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        # oneDNN's own memory pool never shrinks after the largest network.
        os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
        with quiet_stderr():
            importlib.import_module("tensorflow")
            importlib.import_module("keras")
        # TensorFlow warns about retracing because each fold has a new network.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    module = importlib.import_module("keras")
    if (name := module.config.backend()) != "tensorflow":
        raise InputError(f"KERAS_BACKEND={name}: restart Python with KERAS_BACKEND=tensorflow.")
    module.optimizers.Optimizer._backend_update_step = _update
    return module


def _update(optimizer: Any, gradients: Any, variables: Any, learning_rate: Any) -> None:
    # Keras passes updates through tf.distribute, which keeps about 10 MB of each training until the
    # process ends (TensorFlow issue 97697). Applied directly, they give the same weights.
    for gradient, variable in zip(gradients, variables, strict=True):
        optimizer.update_step(gradient, variable, learning_rate)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Keras, and restore the states of Python's and NumPy's generators on exit.

    The seed sets weights, dropout, augmentation and batches (`keras.utils.set_random_seed`).
    """
    python, numpy = random.getstate(), np.random.get_state()
    keras().utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
