"""A small ONNX network that takes sound, in the bytes of its protocol buffer (onnx.proto)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

__all__ = ["onnx_file"]


def onnx_file(path: Path, takes: Sequence[int | str], answers: Sequence[int]) -> Path:
    """Write a network that answers the mean of its samples in each place; return `path`.

    takes: shape of the samples, (1, samples); a text is a length that may vary. answers: the shape
    of the answer.
    """
    axes = _text(1, "axes") + _number(20, 7) + _number(8, 1)
    mean = _text(1, "x") + _text(2, "mean") + _text(4, "ReduceMean") + _bytes(5, axes)
    spread = _text(1, "mean") + _text(1, "shape") + _text(2, "y") + _text(4, "Expand")
    numbers = struct.pack(f"<{len(answers)}q", *answers)
    shape = _number(1, len(answers)) + _number(2, 7) + _text(8, "shape") + _bytes(9, numbers)
    graph = _bytes(1, mean) + _bytes(1, spread) + _text(2, "graph") + _bytes(5, shape)
    graph += _bytes(11, _value("x", takes)) + _bytes(12, _value("y", answers))
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)))
    return path


def _value(name: str, sides: Sequence[int | str]) -> bytes:
    parts = [_number(1, side) if isinstance(side, int) else _text(2, side) for side in sides]
    shape = b"".join(_bytes(1, part) for part in parts)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    more, rest = number >> 7, number & 127
    return bytes([rest]) if not more else bytes([rest | 128]) + _varint(more)
