"""Sound: reading files, features, resampling, scaling and artificial disturbances."""

from . import spectral, stress
from .extraction import KINDS, features, signals
from .files import SoundInfo, inspect, native_rate, pieces, read, wav_bytes
from .spectral import summarise
