"""Every figure that several notebooks share, one function each: takes data and an `ax`, returns the `ax`."""

from . import palette
from .audio import cepstrogram, spectrogram, waveform
from .models import decisions, learning_curves, model_scores, pictures
from .palette import NAMES
from .scores import confusion, save, source, style
