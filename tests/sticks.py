"""A small real bundle for tests: a payload of a few files, signed, cut and listed by the code that makes the large ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bundle.manifest import MANIFEST, Listing, files_below
from bundle.media import MANIFEST_FORMAT, put_on_stick
from bundle.sign import keygen, sign

HEADER = {"product": "skerry", "version": "0.2.0", "serial": "7", "platform": "linux-x86_64", "profile": "serve-cpu"}


def make_key(folder: Path) -> Path:
    """Make a key folder and return it."""
    keygen(folder)
    return folder


def make_payload(folder: Path, key: Path, files: dict[str, bytes] | None = None, **header: str) -> Path:
    """Write a payload of about 40 KB (or of `files`) with its signed MANIFEST and return it."""
    chance = random.Random(header.get("version", HEADER["version"]))
    contents = files or {
        "profile.json": b'{"product": "skerry"}',
        "requirements.txt": b"numpy==2.2\n",
        "wheels/numpy-2.2-py3-none-any.whl": random.Random(1).randbytes(20_000),
        "wheels/skerry-0-py3-none-any.whl": chance.randbytes(4_000),
        "models/minilm/weights.bin": random.Random(2).randbytes(15_000),
        "reports/empty.txt": b"",
    }
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    head = {"format": MANIFEST_FORMAT, **HEADER, "python": "3.11", "built": "2026-01-02T03:04:05+00:00", **header}
    (folder / MANIFEST).write_text(Listing(head, files_below(folder)).text(), "ascii")
    sign(folder / MANIFEST, key)
    return folder


def make_tools(folder: Path) -> Path:
    """Write stand-ins for the tools; `VERIFY.SH` is the real one."""
    folder.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).resolve().parents[1] / "bundle" / "VERIFY.SH"
    (folder / "VERIFY.SH").write_bytes(script.read_bytes())
    (folder / "bundle.pyz").write_bytes(b"PK" + bytes(3000))
    (folder / "MANIFEST.HTM").write_bytes(b"<!doctype html><title>Skerry</title>")
    return folder


def make_stick(folder: Path, key: Path, medium: str = "usb", parity: int = 2, **options: Any) -> Path:
    """Write a whole stick of about twenty parts to `folder / "stick"` and return it; header fields are `options` too."""
    header = {name: options.pop(name, value) for name, value in HEADER.items()}
    files = options.pop("files", None)
    payload = make_payload(folder / "payload", key, files, **header)
    sign(payload / MANIFEST, key, options.get("second"), options.get("sm2"))
    options.setdefault("part_bytes", 2400)
    put_on_stick(payload, make_tools(folder / "tools"), folder / "stick", key, header, medium, parity, **options)
    return folder / "stick"


def carried(folder: Path, key: Path, change: Callable[[Path], object] | None = None, **options: Any) -> Path:
    """Return a stick whose payload was changed after its MANIFEST was signed, and whose PARTS was signed after that.

    `signed` are header fields of the payload's list alone, `told` those of PARTS alone.
    """
    payload = make_payload(folder / "payload", key, **options.pop("signed", {}))
    if change:
        change(payload)
    header = HEADER | options.pop("told", {})
    put_on_stick(payload, make_tools(folder / "tools"), folder / "stick", key, header, "usb", 2, **options)
    return folder / "stick"
