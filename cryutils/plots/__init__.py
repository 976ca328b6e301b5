"""Every figure of the course, one function each: takes data and an `ax`, returns the `ax`."""

from . import palette
from .audio import (
    cepstrogram,
    framing,
    mel_filter_bank,
    mel_lines,
    mel_spectrogram,
    spectra,
    spectrogram,
    waveform,
)
from .autoencoder import bottleneck_errors, reconstructions, spectrograms
from .beyond import (
    attention_over_frames,
    attention_over_time,
    learning_curve,
    scores_by_task,
    similarities,
)
from .corpus import ages, clips_per_infant, neighbours
from .deployment import rounding
from .ensemble import ablation, inputs_used, proposed_model, table3, training_curves
from .live import gate_curve, readings
from .models import (
    architecture,
    convolution,
    decisions,
    face_track,
    fusion_weights,
    gains,
    learning_curves,
    model_scores,
    pictures,
    probabilities,
    stress,
    windows,
)
from .palette import NAMES
from .robustness import (
    confidence_at,
    face_evidence,
    mel_panels,
    picture_row,
    reliability,
    sound_evidence,
    stress_figure,
)
from .scores import (
    confusion,
    dial_panels,
    donors,
    holdout_panels,
    png,
    protocol_scores,
    rungs,
    save,
    scoreboard,
    source,
    specification_curve,
    specification_curves,
    split_accuracies,
    split_gaps,
    style,
    with_and_without,
)
from .video import (
    frame_distances,
    frames_by_class,
    labels_over_time,
    residual_block,
    rolling,
    split_scores,
)
