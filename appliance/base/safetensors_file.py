"""Check a safetensors file before any library maps it.

Format: github.com/huggingface/safetensors, README, "Format": u64 header length, JSON header, tensor bytes without holes or overlaps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.errors import HardwareError, InputError
from appliance.words import _

__all__ = ["check_safetensors", "writing_to"]

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_LARGEST_HEADER_BYTES = 25 * 1024**2
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,255}")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise `HardwareError` where the disk is full or broken; the safetensors library has an error of its own for that."""
    try:
        yield
    except Exception as error:
        # by name, since base models that are no encoder come in without that library
        if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
            raise
        raise HardwareError(
            _("cannot write to `{folder}`: {error}; free some room or check its owner", folder=folder, error=error)
        ) from error


def check_safetensors(path: Path) -> dict[str, tuple[int, ...]]:
    """Return each tensor's shape by name. Raises `InputError` for anything that the format does not allow or that two readers could read differently."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(_LARGEST_HEADER_BYTES, size - 8):
                raise ValueError("impossible header length")
            header = json.loads(file.read(length), object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("the header is no object")
        header.pop("__metadata__", None)
        shapes = {name: _shape(name, tensor) for name, tensor in header.items()}
        _check_cover([tensor["data_offsets"] for tensor in header.values()], size - 8 - length)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            _(
                "`{path}` is no sound safetensors file ({reason}); take it from its source again",
                path=path,
                reason=str(error),
            )
        ) from error
    return shapes


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # json.loads would keep the last of two equal keys, another reader the first
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands there twice")
    return content


def _shape(name: str, tensor: dict[str, Any]) -> tuple[int, ...]:
    shape, (start, end) = tensor["shape"], tensor["data_offsets"]
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError("an odd tensor name")
    if set(tensor) != {"dtype", "shape", "data_offsets"} or not all(
        type(number) is int and number >= 0 for number in (*shape, start, end)
    ):
        raise ValueError("a tensor without type, shape and offsets")
    if end - start != math.prod(shape) * _BYTES[tensor["dtype"]]:
        raise ValueError("a tensor of another size than its shape")
    return tuple(shape)


def _check_cover(offsets: list[list[int]], size: int) -> None:
    position = 0
    for start, end in sorted(offsets):
        if start != position:
            raise ValueError("tensors overlap or leave holes")
        position = end
    if position != size:
        raise ValueError("bytes that belong to no tensor")
