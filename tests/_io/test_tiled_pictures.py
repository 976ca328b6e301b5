"""A picture that is coded in tiles, as phones write AVIF and HEIC, is read whole."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cryutils import video
from cryutils._io import media, pictures

SIDE = 64  # pixels, of a tile
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40)]
CODED = {"AVIF": (b"av01", b"av1C", b"avif"), "HEIF": (b"hvc1", b"hvcC", b"heic")}


def box(kind: bytes, *content: bytes, version: int | None = None) -> bytes:
    """Return a box of ISO/IEC 14496-12; with a version, a full box without flags."""
    head = b"" if version is None else bytes([version, 0, 0, 0])
    body = head + b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def numbers(size: int, *values: int) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value in values)


def boxed(content: bytes, kind: bytes) -> bytes:
    """Return the box of a kind that occurs once in a file, with its head."""
    start = content.index(kind) - 4
    return content[start : start + int.from_bytes(content[start : start + 4], "big")]


def write_grid(path: Path, kind: str) -> None:
    """Write two rows of two tiles in COLOURS as a derived image (ISO/IEC 23008-12)."""
    item, settings, brand = CODED[kind]
    tiles, described = [], b""
    for colour in COLOURS:
        coded = io.BytesIO()
        Image.new("RGB", (SIDE, SIDE), colour).save(coded, kind, quality=90)
        tiles.append(boxed(coded.getvalue(), b"mdat")[8:])
        described = boxed(coded.getvalue(), settings)
    ids = range(2, 2 + len(tiles))  # 1 is the grid
    entries = [(1, b"grid", 0), *((number, item, 1) for number in ids)]
    names = [  # the flag 1 hides a tile
        box(b"infe", bytes([2, 0, 0, flag]), numbers(2, number, 0), name, b"\0")
        for number, name, flag in entries
    ]
    sizes = [box(b"ispe", numbers(4, side, side), version=0) for side in (2 * SIDE, SIDE)]
    bits = box(b"pixi", bytes([3, 8, 8, 8]), version=0)
    used = [numbers(2, 1) + bytes([2, 1, 3])]  # properties by number, 128 where essential
    used += [numbers(2, number) + bytes([3, 2, 3, 128 + 4]) for number in ids]
    grid = bytes([0, 0, 1, 1]) + numbers(2, 2 * SIDE, 2 * SIDE)

    def head(offset: int) -> bytes:
        places = [numbers(2, 1, 1, 0, 1) + numbers(4, 0, len(grid))]  # in `idat`
        for number, tile in zip(ids, tiles, strict=True):
            places.append(numbers(2, number, 0, 0, 1) + numbers(4, offset, len(tile)))
            offset += len(tile)
        meta = box(
            b"meta",
            box(b"hdlr", numbers(4, 0), b"pict", bytes(13), version=0),
            box(b"pitm", numbers(2, 1), version=0),
            box(b"iinf", numbers(2, len(names)), *names, version=0),
            box(b"iref", box(b"dimg", numbers(2, 1, len(tiles), *ids)), version=0),
            box(
                b"iprp",
                box(b"ipco", *sizes, bits, described),
                box(b"ipma", numbers(4, len(used)), *used, version=0),
            ),
            box(b"iloc", b"\x44\0", numbers(2, len(places)), *places, version=1),
            box(b"idat", grid),
            version=0,
        )
        return box(b"ftyp", brand, bytes(4), b"mif1", b"miaf", brand) + meta

    start = len(head(0)) + 8
    path.write_bytes(head(start) + box(b"mdat", *tiles))


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("misnamed", [False, True])
def test_all_tiles_of_a_picture_are_read(kind: str, misnamed: bool, tmp_path: Path) -> None:
    if kind == "HEIF" and not pictures.reads_heic():
        pytest.skip("pillow-heif is not installed")
    path = tmp_path / f"a{'.jpg' if misnamed else {'AVIF': '.avif', 'HEIF': '.heic'}[kind]}"
    write_grid(path, kind)
    (frame,) = video.frames(path)
    assert frame.shape == (2 * SIDE, 2 * SIDE, 3)
    corners = frame.reshape(2, SIDE, 2, SIDE, 3)[:, SIDE // 2, :, SIDE // 2].reshape(4, 3)
    np.testing.assert_allclose(corners, COLOURS, atol=8)
    assert media.probe(path) == media.MediaInfo(0.0, 0, has_audio=False, has_video=True)
