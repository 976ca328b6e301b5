"""One picture file as pixels: `read`, upright, 8-bit RGB, or refused.

Walked by no notebook: `video` reads stills with it, and `media` finds damaged ones. Paper B
(§3) takes facial images as they are; here a phone's rotation flag is obeyed, transparency is
shown on white as a viewer would, and a file that was cut short is no picture.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryutils._io import extras
from cryutils._io.paths import check_file
from cryutils.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["BLANKED", "JPEG_END", "LONGEST_SIDE", "few_colours", "on_white", "read", "reads_heic"]

Pixels = npt.NDArray[np.uint8]

BLANKED = bytes(256)  # no coder writes so many zeros in a row; a disk that lost a sector does
# Whatever the suffix says; none that starts a program.
_KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
_HEIC = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})  # brands
# What Pillow raises at the content of a file. ValueError: a chunk that is shorter than its kind, or
# unpacks to far too much. RuntimeError: the decoders of AVIF and HEIC. TypeError: a tag of TIFF.
_DAMAGE = (OSError, SyntaxError, EOFError, struct.error, ValueError, RuntimeError, TypeError)
JPEG_END = b"\xff\xd9"
LONGEST_SIDE = 4096  # pixels; no model looks at more, and larger pictures are halved
_MOST_PIXELS = 8192 * 8192
_MOST_BYTES = 4 * _MOST_PIXELS
_JPEG_SCAN = b"\xff\xda"  # from this marker to the end stand the coded pixels


def read(path: str | os.PathLike[str]) -> Pixels:
    """Return the picture in a file, uint8 (height, width, 3) RGB.

    Turned as its EXIF says, 16 bits taken to 8, transparency laid on white, and halved until no
    side is longer than `LONGEST_SIDE`. Raises InputError for a file that is missing, empty,
    damaged or cut short, or no picture, for HEIC unless pillow-heif is installed, and for more than
    8192 x 8192 pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    check_file(path)
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(_too_large(path, f"{path.stat().st_size >> 20} MB"))
    content = path.read_bytes()
    # Whatever matters of what it warns of (size, broken EXIF) is judged here.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    damaged = f"{path}: this picture can't be decoded; is it damaged?"
    try:
        kinds = (*_KINDS, "HEIF") if reads_heic() else _KINDS
        with Image.open(io.BytesIO(content), formats=kinds) as picture:
            if picture.format == "JPEG" and _is_blanked(content):
                raise InputError(damaged)
            factor = _factor(path, *picture.size)
            if factor > 1:  # a JPEG needn't be decoded in full
                width, height = picture.size
                picture.draft(None, (max(1, width // factor), max(1, height // factor)))
                factor //= round(width / picture.width)
            return _rgb(ImageOps.exif_transpose(picture), factor)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path, "beyond any camera's")) from error
    except MemoryError as error:
        raise InputError(
            f"{path}: it needs more memory than there is; give a smaller picture."
        ) from error
    except UnidentifiedImageError as error:
        if content[4:8] == b"ftyp" and content[8:12] in _HEIC and not reads_heic():
            raise InputError(
                f"{path}: this is a HEIC picture, as iPhones take them; save it as JPEG, or install"
                f" the extra [heic]: {extras.command('heic')}."
            ) from error
        raise InputError(damaged) from error
    except _DAMAGE as error:
        raise InputError(damaged) from error


@cache
def reads_heic() -> bool:
    """Return whether pillow-heif is installed, which Pillow then reads HEIC with."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def on_white(rgba: npt.NDArray[np.uint8]) -> Pixels:
    """Return `rgba`, uint8 (height, width, 4), laid on white: uint8 (height, width, 3)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def few_colours(picture: Image) -> Image:
    """Return `picture` in a palette of 256 colours: a third of the size as PNG, alike to see."""
    from PIL.Image import Dither

    return picture.convert("RGB").quantize(256, dither=Dither.NONE)


def _factor(path: Path, width: int, height: int) -> int:
    """Return the power of 2 by which a picture is shrunk. Raises InputError for a giant one."""
    if width * height > _MOST_PIXELS:
        raise InputError(_too_large(path, f"{width} x {height} pixels"))
    return 1 << max(0, (max(width, height) - 1) // LONGEST_SIDE).bit_length()


def _too_large(path: Path, what: str) -> str:
    return f"{path}: this picture is too large ({what}); give one of at most 8192 x 8192 pixels."


def _rgb(picture: Image, factor: int) -> Pixels:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips it at 255
        values = np.asarray(picture).astype(np.int32, copy=False)
        grey = Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8))
        return np.array(_shrunk(grey, factor).convert("RGB"))
    if picture.has_transparency_data:
        return on_white(np.asarray(_shrunk(picture.convert("RGBA"), factor)))
    return np.array(_shrunk(picture.convert("RGB"), factor))


def _shrunk(picture: Image, factor: int) -> Image:
    return picture.reduce(factor) if factor > 1 else picture


def _is_blanked(jpeg: bytes) -> bool:
    """Return whether zeros stand among the coded pixels, where no decoder complains of them."""
    start = jpeg.rfind(_JPEG_SCAN)
    end = jpeg.find(JPEG_END, start)
    return BLANKED in jpeg[start : end if end >= 0 else len(jpeg)]
