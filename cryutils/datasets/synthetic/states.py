"""The parameters of a synthetic cry and face, and the ASSUMPTION FOR TEACHING of how states differ.

Used by `voice.py` and `face.py`. They are never evidence about real infants.

The voice's centres are near DonateACry's medians. The face's describe a plump infant of a few
months. The states are invented: no published figure shows how a hungry cry differs from a tired
one. On 39,201 cries recorded at home, neither trained listeners nor machine learning could
recognise the cause, while age and identity were audible (Lockhart-Bouron et al. 2023, doi
10.1038/s44271-023-00022-z). Only the face of pain follows a published code: brow bulge, eyes
squeezed shut, nasolabial furrow, open and stretched mouth (Grunau & Craig 1987, Pain 28:395-410).
The offsets in states.csv only give a classifier something to find. A hungry infant wails in a
rhythm and looks for the breast; a tired one whines and lets its lids fall; discomfort is short and
uneven, with the corners of the mouth down; a call to be hugged ends in a rising tail. Sex and age
have no effect: in 172 newborns they made no significant difference (Michelsson et al. 2002).

A parameter of a clip is a sum, and each dial controls one term independently of the other dials:

    centre + REACH * signal * state + identity * infant + session * visit + clip

states.csv has the meaning, centre, standard deviations, limits and states of each parameter; lengths
of a face are in half heights of the head. Infant, visit (the session's microphone, room and day)
and clip are drawn from normal distributions. A home belongs to its infant, which is how rooms and
microphones leak in practice.

`interaction` is the share of the state's variance that is drawn for each infant separately; the
rest is the same for all. At 0 a state sounds the same in every infant. At 1 nothing learned from
other infants helps with a new one.
"""

import csv
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

Values = npt.NDArray[np.float64]

# The states' offsets are about as large as the standard deviation between infants. With twice these
# offsets, a model can predict labels of new infants at `signal=1`, `identity=1`.
REACH = 2.0
# A session has its own place, such as the microphone, and its own day: a cold or a long night changes
# a parameter a third as much as another infant does.
_SESSION = {"place": 1.0, "day": 3.0, "": math.inf}


@dataclass(frozen=True, slots=True)
class Dials:
    """The strength of each effect in a corpus, each in [0, 1].

    session: how much microphone, room, light and day vary between sessions of one infant, at 1 as
    much as between infants.
    """

    signal: float = 1.0
    identity: float = 1.0
    interaction: float = 0.0
    session: float = 0.0

    def __post_init__(self) -> None:
        """Raise InputError for a dial outside [0, 1]."""
        for name, dial in asdict(self).items():
            if not 0.0 <= dial <= 1.0:
                raise InputError(f"{name}={dial} is outside the dial; use a number from 0 to 1")


PLAIN = Dials()
# The parameters of a clip's voice or face, floats; states.csv has their names and units.
Parameters: TypeAlias = SimpleNamespace


class Effects:
    """The effects on the parameters of a voice or a face: columns of states.csv, float64 each."""

    def __init__(self, of: str, *, streams: tuple[int, int, int]) -> None:
        """Read the rows of "voice" or "face" in states.csv.

        streams: seeds of the random numbers for the infant, its own states and the session.
        """
        with Path(__file__).with_name("states.csv").open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["of"] == of]

        def column(name: str, default: float = 0.0) -> Values:
            return np.array([float(row[name] or default) for row in rows])

        self.names, self.streams = [row["parameter"] for row in rows], streams
        self.base, self.infant, self.clip = column("centre"), column("infant"), column("clip")
        self.least, self.most = column("least", -math.inf), column("most", math.inf)
        self.session = self.infant / [_SESSION[row["session"]] for row in rows]
        self.states = {state: column(state) for state in list(rows[0])[9:]}

    def draw(
        self, state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator
    ) -> Parameters:
        """Return the parameters of one clip, clipped to their limits.

        infant, session: seeds of what clips of one infant or session share. rng: draws the clip's
        own effect, always the same number of values.
        """
        of_infant, of_states, of_session = self.streams
        sizes = np.sqrt(np.mean(np.square(list(self.states.values())), axis=0))
        individual = _normal([infant, of_states, list(self.states).index(state)], sizes)
        offset = math.sqrt(1 - dials.interaction) * self.states[state]
        offset = offset + math.sqrt(dials.interaction) * individual
        values = (
            self.base
            + REACH * dials.signal * offset
            + dials.identity * _normal([infant, of_infant], self.infant)
            + dials.session * _normal([session, of_session], self.session)
            + rng.standard_normal(self.base.size) * self.clip
        )
        values = np.clip(values, self.least, self.most)
        return Parameters(**dict(zip(self.names, values.tolist(), strict=True)))


def _normal(seed: list[int], deviations: Values) -> Values:
    return np.random.default_rng(seed).standard_normal(deviations.size) * deviations


VOICES, FACES = Effects("voice", streams=(0, 7, 8)), Effects("face", streams=(4, 10, 11))
STATES = tuple(VOICES.states)
