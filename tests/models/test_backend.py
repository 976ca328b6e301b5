"""That Keras comes quietly and only when asked for: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cryutils.models.backend import quiet_stderr


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )


def test_keras_is_imported_when_asked_for_without_a_line_on_stderr_which_works_again() -> None:
    done = run("""
import sys
from cryutils.models import backend, classical, cry2, image, stacked, training, backbones
print("tensorflow" in sys.modules)
backend.keras()
print("tensorflow" in sys.modules)
sys.stderr.write("x")
""")
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "x")


def test_what_is_written_while_quiet_is_dropped_and_an_error_passes(capfd) -> None:
    with pytest.raises(ValueError, match="told"), quiet_stderr():
        os.write(2, b"noise")
        raise ValueError("told")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
