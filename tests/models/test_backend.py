"""That Keras comes quietly and only when asked for: in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sizes import large

from cryutils.errors import InputError
from cryutils.models.backend import keras


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_")) or "ONEDNN" in k}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=ours | variables, check=True)


# A network that is trained for three epochs, with what settings of Keras might change.
TRAINED = """
import numpy as np
from cryutils.models.backend import keras, seeded
with seeded(0):
    x = np.random.default_rng(0).random((8, 12, 10, 3))
    layers = keras().layers
    model = keras().Sequential([
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D(),
        layers.Dense(2, "softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(8) % 2, epochs=3, verbose=0)
p = model.predict(x, verbose=0)
"""


IMPORTED = """
import sys
from cryutils.models import backend, cry2, image, training, backbones
print("tensorflow" in sys.modules)
backend.keras()
sys.stderr.write("x")
"""


def test_keras_comes_when_asked_for_without_a_line_and_with_the_same_numbers_as_for_others(
    tmp_path: Path,
) -> None:
    """Also where its settings are those of another course."""
    home = tmp_path / "keras"
    home.mkdir()
    settings = {"backend": "jax", "floatx": "bfloat16", "image_data_format": "channels_first"}
    (home / "keras.json").write_text(json.dumps(settings | {"epsilon": 0.1}))
    variables = {"KERAS_BACKEND": "jax", "KERAS_MAX_EPOCHS": "1", "KERAS_HOME": str(home)}
    done = run(f"{IMPORTED}{TRAINED}print(p.dtype, p.tobytes().hex())", **variables)
    exec(TRAINED, plain := dict[str, Any]())  # in this process
    assert (done.stdout, done.stderr) == (f"False\nfloat32 {plain['p'].tobytes().hex()}\n", "x")


def test_keras_that_was_imported_with_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras().config, "backend", lambda: "jax")
    keras.cache_clear()
    with pytest.raises(InputError, match="KERAS_BACKEND=jax"):
        keras()


# Memory in MB after the 2nd network and the last.
MANY = """
import gc, numpy as np, psutil
from cryutils.models.backend import keras
x, y = np.random.default_rng(0).random((32, 40, 20)), np.arange(32) % 4
used = []
for _ in range(22):
    layers = keras().layers
    model = keras().Sequential([layers.Conv1D(8, 3), layers.Flatten(), layers.Dense(4, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(x, y, verbose=0)
    gc.collect()
    used.append(psutil.Process().memory_info().rss >> 20)
print(used[1], used[-1])
"""


@large
def test_many_trainings_in_one_process_keep_no_memory() -> None:
    """Keras alone keeps 13 to 16 MB of each; 20 training runs stay below 60 MB."""
    before, after = map(int, run(MANY).stdout.split())
    assert after - before < 60
