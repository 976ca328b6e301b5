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


def test_keras_is_imported_without_a_line_on_stderr_and_stderr_works_again_after() -> None:
    code = "import sys; from cryutils.models import backend; backend.keras(); sys.stderr.write('x')"
    assert run(code).stderr == "x"


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    modules = "backend, cry2, image, stacked, training, crossfit, classical"
    code = f"import sys; from cryutils.models import {modules}; print('tensorflow' in sys.modules)"
    assert run(code).stdout == "False\n"


def test_what_is_written_while_quiet_is_dropped_and_an_error_passes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="told"), quiet_stderr():
        os.write(2, b"noise")
        raise ValueError("told")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
