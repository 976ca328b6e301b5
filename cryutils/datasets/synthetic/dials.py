"""The dials of the synthetic corpus, and the model in which they mix what shapes a clip.

Read by `states.py` (voice) and `face_states.py`; notebook 03 (feature validation) turns the dials.
It stands in for what nobody knows of real infants, so the whole model is an ASSUMPTION FOR
TEACHING: a parameter of a clip is the sum of what shapes it, and each dial rules one share,
whatever the others are:

    base + REACH * signal * state + identity * infant + session * visit + clip

Infant, visit (the session's microphone, room and day) and clip are drawn from normal
distributions. `interaction` says whose the state's offset is: of its variance that share is drawn
anew for each infant, the rest is the same for all. At 0 every infant cries alike for one reason, at
1 no two do, so nothing that was learned from other infants helps with a new one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = ["PLAIN", "REACH", "Dials", "Effects"]

Values = npt.NDArray[np.float64]

# A state's offsets, as tabled, are about as large as the deviation between infants. Twice that is
# what other infants' labels can be read by at `signal=1`, `identity=1`.
REACH = 2.0


@dataclass(frozen=True, slots=True)
class Dials:
    """How much of each effect a corpus has, each in [0, 1].

    signal: how much the state shapes voice and face. identity: how much the infant does.
    interaction: which share of the variance between states is each infant's own. session: how
    much microphone, room, light and day vary between sessions of one infant, at 1 as much as
    between infants.
    """

    signal: float = 1.0
    identity: float = 1.0
    interaction: float = 0.0
    session: float = 0.0

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a dial outside [0, 1], named with `prefix` before it."""
        for name, dial in asdict(self).items():
            if not 0.0 <= dial <= 1.0:
                raise InputError(
                    f"{prefix}{name}={dial} is outside the dial; use a number from 0 to 1"
                )


PLAIN = Dials()


@dataclass(frozen=True, eq=False, kw_only=True)
class Effects:
    """What shapes the parameters of a clip, float64 (parameters,) each.

    base: what all have. states: offsets by name. infant, session, clip: standard deviations
    between infants, between sessions of one, between clips of one. streams: of random numbers, for
    the infant, its own states and the session.
    """

    base: Values
    states: Mapping[str, Values]
    infant: Values
    session: Values
    clip: Values
    streams: tuple[int, int, int]

    def draw(
        self, state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator
    ) -> Values:
        """Return the parameters of one clip, float64 (parameters,).

        state: a name in `states`. infant, session: seed what is theirs. rng: draws what is the
        clip's, always the same amount.
        """
        of_infant, of_states, of_session = self.streams
        offset = math.sqrt(1 - dials.interaction) * self.states[state]
        number = list(self.states).index(state)
        alone = _normal([infant, of_states, number], self._size_of_states())
        offset = offset + math.sqrt(dials.interaction) * alone
        return np.asarray(
            self.base
            + REACH * dials.signal * offset
            + dials.identity * _normal([infant, of_infant], self.infant)
            + dials.session * _normal([session, of_session], self.session)
            + rng.standard_normal(self.base.size) * self.clip
        )

    def _size_of_states(self) -> Values:
        """How large a parameter's offset is, root mean square over states."""
        return np.sqrt(np.mean(np.square(list(self.states.values())), axis=0))


def _normal(seed: list[int], spread: Values) -> Values:
    return np.random.default_rng(seed).standard_normal(spread.size) * spread
