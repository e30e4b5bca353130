"""A safetensors file is looked at before any library maps it."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from appliance.base.safetensors_file import check_safetensors, writing_to
from appliance.errors import HardwareError, InputError

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def packed(header: str | dict[str, Any], body: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def test_what_the_library_writes_is_accepted(tmp_path: Path) -> None:
    tensors = {
        "encoder.layer.0.weight": np.ones((2, 3), np.float32),
        "bias": np.zeros(4, np.float16),
        "empty": np.zeros((0, 3), np.int64),
    }
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    shapes = check_safetensors(tmp_path / "a.safetensors")
    assert shapes == {"encoder.layer.0.weight": (2, 3), "bias": (4,), "empty": (0, 3)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header length"),
        (b"\x80\x04\x95pickle", "header length"),
        (packed({"a": F32}, length=10**12), "header length"),
        (packed("[]", b""), "no object"),
        (packed("{", b""), "safetensors"),
        (packed('{"a": F, "a": F}'.replace("F", json.dumps(F32))), "twice"),
        (packed({"../a": F32}), "odd tensor name"),
        (packed({"a\n": F32}), "odd tensor name"),
        (packed({"": F32}), "odd tensor name"),
        (packed({"a": F32 | {"shape": [3]}}), "another size"),
        (packed({"a": F32 | {"shape": [-2]}}), "without type"),
        (packed({"a": F32 | {"shape": [True, 2]}}), "without type"),
        (packed({"a": F32 | {"dtype": "PICKLE"}}), "PICKLE"),
        (packed({"a": F32 | {"code": "x"}}), "without type"),
        (packed({"a": {"dtype": "F32"}}), "shape"),
        (packed({"a": F32, "b": F32}), "overlap or leave holes"),
        (packed({"a": F32 | {"data_offsets": [8, 16]}}, b"\0" * 16), "overlap or leave holes"),
        (packed({"a": F32}, b"\0" * 9), "no tensor"),
        (packed({"a": F32}, b"\0" * 7), "no tensor"),
    ],
)
def test_anything_odd_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        check_safetensors(path)


def test_every_cut_of_a_good_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    whole = packed({"a": F32})
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            check_safetensors(path)


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    """The library's own error and the system's, made by a limit on the size of files."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(HardwareError, match=r"File too large.*free some room"), writing_to(tmp_path):
            save_file({"a": np.ones(10_000)}, tmp_path / "a.safetensors")
        with pytest.raises(HardwareError, match=r"File too large.*free some room"), writing_to(tmp_path):
            (tmp_path / "b").write_bytes(b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(InputError), writing_to(tmp_path):
        raise InputError("x")
