"""One picture file as pixels: `read`, upright, 8-bit RGB, or refused.

Walked by no notebook: `video` reads stills with it, and `media` finds damaged ones. Paper B
(§3) takes facial images as they are; here a phone's rotation flag is obeyed, transparency is
shown on white as a viewer would, and a file that was cut short is no picture.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["BLANKED", "JPEG_END", "few_colours", "on_white", "read"]

Pixels = npt.NDArray[np.uint8]

BLANKED = bytes(256)  # no coder writes so many zeros in a row; a disk that lost a sector does
_KINDS = ("JPEG", "PNG", "WEBP", "BMP")  # whatever the suffix says; none that starts a program
JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"  # from this marker to the end stand the coded pixels


def read(path: str | os.PathLike[str]) -> Pixels:
    """Return the picture in a file, uint8 (height, width, 3) RGB.

    Turned as its EXIF says, 16 bits taken to 8, transparency laid on white. Raises InputError
    for a file that is missing, empty, damaged or cut short, or no picture.
    """
    from PIL import Image, ImageOps

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    content = path.read_bytes()
    if not content:
        raise InputError(f"{path}: the file is empty; copy it again.")
    damaged = f"{path}: this picture can't be decoded; is it damaged?"
    try:
        with Image.open(io.BytesIO(content), formats=_KINDS) as picture:
            if picture.format == "JPEG" and _is_blanked(content):
                raise InputError(damaged)
            return _rgb(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(damaged) from error


def on_white(rgba: npt.NDArray[np.uint8]) -> Pixels:
    """Return `rgba`, uint8 (height, width, 4), laid on white: uint8 (height, width, 3)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def few_colours(picture: Image) -> Image:
    """Return `picture` in a palette of 256 colours: a third of the size as PNG, alike to see."""
    from PIL.Image import Dither

    return picture.convert("RGB").quantize(256, dither=Dither.NONE)


def _rgb(picture: Image) -> Pixels:
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips it at 255
        grey = (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.has_transparency_data:
        return on_white(np.asarray(picture.convert("RGBA")))
    return np.array(picture.convert("RGB"))


def _is_blanked(jpeg: bytes) -> bool:
    """Return whether zeros stand among the coded pixels, where no decoder complains of them."""
    start = jpeg.rfind(_JPEG_SCAN)
    end = jpeg.find(JPEG_END, start)
    return BLANKED in jpeg[start : end if end >= 0 else len(jpeg)]
