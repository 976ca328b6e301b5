"""`cryutils serve --demo`: a film replaces microphone and camera. Paper B §3."""

import secrets
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from socket import socket

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import scratch_dir
from cryutils._io.progress import say

# The scenes of the film with their lengths in s: a state in which the infant cries, or a background
# sound while the infant is quiet.
_SCENES = dict(household=4, hungry=14, speech=6, pain=14, music=6, tired=14, motor=6, discomfort=14)
_QUIET = 0.15  # peak of the background sounds, as a fraction of full scale
_SR, _FPS, _SIZE = 16_000, 8.0, 240  # Hz, frames per second, pixels


def make_film(path: Path) -> None:
    """Write the film: an infant that cries for one reason after another, with quiet in between."""
    from cryutils.video import mp4

    rng = np.random.default_rng(0)
    scenes = [_scene(name, float(seconds), rng) for name, seconds in _SCENES.items()]
    sound = np.concatenate([x for x, _ in scenes])
    pictures = chain.from_iterable(frames for _, frames in scenes)
    mp4.write(path, pictures, fps=_FPS, sound=sound, sr=_SR, synthetic=True)


def _scene(
    name: str, seconds: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Iterator[npt.NDArray[np.uint8]]]:
    """Return the sound, float32 (samples,), and the frames of a scene."""
    from cryutils.datasets.synthetic import face, voice
    from cryutils.datasets.synthetic.distractors import KINDS, distractor
    from cryutils.datasets.synthetic.states import Dials

    is_quiet = name in KINDS
    # An average infant, with states as distinct as possible.
    dials = Dials(signal=1.0, identity=0.3)
    state = "tired" if is_quiet else name
    cry = voice.plan(state, infant=1, seed=3, dials=dials, duration_s=seconds)
    if is_quiet:
        cry = replace(cry, opening=np.zeros_like(cry.opening))
        x = distractor(name, rng=rng, duration_s=seconds, sr=_SR)
        x *= np.float32(_QUIET / np.abs(x).max())
    else:
        x = voice.render(cry, _SR)
    return x, face.frames(face.plan(cry, fps=_FPS), size=_SIZE)


def serve(address: str, hosts: list[str], sockets: list[socket], run: Path | None) -> None:
    """Serve a temporary household, and open its page in a browser."""
    from crydecode import serve, store

    folder = scratch_dir()  # removed when the process ends
    film = folder / "film.mp4"
    with store.open(f"sqlite:///{folder}/store.sqlite") as household:
        user = household.users.add("demo", secrets.token_hex())
        household.add_infant("Demo infant")
        opening = f"{address}login?link={household.logins.link(user, store.accounts.LIFETIME_S)}"
        say("A demonstration with synthetic sound and pictures.")
        say(f"Open {opening} (once; Ctrl+C stops and deletes everything).")
        # In a thread, because some browsers block the call until they are closed.
        threading.Thread(target=webbrowser.open, args=[opening], daemon=True).start()
        make_film(film)
        serve.run(serve.application(household, hosts, run=run, film=film), sockets)
