"""Pictures: frames of any file, faces in them, their tracks over time, crops."""

from . import features
from .tracks import MARGIN, VERSION, FaceTrack, crops, frame_at, frames, report, track
