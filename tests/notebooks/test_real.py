"""The first three notebooks with real recordings; `make test-all` runs the whole course."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sizes import large


@large
def test_the_first_notebooks_play_real_cries(
    donateacry: Path, apart: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    names = ("00_start_here", "01_data_and_playback", "02_audio_features")
    code, _, err = command("run", *names, "--profile", "real")
    assert code == 0, err
    first = (apart / "outputs" / "real" / "notebooks" / "00_start_here.ipynb").read_text()
    assert "3 cries: DonateACry (real recordings)" in first
