"""Sound: reading files, features, resampling, scaling and artificial disturbances."""

from . import spectral, stress
from .files import KINDS, SoundInfo, features, inspect, pieces, read, signals, wav_bytes
from .spectral import summarise
