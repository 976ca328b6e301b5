"""Pictures: frames of any file, faces in them, their tracks over time, crops."""

from cryutils import errors
from cryutils._io import extras

try:
    import cv2
except ImportError as error:
    extras.require("cv2", "course", "a picture or a video")
    raise errors.InputError(  # such as opencv-python without libGL, in slim containers
        f"OpenCV can't be loaded ({error}): pip uninstall opencv-python opencv-contrib-python,"
        " then pip install --force-reinstall 'opencv-python-headless>=4.10,<5'."
    ) from error

from .tracks import MARGIN, VERSION, FaceTrack, crops, frame_at, frames, track
