"""What the cry player sends to a page and to saved notebooks, without a browser."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cryutils import audio
from cryutils.datasets.corpus import Clip
from cryutils.errors import InputError
from cryutils.widgets.clip_view import Sound, picture
from cryutils.widgets.player import CryPlayer

SR = 8000
TONE = 0.5 * np.sin(np.arange(SR) * 0.3)
SOUNDS = [Sound(name, name, TONE, SR) for name in ("hungry", "tired")]


@pytest.mark.parametrize("panels", [0, 2])
def test_the_axes_are_where_the_page_is_told(panels: int) -> None:
    pulse = np.zeros(SR, np.float32)
    pulse[SR // 4] = 1.0
    tracks = {f"model {k}": np.full((4, 2), 0.5) for k in range(panels)}
    png, axes = picture(pulse, SR, tracks, ["hungry", "tired"], 0.25)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    black, blue = pixels.max(axis=2) < 60, pixels[..., 2] - pixels[..., 0] > 80

    left, right = axes["left"] * width, (axes["left"] + axes["width"]) * width
    top, bottom = axes["top"] * height, (axes["top"] + axes["height"]) * height
    rows = np.flatnonzero(black.sum(axis=1) > width / 2)  # the frame's horizontal lines
    columns = np.flatnonzero(black.sum(axis=0) > 0.7 * height)
    edges = [rows[0], rows[-1], columns[0], columns[-1]]
    assert edges == pytest.approx([top, bottom, left, right], abs=2)
    peak = np.flatnonzero(blue[int(top) + 12])  # only the pulse is so high
    assert peak.mean() == pytest.approx(left + (right - left) / 4, abs=2)


def test_a_clip_that_cannot_be_read_is_said_to_the_person(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"not a sound")
    paths = recordings / "cry.wav", tmp_path / "b.wav"
    player = CryPlayer([Clip(p.stem, p, "hungry", p.stem, "", None, 1.0, True, False) for p in paths])
    player.index = 1
    assert "b.wav" in player._notice
    player.index = 0
    assert (player._notice, player.sound.name) == ("", "cry")
    with pytest.raises(InputError, match="give 2 clips, with 2 classes"):
        CryPlayer(SOUNDS, over_time={"model": np.ones((2, 4, 3))})


def test_the_still_picture_plays_without_kernel_or_network(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44100 * 20)
    player = CryPlayer([Sound("a & b", "hungry", noise, 44100)], data="noise <not an infant>")
    page = player._repr_mimebundle_()[0]["text/html"]
    sound = re.search(r'<audio controls src="data:audio/wav;base64,([^"]+)"', page)
    assert sound is not None
    (tmp_path / "still.wav").write_bytes(base64.b64decode(sound[1]))
    assert len(audio.read(tmp_path / "still.wav")) == 8 * audio.inspect(tmp_path / "still.wav").sr == 64_000
    assert "(the first 8 s)" in page and "http" not in page
    assert "a &amp; b" in page and "noise &lt;not an infant&gt;" in page
    assert len(page) < 300_000  # the worst case: noise packs badly and fills all 8 s
