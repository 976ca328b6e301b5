"""Reading picture files: `read` returns upright 8-bit RGB pixels, as a viewer shows them."""

import io
import os
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils._io.paths import check_file
from cryutils.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

_KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")  # whatever the suffix is
# Errors of Pillow for a file's content, such as a TIFF tag of the wrong type (TypeError).
_DAMAGE = (OSError, SyntaxError, EOFError, struct.error, ValueError, RuntimeError, TypeError)
LONGEST_SIDE = 4096  # pixels; no model uses more, and larger pictures are shrunk
_MOST_PIXELS = 8192 * 8192


def read(path: str | os.PathLike[str]) -> Pixels:
    """Return the pixels of a picture file, uint8 (height, width, 3) RGB.

    The picture is rotated by its EXIF orientation, reduced from 16 to 8 bits, drawn on white where
    transparent, and shrunk until no side is longer than `LONGEST_SIDE`. Raises InputError for a
    file that is missing, empty, damaged, cut short, HEIC or not a picture, and for more than
    8192 x 8192 pixels.
    """
    from PIL import Image

    path = Path(path)
    check_file(path)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about size and broken EXIF
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=_KINDS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise Image.DecompressionBombError  # as Pillow does for still larger ones
            return _rgb(picture)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: this picture is too large; at most 8192 x 8192 pixels.") from error
    except _DAMAGE as error:
        check_file(path)  # it may have vanished meanwhile
        if path.suffix.lower() in (".heic", ".heif", ".hif"):
            raise InputError(f"{path}: a HEIC picture, as iPhones take them; save it as JPEG.") from error
        raise InputError(f"{path}: this picture can't be decoded; is it damaged?") from error


def _rgb(picture: "Image") -> Pixels:
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips it at 255
        values = np.asarray(picture).astype(np.int32, copy=False) >> 8
        picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return np.array(picture)
