"""Every figure of the course, one function each: takes data and an `ax`, returns the `ax`."""

from . import palette
from .audio import (
    cepstrogram,
    framing,
    mel_filter_bank,
    mel_lines,
    mel_spectrogram,
    reconstructions,
    spectra,
    spectrogram,
    waveform,
)
from .disturbance import confidence_at, reliability, stress_figure
from .models import decisions, gains, learning_curves, model_scores, pictures
from .monitoring import readings
from .palette import NAMES
from .scores import confusion, png, save, scoreboard, source, split_accuracies, style, table3
