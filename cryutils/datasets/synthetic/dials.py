"""The dials of the synthetic corpus: how strongly state, infant and session shape a clip.

Used by `states.py`, and in notebook 03_feature_validation. What shapes
the cries of real infants is unknown, so the whole model is an ASSUMPTION FOR TEACHING. A parameter
of a clip is a sum, and each dial controls one term independently of the other dials:

    base + REACH * signal * state + identity * infant + session * visit + clip

Infant, visit (the session's microphone, room and day) and clip are drawn from normal distributions.
`interaction` is the share of the state's variance that is drawn for each infant separately; the
rest is the same for all. At 0 a state sounds the same in every infant. At 1 nothing learned from
other infants helps with a new one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

__all__ = ["PLAIN", "REACH", "Dials", "Effects", "spread"]

Values = npt.NDArray[np.float64]
T = TypeVar("T")

# The states' offsets are about as large as the standard deviation between infants. With twice these
# offsets, a model can predict labels of new infants at `signal=1`, `identity=1`.
REACH = 2.0
_DAY = 3.0  # a cold or a long night changes a parameter a third as much as another infant does


@dataclass(frozen=True, slots=True)
class Dials:
    """The strength of each effect in a corpus, each in [0, 1].

    signal: how much the state shapes voice and face. identity: how much the infant does.
    interaction: share of the variance between states that is specific to each infant. session: how
    much microphone, room, light and day vary between sessions of one infant, at 1 as much as
    between infants.
    """

    signal: float = 1.0
    identity: float = 1.0
    interaction: float = 0.0
    session: float = 0.0

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a dial outside [0, 1]; `prefix` is put before its name."""
        for name, dial in asdict(self).items():
            if not 0.0 <= dial <= 1.0:
                raise InputError(
                    f"{prefix}{name}={dial} is outside the dial; use a number from 0 to 1"
                )


PLAIN = Dials()


def spread(
    centre: float, infant: float, clip: float, least: float = -math.inf, most: float = math.inf
) -> Any:
    """Return a dataclass field for a parameter; its default 0 means no offset.

    infant, clip: standard deviations between infants, and between clips of one infant. least, most:
    limits of the drawn value.
    """
    return field(default=0.0, metadata={"spread": (centre, infant, clip, least, most)})


class Effects(Generic[T]):
    """The effects on the parameters of a clip, float64 (parameters,) each.

    base: of all clips. states: offsets by state. infant, session, clip: standard deviations between
    infants, between sessions of one infant, and between clips of one session. least, most: limits.
    """

    def __init__(
        self,
        kind: type[T],
        states: Mapping[str, T],
        *,
        place: Sequence[str],
        day: Sequence[str],
        streams: tuple[int, int, int],
    ) -> None:
        """Collect the effects on `kind`, a dataclass of `spread` fields.

        place, day: parameters that change between sessions, those of the place (such as the
        microphone) as much as between infants, those of the day a third as much. streams: seeds of
        the random numbers for the infant, its own states and the session.
        """
        self.kind, self.streams = kind, streams
        parameters = fields(kind)  # type: ignore[arg-type]
        columns = np.array([parameter.metadata["spread"] for parameter in parameters]).T
        self.base, self.infant, self.clip, self.least, self.most = columns
        share = dict.fromkeys(place, 1.0) | dict.fromkeys(day, _DAY)
        self.session = self.infant / [share.get(each.name, math.inf) for each in parameters]
        self.states = {name: np.array(astuple(state)) for name, state in states.items()}  # type: ignore[call-overload]

    def draw(
        self, state: str, *, infant: int, session: int, dials: Dials, rng: np.random.Generator
    ) -> T:
        """Return the parameters of one clip, clipped to their limits.

        state: a name in `states`. infant, session: seeds of the effects that clips of one infant or
        session share. rng: draws the clip's own effect, always the same number of values.
        """
        of_infant, of_states, of_session = self.streams
        sizes = np.sqrt(np.mean(np.square(list(self.states.values())), axis=0))
        own = _normal([infant, of_states, list(self.states).index(state)], sizes)
        offset = math.sqrt(1 - dials.interaction) * self.states[state]
        offset = offset + math.sqrt(dials.interaction) * own
        values = (
            self.base
            + REACH * dials.signal * offset
            + dials.identity * _normal([infant, of_infant], self.infant)
            + dials.session * _normal([session, of_session], self.session)
            + rng.standard_normal(self.base.size) * self.clip
        )
        return self.parameters(np.clip(values, self.least, self.most))

    def parameters(self, values: Values) -> T:
        """Return `values`, float64 (parameters,), as an instance of `kind`."""
        names = (parameter.name for parameter in fields(self.kind))  # type: ignore[arg-type]
        return self.kind(**dict(zip(names, values.tolist(), strict=True)))


def _normal(seed: list[int], deviations: Values) -> Values:
    return np.random.default_rng(seed).standard_normal(deviations.size) * deviations
